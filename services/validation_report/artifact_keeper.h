// Deletes the files of old reports, by the state's policy.
#pragma once

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/ids/ids.h"
#include "common/pg/pg.h"
#include "services/validation_report/report_store.h"

namespace edcert::validation_report {

// Expires what has become too old, a part at a time, and tells the feed. Returns how many reports.
absl::StatusOr<int> ExpireArtifacts(pg::Database db, const ids::IdSource& ids, absl::Time before);

// Does so every hour; any number of replicas may. Thread-safe.
class ArtifactKeeper {
 public:
  // `keep`: how long a file stays at least; zero: for ever.
  ArtifactKeeper(pg::Pool& pool, const clock::Clock& clock, const ids::IdSource& ids,
                 absl::Duration keep);
  ~ArtifactKeeper();

 private:
  void Run(const std::stop_token& stop);

  pg::Pool& pool_;
  const clock::Clock& clock_;
  const ids::IdSource& ids_;
  const absl::Duration keep_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace edcert::validation_report
