#include "common/status/error.h"

#include <array>

#include "common/status/details.h"
#include "common/status/macros.h"

namespace edcert::status {
namespace {

using absl::StatusCode;

// clang-format off
constexpr std::array kReasons = {
  ReasonInfo{Reason::kUnauthenticated, "UNAUTHENTICATED", StatusCode::kUnauthenticated, "The token is missing, expired, or was not issued for edcert.", "Get a new token and call again."},
  ReasonInfo{Reason::kNotPermitted, "NOT_PERMITTED", StatusCode::kPermissionDenied, "The caller sees the resource but lacks the right or role for the call.", "Ask an administrator for the right that `missing` names."},
  ReasonInfo{Reason::kFieldInvalid, "FIELD_INVALID", StatusCode::kInvalidArgument, "A field of the request is missing, malformed or out of range.", "Correct the fields named in BadRequest."},
  ReasonInfo{Reason::kPageTokenInvalid, "PAGE_TOKEN_INVALID", StatusCode::kInvalidArgument, "The page token is malformed or belongs to a request with other parameters.", "Start again from the first page."},
  ReasonInfo{Reason::kRequestIdReused, "REQUEST_ID_REUSED", StatusCode::kInvalidArgument, "The request_id was used before with other content.", "Use a new request_id for a new request."},
  ReasonInfo{Reason::kRuleNotAllowed, "RULE_NOT_ALLOWED", StatusCode::kInvalidArgument, "The SQL of a rule uses something outside the allow-list.", "Rewrite the part that `what` and `position` name."},
  ReasonInfo{Reason::kNotFound, "NOT_FOUND", StatusCode::kNotFound, "The resource does not exist, or lies outside the caller's scope.", "Check the name."},
  ReasonInfo{Reason::kAlreadyExists, "ALREADY_EXISTS", StatusCode::kAlreadyExists, "A resource with this name or key exists.", "Get the existing one, or choose another id."},
  ReasonInfo{Reason::kEtagMismatch, "ETAG_MISMATCH", StatusCode::kAborted, "The resource changed since it was read.", "Read it again, decide again, call with the new etag."},
  ReasonInfo{Reason::kTransitionNotAllowed, "TRANSITION_NOT_ALLOWED", StatusCode::kFailedPrecondition, "The action is not allowed in the resource's present state.", "See what is `allowed`: `action` is not, in the state `from`."},
  ReasonInfo{Reason::kWindowNotOpen, "WINDOW_NOT_OPEN", StatusCode::kFailedPrecondition, "The event's window for this action has not opened yet.", "Call again after `opens_at`."},
  ReasonInfo{Reason::kWindowClosed, "WINDOW_CLOSED", StatusCode::kFailedPrecondition, "The event's window for this action is over.", "Nothing to do: the window does not open again."},
  ReasonInfo{Reason::kFatalFindingsOpen, "FATAL_FINDINGS_OPEN", StatusCode::kFailedPrecondition, "FATAL findings stand against the data.", "Correct the records and generate the report again."},
  ReasonInfo{Reason::kReportNotViewed, "REPORT_NOT_VIEWED", StatusCode::kFailedPrecondition, "The caller has not opened the current report of a step.", "Download the report to its last byte, then go on."},
  ReasonInfo{Reason::kStepNotCompleted, "STEP_NOT_COMPLETED", StatusCode::kFailedPrecondition, "An earlier step of the wizard is not completed.", "Complete the step that `step` names."},
  ReasonInfo{Reason::kStepStale, "STEP_STALE", StatusCode::kFailedPrecondition, "Data or rules changed since the step's report was made.", "Generate the step's report again."},
  ReasonInfo{Reason::kSnapshotNotSealed, "SNAPSHOT_NOT_SEALED", StatusCode::kFailedPrecondition, "The snapshot is not sealed yet.", "Watch the snapshot until it is SEALED."},
  ReasonInfo{Reason::kSnapshotMismatch, "SNAPSHOT_MISMATCH", StatusCode::kFailedPrecondition, "The named snapshot is not the one that may be signed or approved.", "Read the certification and review its candidate snapshot."},
  ReasonInfo{Reason::kSnapshotEmpty, "SNAPSHOT_EMPTY", StatusCode::kFailedPrecondition, "The snapshot holds no records and no zero attestation was given.", "Attest zero, where the event allows it, or push the records."},
  ReasonInfo{Reason::kExplanationMissing, "EXPLANATION_MISSING", StatusCode::kFailedPrecondition, "Special warnings stand that nobody explained.", "Explain the findings of the rules that `rules` names."},
  ReasonInfo{Reason::kWarningsNotAcknowledged, "WARNINGS_NOT_ACKNOWLEDGED", StatusCode::kFailedPrecondition, "Warnings stand and were not acknowledged.", "Review them and acknowledge them when submitting."},
  ReasonInfo{Reason::kAttestationOutdated, "ATTESTATION_OUTDATED", StatusCode::kFailedPrecondition, "The attestation text changed.", "Show the current text and submit its version."},
  ReasonInfo{Reason::kAlreadySigned, "ALREADY_SIGNED", StatusCode::kFailedPrecondition, "The caller has signed this round.", "Nothing to do."},
  ReasonInfo{Reason::kNotAllSigned, "NOT_ALL_SIGNED", StatusCode::kFailedPrecondition, "Not every required certifier has signed.", "Wait for the other certifiers; the certification lists who has signed."},
  ReasonInfo{Reason::kReasonRequired, "REASON_REQUIRED", StatusCode::kInvalidArgument, "The action needs a reason.", "Give one in the field that `field` names."},
  ReasonInfo{Reason::kSelfApproval, "SELF_APPROVAL", StatusCode::kPermissionDenied, "The approver belongs to the organisation that he would approve.", "Have another approver act."},
  ReasonInfo{Reason::kSecondPersonRequired, "SECOND_PERSON_REQUIRED", StatusCode::kFailedPrecondition, "It takes two people, and the caller is the first of them.", "Have another person make the same call."},
  ReasonInfo{Reason::kDependencyNotCertified, "DEPENDENCY_NOT_CERTIFIED", StatusCode::kFailedPrecondition, "An event that this one depends on is not certified.", "Certify the event that `resource` names first."},
  ReasonInfo{Reason::kNoParticipants, "NO_PARTICIPANTS", StatusCode::kFailedPrecondition, "The event has no participants.", "Add participants before publishing."},
  ReasonInfo{Reason::kCategoryInactive, "CATEGORY_INACTIVE", StatusCode::kFailedPrecondition, "The category is not published and active.", "Publish the category first."},
  ReasonInfo{Reason::kRuleGroupInactive, "RULE_GROUP_INACTIVE", StatusCode::kFailedPrecondition, "The rule group is not active, or not for events of this level.", "See `why`: activate the group, or take one of the level."},
  ReasonInfo{Reason::kRuleInactive, "RULE_INACTIVE", StatusCode::kFailedPrecondition, "A rule of the group, or its version, is not active.", "Activate the rule that `resource` names first."},
  ReasonInfo{Reason::kFixtureFailed, "FIXTURE_FAILED", StatusCode::kFailedPrecondition, "A fixture of the rule did not behave as it says, or the rule has none.", "Correct the rule that `resource` names, or its fixture number `fixture`."},
  ReasonInfo{Reason::kReportNotReady, "REPORT_NOT_READY", StatusCode::kFailedPrecondition, "The report has no artifact in its present state.", "Watch the report until it is COMPLETED."},
  ReasonInfo{Reason::kReportExpired, "REPORT_EXPIRED", StatusCode::kFailedPrecondition, "The file of the report was deleted after the time that the state keeps it.", "Ask for a new report."},
  ReasonInfo{Reason::kVersionPurged, "VERSION_PURGED", StatusCode::kFailedPrecondition, "Records of this data version were deleted after the time that the state keeps history.", "Read a newer version, or start again from the first page."},
  ReasonInfo{Reason::kConfirmationRequired, "CONFIRMATION_REQUIRED", StatusCode::kFailedPrecondition, "The action voids something and was not confirmed.", "Ask the person, then call again with the confirmation."},
  ReasonInfo{Reason::kInUse, "IN_USE", StatusCode::kFailedPrecondition, "Another resource still uses this one, or one that it names is missing.", "Remove what uses it first; `constraint` names the relation."},
  ReasonInfo{Reason::kQuotaExceeded, "QUOTA_EXCEEDED", StatusCode::kResourceExhausted, "A limit of this caller or organisation is reached.", "Wait as long as RetryInfo says."},
  ReasonInfo{Reason::kOverloaded, "OVERLOADED", StatusCode::kResourceExhausted, "The server sheds load; nothing was done.", "Retry with back-off, as long as RetryInfo says."},
  ReasonInfo{Reason::kOutcomeUnknown, "OUTCOME_UNKNOWN", StatusCode::kUnavailable, "The connection was lost while the change was committed.", "Retry with the same request_id: the answer will be the true outcome."},
  ReasonInfo{Reason::kUnavailable, "UNAVAILABLE", StatusCode::kUnavailable, "A part that the call needs cannot be reached; nothing was done.", "Retry with the same request_id, with back-off."},
  ReasonInfo{Reason::kDeadlineExceeded, "DEADLINE_EXCEEDED", StatusCode::kDeadlineExceeded, "The call's deadline passed.", "Retry a change with the same request_id."},
  ReasonInfo{Reason::kCancelled, "CANCELLED", StatusCode::kCancelled, "The caller cancelled the call.", "Nothing to do."},
  ReasonInfo{Reason::kConflict, "CONFLICT", StatusCode::kAborted, "Concurrent changes collided; nothing was done.", "Call again with the same request_id."},
  ReasonInfo{Reason::kInternal, "INTERNAL", StatusCode::kInternal, "A defect in edcert.", "Report it with the request id."},
};
// clang-format on

constexpr bool InEnumOrder() {
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    if (static_cast<std::size_t>(kReasons[i].reason) != i) return false;
  }
  return kReasons.size() == static_cast<std::size_t>(Reason::kInternal) + 1;
}
static_assert(InEnumOrder());

}  // namespace

std::span<const ReasonInfo> AllReasons() { return kReasons; }

const ReasonInfo& InfoOf(Reason reason) { return kReasons[static_cast<std::size_t>(reason)]; }

absl::Status MakeError(Reason reason, std::string_view message, const Metadata& metadata) {
  const ReasonInfo& info = InfoOf(reason);
  absl::Status status(info.code, absl::string_view(message.data(), message.size()));
  google::rpc::ErrorInfo detail;
  detail.set_reason(std::string(info.name));
  detail.set_domain("edcert");
  for (const auto& [key, value] : metadata) (*detail.mutable_metadata())[key] = value;
  SetDetail(status, detail);
  if (info.code == StatusCode::kFailedPrecondition) {
    google::rpc::PreconditionFailure failure;
    auto* violation = failure.add_violations();
    violation->set_type(std::string(info.name));
    violation->set_description(std::string(message));
    const auto subject = detail.metadata().find("resource");
    if (subject != detail.metadata().end()) violation->set_subject(subject->second);
    SetDetail(status, failure);
  }
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto info = GetDetail<google::rpc::ErrorInfo>(status);
  return info.has_value() ? info->reason() : "";
}

std::string MetadataOf(const absl::Status& status, std::string_view key) {
  const auto info = GetDetail<google::rpc::ErrorInfo>(status);
  if (!info.has_value()) return "";
  const auto it = info->metadata().find(std::string(key));
  return it == info->metadata().end() ? "" : it->second;
}

}  // namespace edcert::status
