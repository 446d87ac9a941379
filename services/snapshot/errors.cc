#include "services/snapshot/errors.h"

#include <fmt/format.h>

#include <string>

#include "common/status/error.h"

namespace edcert::snapshot {

using status::MakeError;
using status::Reason;

absl::Status WindowNotOpen(std::string_view event, absl::Time opens) {
  const std::string when = absl::FormatTime(absl::RFC3339_sec, opens, absl::UTCTimeZone());
  return MakeError(Reason::kWindowNotOpen,
                   fmt::format("snapshots of {} are available from {}", event, when),
                   {{"event", std::string(event)}, {"opens", when}});
}

absl::Status WindowClosed(std::string_view event) {
  return MakeError(Reason::kWindowClosed, fmt::format("{} has ended", event),
                   {{"event", std::string(event)}});
}

absl::Status NotNewest(std::string_view given, std::string_view newest) {
  return MakeError(Reason::kSnapshotMismatch, fmt::format("{} is not the newest snapshot", given),
                   {{"given", std::string(given)}, {"newest", std::string(newest)}});
}

absl::Status NotComparable(std::string_view base, std::string_view other) {
  return MakeError(Reason::kSnapshotMismatch,
                   fmt::format("{} and {} are not of one event and organization", base, other),
                   {{"base", std::string(base)}, {"other", std::string(other)}});
}

}  // namespace edcert::snapshot
