// Requests to domain values. Pure. Every rule that a field obeys by itself is checked here, and
// only here: FIELD_INVALID names the first field that breaks one; REASON_REQUIRED says that there
// is none.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "edcert/workflow/v1/workflow.pb.h"
#include "services/workflow/certification_store.h"
#include "services/workflow/facts.h"

namespace edcert::workflow {

// The filters of a listing; their dates are days of `zone`.
absl::StatusOr<Filter> FromProto(const v1::ListCertificationsRequest& request, absl::TimeZone zone);

// Which report to make.
struct ReportOrder {
  std::string certification;
  int step = 1;
  v1::ReportFormat format;
};
absl::StatusOr<ReportOrder> FromProto(const v1::GenerateStepReportRequest& request);

// A snapshot to take, or to take again.
struct SnapshotOrder {
  std::string certification;
  std::string etag;
  v1::ReportFormat format;
  bool retake = false;
  bool confirmed = false;  // that signatures are voided
};
absl::StatusOr<SnapshotOrder> FromProto(const v1::TakeSnapshotRequest& request);
absl::StatusOr<SnapshotOrder> FromProto(const v1::RetakeSnapshotRequest& request);

absl::StatusOr<Submission> FromProto(const v1::SubmitCertificationRequest& request);

// What an approver says.
struct Approval {
  std::string certification;
  std::string etag;
  std::string snapshot;
  std::string reason;  // may be empty
};
absl::StatusOr<Approval> FromProto(const v1::ApproveCertificationRequest& request);

// A decision that needs no more than the certification.
struct Verb {
  std::string certification;
  std::string etag;
  std::string reason;                 // empty where the verb takes none
  std::optional<absl::CivilDay> due;  // to return
};
absl::StatusOr<Verb> FromProto(const v1::RequestRecertificationRequest& request);
absl::StatusOr<Verb> FromProto(const v1::WithdrawRecertificationRequestRequest& request);
absl::StatusOr<Verb> FromProto(const v1::ReturnForRecertificationRequest& request,
                               absl::CivilDay today);
absl::StatusOr<Verb> FromProto(const v1::DenyRecertificationRequestRequest& request);
absl::StatusOr<Verb> FromProto(const v1::CancelRecertificationRequest& request);
absl::StatusOr<Verb> FromProto(const v1::ExemptParticipantRequest& request);

}  // namespace edcert::workflow
