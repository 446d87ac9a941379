// Sync issues: what a push or a sync refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"

namespace edcert::dataset {

struct Issue {
  int64_t id = 0;
  std::string dataset;   // id
  std::string district;  // id
  Copy copy = Copy::kDistrict;
  std::string batch_id;
  std::string resync_id;
  int64_t line = 0;
  std::string column;
  std::string reason;
  std::string message;
  std::string record_key;
  bool open = true;
  absl::Time create_time;
  absl::Time update_time;
};

// What found the issues of a staged batch.
struct IssueSource {
  Copy copy = Copy::kDistrict;
  std::string dataset;   // id
  std::string district;  // id
  std::optional<std::string> batch_id;
  std::optional<std::string> resync_id;
  std::string found_in;  // the batch or the job
};

// Writes the rejected rows of the transaction's staged batch. What is found again stays one issue.
absl::Status PutIssues(pg::Transaction& tx, const IssueSource& source);
// Closes the open issues of the staged records (`all`: of the whole dataset) that this batch did
// not find again.
absl::Status CloseIssues(pg::Transaction& tx, const IssueSource& source, bool all);

// The first issues of a batch, by line.
absl::StatusOr<std::vector<Issue>> FirstIssues(pg::Querier& db, const std::string& batch_id,
                                               int limit);

struct IssueFilter {
  std::string district;  // id
  std::string dataset;   // id; empty: all
  std::optional<Copy> copy;
  std::optional<std::string> batch_id;
  std::optional<std::string> resync_id;
  bool open_only = false;
};
// Newest first, older than the issue `before` (0: from the newest).
absl::StatusOr<std::vector<Issue>> ListIssues(pg::Querier& db, const IssueFilter& filter,
                                              int64_t before, int limit);

// Datasets (ids) of a district whose records wait for a school that the state does not know.
absl::StatusOr<std::vector<std::string>> DatasetsWithUnknownSchools(pg::Querier& db,
                                                                    const std::string& district);

}  // namespace edcert::dataset
