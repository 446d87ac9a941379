// What a dataset is: its columns, its key, and the catalogue of all of them.
#pragma once

#include <cstddef>
#include <cstdint>
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

// In the order of edcert.dataset.v1.Column.PersonalData, from 1.
enum class PersonalData { kNone = 1, kIdentifying, kPersonal, kRestricted };
std::string_view ToString(PersonalData personal_data);

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
};

// Who keeps the records of a dataset: those who push them, or the service itself, for each district
// or one set for all. What the service keeps is the same in both copies.
enum class Keeper { kSource, kServiceByDistrict, kServiceForAll };
// SOURCE, ...: as in the database.
std::string_view ToString(Keeper keeper);

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

  // Whether the service keeps the records: nobody may push them.
  bool read_only() const { return keeper != Keeper::kSource; }
  // `datasets/{id}`
  std::string name() const { return "datasets/" + id; }
  // The place of a column; -1 when there is none of this name.
  int Find(std::string_view column) const;
  bool IsKey(std::size_t column) const;
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
// table has, sizes are in range, key columns are required.
absl::Status Check(const Dataset& dataset);

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
