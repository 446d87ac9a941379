// Continuous validation: when records changed, what the rules in use find in them is counted, at
// the lowest priority.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/feed/feed.h"
#include "common/ids/ids.h"
#include "common/jobs/jobs.h"
#include "common/pg/pg.h"
#include "services/validation_report/background_store.h"

namespace edcert::validation_report {

// Takes over one change of dataset's feed: the runs of what reads the records are due after
// `delay`.
absl::Status ApplyDatasetChange(pg::Transaction& tx, const type::Change& change,
                                absl::Duration delay);

// Accepts a job for each of some runs that are due. None when the counts are of these versions
// already or a report ran the same, whose counts are taken; a run that a job is at waits for
// `delay`.
struct DueRuns {
  int taken = 0;
  std::vector<jobs::NewJob> accepted;
};
absl::StatusOr<DueRuns> AcceptDueRuns(pg::Database db, const ids::IdSource& ids,
                                      absl::Duration delay);

// Compares the FATAL findings of some runs with those of a day before, where that was last done
// before `day_began`, and appends a change for each that has more of a rule:
// `fatal_findings_appeared`. Of a run that is compared for the first time nothing is new. Returns
// how many runs it compared.
absl::StatusOr<int> TellNewFatal(pg::Database db, const ids::IdSource& ids, absl::Time day_began);

// Follows dataset's feed, accepts what is due and tells once a day what became FATAL; any number of
// replicas may. Thread-safe.
class BackgroundKeeper {
 public:
  struct Options {
    // How long after a change its records are counted; zero: never.
    absl::Duration delay;
    feed::Fetch fetch;    // dataset's feed
    absl::TimeZone zone;  // whose days
    std::function<void(const jobs::NewJob&)> accepted;
  };
  BackgroundKeeper(pg::Pool& pool, const ids::IdSource& ids, Options options);
  ~BackgroundKeeper();

 private:
  void Run(const std::stop_token& stop);

  pg::Pool& pool_;
  const ids::IdSource& ids_;
  const Options options_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<feed::Consumer> consumer_;  // null when there is nothing to do
  std::jthread thread_;                       // last: it uses everything above
};

}  // namespace edcert::validation_report
