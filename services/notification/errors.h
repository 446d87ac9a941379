// The errors that only this service makes.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace edcert::notification {

// NOT_FOUND for a message that the caller does not have, whoever else does.
absl::Status MessageNotFound(std::string_view recipient, std::string_view id);

}  // namespace edcert::notification
