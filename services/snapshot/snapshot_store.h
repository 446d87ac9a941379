// Snapshots in PostgreSQL.
#pragma once

#include <cstdint>
#include <optional>
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

// A snapshot that was taken, and about how many records its sealing will read.
struct Taken {
  Snapshot snapshot;
  int64_t rows = 0;
};

// After which snapshot a page begins; without a time it is the first.
struct PageKey {
  std::optional<absl::Time> taken_at;
  std::string id;
};

// Thread-safe.
class SnapshotStore {
 public:
  // Freezes: writes down the present data versions as the next generation. SNAPSHOT_MISMATCH when
  // `retake_of` is not the newest; QUOTA_EXCEEDED for local origins.
  absl::StatusOr<Taken> Take(pg::Transaction& tx, const NewSnapshot& taking, absl::Time now) const;

  // NOT_FOUND when there is none; the scope is the caller's business.
  absl::StatusOr<Snapshot> Get(pg::Querier& db, const std::string& id) const;

  // Newest first.
  absl::StatusOr<std::vector<Snapshot>> List(pg::Querier& db, const Scope& scope,
                                             const SnapshotFilter& filter, const PageKey& after,
                                             int limit) const;

  // The state copy's versions at this moment, by dataset.
  absl::StatusOr<std::vector<DataVersion>> CurrentVersions(
      pg::Querier& db, const std::string& district_id,
      const std::vector<std::string>& datasets) const;

  // VERSION_PURGED when records of one of these versions may be missing. To be asked after they
  // were read; what a snapshot holds need not be asked for.
  absl::Status CheckKept(pg::Querier& db, const std::string& district_id,
                         const std::vector<DataVersion>& versions) const;

  // The step kSeal with the digests; false when the snapshot was not SEALING any more.
  absl::StatusOr<bool> Seal(pg::Transaction& tx, const Snapshot& snapshot) const;
  // The step kFail; false when the snapshot was not SEALING any more.
  absl::StatusOr<bool> Fail(pg::Transaction& tx, const std::string& id, const std::string& reason,
                            const std::string& message) const;
};

}  // namespace edcert::snapshot
