#include "services/notification/convert.h"

#include "common/names/names.h"
#include "common/rpc/standard.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::notification {
namespace {

constexpr std::size_t kMaxFilterText = 100;

// The causes have the numbers of the wire.
static_assert(static_cast<int>(Cause::kEventPublished) == v1::CAUSE_EVENT_PUBLISHED);
static_assert(static_cast<int>(Cause::kCoCertifierSigned) == v1::CAUSE_CO_CERTIFIER_SIGNED);
static_assert(static_cast<int>(Cause::kCertificationSent) == v1::CAUSE_CERTIFICATION_SENT);
static_assert(static_cast<int>(Cause::kCertificationApproved) == v1::CAUSE_CERTIFICATION_APPROVED);
static_assert(static_cast<int>(Cause::kRecertificationStarted) ==
              v1::CAUSE_RECERTIFICATION_STARTED);
static_assert(static_cast<int>(Cause::kRecertificationRequested) ==
              v1::CAUSE_RECERTIFICATION_REQUESTED);
static_assert(static_cast<int>(Cause::kRequestDenied) == v1::CAUSE_REQUEST_DENIED);
static_assert(static_cast<int>(Cause::kRequestWithdrawn) == v1::CAUSE_REQUEST_WITHDRAWN);
static_assert(static_cast<int>(Cause::kSignaturesVoided) == v1::CAUSE_SIGNATURES_VOIDED);
static_assert(static_cast<int>(Cause::kEventClosed) == v1::CAUSE_EVENT_CLOSED);
static_assert(static_cast<int>(Cause::kRecertificationCancelled) ==
              v1::CAUSE_RECERTIFICATION_CANCELLED);
static_assert(static_cast<int>(Cause::kParticipantExempted) == v1::CAUSE_PARTICIPANT_EXEMPTED);
static_assert(static_cast<int>(Cause::kRequestExpired) == v1::CAUSE_REQUEST_EXPIRED);
static_assert(static_cast<int>(Cause::kSentToState) == v1::CAUSE_SENT_TO_STATE);
static_assert(static_cast<int>(Cause::kNewFatalFindings) == v1::CAUSE_NEW_FATAL_FINDINGS);
static_assert(v1::Cause_MAX == v1::CAUSE_NEW_FATAL_FINDINGS);

}  // namespace

v1::Message ToProto(const Message& message) {
  v1::Message out;
  out.set_name(message.recipient + "/messages/" + message.id);
  out.set_title(message.title);
  out.set_body(message.body);
  out.set_process(message.process);
  out.set_cause(static_cast<v1::Cause>(message.cause));
  out.set_subject(message.subject);
  out.set_event(message.event);
  out.set_organization(message.organization);
  *out.mutable_occurred_at() = rpc::ToProto(message.occurred_at);
  if (message.read_at.has_value()) *out.mutable_read_at() = rpc::ToProto(*message.read_at);
  if (message.dismissed_at.has_value()) {
    *out.mutable_dismissed_at() = rpc::ToProto(*message.dismissed_at);
  }
  if (message.closed_at.has_value()) *out.mutable_closed_at() = rpc::ToProto(*message.closed_at);
  return out;
}

Change FromProto(const type::Change& change) {
  return {.id = change.id(),
          .subject = change.subject(),
          .type = change.type(),
          .actor = change.actor(),
          .occurred_at = rpc::FromProto(change.occurred_at()),
          .attributes = {change.attributes().begin(), change.attributes().end()}};
}

absl::StatusOr<MessageFilter> FilterOf(const v1::ListMessagesRequest& request,
                                       const std::string& recipient, absl::TimeZone time_zone) {
  RETURN_IF_ERROR(rpc::CheckText(request.process(), "process", 0, kMaxFilterText));
  RETURN_IF_ERROR(rpc::CheckText(request.title_contains(), "title_contains", 0, kMaxFilterText));
  MessageFilter filter = {.recipient = recipient,
                          .unread_only = request.unread_only(),
                          .show_dismissed = request.show_dismissed(),
                          .process = request.process(),
                          .title_contains = request.title_contains(),
                          .from = std::nullopt,
                          .until = std::nullopt};
  if (request.has_from_date()) {
    ASSIGN_OR_RETURN(const absl::CivilDay day, rpc::ParseDate(request.from_date(), "from_date"));
    filter.from = absl::FromCivil(day, time_zone);
  }
  if (request.has_to_date()) {
    ASSIGN_OR_RETURN(const absl::CivilDay day, rpc::ParseDate(request.to_date(), "to_date"));
    filter.until = absl::FromCivil(day + 1, time_zone);
  }
  if (filter.from.has_value() && filter.until.has_value() && *filter.until <= *filter.from) {
    return status::FieldInvalid("to_date", "must not be before from_date");
  }
  return filter;
}

}  // namespace edcert::notification
