// Findings of reports: reading them, and what people say to them.
#include <string>
#include <utility>
#include <vector>

#include "common/feed/feed.h"
#include "common/ids/ids.h"
#include "common/names/names.h"
#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/errors.h"
#include "services/validation_report/report_access.h"
#include "services/validation_report/report_worker.h"
#include "services/validation_report/request_convert.h"
#include "services/validation_report/validation_report_service.h"

namespace edcert::validation_report {
namespace {

// Whether the group is one of those that are counted in the background at such an organisation.
absl::Status CheckCounted(const RuleGroup& group, access::OrganizationKind kind) {
  if (group.state != GroupState::kActive) return RuleGroupInactive(group.name());
  const bool at_school = kind == access::OrganizationKind::kSchool;
  return (group.level == GroupLevel::kSchool) == at_school
             ? absl::OkStatus()
             : RuleGroupOfOtherLevel(group.name(), kGroupLevelText.Of(group.level));
}

// The id of the group of the event that was asked about.
absl::StatusOr<std::string> GroupOf(const access::Access& access, const std::string& event) {
  if (!access.event.has_value()) return status::NotFound(event);
  ASSIGN_OR_RETURN(const auto group,
                   names::RuleGroupName::Parse(access.event->rule_group, "event.rule_group"));
  return group.id();
}

std::string CategoryOf(const access::Access& access) {
  return access.event.has_value() ? access.event->category : "";
}

void AppendWaiverChange(pg::Transaction& tx, const ids::IdSource& ids, const std::string& actor,
                        const Waiver& waiver, std::string_view type) {
  feed::Append(tx, ids.NewId(), actor,
               {.subject = waiver.name(),
                .type = std::string(type),
                .attributes = {{"event", waiver.event}, {"organization", waiver.organization}}});
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
    response->set_next_page_token(paging::Cut(*request, page, groups, [](const ListedGroup& group) {
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

grpc::ServerUnaryReactor* ValidationReportService::WaiveFinding(
    grpc::CallbackServerContext* context, const v1::WaiveFindingRequest* request,
    v1::Waiver* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(Waiver asked, FromProto(*request));
        ASSIGN_OR_RETURN(const SeenReport seen, SeeCompletedReport(call, asked.report));
        RETURN_IF_ERROR(CheckMayWaive(seen.access, seen.report.organization));
        asked.id = runtime_.ids().NewId();
        asked.event = seen.report.event;
        asked.category = CategoryOf(seen.access);
        asked.organization = seen.report.organization;
        asked.report = seen.report.id;
        asked.ends_at = absl::FromCivil(asked.until + 1, runtime_.zone()) - absl::Milliseconds(1);
        asked.asked_by = call.principal().name();
        asked.asked_at = runtime_.clock().Now();
        if (asked.ends_at < asked.asked_at) {
          return status::FieldInvalid("until_date", "must not be over");
        }
        return rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              ASSIGN_OR_RETURN(const Waiver waiver, waivers_.Waive(tx, asked));
              AppendWaiverChange(
                  tx, runtime_.ids(), asked.asked_by, waiver,
                  waiver.confirmed_at.has_value() ? "waiver_granted" : "waiver_asked");
              *response = ToProto(waiver, asked.asked_at);
              return waiver.name();
            });
      });
}

absl::StatusOr<Waiver> ValidationReportService::FindWaiver(rpc::Call& call, const std::string& id) {
  const std::string name = names::WaiverName::FromId(id).ToString();
  if (!ids::IsUuid(id)) return status::NotFound(name);
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(Waiver waiver, waivers_.Get(db, id));
  const absl::StatusOr<access::Access> access =
      access_.Resolve(call, {.event = waiver.event, .organization = waiver.organization});
  if (access.status().code() == absl::StatusCode::kNotFound) return status::NotFound(name);
  RETURN_IF_ERROR(access.status());
  RETURN_IF_ERROR(CheckMayWaive(*access, waiver.organization));
  return waiver;
}

grpc::ServerUnaryReactor* ValidationReportService::RevokeWaiver(
    grpc::CallbackServerContext* context, const v1::RevokeWaiverRequest* request,
    v1::Waiver* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Waiver asked, FromProto(*request));
    RETURN_IF_ERROR(FindWaiver(call, asked.id).status());
    const absl::Time now = runtime_.clock().Now();
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(Waiver waiver, waivers_.Get(tx, asked.id));
          if (waiver.revoked_at.has_value()) {
            return status::TransitionNotAllowed(waiver.name(), "REVOKED", "REVOKE", "");
          }
          waiver.revoked_by = call.principal().name();
          waiver.revoked_at = now;
          waiver.revoke_reason = asked.revoke_reason;
          waivers_.Revoke(tx, waiver);
          AppendWaiverChange(tx, runtime_.ids(), waiver.revoked_by, waiver, "waiver_revoked");
          *response = ToProto(waiver, now);
          return waiver.name();
        });
  });
}

grpc::ServerUnaryReactor* ValidationReportService::ListWaivers(
    grpc::CallbackServerContext* context, const v1::ListWaiversRequest* request,
    v1::ListWaiversResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const WaiverFilter filter, FromProto(*request));
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
    ASSIGN_OR_RETURN(
        const access::Access access,
        access_.Resolve(call, {.event = filter.event, .organization = filter.organization}));
    Report about;
    about.event = filter.event;
    if (!MayRun(access, about)) return status::NotPermitted("a role in the event's category");
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const std::string after, page.UuidKey(0));
    ASSIGN_OR_RETURN(auto waivers,
                     waivers_.List(db, filter.event, filter.organization, after, page.limit()));
    response->set_next_page_token(paging::Cut(
        *request, page, waivers, [](const Waiver& waiver) { return std::vector{waiver.id}; }));
    const absl::Time now = runtime_.clock().Now();
    for (const Waiver& waiver : waivers) *response->add_waivers() = ToProto(waiver, now);
    return absl::OkStatus();
  });
}

// Counted in the background.

grpc::ServerUnaryReactor* ValidationReportService::GetOpenFindings(
    grpc::CallbackServerContext* context, const v1::GetOpenFindingsRequest* request,
    v1::OpenFindings* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(OpenFindingsQuery asked, FromProto(*request));
        BackgroundTarget& target = asked.target;
        ASSIGN_OR_RETURN(
            const access::Access access,
            access_.Resolve(call, {.event = asked.event, .organization = target.organization}));
        // As for a report of the event, or of the group alone.
        Report like;
        like.event = asked.event;
        RETURN_IF_ERROR(CheckMayAsk(access, like));
        target.district = access::DistrictOf(access, target.organization);
        if (!asked.event.empty()) {
          ASSIGN_OR_RETURN(target.rule_group, GroupOf(access, asked.event));
        }
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(const RuleGroup group,
                         groups_.Get(db, target.rule_group, RuleGroupStore::kVersionInUse));
        RETURN_IF_ERROR(CheckCounted(group, access.organization_kind));
        ASSIGN_OR_RETURN(const BackgroundRun run, background_.Get(db, target));
        ASSIGN_OR_RETURN(
            const std::vector<ReportDataVersion> now,
            reports_.ReadVersions(db, CopyOf(target.kind), target.district_id(), run.datasets));
        *response =
            ToProto(run, !run.counts.has_value() || IsStale(*run.counts, run.version_in_use, now));
        return absl::OkStatus();
      });
}

}  // namespace edcert::validation_report
