#include "services/event_registry/user.h"

#include <algorithm>

namespace edcert::event_registry {

bool IsEmail(std::string_view text) {
  const std::size_t at = text.find('@');
  const bool printable =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > ' ' && c != 0x7f; });
  return printable && at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         text.find('@', at + 1) == std::string_view::npos &&
         text.find_first_of("<>\",;") == std::string_view::npos;
}

User FirstAdministrator(const names::UserName& name) {
  User user{.name = name, .display_name = "Administrator"};
  for (int tool = 1; tool <= kTools; ++tool) user.grants.push_back({tool, kAllRights});
  return user;
}

}  // namespace edcert::event_registry
