// What part of a district a caller may see.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/access/access.h"
#include "services/dataset/record_store.h"

namespace edcert::dataset {

// NOT_PERMITTED unless the caller is a person of the state.
absl::Status RequireState(const access::Access& access);

// NOT_FOUND unless the organisation that the access is about is a district and the caller acts for
// all of it: a service, a person of the state, of the district or of an agency above it.
absl::Status RequireWholeDistrict(const access::Access& access, const std::string& district);

// The schools of the district whose records the caller may read. A person of a school has that
// school; NOT_FOUND when none is left.
absl::StatusOr<Schools> ReadableSchools(const access::Access& access, const std::string& district);

}  // namespace edcert::dataset
