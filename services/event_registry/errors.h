// The errors that only this service makes. The common ones are in common/status/errors.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/names/names.h"

namespace edcert::event_registry {

// PERMISSION_DENIED: the command is for people at the state.
absl::Status StateUsersOnly();
// PERMISSION_DENIED: the token names a person whom the registry does not know.
absl::Status UnknownCaller(std::string_view user);
absl::Status CategoryInactive(const names::CategoryName& category);
absl::Status NoParticipants(const names::EventName& event);
// ALREADY_EXISTS: another user has this staff id.
absl::Status StaffIdTaken(std::string_view staff_id);

// The etag of a row, and its check: ABORTED ETAG_MISMATCH when the row has another version.
std::string Etag(int64_t row_version);
absl::Status CheckEtag(std::string_view resource, int64_t row_version, std::string_view etag);

}  // namespace edcert::event_registry
