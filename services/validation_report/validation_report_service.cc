#include "services/validation_report/validation_report_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/access/audit.h"
#include "common/feed/feed.h"
#include "common/names/names.h"
#include "common/paging/paging.h"
#include "common/rpc/download.h"
#include "common/rpc/handle.h"
#include "common/rpc/standard.h"
#include "common/rpc/watch.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/errors.h"
#include "services/validation_report/report_worker.h"
#include "services/validation_report/rule_compiler.h"

namespace edcert::validation_report {
namespace {

constexpr std::size_t kMaxEtag = 64;

// The given id, or one made from `fallback`.
absl::StatusOr<std::string> IdOr(const std::string& id, std::string_view field,
                                 std::string fallback) {
  if (id.empty()) return fallback;
  RETURN_IF_ERROR(names::CheckId(id, field));
  return id;
}

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

absl::Status CheckVersion(int version) {
  return version < 0 ? status::FieldInvalid("version", "must not be negative") : absl::OkStatus();
}

absl::Status CheckEtag(const std::string& etag) {
  return rpc::CheckText(etag, "etag", 1, kMaxEtag);
}

// An optional name in a filter: its id, or empty.
template <typename Name>
absl::StatusOr<std::string> OptionalId(const std::string& name, std::string_view field) {
  if (name.empty()) return std::string();
  ASSIGN_OR_RETURN(const Name parsed, Name::Parse(name, field));
  return parsed.id();
}

// Enum values of a filter; unknown ones are refused.
template <typename Enum, typename Repeated>
absl::StatusOr<std::vector<Enum>> FilterOf(const Repeated& values, Enum last,
                                           std::string_view field) {
  std::vector<Enum> out;
  for (const int value : values) {
    if (value < 1 || value > static_cast<int>(last)) {
      return status::FieldInvalid(field, "unknown value");
    }
    out.push_back(static_cast<Enum>(value));
  }
  return out;
}

bool IsMember(const access::Access& access) {
  return access.is_service() || access.state_user || !access.roles.empty();
}

// Who sees reports that were made without an event: who works on rule groups.
bool MayRunGroups(const access::Access& access) {
  return IsMember(access) || access.HasRight(type::TOOL_VALIDATION_GROUPS, type::TOOL_RIGHT_READ);
}

bool MayRun(const access::Access& access, const Report& report) {
  return report.event.empty() ? MayRunGroups(access) : IsMember(access);
}

absl::Status CheckWindow(const access::EventFacts& event) {
  if (event.status == access::EventStatus::kClosed || event.phase == access::Phase::kClosed) {
    return status::WindowClosed(event.name);
  }
  if (event.live_version == 0 || event.phase == access::Phase::kBeforeStart) {
    return status::WindowNotOpen(event.name, event.starts_at);
  }
  return absl::OkStatus();
}

}  // namespace

// Rules.

grpc::ServerUnaryReactor* ValidationReportService::CreateRule(grpc::CallbackServerContext* context,
                                                              const v1::CreateRuleRequest* request,
                                                              v1::Rule* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const RuleContent content, ContentOf(request->rule()));
        RETURN_IF_ERROR(CheckContent(content));
        ASSIGN_OR_RETURN(const std::string id,
                         IdOr(request->rule_id(), "rule_id", LowerCase(content.code)));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        ASSIGN_OR_RETURN(const Definitions definitions, parts_.definitions.Get(content.datasets));
        RETURN_IF_ERROR(CompileRule(id, 1, content, definitions).status());
        return rpc::Command(call, *request, response,
                            [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                              ASSIGN_OR_RETURN(const Rule rule, rules_.Create(tx, id, content));
                              *response = ToProto(rule);
                              AppendRuleChange(call, tx, response->name(), "rule_created");
                              return response->name();
                            });
      });
}

grpc::ServerUnaryReactor* ValidationReportService::GetRule(grpc::CallbackServerContext* context,
                                                           const v1::GetRuleRequest* request,
                                                           v1::Rule* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const auto name, names::RuleName::Parse(request->name(), "name"));
        RETURN_IF_ERROR(CheckVersion(request->version()));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(const Rule rule, rules_.Get(db, name.id(), request->version()));
        *response = ToProto(rule);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ValidationReportService::ListRules(grpc::CallbackServerContext* context,
                                                             const v1::ListRulesRequest* request,
                                                             v1::ListRulesResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        RuleFilter filter;
        ASSIGN_OR_RETURN(filter.states, FilterOf(request->state(), RuleState::kArchived, "state"));
        ASSIGN_OR_RETURN(filter.dataset,
                         OptionalId<names::DatasetName>(request->dataset(), "dataset"));
        if (request->severity() < 0 || request->severity() > type::SEVERITY_FATAL) {
          return status::FieldInvalid("severity", "unknown value");
        }
        filter.severity = static_cast<Severity>(request->severity());
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(std::vector<Rule> rules,
                         rules_.List(db, filter, page.Key(0), page.limit()));
        response->set_next_page_token(paging::Cut(*request, page, rules, [](const Rule& rule) {
          return std::vector{rule.content.code};
        }));
        for (const Rule& rule : rules) *response->add_rules() = ToProto(rule);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ValidationReportService::ActivateRule(
    grpc::CallbackServerContext* context, const v1::ActivateRuleRequest* request,
    v1::Rule* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const auto name, names::RuleName::Parse(request->name(), "name"));
        RETURN_IF_ERROR(CheckEtag(request->etag()));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(const Rule rule, rules_.Get(db, name.id(), 0));
        if (rule.etag != request->etag()) return status::EtagMismatch(request->name(), rule.etag);
        if (rule.state == RuleState::kActive || rule.state == RuleState::kArchived) {
          return status::TransitionNotAllowed(request->name(), ToString(rule.state), "activate",
                                              rule.state == RuleState::kActive ? "archive" : "");
        }
        ASSIGN_OR_RETURN(const std::vector<FixtureResult> results, RunFixtures(call, rule));
        const auto failed = std::find_if(results.begin(), results.end(),
                                         [](const FixtureResult& each) { return !each.passed(); });
        if (results.empty()) return FixtureFailed(request->name(), -1);
        if (failed != results.end()) {
          return FixtureFailed(request->name(), static_cast<int>(failed - results.begin()));
        }
        return rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              ASSIGN_OR_RETURN(const Rule active, rules_.SetState(tx, rule, RuleState::kActive));
              *response = ToProto(active);
              AppendRuleChange(call, tx, response->name(), "rule_activated");
              return response->name();
            });
      });
}

grpc::ServerUnaryReactor* ValidationReportService::ArchiveRule(
    grpc::CallbackServerContext* context, const v1::ArchiveRuleRequest* request,
    v1::Rule* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const auto name, names::RuleName::Parse(request->name(), "name"));
        RETURN_IF_ERROR(CheckEtag(request->etag()));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        return rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              ASSIGN_OR_RETURN(const Rule rule, rules_.Get(tx, name.id(), 0));
              if (rule.etag != request->etag())
                return status::EtagMismatch(request->name(), rule.etag);
              if (rule.state == RuleState::kArchived) {
                return status::TransitionNotAllowed(request->name(), "ARCHIVED", "archive", "");
              }
              ASSIGN_OR_RETURN(const Rule archived,
                               rules_.SetState(tx, rule, RuleState::kArchived));
              *response = ToProto(archived);
              AppendRuleChange(call, tx, response->name(), "rule_archived");
              return response->name();
            });
      });
}

grpc::ServerUnaryReactor* ValidationReportService::TestRule(grpc::CallbackServerContext* context,
                                                            const v1::TestRuleRequest* request,
                                                            v1::TestRuleResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const auto name, names::RuleName::Parse(request->name(), "name"));
        RETURN_IF_ERROR(CheckVersion(request->version()));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(const Rule rule, rules_.Get(db, name.id(), request->version()));
        ASSIGN_OR_RETURN(const std::vector<FixtureResult> results, RunFixtures(call, rule));
        *response = ToProto(rule, results);
        return absl::OkStatus();
      });
}

absl::StatusOr<std::vector<FixtureResult>> ValidationReportService::RunFixtures(rpc::Call& call,
                                                                                const Rule& rule) {
  ASSIGN_OR_RETURN(const Definitions definitions, parts_.definitions.Get(rule.content.datasets));
  ASSIGN_OR_RETURN(const CompiledRule compiled,
                   CompileRule(rule.id, rule.version, rule.content, definitions));
  return evaluator_.RunFixtures(compiled, definitions, call.deadline());
}

void ValidationReportService::AppendRuleChange(rpc::Call& call, pg::Transaction& tx,
                                               const std::string& subject, std::string_view type) {
  feed::Append(tx, runtime_.ids().NewId(), call.principal().name(),
               {.subject = subject, .type = std::string(type), .attributes = {}});
}

// Rule groups.

grpc::ServerUnaryReactor* ValidationReportService::CreateRuleGroup(
    grpc::CallbackServerContext* context, const v1::CreateRuleGroupRequest* request,
    v1::RuleGroup* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(RuleGroup group, GroupOf(request->rule_group()));
        RETURN_IF_ERROR(CheckGroup(group));
        ASSIGN_OR_RETURN(group.id,
                         IdOr(request->rule_group_id(), "rule_group_id", runtime_.ids().NewId()));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        return rpc::Command(call, *request, response,
                            [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                              ASSIGN_OR_RETURN(const RuleGroup created, groups_.Create(tx, group));
                              *response = ToProto(created);
                              AppendRuleChange(call, tx, response->name(), "rule_group_created");
                              return response->name();
                            });
      });
}

grpc::ServerUnaryReactor* ValidationReportService::GetRuleGroup(
    grpc::CallbackServerContext* context, const v1::GetRuleGroupRequest* request,
    v1::RuleGroup* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const auto name, names::RuleGroupName::Parse(request->name(), "name"));
        RETURN_IF_ERROR(CheckVersion(request->version()));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(const RuleGroup group, groups_.Get(db, name.id(), request->version()));
        *response = ToProto(group);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ValidationReportService::ListRuleGroups(
    grpc::CallbackServerContext* context, const v1::ListRuleGroupsRequest* request,
    v1::ListRuleGroupsResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        GroupFilter filter;
        ASSIGN_OR_RETURN(filter.states, FilterOf(request->state(), GroupState::kInactive, "state"));
        if (request->level() < 0 || request->level() > type::LEVEL_SCHOOL) {
          return status::FieldInvalid("level", "unknown value");
        }
        filter.level = static_cast<GroupLevel>(request->level());
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 2));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(std::vector<RuleGroup> groups,
                         groups_.List(db, filter, page.Key(0), page.Key(1), page.limit()));
        response->set_next_page_token(
            paging::Cut(*request, page, groups,
                        [](const RuleGroup& group) { return std::vector{group.title, group.id}; }));
        for (const RuleGroup& group : groups) *response->add_rule_groups() = ToProto(group);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ValidationReportService::ActivateRuleGroup(
    grpc::CallbackServerContext* context, const v1::ActivateRuleGroupRequest* request,
    v1::RuleGroup* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const auto name, names::RuleGroupName::Parse(request->name(), "name"));
        RETURN_IF_ERROR(CheckEtag(request->etag()));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        return rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              ASSIGN_OR_RETURN(const RuleGroup group, groups_.Get(tx, name.id(), 0));
              if (group.etag != request->etag())
                return status::EtagMismatch(request->name(), group.etag);
              if (group.state == GroupState::kActive) {
                return status::TransitionNotAllowed(request->name(), "ACTIVE", "activate", "");
              }
              ASSIGN_OR_RETURN(const RuleGroup active, groups_.Activate(tx, group));
              *response = ToProto(active);
              AppendRuleChange(call, tx, response->name(), "rule_group_activated");
              return response->name();
            });
      });
}

// Reports.

absl::StatusOr<Report> ValidationReportService::AskedReport(
    rpc::Call& call, const v1::CreateReportRequest& request) {
  Report report{.requester = call.principal().name()};
  if (request.has_event()) {
    ASSIGN_OR_RETURN(const auto event, names::EventName::Parse(request.event(), "event"));
    report.event = event.ToString();
  } else if (request.has_rule_group()) {
    ASSIGN_OR_RETURN(const auto group,
                     names::RuleGroupName::Parse(request.rule_group(), "rule_group"));
    report.rule_group = group.id();
  } else {
    return status::FieldInvalid("event", "this or `rule_group` is required");
  }
  ASSIGN_OR_RETURN(const auto organization,
                   names::OrganizationName::Parse(request.organization(), "organization"));
  report.organization = organization.ToString();
  if (request.kind() < v1::REPORT_KIND_DISTRICT_DATA || request.kind() > v1::REPORT_KIND_SNAPSHOT) {
    return status::FieldInvalid("kind", "required");
  }
  report.kind = static_cast<ReportKind>(request.kind());
  if (request.format() < v1::REPORT_FORMAT_HTML || request.format() > v1::REPORT_FORMAT_CSV) {
    return status::FieldInvalid("format", "required");
  }
  report.format = static_cast<ReportFormat>(request.format());
  if ((report.kind == ReportKind::kSnapshot) == request.snapshot().empty()) {
    return status::FieldInvalid("snapshot", "required for the snapshot kind, else empty");
  }
  if (!request.snapshot().empty()) {
    ASSIGN_OR_RETURN(const auto snapshot,
                     names::SnapshotName::Parse(request.snapshot(), "snapshot"));
    report.snapshot = snapshot.ToString();
  }
  return report;
}

absl::StatusOr<RuleGroup> ValidationReportService::GroupFor(rpc::Call& call, const Report& report) {
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(RuleGroup group, groups_.Get(db, report.rule_group, report.rule_group_version));
  if (group.state != GroupState::kActive) {
    return RuleGroupInactive(names::RuleGroupName::FromId(group.id).ToString());
  }
  return group;
}

absl::Status ValidationReportService::CheckSnapshot(rpc::Call& call, Report& report) {
  ASSIGN_OR_RETURN(SnapshotFacts snapshot, parts_.snapshots.Get(call, report.snapshot));
  if (snapshot.failed || snapshot.organization != report.organization ||
      (!report.event.empty() && snapshot.event != report.event)) {
    return SnapshotMismatch(report.snapshot);
  }
  report.data_versions = std::move(snapshot.data_versions);
  return absl::OkStatus();
}

absl::Status ValidationReportService::CheckQuota(pg::Transaction& tx,
                                                 const std::string& organization) {
  ASSIGN_OR_RETURN(const int64_t waiting, reports_.CountWaiting(tx, organization));
  return waiting >= parts_.max_waiting_reports ? TooManyReports() : absl::OkStatus();
}

absl::StatusOr<Report> ValidationReportService::Accept(rpc::Call& call, pg::Transaction& tx,
                                                       Report report, const RuleGroup& group,
                                                       jobs::NewJob& job) {
  if (report.kind != ReportKind::kSnapshot) {
    ASSIGN_OR_RETURN(const auto district,
                     names::OrganizationName::Parse(report.district, "organization"));
    ASSIGN_OR_RETURN(report.data_versions,
                     reports_.ReadVersions(tx, CopyOf(report.kind), district.id(), group.datasets));
  }
  int64_t cost = 1;
  for (const ReportDataVersion& version : report.data_versions) cost += version.rows;
  job = {.id = report.id,
         .organization = report.district,
         .dedupe_key = DedupeKeyOf(report),
         .priority = jobs::Priority::kInteractive,
         .cost = cost};
  ASSIGN_OR_RETURN(const std::string accepted, jobs::Accept(tx, job));
  if (accepted == report.id) {
    RETURN_IF_ERROR(CheckQuota(tx, report.organization));
    reports_.Insert(tx, report);
    AppendReportChange(tx, runtime_.ids(), call.principal().name(), report, "report_queued");
  }
  job.id = accepted;
  return reports_.Get(tx, accepted, call.principal().user);
}

grpc::ServerUnaryReactor* ValidationReportService::CreateReport(
    grpc::CallbackServerContext* context, const v1::CreateReportRequest* request,
    v1::Report* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(Report report, AskedReport(call, *request));
        ASSIGN_OR_RETURN(
            const access::Access access,
            access_.Resolve(call, {.event = report.event, .organization = report.organization}));
        if (access.organization_kind != access::OrganizationKind::kDistrict &&
            access.organization_kind != access::OrganizationKind::kSchool) {
          return status::FieldInvalid("organization", "must be a district or a school");
        }
        if (!MayRun(access, report)) return status::NotPermitted("a role in the event's category");
        if (access.event.has_value()) {
          RETURN_IF_ERROR(CheckWindow(*access.event));
          report.event_title = access.event->title;
          ASSIGN_OR_RETURN(
              const auto group_name,
              names::RuleGroupName::Parse(access.event->rule_group, "event.rule_group"));
          report.rule_group = group_name.id();
          report.rule_group_version = access.event->rule_group_version;
        }
        ASSIGN_OR_RETURN(const RuleGroup group, GroupFor(call, report));
        if (report.kind == ReportKind::kSnapshot) RETURN_IF_ERROR(CheckSnapshot(call, report));
        report.rule_group_version = group.version;
        report.organization_display_name = access.organization_display_name;
        report.district = access::DistrictOf(access, report.organization);
        report.title = TitleOf(report.kind, report.event_title, report.organization_display_name);
        report.id = runtime_.ids().NewId();
        jobs::NewJob job;
        RETURN_IF_ERROR(rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              ASSIGN_OR_RETURN(const Report accepted, Accept(call, tx, report, group, job));
              *response = ToProto(accepted);
              return response->name();
            }));
        if (job.id == report.id) parts_.dispatcher.Hint(job);
        return absl::OkStatus();
      });
}

absl::StatusOr<Report> ValidationReportService::FindReport(rpc::Call& call, std::string_view name) {
  ASSIGN_OR_RETURN(const auto parsed, names::ReportName::Parse(name, "name"));
  if (!ids::IsUuid(parsed.id())) return status::NotFound(name);
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(Report report, reports_.Get(db, parsed.id(), call.principal().user));
  const absl::StatusOr<access::Access> access =
      access_.Resolve(call, {.event = report.event, .organization = report.organization});
  if (access.status().code() == absl::StatusCode::kNotFound) return status::NotFound(name);
  if (!access.ok()) return access.status();
  if (!MayRun(*access, report) && report.requester != call.principal().name()) {
    return status::NotFound(name);
  }
  return report;
}

absl::StatusOr<Report> ValidationReportService::FindCompletedReport(rpc::Call& call,
                                                                    std::string_view name) {
  ASSIGN_OR_RETURN(Report report, FindReport(call, name));
  if (report.state != ReportState::kCompleted || !report.result.has_value()) {
    return ReportNotReady(name, ToString(report.state));
  }
  return report;
}

grpc::ServerUnaryReactor* ValidationReportService::GetReport(grpc::CallbackServerContext* context,
                                                             const v1::GetReportRequest* request,
                                                             v1::Report* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=, this](rpc::Call& call) -> absl::Status {
                       ASSIGN_OR_RETURN(const Report report, FindReport(call, request->name()));
                       *response = ToProto(report);
                       return absl::OkStatus();
                     });
}

grpc::ServerUnaryReactor* ValidationReportService::ListReports(
    grpc::CallbackServerContext* context, const v1::ListReportsRequest* request,
    v1::ListReportsResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ReportFilter filter{.event = request->event(),
                            .organization = request->organization(),
                            .requester = request->requester()};
        RETURN_IF_ERROR(OptionalId<names::EventName>(request->event(), "event").status());
        RETURN_IF_ERROR(
            OptionalId<names::OrganizationName>(request->organization(), "organization").status());
        RETURN_IF_ERROR(rpc::CheckText(request->requester(), "requester", 0, 256));
        ASSIGN_OR_RETURN(filter.states, FilterOf(request->state(), ReportState::kExpired, "state"));
        if (request->kind() < 0 || request->kind() > v1::REPORT_KIND_SNAPSHOT) {
          return status::FieldInvalid("kind", "unknown value");
        }
        if (request->kind() != 0) filter.kind = static_cast<ReportKind>(request->kind());
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 2));
        ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
        filter.everywhere = access.is_service() || access.state_user;
        filter.organizations = access.scope_organizations;
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(std::vector<Report> reports,
                         reports_.List(db, filter, call.principal().user, page.Key(0), page.Key(1),
                                       page.limit()));
        response->set_next_page_token(paging::Cut(
            *request, page, reports,
            [](const Report& report) { return std::vector{report.create_key, report.id}; }));
        for (const Report& report : reports) *response->add_reports() = ToProto(report);
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<v1::Report>* ValidationReportService::WatchReport(
    grpc::CallbackServerContext* context, const v1::WatchReportRequest* request) {
  const std::string name = request->name();
  return rpc::Watch<v1::WatchReportRequest, v1::Report>(
      runtime_, context, request, {.subject = name},
      [this, name](rpc::Call& call) -> absl::StatusOr<rpc::WatchStep<v1::Report>> {
        ASSIGN_OR_RETURN(const Report report, FindReport(call, name));
        return rpc::WatchStep<v1::Report>{{ToProto(report)}, IsFinal(report.state)};
      });
}

grpc::ServerUnaryReactor* ValidationReportService::CancelReport(
    grpc::CallbackServerContext* context, const v1::CancelReportRequest* request,
    v1::Report* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const Report report, FindReport(call, request->name()));
        return rpc::Command(call, *request, response,
                            [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                              ASSIGN_OR_RETURN(const bool cancelled, jobs::Cancel(tx, report.id));
                              ASSIGN_OR_RETURN(const Report now,
                                               reports_.Get(tx, report.id, call.principal().user));
                              if (!cancelled) {
                                return status::TransitionNotAllowed(
                                    request->name(), ToString(now.state), "cancel",
                                    now.state == ReportState::kFailed ? "retry" : "");
                              }
                              AppendReportChange(tx, runtime_.ids(), call.principal().name(), now,
                                                 "report_cancelled");
                              *response = ToProto(now);
                              return response->name();
                            });
      });
}

grpc::ServerUnaryReactor* ValidationReportService::RetryReport(
    grpc::CallbackServerContext* context, const v1::RetryReportRequest* request,
    v1::Report* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const Report report, FindReport(call, request->name()));
        const auto not_allowed = [&](ReportState state) {
          return status::TransitionNotAllowed(request->name(), ToString(state), "retry",
                                              IsFinal(state) ? "" : "cancel");
        };
        const absl::Status done = rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              RETURN_IF_ERROR(CheckQuota(tx, report.organization));
              ASSIGN_OR_RETURN(const bool queued, jobs::Retry(tx, report.id));
              ASSIGN_OR_RETURN(const Report now,
                               reports_.Get(tx, report.id, call.principal().user));
              if (!queued) return not_allowed(now.state);
              AppendReportChange(tx, runtime_.ids(), call.principal().name(), now, "report_queued");
              *response = ToProto(now);
              return response->name();
            });
        // An equal report was asked for since, and waits or runs: that one is to be followed.
        if (status::ReasonOf(done) == "ALREADY_EXISTS") return not_allowed(report.state);
        RETURN_IF_ERROR(done);
        parts_.dispatcher.Hint(
            {.id = report.id, .organization = report.district, .dedupe_key = ""});
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<v1::DownloadReportResponse>* ValidationReportService::DownloadReport(
    grpc::CallbackServerContext* context, const v1::DownloadReportRequest* request) {
  using Writer = rpc::DownloadWriter<v1::DownloadReportResponse>;
  return rpc::Download<v1::DownloadReportRequest, v1::DownloadReportResponse>(
      runtime_, context, request, [=, this](rpc::Call& call, Writer& writer) -> absl::Status {
        ASSIGN_OR_RETURN(const Report report, FindCompletedReport(call, request->name()));
        v1::DownloadReportResponse message;
        message.mutable_header()->set_sha256(report.result->sha256);
        message.mutable_header()->set_size(report.result->size);
        message.mutable_header()->set_media_type(report.result->media_type);
        message.mutable_header()->set_file_name(report.result->file_name);
        RETURN_IF_ERROR(writer.Write(message));
        pg::Database db = call.db();
        RETURN_IF_ERROR(reports_.ReadFile(db, report.id, [&](const std::string& chunk) {
          message.set_chunk(chunk);
          return writer.Write(message);
        }));
        // Only who took the last byte has viewed it.
        if (call.principal().user.empty()) return absl::OkStatus();
        return reports_.RecordView(db, report.id, call.principal().user);
      });
}

grpc::ServerUnaryReactor* ValidationReportService::ListFindings(
    grpc::CallbackServerContext* context, const v1::ListFindingsRequest* request,
    v1::ListFindingsResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const auto name, names::ReportName::Parse(request->report(), "report"));
        ASSIGN_OR_RETURN(const std::string rule,
                         OptionalId<names::RuleName>(request->rule(), "rule"));
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
        ASSIGN_OR_RETURN(const Report report, FindCompletedReport(call, name.ToString()));
        pg::Database db = call.db();
        const int64_t after = page.key.empty() ? 0 : std::atoll(page.Key(0).c_str());
        ASSIGN_OR_RETURN(std::vector<ListedFinding> findings,
                         reports_.ListFindings(db, report.id, rule, after, page.limit()));
        response->set_next_page_token(
            paging::Cut(*request, page, findings, [](const ListedFinding& finding) {
              return std::vector{std::to_string(finding.place)};
            }));
        for (const ListedFinding& finding : findings) *response->add_findings() = ToProto(finding);
        return absl::OkStatus();
      });
}

// What every service has.

grpc::ServerUnaryReactor* ValidationReportService::ListChanges(
    grpc::CallbackServerContext* context, const v1::ListChangesRequest* request,
    v1::ListChangesResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=](rpc::Call& call) -> absl::Status {
    return rpc::ServeChanges(call, *request, response);
  });
}

grpc::ServerUnaryReactor* ValidationReportService::ListAuditRecords(
    grpc::CallbackServerContext* context, const v1::ListAuditRecordsRequest* request,
    v1::ListAuditRecordsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    return access::ServeAudit(access_, call, *request, response);
  });
}

}  // namespace edcert::validation_report
