// Lets a handler's thread wait for the completion of one stream operation.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace edcert::rpc::internal {

// One operation at a time: Expect, start the operation, Wait.
class StreamWait {
 public:
  void Expect() {
    const absl::MutexLock lock(&mutex_);
    finished_ = false;
  }
  void Finish(bool ok) {
    const absl::MutexLock lock(&mutex_);
    finished_ = true;
    ok_ = ok;
  }
  // False when the operation failed, or when `limit` passed: then it is still under way.
  bool Wait(absl::Duration limit, bool& timed_out) {
    absl::MutexLock lock(&mutex_);
    timed_out = !mutex_.AwaitWithTimeout(absl::Condition(&finished_), limit);
    return !timed_out && ok_;
  }
  void WaitUntilFinished() {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&finished_));
  }

 private:
  absl::Mutex mutex_;
  bool finished_ ABSL_GUARDED_BY(mutex_) = true;
  bool ok_ ABSL_GUARDED_BY(mutex_) = false;
};

// A peer that makes no progress for this long loses the call.
inline constexpr absl::Duration kProgressLimit = absl::Seconds(10);

}  // namespace edcert::rpc::internal
