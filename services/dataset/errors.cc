#include "services/dataset/errors.h"

#include "common/status/errors.h"

namespace edcert::dataset {

absl::Status TooManyPushes() {
  return status::QuotaExceeded("batches of the district at once", absl::Seconds(5));
}

absl::Status TooManyDatasets() {
  return status::QuotaExceeded("datasets of the state", absl::Hours(24));
}

absl::Status KeptByTheService(std::string_view field) {
  return status::FieldInvalid(field, "is read-only: the state keeps its records");
}

absl::Status VersionAboveCurrent() {
  return status::FieldInvalid("version", "is above the current version");
}

absl::Status CancelNotAllowed(const Resync& resync) {
  return status::TransitionNotAllowed("resyncs/" + resync.id, jobs::ToString(resync.state),
                                      "CANCEL", "");
}

}  // namespace edcert::dataset
