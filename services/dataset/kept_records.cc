#include "services/dataset/kept_records.h"

#include <string_view>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/record_encoder.h"

namespace edcert::dataset {

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
  ASSIGN_OR_RETURN(const Changes changes, batch.Apply(mode, static_cast<int64_t>(rows.size())));
  RETURN_IF_ERROR(batch.Drop());
  return changes;
}

}  // namespace edcert::dataset
