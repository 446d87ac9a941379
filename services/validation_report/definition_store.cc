#include "services/validation_report/definition_store.h"

#include <algorithm>
#include <array>

#include "common/status/macros.h"
#include "services/validation_report/sql/definition.sql.h"

namespace edcert::validation_report {
namespace {

ColumnType TypeOf(std::string_view text) {
  static constexpr std::array<std::string_view, 8> kNames = {
      "STRING", "INT64", "DECIMAL", "DATE", "BOOL", "TIMESTAMP", "CODE", "CODES"};
  const auto it = std::find(kNames.begin(), kNames.end(), text);
  return it == kNames.end() ? ColumnType::kString : static_cast<ColumnType>(it - kNames.begin());
}

}  // namespace

absl::StatusOr<Definitions> ReadDefinitions(pg::Querier& db,
                                            const std::vector<std::string>& datasets) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetDefinitions, DatasetsOf(datasets)));
  Definitions definitions;
  for (const pg::Row row : rows) {
    Definition& definition = definitions[row.Text("dataset")];
    definition.id = row.Text("dataset");
    definition.school_column = row.Text("school_column");
    definition.kept = row.Bool("kept");
    definition.columns.push_back({row.Text("name"), TypeOf(row.View("type"))});
  }
  return DefinitionsFor(datasets, definitions);
}

}  // namespace edcert::validation_report
