// The tables and views that are made from the definitions.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"

namespace edcert::dataset {

// Creates what is missing and extends what grew, in one transaction, as the owner: the definitions
// that come with the product, their tables and views, who may read them, the codes. A definition
// only grows (growth.h); what the state added to it stays.
absl::Status Install(pg::Connection& owner, const Catalogue& catalogue,
                     const std::vector<Code>& codes);

}  // namespace edcert::dataset
