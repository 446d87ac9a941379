// How definitions grow: columns are added at the end, texts get longer, decimals get more digits
// before the point. All else stays, since what is stored and hashed would read differently.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/dataset/dataset.h"

namespace edcert::dataset {

// What becomes of the stored definition `known` when a version of the product has `builtin`: its
// columns, and behind them what the state added. INTERNAL, naming the column, when that is no
// growth.
absl::StatusOr<Dataset> Upgraded(const Dataset& known, const Dataset& builtin);

// What becomes of it when the state adds columns. One that is there already, and is the state's,
// gets longer, or other words for people. The columns have passed CheckColumns. FIELD_INVALID for
// `columns`.
absl::StatusOr<Dataset> Extended(const Dataset& known, const std::vector<Column>& columns);

}  // namespace edcert::dataset
