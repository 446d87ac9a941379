#include "common/rpc/call.h"

#include <utility>

#include "common/rpc/runtime.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::rpc {
namespace {

constexpr absl::Duration kDeadlineMargin = absl::Milliseconds(50);

}  // namespace

Call::Call(Runtime& runtime, const Method& method, grpc::ServerContextBase* context,
           absl::Time arrival, absl::Time deadline, std::string trace_id)
    : runtime_(runtime),
      method_(method),
      context_(context),
      arrival_(arrival),
      deadline_(deadline),
      trace_id_(std::move(trace_id)) {}

pg::Database Call::db() const { return {runtime_.pool(), deadline_}; }

std::string Call::Metadata(const char* name) const {
  const auto& metadata = context_->client_metadata();
  const auto it = metadata.find(name);
  return it == metadata.end() ? "" : std::string(it->second.data(), it->second.size());
}

absl::Status Call::Authenticate() {
  user_header_ = Metadata("authorization");
  const std::string service_header = Metadata("x-service-authorization");
  if (!user_header_.empty()) {
    ASSIGN_OR_RETURN(principal_.user, runtime_.verifier().VerifyUser(user_header_));
  }
  if (!service_header.empty()) {
    ASSIGN_OR_RETURN(principal_.service, runtime_.verifier().VerifyService(service_header));
  }
  if (principal_.user.empty() && principal_.service.empty()) {
    return status::Unauthenticated("a bearer token is required");
  }
  switch (method_.policy.caller()) {
    case type::RpcPolicy::USER:
      return principal_.user.empty() ? status::NotPermitted("a user's token") : absl::OkStatus();
    case type::RpcPolicy::SERVICE:
      return principal_.service.empty() ? status::NotPermitted("a service's token")
                                        : absl::OkStatus();
    case type::RpcPolicy::USER_OR_SERVICE:
      return absl::OkStatus();
    default:
      break;  // fail closed
  }
  return status::NotPermitted("a policy for this method");
}

absl::Status Call::SetRequestId(const std::string& request_id, std::string_view field) {
  if (request_id.empty()) return status::FieldInvalid(field, "required");
  if (!ids::IsUuid(request_id)) return status::FieldInvalid(field, "must be a UUID");
  request_id_ = request_id;
  return absl::OkStatus();
}

idempotency::Key Call::IdempotencyKey(const google::protobuf::Message& request) const {
  return {.principal = principal_.name(),
          .acting = principal_.user.empty() ? "" : principal_.service,
          .method = method_.name,
          .request_id = request_id_,
          .sha256 = idempotency::HashOf(request)};
}

absl::Status Call::Forward(grpc::ClientContext& context) const {
  ASSIGN_OR_RETURN(const std::string own, runtime_.own_token().Header());
  if (!user_header_.empty()) context.AddMetadata("authorization", user_header_);
  context.AddMetadata("x-service-authorization", own);
  context.AddMetadata("x-request-id", trace_id_);
  if (const std::string traceparent = Metadata("traceparent"); !traceparent.empty()) {
    context.AddMetadata("traceparent", traceparent);
  }
  const absl::Time deadline = deadline_ - kDeadlineMargin;
  if (deadline <= runtime_.clock().Now()) return status::DeadlineExceeded();
  context.set_deadline(absl::ToChronoTime(deadline));
  return absl::OkStatus();
}

absl::Status Command(Call& call, const google::protobuf::Message& request,
                     google::protobuf::Message* response,
                     absl::FunctionRef<absl::StatusOr<std::string>(pg::Transaction&)> body) {
  const idempotency::Key key = call.IdempotencyKey(request);
  RETURN_IF_ERROR(call.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<std::string> answer, idempotency::Claim(tx, key));
    if (answer.has_value()) {
      return response->ParseFromString(*answer) ? absl::OkStatus()
                                                : status::Internal("stored response");
    }
    response->Clear();
    ASSIGN_OR_RETURN(const std::string subject, body(tx));
    idempotency::Finish(tx, key, call.runtime().ids().NewId(), subject,
                        response->SerializeAsString());
    return absl::OkStatus();
  }));
  call.runtime().Poke();
  return absl::OkStatus();
}

}  // namespace edcert::rpc
