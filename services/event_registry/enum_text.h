// The text of an enum in the database, one table per enum.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "common/status/macros.h"

namespace edcert::event_registry {

template <typename Enum, std::size_t N>
struct EnumText {
  std::array<std::pair<Enum, std::string_view>, N> rows;

  constexpr std::string_view Of(Enum value) const {
    for (const auto& [known, text] : rows) {
      if (known == value) return text;
    }
    return "";
  }
  // The table has CHECK constraints with the same texts, so another one is a defect of ours.
  Enum From(std::string_view text) const {
    for (const auto& [value, known] : rows) {
      if (known == text) return value;
    }
    CHECK(!"an enum text that the table knows");
    return rows.front().first;
  }
};

}  // namespace edcert::event_registry
