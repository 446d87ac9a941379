// Rules over columns: every kind but QUERY.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/validation_report/columnar/table.h"
#include "services/validation_report/rule_compiler.h"

namespace edcert::validation_report::columnar {

// By dataset id.
using Tables = std::map<std::string, std::shared_ptr<const Table>>;

// What one rule found, or that only PostgreSQL can say.
struct Verdict {
  bool known = false;
  // Where the records are: the dataset of the rule, or, of AGGREGATE, its groups.
  std::shared_ptr<const Table> table;
  // Places of the records found, ascending.
  std::vector<uint32_t> rows;
};

// The columns of each dataset that a rule reads, by dataset id; nothing of a rule that these
// evaluations never know.
std::map<std::string, std::vector<std::string>> ColumnsOf(const CompiledRule& rule,
                                                          const Definitions& definitions);

// One verdict for each rule, in their order. `tables` has all columns that ColumnsOf names. Called
// now and then with the number of rules done; not OK stops it.
absl::StatusOr<std::vector<Verdict>> Judge(const std::vector<const CompiledRule*>& rules,
                                           const Definitions& definitions, const Tables& tables,
                                           const std::function<absl::Status(int64_t)>& progress);

}  // namespace edcert::validation_report::columnar
