// Ids of resources that are made now.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace edcert::names {

// OK when `id` may be that of something new; else FIELD_INVALID for `field`. Stricter than CheckId:
// without underscores, which only the built-in vocabulary has.
absl::Status CheckNewId(std::string_view id, std::string_view field);

}  // namespace edcert::names
