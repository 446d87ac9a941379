#include "services/dataset/definition_store.h"

#include "common/status/macros.h"
#include "services/dataset/sql/definition.sql.h"

namespace edcert::dataset {

absl::StatusOr<std::map<std::string, DefinitionTimes>> ReadDefinitionTimes(pg::Querier& db) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kTimes));
  std::map<std::string, DefinitionTimes> times;
  for (const pg::Row row : rows) {
    times[row.Text("dataset")] = {row.Time("created_at"), row.Time("updated_at")};
  }
  return times;
}

}  // namespace edcert::dataset
