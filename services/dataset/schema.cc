#include "services/dataset/schema.h"

#include <fmt/format.h>

#include <array>

#include "common/clock/clock.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/kept_records.h"
#include "services/dataset/record_sql.h"
#include "services/dataset/sql/table.sql.h"

namespace edcert::dataset {
namespace {

constexpr absl::Duration kTimeout = absl::Minutes(10);
// Who reads the records: the services that evaluate and freeze them, and the role of rules.
constexpr std::array kReaders = {"validation", "snapshot", "rule_exec"};

// Places and scales are in the row hashes, so they stay as they are.
absl::Status Widen(pg::Transaction& tx, const Dataset& dataset, const Column& column, int ordinal,
                   const pg::Row& known) {
  const bool fits = known.View("type") == ToString(column.type) &&
                    known.Int("ordinal") == ordinal && known.Int("length") <= column.length &&
                    known.Int("precision") <= column.precision &&
                    known.Int("scale") == column.scale;
  if (!fits) {
    return status::Internal(fmt::format("column {} of {} can only grow", column.name, dataset.id));
  }
  if (known.Int("precision") == column.precision) return absl::OkStatus();
  for (const char* suffix : {"", "_history"}) {
    std::string text = Replace(sql::kWidenColumn.sql, "target", "dataset." + dataset.id + suffix);
    text = Replace(text, "name", fmt::format("\"{}\"", column.name));
    RETURN_IF_ERROR(tx.RunText(Replace(text, "type", SqlType(column))).status());
  }
  return absl::OkStatus();
}

absl::Status ExtendColumn(pg::Transaction& tx, const Dataset& dataset, const Column& column,
                          int ordinal) {
  ASSIGN_OR_RETURN(const pg::Result known, tx.Run(sql::kKnownColumn, dataset.id, column.name));
  if (!known.empty()) return Widen(tx, dataset, column, ordinal, known[0]);
  for (const char* suffix : {"", "_history"}) {
    const std::string text =
        Replace(sql::kAddColumn.sql, "target", "dataset." + dataset.id + suffix);
    const std::string added = fmt::format("\"{}\" {}", column.name, SqlType(column));
    RETURN_IF_ERROR(tx.RunText(Replace(text, "column", added)).status());
  }
  return absl::OkStatus();
}

std::vector<std::string> KeyColumns(const Dataset& dataset) {
  std::vector<std::string> names;
  for (const std::size_t column : dataset.key) names.push_back(dataset.columns[column].name);
  return names;
}

absl::Status StoreDefinition(pg::Transaction& tx, const Dataset& dataset) {
  const std::string school =
      dataset.school < 0 ? "" : dataset.columns[static_cast<std::size_t>(dataset.school)].name;
  RETURN_IF_ERROR(tx.Run(sql::kPutDefinition, dataset.id, dataset.title, dataset.description,
                         KeyColumns(dataset), school, dataset.builtin, ToString(dataset.keeper))
                      .status());
  int ordinal = 0;
  for (const Column& column : dataset.columns) {
    tx.Defer(sql::kPutColumn, dataset.id, ++ordinal, column.name, ToString(column.type),
             column.length, column.precision, column.scale, column.code_list, column.required,
             ToString(column.personal_data), column.description, column.unit, column.date_column);
  }
  return absl::OkStatus();
}

absl::Status CheckKnown(pg::Transaction& tx, const Dataset& dataset) {
  ASSIGN_OR_RETURN(const pg::Result known, tx.Run(sql::kKnownDefinition, dataset.id));
  if (known.empty()) return absl::OkStatus();
  if (known[0].TextArray("key_columns") != KeyColumns(dataset)) {
    return status::Internal(fmt::format("the key of {} would change", dataset.id));
  }
  if (known[0].Int("columns") > static_cast<int64_t>(dataset.columns.size())) {
    return status::Internal(fmt::format("{} would lose a column", dataset.id));
  }
  return absl::OkStatus();
}

absl::Status InstallDataset(pg::Transaction& tx, const Dataset& dataset) {
  if (dataset.read_only()) {
    RETURN_IF_ERROR(InstallKept(tx, dataset));
    return StoreDefinition(tx, dataset);
  }
  RETURN_IF_ERROR(CheckKnown(tx, dataset));
  // The view goes first: PostgreSQL changes no column that a view shows.
  for (const pg::Statement& statement : {sql::kDropView, sql::kCreateRecords, sql::kCreateHistory,
                                         sql::kCreateHistoryIndex, sql::kGrantRecords}) {
    RETURN_IF_ERROR(tx.RunText(SqlFor(statement, dataset)).status());
  }
  int ordinal = 0;
  for (const Column& column : dataset.columns) {
    RETURN_IF_ERROR(ExtendColumn(tx, dataset, column, ++ordinal));
  }
  RETURN_IF_ERROR(StoreDefinition(tx, dataset));
  return tx.RunText(SqlFor(sql::kCreateView, dataset)).status();
}

absl::Status InstallAll(pg::Transaction& tx, const Catalogue& catalogue,
                        const std::vector<Code>& codes) {
  RETURN_IF_ERROR(tx.Run(sql::kCreateReadSchema).status());
  for (const Dataset& dataset : catalogue.all()) RETURN_IF_ERROR(InstallDataset(tx, dataset));
  for (const Code& code : codes) {
    tx.Defer(sql::kPutCode, code.list, code.code, code.label, code.valid_from, code.valid_to);
  }
  RETURN_IF_ERROR(KeepCodes(tx, catalogue));
  for (const pg::Statement& statement :
       {sql::kViewDataVersion, sql::kViewDatasetDefinition, sql::kViewColumnDefinition}) {
    RETURN_IF_ERROR(tx.Run(statement).status());
  }
  for (const char* role : kReaders) {
    for (const pg::Statement& statement :
         {sql::kCreateReader, sql::kGrantReadSchema, sql::kGrantRead}) {
      RETURN_IF_ERROR(tx.RunText(Replace(statement.sql, "role", role)).status());
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Install(pg::Connection& owner, const Catalogue& catalogue,
                     const std::vector<Code>& codes) {
  pg::Transaction tx(owner, clock::Clock::Real().Now() + kTimeout);
  const absl::Status installed = InstallAll(tx, catalogue, codes);
  if (installed.ok()) return tx.Commit();
  tx.Rollback();
  return installed;
}

}  // namespace edcert::dataset
