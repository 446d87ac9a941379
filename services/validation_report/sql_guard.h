// What an author of rules may write in SQL: the allow-list.
//
// A text is parsed by PostgreSQL's own parser and its tree is checked: node types, operators,
// functions, types, names and size, each against a list of what is allowed. The answer is the text
// printed again from the checked tree, and only that is ever executed. The printed text parses to
// the same tree, which is checked too.
//
// Allowed functions are pure: the same row gives the same answer on every day and every server.
// So there is no current date, no time zone, no setting, and no 'today' as a literal. Functions
// that could make very long values are bounded, and so is what names multiply: an expression that
// has a name, used many times by the next one, and that by the next.
//
// Pure and thread-safe. Every refusal is INVALID_ARGUMENT and carries what and where (RefusalOf);
// the caller makes the catalogue's RULE_NOT_ALLOWED of it. Neither holds data or server messages.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/validation_report/sql_parameter.h"

namespace edcert::validation_report {

inline constexpr size_t kMaxSqlBytes = 8 * 1024;
inline constexpr int kMaxSqlNodes = 2'000;
inline constexpr int kMaxSqlDepth = 50;
// The nodes of a text with each name that it makes replaced by what the name stands for.
inline constexpr int kMaxWrittenOut = 5'000;

// The payload of a refusal that holds the position.
inline constexpr char kRefusalPosition[] = "edcert/sql-position";

// Why a text is refused.
struct Refusal {
  // What is not allowed, as a noun phrase or the parser's words.
  std::string what;
  // The 1-based character of the author's text; 0 if no place can be named.
  int position = 0;
};

// The refusal in a status that a check gave.
Refusal RefusalOf(const absl::Status& status);

// A boolean expression over `columns`. A column is `name` or, where a rule sees two rows,
// `row.name`. Gives the text to execute. Here and below, `parameters` may be null: there are none.
absl::StatusOr<std::string> CheckExpression(std::string_view expression,
                                            const std::vector<std::string>& columns,
                                            Parameters* parameters = nullptr);

// An expression whose value comes from aggregates over `columns`: count, sum, avg, min, max,
// bool_and and bool_or, with FILTER and DISTINCT. Gives the text to execute.
absl::StatusOr<std::string> CheckAggregate(std::string_view expression,
                                           const std::vector<std::string>& columns,
                                           Parameters* parameters = nullptr);

// Whether an expression stays within kMaxWrittenOut over `named`: other expressions by the names
// that it uses for them. All were accepted before.
absl::Status CheckWrittenOut(std::string_view expression,
                             const std::map<std::string, std::string>& named);

// A checked query.
struct CheckedQuery {
  // The text to execute.
  std::string sql;
  // The names of its result columns, in order.
  std::vector<std::string> columns;
};

// Exactly one SELECT over `datasets` (name to columns) and nothing else. WITH (not recursive),
// joins, sub-queries, set operations and GROUP BY are allowed; ORDER BY, LIMIT, `*`, window
// functions, locking and set-returning functions but unnest are not.
absl::StatusOr<CheckedQuery> CheckQuery(
    std::string_view sql, const std::map<std::string, std::vector<std::string>>& datasets,
    Parameters* parameters = nullptr);

}  // namespace edcert::validation_report
