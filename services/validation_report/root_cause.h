// Which findings of a rule probably have one cause. Pure.
//
// A rule that demands a record elsewhere: those that lack the same one. Any other rule: those that
// have equal values in some of its fields, when they are more than half of its findings. What is
// left is a group without a cause; a rule that could not be run is a group without findings. The
// same findings give the same groups.
#pragma once

#include <string_view>

#include "services/validation_report/finding.h"
#include "services/validation_report/rule.h"

namespace edcert::validation_report {

// Puts each stored finding of the rule into one of `result.groups`: the largest first, then in the
// order of what they have in common.
void GroupByCause(const RuleContent& rule, std::string_view organization, RuleResult& result);

}  // namespace edcert::validation_report
