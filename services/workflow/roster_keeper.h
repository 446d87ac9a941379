// Keeps rosters true as days pass: roles, assignments and delegations begin and end.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/pg/pg.h"
#include "services/workflow/certification_store.h"
#include "services/workflow/registry_follower.h"

namespace edcert::workflow {

// Takes up each new day of the state once, whatever the number of replicas: asks the registry for
// the members of every category in use, then replaces them and the rosters that differ.
// Thread-safe.
class RosterKeeper {
 public:
  struct Options {
    // All members of a category, those of other days too.
    std::function<absl::StatusOr<std::vector<MemberFact>>(const std::string& category)> members;
    // Called after a day was taken up.
    std::function<void()> committed;
  };
  RosterKeeper(pg::Pool& pool, const clock::Clock& clock, const CertificationStore& store,
               const RegistryFollower& follower, Options options);
  ~RosterKeeper();

  // Makes it look at the clock now; it does so by itself at midnight and every minute.
  void Poke();

 private:
  void Run(const std::stop_token& stop);
  // Takes up today, or a part of it. Whether something is left to do at once.
  absl::StatusOr<bool> TakeUpToday();
  void Wait(const std::stop_token& stop, absl::Duration longest);

  pg::Pool& pool_;
  const clock::Clock& clock_;
  const CertificationStore& store_;
  const RegistryFollower& follower_;
  const Options options_;
  absl::Mutex mutex_;
  bool poked_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace edcert::workflow
