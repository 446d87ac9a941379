// The tables and views that are made from the definitions.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"

namespace edcert::dataset {

// Creates what is missing and extends what grew, in one transaction, as the owner: record tables,
// the views of `dataset_read`, their grants, the stored definitions and codes. Never narrows: a
// column whose type changed or whose bounds shrank, or another key, is an INTERNAL error that names
// it. Columns that a definition no longer has stay in the tables, empty.
absl::Status Install(pg::Connection& owner, const Catalogue& catalogue,
                     const std::vector<Code>& codes);

}  // namespace edcert::dataset
