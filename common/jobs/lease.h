// The worker's side of the table `job`: claims, and writes that name the attempt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/jobs/jobs.h"
#include "common/pg/pg.h"

namespace edcert::jobs {

// A job that a worker holds.
struct Claim {
  Job job;
  int64_t errors = 0;
  int64_t crashes = 0;
  int64_t abandons = 0;
  // How long something that the job needs has been away; zero unless that ended its last attempt.
  absl::Duration away;
};

// Who claims.
struct Claimer {
  std::string owner;        // host and process, for people
  bool quarantine = false;  // also takes jobs that were abandoned often
};

// The job with this id; nothing when it is not to be had (any more, or yet).
absl::StatusOr<std::optional<Claim>> ClaimById(pg::Querier& db, const Claimer& claimer,
                                               const std::string& id);
// The job that is next, as PostgreSQL alone can tell.
absl::StatusOr<std::optional<Claim>> ClaimNext(pg::Querier& db, const Claimer& claimer);

struct Progress {
  int64_t done = 0;
  int64_t total = 0;
  std::string phase;
};

// The rest is CANCELLED when the attempt is not current any more; then nothing was written.

absl::Status Heartbeat(pg::Querier& db, const std::string& id, int64_t attempt);
absl::Status StoreProgress(pg::Querier& db, const std::string& id, int64_t attempt,
                           const Progress& progress);
// In the transaction that wrote the result, after it.
absl::Status Finish(pg::Transaction& tx, const std::string& id, int64_t attempt,
                    const Progress& progress);
// Back to the queue after the n-th error.
absl::Status TryAgain(pg::Querier& db, const std::string& id, int64_t attempt, int64_t errors);
// Back to the queue because something that the job needs is away; counted as nothing.
absl::Status Postpone(pg::Querier& db, const std::string& id, int64_t attempt);
// RUNNING -> FAILED; returns the job as it is then.
absl::StatusOr<Job> Fail(pg::Transaction& tx, const std::string& id, int64_t attempt,
                         std::string_view failure);
// Back to the queue, counted as nothing, due after `pause`.
absl::Status Release(pg::Querier& db, const std::string& id, int64_t attempt, absl::Duration pause);
// The same, due at once, if a job of a better priority is due and waits; says whether it did.
absl::StatusOr<bool> GiveWay(pg::Querier& db, const std::string& id, int64_t attempt);
// The process that held the job died; returns how often that has happened.
absl::StatusOr<int64_t> CountCrash(pg::Querier& db, const std::string& id, int64_t attempt);

// Why a claimed job must not run but FAIL; empty when it may run.
std::string Doom(const Claim& claim);
// What an attempt that ended with an error leads to.
enum class Verdict {
  kTryAgain,  // counted as an error
  kPostpone,  // another service or the database is away
  kFail,
};
Verdict Judge(const absl::Status& error, const Claim& claim);

}  // namespace edcert::jobs
