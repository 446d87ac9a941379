// The errors that every service makes alike. A service's own are in its errors.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace edcert::status {

// INVALID_ARGUMENT FIELD_INVALID with one field violation.
absl::Status FieldInvalid(std::string_view field, std::string_view description);
// The same for several fields: pairs of field and description, at least one.
absl::Status FieldsInvalid(const std::vector<std::pair<std::string, std::string>>& violations);
absl::Status PageTokenInvalid();
absl::Status RequestIdReused(std::string_view request_id);
absl::Status Unauthenticated(std::string_view why);
// PERMISSION_DENIED: `what` names the right or role that is missing, for a person.
absl::Status NotPermitted(std::string_view what);
// NOT_FOUND for a resource name: also for what lies outside the caller's scope.
absl::Status NotFound(std::string_view resource_name);
absl::Status AlreadyExists(std::string_view resource_name);
absl::Status EtagMismatch(std::string_view resource_name, std::string_view current);
absl::Status TransitionNotAllowed(std::string_view resource_name, std::string_view from,
                                  std::string_view action, std::string_view allowed);
absl::Status ReasonRequired();
// The window of an event or a certification: `opens` and `closed` are in the metadata as `opens_at`
// and `closed_at`, RFC 3339 in UTC. Without `closed` the resource was closed before its end.
absl::Status WindowNotOpen(std::string_view resource_name, absl::Time opens);
absl::Status WindowClosed(std::string_view resource_name,
                          std::optional<absl::Time> closed = std::nullopt);
absl::Status QuotaExceeded(std::string_view what, absl::Duration retry_after);
absl::Status Overloaded(std::string_view queue);
absl::Status OutcomeUnknown();
absl::Status Unavailable(std::string_view part);
absl::Status DeadlineExceeded();
absl::Status Cancelled();
absl::Status Conflict();
// A defect of ours. `what` says where, never data; the details belong into the log.
absl::Status Internal(std::string_view what);

}  // namespace edcert::status
