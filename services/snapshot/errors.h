// The errors that only this service makes.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace edcert::snapshot {

// `retake_of` is not the newest generation.
absl::Status NotNewest(std::string_view given, std::string_view newest);
// Two snapshots that cannot be compared.
absl::Status NotComparable(std::string_view base, std::string_view other);
// VERSION_PURGED: a page is of versions that no snapshot holds, and whose records were deleted
// since.
absl::Status VersionPurged(std::string_view dataset, int64_t version);

}  // namespace edcert::snapshot
