// The refusals of this service. Those that all services share are in common/status/errors.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace edcert::workflow {

absl::Status FatalFindingsOpen(int step, std::string_view report);
absl::Status ReportNotViewed(int step, std::string_view report);
absl::Status StepNotCompleted(int step, std::string_view state);
absl::Status StepStale(int step, std::string_view state);
absl::Status SnapshotNotSealed(std::string_view snapshot);
absl::Status SnapshotMismatch(std::string_view why);
absl::Status SnapshotEmpty();
// `rules`: resource names of the rules with findings that nobody explained.
absl::Status ExplanationMissing(const std::vector<std::string>& rules);
absl::Status WarningsNotAcknowledged();
absl::Status AttestationOutdated();
absl::Status AlreadySigned(std::string_view why);
absl::Status ConfirmationRequired(std::string_view what);
absl::Status NotAllSigned();
absl::Status SelfApproval();
absl::Status DependencyNotCertified(std::string_view event);

}  // namespace edcert::workflow
