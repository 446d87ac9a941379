#include "services/workflow/request_convert.h"

#include <utility>

#include "common/names/names.h"
#include "common/rpc/standard.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/workflow/certification_page.h"

namespace edcert::workflow {
namespace {

constexpr std::size_t kMaxEtag = 64;
constexpr std::size_t kMaxReason = 2000;
constexpr std::size_t kMaxTitleFilter = 200;
constexpr int kMaxStatusFilter = 20;

template <typename Name>
absl::Status CheckName(const std::string& text, std::string_view field) {
  return text.empty() ? absl::OkStatus() : Name::Parse(text, field).status();
}

absl::Status CheckEnums(const v1::ListCertificationsRequest& request) {
  if (request.user_status_size() > kMaxStatusFilter) {
    return status::FieldInvalid("user_status", "too many values");
  }
  for (const int value : request.user_status()) {
    if (value == 0 || !v1::UserStatus_IsValid(value)) {
      return status::FieldInvalid("user_status", "unknown value");
    }
  }
  if (request.status_size() > kMaxStatusFilter) {
    return status::FieldInvalid("status", "too many values");
  }
  for (const int value : request.status()) {
    if (value == 0 || !v1::Certification::Status_IsValid(value)) {
      return status::FieldInvalid("status", "unknown value");
    }
  }
  if (!v1::EventStatus_IsValid(request.event_status())) {
    return status::FieldInvalid("event_status", "unknown value");
  }
  if (!v1::EventPhase_IsValid(request.phase())) {
    return status::FieldInvalid("phase", "unknown value");
  }
  if (!type::Level_IsValid(request.level())) return status::FieldInvalid("level", "unknown value");
  if (!v1::CertificationOrder_IsValid(request.order_by())) {
    return status::FieldInvalid("order_by", "unknown value");
  }
  return absl::OkStatus();
}

absl::Status CheckFormat(v1::ReportFormat format) {
  if (format != v1::REPORT_FORMAT_UNSPECIFIED && v1::ReportFormat_IsValid(format)) {
    return absl::OkStatus();
  }
  return status::FieldInvalid("format", "must be a format that is offered");
}

// The fields that all verbs have.
template <typename Request>
absl::Status CheckTarget(const Request& request) {
  RETURN_IF_ERROR(
      names::CertificationName::Parse(request.certification(), "certification").status());
  return rpc::CheckText(request.etag(), "etag", 1, kMaxEtag);
}

absl::Status CheckReason(const std::string& reason) {
  if (reason.empty()) return status::ReasonRequired();
  return rpc::CheckText(reason, "reason", 1, kMaxReason);
}

template <typename Request>
absl::StatusOr<Verb> VerbWithReason(const Request& request) {
  RETURN_IF_ERROR(CheckTarget(request));
  RETURN_IF_ERROR(CheckReason(request.reason()));
  return Verb{.certification = request.certification(),
              .etag = request.etag(),
              .reason = request.reason(),
              .due = std::nullopt};
}

}  // namespace

absl::StatusOr<Filter> FromProto(const v1::ListCertificationsRequest& request,
                                 absl::TimeZone zone) {
  RETURN_IF_ERROR(CheckEnums(request));
  RETURN_IF_ERROR(CheckName<names::CategoryName>(request.category(), "category"));
  RETURN_IF_ERROR(CheckName<names::DatasetName>(request.dataset(), "dataset"));
  RETURN_IF_ERROR(CheckName<names::OrganizationName>(request.organization(), "organization"));
  RETURN_IF_ERROR(CheckName<names::EventName>(request.event(), "event"));
  RETURN_IF_ERROR(rpc::CheckText(request.title_contains(), "title_contains", 0, kMaxTitleFilter));
  if (request.reporting_year() < 0) {
    return status::FieldInvalid("reporting_year", "must not be negative");
  }
  Filter filter;
  for (const int value : request.user_status()) filter.user_statuses.push_back(value);
  for (const int value : request.status()) {
    filter.states.emplace_back(NameOf(static_cast<State>(value)));
  }
  filter.event_status = request.event_status();
  filter.phase = request.phase();
  filter.category = request.category();
  filter.dataset = request.dataset();
  filter.level = request.level();
  filter.reporting_year = request.reporting_year();
  filter.organization = request.organization();
  filter.event = request.event();
  filter.title_contains = request.title_contains();
  if (request.has_due_from()) {
    ASSIGN_OR_RETURN(const absl::CivilDay from, rpc::ParseDate(request.due_from(), "due_from"));
    filter.due_from = absl::FromCivil(from, zone);
  }
  if (request.has_due_to()) {
    ASSIGN_OR_RETURN(const absl::CivilDay to, rpc::ParseDate(request.due_to(), "due_to"));
    filter.due_before = absl::FromCivil(to + 1, zone);
  }
  filter.overdue = request.overdue();
  filter.waiting_on_me = request.waiting_on_me();
  if (request.has_updated_since()) filter.updated_since = rpc::FromProto(request.updated_since());
  filter.order = request.order_by();
  return filter;
}

absl::StatusOr<ReportOrder> FromProto(const v1::GenerateStepReportRequest& request) {
  RETURN_IF_ERROR(
      names::CertificationName::Parse(request.certification(), "certification").status());
  if (request.step() < 1 || request.step() > 3) {
    return status::FieldInvalid("step", "must be 1, 2 or 3");
  }
  RETURN_IF_ERROR(CheckFormat(request.format()));
  return ReportOrder{request.certification(), request.step(), request.format()};
}

absl::StatusOr<SnapshotOrder> FromProto(const v1::TakeSnapshotRequest& request) {
  RETURN_IF_ERROR(CheckTarget(request));
  RETURN_IF_ERROR(CheckFormat(request.format()));
  return SnapshotOrder{
      .certification = request.certification(), .etag = request.etag(), .format = request.format()};
}

absl::StatusOr<SnapshotOrder> FromProto(const v1::RetakeSnapshotRequest& request) {
  RETURN_IF_ERROR(CheckTarget(request));
  RETURN_IF_ERROR(CheckFormat(request.format()));
  return SnapshotOrder{.certification = request.certification(),
                       .etag = request.etag(),
                       .format = request.format(),
                       .retake = true,
                       .confirmed = request.confirm_void_signatures()};
}

absl::StatusOr<Submission> FromProto(const v1::SubmitCertificationRequest& request) {
  RETURN_IF_ERROR(CheckTarget(request));
  RETURN_IF_ERROR(names::SnapshotName::Parse(request.snapshot(), "snapshot").status());
  if (request.attestation_text_version() < 1) {
    return status::FieldInvalid("attestation_text_version", "must be at least 1");
  }
  return Submission{.certification = request.certification(),
                    .etag = request.etag(),
                    .snapshot = request.snapshot(),
                    .attestation_version = request.attestation_text_version(),
                    .warnings_acknowledged = request.acknowledged_warnings(),
                    .zero_attestation = request.zero_attestation()};
}

absl::StatusOr<Approval> FromProto(const v1::ApproveCertificationRequest& request) {
  RETURN_IF_ERROR(CheckTarget(request));
  RETURN_IF_ERROR(names::SnapshotName::Parse(request.snapshot(), "snapshot").status());
  RETURN_IF_ERROR(rpc::CheckText(request.reason(), "reason", 0, kMaxReason));
  return Approval{.certification = request.certification(),
                  .etag = request.etag(),
                  .snapshot = request.snapshot(),
                  .reason = request.reason()};
}

absl::StatusOr<Verb> FromProto(const v1::RequestRecertificationRequest& request) {
  return VerbWithReason(request);
}

absl::StatusOr<Verb> FromProto(const v1::WithdrawRecertificationRequestRequest& request) {
  RETURN_IF_ERROR(CheckTarget(request));
  return Verb{.certification = request.certification(),
              .etag = request.etag(),
              .reason = "",
              .due = std::nullopt};
}

absl::StatusOr<Verb> FromProto(const v1::ReturnForRecertificationRequest& request,
                               absl::CivilDay today) {
  ASSIGN_OR_RETURN(Verb verb, VerbWithReason(request));
  ASSIGN_OR_RETURN(verb.due, rpc::ParseDate(request.due(), "due"));
  if (*verb.due < today) return status::FieldInvalid("due", "must be today or later");
  return verb;
}

absl::StatusOr<Verb> FromProto(const v1::DenyRecertificationRequestRequest& request) {
  return VerbWithReason(request);
}

absl::StatusOr<Verb> FromProto(const v1::CancelRecertificationRequest& request) {
  return VerbWithReason(request);
}

absl::StatusOr<Verb> FromProto(const v1::ExemptParticipantRequest& request) {
  return VerbWithReason(request);
}

}  // namespace edcert::workflow
