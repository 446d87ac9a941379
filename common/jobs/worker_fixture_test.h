// For the tests of workers: real worker processes whose Runner tells what it does over a pipe.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/ids/ids.h"
#include "common/jobs/jobs.h"
#include "common/testing/database.h"

namespace edcert::jobs {

// What a Runner of the fixture told.
struct Told {
  // started, part, progress, written, completed, failed; empty: no worker is left
  std::string what;
  std::string id;
  int64_t attempt = 0;
  pid_t worker = 0;
  std::string status;  // of what was tried
};

// A job does what its organization is called:
//   organizations/blocked   waits for Go() before it goes on
//   organizations/silent    waits too, then only completes
//   organizations/writing   waits too, then only writes and completes
//   organizations/invalid   is refused with FIELD_INVALID
//   organizations/unlucky   fails with INTERNAL at its first attempt
//   organizations/lonely    fails with UNAVAILABLE at its first attempt
//   organizations/polite    has three parts, waits in each, gives way between them, then completes
//   any other one           goes on at once
// and then stores progress, writes one effect by Write, another one by Complete.
class WorkerFixture {
 public:
  WorkerFixture();
  ~WorkerFixture();

  // Forks a process that runs RunWorkers; before this process has threads.
  void Start(const std::string& redis_address = "", int processes = 1,
             absl::Duration wall_clock = absl::Minutes(10));
  pid_t parent() const { return parent_; }
  // SIGTERM, and the exit code.
  int Stop();
  // The exit code of a parent that ends for another reason.
  int WaitForParent();

  void Go();
  // The next that is told, at most half a minute later.
  Told Next();
  // Skips what comes before it.
  Told NextOf(const std::string& what);

  std::string Add(const std::string& organization, const std::string& id,
                  Priority priority = Priority::kInteractive);
  std::string Add(const std::string& organization, Priority priority = Priority::kInteractive) {
    return Add(organization, ids::IdSource::Real().NewId(), priority);
  }
  Job Read(const std::string& id);
  int64_t Counter(const std::string& column, const std::string& id);
  // Rows that jobs wrote: by Write, by Complete or by Failed.
  int64_t Effects(const std::string& what, const std::string& id);
  void Change(const std::string& assignment, const std::string& id);

  testing::TestDatabase& database() { return database_; }

 private:
  const std::vector<pg::Component> components_ = {Migrations()};
  testing::TestDatabase database_{"validation", components_};
  int told_[2];  // pipe: from the runners
  int go_[2];    // pipe: to the runners
  std::string unread_;
  pid_t parent_ = 0;
};

}  // namespace edcert::jobs
