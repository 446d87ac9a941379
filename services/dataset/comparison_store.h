// How the two copies of a dataset of a district differ, at any versions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"
#include "services/dataset/record_store.h"

namespace edcert::dataset {

struct SchoolCounts {
  std::string school;
  int64_t district_rows = 0;
  int64_t state_rows = 0;
  int64_t only_district = 0;
  int64_t only_state = 0;
  int64_t different = 0;
  bool operator==(const SchoolCounts&) const = default;
};

// A column that is not the same in both copies. A value is absent when the record of that copy is
// at a school that may not be read, empty when there is none.
struct ColumnDifference {
  std::string column;
  std::optional<std::string> district;
  std::optional<std::string> state;
};

struct Difference {
  std::string key;
  std::string school;
  bool in_district = false;
  bool in_state = false;
  std::vector<ColumnDifference> columns;  // when it is in both
};

struct SchoolComparison {
  std::vector<SchoolCounts> schools;  // by school
  int64_t differing = 0;
  // All keys that differ, in order, unless they are too many: the first page need not look for them
  // once more.
  std::vector<std::string> keys;
};
struct ComparisonLimits {
  int64_t keys = 10'000;
  // A copy with more records is compared in two halves beside each other, on two connections.
  int64_t records_at_once = 50'000;
};
absl::StatusOr<SchoolComparison> CompareSchools(pg::Database& db, const Dataset& dataset,
                                                const std::string& district,
                                                const VersionPair& versions, const Schools& schools,
                                                const ComparisonLimits& limits = {});

// Where a page of differences begins.
struct PageStart {
  std::string after;  // the key
  // The keys that differ, when they are known.
  std::vector<std::string> keys;
  // How many records differ in all: where many do, a page is full soon and is looked for in the
  // order of the keys; else all records are compared at once.
  int64_t differing = 0;
};
// At most `limit` records that differ, by key.
absl::StatusOr<std::vector<Difference>> CompareRecords(pg::Database& db, const Dataset& dataset,
                                                       const std::string& district,
                                                       const VersionPair& versions,
                                                       const Schools& schools,
                                                       const PageStart& start, int limit);

}  // namespace edcert::dataset
