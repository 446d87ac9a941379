// The stored definitions: all of them as one catalogue, and their changes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"

namespace edcert::dataset {

// When a definition was stored.
struct DefinitionTimes {
  absl::Time created_at;
  absl::Time updated_at;
};

// All definitions at a revision. Immutable.
struct Definitions {
  int64_t revision = 0;
  Catalogue catalogue;
  std::map<std::string, DefinitionTimes> times;  // by dataset id
};

absl::StatusOr<Definitions> ReadDefinitions(pg::Querier& db);

// The definitions as they are at this moment: what one replica has changed, every other process
// sees at its next look. A look is one short statement; what has not changed is not read again.
// Thread-safe.
class DefinitionCache {
 public:
  absl::StatusOr<std::shared_ptr<const Definitions>> Get(pg::Querier& db);

 private:
  absl::Mutex mutex_;
  std::shared_ptr<const Definitions> definitions_ ABSL_GUARDED_BY(mutex_);
};

// Changes, in the transaction that has called LockDefinitions: one at a time, whoever makes them.
// The new revision.
absl::StatusOr<int64_t> LockDefinitions(pg::Transaction& tx);
// Stores a definition at a revision.
void PutDefinition(pg::Transaction& tx, const Dataset& dataset, int64_t revision);
// Makes or extends the tables and the view of a stored definition of what is pushed.
absl::Status MakeRecords(pg::Transaction& tx, const std::string& dataset);
// Gives up soon when somebody reads the tables that are to be changed: who comes later waits
// behind.
void WaitShortly(pg::Transaction& tx);

struct PutCodesResult {
  int64_t added = 0;
  int64_t changed = 0;
};
// Stores what the state says of codes of one list, which may be new. QUOTA_EXCEEDED when the list
// or the number of lists would be too large.
absl::StatusOr<PutCodesResult> PutCodes(pg::Transaction& tx, const std::string& list,
                                        const std::vector<Code>& codes);

// Those of the names that SQL keeps for itself.
absl::StatusOr<std::vector<std::string>> SqlWords(pg::Querier& db,
                                                  const std::vector<std::string>& names);
// Those of the code lists that are not known.
absl::StatusOr<std::vector<std::string>> UnknownLists(pg::Querier& db,
                                                      const std::vector<std::string>& lists);

}  // namespace edcert::dataset
