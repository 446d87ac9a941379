#include "services/snapshot/record_reader.h"

#include <algorithm>
#include <utility>

#include "common/names/names.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/snapshot/sql/records.sql.h"

namespace edcert::snapshot {
namespace {

constexpr std::string_view kPlaceholder = "${dataset}";

// A statement about one dataset. Its id is an identifier: letters, digits, '-' and '_'.
std::string SqlFor(std::string_view text, const std::string& dataset) {
  std::string out;
  for (std::size_t at = text.find(kPlaceholder); at != std::string_view::npos;
       at = text.find(kPlaceholder)) {
    out += text.substr(0, at);
    out += dataset;
    text.remove_prefix(at + kPlaceholder.size());
  }
  return out += text;
}

absl::Status CheckDataset(const std::string& dataset) {
  return names::IsId(dataset) ? absl::OkStatus() : status::Internal("dataset id");
}

}  // namespace

absl::Status ReadRows(pg::Transaction& tx, const std::string& dataset, const Extent& extent,
                      int64_t version,
                      absl::FunctionRef<absl::Status(std::string_view, std::string_view)> each) {
  RETURN_IF_ERROR(CheckDataset(dataset));
  if (version == 0) return absl::OkStatus();
  return tx.Stream(
      SqlFor(sql::kRowsAt.sql, dataset),
      {pg::Param(extent.district_id), pg::Param(version), pg::Param(extent.school_id)},
      [&](const pg::Row& row) { return each(row.View("record_key"), row.Binary("row_hash")); });
}

absl::StatusOr<DiffCounts> CountDifferences(pg::Querier& db, const std::string& dataset,
                                            const Extent& extent, int64_t base, int64_t other) {
  RETURN_IF_ERROR(CheckDataset(dataset));
  if (base == other) return DiffCounts();
  ASSIGN_OR_RETURN(const pg::Result rows, db.RunText(SqlFor(sql::kDiff.sql, dataset) + "\n" +
                                                         std::string(sql::kDiffCounts.sql),
                                                     extent.district_id, std::min(base, other),
                                                     std::max(base, other), extent.school_id));
  DiffCounts counts = {.added = rows[0].Int("only_second"),
                       .removed = rows[0].Int("only_first"),
                       .changed = rows[0].Int("changed")};
  if (base > other) std::swap(counts.added, counts.removed);
  return counts;
}

absl::StatusOr<std::vector<RecordDifference>> ListDifferences(
    pg::Querier& db, const std::string& dataset, const Extent& extent, int64_t base, int64_t other,
    const std::string& after_key, int limit) {
  RETURN_IF_ERROR(CheckDataset(dataset));
  std::vector<RecordDifference> differences;
  if (base == other) return differences;
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      db.RunText(SqlFor(sql::kDiff.sql, dataset) + "\n" + std::string(sql::kDiffKeys.sql),
                 extent.district_id, std::min(base, other), std::max(base, other), extent.school_id,
                 after_key, limit));
  for (const pg::Row row : rows) {
    RecordDifference& difference = differences.emplace_back();
    difference.record_key = row.Text("record_key");
    difference.in_base = row.Bool(base < other ? "in_first" : "in_second");
    difference.in_other = row.Bool(base < other ? "in_second" : "in_first");
    difference.school_id = row.Text("school_id");
  }
  return differences;
}

absl::StatusOr<RecordValues> ReadValues(pg::Querier& db, const std::string& dataset,
                                        const Extent& extent, int64_t version,
                                        const std::vector<std::string>& record_keys) {
  RETURN_IF_ERROR(CheckDataset(dataset));
  RecordValues values;
  if (version == 0 || record_keys.empty()) return values;
  ASSIGN_OR_RETURN(const pg::Result rows, db.RunText(SqlFor(sql::kRecordValues.sql, dataset),
                                                     extent.district_id, version, record_keys));
  for (const pg::Row row : rows) {
    values[row.Text("record_key")][row.Text("column_name")] = row.Text("value");
  }
  return values;
}

}  // namespace edcert::snapshot
