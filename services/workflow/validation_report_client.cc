#include "services/workflow/validation_report_client.h"

#include "common/ids/ids.h"
#include "common/rpc/standard.h"
#include "common/rpc/status.h"
#include "common/status/macros.h"

namespace edcert::workflow {
namespace {

namespace v1 = ::edcert::validation::v1;

// Enough to find, behind failed ones and those on other snapshots, the one that counts.
constexpr int kReportsOfAStep = 20;
// Enough to name rules; what is left out is asked about again.
constexpr int kUnexplainedGroups = 1000;

v1::ReportKind KindOf(int step) {
  if (step == 1) return v1::REPORT_KIND_DISTRICT_DATA;
  return step == 2 ? v1::REPORT_KIND_STATE_DATA : v1::REPORT_KIND_SNAPSHOT;
}

static_assert(static_cast<int>(ReportState::kQueued) == v1::Report::QUEUED);
static_assert(static_cast<int>(ReportState::kRunning) == v1::Report::RUNNING);
static_assert(static_cast<int>(ReportState::kCompleted) == v1::Report::COMPLETED);
static_assert(static_cast<int>(ReportState::kFailed) == v1::Report::FAILED);
static_assert(static_cast<int>(ReportState::kCancelled) == v1::Report::CANCELLED);
static_assert(static_cast<int>(ReportState::kExpired) == v1::Report::EXPIRED);
static_assert(static_cast<int>(Severity::kInfo) == type::SEVERITY_INFO);
static_assert(static_cast<int>(Severity::kFatal) == type::SEVERITY_FATAL);

ReportFact FactOf(const v1::Report& report) {
  ReportFact fact;
  fact.name = report.name();
  fact.state = static_cast<ReportState>(report.state());
  fact.snapshot = report.snapshot();
  fact.previous_snapshot = report.previous_snapshot();
  fact.rule_group_version = report.rule_group_version();
  if (report.has_next_severity_change()) {
    const type::Date& day = report.next_severity_change();
    fact.next_severity_change = absl::CivilDay(day.year(), day.month(), day.day());
  }
  fact.created_at = rpc::FromProto(report.create_time());
  if (report.has_viewed_by_caller_at()) {
    fact.viewed_at = rpc::FromProto(report.viewed_by_caller_at());
  }
  for (const auto& count : report.counts()) {
    fact.counts.push_back({static_cast<Severity>(count.severity()), count.rules(), count.records(),
                           count.rules_errored(), count.records_waived()});
  }
  for (const auto& version : report.data_versions()) {
    fact.versions[version.dataset()] = version.version();
  }
  return fact;
}

}  // namespace

ValidationReportClient::ValidationReportClient(rpc::Runtime& runtime)
    : runtime_(runtime),
      stub_(v1::ValidationReports::NewStub(runtime.ChannelTo("validation_report"))) {}

absl::StatusOr<std::vector<ReportFact>> ValidationReportClient::ListReports(
    const rpc::Call& call, const std::string& event, const std::string& organization,
    int step) const {
  grpc::ClientContext context;
  RETURN_IF_ERROR(call.Forward(context));
  v1::ListReportsRequest request;
  request.set_event(event);
  request.set_organization(organization);
  request.set_kind(KindOf(step));
  for (const v1::Report::State state :
       {v1::Report::QUEUED, v1::Report::RUNNING, v1::Report::COMPLETED, v1::Report::EXPIRED}) {
    request.add_state(state);
  }
  request.set_page_size(kReportsOfAStep);
  v1::ListReportsResponse response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->ListReports(&context, request, &response)));
  std::vector<ReportFact> reports;
  for (const v1::Report& report : response.reports()) reports.push_back(FactOf(report));
  return reports;
}

absl::StatusOr<ReportFact> ValidationReportClient::CreateReport(
    const rpc::Call& call, const std::string& event, const std::string& organization, int step,
    const std::string& snapshot, const std::string& previous_snapshot, int format) const {
  grpc::ClientContext context;
  RETURN_IF_ERROR(call.Forward(context));
  v1::CreateReportRequest request;
  // The snapshots are chosen anew when ours is repeated: others are another request.
  const std::string compared = previous_snapshot.empty() ? "" : " beside " + previous_snapshot;
  request.set_request_id(ids::DerivedId(call.request_id(), "report " + snapshot + compared));
  request.set_event(event);
  request.set_organization(organization);
  request.set_kind(KindOf(step));
  request.set_format(static_cast<v1::ReportFormat>(format));
  request.set_snapshot(snapshot);
  request.set_previous_snapshot(previous_snapshot);
  v1::Report response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->CreateReport(&context, request, &response)));
  return FactOf(response);
}

absl::StatusOr<std::vector<UnexplainedRule>> ValidationReportClient::UnexplainedRules(
    const rpc::Call& call, const std::string& report, std::optional<absl::Time> by) const {
  v1::ListFindingGroupsRequest request;
  request.set_report(report);
  request.set_severity(type::SEVERITY_SPECIAL_WARNING);
  request.set_unexplained_only(true);
  request.set_page_size(kUnexplainedGroups);
  if (by.has_value()) *request.mutable_explained_by_time() = rpc::ToProto(*by);
  std::vector<UnexplainedRule> rules;
  do {
    grpc::ClientContext context;
    RETURN_IF_ERROR(call.Forward(context));
    v1::ListFindingGroupsResponse response;
    RETURN_IF_ERROR(rpc::FromGrpc(stub_->ListFindingGroups(&context, request, &response)));
    // The groups of a rule stand together.
    for (const v1::FindingGroup& group : response.groups()) {
      if (rules.empty() || rules.back().rule != group.rule()) {
        rules.push_back({group.rule(), group.rule_code(), 0});
      }
      rules.back().findings += group.unexplained();
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return rules;
}

absl::StatusOr<feed::Page> ValidationReportClient::ListChanges(int64_t after, int limit) const {
  return rpc::FetchChanges<v1::ListChangesRequest, v1::ListChangesResponse>(runtime_, *stub_, after,
                                                                            limit);
}

}  // namespace edcert::workflow
