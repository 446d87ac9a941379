// What a handler sees of the call that it serves.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/auth.h"
#include "common/idempotency/idempotency.h"
#include "common/pg/pg.h"
#include "edcert/type/policy.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace edcert::rpc {

class Runtime;

// An RPC with its policy, found by its request message: each RPC has one of its own.
struct Method {
  const google::protobuf::MethodDescriptor* descriptor = nullptr;
  type::RpcPolicy policy;
  std::string name;  // `edcert.registry.v1.EventRegistry/GetEvent`
};

// One call. Lives as long as its handler runs.
class Call {
 public:
  Call(Runtime& runtime, const Method& method, grpc::ServerContextBase* context, absl::Time arrival,
       absl::Time deadline, std::string trace_id);

  const Method& method() const { return method_; }
  const auth::Principal& principal() const { return principal_; }
  // The x-request-id of the caller, or one of ours: names the call in logs.
  const std::string& trace_id() const { return trace_id_; }
  // When it reached this process, before it waited for a thread; of a watch, when its present look
  // began.
  absl::Time arrival() const { return arrival_; }
  absl::Time deadline() const { return deadline_; }
  bool IsCancelled() const { return context_->IsCancelled(); }
  // The database, with the call's deadline.
  pg::Database db() const;
  Runtime& runtime() const { return runtime_; }

  // The request_id of a mutating call; empty for reads.
  const std::string& request_id() const { return request_id_; }

  // Verifies the tokens and the policy's caller kind. Called by Handle before the handler.
  absl::Status Authenticate();
  // Sets the request id of a mutating call; FIELD_INVALID when it is not a UUID.
  absl::Status SetRequestId(const std::string& request_id, std::string_view field = "request_id");
  // The key under which the answer of this call is stored.
  idempotency::Key IdempotencyKey(const google::protobuf::Message& request) const;

  // Prepares a call to another service on behalf of this one: the user's token, our own identity,
  // the trace id, what is left of the deadline.
  absl::Status Forward(grpc::ClientContext& context) const;

 private:
  std::string Metadata(const char* name) const;

  Runtime& runtime_;
  const Method& method_;
  grpc::ServerContextBase* context_;
  const absl::Time arrival_;
  const absl::Time deadline_;
  const std::string trace_id_;
  auth::Principal principal_;
  std::string user_header_;
  std::string request_id_;
};

// Runs a command: one transaction with its idempotency row, `body`, the audit row and the stored
// response. `body` fills `response` and returns the name of the resource that it changed; it may
// run again after a CONFLICT. A request that was answered before gets its first answer.
absl::Status Command(Call& call, const google::protobuf::Message& request,
                     google::protobuf::Message* response,
                     absl::FunctionRef<absl::StatusOr<std::string>(pg::Transaction&)> body);

}  // namespace edcert::rpc
