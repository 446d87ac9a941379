#include "services/snapshot/snapshot.h"

#include <algorithm>
#include <array>

#include "common/status/errors.h"

namespace edcert::snapshot {
namespace {

constexpr std::array<std::string_view, 4> kStates = {"SEALING", "SEALED", "FAILED", "SUPERSEDED"};
constexpr std::array<std::string_view, 4> kOrigins = {"STATE_SCHEDULED", "STATE_MANUAL",
                                                      "DISTRICT_TAKEN", "DISTRICT_RETAKEN"};

// The place of a text in its table, from 1, as the enums count.
template <typename Enum, std::size_t N>
absl::StatusOr<Enum> Find(const std::array<std::string_view, N>& names, std::string_view text,
                          std::string_view what) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return status::Internal(what);
  return static_cast<Enum>(found - names.begin() + 1);
}

}  // namespace

std::string_view ToString(State state) { return kStates[static_cast<std::size_t>(state) - 1]; }
absl::StatusOr<State> StateFromString(std::string_view text) {
  return Find<State>(kStates, text, "the state of a snapshot");
}
std::string_view ToString(Origin origin) { return kOrigins[static_cast<std::size_t>(origin) - 1]; }
absl::StatusOr<Origin> OriginFromString(std::string_view text) {
  return Find<Origin>(kOrigins, text, "the origin of a snapshot");
}

}  // namespace edcert::snapshot
