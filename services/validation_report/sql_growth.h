// How much a checked text becomes when the names that it makes are written out.
//
// A query can give a name to an expression and use it many times in the next one, and so on. The
// planner writes such names out, and concat makes values of them, so a few lines could fill the
// memory of the database. This counts beforehand. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/validation_report/sql_tree.pb.h"

namespace edcert::validation_report {

// Refuses a query, already checked for its meaning, whose expressions have more than
// kMaxWrittenOut nodes together when each name in them is replaced by what it stands for. What puts
// a text into its argument many times counts as often.
absl::Status CheckGrowth(const tree::SelectStmt& query,
                         const std::map<std::string, std::vector<std::string>>& datasets);

// The same for an expression over the names of others.
absl::Status CheckGrowth(const tree::Node& expression,
                         const std::map<std::string, tree::Node>& named);

}  // namespace edcert::validation_report
