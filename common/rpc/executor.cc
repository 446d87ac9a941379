#include "common/rpc/executor.h"

namespace edcert::rpc {

Executor::Executor(Options options) : options_(std::move(options)) {
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

Executor::~Executor() {
  const absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

bool Executor::Submit(std::function<void()> work) {
  const absl::MutexLock lock(&mutex_);
  if (stopping_ || queue_.size() >= static_cast<std::size_t>(options_.queue_length)) return false;
  queue_.push_back(std::move(work));
  return true;
}

void Executor::Run() {
  while (true) {
    std::function<void()> work;
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !queue_.empty();
      };
      mutex_.Await(absl::Condition(&ready));
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace edcert::rpc
