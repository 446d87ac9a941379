// Ids as an argument: the only place of the tree that draws random numbers.
#pragma once

#include <string>
#include <string_view>

#include "common/clock/clock.h"

namespace edcert::ids {

// Thread-safe.
class IdSource {
 public:
  virtual ~IdSource() = default;
  // A new UUIDv7 (RFC 9562), lower case: ids of one process grow with time.
  virtual std::string NewId() const = 0;

  // Ids from the machine's clock and its random source.
  static const IdSource& Real();
};

// Whether `text` is a UUID of any version in the usual form of 36 characters.
bool IsUuid(std::string_view text);

// A UUIDv8 (RFC 9562) made from the SHA-256 of `seed` and `purpose`: the id of a request that a
// service sends on behalf of a request that it received, so that a retry sends the same one.
std::string DerivedId(std::string_view seed, std::string_view purpose);

}  // namespace edcert::ids
