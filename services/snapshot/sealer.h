// The job that seals a snapshot: reads its records, digests them, and writes the digests down.
#pragma once

#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/jobs/jobs.h"
#include "common/pg/pg.h"
#include "services/snapshot/snapshot.h"
#include "services/snapshot/snapshot_store.h"

namespace edcert::snapshot {

// Fills in rows and digests of all datasets and the root. `progress` is told before each dataset
// how many are done; its error ends the work.
absl::Status DigestSnapshot(pg::Database db, Snapshot& snapshot,
                            absl::FunctionRef<absl::Status(int64_t done)> progress);

// Runs seal jobs; the job's id is the snapshot's.
class Sealer final : public jobs::Runner {
 public:
  absl::Status Run(jobs::Running& running) override;
  absl::Status Failed(pg::Transaction& tx, const jobs::Job& job) override;

 private:
  SnapshotStore store_;
};

}  // namespace edcert::snapshot
