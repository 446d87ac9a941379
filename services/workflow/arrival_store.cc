#include "services/workflow/arrival_store.h"

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/workflow/sql/command_arrival.sql.h"

namespace edcert::workflow {

absl::StatusOr<absl::Time> NoteArrival(pg::Querier& db, const idempotency::Key& key,
                                       absl::Time now) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kNoteArrival, key.principal, key.method,
                                                 key.request_id, pg::Bytes{key.sha256}, now));
  if (rows.empty()) return status::Internal("command_arrival");
  return rows[0].Time("at");
}

}  // namespace edcert::workflow
