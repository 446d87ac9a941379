// How the stores write and read names, days and lists of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/civil_time.h"
#include "common/pg/value.h"
#include "services/event_registry/state_calendar.h"
#include "services/event_registry/user.h"

namespace edcert::event_registry {

// The ids of some names.
template <typename Name>
std::vector<std::string> IdsOf(const std::vector<Name>& names) {
  std::vector<std::string> ids;
  ids.reserve(names.size());
  for (const Name& name : names) ids.push_back(name.id());
  return ids;
}

template <typename Name>
std::vector<Name> NamesOf(const std::vector<std::string>& ids) {
  std::vector<Name> names;
  names.reserve(ids.size());
  for (const std::string& id : ids) names.push_back(Name::FromId(id));
  return names;
}

// The id of a name that may be absent; NULL then.
template <typename Name>
std::optional<std::string> IdOf(const std::optional<Name>& name) {
  return name.has_value() ? std::optional(name->id()) : std::nullopt;
}

template <typename Name>
std::optional<Name> OptionalName(const pg::Row& row, std::string_view column) {
  return row.Has(column) ? std::optional(Name::FromId(row.View(column))) : std::nullopt;
}

inline std::optional<std::string> OptionalText(const std::optional<absl::CivilDay>& day) {
  return day.has_value() ? std::optional(ToText(*day)) : std::nullopt;
}

inline std::optional<absl::CivilDay> OptionalDay(const pg::Row& row, std::string_view column) {
  return row.Has(column) ? std::optional(DayFromText(row.View(column))) : std::nullopt;
}

// The columns `tools` and `rights`: lists of equal length.
inline std::vector<ToolGrant> ReadGrants(const pg::Row& row) {
  std::vector<ToolGrant> grants;
  const std::vector<std::string> tools = row.TextArray("tools");
  const std::vector<std::string> rights = row.TextArray("rights");
  for (std::size_t i = 0; i < tools.size(); ++i) {
    grants.push_back({.tool = std::stoi(tools[i]), .rights = std::stoi(rights[i])});
  }
  return grants;
}

}  // namespace edcert::event_registry
