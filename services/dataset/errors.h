// The errors of this service that are not of the common catalogue functions.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace edcert::dataset {

// RESOURCE_EXHAUSTED QUOTA_EXCEEDED: too many pushes of one district at once.
absl::Status TooManyPushes();

// INVALID_ARGUMENT FIELD_INVALID for a field that names a dataset which the service keeps itself.
absl::Status KeptByTheService(std::string_view field);

// INVALID_ARGUMENT FIELD_INVALID for `version`.
absl::Status VersionAboveCurrent();

}  // namespace edcert::dataset
