#include "services/dataset/sync.h"

#include "common/feed/feed.h"
#include "common/status/macros.h"
#include "services/dataset/issue_store.h"
#include "services/dataset/record_store.h"

namespace edcert::dataset {

absl::StatusOr<SyncCounts> SyncDataset(pg::Transaction& tx, const Dataset& dataset,
                                       const Resync& resync, const ids::IdSource& ids) {
  RecordBatch batch(tx, dataset, Copy::kState, resync.district);
  RETURN_IF_ERROR(batch.Stage());
  ASSIGN_OR_RETURN(const RecordBatch::Synced synced, batch.Sync());
  const IssueSource source{
      .copy = Copy::kState,
      .dataset = dataset.id,
      .district = resync.district,
      .batch_id = std::nullopt,
      .resync_id = resync.automatic ? std::nullopt : std::optional<std::string>(resync.id),
      .found_in = resync.id};
  if (synced.refused > 0) RETURN_IF_ERROR(PutIssues(tx, source));
  RETURN_IF_ERROR(CloseIssues(tx, source, /*all=*/true));

  const Changes& changes = synced.changes;
  SyncCounts counts{.dataset = dataset.id,
                    .district_version = synced.district_version,
                    .state_version = changes.version,
                    .read = synced.read,
                    .inserted = changes.inserted,
                    .updated = changes.updated,
                    .deleted = changes.deleted,
                    .unchanged = synced.read - changes.inserted - changes.updated - synced.refused,
                    .refused = synced.refused};
  PutCounts(tx, resync.id, counts);
  if (changes.any()) {
    feed::Append(tx, ids.NewId(), resync.requester,
                 {.subject = "organizations/" + resync.district,
                  .type = "records_changed",
                  .attributes = {{"dataset", dataset.name()},
                                 {"copy", std::string(ToString(Copy::kState))},
                                 {"version", std::to_string(changes.version)},
                                 {"resync", "resyncs/" + resync.id}}});
  }
  // The staging tables of one dataset are not those of the next one in the same transaction.
  RETURN_IF_ERROR(batch.Drop());
  return counts;
}

}  // namespace edcert::dataset
