// A bounded set of threads that run the handlers.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace edcert::rpc {

// Thread-safe.
class Executor {
 public:
  struct Options {
    std::string name;  // in metrics and in OVERLOADED errors
    int threads = 16;
    int queue_length = 1024;
  };
  explicit Executor(Options options);
  // Runs what is queued, then joins.
  ~Executor();

  // Queues work; false when the queue is full or the executor stops.
  [[nodiscard]] bool Submit(std::function<void()> work);

  const std::string& name() const { return options_.name; }

 private:
  void Run();

  const Options options_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace edcert::rpc
