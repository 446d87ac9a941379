// What is kept of superseded records, and what goes (docs/adr/0015). The other services pin
// versions by the functions that sql/history.sql publishes.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"
#include "services/dataset/definition_store.h"

namespace edcert::dataset {

// The functions of dataset_read and who may call them; as the owner, once the roles are there.
absl::Status InstallPins(pg::Transaction& tx);

// VERSION_PURGED when records of the version may be missing. To be asked after they were read, in a
// statement of its own: what passes was read as a whole.
absl::Status CheckKept(pg::Querier& db, const Dataset& dataset, Copy copy,
                       const std::string& district, int64_t version);

// Notes which versions are current `now`; of one counter at most once a day.
absl::Status MarkVersions(pg::Database db, absl::Time now);

// Promises nothing any more of versions that were superseded at `before`, but for those that are
// pinned. Deletes nothing yet.
absl::Status RaiseHorizons(pg::Database db, absl::Time before);

struct Purged {
  bool any = false;  // whether there was something to look at
  int64_t records = 0;
};
// Looks at about `at_once` closed records below the horizon of one counter, and deletes those that
// no pin needs, in one transaction. Any number may do this at the same time.
absl::StatusOr<Purged> PurgeSome(pg::Database db, DefinitionCache& definitions, int64_t at_once);

// How many counters have records to be looked at.
absl::StatusOr<int64_t> CountBehind(pg::Querier& db);

}  // namespace edcert::dataset
