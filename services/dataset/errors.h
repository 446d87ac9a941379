// The errors of this service that are not of the common catalogue functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "services/dataset/resync_store.h"

namespace edcert::dataset {

// RESOURCE_EXHAUSTED QUOTA_EXCEEDED: too many pushes of one district at once.
absl::Status TooManyPushes();

// RESOURCE_EXHAUSTED QUOTA_EXCEEDED: the state has as many datasets of its own as it may have.
absl::Status TooManyDatasets();

// RESOURCE_EXHAUSTED QUOTA_EXCEEDED: a code list has as many codes as it may have.
absl::Status TooManyCodes();

// RESOURCE_EXHAUSTED QUOTA_EXCEEDED: the state has as many code lists as it may have.
absl::Status TooManyCodeLists();

// INVALID_ARGUMENT FIELD_INVALID for a field that names a dataset which the service keeps itself.
absl::Status KeptByTheService(std::string_view field);

// INVALID_ARGUMENT FIELD_INVALID for `version`.
absl::Status VersionAboveCurrent();

// FAILED_PRECONDITION VERSION_PURGED: from `oldest` on all versions can be read.
absl::Status VersionPurged(int64_t version, int64_t oldest);

// FAILED_PRECONDITION TRANSITION_NOT_ALLOWED: the resync has ended.
absl::Status CancelNotAllowed(const Resync& resync);

}  // namespace edcert::dataset
