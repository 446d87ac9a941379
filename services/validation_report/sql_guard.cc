// The checks run in this order: bytes, words, unknown nodes and size, then meaning node by node.
// Each later step may rely on the earlier ones.

#include "services/validation_report/sql_guard.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "common/status/macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/unknown_field_set.h"
#include "services/validation_report/sql_parse.h"

namespace edcert::validation_report {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using tree::Node;

constexpr std::string_view kSelect = "SELECT ";
constexpr size_t kMaxTextLiteral = 1'000;
constexpr size_t kMaxNumberLiteral = 40;
constexpr size_t kMaxPattern = 200;
constexpr size_t kMaxReplacement = 100;
constexpr int kMaxPadding = 100;

// What an allowed function may be given.
enum class Check {
  kNone,
  kPattern,      // the second argument is a literal regular expression
  kReplacement,  // makes text longer than its argument: bounded, and never inside another such
  kPadding,      // likewise, by a literal length
  kTruncation,   // the first argument is a literal unit of time
};

struct Function {
  std::string_view name;
  int min_args;
  int max_args;
  Check check = Check::kNone;
};

constexpr int kAnyNumber = 100;

constexpr auto kFunctions = std::to_array<Function>({
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
    {"substring", 2, 3},
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
constexpr auto kSyntaxFunctions = std::to_array<Function>({
    {"btrim", 1, 2},
    {"extract", 2, 2, Check::kTruncation},
    {"ltrim", 1, 2},
    {"overlaps", 4, 4},
    {"position", 2, 2},
    {"rtrim", 1, 2},
    {"substring", 2, 3},
});

constexpr auto kAggregates = std::to_array<Function>({
    {"avg", 1, 1},
    {"bool_and", 1, 1},
    {"bool_or", 1, 1},
    {"count", 1, 1},
    {"max", 1, 1},
    {"min", 1, 1},
    {"sum", 1, 1},
});

constexpr auto kOperators =
    std::to_array<std::string_view>({"=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "||",
                                     "~", "~*", "!~", "!~*", "@>", "<@", "&&"});
constexpr auto kComparisons = std::to_array<std::string_view>({"=", "<>", "<", "<=", ">", ">="});
constexpr auto kPatternOperators = std::to_array<std::string_view>({"~", "~*", "!~", "!~*"});
constexpr auto kTruthOperators = std::to_array<std::string_view>(
    {"=", "<>", "<", "<=", ">", ">=", "~", "~*", "!~", "!~*", "@>", "<@", "&&"});

// The parser's own names of the types. Floating point is missing: its sums depend on their order.
constexpr auto kTypes =
    std::to_array<std::string_view>({"bool", "boolean", "bpchar", "date", "int2", "int4", "int8",
                                     "interval", "numeric", "text", "timestamp", "varchar"});

constexpr auto kUnits = std::to_array<std::string_view>(
    {"century", "day", "decade", "dow", "doy", "epoch", "hour", "isodow", "isoyear", "minute",
     "month", "quarter", "second", "week", "year"});

// Words that PostgreSQL reads as a date that depends on the day of reading.
constexpr auto kMovingDays =
    std::to_array<std::string_view>({"now", "today", "tomorrow", "yesterday"});
// Words of the scanner, by libpg_query's numbers.
constexpr int kSemicolon = ';';
constexpr int kIdentifier = 258;
constexpr int kUnicodeIdentifier = 259;
constexpr int kText = 261;
constexpr int kUnicodeText = 262;
constexpr int kBits = 263;
constexpr int kHexBits = 264;
constexpr int kParameter = 267;
constexpr int kLineComment = 275;
constexpr int kBlockComment = 276;

template <size_t n>
bool Contains(const std::array<std::string_view, n>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

const Function* Find(std::span<const Function> list, std::string_view name) {
  const auto it =
      std::find_if(list.begin(), list.end(), [name](const Function& f) { return f.name == name; });
  return it == list.end() ? nullptr : &*it;
}

bool IsIdentifier(std::string_view name) {
  if (name.empty() || name.size() > 63) return false;
  if (std::isdigit(static_cast<unsigned char>(name[0])) != 0) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string Quoted(std::string_view what, std::string_view name) {
  // A name comes from the author; what is not an identifier is not repeated.
  std::string text(what);
  if (IsIdentifier(name)) text.append(" ").append(name);
  return text;
}

// ---- Bytes ----

// UTF-8 without control characters but white space.
absl::Status CheckBytes(std::string_view text) {
  if (text.size() > kMaxSqlBytes) return Refuse("a text longer than 8 KiB", 0);
  size_t i = 0;
  while (i < text.size()) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') {
      return Refuse("a control character", CharacterAt(text, static_cast<int>(i)));
    }
    const size_t length = byte < 0x80                    ? 1
                          : byte >= 0xC2 && byte <= 0xDF ? 2
                          : (byte & 0xF0U) == 0xE0U      ? 3
                          : byte >= 0xF0 && byte <= 0xF4 ? 4
                                                         : 0;
    bool good = length > 0 && i + length <= text.size();
    for (size_t k = 1; good && k < length; ++k) {
      good = (static_cast<unsigned char>(text[i + k]) & 0xC0U) == 0x80U;
    }
    if (!good) return Refuse("a text that is not UTF-8", CharacterAt(text, static_cast<int>(i)));
    i += length;
  }
  return absl::OkStatus();
}

// ---- Words ----

// A text literal is '...' or, as PostgreSQL prints a backslash, E'...' with \\ only.
bool IsPlainText(std::string_view word) {
  if (word.empty()) return false;
  if (word[0] == '\'') return true;
  if ((word[0] != 'E' && word[0] != 'e') || word.size() < 2 || word[1] != '\'') return false;
  for (size_t i = 2; i < word.size(); ++i) {
    if (word[i] != '\\') continue;
    if (i + 1 >= word.size() || word[i + 1] != '\\') return false;
    ++i;
  }
  return true;
}

const char* RefusedWord(int token, std::string_view word) {
  switch (token) {
    case kSemicolon:
      return "a second statement";
    case kUnicodeIdentifier:
    case kUnicodeText:
      return "a Unicode escape";
    case kBits:
    case kHexBits:
      return "a bit string";
    case kParameter:
      return "a parameter";
    case kLineComment:
    case kBlockComment:
      return "a comment";
    case kText:
      return IsPlainText(word) ? nullptr : "a text literal with escapes or dollar quotes";
    case kIdentifier: {
      if (word[0] == '"') word.remove_prefix(1);
      const bool system = word.size() >= 3 && std::tolower(word[0]) == 'p' &&
                          std::tolower(word[1]) == 'g' && word[2] == '_';
      return system ? "a system name" : nullptr;
    }
    default:
      return nullptr;
  }
}

absl::Status CheckWords(const std::string& text) {
  ASSIGN_OR_RETURN(const tree::ScanResult scan, ScanSql(text));
  for (const tree::ScanToken& token : scan.tokens()) {
    const auto start = static_cast<size_t>(token.start());
    const std::string_view word =
        std::string_view(text).substr(start, static_cast<size_t>(token.end()) - start);
    if (const char* what = RefusedWord(token.token(), word)) {
      return Refuse(what, CharacterAt(text, token.start()));
    }
  }
  return absl::OkStatus();
}

// ---- Unknown nodes and size ----

// What people call a node that sql_tree.proto does not know, by its number in Node.
const char* NodeName(int number) {
  switch (number) {
    case 7:
      return "GROUPING";
    case 11:
      return "a named argument";
    case 31:
      return "a row value";
    case 35:
      return "a value that depends on when and by whom it is read";
    case 36:
    case 210:
      return "XML";
    case 41:
      return "DEFAULT";
    case 173:
      return "a parameter";
    case 175:
      return "*";
    case 176:
    case 177:
      return "a subscript";
    case 182:
      return "COLLATE";
    case 187:
    case 188:
      return "this kind of table";
    case 201:
      return "grouping sets";
    case 234:
      return "a bit string";
    default:
      return number >= 53 && number <= 170 ? "a statement other than SELECT"
                                           : "this kind of expression";
  }
}

// What people call a field that sql_tree.proto does not know.
const char* FieldName(const std::string& message, int number) {
  if (message == "SelectStmt") {
    switch (number) {
      case 2:
        return "INTO";
      case 9:
        return "a window";
      case 10:
        return "VALUES";
      case 11:
        return "ORDER BY";
      case 12:
      case 13:
        return "LIMIT or OFFSET";
      case 15:
        return "a lock";
      default:
        return "this clause";
    }
  }
  if (message == "FuncCall") return number == 5 ? "a window function" : "this form of call";
  if (message == "RangeVar") return "a name with a schema";
  if (message == "WithClause") return "a recursive query";
  if (message == "TypeName") return "this form of type";
  if (message == "AConst") return "a bit string";
  if (message == "RangeSubselect" || message == "RangeFunction") return "LATERAL or ORDINALITY";
  if (message == "JoinExpr") return "this form of join";
  return "this clause";
}

// Walks a tree once by reflection: refuses what the schema does not know, counts nodes and depth.
class SizeCheck {
 public:
  SizeCheck(std::string_view text, int prefix) : text_(text), prefix_(prefix) {}

  absl::Status Walk(const Message& message, int depth) {
    const Reflection& reflection = *message.GetReflection();
    const std::string& name = message.GetDescriptor()->name();
    if (const FieldDescriptor* location = message.GetDescriptor()->FindFieldByName("location")) {
      const int offset = reflection.GetInt32(message, location);
      if (offset > 0) offset_ = offset;
    }
    const auto& unknown = reflection.GetUnknownFields(message);
    if (!unknown.empty()) {
      const int number = unknown.field(0).number();
      return Refuse(name == "Node" ? NodeName(number) : FieldName(name, number), Position());
    }
    if (name == "Node") {
      if (++nodes_ > kMaxSqlNodes) return Refuse("more than 2000 nodes", 0);
      if (++depth > kMaxSqlDepth) {
        return Refuse("an expression nested more than 50 deep", Position());
      }
    }
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        RETURN_IF_ERROR(Walk(reflection.GetMessage(message, field), depth));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        RETURN_IF_ERROR(Walk(reflection.GetRepeatedMessage(message, field, i), depth));
      }
    }
    return absl::OkStatus();
  }

 private:
  int Position() const { return offset_ == 0 ? 0 : CharacterAt(text_, offset_ - prefix_); }

  std::string_view text_;
  int prefix_;
  int offset_ = 0;
  int nodes_ = 0;
};

// ---- Meaning ----

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

const std::string* TextOf(const Node& node) {
  if (node.has_a_const() && node.a_const().has_sval()) return &node.a_const().sval().sval();
  return nullptr;
}

std::string Name(const Node& node) { return node.string().sval(); }

// Digits in groups parted by single characters of `marks`: enough for 2022-09-01 12:30:00.
bool MatchesShape(std::string_view value, std::string_view shape) {
  return value.size() == shape.size() &&
         std::equal(value.begin(), value.end(), shape.begin(), [](char c, char s) {
           return s == '9' ? std::isdigit(static_cast<unsigned char>(c)) != 0 : c == s;
         });
}

// The runs of letters and the runs of digits, in lower case.
std::vector<std::string> Words(std::string_view value) {
  std::vector<std::string> words;
  int last = 0;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    const int kind = std::isalpha(byte) != 0 ? 1 : std::isdigit(byte) != 0 ? 2 : 0;
    if (kind != 0 && kind != last) words.emplace_back();
    if (kind != 0) words.back() += static_cast<char>(std::tolower(byte));
    last = kind;
  }
  return words;
}

bool IsNumber(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
  });
}

// A text that PostgreSQL may read as a date, but another one each day. It may be compared with a
// date without any cast, and PostgreSQL ignores much of what stands around such a word, so every
// literal is checked and any that has the word is refused.
bool IsMovingDay(std::string_view value) {
  const std::vector<std::string> words = Words(value);
  return std::any_of(words.begin(), words.end(),
                     [](const std::string& word) { return Contains(kMovingDays, word); });
}

// '30 days', '1 year 6 months', '-2 weeks'.
bool IsInterval(std::string_view value) {
  static constexpr auto kIntervalUnits = std::to_array<std::string_view>(
      {"day", "days", "hour", "hours", "minute", "minutes", "mon", "mons", "month", "months",
       "week", "weeks", "year", "years"});
  for (const char c : value) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != ' ' && c != '-') return false;
  }
  const std::vector<std::string> words = Words(value);
  if (words.empty() || words.size() % 2 != 0) return false;
  for (size_t i = 0; i < words.size(); i += 2) {
    if (!IsNumber(words[i]) || words[i].size() > 5) return false;
    if (!Contains(kIntervalUnits, words[i + 1])) return false;
  }
  return true;
}

// A pattern of bounded work: PostgreSQL's engine is fast unless a pattern refers back.
bool IsBoundedPattern(std::string_view pattern) {
  if (pattern.size() > kMaxPattern) return false;
  for (size_t i = 0; i + 1 < pattern.size(); ++i) {
    if (pattern[i] != '\\') continue;
    if (pattern[i + 1] >= '1' && pattern[i + 1] <= '9') return false;
    ++i;
  }
  return true;
}

// Visits every node. `Visit*` give the first refusal.
class Checker {
 public:
  Checker(std::string_view text, int prefix, Mode mode, Scope scope)
      : text_(text), prefix_(prefix), mode_(mode), scope_(std::move(scope)) {}

  absl::Status VisitExpression(const Node& node) {
    switch (node.node_case()) {
      case Node::kBoolExpr:
        return VisitAll(node.bool_expr().args());
      case Node::kCaseExpr:
        if (node.case_expr().has_arg()) RETURN_IF_ERROR(VisitExpression(node.case_expr().arg()));
        for (const Node& when : node.case_expr().args()) {
          RETURN_IF_ERROR(VisitExpression(when.case_when().expr()));
          RETURN_IF_ERROR(VisitExpression(when.case_when().result()));
        }
        if (!node.case_expr().has_defresult()) return absl::OkStatus();
        return VisitExpression(node.case_expr().defresult());
      case Node::kCoalesceExpr:
        return VisitAll(node.coalesce_expr().args());
      case Node::kMinMaxExpr:
        return VisitAll(node.min_max_expr().args());
      case Node::kNullTest:
        return VisitExpression(node.null_test().arg());
      case Node::kBooleanTest:
        return VisitExpression(node.boolean_test().arg());
      case Node::kAExpr:
        return VisitOperator(node.a_expr());
      case Node::kColumnRef:
        return VisitColumn(node.column_ref());
      case Node::kFuncCall:
        return VisitCall(node.func_call());
      case Node::kAArrayExpr:
        return VisitAll(node.a_array_expr().elements());
      case Node::kTypeCast:
        return VisitCast(node.type_cast());
      case Node::kAConst:
        return VisitLiteral(node.a_const());
      case Node::kSubLink:
        return VisitSubLink(node.sub_link());
      case Node::kRangeVar:
      case Node::kCaseWhen:
      case Node::kJoinExpr:
      case Node::kSelectStmt:
      case Node::kResTarget:
      case Node::kRangeSubselect:
      case Node::kRangeFunction:
      case Node::kCommonTableExpr:
      case Node::kInteger:
      case Node::kString:
      case Node::kList:
      case Node::NODE_NOT_SET:
        return Refuse("this kind of expression", 0);
    }
    return Refuse("this kind of expression", 0);
  }

  absl::Status VisitSelect(const tree::SelectStmt& select) {
    if (select.limit_option() != tree::SelectStmt::DEFAULT) return Refuse("LIMIT or OFFSET", 0);
    if (select.has_with_clause()) {
      for (const Node& cte : select.with_clause().ctes()) {
        if (cte.common_table_expr().ctematerialized() != tree::CommonTableExpr::DEFAULT) {
          return Refuse("MATERIALIZED", At(cte.common_table_expr().location()));
        }
        RETURN_IF_ERROR(VisitQuery(cte.common_table_expr().ctequery()));
      }
    }
    if (select.op() != tree::SelectStmt::NONE) {
      if (!select.has_larg() || !select.has_rarg() ||
          !tree::SelectStmt::SetOperation_IsValid(select.op())) {
        return Refuse("this clause", 0);
      }
      RETURN_IF_ERROR(VisitSelect(select.larg()));
      return VisitSelect(select.rarg());
    }
    for (const Node& distinct : select.distinct_clause()) {
      if (distinct.node_case() != Node::NODE_NOT_SET) return Refuse("DISTINCT ON", 0);
    }
    if (select.target_list().empty()) return Refuse("a SELECT without columns", 0);
    for (const Node& target : select.target_list()) {
      RETURN_IF_ERROR(VisitExpression(target.res_target().val()));
    }
    for (const Node& from : select.from_clause()) RETURN_IF_ERROR(VisitFrom(from));
    if (select.has_where_clause()) RETURN_IF_ERROR(VisitExpression(select.where_clause()));
    RETURN_IF_ERROR(VisitAll(select.group_clause()));
    if (select.has_having_clause()) RETURN_IF_ERROR(VisitExpression(select.having_clause()));
    return absl::OkStatus();
  }

  bool has_aggregate() const { return has_aggregate_; }

 private:
  using Nodes = google::protobuf::RepeatedPtrField<Node>;

  int At(int offset) const { return offset < prefix_ ? 0 : CharacterAt(text_, offset - prefix_); }

  absl::Status VisitAll(const Nodes& nodes) {
    for (const Node& node : nodes) RETURN_IF_ERROR(VisitExpression(node));
    return absl::OkStatus();
  }

  absl::Status VisitLiteral(const tree::AConst& literal) {
    if (literal.has_fval()) {
      const std::string& number = literal.fval().fval();
      if (number.size() > kMaxNumberLiteral ||
          number.find_first_not_of("+-.0123456789") != std::string::npos) {
        return Refuse("a number with an exponent or of more than 40 digits",
                      At(literal.location()));
      }
    }
    if (literal.has_sval()) {
      const std::string& value = literal.sval().sval();
      if (value.size() > kMaxTextLiteral) {
        return Refuse("a text literal of more than 1000 bytes", At(literal.location()));
      }
      if (IsMovingDay(value)) {
        return Refuse("a date that depends on the day of reading", At(literal.location()));
      }
    }
    return absl::OkStatus();
  }

  absl::Status VisitColumn(const tree::ColumnRef& column) {
    const int position = At(column.location());
    std::vector<std::string> parts;
    for (const Node& field : column.fields()) {
      if (!IsIdentifier(Name(field))) return Refuse("a column with this name", position);
      parts.push_back(Name(field));
    }
    if (parts.empty() || parts.size() > 2) return Refuse("a name with a schema", position);
    if (mode_ == Mode::kQuery) {
      if (parts.size() == 2 && !scope_.qualifiers.contains(parts[0])) {
        return Refuse(Quoted("an unknown table", parts[0]), position);
      }
      if (!scope_.columns.contains(parts.back())) {
        return Refuse(Quoted("an unknown column", parts.back()), position);
      }
      return absl::OkStatus();
    }
    const std::string name = parts.size() == 1 ? parts[0] : parts[0] + "." + parts[1];
    if (!scope_.columns.contains(name)) {
      return Refuse(Quoted("an unknown column", parts.back()), position);
    }
    if (mode_ == Mode::kAggregate && !in_aggregate_) {
      return Refuse(Quoted("outside an aggregate: the column", parts.back()), position);
    }
    return absl::OkStatus();
  }

  absl::Status VisitOperator(const tree::AExpr& expr) {
    const int position = At(expr.location());
    if (expr.name_size() != 1) return Refuse("an operator with a schema", position);
    const std::string name = Name(expr.name(0));
    // SIMILAR TO and BETWEEN SYMMETRIC have numbers that the schema does not know.
    if (!tree::AExpr::Kind_IsValid(expr.kind())) return Refuse("this operator", position);
    // Every kind but BETWEEN and IN names one operator; those two have a list on the right.
    bool list = false;
    switch (expr.kind()) {
      case tree::AExpr::OP:
        if (!Contains(kOperators, name)) return Refuse("this operator", position);
        if (Contains(kPatternOperators, name)) {
          RETURN_IF_ERROR(CheckPattern(expr.rexpr(), position));
        }
        break;
      case tree::AExpr::OP_ANY:
      case tree::AExpr::OP_ALL:
        if (!Contains(kComparisons, name)) return Refuse("this operator", position);
        break;
      case tree::AExpr::DISTINCT:
      case tree::AExpr::NOT_DISTINCT:
      case tree::AExpr::NULLIF:
      case tree::AExpr::LIKE:
      case tree::AExpr::ILIKE:
        break;
      case tree::AExpr::IN:
        list = true;
        break;
      case tree::AExpr::BETWEEN:
      case tree::AExpr::NOT_BETWEEN:
        list = true;
        if (expr.rexpr().list().items_size() != 2) return Refuse("this operator", position);
        break;
      case tree::AExpr::KIND_UNSPECIFIED:
      case tree::AExpr_Kind_AExpr_Kind_INT_MIN_SENTINEL_DO_NOT_USE_:
      case tree::AExpr_Kind_AExpr_Kind_INT_MAX_SENTINEL_DO_NOT_USE_:
        return Refuse("this operator", position);
    }
    if (expr.has_lexpr()) RETURN_IF_ERROR(VisitExpression(expr.lexpr()));
    return list ? VisitAll(expr.rexpr().list().items()) : VisitExpression(expr.rexpr());
  }

  absl::Status CheckPattern(const Node& node, int position) {
    const std::string* pattern = TextOf(node);
    if (pattern == nullptr) return Refuse("a pattern that is not a literal", position);
    if (!IsBoundedPattern(*pattern)) {
      return Refuse("a pattern that refers back or is longer than 200 bytes", position);
    }
    return absl::OkStatus();
  }

  absl::Status VisitCall(const tree::FuncCall& call) {
    const int position = At(call.location());
    const bool syntax = call.funcformat() == tree::FuncCall::SQL_SYNTAX;
    const int parts = call.funcname_size();
    // Only the parser itself may say pg_catalog, where it stands for SQL's own syntax.
    if (parts != (syntax ? 2 : 1)) return Refuse("a function with a schema", position);
    const std::string name = Name(call.funcname(parts - 1));
    if (!syntax && Find(kAggregates, name) != nullptr) return VisitAggregate(call, name);
    const Function* function = syntax ? Find(kSyntaxFunctions, name) : Find(kFunctions, name);
    if (function == nullptr) return Refuse(Quoted("the function", name), position);
    if (call.has_agg_filter() || call.agg_star() || call.agg_distinct()) {
      return Refuse(Quoted("an aggregate's clause on the function", name), position);
    }
    if (call.args_size() < function->min_args || call.args_size() > function->max_args) {
      return Refuse(Quoted("this number of arguments of the function", name), position);
    }
    return VisitArguments(call, *function, position);
  }

  absl::Status VisitArguments(const tree::FuncCall& call, const Function& function, int position) {
    const bool grows = function.check == Check::kReplacement || function.check == Check::kPadding ||
                       function.name == "regexp_replace";
    if (grows && growing_) {
      return Refuse(Quoted("inside another that lengthens text: the function", function.name),
                    position);
    }
    if (grows) {
      // What is put in must be short, and known now.
      const bool padding = function.check == Check::kPadding;
      for (int i = padding                              ? 2
                   : function.name == "array_to_string" ? 1
                                                        : 2;
           i < call.args_size(); ++i) {
        const std::string* text = TextOf(call.args(i));
        if (text == nullptr || text->size() > kMaxReplacement) {
          return Refuse(Quoted("a replacement that is not a short literal in", function.name),
                        position);
        }
      }
      if (padding && (!call.args(1).a_const().has_ival() ||
                      call.args(1).a_const().ival().ival() > kMaxPadding)) {
        return Refuse(Quoted("a length that is not a literal of at most 100 in", function.name),
                      position);
      }
    }
    if (function.check == Check::kPattern) RETURN_IF_ERROR(CheckPattern(call.args(1), position));
    if (function.check == Check::kTruncation) {
      const std::string* unit = TextOf(call.args(0));
      if (unit == nullptr || !Contains(kUnits, *unit)) {
        return Refuse(Quoted("this unit of time in", function.name), position);
      }
    }
    // Counts and positions of split_part, left and so on cannot lengthen text, so any will do.
    const bool outer = growing_;
    growing_ = growing_ || grows;
    const absl::Status status = VisitAll(call.args());
    growing_ = outer;
    return status;
  }

  absl::Status VisitAggregate(const tree::FuncCall& call, const std::string& name) {
    const int position = At(call.location());
    if (mode_ == Mode::kExpression || in_aggregate_) {
      return Refuse(Quoted("here the aggregate", name), position);
    }
    const bool star = call.agg_star();
    if (call.args_size() != (star ? 0 : 1) || (star && name != "count") ||
        (star && call.agg_distinct())) {
      return Refuse(Quoted("this number of arguments of the aggregate", name), position);
    }
    has_aggregate_ = true;
    in_aggregate_ = true;
    absl::Status status = VisitAll(call.args());
    if (status.ok() && call.has_agg_filter()) status = VisitExpression(call.agg_filter());
    in_aggregate_ = false;
    return status;
  }

  absl::Status VisitCast(const tree::TypeCast& cast) {
    const tree::TypeName& type = cast.type_name();
    const int position = At(type.location());
    const int parts = type.names_size();
    // The parser writes pg_catalog before a type with a keyword; an author's is a refused word.
    if (parts == 0 || parts > 2 || (parts == 2 && Name(type.names(0)) != "pg_catalog")) {
      return Refuse("a type with a schema", position);
    }
    const std::string name = Name(type.names(parts - 1));
    if (!Contains(kTypes, name)) return Refuse(Quoted("the type", name), position);
    const bool sized = name == "numeric" || name == "varchar" || name == "bpchar";
    if (type.typmods_size() > (sized ? 2 : 0) || type.array_bounds_size() > 1) {
      return Refuse(Quoted("this form of the type", name), position);
    }
    for (const Node& size : type.typmods()) {
      if (!size.a_const().has_ival()) return Refuse("a size that is no number", position);
    }
    for (const Node& bound : type.array_bounds()) {
      if (!bound.has_integer()) return Refuse("a size that is no number", position);
    }
    RETURN_IF_ERROR(CheckCastArgument(name, cast.arg(), position));
    return VisitExpression(cast.arg());
  }

  // Text that becomes a date or an interval must be a literal in the one form that no setting
  // changes.
  absl::Status CheckCastArgument(const std::string& type, const Node& arg, int position) {
    if (type != "date" && type != "timestamp" && type != "interval") return absl::OkStatus();
    if (const std::string* text = TextOf(arg)) {
      const bool good = type == "interval" ? IsInterval(*text)
                                           : MatchesShape(*text, "9999-99-99") ||
                                                 MatchesShape(*text, "9999-99-99 99:99:99");
      if (good) return absl::OkStatus();
      return Refuse(Quoted("a literal that is not in ISO form for the type", type), position);
    }
    const bool joined = arg.has_a_expr() && Name(arg.a_expr().name(0)) == "||";
    bool made = false;
    if (arg.has_func_call() && arg.func_call().funcname_size() == 1) {
      const std::string function = Name(arg.func_call().funcname(0));
      made = function != "date_trunc" && function != "make_date" && function != "make_timestamp" &&
             function != "age" && function != "min" && function != "max" &&
             function != "make_interval" && function != "justify_days";
    } else if (arg.has_func_call()) {
      made = true;
    }
    if (joined || made) return Refuse(Quoted("a made-up text as", type), position);
    return absl::OkStatus();
  }

  absl::Status VisitSubLink(const tree::SubLink& link) {
    const int position = At(link.location());
    if (mode_ != Mode::kQuery) return Refuse("a sub-query", position);
    if (link.sub_link_type() != tree::SubLink::EXISTS &&
        link.sub_link_type() != tree::SubLink::ALL && link.sub_link_type() != tree::SubLink::ANY &&
        link.sub_link_type() != tree::SubLink::SCALAR) {
      return Refuse("an array of a sub-query", position);
    }
    if (link.oper_name_size() > 1 ||
        (link.oper_name_size() == 1 && !Contains(kComparisons, Name(link.oper_name(0))))) {
      return Refuse("this operator", position);
    }
    if (link.has_testexpr()) RETURN_IF_ERROR(VisitExpression(link.testexpr()));
    const bool outer = in_aggregate_;
    in_aggregate_ = false;
    const absl::Status status = VisitQuery(link.subselect());
    in_aggregate_ = outer;
    return status;
  }

  absl::Status VisitQuery(const Node& node) {
    if (!node.has_select_stmt()) return Refuse("a statement other than SELECT", 0);
    return VisitSelect(node.select_stmt());
  }

  absl::Status VisitFrom(const Node& node) {
    if (node.has_range_var()) {
      const tree::RangeVar& table = node.range_var();
      const int position = At(table.location());
      if (!table.inh() || table.relpersistence() != "p") return Refuse("ONLY", position);
      if (!scope_.relations.contains(table.relname())) {
        return Refuse(Quoted("an unknown dataset", table.relname()), position);
      }
      return absl::OkStatus();
    }
    if (node.has_join_expr()) {
      const tree::JoinExpr& join = node.join_expr();
      if (!tree::JoinExpr::Type_IsValid(join.jointype())) return Refuse("this form of join", 0);
      RETURN_IF_ERROR(VisitFrom(join.larg()));
      RETURN_IF_ERROR(VisitFrom(join.rarg()));
      for (const Node& column : join.using_clause()) {
        if (!scope_.columns.contains(Name(column))) {
          return Refuse(Quoted("an unknown column", Name(column)), 0);
        }
      }
      return join.has_quals() ? VisitExpression(join.quals()) : absl::OkStatus();
    }
    if (node.has_range_subselect()) return VisitQuery(node.range_subselect().subquery());
    if (node.has_range_function()) return VisitUnnest(node.range_function());
    return Refuse("this kind of table", 0);
  }

  // The one function that gives rows: the codes of a list, as many as the text has.
  absl::Status VisitUnnest(const tree::RangeFunction& range) {
    if (range.functions_size() != 1 || range.functions(0).list().items_size() == 0) {
      return Refuse("this kind of table", 0);
    }
    const tree::List& list = range.functions(0).list();
    for (int i = 1; i < list.items_size(); ++i) {
      if (list.items(i).node_case() != Node::NODE_NOT_SET) return Refuse("column types", 0);
    }
    const tree::FuncCall& call = list.items(0).func_call();
    if (call.funcname_size() != 1 || Name(call.funcname(0)) != "unnest" || call.args_size() != 1 ||
        call.has_agg_filter() || call.agg_star() || call.agg_distinct()) {
      return Refuse("a function that gives rows", At(call.location()));
    }
    return VisitExpression(call.args(0));
  }

  std::string_view text_;
  int prefix_;
  Mode mode_;
  Scope scope_;
  bool in_aggregate_ = false;
  bool has_aggregate_ = false;
  bool growing_ = false;
};

// Whether a root can give true or false. PostgreSQL checks types later; this refuses early what
// never can, so that an author learns it when he writes.
bool CanBeTruth(const Node& node) {
  switch (node.node_case()) {
    case Node::kBoolExpr:
    case Node::kNullTest:
    case Node::kBooleanTest:
    case Node::kColumnRef:
    case Node::kCaseExpr:
    case Node::kCoalesceExpr:
      return true;
    case Node::kAConst:
      return node.a_const().has_boolval();
    case Node::kTypeCast: {
      const tree::TypeName& type = node.type_cast().type_name();
      const std::string name = Name(type.names(type.names_size() - 1));
      return name == "bool" || name == "boolean";
    }
    case Node::kAExpr:
      if (node.a_expr().kind() == tree::AExpr::NULLIF) return false;
      return node.a_expr().kind() != tree::AExpr::OP ||
             Contains(kTruthOperators, Name(node.a_expr().name(0)));
    case Node::kFuncCall: {
      const tree::FuncCall& call = node.func_call();
      const std::string name = Name(call.funcname(call.funcname_size() - 1));
      return name == "starts_with" || name == "isfinite" || name == "overlaps" ||
             name == "regexp_like" || name == "bool_and" || name == "bool_or";
    }
    case Node::kMinMaxExpr:
    case Node::kAArrayExpr:
    case Node::kSubLink:
    case Node::kRangeVar:
    case Node::kCaseWhen:
    case Node::kJoinExpr:
    case Node::kSelectStmt:
    case Node::kResTarget:
    case Node::kRangeSubselect:
    case Node::kRangeFunction:
    case Node::kCommonTableExpr:
    case Node::kInteger:
    case Node::kString:
    case Node::kList:
    case Node::NODE_NOT_SET:
      return false;
  }
  return false;
}

// Sets every place in the text to zero, so that two trees can be compared.
void ForgetPlaces(Message& message) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->name() == "location" || field->name() == "stmt_location" ||
        field->name() == "stmt_len") {
      reflection.ClearField(&message, field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!field->is_repeated()) {
        ForgetPlaces(*reflection.MutableMessage(&message, field));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        ForgetPlaces(*reflection.MutableRepeatedMessage(&message, field, i));
      }
    }
  }
}

// Prints a checked tree. The text must mean what was checked: the printer is large and not ours.
absl::StatusOr<std::string> PrintChecked(tree::ParseResult tree) {
  ASSIGN_OR_RETURN(std::string printed, PrintSql(tree));
  absl::StatusOr<tree::ParseResult> again = ParseSql(printed, 0);
  if (!again.ok()) return Refuse("a text that cannot be printed from its tree", 0);
  ForgetPlaces(tree);
  ForgetPlaces(*again);
  if (tree.SerializeAsString() != again->SerializeAsString()) {
    return Refuse("a text that cannot be printed from its tree", 0);
  }
  while (!printed.empty() && printed.back() == ' ') printed.pop_back();
  return printed;
}

// Parses the author's text after `prefix` and checks all but its meaning.
absl::StatusOr<tree::ParseResult> ParseAuthored(std::string_view text, std::string_view prefix) {
  RETURN_IF_ERROR(CheckBytes(text));
  RETURN_IF_ERROR(CheckWords(std::string(text)));
  std::string sql(prefix);
  sql.append(text);
  ASSIGN_OR_RETURN(tree::ParseResult parsed, ParseSql(sql, prefix.size()));
  SizeCheck size(text, static_cast<int>(prefix.size()));
  RETURN_IF_ERROR(size.Walk(parsed, 0));
  if (parsed.stmts_size() != 1) return Refuse("more or less than one statement", 0);
  if (!parsed.stmts(0).stmt().has_select_stmt()) {
    return Refuse("a statement other than SELECT", 0);
  }
  return parsed;
}

// The one expression of `SELECT expression`, or null if the text holds anything else.
const Node* OnlyExpression(const tree::SelectStmt& select) {
  if (select.target_list_size() != 1 || select.distinct_clause_size() > 0 ||
      select.from_clause_size() > 0 || select.has_where_clause() ||
      select.group_clause_size() > 0 || select.has_having_clause() || select.has_with_clause() ||
      select.op() != tree::SelectStmt::NONE || select.limit_option() != tree::SelectStmt::DEFAULT) {
    return nullptr;
  }
  const tree::ResTarget& target = select.target_list(0).res_target();
  return target.name().empty() ? &target.val() : nullptr;
}

absl::StatusOr<std::string> CheckOne(std::string_view expression,
                                     const std::vector<std::string>& columns, Mode mode) {
  ASSIGN_OR_RETURN(const tree::ParseResult parsed, ParseAuthored(expression, kSelect));
  const Node* root = OnlyExpression(parsed.stmts(0).stmt().select_stmt());
  if (root == nullptr) return Refuse("anything but one expression", 0);
  Scope scope;
  scope.columns.insert(columns.begin(), columns.end());
  Checker checker(expression, static_cast<int>(kSelect.size()), mode, std::move(scope));
  RETURN_IF_ERROR(checker.VisitExpression(*root));
  if (mode == Mode::kAggregate && !checker.has_aggregate()) {
    return Refuse("an expression without an aggregate", 0);
  }
  if (mode == Mode::kExpression && !CanBeTruth(*root)) {
    return Refuse("an expression that is never true or false", 1);
  }
  // The printed text is the same SELECT of one expression.
  ASSIGN_OR_RETURN(const std::string printed, PrintChecked(parsed));
  return printed.substr(kSelect.size());
}

// Every name that a query gives to a column or a table, wherever it stands.
absl::Status CollectNames(const Message& message, std::set<std::string>& columns,
                          std::set<std::string>& tables, std::set<std::string>& queries) {
  const auto take = [](const std::string& name, std::set<std::string>& to) {
    if (name.empty()) return absl::OkStatus();
    if (!IsIdentifier(name)) return Refuse("a name that needs quotes", 0);
    to.insert(name);
    return absl::OkStatus();
  };
  const std::string& type = message.GetDescriptor()->name();
  if (type == "ResTarget") {
    RETURN_IF_ERROR(take(static_cast<const tree::ResTarget&>(message).name(), columns));
  } else if (type == "Alias") {
    const auto& alias = static_cast<const tree::Alias&>(message);
    RETURN_IF_ERROR(take(alias.aliasname(), tables));
    for (const Node& column : alias.colnames()) RETURN_IF_ERROR(take(Name(column), columns));
  } else if (type == "CommonTableExpr") {
    const auto& cte = static_cast<const tree::CommonTableExpr&>(message);
    RETURN_IF_ERROR(take(cte.ctename(), queries));
    for (const Node& column : cte.aliascolnames()) RETURN_IF_ERROR(take(Name(column), columns));
  }
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      RETURN_IF_ERROR(CollectNames(field->is_repeated()
                                       ? reflection.GetRepeatedMessage(message, field, i)
                                       : reflection.GetMessage(message, field),
                                   columns, tables, queries));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ResultColumns(const tree::SelectStmt& select) {
  if (select.op() != tree::SelectStmt::NONE) return ResultColumns(select.larg());
  std::vector<std::string> names;
  for (const Node& node : select.target_list()) {
    const tree::ResTarget& target = node.res_target();
    std::string name = target.name();
    if (name.empty() && target.val().has_column_ref()) {
      const tree::ColumnRef& column = target.val().column_ref();
      name = Name(column.fields(column.fields_size() - 1));
    }
    if (name.empty()) return Refuse("a result column without a name", 0);
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return Refuse(Quoted("twice the result column", name), 0);
    }
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

Refusal RefusalOf(const absl::Status& status) {
  Refusal refusal;
  refusal.what = std::string(status.message().data(), status.message().size());
  if (const auto position = status.GetPayload(kRefusalPosition)) {
    if (!absl::SimpleAtoi(std::string(*position), &refusal.position)) refusal.position = 0;
  }
  return refusal;
}

absl::StatusOr<std::string> CheckExpression(std::string_view expression,
                                            const std::vector<std::string>& columns) {
  return CheckOne(expression, columns, Mode::kExpression);
}

absl::StatusOr<std::string> CheckAggregate(std::string_view expression,
                                           const std::vector<std::string>& columns) {
  return CheckOne(expression, columns, Mode::kAggregate);
}

absl::StatusOr<CheckedQuery> CheckQuery(
    std::string_view sql, const std::map<std::string, std::vector<std::string>>& datasets) {
  ASSIGN_OR_RETURN(const tree::ParseResult parsed, ParseAuthored(sql, ""));
  const tree::SelectStmt& select = parsed.stmts(0).stmt().select_stmt();
  std::set<std::string> columns;
  std::set<std::string> tables;
  std::set<std::string> queries;
  RETURN_IF_ERROR(CollectNames(select, columns, tables, queries));
  Scope scope;
  scope.columns.insert(columns.begin(), columns.end());
  scope.qualifiers.insert(tables.begin(), tables.end());
  for (const std::string& query : queries) {
    if (datasets.contains(query)) return Refuse(Quoted("a second meaning of", query), 0);
    scope.relations.insert(query);
    scope.qualifiers.insert(query);
  }
  for (const auto& [dataset, names] : datasets) {
    scope.relations.insert(dataset);
    scope.qualifiers.insert(dataset);
    scope.columns.insert(names.begin(), names.end());
  }
  Checker checker(sql, 0, Mode::kQuery, std::move(scope));
  RETURN_IF_ERROR(checker.VisitSelect(select));
  CheckedQuery checked;
  ASSIGN_OR_RETURN(checked.columns, ResultColumns(select));
  ASSIGN_OR_RETURN(checked.sql, PrintChecked(parsed));
  return checked;
}

}  // namespace edcert::validation_report
