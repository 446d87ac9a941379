// When commands first arrived, in PostgreSQL.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/idempotency/idempotency.h"
#include "common/pg/pg.h"

namespace edcert::workflow {

// Notes for good that a command arrived at `now`, and returns when the same one, by its key and its
// content, first did. By itself, before anything that may fail: not in the command's transaction.
absl::StatusOr<absl::Time> NoteArrival(pg::Querier& db, const idempotency::Key& key,
                                       absl::Time now);

}  // namespace edcert::workflow
