#include "services/snapshot/snapshot.h"

#include <algorithm>
#include <array>

namespace edcert::snapshot {
namespace {

constexpr std::array<std::string_view, 4> kStates = {"SEALING", "SEALED", "FAILED", "SUPERSEDED"};
constexpr std::array<std::string_view, 4> kOrigins = {"STATE_SCHEDULED", "STATE_MANUAL",
                                                      "DISTRICT_TAKEN", "DISTRICT_RETAKEN"};

// The place of a text in its table, from 1, as the enums count.
template <typename Enum, std::size_t N>
Enum Find(const std::array<std::string_view, N>& names, std::string_view text) {
  return static_cast<Enum>(std::find(names.begin(), names.end(), text) - names.begin() + 1);
}

}  // namespace

std::string_view ToString(State state) { return kStates[static_cast<std::size_t>(state) - 1]; }
State StateFromString(std::string_view text) { return Find<State>(kStates, text); }
std::string_view ToString(Origin origin) { return kOrigins[static_cast<std::size_t>(origin) - 1]; }
Origin OriginFromString(std::string_view text) { return Find<Origin>(kOrigins, text); }

}  // namespace edcert::snapshot
