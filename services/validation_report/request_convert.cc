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
constexpr std::size_t kMaxPrincipal = 256;

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
  return VerbOf<names::RuleName>(request);
}

absl::StatusOr<Verb> FromProto(const v1::ArchiveRuleRequest& request) {
  return VerbOf<names::RuleName>(request);
}

absl::StatusOr<RuleFilter> FromProto(const v1::ListRulesRequest& request) {
  RuleFilter filter;
  ASSIGN_OR_RETURN(filter.states, EnumsOf(request.state(), RuleState::kArchived, "state"));
  ASSIGN_OR_RETURN(filter.dataset, OptionalId<names::DatasetName>(request.dataset(), "dataset"));
  ASSIGN_OR_RETURN(filter.severity, OptionalEnum(request.severity(), Severity::kFatal, "severity"));
  return filter;
}

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

absl::StatusOr<Verb> FromProto(const v1::ActivateRuleGroupRequest& request) {
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
  ASSIGN_OR_RETURN(std::string rule, OptionalId<names::RuleName>(request.rule(), "rule"));
  return FindingFilter{report.ToString(), std::move(rule)};
}

}  // namespace edcert::validation_report
