// The cage of the role that runs rules: what stands when the guard has let something through.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/pg.h"

namespace edcert::validation_report {

// What the role could do and must not, in words for an administrator; empty when the cage is shut.
// `db` is any connection to the database of rules.
absl::StatusOr<std::vector<std::string>> FindOpenDoors(pg::Querier& db, const std::string& role);

// Whether the role sees dataset_read, as an earlier version needed it to.
absl::StatusOr<bool> SeesAllDistricts(pg::Querier& db, const std::string& role);

// Not OK while a door is open to the role of `rules_conninfo`; the log names the doors, and warns
// of a role that sees all districts. Without a
// database there is nobody to ask, and it is OK: nothing runs then either.
absl::Status CheckCage(const std::string& rules_conninfo);

}  // namespace edcert::validation_report
