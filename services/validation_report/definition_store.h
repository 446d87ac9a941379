// Definitions from the view that the dataset service publishes: for workers, which make no RPC.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/pg.h"
#include "services/validation_report/definition.h"

namespace edcert::validation_report {

// Of these datasets, which may be last year's.
absl::StatusOr<Definitions> ReadDefinitions(pg::Querier& db,
                                            const std::vector<std::string>& datasets);

}  // namespace edcert::validation_report
