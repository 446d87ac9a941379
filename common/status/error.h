// The closed catalogue of reasons, and the one function that makes an error.
//
// An error is an absl::Status whose payloads are google.rpc details: always one ErrorInfo, and
// where it fits BadRequest, PreconditionFailure, ResourceInfo or RetryInfo. `common/rpc` sends them
// as they are.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace edcert::status {

// Everything a client may branch on. The text and the advice are in the table of error.cc, which
// also prints docs/errors.md.
enum class Reason {
  kUnauthenticated,
  kNotPermitted,
  kFieldInvalid,
  kPageTokenInvalid,
  kRequestIdReused,
  kRuleNotAllowed,
  kNotFound,
  kAlreadyExists,
  kEtagMismatch,
  kTransitionNotAllowed,
  kWindowNotOpen,
  kWindowClosed,
  kFatalFindingsOpen,
  kReportNotViewed,
  kStepNotCompleted,
  kStepStale,
  kSnapshotNotSealed,
  kSnapshotMismatch,
  kSnapshotEmpty,
  kExplanationMissing,
  kWarningsNotAcknowledged,
  kAttestationOutdated,
  kAlreadySigned,
  kNotAllSigned,
  kReasonRequired,
  kSelfApproval,
  kSecondPersonRequired,
  kDependencyNotCertified,
  kNoParticipants,
  kCategoryInactive,
  kRuleGroupInactive,
  kRuleInactive,
  kFixtureFailed,
  kReportNotReady,
  kReportExpired,
  kVersionPurged,
  kConfirmationRequired,
  kInUse,
  kQuotaExceeded,
  kOverloaded,
  kOutcomeUnknown,
  kUnavailable,
  kDeadlineExceeded,
  kCancelled,
  kConflict,
  kInternal,
};

struct ReasonInfo {
  Reason reason;
  std::string_view name;  // as on the wire, for example FIELD_INVALID
  absl::StatusCode code;  // the one gRPC code that it comes with
  std::string_view meaning;
  std::string_view advice;  // what the client does next
};

// Every reason, in the order of the enum.
std::span<const ReasonInfo> AllReasons();
const ReasonInfo& InfoOf(Reason reason);

// Every variable part of a message, by name. Never student data.
using Metadata = std::vector<std::pair<std::string, std::string>>;

// Makes an error of the catalogue. The gRPC code follows from the reason.
absl::Status MakeError(Reason reason, std::string_view message, const Metadata& metadata = {});

// The reason's name in an error of the catalogue; empty for any other status.
std::string ReasonOf(const absl::Status& status);
// One metadata value of an error of the catalogue; empty when absent.
std::string MetadataOf(const absl::Status& status, std::string_view key);

}  // namespace edcert::status
