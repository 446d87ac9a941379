#include "services/dataset/growth.h"

#include <fmt/format.h>

#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::dataset {
namespace {

// Whether `column` takes all that `known` takes, and reads it the same. Places and scales are in
// the row hashes.
bool Holds(const Column& column, const Column& known) {
  return column.type == known.type && column.length >= known.length &&
         column.precision >= known.precision && column.scale == known.scale;
}

std::vector<std::string> Names(const Dataset& dataset, const std::vector<std::size_t>& places) {
  std::vector<std::string> names;
  for (const std::size_t place : places) names.push_back(dataset.columns[place].name);
  return names;
}

absl::Status Shrinks(const Dataset& dataset, const std::string& column) {
  return status::Internal(fmt::format("column {} of {} can only grow", column, dataset.id));
}

}  // namespace

absl::StatusOr<Dataset> Upgraded(const Dataset& known, const Dataset& builtin) {
  if (Names(known, known.key) != Names(builtin, builtin.key)) {
    return status::Internal(fmt::format("the key of {} would change", builtin.id));
  }
  Dataset grown = builtin;
  grown.columns = known.columns;
  int last = -1;
  for (const Column& column : builtin.columns) {
    const int place = known.Find(column.name);
    if (place < 0) {
      // What comes later stands behind all that is there.
      last = static_cast<int>(grown.columns.size());
      grown.columns.push_back(column);
      continue;
    }
    Column& there = grown.columns[static_cast<std::size_t>(place)];
    if (place < last || !Holds(column, there)) return Shrinks(known, column.name);
    last = place;
    there = column;
  }
  for (const Column& column : known.columns) {
    if (builtin.Find(column.name) < 0 && !IsOfState(column.name)) {
      return status::Internal(fmt::format("{} would lose column {}", known.id, column.name));
    }
  }
  for (std::size_t& key : grown.key) {
    key = static_cast<std::size_t>(grown.Find(builtin.columns[key].name));
  }
  if (builtin.school >= 0) {
    grown.school = grown.Find(builtin.columns[static_cast<std::size_t>(builtin.school)].name);
  }
  return grown;
}

absl::StatusOr<Dataset> Extended(const Dataset& known, const std::vector<Column>& columns) {
  Dataset grown = known;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    const std::string field = fmt::format("columns[{}]", i);
    if (known.builtin && !IsOfState(column.name)) {
      return status::FieldInvalid(field + ".name",
                                  "must begin with state_ in a dataset of the product");
    }
    const int place = known.Find(column.name);
    if (place < 0) {
      if (column.name == "school_id") {
        return status::FieldInvalid(field + ".name",
                                    "is the name of a column that every table has");
      }
      if (column.required) {
        return status::FieldInvalid(field + ".required",
                                    "must be false: the records that are there have no value");
      }
      grown.columns.push_back(column);
      continue;
    }
    Column& there = grown.columns[static_cast<std::size_t>(place)];
    if (!Holds(column, there) || column.code_list != there.code_list ||
        column.date_column != there.date_column || column.required != there.required ||
        column.personal_data != there.personal_data) {
      return status::FieldInvalid(field, "is there already, and can only get longer");
    }
    there = column;
  }
  RETURN_IF_ERROR(CheckFields(grown, ""));
  return grown;
}

}  // namespace edcert::dataset
