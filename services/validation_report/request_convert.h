// Requests into the domain; each rule of a single field is checked here. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/ids/ids.h"
#include "edcert/validation/v1/validation_report.pb.h"
#include "services/validation_report/background_store.h"
#include "services/validation_report/explanation.h"
#include "services/validation_report/finding_store.h"
#include "services/validation_report/report_store.h"
#include "services/validation_report/rule_group_store.h"
#include "services/validation_report/rule_store.h"
#include "services/validation_report/waiver.h"

namespace edcert::validation_report {

namespace v1 = ::edcert::validation::v1;

struct NewRule {
  std::string id;
  RuleContent content;
};

// A rule or group at a version; 0 is the newest.
struct AtVersion {
  std::string id;
  int version = 0;
};

// A verb on a rule or group, which the caller knows as `etag`.
struct Verb {
  std::string id;
  std::string etag;
  int version = 0;  // 0 is the newest
};

// The whole new content of a rule, which the caller knows as `etag`.
struct ChangedRule {
  std::string id;
  std::string etag;
  RuleContent content;
};

// What is to be previewed, and where.
struct Preview {
  std::string rule;  // id; or
  std::optional<RuleContent> content;
  int version = 0;
  ValuesByName values;
  std::string event;                         // resource name; or
  std::vector<std::string> organizations;    // resource names
  ReportKind kind = ReportKind::kStateData;  // which copy
  std::string previous_event;                // resource name, or empty
};

// Which findings, or groups of them, of which report (a resource name).
struct FindingFilter {
  std::string report;
  FindingQuery query;
};
struct GroupsFilter {
  std::string report;
  GroupQuery query;
};

absl::StatusOr<NewRule> FromProto(const v1::CreateRuleRequest& request);
absl::StatusOr<AtVersion> FromProto(const v1::GetRuleRequest& request);
absl::StatusOr<AtVersion> FromProto(const v1::TestRuleRequest& request);
absl::StatusOr<Verb> FromProto(const v1::ActivateRuleRequest& request);
absl::StatusOr<Verb> FromProto(const v1::DeactivateRuleRequest& request);
absl::StatusOr<Verb> FromProto(const v1::ArchiveRuleRequest& request);
absl::StatusOr<ChangedRule> FromProto(const v1::UpdateRuleRequest& request);
absl::StatusOr<RuleFilter> FromProto(const v1::ListRulesRequest& request);

absl::StatusOr<RuleFilter> FromProto(const v1::ExportRulesRequest& request);
absl::StatusOr<Preview> FromProto(const v1::PreviewRuleRequest& request);
// The id that a new rule has, when nobody gives it another.
std::string IdOfCode(const std::string& code);

absl::StatusOr<RuleGroup> FromProto(const v1::CreateRuleGroupRequest& request,
                                    const ids::IdSource& ids);
// The group with its id and etag.
absl::StatusOr<RuleGroup> FromProto(const v1::UpdateRuleGroupRequest& request);
absl::StatusOr<AtVersion> FromProto(const v1::GetRuleGroupRequest& request);
absl::StatusOr<Verb> FromProto(const v1::ActivateRuleGroupRequest& request);
absl::StatusOr<Verb> FromProto(const v1::DeactivateRuleGroupRequest& request);
absl::StatusOr<GroupFilter> FromProto(const v1::ListRuleGroupsRequest& request);

// What is asked: without requester, versions and id.
absl::StatusOr<Report> FromProto(const v1::CreateReportRequest& request);
// What is asked for, not yet narrowed to what the caller may see.
absl::StatusOr<ReportFilter> FromProto(const v1::ListReportsRequest& request);
absl::StatusOr<FindingFilter> FromProto(const v1::ListFindingsRequest& request);
absl::StatusOr<GroupsFilter> FromProto(const v1::ListFindingGroupsRequest& request);
// Without ids, time and what the report says; the report is a resource name.
absl::StatusOr<NewExplanation> FromProto(const v1::ExplainFindingsRequest& request);
// What is asked: target, day and reason; the report is a resource name.
absl::StatusOr<Waiver> FromProto(const v1::WaiveFindingRequest& request);
// What is revoked and why; the rest is unknown.
absl::StatusOr<Waiver> FromProto(const v1::RevokeWaiverRequest& request);
struct WaiverFilter {
  std::string event;
  std::string organization;
};
absl::StatusOr<WaiverFilter> FromProto(const v1::ListWaiversRequest& request);
struct OpenFindingsQuery {
  std::string event;        // empty when the group is named
  BackgroundTarget target;  // without district, and without the group that the event says
};
absl::StatusOr<OpenFindingsQuery> FromProto(const v1::GetOpenFindingsRequest& request);

}  // namespace edcert::validation_report
