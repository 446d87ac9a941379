// The definitions and code lists that come with the product, embedded from definitions/.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "services/dataset/dataset.h"

namespace edcert::dataset {

absl::StatusOr<Catalogue> BuiltinCatalogue();
absl::StatusOr<std::vector<Code>> BuiltinCodes();

}  // namespace edcert::dataset
