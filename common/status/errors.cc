#include "common/status/errors.h"

#include <fmt/format.h>

#include "common/status/details.h"
#include "common/status/error.h"

namespace edcert::status {
namespace {

void SetRetry(absl::Status& status, absl::Duration delay) {
  google::rpc::RetryInfo retry;
  const int64_t nanos = absl::ToInt64Nanoseconds(delay);
  retry.mutable_retry_delay()->set_seconds(nanos / 1'000'000'000);
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  SetDetail(status, retry);
}

std::string InstantText(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

}  // namespace

absl::Status FieldInvalid(std::string_view field, std::string_view description) {
  return FieldsInvalid({{std::string(field), std::string(description)}});
}

absl::Status FieldsInvalid(const std::vector<std::pair<std::string, std::string>>& violations) {
  const auto& [field, description] = violations.front();
  absl::Status status = MakeError(Reason::kFieldInvalid, fmt::format("{}: {}", field, description),
                                  {{"field", field}, {"description", description}});
  google::rpc::BadRequest bad;
  for (const auto& [name, text] : violations) {
    auto* violation = bad.add_field_violations();
    violation->set_field(name);
    violation->set_description(text);
  }
  SetDetail(status, bad);
  return status;
}

absl::Status PageTokenInvalid() {
  return MakeError(Reason::kPageTokenInvalid, "page_token does not belong to this request");
}

absl::Status RequestIdReused(std::string_view request_id) {
  return MakeError(Reason::kRequestIdReused, "request_id was used before with other content",
                   {{"request_id", std::string(request_id)}});
}

absl::Status Unauthenticated(std::string_view why) {
  return MakeError(Reason::kUnauthenticated, why);
}

absl::Status NotPermitted(std::string_view what) {
  return MakeError(Reason::kNotPermitted, fmt::format("missing: {}", what),
                   {{"missing", std::string(what)}});
}

absl::Status NotFound(std::string_view resource_name) {
  absl::Status status = MakeError(Reason::kNotFound, fmt::format("{} was not found", resource_name),
                                  {{"resource", std::string(resource_name)}});
  google::rpc::ResourceInfo info;
  info.set_resource_type(std::string(resource_name.substr(0, resource_name.find('/'))));
  info.set_resource_name(std::string(resource_name));
  info.set_description("does not exist, or lies outside your scope");
  SetDetail(status, info);
  return status;
}

absl::Status AlreadyExists(std::string_view resource_name) {
  return MakeError(Reason::kAlreadyExists, fmt::format("{} exists", resource_name),
                   {{"resource", std::string(resource_name)}});
}

absl::Status EtagMismatch(std::string_view resource_name, std::string_view current) {
  return MakeError(
      Reason::kEtagMismatch,
      fmt::format("{} changed since it was read; its etag is {}", resource_name, current),
      {{"resource", std::string(resource_name)}, {"etag", std::string(current)}});
}

absl::Status TransitionNotAllowed(std::string_view resource_name, std::string_view from,
                                  std::string_view action, std::string_view allowed) {
  return MakeError(Reason::kTransitionNotAllowed,
                   fmt::format("{} is {}: {} is not allowed", resource_name, from, action),
                   {{"resource", std::string(resource_name)},
                    {"from", std::string(from)},
                    {"action", std::string(action)},
                    {"allowed", std::string(allowed)}});
}

absl::Status ReasonRequired() {
  absl::Status status =
      MakeError(Reason::kReasonRequired, "reason: required", {{"field", "reason"}});
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field("reason");
  violation->set_description("required");
  SetDetail(status, bad);
  return status;
}

absl::Status WindowNotOpen(std::string_view resource_name, absl::Time opens) {
  const std::string when = InstantText(opens);
  return MakeError(Reason::kWindowNotOpen,
                   fmt::format("{}: not possible before {}", resource_name, when),
                   {{"resource", std::string(resource_name)}, {"opens_at", when}});
}

absl::Status WindowClosed(std::string_view resource_name, std::optional<absl::Time> closed) {
  Metadata metadata = {{"resource", std::string(resource_name)}};
  std::string message = fmt::format("{}: closed", resource_name);
  if (closed.has_value()) {
    message = fmt::format("{}: not possible after {}", resource_name, InstantText(*closed));
    metadata.emplace_back("closed_at", InstantText(*closed));
  }
  return MakeError(Reason::kWindowClosed, message, metadata);
}

absl::Status QuotaExceeded(std::string_view what, absl::Duration retry_after) {
  absl::Status status = MakeError(Reason::kQuotaExceeded, fmt::format("limit reached: {}", what),
                                  {{"limit", std::string(what)}});
  SetRetry(status, retry_after);
  return status;
}

absl::Status Overloaded(std::string_view queue) {
  absl::Status status = MakeError(Reason::kOverloaded, "the server is overloaded; nothing was done",
                                  {{"queue", std::string(queue)}});
  SetRetry(status, absl::Seconds(1));
  return status;
}

absl::Status OutcomeUnknown() {
  return MakeError(Reason::kOutcomeUnknown,
                   "the outcome is unknown; retry with the same request_id to learn it");
}

absl::Status Unavailable(std::string_view part) {
  return MakeError(Reason::kUnavailable,
                   fmt::format("{} cannot be reached; nothing was done", part),
                   {{"part", std::string(part)}});
}

absl::Status DeadlineExceeded() {
  return MakeError(Reason::kDeadlineExceeded, "the deadline of the call passed");
}

absl::Status Cancelled() { return MakeError(Reason::kCancelled, "the caller cancelled the call"); }

absl::Status Conflict() {
  return MakeError(Reason::kConflict, "concurrent changes collided; nothing was done");
}

absl::Status Internal(std::string_view what) {
  return MakeError(Reason::kInternal, fmt::format("internal error: {}", what),
                   {{"where", std::string(what)}});
}

}  // namespace edcert::status
