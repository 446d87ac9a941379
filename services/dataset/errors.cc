#include "services/dataset/errors.h"

#include <fmt/format.h>

#include <string>

#include "common/status/error.h"
#include "common/status/errors.h"

namespace edcert::dataset {

absl::Status TooManyPushes() {
  return status::QuotaExceeded("batches of the district at once", absl::Seconds(5));
}

absl::Status TooManyDatasets() {
  return status::QuotaExceeded("datasets of the state", absl::Hours(24));
}

absl::Status TooManyCodes() {
  return status::QuotaExceeded("codes of a code list", absl::Hours(24));
}

absl::Status TooManyCodeLists() {
  return status::QuotaExceeded("code lists of the state", absl::Hours(24));
}

absl::Status KeptByTheService(std::string_view field) {
  return status::FieldInvalid(field, "is read-only: the state keeps its records");
}

absl::Status VersionAboveCurrent() {
  return status::FieldInvalid("version", "is above the current version");
}

absl::Status VersionPurged(int64_t version, int64_t oldest) {
  return status::MakeError(
      status::Reason::kVersionPurged, fmt::format("version {} is purged", version),
      {{"version", std::to_string(version)}, {"oldest", std::to_string(oldest)}});
}

absl::Status CancelNotAllowed(const Resync& resync) {
  return status::TransitionNotAllowed("resyncs/" + resync.id, jobs::ToString(resync.state),
                                      "CANCEL", "");
}

}  // namespace edcert::dataset
