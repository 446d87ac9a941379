// What the service knows of a dataset: the columns that rules may name.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace edcert::validation_report {

enum class ColumnType { kString, kInt64, kDecimal, kDate, kBool, kTimestamp, kCode, kCodes };

struct Column {
  std::string name;
  ColumnType type = ColumnType::kString;
};

struct Definition {
  std::string id;
  std::vector<Column> columns;
  std::string school_column;  // empty when records belong to no school
  // Whether the dataset service keeps the records, and nobody pushes them.
  bool kept = false;

  const Column* Find(std::string_view column) const {
    const auto it = std::find_if(columns.begin(), columns.end(),
                                 [column](const Column& each) { return each.name == column; });
    return it == columns.end() ? nullptr : &*it;
  }
  std::vector<std::string> ColumnNames() const {
    std::vector<std::string> names;
    names.reserve(columns.size());
    for (const Column& column : columns) names.push_back(column.name);
    return names;
  }
};

// By dataset id.
using Definitions = std::map<std::string, Definition>;

// Where definitions come from: the dataset service for the API, its published view for workers.
// They only ever grow, so an answer may be kept.
class DefinitionSource {
 public:
  virtual ~DefinitionSource() = default;
  // The definitions of these datasets; one that does not exist is left out.
  virtual absl::StatusOr<Definitions> Get(const std::vector<std::string>& datasets) = 0;
};

}  // namespace edcert::validation_report
