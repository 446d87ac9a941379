#include "services/dataset/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::dataset {
namespace {

constexpr std::size_t kMaxName = 63;
// A table's name with `_history` is an identifier too.
constexpr std::size_t kMaxId = kMaxName - 8;
constexpr std::size_t kMaxColumns = 300;
constexpr std::size_t kMaxKeyColumns = 10;
constexpr int kMaxLength = 4000;
constexpr int kMaxPrecision = 38;
// The columns that every record table and every batch has. `school_id` may be a column of the
// records when it is the school column: then both are one.
constexpr std::array<std::string_view, 11> kReserved = {
    "copy", "district_id", "record_key", "valid_from",  "valid_to",     "row_hash",
    "line", "reason",      "message",    "column_name", "record_school"};
constexpr std::string_view kSchoolId = "school_id";

bool IsIdentifier(std::string_view text, std::size_t max) {
  if (text.empty() || text.size() > max || text[0] < 'a' || text[0] > 'z') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool HasLength(ColumnType type) {
  return type == ColumnType::kString || type == ColumnType::kCode || type == ColumnType::kCodes;
}

bool NeedsCodeList(ColumnType type) {
  return type == ColumnType::kCode || type == ColumnType::kCodes;
}

// What is wrong with one column: the field of it, and why. Empty when nothing is.
struct Fault {
  std::string_view field;
  std::string_view why;
};

Fault FaultOf(const Column& column) {
  if (!IsIdentifier(column.name, kMaxName)) {
    return {"name", "must be 1 to 63 lower-case letters, digits and underscores"};
  }
  if (std::find(kReserved.begin(), kReserved.end(), column.name) != kReserved.end()) {
    return {"name", "is the name of a column that every table has"};
  }
  if (HasLength(column.type) ? column.length < 1 || column.length > kMaxLength
                             : column.length != 0) {
    return {"length", "must be 1 to 4000 for texts and codes, and 0 for others"};
  }
  if (column.type == ColumnType::kDecimal
          ? column.precision < 1 || column.precision > kMaxPrecision || column.scale < 0 ||
                column.scale > column.precision
          : column.precision != 0 || column.scale != 0) {
    return {"precision", "must be 1 to 38 for a DECIMAL, scale at most as large, and 0 for others"};
  }
  if (NeedsCodeList(column.type) == column.code_list.empty()) {
    return {"code_list", "is for CODE and CODES"};
  }
  return {};
}

absl::Status CheckKey(const Dataset& dataset, std::string_view prefix) {
  const std::string field = fmt::format("{}key_columns", prefix);
  if (dataset.key.empty() || dataset.key.size() > kMaxKeyColumns) {
    return status::FieldInvalid(field, "must be 1 to 10");
  }
  std::set<std::size_t> seen;
  for (const std::size_t column : dataset.key) {
    if (column >= dataset.columns.size() || !seen.insert(column).second) {
      return status::FieldInvalid(field, "must be columns, each once");
    }
    if (!dataset.columns[column].required) return status::FieldInvalid(field, "must be required");
  }
  return absl::OkStatus();
}

bool IsDateOfCodes(const Dataset& dataset, const Column& column) {
  if (column.date_column.empty()) return true;
  const int date = dataset.Find(column.date_column);
  return NeedsCodeList(column.type) && date >= 0 &&
         dataset.columns[static_cast<std::size_t>(date)].type == ColumnType::kDate;
}

absl::Status CheckDates(const Dataset& dataset, std::string_view prefix) {
  for (std::size_t i = 0; i < dataset.columns.size(); ++i) {
    if (!IsDateOfCodes(dataset, dataset.columns[i])) {
      return status::FieldInvalid(fmt::format("{}columns[{}].date_column", prefix, i),
                                  "must be a DATE, and is for CODE and CODES");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSchool(const Dataset& dataset, std::string_view prefix) {
  if (dataset.school >= 0 &&
      dataset.columns[static_cast<std::size_t>(dataset.school)].type != ColumnType::kString) {
    return status::FieldInvalid(fmt::format("{}school_column", prefix), "must be a STRING");
  }
  const int school_id = dataset.Find(kSchoolId);
  if (school_id >= 0 && school_id != dataset.school) {
    return status::FieldInvalid(fmt::format("{}school_column", prefix),
                                "must be school_id, since there is one");
  }
  return absl::OkStatus();
}

// The value of an enum from 1 to `last` that is written so.
template <typename Enum>
std::optional<Enum> Read(std::string_view text, Enum last) {
  for (int value = 1; value <= static_cast<int>(last); ++value) {
    if (ToString(static_cast<Enum>(value)) == text) return static_cast<Enum>(value);
  }
  return std::nullopt;
}

}  // namespace

std::string_view ToString(ColumnType type) {
  switch (type) {
    case ColumnType::kString:
      return "STRING";
    case ColumnType::kInt64:
      return "INT64";
    case ColumnType::kDecimal:
      return "DECIMAL";
    case ColumnType::kDate:
      return "DATE";
    case ColumnType::kBool:
      return "BOOL";
    case ColumnType::kTimestamp:
      return "TIMESTAMP";
    case ColumnType::kCode:
      return "CODE";
    case ColumnType::kCodes:
      return "CODES";
  }
  return "";
}

std::string_view ToString(PersonalData personal_data) {
  switch (personal_data) {
    case PersonalData::kNone:
      return "NONE";
    case PersonalData::kIdentifying:
      return "IDENTIFYING";
    case PersonalData::kPersonal:
      return "PERSONAL";
    case PersonalData::kRestricted:
      return "RESTRICTED";
  }
  return "";
}

std::optional<ColumnType> ColumnTypeFromString(std::string_view text) {
  return Read<ColumnType>(text, ColumnType::kCodes);
}

std::optional<Keeper> KeeperFromString(std::string_view text) {
  for (const Keeper keeper :
       {Keeper::kSource, Keeper::kServiceByDistrict, Keeper::kServiceForAll}) {
    if (ToString(keeper) == text) return keeper;
  }
  return std::nullopt;
}

std::optional<PersonalData> PersonalDataFromString(std::string_view text) {
  return Read<PersonalData>(text, PersonalData::kRestricted);
}

std::string_view ToString(Keeper keeper) {
  switch (keeper) {
    case Keeper::kSource:
      return "SOURCE";
    case Keeper::kServiceByDistrict:
      return "SERVICE_BY_DISTRICT";
    case Keeper::kServiceForAll:
      return "SERVICE_FOR_ALL";
  }
  return "";
}

std::string_view ToString(Copy copy) { return copy == Copy::kDistrict ? "DISTRICT" : "STATE"; }

int Dataset::Find(std::string_view column) const {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == column) return static_cast<int>(i);
  }
  return -1;
}

bool Dataset::IsKey(std::size_t column) const {
  return std::find(key.begin(), key.end(), column) != key.end();
}

absl::Status CheckColumns(const std::vector<Column>& columns, std::string_view prefix) {
  if (columns.empty() || columns.size() > kMaxColumns) {
    return status::FieldInvalid(fmt::format("{}columns", prefix), "must be 1 to 300");
  }
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Fault fault = FaultOf(columns[i]);
    if (!fault.field.empty()) {
      return status::FieldInvalid(fmt::format("{}columns[{}].{}", prefix, i, fault.field),
                                  fault.why);
    }
    if (!names.insert(columns[i].name).second) {
      return status::FieldInvalid(fmt::format("{}columns[{}].name", prefix, i), "stands twice");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFields(const Dataset& dataset, std::string_view prefix) {
  if (!IsIdentifier(dataset.id, kMaxId)) return status::FieldInvalid("id", "not a dataset id");
  RETURN_IF_ERROR(CheckColumns(dataset.columns, prefix));
  RETURN_IF_ERROR(CheckKey(dataset, prefix));
  RETURN_IF_ERROR(CheckDates(dataset, prefix));
  return CheckSchool(dataset, prefix);
}

absl::Status Check(const Dataset& dataset) {
  const absl::Status checked = CheckFields(dataset, "");
  if (checked.ok()) return checked;
  return status::Internal(
      fmt::format("definition of {}: {}", dataset.id, std::string(checked.message())));
}

bool IsOfState(std::string_view name) { return name.starts_with(kStatePrefix); }

absl::StatusOr<Catalogue> Catalogue::Make(std::vector<Dataset> datasets) {
  Catalogue catalogue;
  catalogue.datasets_ = std::move(datasets);
  std::sort(catalogue.datasets_.begin(), catalogue.datasets_.end(),
            [](const Dataset& a, const Dataset& b) { return a.id < b.id; });
  for (std::size_t i = 0; i < catalogue.datasets_.size(); ++i) {
    RETURN_IF_ERROR(Check(catalogue.datasets_[i]));
    if (i > 0 && catalogue.datasets_[i - 1].id == catalogue.datasets_[i].id) {
      return status::Internal("two definitions of " + catalogue.datasets_[i].id);
    }
  }
  return catalogue;
}

const Dataset* Catalogue::Find(std::string_view id) const {
  const auto it = std::lower_bound(
      datasets_.begin(), datasets_.end(), id,
      [](const Dataset& dataset, std::string_view wanted) { return dataset.id < wanted; });
  return it == datasets_.end() || it->id != id ? nullptr : &*it;
}

}  // namespace edcert::dataset
