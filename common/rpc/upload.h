// A call that takes a stream of requests, read by a handler that may block.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "common/rpc/handle.h"
#include "common/rpc/stream_wait.h"
#include "common/status/errors.h"

namespace edcert::rpc {

// Where the handler reads. Next blocks; true when `request` holds the next message, false at the
// end of the stream. A stream that is cut ends with CANCELLED, and one with bytes that are no
// message with FIELD_INVALID, never as if it were complete. A peer that sends nothing (2 s before
// the first message, 10 s between two), or whose call has passed its deadline, gets
// DEADLINE_EXCEEDED; then there is nothing more to read.
template <typename Request>
class UploadReader {
 public:
  virtual ~UploadReader() = default;
  virtual absl::StatusOr<bool> Next(Request* request) = 0;
};

namespace internal {

// Nobody has said yet what he wants, or whether he may.
inline constexpr absl::Duration kFirstMessageLimit = absl::Seconds(2);

template <typename Request>
class UploadReactor final : public grpc::ServerReadReactor<Request>, public UploadReader<Request> {
 public:
  explicit UploadReactor(grpc::CallbackServerContext* context) : context_(context) {}

  // Before the first Next.
  void Begin(const Call& call) {
    clock_ = &call.runtime().clock();
    deadline_ = call.deadline();
  }

  absl::StatusOr<bool> Next(Request* request) override {
    if (late_) return status::DeadlineExceeded();
    wait_.Expect();
    SetMark();
    this->StartRead(&incoming_);
    const bool read = wait_.Wait(std::min(patience_, deadline_ - clock_->Now()), late_);
    // The read that is under way ends with the call; until then it has `incoming_`.
    if (late_) return status::DeadlineExceeded();
    if (context_->IsCancelled()) return status::Cancelled();
    if (!read && !HasMark()) {
      return status::FieldInvalid("stream", "has bytes that are no message, or text not in UTF-8");
    }
    patience_ = kProgressLimit;
    if (read) request->Swap(&incoming_);
    return read;
  }

  void OnReadDone(bool ok) override { wait_.Finish(ok); }
  void OnDone() override { delete this; }

 private:
  // gRPC reports bytes that it cannot parse as it reports the end of the stream. Parsing begins by
  // clearing the message; at the end nobody touches it, and a field that no proto has is still
  // there.
  void SetMark() {
    incoming_.Clear();
    incoming_.GetReflection()->MutableUnknownFields(&incoming_)->AddVarint(kMark, 0);
  }
  bool HasMark() const {
    const auto& fields = incoming_.GetReflection()->GetUnknownFields(incoming_);
    return fields.field_count() == 1 && fields.field(0).number() == kMark;
  }
  static constexpr int kMark = google::protobuf::FieldDescriptor::kLastReservedNumber;

  grpc::CallbackServerContext* context_;
  StreamWait wait_;
  Request incoming_;
  const clock::Clock* clock_ = nullptr;
  absl::Time deadline_;
  absl::Duration patience_ = kFirstMessageLimit;
  bool late_ = false;
};

}  // namespace internal

template <typename Request>
grpc::ServerReadReactor<Request>* Upload(
    Runtime& runtime, grpc::CallbackServerContext* context,
    std::function<absl::Status(Call&, UploadReader<Request>&)> handler) {
  auto* reactor = new internal::UploadReactor<Request>(context);  // deletes itself in OnDone
  internal::Admission(runtime, context, Request::descriptor())
      .Run(
          [reactor, handler = std::move(handler)](Call& call) -> absl::Status {
            const UploadSlots::Slot slot(call.runtime().uploads(), call.principal().name());
            if (!slot.taken()) return status::Overloaded("uploads of one caller");
            reactor->Begin(call);
            return handler(call, *reactor);
          },
          [reactor](const grpc::Status& status) { reactor->Finish(status); });
  return reactor;
}

}  // namespace edcert::rpc
