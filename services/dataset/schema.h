// The tables and views that are made from the definitions.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"

namespace edcert::dataset {

// Creates what is missing and extends what grew, in one transaction, as the owner: record tables,
// the views of `dataset_read`, their grants, the stored definitions and codes. A definition only
// grows: new columns come last, texts get longer, decimals get more digits before the point.
// Anything else is an INTERNAL error that names the column, since what is stored and hashed would
// read differently.
absl::Status Install(pg::Connection& owner, const Catalogue& catalogue,
                     const std::vector<Code>& codes);

}  // namespace edcert::dataset
