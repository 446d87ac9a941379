// Resyncs, and the automatic syncs that follow a push: a row beside the job of the same id.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/jobs/jobs.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"
#include "services/dataset/record_store.h"

namespace edcert::dataset {

// What was done for one dataset.
struct SyncCounts {
  std::string dataset;  // id
  int64_t district_version = 0;
  int64_t state_version = 0;
  int64_t read = 0;
  int64_t inserted = 0;
  int64_t updated = 0;
  int64_t deleted = 0;
  int64_t unchanged = 0;
  int64_t refused = 0;
};

struct Resync {
  std::string id;
  bool automatic = false;
  std::string district;               // id
  std::vector<std::string> datasets;  // ids
  jobs::State state = jobs::State::kQueued;
  std::vector<SyncCounts> counts;
  int64_t attempt = 0;
  int64_t progress_done = 0;
  int64_t progress_total = 0;
  std::string progress_phase;
  std::string failure;
  std::string requester;
  absl::Time create_time;
  std::optional<absl::Time> start_time;
  std::optional<absl::Time> end_time;
};

// Accepts a resync: QUOTA_EXCEEDED when too many of the district wait. An equal one that no worker
// has taken is returned instead; then `fresh` is false.
struct Accepted {
  std::string id;
  bool fresh = false;
  jobs::NewJob job;
};
absl::StatusOr<Accepted> AcceptResync(pg::Transaction& tx, const std::string& id,
                                      const std::string& district,
                                      const std::vector<std::string>& datasets,
                                      const std::string& requester);

// Accepts the sync of one dataset that follows a change. The transaction holds the DISTRICT copy's
// version row, and so does a sync while it reads: an equal job that is found has not read yet.
absl::StatusOr<Accepted> AcceptAutomatic(pg::Transaction& tx, const std::string& id,
                                         const std::string& district, const std::string& dataset,
                                         int64_t rows);

absl::StatusOr<std::optional<Resync>> FindResync(pg::Querier& db, const std::string& id);

struct ResyncFilter {
  std::optional<std::vector<std::string>> districts;  // ids; absent: all
  std::vector<std::string> states;                    // QUEUED, ...; empty: all
};
// Without the automatic ones; newest first, older than the one named `before` (empty: all).
absl::StatusOr<std::vector<Resync>> ListResyncs(pg::Querier& db, const ResyncFilter& filter,
                                                const std::string& before, int limit);

void PutCounts(pg::Transaction& tx, const std::string& resync, const SyncCounts& counts);
void MarkStarted(pg::Transaction& tx, const std::string& resync);

}  // namespace edcert::dataset
