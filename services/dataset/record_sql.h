// Statements over the tables of one dataset: the texts of sql/record.sql and sql/table.sql with the
// names of the definition filled in. All names are identifiers that Catalogue::Make has checked.
#pragma once

#include <string>
#include <string_view>

#include "common/pg/statement.h"
#include "services/dataset/dataset.h"

namespace edcert::dataset {

// The statement for a dataset. A `${name}` that is not of the definition stays for the caller.
std::string SqlFor(const pg::Statement& statement, const Dataset& dataset);

// Replaces `${name}`; for what is not of a dataset.
std::string Replace(std::string_view text, std::string_view name, std::string_view value);

// `numeric(5,1)`
std::string SqlType(const Column& column);

// The table of the current records, with its schema. Those of the service stand apart: an old table
// has the name of one of their datasets.
std::string TableOf(const Dataset& dataset);

// Whether the tables have a column school_id beside those of the definition.
bool HasExtraSchoolColumn(const Dataset& dataset);

}  // namespace edcert::dataset
