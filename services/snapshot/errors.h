// The errors that only this service makes.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace edcert::snapshot {

// `retake_of` is not the newest generation.
absl::Status NotNewest(std::string_view given, std::string_view newest);
// Two snapshots that cannot be compared.
absl::Status NotComparable(std::string_view base, std::string_view other);

}  // namespace edcert::snapshot
