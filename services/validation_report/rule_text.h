// Rules as a text for version control: a JSON array of rules in proto3 JSON form. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/validation_report/rule.h"

namespace edcert::validation_report {

// The rules of a text, each checked by CheckContent. FIELD_INVALID for `rules_json`, or for the
// rule in it.
absl::StatusOr<std::vector<RuleContent>> ParseRules(std::string_view json);

// The same rules always have the same text.
absl::StatusOr<std::string> PrintRules(const std::vector<RuleContent>& rules);

// An error about one rule as one about its place in a text.
absl::Status AtRule(const absl::Status& error, std::size_t place);

}  // namespace edcert::validation_report
