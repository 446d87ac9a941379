// A call that answers with a finite stream, written by a handler that may block.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "common/rpc/handle.h"
#include "common/rpc/stream_wait.h"
#include "common/status/errors.h"

namespace edcert::rpc {

// Where the handler writes. Write blocks until the message is on its way; CANCELLED when the peer
// is gone or takes nothing for 10 s.
template <typename Response>
class DownloadWriter {
 public:
  virtual ~DownloadWriter() = default;
  virtual absl::Status Write(const Response& response) = 0;
};

namespace internal {

template <typename Response>
class DownloadReactor final : public grpc::ServerWriteReactor<Response>,
                              public DownloadWriter<Response> {
 public:
  explicit DownloadReactor(grpc::CallbackServerContext* context) : context_(context) {}

  absl::Status Write(const Response& response) override {
    wait_.Expect();
    this->StartWrite(&response);
    bool timed_out = false;
    const bool written = wait_.Wait(kProgressLimit, timed_out);
    if (timed_out) {
      context_->TryCancel();
      wait_.WaitUntilFinished();
    }
    return written ? absl::OkStatus() : status::Cancelled();
  }

  void OnWriteDone(bool ok) override { wait_.Finish(ok); }
  void OnDone() override { delete this; }

 private:
  grpc::CallbackServerContext* context_;
  StreamWait wait_;
};

}  // namespace internal

template <typename Request, typename Response>
grpc::ServerWriteReactor<Response>* Download(
    Runtime& runtime, grpc::CallbackServerContext* context, const Request* /*request*/,
    std::function<absl::Status(Call&, DownloadWriter<Response>&)> handler) {
  auto* reactor = new internal::DownloadReactor<Response>(context);  // deletes itself in OnDone
  internal::Admission(runtime, context, Request::descriptor())
      .Run([reactor, handler = std::move(handler)](Call& call) { return handler(call, *reactor); },
           [reactor](const grpc::Status& status) { reactor->Finish(status); });
  return reactor;
}

}  // namespace edcert::rpc
