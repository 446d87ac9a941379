// Groups of rows and what is counted, added up and compared over each.
#pragma once

#include <memory>

#include "services/validation_report/columnar/judge.h"

namespace edcert::validation_report::columnar {

// The groups of an AGGREGATE rule as a table: its group columns and named aggregates, the groups'
// keys as those of records, and their schools. Null when only PostgreSQL can say.
std::shared_ptr<const Table> GroupsOf(const CompiledRule& rule, const Definition& definition,
                                      const Table& table);

}  // namespace edcert::validation_report::columnar
