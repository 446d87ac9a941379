#include "common/jobs/lease.h"

#include <fmt/format.h>

#include "common/jobs/limits.h"
#include "common/jobs/row.h"
#include "common/jobs/sql/lease.sql.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::jobs {
namespace {

std::optional<Claim> ClaimOf(const pg::Result& rows) {
  if (rows.empty()) return std::nullopt;
  const pg::Row row = rows[0];
  return Claim{.job = JobOf(row),
               .errors = row.Int("errors"),
               .crashes = row.Int("crashes"),
               .abandons = row.Int("abandons"),
               .away = absl::Milliseconds(row.Int("away_millis"))};
}

int64_t Millis(absl::Duration duration) { return absl::ToInt64Milliseconds(duration); }

absl::Status OneRow(const absl::StatusOr<pg::Result>& result) {
  RETURN_IF_ERROR(result.status());
  return result->affected() == 1 ? absl::OkStatus() : status::Cancelled();
}

}  // namespace

absl::StatusOr<std::optional<Claim>> ClaimById(pg::Querier& db, const Claimer& claimer,
                                               const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kClaim, id, claimer.owner, Millis(kLease),
                                                 kQuarantineAbandons, claimer.quarantine));
  return ClaimOf(rows);
}

absl::StatusOr<std::optional<Claim>> ClaimNext(pg::Querier& db, const Claimer& claimer) {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kClaimNext, claimer.owner, Millis(kLease), kQuarantineAbandons,
                          claimer.quarantine, Millis(kFairWindow)));
  return ClaimOf(rows);
}

absl::Status Heartbeat(pg::Querier& db, const std::string& id, int64_t attempt) {
  return OneRow(db.Run(sql::kHeartbeat, id, attempt, Millis(kLease)));
}

absl::Status StoreProgress(pg::Querier& db, const std::string& id, int64_t attempt,
                           const Progress& progress) {
  return OneRow(db.Run(sql::kProgress, id, attempt, Millis(kLease), progress.done, progress.total,
                       progress.phase));
}

absl::Status Finish(pg::Transaction& tx, const std::string& id, int64_t attempt,
                    const Progress& progress) {
  return OneRow(tx.Run(sql::kFinish, id, attempt, progress.done, progress.total, progress.phase));
}

absl::Status TryAgain(pg::Querier& db, const std::string& id, int64_t attempt, int64_t errors) {
  const int64_t pause = Millis(kErrorBackoff) << (errors - 1);
  return OneRow(db.Run(sql::kTryAgain, id, attempt, pause));
}

absl::Status Postpone(pg::Querier& db, const std::string& id, int64_t attempt) {
  return OneRow(db.Run(sql::kPostpone, id, attempt, Millis(kShortestAwayBackoff),
                       Millis(kLongestAwayBackoff)));
}

absl::StatusOr<Job> Fail(pg::Transaction& tx, const std::string& id, int64_t attempt,
                         std::string_view failure) {
  ASSIGN_OR_RETURN(const pg::Result rows, tx.Run(sql::kFail, id, attempt, failure));
  if (rows.empty()) return status::Cancelled();
  return JobOf(rows[0]);
}

absl::Status Release(pg::Querier& db, const std::string& id, int64_t attempt,
                     absl::Duration pause) {
  return OneRow(db.Run(sql::kRelease, id, attempt, Millis(pause)));
}

absl::StatusOr<bool> GiveWay(pg::Querier& db, const std::string& id, int64_t attempt) {
  ASSIGN_OR_RETURN(const pg::Result released, db.Run(sql::kGiveWay, id, attempt));
  return released.affected() == 1;
}

absl::StatusOr<int64_t> CountCrash(pg::Querier& db, const std::string& id, int64_t attempt) {
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      db.Run(sql::kCrash, id, attempt, Millis(kFirstCrashBackoff), Millis(kCrashBackoff)));
  if (rows.empty()) return status::Cancelled();
  return rows[0].Int("crashes");
}

std::string Doom(const Claim& claim) {
  if (claim.crashes >= kMaxCrashes) {
    return fmt::format("the worker died {} times while it ran this job", claim.crashes);
  }
  if (claim.abandons >= kMaxAbandons) {
    return fmt::format("the job was started and abandoned {} times", claim.abandons);
  }
  return "";
}

Verdict Judge(const absl::Status& error, const Claim& claim) {
  switch (error.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return Verdict::kFail;
    case absl::StatusCode::kDeadlineExceeded:
      // A statement that takes too long does so again: that is an error of the job.
      if (!pg::SqlStateOf(error).empty()) break;
      [[fallthrough]];
    case absl::StatusCode::kUnavailable:
      return claim.away < kMaxAway ? Verdict::kPostpone : Verdict::kFail;
    default:
      break;
  }
  return claim.errors + 1 < kMaxErrors ? Verdict::kTryAgain : Verdict::kFail;
}

}  // namespace edcert::jobs
