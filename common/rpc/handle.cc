#include "common/rpc/handle.h"

#include <exception>

#include "common/log/log.h"
#include "common/paging/paging.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/telemetry/metrics.h"

namespace edcert::rpc::internal {
namespace {

// A watch may be open for a day; each of its looks is a read.
constexpr absl::Duration kLongestLook = absl::Seconds(5);

absl::Duration LongestOf(type::RpcPolicy::CallClass call_class) {
  switch (call_class) {
    case type::RpcPolicy::READ:
      return absl::Seconds(2);
    case type::RpcPolicy::START_JOB:
      return absl::Seconds(3);
    case type::RpcPolicy::TRANSFER:
      return absl::Minutes(10);
    case type::RpcPolicy::WATCH:
      return absl::Hours(24);
    case type::RpcPolicy::COMMAND:
    case type::RpcPolicy::LIST:
    default:
      return absl::Seconds(5);
  }
}

std::string TraceId(const grpc::CallbackServerContext* context, const ids::IdSource& ids) {
  const auto& metadata = context->client_metadata();
  const auto it = metadata.find("x-request-id");
  if (it == metadata.end() || it->second.empty() || it->second.size() > 64) return ids.NewId();
  return {it->second.data(), it->second.size()};
}

// The last resort: our code does not throw, the libraries below may (std::bad_alloc).
absl::Status Guarded(const Handler& handler, Call& call) {
  try {
    return handler(call);
  } catch (const std::exception& error) {
    log::Error("a handler threw", {{"method", call.method().name}, {"error", error.what()}});
  } catch (...) {
    log::Error("a handler threw", {{"method", call.method().name}});
  }
  telemetry::Count("edcert_rpc_exceptions_total", {{"method", call.method().name}});
  return status::Internal("handler");
}

void Report(const Method& method, const absl::Status& status, const Call& call,
            absl::Duration took) {
  const std::string reason = status.ok() ? "OK" : status::ReasonOf(status);
  telemetry::Observe("edcert_rpc_seconds", {{"method", method.name}}, took);
  telemetry::Count("edcert_rpc_total", {{"method", method.name}, {"reason", reason}});
  const log::Fields fields = {{"method", method.name},
                              {"caller", call.principal().name()},
                              {"reason", reason},
                              {"millis", std::to_string(absl::ToInt64Milliseconds(took))}};
  if (status.ok() || status.code() != absl::StatusCode::kInternal) {
    log::Debug("call", fields);
  } else {
    log::Error("call failed", fields);
  }
}

// Sets the response of a command that was answered before; false when it is new.
absl::StatusOr<bool> AnswerFromLedger(const Call& call, const google::protobuf::Message& request,
                                      google::protobuf::Message* response) {
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(const std::optional<std::string> answer,
                   idempotency::Find(db, call.IdempotencyKey(request)));
  if (!answer.has_value()) return false;
  if (!response->ParseFromString(*answer)) return status::Internal("stored response");
  return true;
}

}  // namespace

Admission::Admission(Runtime& runtime, grpc::CallbackServerContext* context,
                     const google::protobuf::Descriptor* request)
    : runtime_(runtime),
      context_(context),
      method_(runtime.FindMethod(request)),
      arrival_(runtime.clock().Now()),
      trace_id_(TraceId(context, runtime.ids())) {
  context->AddInitialMetadata("x-request-id", trace_id_);
  if (method_ != nullptr) {
    deadline_ = std::min(absl::FromChrono(context->deadline()),
                         arrival_ + LongestOf(method_->policy.call_class()));
  }
}

Executor& Admission::executor() const {
  return runtime_.executor(method_ == nullptr ? type::RpcPolicy::READ
                                              : method_->policy.call_class());
}

grpc::Status Admission::RunNow(const Handler& work) {
  if (method_ == nullptr) return ToGrpc(status::NotPermitted("a policy for this method"));
  if (context_->IsCancelled()) return ToGrpc(status::Cancelled());
  const absl::Time now = runtime_.clock().Now();
  if (now >= deadline_) return ToGrpc(status::DeadlineExceeded());
  const bool is_look = method_->policy.call_class() == type::RpcPolicy::WATCH;
  const absl::Time began = is_look ? now : arrival_;
  const absl::Time deadline = is_look ? std::min(deadline_, now + kLongestLook) : deadline_;
  const log::RequestScope scope(trace_id_);
  Call call(runtime_, *method_, context_, began, deadline, trace_id_);
  absl::Status status = call.Authenticate();
  if (status.ok()) {
    const std::string caller = call.principal().name();
    const paging::CallerScope pages(runtime_.page_token_key(), caller);
    status = Guarded(work, call);
  }
  Report(*method_, status, call, runtime_.clock().Now() - began);
  return ToGrpc(status);
}

void Admission::Run(Handler work, std::function<void(grpc::Status)> done) {
  const bool accepted = executor().Submit(
      [self = *this, work = std::move(work), done]() mutable { done(self.RunNow(work)); });
  if (!accepted) {
    telemetry::Count("edcert_rpc_shed_total", {{"executor", executor().name()}});
    done(ToGrpc(status::Overloaded(executor().name())));
  }
}

absl::Status RunUnary(Call& call, const google::protobuf::Message& request,
                      google::protobuf::Message* response, const Handler& handler) {
  const type::RpcPolicy::CallClass call_class = call.method().policy.call_class();
  if (call_class != type::RpcPolicy::COMMAND && call_class != type::RpcPolicy::START_JOB) {
    return handler(call);
  }
  const auto* field = request.GetDescriptor()->FindFieldByName("request_id");
  CHECK(field != nullptr);  // the contract test checks every proto
  RETURN_IF_ERROR(call.SetRequestId(request.GetReflection()->GetString(request, field)));
  ASSIGN_OR_RETURN(const bool answered, AnswerFromLedger(call, request, response));
  if (answered) return absl::OkStatus();
  const absl::Status status = handler(call);
  if (status.ok()) return status;
  // A twin that came first may have committed since the look above; what the handler saw then (the
  // resource is gone, the etag is another) is the twin's effect, and the answer is the twin's.
  const absl::StatusOr<bool> answered_meanwhile = AnswerFromLedger(call, request, response);
  return answered_meanwhile.ok() && *answered_meanwhile ? absl::OkStatus() : status;
}

}  // namespace edcert::rpc::internal
