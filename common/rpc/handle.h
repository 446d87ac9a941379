// The one wrapper around every handler, and the three shapes of a stream.
//
// For each call: find its method and policy (no policy, no call), verify the tokens, bound the
// deadline by its class, answer a repeated command from the ledger, run the handler on the bounded
// executor, stop exceptions, map the status, log, count.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/rpc/call.h"
#include "common/rpc/runtime.h"
#include "common/rpc/status.h"

namespace edcert::rpc {

using Handler = std::function<absl::Status(Call&)>;

namespace internal {

// What is known of a call before it runs, and what remains to be said after it ran.
class Admission {
 public:
  Admission(Runtime& runtime, grpc::CallbackServerContext* context,
            const google::protobuf::Descriptor* request);

  // Runs `work` on the executor of the call's class with a Call; `done` gets the status, on that
  // thread, or at once when the call is refused.
  void Run(Handler work, std::function<void(grpc::Status)> done);
  // The same in the calling thread (a watch's look is already on the executor).
  grpc::Status RunNow(const Handler& work);

  const Method* method() const { return method_; }
  Executor& executor() const;

 private:
  Runtime& runtime_;
  grpc::CallbackServerContext* context_;
  const Method* method_;
  absl::Time arrival_;
  absl::Time deadline_;
  std::string trace_id_;
};

// Handles a command that may have been answered before.
absl::Status RunUnary(Call& call, const google::protobuf::Message& request,
                      google::protobuf::Message* response, const Handler& handler);

}  // namespace internal

// A call with one request and one response.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* Handle(Runtime& runtime, grpc::CallbackServerContext* context,
                                 const Request* request, Response* response, Handler handler) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  internal::Admission(runtime, context, Request::descriptor())
      .Run([request, response, handler = std::move(handler)](
               Call& call) { return internal::RunUnary(call, *request, response, handler); },
           [reactor](const grpc::Status& status) { reactor->Finish(status); });
  return reactor;
}

}  // namespace edcert::rpc
