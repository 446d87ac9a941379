// Between the messages of the API and the service's own types. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "edcert/validation/v1/validation_report.pb.h"
#include "services/validation_report/background_store.h"
#include "services/validation_report/evaluator.h"
#include "services/validation_report/report.h"
#include "services/validation_report/rule.h"
#include "services/validation_report/rule_group.h"
#include "services/validation_report/waiver.h"

namespace edcert::validation_report {

namespace v1 = ::edcert::validation::v1;

// FIELD_INVALID for a malformed name; what else is wrong, CheckContent says.
absl::StatusOr<RuleContent> ContentOf(const v1::Rule& rule);
v1::Rule ToProto(const RuleContent& content);
v1::Rule ToProto(const Rule& rule);

// The form in which the content of a rule version is stored.
std::string EncodeContent(const RuleContent& content);
absl::StatusOr<RuleContent> DecodeContent(const std::string& bytes);

// The form in which what a group sets for a rule is stored; the rest of a member has columns.
std::string EncodeSettings(const GroupMember& member);
absl::Status DecodeSettings(const std::string& bytes, GroupMember& member);

absl::StatusOr<RuleGroup> GroupOf(const v1::RuleGroup& group);
v1::RuleGroup ToProto(const RuleGroup& group);
v1::RuleGroup::FatalAgain ToProto(const FatalAgain& again, const RuleHits& hits);

v1::Report ToProto(const Report& report);

// A finding of a report that ended at `seen`.
v1::Finding ToProto(const ListedFinding& finding, std::optional<absl::Time> seen);
v1::FindingGroup ToProto(const ListedGroup& group);
v1::Explanation ToProto(const Explanation& explanation);
v1::Waiver ToProto(const Waiver& waiver, absl::Time now);
v1::OpenFindings ToProto(const BackgroundRun& run, bool stale);

v1::TestRuleResponse ToProto(const Rule& rule, const std::vector<FixtureResult>& results);

}  // namespace edcert::validation_report
