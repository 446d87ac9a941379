#include "services/validation_report/request_convert.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/names/names.h"
#include "common/names/new_id.h"
#include "common/rpc/standard.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"

namespace edcert::validation_report {
namespace {

constexpr std::size_t kMaxEtag = 64;
constexpr std::size_t kMaxTag = 63;
constexpr int kMaxPreviewed = 20'000;  // as many as an event may have
constexpr std::size_t kMaxExplanation = 2000;
constexpr std::size_t kMaxPrincipal = 256;
constexpr std::size_t kFingerprintSize = 64;
constexpr std::size_t kMaxReason = 2000;

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// The given id of something new, or one made from `fallback`.
absl::StatusOr<std::string> IdOr(const std::string& id, std::string_view field,
                                 std::string fallback) {
  if (id.empty()) return fallback;
  RETURN_IF_ERROR(names::CheckNewId(id, field));
  return id;
}

// An optional name in a filter: as it is, or empty.
template <typename Name>
absl::StatusOr<std::string> OptionalName(const std::string& name, std::string_view field) {
  if (!name.empty()) RETURN_IF_ERROR(Name::Parse(name, field).status());
  return name;
}

// The id in it.
template <typename Name>
absl::StatusOr<std::string> OptionalId(const std::string& name, std::string_view field) {
  if (name.empty()) return std::string();
  ASSIGN_OR_RETURN(const Name parsed, Name::Parse(name, field));
  return parsed.id();
}

// An enum value of a filter; 0 is any.
template <typename Enum>
absl::StatusOr<Enum> OptionalEnum(int value, Enum last, std::string_view field) {
  if (value < 0 || value > static_cast<int>(last)) {
    return status::FieldInvalid(field, "unknown value");
  }
  return static_cast<Enum>(value);
}

// Enum values of a filter.
template <typename Enum, typename Repeated>
absl::StatusOr<std::vector<Enum>> EnumsOf(const Repeated& values, Enum last,
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

// A required enum value.
template <typename Enum>
absl::StatusOr<Enum> EnumOf(int value, Enum last, std::string_view field) {
  if (value < 1 || value > static_cast<int>(last)) return status::FieldInvalid(field, "required");
  return static_cast<Enum>(value);
}

template <typename Name, typename Request>
absl::StatusOr<AtVersion> AtVersionOf(const Request& request) {
  ASSIGN_OR_RETURN(const Name name, Name::Parse(request.name(), "name"));
  if (request.version() < 0) return status::FieldInvalid("version", "must not be negative");
  return AtVersion{name.id(), request.version()};
}

template <typename Name, typename Request>
absl::StatusOr<Verb> VerbOf(const Request& request) {
  ASSIGN_OR_RETURN(const Name name, Name::Parse(request.name(), "name"));
  RETURN_IF_ERROR(rpc::CheckText(request.etag(), "etag", 1, kMaxEtag));
  return Verb{name.id(), request.etag()};
}

template <typename Name, typename Request>
absl::StatusOr<Verb> VersionVerbOf(const Request& request) {
  ASSIGN_OR_RETURN(Verb verb, VerbOf<Name>(request));
  if (request.version() < 0) return status::FieldInvalid("version", "must not be negative");
  verb.version = request.version();
  return verb;
}

// What says which rules are run: the event or the group.
absl::Status ReadRules(const v1::CreateReportRequest& request, Report& report) {
  if (request.has_event()) {
    ASSIGN_OR_RETURN(const auto event, names::EventName::Parse(request.event(), "event"));
    report.event = event.ToString();
    return absl::OkStatus();
  }
  if (!request.has_rule_group()) {
    return status::FieldInvalid("event", "this or `rule_group` is required");
  }
  ASSIGN_OR_RETURN(const auto group,
                   names::RuleGroupName::Parse(request.rule_group(), "rule_group"));
  report.rule_group = group.id();
  return absl::OkStatus();
}

bool IsHex(const std::string& text, std::size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// The id of a group of findings, or nothing.
absl::StatusOr<std::string> OptionalGroup(const std::string& group) {
  if (!group.empty() && !IsHex(group, kGroupIdSize)) {
    return status::FieldInvalid("group", "must be the `group` of a FindingGroup");
  }
  return group;
}

// Which findings of a report are meant.
template <typename Request>
absl::StatusOr<FindingTarget> TargetOf(const Request& request) {
  FindingTarget target;
  if (request.has_rule()) {
    ASSIGN_OR_RETURN(const auto rule, names::RuleName::Parse(request.rule(), "rule"));
    target.rule = rule.id();
    return target;
  }
  ASSIGN_OR_RETURN(target.group, OptionalGroup(request.group()));
  if (target.group.empty()) return status::FieldInvalid("group", "this or `rule` is required");
  return target;
}

}  // namespace

absl::StatusOr<NewRule> FromProto(const v1::CreateRuleRequest& request) {
  ASSIGN_OR_RETURN(RuleContent content, ContentOf(request.rule()));
  RETURN_IF_ERROR(CheckContent(content));
  ASSIGN_OR_RETURN(std::string id, IdOr(request.rule_id(), "rule_id", LowerCase(content.code)));
  return NewRule{std::move(id), std::move(content)};
}

absl::StatusOr<AtVersion> FromProto(const v1::GetRuleRequest& request) {
  return AtVersionOf<names::RuleName>(request);
}

absl::StatusOr<AtVersion> FromProto(const v1::TestRuleRequest& request) {
  return AtVersionOf<names::RuleName>(request);
}

absl::StatusOr<Verb> FromProto(const v1::ActivateRuleRequest& request) {
  return VersionVerbOf<names::RuleName>(request);
}

absl::StatusOr<Verb> FromProto(const v1::DeactivateRuleRequest& request) {
  return VerbOf<names::RuleName>(request);
}

absl::StatusOr<ChangedRule> FromProto(const v1::UpdateRuleRequest& request) {
  ASSIGN_OR_RETURN(const auto name, names::RuleName::Parse(request.rule().name(), "rule.name"));
  RETURN_IF_ERROR(rpc::CheckText(request.rule().etag(), "rule.etag", 1, kMaxEtag));
  ASSIGN_OR_RETURN(RuleContent content, ContentOf(request.rule()));
  RETURN_IF_ERROR(CheckContent(content));
  return ChangedRule{name.id(), request.rule().etag(), std::move(content)};
}

absl::StatusOr<Verb> FromProto(const v1::ArchiveRuleRequest& request) {
  return VerbOf<names::RuleName>(request);
}

absl::StatusOr<RuleFilter> FromProto(const v1::ListRulesRequest& request) {
  RuleFilter filter;
  ASSIGN_OR_RETURN(filter.states, EnumsOf(request.state(), RuleState::kArchived, "state"));
  ASSIGN_OR_RETURN(filter.dataset, OptionalId<names::DatasetName>(request.dataset(), "dataset"));
  ASSIGN_OR_RETURN(filter.severity, OptionalEnum(request.severity(), Severity::kFatal, "severity"));
  RETURN_IF_ERROR(rpc::CheckText(request.tag(), "tag", 0, kMaxTag));
  filter.tag = request.tag();
  return filter;
}

absl::StatusOr<RuleFilter> FromProto(const v1::ExportRulesRequest& request) {
  RuleFilter filter;
  ASSIGN_OR_RETURN(filter.dataset, OptionalId<names::DatasetName>(request.dataset(), "dataset"));
  RETURN_IF_ERROR(rpc::CheckText(request.tag(), "tag", 0, kMaxTag));
  filter.tag = request.tag();
  return filter;
}

absl::StatusOr<Preview> FromProto(const v1::PreviewRuleRequest& request) {
  Preview preview;
  if (request.has_rule()) {
    ASSIGN_OR_RETURN(preview.content, ContentOf(request.rule()));
    RETURN_IF_ERROR(CheckContent(*preview.content));
  } else if (request.has_name()) {
    ASSIGN_OR_RETURN(const auto name, names::RuleName::Parse(request.name(), "name"));
    preview.rule = name.id();
  } else {
    return status::FieldInvalid("name", "this or `rule` is required");
  }
  if (request.version() < 0) return status::FieldInvalid("version", "must not be negative");
  preview.version = request.version();
  preview.values = {request.parameter_values().begin(), request.parameter_values().end()};
  ASSIGN_OR_RETURN(preview.event, OptionalName<names::EventName>(request.event(), "event"));
  if (preview.event.empty() == (request.organizations_size() == 0)) {
    return status::FieldInvalid("organizations", "these or `event`, not both");
  }
  if (request.organizations_size() > kMaxPreviewed) {
    return status::FieldInvalid("organizations", "at most 20000");
  }
  for (const std::string& organization : request.organizations()) {
    ASSIGN_OR_RETURN(const auto name,
                     names::OrganizationName::Parse(organization, "organizations"));
    preview.organizations.push_back(name.ToString());
  }
  std::vector<std::string> sorted = preview.organizations;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return status::FieldInvalid("organizations", "one twice");
  }
  if (request.copy() < 0 || request.copy() > type::COPY_STATE) {
    return status::FieldInvalid("copy", "unknown value");
  }
  if (request.copy() == type::COPY_DISTRICT) preview.kind = ReportKind::kDistrictData;
  ASSIGN_OR_RETURN(preview.previous_event,
                   OptionalName<names::EventName>(request.previous_event(), "previous_event"));
  return preview;
}

std::string IdOfCode(const std::string& code) { return LowerCase(code); }

absl::StatusOr<RuleGroup> FromProto(const v1::CreateRuleGroupRequest& request,
                                    const ids::IdSource& ids) {
  ASSIGN_OR_RETURN(RuleGroup group, GroupOf(request.rule_group()));
  RETURN_IF_ERROR(CheckGroup(group));
  ASSIGN_OR_RETURN(group.id, IdOr(request.rule_group_id(), "rule_group_id", ids.NewId()));
  return group;
}

absl::StatusOr<AtVersion> FromProto(const v1::GetRuleGroupRequest& request) {
  return AtVersionOf<names::RuleGroupName>(request);
}

absl::StatusOr<RuleGroup> FromProto(const v1::UpdateRuleGroupRequest& request) {
  const v1::RuleGroup& asked = request.rule_group();
  ASSIGN_OR_RETURN(const auto name, names::RuleGroupName::Parse(asked.name(), "rule_group.name"));
  RETURN_IF_ERROR(rpc::CheckText(asked.etag(), "rule_group.etag", 1, kMaxEtag));
  ASSIGN_OR_RETURN(RuleGroup group, GroupOf(asked));
  group.id = name.id();
  group.etag = asked.etag();
  RETURN_IF_ERROR(CheckGroup(group));
  return group;
}

absl::StatusOr<Verb> FromProto(const v1::ActivateRuleGroupRequest& request) {
  return VersionVerbOf<names::RuleGroupName>(request);
}

absl::StatusOr<Verb> FromProto(const v1::DeactivateRuleGroupRequest& request) {
  return VerbOf<names::RuleGroupName>(request);
}

absl::StatusOr<GroupFilter> FromProto(const v1::ListRuleGroupsRequest& request) {
  GroupFilter filter;
  ASSIGN_OR_RETURN(filter.states, EnumsOf(request.state(), GroupState::kInactive, "state"));
  ASSIGN_OR_RETURN(filter.level, OptionalEnum(request.level(), GroupLevel::kSchool, "level"));
  return filter;
}

absl::StatusOr<Report> FromProto(const v1::CreateReportRequest& request) {
  Report report;
  RETURN_IF_ERROR(ReadRules(request, report));
  ASSIGN_OR_RETURN(const auto organization,
                   names::OrganizationName::Parse(request.organization(), "organization"));
  report.organization = organization.ToString();
  ASSIGN_OR_RETURN(report.kind, EnumOf(request.kind(), ReportKind::kSnapshot, "kind"));
  ASSIGN_OR_RETURN(report.format, EnumOf(request.format(), ReportFormat::kCsvExact, "format"));
  ASSIGN_OR_RETURN(report.snapshot,
                   OptionalName<names::SnapshotName>(request.snapshot(), "snapshot"));
  if ((report.kind == ReportKind::kSnapshot) == report.snapshot.empty()) {
    return status::FieldInvalid("snapshot", "required for the snapshot kind, else empty");
  }
  ASSIGN_OR_RETURN(
      report.last_year.snapshot,
      OptionalName<names::SnapshotName>(request.previous_snapshot(), "previous_snapshot"));
  return report;
}

absl::StatusOr<ReportFilter> FromProto(const v1::ListReportsRequest& request) {
  ReportFilter filter;
  ASSIGN_OR_RETURN(filter.event, OptionalName<names::EventName>(request.event(), "event"));
  ASSIGN_OR_RETURN(filter.organization,
                   OptionalName<names::OrganizationName>(request.organization(), "organization"));
  RETURN_IF_ERROR(rpc::CheckText(request.requester(), "requester", 0, kMaxPrincipal));
  filter.requester = request.requester();
  ASSIGN_OR_RETURN(filter.states, EnumsOf(request.state(), ReportState::kExpired, "state"));
  ASSIGN_OR_RETURN(const ReportKind kind,
                   OptionalEnum(request.kind(), ReportKind::kSnapshot, "kind"));
  if (request.kind() != 0) filter.kind = kind;
  return filter;
}

absl::StatusOr<FindingFilter> FromProto(const v1::ListFindingsRequest& request) {
  ASSIGN_OR_RETURN(const auto report, names::ReportName::Parse(request.report(), "report"));
  FindingFilter filter{.report = report.ToString(), .query = {}};
  ASSIGN_OR_RETURN(filter.query.rule, OptionalId<names::RuleName>(request.rule(), "rule"));
  ASSIGN_OR_RETURN(filter.query.changes,
                   EnumsOf(request.change(), FindingChange::kUnknown, "change"));
  ASSIGN_OR_RETURN(filter.query.group, OptionalGroup(request.group()));
  return filter;
}

absl::StatusOr<GroupsFilter> FromProto(const v1::ListFindingGroupsRequest& request) {
  ASSIGN_OR_RETURN(const auto report, names::ReportName::Parse(request.report(), "report"));
  GroupsFilter filter{.report = report.ToString(), .query = {}};
  ASSIGN_OR_RETURN(filter.query.rule, OptionalId<names::RuleName>(request.rule(), "rule"));
  ASSIGN_OR_RETURN(filter.query.severity,
                   OptionalEnum(request.severity(), Severity::kFatal, "severity"));
  filter.query.unexplained = request.unexplained_only();
  if (request.has_explained_by_time()) {
    filter.query.explained_by = rpc::FromProto(request.explained_by_time());
  }
  return filter;
}

absl::StatusOr<NewExplanation> FromProto(const v1::ExplainFindingsRequest& request) {
  NewExplanation explanation;
  ASSIGN_OR_RETURN(const auto report, names::ReportName::Parse(request.report(), "report"));
  explanation.report = report.ToString();
  ASSIGN_OR_RETURN(explanation.target, TargetOf(request));
  RETURN_IF_ERROR(rpc::CheckText(request.text(), "text", 1, kMaxExplanation));
  explanation.explanation.text = request.text();
  return explanation;
}

absl::StatusOr<Waiver> FromProto(const v1::WaiveFindingRequest& request) {
  Waiver waiver;
  ASSIGN_OR_RETURN(const auto report, names::ReportName::Parse(request.report(), "report"));
  waiver.report = report.ToString();
  if (request.has_fingerprint()) {
    if (!IsHex(request.fingerprint(), kFingerprintSize)) {
      return status::FieldInvalid("fingerprint", "must be the `fingerprint` of a Finding");
    }
    waiver.target = request.fingerprint();
  } else {
    ASSIGN_OR_RETURN(waiver.target, OptionalGroup(request.group()));
    if (waiver.target.empty()) {
      return status::FieldInvalid("group", "this or `fingerprint` is required");
    }
  }
  ASSIGN_OR_RETURN(waiver.until, rpc::ParseDate(request.until_date(), "until_date"));
  if (request.reason().empty()) return status::ReasonRequired();
  RETURN_IF_ERROR(rpc::CheckText(request.reason(), "reason", 1, kMaxReason));
  waiver.reason = request.reason();
  return waiver;
}

absl::StatusOr<Waiver> FromProto(const v1::RevokeWaiverRequest& request) {
  ASSIGN_OR_RETURN(const auto name, names::WaiverName::Parse(request.name(), "name"));
  if (request.reason().empty()) return status::ReasonRequired();
  RETURN_IF_ERROR(rpc::CheckText(request.reason(), "reason", 1, kMaxReason));
  Waiver waiver;
  waiver.id = name.id();
  waiver.revoke_reason = request.reason();
  return waiver;
}

absl::StatusOr<WaiverFilter> FromProto(const v1::ListWaiversRequest& request) {
  ASSIGN_OR_RETURN(const auto event, names::EventName::Parse(request.event(), "event"));
  ASSIGN_OR_RETURN(const auto organization,
                   names::OrganizationName::Parse(request.organization(), "organization"));
  return WaiverFilter{event.ToString(), organization.ToString()};
}

absl::StatusOr<OpenFindingsQuery> FromProto(const v1::GetOpenFindingsRequest& request) {
  OpenFindingsQuery query;
  ASSIGN_OR_RETURN(const auto organization,
                   names::OrganizationName::Parse(request.organization(), "organization"));
  query.target.organization = organization.ToString();
  ASSIGN_OR_RETURN(query.event, OptionalName<names::EventName>(request.event(), "event"));
  ASSIGN_OR_RETURN(query.target.rule_group,
                   OptionalId<names::RuleGroupName>(request.rule_group(), "rule_group"));
  if (query.event.empty() == query.target.rule_group.empty()) {
    return status::FieldInvalid("rule_group", "either this or `event` is required");
  }
  if (request.copy() != type::COPY_DISTRICT && request.copy() != type::COPY_STATE) {
    return status::FieldInvalid("copy", "must be COPY_DISTRICT or COPY_STATE");
  }
  query.target.kind =
      request.copy() == type::COPY_DISTRICT ? ReportKind::kDistrictData : ReportKind::kStateData;
  return query;
}

}  // namespace edcert::validation_report
