// The first look at a tree: nothing that sql_tree.proto does not know, and not too large.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "services/validation_report/sql_tree.pb.h"

namespace edcert::validation_report {

// At most kMaxSqlNodes nodes, nested at most kMaxSqlDepth deep, each of a kind that rules may have.
// `parsed` is the tree of `prefix` bytes of ours and `text`.
absl::Status CheckSize(const tree::ParseResult& parsed, std::string_view text, int prefix);

}  // namespace edcert::validation_report
