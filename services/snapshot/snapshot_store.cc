#include "services/snapshot/snapshot_store.h"

#include <algorithm>
#include <map>
#include <optional>

#include "common/ids/ids.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/snapshot/errors.h"
#include "services/snapshot/lifecycle.h"
#include "services/snapshot/sql/snapshot.sql.h"

namespace edcert::snapshot {
namespace {

constexpr absl::Duration kSealRetry = absl::Seconds(2);

absl::StatusOr<Snapshot> FromRow(const pg::Row& row) {
  Snapshot snapshot;
  snapshot.id = row.Text("snapshot_id");
  snapshot.event = row.Text("event");
  snapshot.organization = row.Text("organization");
  snapshot.category = row.Text("category");
  snapshot.district_id = row.Text("district_id");
  snapshot.school_id = row.Text("school_id");
  snapshot.generation = static_cast<int>(row.Int("generation"));
  ASSIGN_OR_RETURN(snapshot.origin, OriginFromString(row.View("origin")));
  ASSIGN_OR_RETURN(snapshot.state, StateFromString(row.View("state")));
  snapshot.root = row.Binary("root");
  snapshot.taken_by = row.Text("taken_by");
  snapshot.taken_at = row.Time("taken_at");
  snapshot.sealed_at = row.OptionalTime("sealed_at");
  snapshot.superseded_by = row.Text("superseded_by");
  snapshot.previous = row.Text("previous");
  snapshot.failure_reason = row.Text("failure_reason");
  snapshot.failure_message = row.Text("failure_message");
  return snapshot;
}

// The snapshots of `rows` with their versions.
absl::StatusOr<std::vector<Snapshot>> WithVersions(pg::Querier& db, const pg::Result& rows) {
  std::vector<Snapshot> snapshots;
  std::map<std::string, std::size_t, std::less<>> place;
  std::vector<std::string> ids;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(Snapshot snapshot, FromRow(row));
    ids.push_back(snapshot.id);
    place[snapshot.id] = snapshots.size();
    snapshots.push_back(std::move(snapshot));
  }
  if (ids.empty()) return snapshots;
  ASSIGN_OR_RETURN(const pg::Result versions, db.Run(sql::kVersions, ids));
  for (const pg::Row row : versions) {
    snapshots[place.find(row.View("snapshot_id"))->second].versions.push_back(
        {row.Text("dataset"), row.Int("version"), row.Int("rows"), row.Binary("digest")});
  }
  return snapshots;
}

// Where an action leads a snapshot, whose row is locked until the transaction ends; absent when the
// machine has no such step from where it is.
absl::StatusOr<std::optional<State>> NextOf(pg::Transaction& tx, const std::string& id,
                                            Action action) {
  ASSIGN_OR_RETURN(const pg::Result rows, tx.Run(sql::kLockState, id));
  if (rows.empty()) return status::NotFound("snapshots/" + id);
  ASSIGN_OR_RETURN(const State from, StateFromString(rows[0].View("state")));
  const State to = After(from, action, rows[0].Bool("newest"));
  return to == from ? std::nullopt : std::optional<State>(to);
}

absl::Status CheckQuota(const NewSnapshot& taking, const pg::Row& newest, absl::Time now) {
  if (!IsLocal(taking.origin)) return absl::OkStatus();
  if (newest.Int("local_sealing") > 0) {
    return status::QuotaExceeded("snapshots being sealed", kSealRetry);
  }
  if (newest.Int("local_in_hour") >= taking.local_per_hour) {
    return status::QuotaExceeded("snapshots in an hour",
                                 std::max(newest.Time("next_in_hour") - now, absl::Seconds(1)));
  }
  return absl::OkStatus();
}

// What `freeze` wrote.
Taken TakenOf(const NewSnapshot& taking, int64_t generation, const std::string& previous,
              const pg::Result& frozen) {
  Taken taken{.snapshot = {.id = taking.id,
                           .event = taking.event,
                           .organization = taking.organization,
                           .category = taking.category,
                           .district_id = taking.district_id,
                           .school_id = taking.school_id,
                           .generation = static_cast<int>(generation),
                           .origin = taking.origin,
                           .state = State::kSealing,
                           .taken_by = taking.taken_by,
                           .previous = previous}};
  for (const pg::Row row : frozen) {
    taken.snapshot.taken_at = row.Time("taken_at");
    taken.snapshot.versions.push_back({row.Text("dataset"), row.Int("version"), 0, ""});
    taken.rows += row.Int("row_count");
  }
  return taken;
}

}  // namespace

absl::StatusOr<Taken> SnapshotStore::Take(pg::Transaction& tx, const NewSnapshot& taking,
                                          absl::Time now) const {
  RETURN_IF_ERROR(tx.Run(sql::kLockGeneration, taking.event, taking.organization).status());
  ASSIGN_OR_RETURN(const pg::Result newest,
                   tx.Run(sql::kNewest, taking.event, taking.organization));
  const std::string previous = newest.empty() ? "" : newest[0].Text("snapshot_id");
  const std::string previous_name = previous.empty() ? "" : "snapshots/" + previous;
  if (!taking.retake_of.empty() && taking.retake_of != previous_name) {
    return NotNewest(taking.retake_of, previous_name);
  }
  if (!newest.empty()) RETURN_IF_ERROR(CheckQuota(taking, newest[0], now));
  const int64_t generation = newest.empty() ? 1 : newest[0].Int("generation") + 1;
  ASSIGN_OR_RETURN(const pg::Result frozen,
                   tx.Run(sql::kFreeze, taking.id, taking.event, taking.organization,
                          taking.category, taking.district_id, taking.school_id, generation,
                          ToString(taking.origin), taking.taken_by,
                          previous.empty() ? std::nullopt : std::optional<std::string>(previous),
                          taking.datasets));
  if (!newest.empty()) {
    ASSIGN_OR_RETURN(const State from, StateFromString(newest[0].View("state")));
    tx.DeferOne(sql::kSupersede, previous, taking.id,
                ToString(After(from, Action::kSupersede, /*newest=*/true)));
  }
  return TakenOf(taking, generation, previous, frozen);
}

absl::StatusOr<Snapshot> SnapshotStore::Get(pg::Querier& db, const std::string& id) const {
  if (!ids::IsUuid(id)) return status::NotFound("snapshots/" + id);
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGet, id));
  if (rows.empty()) return status::NotFound("snapshots/" + id);
  ASSIGN_OR_RETURN(std::vector<Snapshot> snapshots, WithVersions(db, rows));
  return std::move(snapshots.front());
}

absl::StatusOr<std::vector<Snapshot>> SnapshotStore::List(pg::Querier& db, const Scope& scope,
                                                          const SnapshotFilter& filter,
                                                          const PageKey& after, int limit) const {
  const std::optional<std::string> id =
      after.taken_at.has_value() ? std::optional<std::string>(after.id) : std::nullopt;
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kList, scope.everything, scope.organizations, filter.event,
                          filter.organization, filter.states, after.taken_at, id, limit,
                          scope.districts, scope.events, scope.all_organizations));
  return WithVersions(db, rows);
}

absl::StatusOr<std::vector<DataVersion>> SnapshotStore::CurrentVersions(
    pg::Querier& db, const std::string& district_id,
    const std::vector<std::string>& datasets) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kCurrentVersions, district_id, datasets));
  std::vector<DataVersion> versions;
  for (const pg::Row row : rows) {
    versions.push_back({row.Text("dataset"), row.Int("version"), 0, ""});
  }
  return versions;
}

absl::Status SnapshotStore::CheckKept(pg::Querier& db, const std::string& district_id,
                                      const std::vector<DataVersion>& versions) const {
  std::vector<std::string> datasets;
  std::vector<int64_t> numbers;
  for (const DataVersion& version : versions) {
    datasets.push_back(version.dataset);
    numbers.push_back(version.version);
  }
  ASSIGN_OR_RETURN(const pg::Result purged, db.Run(sql::kPurged, district_id, datasets, numbers));
  if (purged.empty()) return absl::OkStatus();
  return VersionPurged("datasets/" + purged[0].Text("dataset"), purged[0].Int("version"));
}

absl::StatusOr<bool> SnapshotStore::Seal(pg::Transaction& tx, const Snapshot& snapshot) const {
  ASSIGN_OR_RETURN(const std::optional<State> next, NextOf(tx, snapshot.id, Action::kSeal));
  if (!next.has_value()) return false;
  tx.DeferOne(sql::kSeal, snapshot.id, pg::Bytes{snapshot.root}, ToString(*next));
  for (const DataVersion& version : snapshot.versions) {
    tx.DeferOne(sql::kSealVersion, snapshot.id, version.dataset, version.rows,
                pg::Bytes{version.digest});
  }
  return true;
}

absl::StatusOr<bool> SnapshotStore::Fail(pg::Transaction& tx, const std::string& id,
                                         const std::string& reason,
                                         const std::string& message) const {
  ASSIGN_OR_RETURN(const std::optional<State> next, NextOf(tx, id, Action::kFail));
  if (!next.has_value()) return false;
  tx.DeferOne(sql::kFail, id, reason, message, ToString(*next));
  return true;
}

}  // namespace edcert::snapshot
