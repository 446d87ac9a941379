// The text of an enum in the database, one table per enum.
#pragma once

#include <algorithm>
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
    const auto row = std::find_if(rows.begin(), rows.end(),
                                  [text](const auto& known) { return known.second == text; });
    CHECK(row != rows.end());
    return row->first;
  }
};

}  // namespace edcert::event_registry
