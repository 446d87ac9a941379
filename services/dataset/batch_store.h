// The ledger of pushes by batch id.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/pg.h"
#include "services/dataset/record_store.h"

namespace edcert::dataset {

// What a push is, as its header says.
struct BatchHeader {
  std::string batch_id;
  std::string district;  // id
  const Dataset* dataset = nullptr;
  Mode mode = Mode::kUpsert;
  std::string source_watermark;
  bool all_or_nothing = false;
};

struct StoredBatch {
  std::string content_sha256;  // 32 bytes
  std::string response;
};

absl::StatusOr<std::optional<StoredBatch>> FindBatch(pg::Querier& db, const std::string& batch_id);

// False when another push has the batch id; waits for one that is under way.
absl::StatusOr<bool> ClaimBatch(pg::Transaction& tx, const BatchHeader& header,
                                const std::string& content_sha256);
void FinishBatch(pg::Transaction& tx, const std::string& batch_id, int64_t version,
                 const std::string& response);

}  // namespace edcert::dataset
