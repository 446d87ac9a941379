// Turns what an author wrote into what may be executed: every SQL text goes through sql_guard,
// every column is looked up in the definitions.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/validation_report/definition.h"
#include "services/validation_report/rule.h"

namespace edcert::validation_report {

// A rule whose texts were checked, with the values of its parameters in them. Immutable.
struct CompiledRule {
  std::string id = {};
  int version = 1;
  RuleContent content = {};
  // Columns that the statement returns for the fields and the message, each once.
  std::vector<std::string> outputs = {};
  // The checked texts, as printed by the guard. ROW and AGGREGATE: the expression; UNIQUE and
  // REFERENCE: the condition, or empty.
  std::string expression = {};
  std::vector<std::string> aggregates = {};     // AGGREGATE: as many as the rule's
  std::string query = {};                       // QUERY
  std::vector<std::string> query_columns = {};  // QUERY: what it returns

  const std::string& dataset() const { return content.dataset(); }
};

// `values` are those of parameters that have others than their defaults. RULE_NOT_ALLOWED for a
// refusal of the guard, FIELD_INVALID for a dataset or column that does not exist or does not fit,
// or for a value that is none of the rule's parameters.
absl::StatusOr<CompiledRule> CompileRule(const std::string& id, int version,
                                         const RuleContent& content, const Definitions& definitions,
                                         const ValuesByName& values = {});

// FIELD_INVALID for `field` unless each value is one of a parameter of the rule.
absl::Status CheckValues(const std::vector<Parameter>& parameters, const ValuesByName& values,
                         std::string_view field);

}  // namespace edcert::validation_report
