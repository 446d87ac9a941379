// A call that takes a stream of requests, read by a handler that may block.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "common/rpc/handle.h"
#include "common/rpc/stream_wait.h"
#include "common/status/errors.h"

namespace edcert::rpc {

// Where the handler reads. Next blocks; true when `request` holds the next message, false at the
// end of the stream. A stream that is cut ends with CANCELLED, never as if it were complete.
template <typename Request>
class UploadReader {
 public:
  virtual ~UploadReader() = default;
  virtual absl::StatusOr<bool> Next(Request* request) = 0;
};

namespace internal {

template <typename Request>
class UploadReactor final : public grpc::ServerReadReactor<Request>, public UploadReader<Request> {
 public:
  explicit UploadReactor(grpc::CallbackServerContext* context) : context_(context) {}

  absl::StatusOr<bool> Next(Request* request) override {
    wait_.Expect();
    this->StartRead(request);
    bool timed_out = false;
    const bool read = wait_.Wait(kProgressLimit, timed_out);
    if (timed_out) {
      context_->TryCancel();
      wait_.WaitUntilFinished();
    }
    if (timed_out || context_->IsCancelled()) return status::Cancelled();
    return read;
  }

  void OnReadDone(bool ok) override { wait_.Finish(ok); }
  void OnDone() override { delete this; }

 private:
  grpc::CallbackServerContext* context_;
  StreamWait wait_;
};

}  // namespace internal

template <typename Request>
grpc::ServerReadReactor<Request>* Upload(
    Runtime& runtime, grpc::CallbackServerContext* context,
    std::function<absl::Status(Call&, UploadReader<Request>&)> handler) {
  auto* reactor = new internal::UploadReactor<Request>(context);  // deletes itself in OnDone
  internal::Admission(runtime, context, Request::descriptor())
      .Run([reactor, handler = std::move(handler)](Call& call) { return handler(call, *reactor); },
           [reactor](const grpc::Status& status) { reactor->Finish(status); });
  return reactor;
}

}  // namespace edcert::rpc
