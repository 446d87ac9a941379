#include "services/dataset/kept_records.h"

#include <fmt/format.h>

#include <string_view>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/record_encoder.h"
#include "services/dataset/record_sql.h"
#include "services/dataset/sql/kept.sql.h"

namespace edcert::dataset {

absl::Status InstallKept(pg::Transaction& tx, const Dataset& dataset) {
  for (const pg::Statement& statement :
       {sql::kDropKeptView, sql::kCreateKept, sql::kCreateKeptHistory, sql::kGrantKept}) {
    RETURN_IF_ERROR(tx.RunText(SqlFor(statement, dataset)).status());
  }
  for (const Column& column : dataset.columns) {
    const std::string added = fmt::format("\"{}\" {}", column.name, SqlType(column));
    for (const char* suffix : {"", "_history"}) {
      const std::string text =
          Replace(sql::kAddKeptColumn.sql, "target", TableOf(dataset) + suffix);
      RETURN_IF_ERROR(tx.RunText(Replace(text, "column", added)).status());
    }
  }
  const pg::Statement& view = dataset.keeper == Keeper::kServiceForAll
                                  ? sql::kCreateViewForAll
                                  : sql::kCreateViewOfDistricts;
  return tx.RunText(SqlFor(view, dataset)).status();
}

absl::StatusOr<Changes> KeepRecords(pg::Transaction& tx, const Dataset& dataset,
                                    const std::string& district, Mode mode,
                                    const std::vector<std::vector<std::string>>& rows) {
  RecordEncoder encoder(dataset, mode == Mode::kDelete);
  std::vector<std::string_view> header;
  for (const Column& column : dataset.columns) header.push_back(column.name);
  RETURN_IF_ERROR(encoder.SetHeader(header, "columns"));
  std::string copy(RecordEncoder::CopyHeader());
  for (const std::vector<std::string>& row : rows) {
    encoder.Encode(encoder.records() + 1, {row.begin(), row.end()}, copy);
  }
  copy += RecordEncoder::CopyTrailer();
  if (encoder.rejected() > 0) return status::Internal("a record that is none of " + dataset.id);

  RecordBatch batch(tx, dataset, Copy::kState, district);
  RETURN_IF_ERROR(batch.Stage());
  RETURN_IF_ERROR(tx.StartCopy(batch.CopyStatement()));
  RETURN_IF_ERROR(tx.CopyData(copy));
  RETURN_IF_ERROR(tx.EndCopy().status());
  RETURN_IF_ERROR(batch.Lock().status());
  ASSIGN_OR_RETURN(const Changes changes, batch.Apply(mode, static_cast<int64_t>(rows.size()), 0));
  RETURN_IF_ERROR(batch.Drop());
  return changes;
}

absl::StatusOr<int64_t> KeepCodes(pg::Transaction& tx, const Catalogue& catalogue) {
  const Dataset* dataset = catalogue.Find("code");
  if (dataset == nullptr) return 0;
  ASSIGN_OR_RETURN(const pg::Result codes, tx.Run(sql::kKnownCodes));
  std::vector<std::vector<std::string>> rows;
  for (const pg::Row code : codes) {
    rows.push_back({code.Text("code_list"), code.Text("code"), code.Text("label"),
                    code.Text("valid_from"), code.Text("valid_to")});
  }
  ASSIGN_OR_RETURN(const Changes changes,
                   KeepRecords(tx, *dataset, /*district=*/"", Mode::kReplaceAll, rows));
  return changes.version;
}

}  // namespace edcert::dataset
