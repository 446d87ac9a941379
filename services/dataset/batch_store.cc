#include "services/dataset/batch_store.h"

#include "common/status/macros.h"
#include "services/dataset/sql/batch.sql.h"

namespace edcert::dataset {
absl::StatusOr<std::optional<StoredBatch>> FindBatch(pg::Querier& db, const std::string& batch_id) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kFind, batch_id));
  if (rows.empty()) return std::nullopt;
  return StoredBatch{rows[0].Binary("content_sha256"), rows[0].Binary("response")};
}

absl::StatusOr<bool> ClaimBatch(pg::Transaction& tx, const BatchHeader& header,
                                const std::string& content_sha256) {
  ASSIGN_OR_RETURN(
      const pg::Result claimed,
      tx.Run(sql::kClaim, header.batch_id, header.dataset->id, header.district,
             ToString(header.mode), header.source_watermark, pg::Bytes{content_sha256}));
  return claimed.affected() == 1;
}

void FinishBatch(pg::Transaction& tx, const std::string& batch_id, int64_t version,
                 const std::string& response) {
  tx.Defer(sql::kStore, batch_id, version, pg::Bytes{response});
}

}  // namespace edcert::dataset
