// Reads records of the state's copy at a version, from the views that the dataset service publishes
// in `dataset_read`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/pg.h"

namespace edcert::snapshot {

// The records of a district, or of one school of it.
struct Extent {
  std::string district_id;
  std::string school_id;  // empty: all
};

// How one dataset differs between two versions.
struct DiffCounts {
  int64_t added = 0;    // only in the second
  int64_t removed = 0;  // only in the first
  int64_t changed = 0;
};

struct RecordDifference {
  std::string record_key;
  bool in_base = false;
  bool in_other = false;
  std::string school_id;
};

// The values of records by key and column; NULL is absent.
using RecordValues = std::map<std::string, std::map<std::string, std::string>>;

// Calls `each` with key and row hash of every record at a version, in the order of the keys.
// Version 0 has no records.
absl::Status ReadRows(pg::Transaction& tx, const std::string& dataset, const Extent& extent,
                      int64_t version,
                      absl::FunctionRef<absl::Status(std::string_view, std::string_view)> each);

absl::StatusOr<DiffCounts> CountDifferences(pg::Querier& db, const std::string& dataset,
                                            const Extent& extent, int64_t base, int64_t other);

// A page of differing records by key, after `after_key`.
absl::StatusOr<std::vector<RecordDifference>> ListDifferences(
    pg::Querier& db, const std::string& dataset, const Extent& extent, int64_t base, int64_t other,
    const std::string& after_key, int limit);

absl::StatusOr<RecordValues> ReadValues(pg::Querier& db, const std::string& dataset,
                                        const Extent& extent, int64_t version,
                                        const std::vector<std::string>& record_keys);

}  // namespace edcert::snapshot
