// Time as an argument: the only place of the tree that reads the real one.
#pragma once

#include "absl/time/time.h"

namespace edcert::clock {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time.
  virtual absl::Time Now() const = 0;

  // The machine's clock.
  static const Clock& Real();
};

}  // namespace edcert::clock
