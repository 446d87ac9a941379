// Findings of reports: reading them, and what people say to them.
#include <string>
#include <utility>
#include <vector>

#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/report_access.h"
#include "services/validation_report/report_worker.h"
#include "services/validation_report/request_convert.h"
#include "services/validation_report/validation_report_service.h"

namespace edcert::validation_report {
namespace {

std::string CategoryOf(const access::Access& access) {
  return access.event.has_value() ? access.event->category : "";
}

}  // namespace

grpc::ServerUnaryReactor* ValidationReportService::ListFindings(
    grpc::CallbackServerContext* context, const v1::ListFindingsRequest* request,
    v1::ListFindingsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const FindingFilter filter, FromProto(*request));
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
    ASSIGN_OR_RETURN(const Report report, FindCompletedReport(call, filter.report));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const int64_t after, page.IntKey(0));
    ASSIGN_OR_RETURN(auto findings,
                     findings_.List(db, report.id, filter.query, after, page.limit()));
    response->set_next_page_token(paging::Cut(
        *request, page, findings,
        [](const ListedFinding& finding) { return std::vector{std::to_string(finding.place)}; }));
    for (const ListedFinding& finding : findings) {
      *response->add_findings() = ToProto(finding, report.end_time);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ValidationReportService::ListFindingGroups(
    grpc::CallbackServerContext* context, const v1::ListFindingGroupsRequest* request,
    v1::ListFindingGroupsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(GroupsFilter filter, FromProto(*request));
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
    ASSIGN_OR_RETURN(const SeenReport seen, SeeCompletedReport(call, filter.report));
    filter.query.category = CategoryOf(seen.access);
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const int64_t after, page.IntKey(0));
    ASSIGN_OR_RETURN(auto groups,
                     findings_.ListGroups(db, seen.report.id, filter.query, after, page.limit()));
    response->set_next_page_token(
        paging::Cut(*request, page, groups, [](const ListedGroup& group) {
          return std::vector{std::to_string(group.place)};
        }));
    for (const ListedGroup& group : groups) *response->add_groups() = ToProto(group);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ValidationReportService::ExplainFindings(
    grpc::CallbackServerContext* context, const v1::ExplainFindingsRequest* request,
    v1::ExplainFindingsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(NewExplanation asked, FromProto(*request));
    ASSIGN_OR_RETURN(const SeenReport seen, SeeCompletedReport(call, asked.report));
    RETURN_IF_ERROR(CheckMayExplain(seen.access, seen.report));
    asked.id = runtime_.ids().NewId();
    asked.event = seen.report.event;
    asked.category = CategoryOf(seen.access);
    asked.organization = seen.report.organization;
    asked.report = seen.report.id;
    asked.explanation.author = call.principal().name();
    asked.explanation.created_at = runtime_.clock().Now();
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const int64_t findings, explanations_.Explain(tx, asked));
          AppendReportChange(tx, runtime_.ids(), call.principal().name(), seen.report,
                             "findings_explained");
          *response->mutable_explanation() = ToProto(asked.explanation);
          response->set_findings(findings);
          return seen.report.name();
        });
  });
}

}  // namespace edcert::validation_report
