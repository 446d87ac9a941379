#include "services/validation_report/validation_report_service.h"

#include "common/access/audit.h"
#include "common/feed/feed.h"
#include "common/rpc/handle.h"
#include "common/rpc/standard.h"
#include "common/status/macros.h"

namespace edcert::validation_report {

ValidationReportService::ValidationReportService(const Parts& parts)
    : parts_(parts),
      runtime_(parts.runtime),
      access_(parts.access),
      evaluator_(parts.rules_pool),
      previewer_(parts.rules_pool, {.statement = absl::Seconds(10)}) {}

// Here, where alone the code of gRPC's base class is then compiled.
ValidationReportService::~ValidationReportService() = default;

absl::Status ValidationReportService::CheckAuthor(rpc::Call& call) {
  ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
  return access::CheckStateUser(access);
}

std::string ValidationReportService::Tell(rpc::Call& call, pg::Transaction& tx,
                                          const std::string& subject, std::string_view change) {
  feed::Append(tx, runtime_.ids().NewId(), call.principal().name(),
               {.subject = subject, .type = std::string(change), .attributes = {}});
  return subject;
}

grpc::ServerUnaryReactor* ValidationReportService::ListChanges(
    grpc::CallbackServerContext* context, const v1::ListChangesRequest* request,
    v1::ListChangesResponse* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=](rpc::Call& call) { return rpc::ServeChanges(call, *request, response); });
}

grpc::ServerUnaryReactor* ValidationReportService::ListAuditRecords(
    grpc::CallbackServerContext* context, const v1::ListAuditRecordsRequest* request,
    v1::ListAuditRecordsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    return access::ServeAudit(access_, call, *request, response);
  });
}

}  // namespace edcert::validation_report
