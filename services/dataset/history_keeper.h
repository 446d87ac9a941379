// Deletes superseded records that no snapshot holds, by the state's policy.
#pragma once

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/pg/pg.h"
#include "services/dataset/definition_store.h"

namespace edcert::dataset {

// Does so every hour, a bounded part at a time; any number of replicas may. Thread-safe.
class HistoryKeeper {
 public:
  // `keep`: how long a version stays at least after it was superseded; zero: for ever.
  HistoryKeeper(pg::Pool& pool, const clock::Clock& clock, absl::Duration keep);
  ~HistoryKeeper();

 private:
  void Run(const std::stop_token& stop);
  absl::Status LookOnce(const std::stop_token& stop);

  pg::Pool& pool_;
  const clock::Clock& clock_;
  const absl::Duration keep_;
  DefinitionCache definitions_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace edcert::dataset
