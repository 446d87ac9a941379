#include "common/names/names.h"

#include <fmt/format.h>

#include "common/names/new_id.h"
#include "common/status/errors.h"

namespace edcert::names {

bool IsId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdLength && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

absl::Status CheckId(std::string_view id, std::string_view field) {
  if (IsId(id)) return absl::OkStatus();
  return status::FieldInvalid(
      field, "must be 1 to 63 lower-case letters, digits, hyphens and underscores");
}

absl::Status CheckNewId(std::string_view id, std::string_view field) {
  if (id.empty()) return status::FieldInvalid(field, "required");
  if (IsId(id) && id.find('_') == std::string_view::npos) return absl::OkStatus();
  return status::FieldInvalid(field, "must be 1 to 63 lower-case letters, digits and hyphens");
}

namespace internal {

absl::StatusOr<std::string> ParseSimple(std::string_view collection, std::string_view text,
                                        std::string_view field) {
  if (text.empty()) return status::FieldInvalid(field, "required");
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || text.substr(0, slash) != collection ||
      !IsId(text.substr(slash + 1))) {
    return status::FieldInvalid(field, fmt::format("must have the form {}/{{id}}", collection));
  }
  return std::string(text.substr(slash + 1));
}

}  // namespace internal
}  // namespace edcert::names
