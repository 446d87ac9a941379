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

// What was certified a year ago is a dataset to a rule, by the dataset's id after this. It has the
// dataset's definition. No dataset has such an id: what a state adds begins otherwise.
inline constexpr std::string_view kLastYear = "last_year_";
inline bool IsLastYear(std::string_view dataset) { return dataset.starts_with(kLastYear); }
// The id of the dataset whose records these are, of any year.
inline std::string_view DatasetOf(std::string_view dataset) {
  return IsLastYear(dataset) ? dataset.substr(kLastYear.size()) : dataset;
}
// The datasets whose records these are, each once.
std::vector<std::string> DatasetsOf(const std::vector<std::string>& datasets);
// The definitions of `datasets`, last year's among them, out of those of the datasets themselves.
Definitions DefinitionsFor(const std::vector<std::string>& datasets, const Definitions& known);

// Where definitions come from: the dataset service for the API, its published view for workers.
// They only ever grow, so an answer may be kept.
class DefinitionSource {
 public:
  virtual ~DefinitionSource() = default;
  // The definitions of these datasets, which may be last year's; one that does not exist is left
  // out.
  absl::StatusOr<Definitions> Get(const std::vector<std::string>& datasets);

 private:
  // The same of this year's.
  virtual absl::StatusOr<Definitions> Find(const std::vector<std::string>& datasets) = 0;
};

}  // namespace edcert::validation_report
