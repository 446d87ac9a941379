// The way from the DISTRICT copy to the STATE copy: one code for the sync that follows a push and
// for a resync that somebody asked for.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids/ids.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"
#include "services/dataset/resync_store.h"

namespace edcert::dataset {

// Makes the STATE copy of one dataset equal to the DISTRICT copy, save what a check of the state
// refuses: a school that is not known in the district, a code that is not in its list. What is
// refused is missing at the state and becomes a sync issue; an issue that is not found again is
// closed. Writes the counts and, when something changed, the feed event.
absl::StatusOr<SyncCounts> SyncDataset(pg::Transaction& tx, const Dataset& dataset,
                                       const Resync& resync, const ids::IdSource& ids);

}  // namespace edcert::dataset
