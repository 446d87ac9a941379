#include "services/dataset/resync_store.h"

#include <algorithm>
#include <map>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/sql/resync.sql.h"

namespace edcert::dataset {
namespace {

constexpr int64_t kMaxWaiting = 10;  // of a district
constexpr absl::Duration kRetryAfter = absl::Seconds(10);

Resync ResyncOf(const pg::Row& row) {
  return {.id = row.Text("resync_id"),
          .automatic = row.Bool("automatic"),
          .district = row.Text("district_id"),
          .datasets = row.TextArray("datasets"),
          .state = jobs::StateFromString(row.View("state")),
          .counts = {},
          .attempt = row.Int("attempt"),
          .progress_done = row.Int("progress_done"),
          .progress_total = row.Int("progress_total"),
          .progress_phase = row.Text("progress_phase"),
          .failure = row.Text("failure"),
          .requester = row.Text("requester"),
          .create_time = row.Time("created_at"),
          .start_time = row.OptionalTime("started_at"),
          .end_time = row.OptionalTime("finished_at")};
}

SyncCounts CountsOf(const pg::Row& row) {
  return {.dataset = row.Text("dataset"),
          .district_version = row.Int("district_version"),
          .state_version = row.Int("state_version"),
          .read = row.Int("read"),
          .inserted = row.Int("inserted"),
          .updated = row.Int("updated"),
          .deleted = row.Int("deleted"),
          .unchanged = row.Int("unchanged"),
          .refused = row.Int("refused")};
}

absl::Status AddCounts(pg::Querier& db, std::vector<Resync>& resyncs) {
  std::map<std::string, Resync*> by_id;
  std::vector<std::string> ids;
  for (Resync& resync : resyncs) {
    by_id[resync.id] = &resync;
    ids.push_back(resync.id);
  }
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kCounts, ids));
  for (const pg::Row row : rows) {
    by_id[row.Text("resync_id")]->counts.push_back(CountsOf(row));
  }
  return absl::OkStatus();
}

// Accepts the job and, unless it is an equal one's, writes its row.
absl::StatusOr<Accepted> Accept(pg::Transaction& tx, jobs::NewJob job, bool automatic,
                                const std::string& district,
                                const std::vector<std::string>& datasets,
                                const std::string& requester) {
  ASSIGN_OR_RETURN(const std::string id, jobs::Accept(tx, job));
  const bool fresh = id == job.id;
  if (fresh) tx.Defer(sql::kInsert, id, automatic, district, datasets, requester);
  return Accepted{.id = id, .fresh = fresh, .job = std::move(job)};
}

}  // namespace

absl::StatusOr<Accepted> AcceptResync(pg::Transaction& tx, const std::string& id,
                                      const std::string& district,
                                      const std::vector<std::string>& datasets,
                                      const std::string& requester) {
  ASSIGN_OR_RETURN(const pg::Result waiting, tx.Run(sql::kFindWaiting, district, datasets));
  if (!waiting.empty())
    return Accepted{.id = waiting[0].Text("resync_id"), .fresh = false, .job = {}};
  ASSIGN_OR_RETURN(const pg::Result count, tx.Run(sql::kCountWaiting, district));
  if (count[0].Int("waiting") >= kMaxWaiting) {
    return status::QuotaExceeded("waiting resyncs of the district", kRetryAfter);
  }
  ASSIGN_OR_RETURN(const pg::Result size, tx.Run(sql::kCountRows, district, datasets));
  // One that runs has perhaps read already, so it is no substitute: the key is unique.
  jobs::NewJob job{.id = id,
                   .organization = "organizations/" + district,
                   .dedupe_key = "resync " + id,
                   .priority = jobs::Priority::kInteractive,
                   .cost = std::max<int64_t>(1, size[0].Int("rows"))};
  return Accept(tx, std::move(job), /*automatic=*/false, district, datasets, requester);
}

absl::StatusOr<Accepted> AcceptAutomatic(pg::Transaction& tx, const std::string& id,
                                         const std::string& district, const std::string& dataset,
                                         int64_t rows) {
  jobs::NewJob job{.id = id,
                   .organization = "organizations/" + district,
                   .dedupe_key = "sync " + dataset + " " + district,
                   .priority = jobs::Priority::kBulk,
                   .cost = std::max<int64_t>(1, rows)};
  return Accept(tx, std::move(job), /*automatic=*/true, district, {dataset}, "services/dataset");
}

absl::StatusOr<std::optional<Resync>> FindResync(pg::Querier& db, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGet, id));
  if (rows.empty()) return std::nullopt;
  std::vector<Resync> one = {ResyncOf(rows[0])};
  RETURN_IF_ERROR(AddCounts(db, one));
  return std::move(one.front());
}

absl::StatusOr<std::vector<Resync>> ListResyncs(pg::Querier& db, const ResyncFilter& filter,
                                                const std::string& before, int limit) {
  const std::optional<std::string> from =
      before.empty() ? std::nullopt : std::optional<std::string>(before);
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kListResyncs, filter.districts, filter.states, from, limit));
  std::vector<Resync> resyncs;
  for (const pg::Row row : rows) resyncs.push_back(ResyncOf(row));
  RETURN_IF_ERROR(AddCounts(db, resyncs));
  return resyncs;
}

void PutCounts(pg::Transaction& tx, const std::string& resync, const SyncCounts& counts) {
  tx.Defer(sql::kPutCount, resync, counts.dataset, counts.district_version, counts.state_version,
           counts.read, counts.inserted, counts.updated, counts.deleted, counts.unchanged,
           counts.refused);
}

void MarkStarted(pg::Transaction& tx, const std::string& resync) { tx.Defer(sql::kStart, resync); }

}  // namespace edcert::dataset
