// Snapshots in PostgreSQL.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "services/snapshot/snapshot.h"

namespace edcert::snapshot {

// What is to be frozen.
struct NewSnapshot {
  std::string id;
  std::string event;
  std::string organization;
  std::string category;
  std::string district_id;
  std::string school_id;              // empty: the whole district
  std::vector<std::string> datasets;  // ids
  Origin origin = Origin::kStateManual;
  std::string taken_by;
  std::string retake_of;  // `snapshots/...`, or empty
  int local_per_hour = 0;
};

// Thread-safe.
class SnapshotStore {
 public:
  // Freezes: writes down the present data versions as the next generation. SNAPSHOT_MISMATCH when
  // `retake_of` is not the newest; QUOTA_EXCEEDED for local origins.
  absl::StatusOr<Snapshot> Take(pg::Transaction& tx, const NewSnapshot& taking,
                                absl::Time now) const;

  // NOT_FOUND when there is none; the scope is the caller's business.
  absl::StatusOr<Snapshot> Get(pg::Querier& db, const std::string& id) const;

  // Newest first, after the snapshot (taken_at in microseconds, id) of the page before, if any.
  absl::StatusOr<std::vector<Snapshot>> List(pg::Querier& db, const Scope& scope,
                                             const SnapshotFilter& filter,
                                             const std::vector<std::string>& after,
                                             int limit) const;

  // The state copy's versions at this moment, by dataset.
  absl::StatusOr<std::vector<DataVersion>> CurrentVersions(
      pg::Querier& db, const std::string& district_id,
      const std::vector<std::string>& datasets) const;

  // SEALING -> SEALED (or SUPERSEDED) with the digests; false when it was not SEALING any more.
  absl::StatusOr<bool> Seal(pg::Transaction& tx, const Snapshot& snapshot) const;
  // SEALING -> FAILED; false when it was not SEALING any more.
  absl::StatusOr<bool> Fail(pg::Transaction& tx, const std::string& id, const std::string& reason,
                            const std::string& message) const;
};

}  // namespace edcert::snapshot
