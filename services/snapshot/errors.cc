#include "services/snapshot/errors.h"

#include <fmt/format.h>

#include <string>

#include "common/status/error.h"

namespace edcert::snapshot {

using status::MakeError;
using status::Reason;

absl::Status NotNewest(std::string_view given, std::string_view newest) {
  return MakeError(Reason::kSnapshotMismatch, fmt::format("{} is not the newest snapshot", given),
                   {{"resource", std::string(given)}, {"newest", std::string(newest)}});
}

absl::Status NotComparable(std::string_view base, std::string_view other) {
  return MakeError(Reason::kSnapshotMismatch,
                   fmt::format("{} and {} are not of one event and organisation", base, other),
                   {{"resource", std::string(base)}, {"other", std::string(other)}});
}

absl::Status VersionPurged(std::string_view dataset, int64_t version) {
  return MakeError(Reason::kVersionPurged,
                   fmt::format("version {} of {} is purged", version, dataset),
                   {{"resource", std::string(dataset)}, {"version", std::to_string(version)}});
}

}  // namespace edcert::snapshot
