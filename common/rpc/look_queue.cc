#include "common/rpc/look_queue.h"

#include <cstddef>
#include <utility>

namespace edcert::rpc {

void LookQueue::Add(std::function<void()> look) {
  const absl::MutexLock lock(&mutex_);
  looks_.push_back(std::move(look));
  StartThreads();
}

void LookQueue::Kick() {
  const absl::MutexLock lock(&mutex_);
  StartThreads();
}

void LookQueue::StartThreads() {
  while (running_ < threads_ && static_cast<std::size_t>(running_) < looks_.size()) {
    if (!executor_.Submit([this] { Run(); })) return;
    ++running_;
  }
}

void LookQueue::Run() {
  while (true) {
    std::function<void()> look;
    {
      const absl::MutexLock lock(&mutex_);
      if (looks_.empty()) {
        --running_;
        return;
      }
      look = std::move(looks_.front());
      looks_.pop_front();
    }
    look();
  }
}

}  // namespace edcert::rpc
