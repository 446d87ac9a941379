#include "services/notification/errors.h"

#include <fmt/format.h>

#include "common/status/errors.h"

namespace edcert::notification {

absl::Status MessageNotFound(std::string_view recipient, std::string_view id) {
  return status::NotFound(fmt::format("{}/messages/{}", recipient, id));
}

}  // namespace edcert::notification
