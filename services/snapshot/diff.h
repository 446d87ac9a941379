// What a comparison compares, and how that is kept from page to page.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/snapshot/snapshot.h"

namespace edcert::snapshot {

// One dataset and its versions on the two sides; 0 where a side does not have it.
struct DiffPair {
  std::string dataset;
  int64_t base = 0;
  int64_t other = 0;

  friend bool operator==(const DiffPair&, const DiffPair&) = default;
};

// The datasets of both sides, sorted. Only `dataset` when it is not empty.
std::vector<DiffPair> PairsOf(const std::vector<DataVersion>& base,
                              const std::vector<DataVersion>& other, const std::string& dataset);

// The ids of the datasets that a snapshot holds.
std::vector<std::string> DatasetsOf(const Snapshot& snapshot);

// SNAPSHOT_MISMATCH unless both are of one event and organisation, and of the same records.
absl::Status CheckComparable(const Snapshot& base, const Snapshot& other);

// The versions of the other side as text, for the page token: `attendance=41,enrollment=7`.
std::string VersionsToText(const std::vector<DataVersion>& versions);
// PAGE_TOKEN_INVALID unless the text has exactly these datasets, in this order: what a token names
// is what the caller reads, and nobody has checked that it is ours.
absl::StatusOr<std::vector<DataVersion>> VersionsFromText(const std::string& text,
                                                          const std::vector<std::string>& datasets);

}  // namespace edcert::snapshot
