// Parameters of rules in SQL: `parameter.<name>` in a tree becomes a literal of its type.
//
// A value never meets the author's text: it is put into the parsed tree, and what is checked and
// printed afterwards has it as it would have any other literal. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "services/validation_report/sql_tree.pb.h"

namespace edcert::validation_report {

// What stands before the dot.
inline constexpr std::string_view kParameterQualifier = "parameter";

enum class ParameterType { kUnspecified = 0, kInt64 = 1, kDecimal, kDate, kText, kBool };

// Whether a text is a value of the type.
bool IsValueOf(ParameterType type, std::string_view text);

struct ParameterValue {
  ParameterType type = ParameterType::kUnspecified;
  std::string text;  // IsValueOf
};

// The parameters that texts may name.
struct Parameters {
  std::map<std::string, ParameterValue> values = {};
  std::set<std::string> used = {};  // those that some text named
};

// Puts literals in place of the parameters in a tree of `prefix` bytes of ours and `text`. Refuses
// the name of no parameter.
absl::Status ReplaceParameters(tree::ParseResult& tree, std::string_view text, int prefix,
                               Parameters& parameters);

}  // namespace edcert::validation_report
