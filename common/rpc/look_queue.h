// The looks of watches that wait for a thread, in the order of their asking.
#pragma once

#include <deque>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/executor.h"

namespace edcert::rpc {

// Runs looks on a part of an executor's threads. A look is never lost, and none overtakes another,
// however many watches wake at once: the executor's own queue is short, and whoever comes first
// each time would starve the others. Each watch has at most one look here, which bounds the queue.
// Thread-safe.
class LookQueue {
 public:
  // Uses at most `threads` of the executor's threads at once, and outlives them.
  LookQueue(Executor& executor, int threads) : executor_(executor), threads_(threads) {}

  void Add(std::function<void()> look);
  // Tries again to get a thread, after the executor refused one. Called on every tick.
  void Kick();

 private:
  void StartThreads() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run();

  Executor& executor_;
  const int threads_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> looks_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace edcert::rpc
