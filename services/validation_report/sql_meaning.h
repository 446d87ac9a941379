// The second look at a tree: every operator, function, type, literal and name in it.
#pragma once

#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/validation_report/sql_tree.pb.h"

namespace edcert::validation_report {

enum class Mode { kExpression, kAggregate, kQuery };

// What names mean in the text.
struct Scope {
  // `name`, `row.name` in expressions.
  absl::flat_hash_set<std::string> columns;
  // Queries: dataset and WITH names.
  absl::flat_hash_set<std::string> relations;
  // Queries: what may stand before the dot.
  absl::flat_hash_set<std::string> qualifiers;
};

// A tree that CheckSize accepted, of `prefix` bytes of ours and `text`. Gives whether it has an
// aggregate.
absl::StatusOr<bool> CheckMeaning(const tree::Node& expression, std::string_view text, int prefix,
                                  Mode mode, const Scope& scope);
absl::Status CheckMeaning(const tree::SelectStmt& query, std::string_view text, const Scope& scope);

// The value of a text literal, also of one that is cast to text; null for any other node.
const std::string* TextOf(const tree::Node& node);
// What a node of a name holds.
const std::string& NameOf(const tree::Node& node);

}  // namespace edcert::validation_report
