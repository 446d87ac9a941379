#include "services/dataset/comparison_store.h"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/record_sql.h"
#include "services/dataset/sql/compare.sql.h"
#include "services/dataset/value.h"

namespace edcert::dataset {
namespace {

// One record of one copy.
struct Side {
  std::string school;
  std::vector<std::string> values;
};

struct Pair {
  std::optional<Side> district;
  std::optional<Side> state;
};

// To read a row in the order of the keys takes about so many times as long as to read all rows in
// the order in which they lie.
constexpr int64_t kOrderCost = 8;
constexpr int64_t kFirstStretch = 4;  // pages
constexpr int64_t kLongestStretch = 100'000;

// What one comparison is about.
struct Comparison {
  const Dataset& dataset;
  const std::string& district;
  const VersionPair& versions;
  const Schools& schools;
};

// Runs a statement that compares all rows.
absl::StatusOr<pg::Result> CompareAll(pg::Database& db, const std::string& sql,
                                      const std::vector<pg::Param>& params) {
  absl::StatusOr<pg::Result> rows = pg::Result(nullptr);
  RETURN_IF_ERROR(db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    tx.Defer(sql::kCompareSettings);
    rows = tx.Execute(pg::Statement{"", sql}, params);
    return rows.status();
  }));
  return rows;
}

absl::StatusOr<std::vector<std::string>> KeysOfAll(pg::Database& db, const Comparison& of,
                                                   const std::string& after, int limit) {
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      CompareAll(db, SqlFor(sql::kDifferingKeys, of.dataset),
                 {of.district, of.versions.district, of.versions.state, of.schools, after, limit}));
  std::vector<std::string> keys;
  for (const pg::Row row : rows) keys.push_back(row.Text("record_key"));
  return keys;
}

// Stretch by stretch, each longer than the one before.
absl::Status FindInOrder(pg::Transaction& tx, const Comparison& of, std::string after, int limit,
                         std::vector<std::string>& keys) {
  const std::string sql = SqlFor(sql::kDifferingStretch, of.dataset);
  keys.clear();
  tx.Defer(sql::kOrderSettings);
  int64_t stretch = kFirstStretch * limit;
  while (true) {
    const int64_t wanted = limit - static_cast<int64_t>(keys.size());
    ASSIGN_OR_RETURN(const pg::Result rows,
                     tx.RunText(sql, of.district, of.versions.district, of.versions.state,
                                of.schools, after, wanted, stretch));
    for (const pg::Row row : rows) {
      if (row.Has("record_key")) keys.push_back(row.Text("record_key"));
    }
    const bool full = static_cast<int64_t>(keys.size()) == limit;
    if (full || !rows[0].Has("last")) return absl::OkStatus();
    after = rows[0].Text("last");
    stretch = std::min(2 * stretch, kLongestStretch);
  }
}

absl::StatusOr<std::vector<std::string>> KeysInOrder(pg::Database& db, const Comparison& of,
                                                     const std::string& after, int limit) {
  std::vector<std::string> keys;
  RETURN_IF_ERROR(db.RunInTransaction(
      [&](pg::Transaction& tx) { return FindInOrder(tx, of, after, limit, keys); }));
  return keys;
}

bool MayRead(const Schools& schools, const std::string& school) {
  return !schools.has_value() ||
         std::find(schools->begin(), schools->end(), school) != schools->end();
}

// Of one half of the keys, or of all.
absl::StatusOr<pg::Result> CountHalf(pg::Database& db, const Comparison& of, int64_t most_keys,
                                     std::optional<bool> half) {
  return CompareAll(db, SqlFor(sql::kCompareSchools, of.dataset),
                    {of.district, of.versions.district, of.versions.state, most_keys, half});
}

// Both halves, beside each other.
absl::StatusOr<std::vector<pg::Result>> CountHalves(pg::Database& db, const Comparison& of,
                                                    int64_t most_keys) {
  absl::StatusOr<pg::Result> helped = pg::Result(nullptr);
  absl::StatusOr<pg::Result> worked = pg::Result(nullptr);
  {
    const std::jthread helper(
        [&, own = db]() mutable { helped = CountHalf(own, of, most_keys, true); });
    worked = CountHalf(db, of, most_keys, false);
  }
  // With one connection for both, one after the other.
  if (worked.ok() && status::ReasonOf(helped.status()) == "OVERLOADED") {
    helped = CountHalf(db, of, most_keys, true);
  } else if (helped.ok() && status::ReasonOf(worked.status()) == "OVERLOADED") {
    worked = CountHalf(db, of, most_keys, false);
  }
  RETURN_IF_ERROR(worked.status());
  RETURN_IF_ERROR(helped.status());
  std::vector<pg::Result> halves;
  halves.push_back(*std::move(worked));
  halves.push_back(*std::move(helped));
  return halves;
}

// The counts of records that have these schools in the copies.
void AddPair(const pg::Row& row, const Schools& schools,
             std::map<std::string, SchoolCounts>& counts) {
  const bool in_district = row.Has("district_school");
  const bool in_state = row.Has("state_school");
  const int64_t records = row.Int("records");
  if (in_district && MayRead(schools, row.Text("district_school"))) {
    SchoolCounts& one = counts[row.Text("district_school")];
    one.district_rows += records;
    one.only_district += in_state ? 0 : records;
    one.different += row.Int("different");
  }
  if (in_state && MayRead(schools, row.Text("state_school"))) {
    SchoolCounts& one = counts[row.Text("state_school")];
    one.state_rows += records;
    one.only_state += in_district ? 0 : records;
  }
}

SchoolComparison Together(const std::vector<pg::Result>& parts, const Schools& schools,
                          int64_t most_keys) {
  SchoolComparison comparison;
  std::map<std::string, SchoolCounts> counts;
  for (const pg::Result& part : parts) {
    for (const pg::Row row : part) {
      AddPair(row, schools, counts);
      // Of the DISTRICT copy, if it is there.
      const char* school = row.Has("district_school") ? "district_school" : "state_school";
      if (!row.Has("keys") || !MayRead(schools, row.Text(school))) continue;
      for (std::string& key : row.TextArray("keys")) comparison.keys.push_back(std::move(key));
    }
  }
  for (auto& [school, one] : counts) {
    one.school = school;
    comparison.differing += one.only_district + one.only_state + one.different;
    comparison.schools.push_back(std::move(one));
  }
  const auto found = static_cast<int64_t>(comparison.keys.size());
  if (found != comparison.differing || found > most_keys) comparison.keys.clear();
  // Bytes, as the collation "C" has it.
  std::sort(comparison.keys.begin(), comparison.keys.end());
  return comparison;
}

absl::StatusOr<std::map<std::string, Pair>> ReadPairs(pg::Querier& db, const Dataset& dataset,
                                                      const std::string& district,
                                                      const VersionPair& versions,
                                                      const std::vector<std::string>& keys) {
  constexpr int kFirstValue = 3;  // after copy, record_key, record_school
  ASSIGN_OR_RETURN(const pg::Result rows, db.RunText(SqlFor(sql::kCompareValues, dataset), district,
                                                     versions.district, versions.state, keys));
  std::map<std::string, Pair> pairs;
  for (const pg::Row row : rows) {
    Pair& pair = pairs[std::string(row.ViewAt(1))];
    const bool of_district = row.ViewAt(0) == ToString(Copy::kDistrict);
    std::optional<Side>& side = of_district ? pair.district : pair.state;
    side = Side{.school = std::string(row.ViewAt(2)), .values = {}};
    for (std::size_t i = 0; i < dataset.columns.size(); ++i) {
      const int at = kFirstValue + static_cast<int>(i);
      side->values.push_back(row.HasAt(at) ? FromDatabase(dataset.columns[i], row.ViewAt(at))
                                           : std::string());
    }
  }
  return pairs;
}

std::vector<ColumnDifference> DifferencesOf(const Dataset& dataset, const Pair& pair,
                                            const Schools& schools) {
  std::vector<ColumnDifference> differences;
  const auto value = [&schools](const Side& side, std::size_t column) {
    return MayRead(schools, side.school) ? std::optional(side.values[column]) : std::nullopt;
  };
  for (std::size_t i = 0; i < dataset.columns.size(); ++i) {
    if (pair.district->values[i] == pair.state->values[i]) continue;
    differences.push_back({.column = dataset.columns[i].name,
                           .district = value(*pair.district, i),
                           .state = value(*pair.state, i)});
  }
  return differences;
}

// The keys of the page.
absl::StatusOr<std::vector<std::string>> KeysOfPage(pg::Database& db, const Comparison& of,
                                                    const PageStart& start, int limit) {
  if (!start.keys.empty()) {
    const auto end = std::min(start.keys.size(), static_cast<std::size_t>(limit));
    return std::vector<std::string>(start.keys.begin(),
                                    start.keys.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return start.differing > kOrderCost * limit ? KeysInOrder(db, of, start.after, limit)
                                              : KeysOfAll(db, of, start.after, limit);
}

}  // namespace

absl::StatusOr<SchoolComparison> CompareSchools(pg::Database& db, const Dataset& dataset,
                                                const std::string& district,
                                                const VersionPair& versions, const Schools& schools,
                                                const ComparisonLimits& limits) {
  if (dataset.read_only()) return SchoolComparison();
  const Comparison of{dataset, district, versions, schools};
  std::vector<pg::Result> parts;
  if (versions.records > limits.records_at_once) {
    ASSIGN_OR_RETURN(parts, CountHalves(db, of, limits.keys));
  } else {
    ASSIGN_OR_RETURN(pg::Result all, CountHalf(db, of, limits.keys, std::nullopt));
    parts.push_back(std::move(all));
  }
  return Together(parts, schools, limits.keys);
}

absl::StatusOr<std::vector<Difference>> CompareRecords(pg::Database& db, const Dataset& dataset,
                                                       const std::string& district,
                                                       const VersionPair& versions,
                                                       const Schools& schools,
                                                       const PageStart& start, int limit) {
  if (dataset.read_only()) return std::vector<Difference>();
  const Comparison of{dataset, district, versions, schools};
  ASSIGN_OR_RETURN(const std::vector<std::string> keys, KeysOfPage(db, of, start, limit));
  ASSIGN_OR_RETURN(const auto pairs, ReadPairs(db, dataset, district, versions, keys));
  std::vector<Difference> differences;
  for (const std::string& key : keys) {
    const auto found = pairs.find(key);
    // The rows of a version do not change.
    if (found == pairs.end()) return status::Internal("a record that was just compared");
    const Pair& pair = found->second;
    Difference& difference = differences.emplace_back(
        Difference{.key = key,
                   .school = pair.district.has_value() ? pair.district->school : pair.state->school,
                   .in_district = pair.district.has_value(),
                   .in_state = pair.state.has_value(),
                   .columns = {}});
    if (difference.in_district && difference.in_state) {
      difference.columns = DifferencesOf(dataset, pair, schools);
    }
  }
  return differences;
}

}  // namespace edcert::dataset
