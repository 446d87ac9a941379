// What the API of an owner does with its jobs; all of it in PostgreSQL.
#include "common/jobs/jobs.h"

#include <array>
#include <utility>

#include "common/jobs/migrations/migrations.h"
#include "common/jobs/row.h"
#include "common/jobs/sql/jobs.sql.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::jobs {
namespace {

constexpr std::array<std::pair<State, std::string_view>, 6> kStates = {{
    {State::kQueued, "QUEUED"},
    {State::kRunning, "RUNNING"},
    {State::kCompleted, "COMPLETED"},
    {State::kFailed, "FAILED"},
    {State::kCancelled, "CANCELLED"},
    {State::kExpired, "EXPIRED"},
}};
constexpr int kMaxAcceptTries = 4;

}  // namespace

pg::Component Migrations() { return {"jobs", sql::kMigrations}; }

std::string_view ToString(State state) { return kStates[static_cast<std::size_t>(state)].second; }

State StateFromString(std::string_view text) {
  for (const auto& [state, name] : kStates) {
    if (name == text) return state;
  }
  CHECK(false && "a state that the table does not allow");
}

Job JobOf(const pg::Row& row) {
  return {.id = row.Text("id"),
          .organization = row.Text("organization"),
          .state = StateFromString(row.View("state")),
          .attempt = row.Int("attempt"),
          .priority = static_cast<Priority>(row.Int("priority")),
          .cost = row.Int("cost"),
          .progress_done = row.Int("progress_done"),
          .progress_total = row.Int("progress_total"),
          .progress_phase = row.Text("progress_phase"),
          .failure = row.Text("failure"),
          .created_at = row.Time("created_at"),
          .started_at = row.OptionalTime("started_at"),
          .finished_at = row.OptionalTime("finished_at")};
}

absl::StatusOr<std::string> Accept(pg::Transaction& tx, const NewJob& job) {
  for (int attempt = 0; attempt < kMaxAcceptTries; ++attempt) {
    ASSIGN_OR_RETURN(const pg::Result accepted,
                     tx.Run(sql::kAccept, job.id, job.organization, pg::Bytes{job.dedupe_key},
                            static_cast<int>(job.priority), job.cost));
    if (accepted.affected() == 1) return job.id;
    ASSIGN_OR_RETURN(const pg::Result active, tx.Run(sql::kFindActive, pg::Bytes{job.dedupe_key}));
    if (!active.empty()) return active[0].Text("id");
    // The equal job ended between the two statements.
  }
  return status::Conflict();
}

absl::StatusOr<std::optional<Job>> Find(pg::Querier& db, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kFind, id));
  if (rows.empty()) return std::nullopt;
  return JobOf(rows[0]);
}

absl::StatusOr<std::optional<Position>> PositionOf(pg::Querier& db, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kPositionOf, id));
  if (rows.empty()) return std::nullopt;
  return Position{.position = rows[0].Int("position"),
                  .expected_start = rows[0].Time("expected_start")};
}

absl::StatusOr<bool> Cancel(pg::Transaction& tx, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result cancelled, tx.Run(sql::kCancel, id));
  return cancelled.affected() == 1;
}

absl::StatusOr<bool> Retry(pg::Transaction& tx, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result queued, tx.Run(sql::kRetry, id));
  return queued.affected() == 1;
}

}  // namespace edcert::jobs
