// Bounds the uploads that one caller has under way: each holds a thread of the few that there are.
#pragma once

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace edcert::rpc {

// Thread-safe.
class UploadSlots {
 public:
  explicit UploadSlots(int per_caller) : per_caller_(per_caller) {}

  // One upload of `caller`, until it ends; not taken when he has too many.
  class Slot {
   public:
    Slot(UploadSlots& slots, std::string caller)
        : slots_(slots), caller_(std::move(caller)), taken_(slots_.Take(caller_)) {}
    ~Slot() {
      if (taken_) slots_.Leave(caller_);
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    bool taken() const { return taken_; }

   private:
    UploadSlots& slots_;
    const std::string caller_;
    const bool taken_;
  };

 private:
  bool Take(const std::string& caller) {
    const absl::MutexLock lock(&mutex_);
    int& count = counts_[caller];
    if (count >= per_caller_) return false;
    ++count;
    return true;
  }
  void Leave(const std::string& caller) {
    const absl::MutexLock lock(&mutex_);
    const auto it = counts_.find(caller);
    if (--it->second == 0) counts_.erase(it);
  }

  const int per_caller_;
  absl::Mutex mutex_;
  std::map<std::string, int> counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace edcert::rpc
