// The words of the allow-list: functions, operators, types, and the numbers by which libpg_query
// names what is in a tree. Only for the files of the guard.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <string>
#include <string_view>

namespace edcert::validation_report {

inline constexpr size_t kMaxTextLiteral = 1'000;
inline constexpr size_t kMaxNumberLiteral = 40;
inline constexpr size_t kMaxPattern = 200;
inline constexpr size_t kMaxReplacement = 100;
inline constexpr int kMaxPadding = 100;

// What an allowed function may be given.
enum class Check {
  kNone,
  kPattern,      // the second argument is a literal regular expression
  kReplacement,  // makes text longer than its argument: bounded, and never inside another such
  kPadding,      // likewise, by a literal length
  kTruncation,   // the first argument is a literal unit of time
  kPlaces,       // numbers, or one literal regular expression
};

struct Function {
  std::string_view name;
  int min_args;
  int max_args;
  Check check = Check::kNone;
};

inline constexpr int kAnyNumber = 100;

inline constexpr auto kFunctions = std::to_array<Function>({
    // Text.
    {"array_to_string", 2, 3, Check::kReplacement},
    {"ascii", 1, 1},
    {"btrim", 1, 2},
    {"char_length", 1, 1},
    {"character_length", 1, 1},
    {"concat", 1, kAnyNumber},
    {"concat_ws", 2, kAnyNumber},
    {"initcap", 1, 1},
    {"left", 2, 2},
    {"length", 1, 1},
    {"lower", 1, 1},
    {"lpad", 2, 3, Check::kPadding},
    {"ltrim", 1, 2},
    {"octet_length", 1, 1},
    {"regexp_count", 2, 2, Check::kPattern},
    {"regexp_like", 2, 2, Check::kPattern},
    {"regexp_replace", 3, 4, Check::kPattern},
    {"replace", 3, 3, Check::kReplacement},
    {"reverse", 1, 1},
    {"right", 2, 2},
    {"rpad", 2, 3, Check::kPadding},
    {"rtrim", 1, 2},
    {"split_part", 3, 3},
    {"starts_with", 2, 2},
    {"strpos", 2, 2},
    {"substr", 2, 3},
    {"substring", 2, 3, Check::kPlaces},
    {"translate", 3, 3},
    {"trim", 1, 1},
    {"upper", 1, 1},
    // Arrays, as a text of codes split at ';'.
    {"array_length", 2, 2},
    {"array_position", 2, 2},
    {"cardinality", 1, 1},
    {"string_to_array", 2, 3},
    // Numbers.
    {"abs", 1, 1},
    {"ceil", 1, 1},
    {"ceiling", 1, 1},
    {"div", 2, 2},
    {"floor", 1, 1},
    {"mod", 2, 2},
    {"round", 1, 2},
    {"scale", 1, 1},
    {"sign", 1, 1},
    {"trunc", 1, 2},
    {"width_bucket", 4, 4},
    // Dates. age has no form with one argument: that one reads the clock.
    {"age", 2, 2},
    {"date_part", 2, 2, Check::kTruncation},
    {"date_trunc", 2, 2, Check::kTruncation},
    {"isfinite", 1, 1},
    {"justify_days", 1, 1},
    {"make_date", 3, 3},
    {"make_interval", 1, 4},
    {"make_timestamp", 6, 6},
    // Nulls.
    {"num_nonnulls", 1, kAnyNumber},
    {"num_nulls", 1, kAnyNumber},
});

// Functions behind SQL's own syntax, such as EXTRACT(year FROM d).
inline constexpr auto kSyntaxFunctions = std::to_array<Function>({
    {"btrim", 1, 2},
    {"extract", 2, 2, Check::kTruncation},
    {"ltrim", 1, 2},
    {"overlaps", 4, 4},
    {"position", 2, 2},
    {"rtrim", 1, 2},
    {"substring", 2, 3, Check::kPlaces},
});

inline constexpr auto kAggregates = std::to_array<Function>({
    {"avg", 1, 1},
    {"bool_and", 1, 1},
    {"bool_or", 1, 1},
    {"count", 1, 1},
    {"max", 1, 1},
    {"min", 1, 1},
    {"sum", 1, 1},
});

inline constexpr auto kOperators =
    std::to_array<std::string_view>({"=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "||",
                                     "~", "~*", "!~", "!~*", "@>", "<@", "&&"});
inline constexpr auto kArithmetic = std::to_array<std::string_view>({"+", "-", "*", "/", "%"});
inline constexpr auto kComparisons =
    std::to_array<std::string_view>({"=", "<>", "<", "<=", ">", ">="});
inline constexpr auto kPatternOperators = std::to_array<std::string_view>({"~", "~*", "!~", "!~*"});
inline constexpr auto kTruthOperators = std::to_array<std::string_view>(
    {"=", "<>", "<", "<=", ">", ">=", "~", "~*", "!~", "!~*", "@>", "<@", "&&"});

// The parser's own names of the types. Floating point is missing: its sums depend on their order.
inline constexpr auto kTypes =
    std::to_array<std::string_view>({"bool", "boolean", "bpchar", "date", "int2", "int4", "int8",
                                     "interval", "numeric", "text", "timestamp", "varchar"});

inline constexpr auto kNumberTypes =
    std::to_array<std::string_view>({"int2", "int4", "int8", "numeric"});
// Functions that give numbers, whatever they are given.
inline constexpr auto kCounts = std::to_array<std::string_view>(
    {"array_length", "array_position", "ascii", "cardinality", "char_length", "character_length",
     "length", "num_nonnulls", "num_nulls", "octet_length", "position", "strpos"});

inline constexpr auto kUnits = std::to_array<std::string_view>(
    {"century", "day", "decade", "dow", "doy", "epoch", "hour", "isodow", "isoyear", "minute",
     "month", "quarter", "second", "week", "year"});

// Words that PostgreSQL reads as a date that depends on the day of reading.
inline constexpr auto kMovingDays =
    std::to_array<std::string_view>({"now", "today", "tomorrow", "yesterday"});

// The numbers below are those of libpg_query 15-4.0.0 (PostgreSQL 15.1), pg_query.proto. Another
// version of it may number anew: compare them, and sql_tree.proto, before taking one.

// Tokens of the scanner.
namespace token {
inline constexpr int kSemicolon = ';';
inline constexpr int kIdentifier = 258;
inline constexpr int kUnicodeIdentifier = 259;
inline constexpr int kText = 261;
inline constexpr int kUnicodeText = 262;
inline constexpr int kBits = 263;
inline constexpr int kHexBits = 264;
inline constexpr int kParameter = 267;
inline constexpr int kLineComment = 275;
inline constexpr int kBlockComment = 276;
}  // namespace token

// Fields of `Node` that sql_tree.proto leaves out.
namespace node {
inline constexpr int kGroupingFunc = 7;
inline constexpr int kNamedArgument = 11;
inline constexpr int kRowExpr = 31;
inline constexpr int kSqlValueFunction = 35;
inline constexpr int kXmlExpr = 36;
inline constexpr int kSetToDefault = 41;
// From Query to AlterStatsStmt.
inline constexpr int kFirstStatement = 53;
inline constexpr int kLastStatement = 170;
inline constexpr int kParamRef = 173;
inline constexpr int kStar = 175;
inline constexpr int kIndices = 176;
inline constexpr int kIndirection = 177;
inline constexpr int kCollateClause = 182;
inline constexpr int kRangeTableSample = 187;
inline constexpr int kRangeTableFunc = 188;
inline constexpr int kGroupingSet = 201;
inline constexpr int kXmlSerialize = 210;
inline constexpr int kBitString = 234;
}  // namespace node

// Fields of `SelectStmt` that sql_tree.proto leaves out.
namespace select {
inline constexpr int kIntoClause = 2;
inline constexpr int kWindowClause = 9;
inline constexpr int kValuesLists = 10;
inline constexpr int kSortClause = 11;
inline constexpr int kLimitOffset = 12;
inline constexpr int kLimitCount = 13;
inline constexpr int kLockingClause = 15;
}  // namespace select

// Fields of `FuncCall` that sql_tree.proto leaves out.
namespace call {
inline constexpr int kOver = 5;
}  // namespace call

template <size_t n>
constexpr bool Contains(const std::array<std::string_view, n>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

inline const Function* Find(std::span<const Function> list, std::string_view name) {
  const auto it =
      std::find_if(list.begin(), list.end(), [name](const Function& f) { return f.name == name; });
  return it == list.end() ? nullptr : &*it;
}

inline bool IsIdentifier(std::string_view name) {
  if (name.empty() || name.size() > 63) return false;
  if (std::isdigit(static_cast<unsigned char>(name[0])) != 0) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

inline std::string Quoted(std::string_view what, std::string_view name) {
  // A name comes from the author; what is not an identifier is not repeated.
  std::string text(what);
  if (IsIdentifier(name)) text.append(" ").append(name);
  return text;
}

}  // namespace edcert::validation_report
