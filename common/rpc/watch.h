// A call that answers with an open-ended stream of a resource's states. Costs no thread while
// nothing changes: the feed's hub wakes it, the executor reads the resource, and only a state that
// differs from the last one is sent.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/handle.h"
#include "common/status/errors.h"

namespace edcert::rpc {

// What one look gives: messages to send, and whether the stream is over.
template <typename Response>
struct WatchStep {
  std::vector<Response> messages;
  bool done = false;
};

namespace internal {

// Shared by the reactor, the hub's callback and the executor; the last of them deletes it.
template <typename Response>
class WatchReactor final : public grpc::ServerWriteReactor<Response>,
                           public std::enable_shared_from_this<WatchReactor<Response>> {
 public:
  using Look = std::function<absl::StatusOr<WatchStep<Response>>(Call&)>;

  WatchReactor(Runtime& runtime, Admission admission, Look look)
      : runtime_(runtime), admission_(std::move(admission)), look_(std::move(look)) {}

  // Begins; the reactor keeps itself alive until OnDone.
  void Start(const std::string& subject, absl::Duration tick) {
    self_ = this->shared_from_this();
    if (admission_.method() == nullptr) {
      return this->Finish(ToGrpc(status::NotPermitted("a policy for this method")));
    }
    const std::weak_ptr<WatchReactor> weak = self_;
    subscription_ = runtime_.hub().Subscribe(subject, tick, [weak] {
      if (const auto reactor = weak.lock()) reactor->Wake();
    });
    Wake();
  }

  void OnWriteDone(bool ok) override {
    const absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) return FinishOnce(ToGrpc(status::Cancelled()));
    WriteNext();
  }

  void OnCancel() override {
    const absl::MutexLock lock(&mutex_);
    FinishOnce(ToGrpc(status::Cancelled()));
  }

  void OnDone() override {
    if (subscription_ != 0) runtime_.hub().Unsubscribe(subscription_);
    self_.reset();
  }

 private:
  void Wake() {
    const absl::MutexLock lock(&mutex_);
    if (finished_ || ending_) return;
    again_ = true;
    if (looking_) return runtime_.looks().Kick();
    if (!writing_) StartLook();
  }

  void StartLook() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    again_ = false;
    looking_ = true;
    runtime_.looks().Add([self = this->shared_from_this()] { self->LookNow(); });
  }

  void LookNow() {
    WatchStep<Response> step;
    const grpc::Status status = admission_.RunNow([&](Call& call) -> absl::Status {
      absl::StatusOr<WatchStep<Response>> looked = look_(call);
      if (!looked.ok()) return looked.status();
      step = *std::move(looked);
      return absl::OkStatus();
    });
    const absl::MutexLock lock(&mutex_);
    looking_ = false;
    if (finished_) return this->Finish(last_words_);
    if (!status.ok()) return FinishOnce(status);
    ending_ = step.done;
    for (Response& message : step.messages) {
      std::string bytes = message.SerializeAsString();
      if (bytes == last_) continue;
      last_ = std::move(bytes);
      outgoing_.push_back(std::move(message));
    }
    WriteNext();
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_ || writing_) return;
    if (!outgoing_.empty()) {
      current_ = std::move(outgoing_.front());
      outgoing_.erase(outgoing_.begin());
      writing_ = true;
      this->StartWrite(&current_);
    } else if (ending_) {
      FinishOnce(grpc::Status::OK);
    } else if (again_ && !looking_) {
      StartLook();
    }
  }

  void FinishOnce(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    finished_ = true;
    if (looking_) {
      // The look uses the call's context, which is gone after Finish: it finishes when it is done.
      last_words_ = status;
    } else {
      this->Finish(status);
    }
  }

  Runtime& runtime_;
  Admission admission_;
  const Look look_;
  int64_t subscription_ = 0;
  std::shared_ptr<WatchReactor> self_;
  absl::Mutex mutex_;
  bool looking_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool again_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status last_words_ ABSL_GUARDED_BY(mutex_);
  std::string last_ ABSL_GUARDED_BY(mutex_);
  std::vector<Response> outgoing_ ABSL_GUARDED_BY(mutex_);
  Response current_;
};

}  // namespace internal

// What a watch waits for.
struct Watched {
  std::string subject;  // the resource name whose changes the feed reports
  // How often it looks without being told of a change: at what no feed tells, at time that passes,
  // and at a token that is over.
  absl::Duration tick = absl::Seconds(1);
};

// `look` authorises and reads the present state; it runs at the start, after each change and every
// tick.
template <typename Request, typename Response>
grpc::ServerWriteReactor<Response>* Watch(Runtime& runtime, grpc::CallbackServerContext* context,
                                          const Request* /*request*/, const Watched& watched,
                                          typename internal::WatchReactor<Response>::Look look) {
  const auto reactor = std::make_shared<internal::WatchReactor<Response>>(
      runtime, internal::Admission(runtime, context, Request::descriptor()), std::move(look));
  reactor->Start(watched.subject, watched.tick);
  return reactor.get();
}

}  // namespace edcert::rpc
