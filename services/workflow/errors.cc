#include "services/workflow/errors.h"

#include <fmt/format.h>

#include "common/status/error.h"

namespace edcert::workflow {

using status::MakeError;
using status::Reason;

absl::Status FatalFindingsOpen(int step, std::string_view report) {
  return MakeError(Reason::kFatalFindingsOpen,
                   fmt::format("the report of step {} has fatal findings", step),
                   {{"step", std::to_string(step)}, {"resource", std::string(report)}});
}

absl::Status ReportNotViewed(int step, std::string_view report) {
  return MakeError(Reason::kReportNotViewed,
                   fmt::format("you have not viewed the report of step {}", step),
                   {{"step", std::to_string(step)}, {"resource", std::string(report)}});
}

absl::Status StepNotCompleted(int step, std::string_view state) {
  return MakeError(Reason::kStepNotCompleted, fmt::format("step {} is {}", step, state),
                   {{"step", std::to_string(step)}, {"state", std::string(state)}});
}

absl::Status StepStale(int step, std::string_view state) {
  return MakeError(Reason::kStepStale,
                   fmt::format("the data or rules of step {} moved since its report", step),
                   {{"step", std::to_string(step)}, {"state", std::string(state)}});
}

absl::Status SnapshotNotSealed(std::string_view snapshot) {
  return MakeError(Reason::kSnapshotNotSealed,
                   snapshot.empty() ? std::string("there is no sealed snapshot")
                                    : fmt::format("{} is not sealed", snapshot),
                   {{"resource", std::string(snapshot)}});
}

absl::Status SnapshotMismatch(std::string_view why) {
  return MakeError(Reason::kSnapshotMismatch, why);
}

absl::Status SnapshotEmpty() {
  return MakeError(Reason::kSnapshotEmpty, "the snapshot has no records");
}

absl::Status ExplanationMissing(const std::vector<std::string>& rules) {
  return MakeError(Reason::kExplanationMissing,
                   "the report of step 3 has special warnings that nobody explained",
                   {{"rules", fmt::format("{}", fmt::join(rules, ","))}});
}

absl::Status WarningsNotAcknowledged() {
  return MakeError(
      Reason::kWarningsNotAcknowledged,
      "the report of step 3 has warnings, or a warning rule could not be run, and that was not "
      "acknowledged");
}

absl::Status AttestationOutdated() {
  return MakeError(Reason::kAttestationOutdated, "the attestation text has another version");
}

absl::Status AlreadySigned(std::string_view why) { return MakeError(Reason::kAlreadySigned, why); }

absl::Status ConfirmationRequired(std::string_view what) {
  return MakeError(Reason::kConfirmationRequired, what);
}

absl::Status NotAllSigned() {
  return MakeError(Reason::kNotAllSigned, "not every required certifier has signed");
}

absl::Status SelfApproval() {
  return MakeError(Reason::kSelfApproval,
                   "you belong to the organisation that you would approve, or have signed for it");
}

absl::Status DependencyNotCertified(std::string_view event) {
  return MakeError(Reason::kDependencyNotCertified, fmt::format("{} is not certified", event),
                   {{"resource", std::string(event)}});
}

}  // namespace edcert::workflow
