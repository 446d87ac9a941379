// The stored definitions, as far as the service reads them back.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"

namespace edcert::dataset {

// When a definition was stored.
struct DefinitionTimes {
  absl::Time created_at;
  absl::Time updated_at;
};

// By dataset id.
absl::StatusOr<std::map<std::string, DefinitionTimes>> ReadDefinitionTimes(pg::Querier& db);

}  // namespace edcert::dataset
