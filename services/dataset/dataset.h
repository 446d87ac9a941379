// What a dataset is: its columns, its key, and the catalogue of all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace edcert::dataset {

// In the order of edcert.dataset.v1.Column.Type, from 1.
enum class ColumnType { kString = 1, kInt64, kDecimal, kDate, kBool, kTimestamp, kCode, kCodes };
// STRING, INT64, ...: as in `dataset_read.column_definition`.
std::string_view ToString(ColumnType type);
// Nothing for another text.
std::optional<ColumnType> ColumnTypeFromString(std::string_view text);

// In the order of edcert.dataset.v1.Column.PersonalData, from 1.
enum class PersonalData { kNone = 1, kIdentifying, kPersonal, kRestricted };
std::string_view ToString(PersonalData personal_data);
std::optional<PersonalData> PersonalDataFromString(std::string_view text);

struct Column {
  std::string name;
  ColumnType type = ColumnType::kString;
  int length = 0;
  int precision = 0;
  int scale = 0;
  std::string code_list;
  bool required = false;
  PersonalData personal_data = PersonalData::kNone;
  std::string description;
  std::string unit;
  // Of codes: the DATE column with the day on which they must be in force; empty: on any day.
  std::string date_column;

  bool operator==(const Column&) const = default;
};

// Who keeps the records of a dataset: those who push them, or the service itself, for each district
// or one set for all. What the service keeps is the same in both copies.
enum class Keeper { kSource, kServiceByDistrict, kServiceForAll };
// SOURCE, ...: as in the database.
std::string_view ToString(Keeper keeper);
std::optional<Keeper> KeeperFromString(std::string_view text);

// The definition of one kind of records.
struct Dataset {
  std::string id;
  std::string title;
  std::string description;
  std::vector<Column> columns;
  std::vector<std::size_t> key;  // places in `columns`, in the order of the key
  int school = -1;               // place in `columns`; -1 when records belong to no school
  bool builtin = false;
  Keeper keeper = Keeper::kSource;
  int64_t revision = 0;  // at which the definition became what it is

  // Whether the service keeps the records: nobody may push them.
  bool read_only() const { return keeper != Keeper::kSource; }
  // `datasets/{id}`
  std::string name() const { return "datasets/" + id; }
  // The place of a column; -1 when there is none of this name.
  int Find(std::string_view column) const;
  bool IsKey(std::size_t column) const;

  bool operator==(const Dataset&) const = default;
};

// One value of a code list.
struct Code {
  std::string list;
  std::string code;
  std::string label;
  std::string valid_from;  // YYYY-MM-DD; empty: always
  std::string valid_to;    // YYYY-MM-DD; empty: no end
};

// OK when tables can be made from the definition: names are identifiers and not those that every
// table has, sizes are in range, key columns are required. FIELD_INVALID for a field of
// edcert.dataset.v1.Dataset, behind `prefix`.
absl::Status CheckFields(const Dataset& dataset, std::string_view prefix);
// The same for a definition that is ours: INTERNAL.
absl::Status Check(const Dataset& dataset);
// The same for columns alone.
absl::Status CheckColumns(const std::vector<Column>& columns, std::string_view prefix);

// What a state adds to what comes with the product begins so, datasets and columns of our datasets:
// a later version of the product never has the same name.
inline constexpr std::string_view kStatePrefix = "state_";
bool IsOfState(std::string_view name);

// Every dataset, ordered by id. Immutable, so thread-safe.
class Catalogue {
 public:
  // Checks each definition.
  static absl::StatusOr<Catalogue> Make(std::vector<Dataset> datasets);

  const std::vector<Dataset>& all() const { return datasets_; }
  // Null when there is none.
  const Dataset* Find(std::string_view id) const;

 private:
  std::vector<Dataset> datasets_;
};

// The two copies of the records, as in the tables and on the feed.
enum class Copy { kDistrict = 1, kState = 2 };
std::string_view ToString(Copy copy);

}  // namespace edcert::dataset
