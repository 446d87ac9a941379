// The wall around libpg_query, PostgreSQL 15's own parser: text to tree, tree to text.
//
// Nothing here judges a text; that is sql_guard. A tree is read into the schema of sql_tree.proto,
// so what rules may not contain is in it as unknown fields.
//
// Thread-safe. INVALID_ARGUMENT with a position (see sql_guard.h, RefusalOf) when the text does
// not parse.

#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/validation_report/sql_tree.pb.h"

namespace edcert::validation_report {

// Parses `sql`. `prefix_length` bytes at its start are not the author's; positions in errors do not
// count them.
absl::StatusOr<tree::ParseResult> ParseSql(const std::string& sql, size_t prefix_length);

// The text of a tree. Only for trees without unknown fields: others would lose them.
absl::StatusOr<std::string> PrintSql(const tree::ParseResult& tree);

// The words of `sql`, comments included.
absl::StatusOr<tree::ScanResult> ScanSql(const std::string& sql);

// The tree of one expression that sql_guard has accepted.
absl::StatusOr<tree::Node> ParseExpression(std::string_view expression);

// An INVALID_ARGUMENT status that says what is refused and where: the 1-based character of `text`,
// or 0 if no place can be named.
absl::Status Refuse(std::string_view what, int position);

// The 1-based character of the byte at `offset` of `text`; 0 for a negative offset.
int CharacterAt(std::string_view text, int offset);

}  // namespace edcert::validation_report
