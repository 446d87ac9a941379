#include "services/event_registry/errors.h"

#include <fmt/format.h>

#include "common/status/error.h"
#include "common/status/errors.h"

namespace edcert::event_registry {

using status::MakeError;
using status::Reason;

absl::Status StateUsersOnly() {
  return status::NotPermitted("an assignment to the state education agency");
}

absl::Status UnknownCaller(std::string_view user) {
  return status::NotPermitted(fmt::format("an account: {} is not known here", user));
}

absl::Status CategoryInactive(const names::CategoryName& category) {
  return MakeError(Reason::kCategoryInactive,
                   fmt::format("{} is not published and active", category.ToString()),
                   {{"resource", category.ToString()}});
}

absl::Status NoParticipants(const names::EventName& event) {
  return MakeError(Reason::kNoParticipants, fmt::format("{} has no participants", event.ToString()),
                   {{"resource", event.ToString()}});
}

absl::Status StaffIdTaken(std::string_view staff_id) {
  return MakeError(Reason::kAlreadyExists, "another user has this staff id",
                   {{"field", "user.staff_id"}, {"staff_id", std::string(staff_id)}});
}

std::string Etag(int64_t row_version) { return std::to_string(row_version); }

absl::Status CheckEtag(std::string_view resource, int64_t row_version, std::string_view etag) {
  const std::string current = Etag(row_version);
  return etag == current ? absl::OkStatus() : status::EtagMismatch(resource, current);
}

}  // namespace edcert::event_registry
