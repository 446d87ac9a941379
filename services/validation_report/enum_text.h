// The texts of an enum that counts from 1, as the database has them.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/status/errors.h"

namespace edcert::validation_report {

template <typename Enum, std::size_t N>
struct EnumText {
  std::string_view what;  // for the error
  std::array<std::string_view, N> texts;

  // Empty for 0, which means none.
  constexpr std::string_view Of(Enum value) const {
    const auto place = static_cast<std::size_t>(value);
    return place == 0 ? std::string_view() : texts.at(place - 1);
  }
  // INTERNAL for a text that is not one of these: nothing is guessed from what the tables should
  // not hold.
  absl::StatusOr<Enum> From(std::string_view text) const {
    for (std::size_t i = 0; i < N; ++i) {
      if (texts[i] == text) return static_cast<Enum>(i + 1);
    }
    return status::Internal(what);
  }
};

}  // namespace edcert::validation_report
