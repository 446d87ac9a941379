// The records that the service keeps itself: organizations and codes, for rules to look up. They
// have versions like any other, and stand once, as records of the STATE copy.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"
#include "services/dataset/record_store.h"

namespace edcert::dataset {

// Makes the tables and the view of a dataset that the service keeps, as the owner.
absl::Status InstallKept(pg::Transaction& tx, const Dataset& dataset);

// Applies rows, as texts in the order of the columns, to a dataset that the service keeps. The
// district is empty when it keeps one set for all. INTERNAL when a row is none of the dataset.
absl::StatusOr<Changes> KeepRecords(pg::Transaction& tx, const Dataset& dataset,
                                    const std::string& district, Mode mode,
                                    const std::vector<std::vector<std::string>>& rows);

// Makes the code lists records of the dataset `code`, as far as the catalogue has it; its version.
absl::StatusOr<int64_t> KeepCodes(pg::Transaction& tx, const Catalogue& catalogue);

}  // namespace edcert::dataset
