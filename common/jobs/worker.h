// A worker process: takes jobs and runs them, one at a time.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "common/jobs/jobs.h"

namespace edcert::jobs {

// The job that a worker holds, in memory that it shares with its parent: what the parent must know
// when the worker has died.
class HeldJob {
 public:
  struct Value {
    std::string id;
    int64_t attempt = 0;
  };

  // The worker's side.
  void Take(const std::string& id, int64_t attempt, absl::Time now);
  void Clear();

  // The parent's side. Read only when the worker is dead.
  std::optional<Value> Read() const;
  // When the job was taken; InfiniteFuture when there is none. Any time.
  absl::Time since() const;

 private:
  static_assert(std::atomic<int64_t>::is_always_lock_free);
  std::array<char, 64> id_;
  std::atomic<int64_t> attempt_;
  std::atomic<int64_t> since_micros_;
};

// The main function of worker `index`. SIGTERM gives the job back and ends the process with 0,
// whatever it does; returns only when the worker cannot be made.
int RunWorker(const WorkerOptions& options, int index, HeldJob& held);

}  // namespace edcert::jobs
