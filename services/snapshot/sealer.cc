#include "services/snapshot/sealer.h"

#include <string>

#include "common/clock/clock.h"
#include "common/feed/feed.h"
#include "common/ids/ids.h"
#include "common/status/macros.h"
#include "common/telemetry/metrics.h"
#include "services/snapshot/digest.h"
#include "services/snapshot/record_reader.h"

namespace edcert::snapshot {
namespace {

constexpr const char* kActor = "services/snapshot";

void Tell(pg::Transaction& tx, const Snapshot& snapshot, const char* type) {
  feed::Append(tx, ids::IdSource::Real().NewId(), kActor,
               {.subject = snapshot.name(),
                .type = type,
                .attributes = {{"event", snapshot.event},
                               {"organization", snapshot.organization},
                               {"generation", std::to_string(snapshot.generation)}}});
}

}  // namespace

absl::Status DigestSnapshot(pg::Database db, Snapshot& snapshot,
                            absl::FunctionRef<absl::Status(int64_t done)> progress) {
  const Extent extent = {snapshot.district_id, snapshot.school_id};
  int64_t done = 0;
  for (DataVersion& version : snapshot.versions) {
    RETURN_IF_ERROR(progress(done++));
    RETURN_IF_ERROR(db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      DatasetDigest digest;
      RETURN_IF_ERROR(ReadRows(
          tx, version.dataset, extent, version.version,
          [&](std::string_view key, std::string_view hash) { return digest.Add(key, hash); }));
      version.rows = digest.rows();
      version.digest = digest.Finish();
      return absl::OkStatus();
    }));
  }
  snapshot.root = RootOf(snapshot.versions);
  return absl::OkStatus();
}

absl::Status Sealer::Run(jobs::Running& running) {
  const absl::Time start = clock::Clock::Real().Now();
  pg::Database db = running.db();
  ASSIGN_OR_RETURN(Snapshot snapshot, store_.Get(db, running.job().id));
  const auto total = static_cast<int64_t>(snapshot.versions.size());
  RETURN_IF_ERROR(DigestSnapshot(db, snapshot, [&](int64_t done) {
    return running.Progress(done, total, "digesting records");
  }));
  RETURN_IF_ERROR(running.Complete([&](pg::Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const bool sealed, store_.Seal(tx, snapshot));
    if (sealed) Tell(tx, snapshot, "snapshot_sealed");
    return absl::OkStatus();
  }));
  telemetry::Observe("edcert_snapshot_seal_seconds", {}, clock::Clock::Real().Now() - start);
  return absl::OkStatus();
}

absl::Status Sealer::Failed(pg::Transaction& tx, const jobs::Job& job) {
  ASSIGN_OR_RETURN(const bool failed, store_.Fail(tx, job.id, "SEAL_FAILED", job.failure));
  if (!failed) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Snapshot snapshot, store_.Get(tx, job.id));
  Tell(tx, snapshot, "snapshot_failed");
  telemetry::Count("edcert_snapshot_failed_total", {});
  return absl::OkStatus();
}

}  // namespace edcert::snapshot
