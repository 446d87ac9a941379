#include "services/dataset/definition_store.h"

#include <optional>
#include <utility>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/errors.h"
#include "services/dataset/sql/definition.sql.h"

namespace edcert::dataset {
namespace {

constexpr int64_t kMostCodes = 10'000;  // of a list
constexpr int64_t kMostLists = 1000;

absl::StatusOr<Column> ColumnOf(const pg::Row& row) {
  const auto type = ColumnTypeFromString(row.View("type"));
  const auto personal_data = PersonalDataFromString(row.View("personal_data"));
  if (!type.has_value() || !personal_data.has_value()) return status::Internal("a stored column");
  return Column{.name = row.Text("name"),
                .type = *type,
                .length = static_cast<int>(row.Int("length")),
                .precision = static_cast<int>(row.Int("precision")),
                .scale = static_cast<int>(row.Int("scale")),
                .code_list = row.Text("code_list"),
                .required = row.Bool("required"),
                .personal_data = *personal_data,
                .description = row.Text("column_description"),
                .unit = row.Text("unit"),
                .date_column = row.Text("date_column")};
}

// The dataset of a run of rows, one for each column.
absl::StatusOr<Dataset> DatasetOf(const pg::Result& rows, int& at) {
  const pg::Row first = rows[at];
  const std::optional<Keeper> keeper = KeeperFromString(first.View("keeper"));
  if (!keeper.has_value()) return status::Internal("a stored definition");
  Dataset dataset{.id = first.Text("dataset"),
                  .title = first.Text("title"),
                  .description = first.Text("description"),
                  .builtin = first.Bool("builtin"),
                  .keeper = *keeper,
                  .revision = first.Int("revision")};
  for (; at < rows.size() && rows[at].View("dataset") == dataset.id; ++at) {
    ASSIGN_OR_RETURN(Column column, ColumnOf(rows[at]));
    dataset.columns.push_back(std::move(column));
  }
  for (const std::string& key : first.TextArray("key_columns")) {
    const int column = dataset.Find(key);
    if (column < 0) return status::Internal("a stored key");
    dataset.key.push_back(static_cast<std::size_t>(column));
  }
  if (!first.View("school_column").empty()) {
    dataset.school = dataset.Find(first.View("school_column"));
  }
  return dataset;
}

std::vector<std::string> KeyColumns(const Dataset& dataset) {
  std::vector<std::string> names;
  for (const std::size_t column : dataset.key) names.push_back(dataset.columns[column].name);
  return names;
}

absl::StatusOr<std::vector<std::string>> Those(pg::Querier& db, const pg::Statement& statement,
                                               const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(statement, names));
  std::vector<std::string> found;
  for (const pg::Row row : rows) found.push_back(row.Text("name"));
  return found;
}

}  // namespace

absl::StatusOr<Definitions> ReadDefinitions(pg::Querier& db) {
  // First the revision: a change that comes between the two statements is read again later.
  ASSIGN_OR_RETURN(const pg::Result revision, db.Run(sql::kRevision));
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kDefinitions));
  Definitions definitions{.revision = revision[0].Int("revision")};
  std::vector<Dataset> datasets;
  for (int at = 0; at < rows.size();) {
    definitions.times[rows[at].Text("dataset")] = {rows[at].Time("created_at"),
                                                   rows[at].Time("updated_at")};
    ASSIGN_OR_RETURN(Dataset dataset, DatasetOf(rows, at));
    datasets.push_back(std::move(dataset));
  }
  ASSIGN_OR_RETURN(definitions.catalogue, Catalogue::Make(std::move(datasets)));
  return definitions;
}

absl::StatusOr<std::shared_ptr<const Definitions>> DefinitionCache::Get(pg::Querier& db) {
  ASSIGN_OR_RETURN(const pg::Result revision, db.Run(sql::kRevision));
  {
    const absl::MutexLock lock(&mutex_);
    if (definitions_ != nullptr && definitions_->revision == revision[0].Int("revision")) {
      return definitions_;
    }
  }
  ASSIGN_OR_RETURN(Definitions read, ReadDefinitions(db));
  auto definitions = std::make_shared<const Definitions>(std::move(read));
  const absl::MutexLock lock(&mutex_);
  if (definitions_ == nullptr || definitions_->revision < definitions->revision) {
    definitions_ = definitions;
  }
  return definitions;
}

absl::StatusOr<int64_t> LockDefinitions(pg::Transaction& tx) {
  ASSIGN_OR_RETURN(const pg::Result rows, tx.Run(sql::kRaiseRevision));
  return rows[0].Int("revision");
}

void PutDefinition(pg::Transaction& tx, const Dataset& dataset, int64_t revision) {
  const std::string school =
      dataset.school < 0 ? "" : dataset.columns[static_cast<std::size_t>(dataset.school)].name;
  tx.Defer(sql::kPutDefinition, dataset.id, dataset.title, dataset.description, KeyColumns(dataset),
           school, dataset.builtin, ToString(dataset.keeper), revision);
  int ordinal = 0;
  for (const Column& column : dataset.columns) {
    tx.Defer(sql::kPutColumn, dataset.id, ++ordinal, column.name, ToString(column.type),
             column.length, column.precision, column.scale, column.code_list, column.required,
             ToString(column.personal_data), column.description, column.unit, column.date_column);
  }
}

absl::Status MakeRecords(pg::Transaction& tx, const std::string& dataset) {
  return tx.Run(sql::kMakeRecords, dataset).status();
}

void WaitShortly(pg::Transaction& tx) { tx.Defer(sql::kWaitShortly); }

absl::StatusOr<PutCodesResult> PutCodes(pg::Transaction& tx, const std::string& list,
                                        const std::vector<Code>& codes) {
  std::vector<std::string> names;
  std::vector<std::string> labels;
  std::vector<std::string> from;
  std::vector<std::string> to;
  for (const Code& code : codes) {
    names.push_back(code.code);
    labels.push_back(code.label);
    from.push_back(code.valid_from);
    to.push_back(code.valid_to);
  }
  ASSIGN_OR_RETURN(const pg::Result before, tx.Run(sql::kCountCodes, list, names));
  const int64_t added = static_cast<int64_t>(codes.size()) - before[0].Int("known");
  if (before[0].Int("of_list") + added > kMostCodes) return TooManyCodes();
  if (before[0].Int("other_lists") >= kMostLists) return TooManyCodeLists();
  ASSIGN_OR_RETURN(const pg::Result put, tx.Run(sql::kPutCodes, list, names, labels, from, to));
  return PutCodesResult{.added = added, .changed = put.affected() - added};
}

absl::StatusOr<std::vector<std::string>> SqlWords(pg::Querier& db,
                                                  const std::vector<std::string>& names) {
  return Those(db, sql::kSqlWords, names);
}

absl::StatusOr<std::vector<std::string>> UnknownLists(pg::Querier& db,
                                                      const std::vector<std::string>& lists) {
  return Those(db, sql::kUnknownLists, lists);
}

}  // namespace edcert::dataset
