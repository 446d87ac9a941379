// The errors that only this service makes.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace edcert::validation_report {

// An expression of `field` uses what rules may not use; `position` is its character, from 1, or 0.
absl::Status RuleNotAllowed(std::string_view field, std::string_view what, int position);
// `fixture` is its place, from 0; -1 when the rule has none.
absl::Status FixtureFailed(std::string_view rule, int fixture);
absl::Status RuleInactive(std::string_view rule);
absl::Status RuleGroupInactive(std::string_view group);
// The group is active, but for events of another level.
absl::Status RuleGroupOfOtherLevel(std::string_view group, std::string_view level);
absl::Status SnapshotMismatch(std::string_view snapshot);
absl::Status PreviousSnapshotMismatch(std::string_view snapshot);
absl::Status ReportNotReady(std::string_view report, std::string_view state);
absl::Status ReportExpired(std::string_view report);
// Records that the run should read were deleted before it did.
absl::Status VersionPurged(std::string_view dataset, int64_t version);
// A second person is awaited, and the caller is the first.
absl::Status SecondPersonRequired(std::string_view resource);
// The caller belongs to the organisation that he would decide about.
absl::Status SelfApproval();
// Too many reports of an organisation wait.
absl::Status TooManyReports();

}  // namespace edcert::validation_report
