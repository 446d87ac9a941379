#include "services/validation_report/columnar/compiler.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"
#include "common/status/macros.h"
#include "services/validation_report/columnar/decimal.h"

namespace edcert::validation_report::columnar {
namespace {

absl::Status Unknown(std::string_view what) {
  return absl::UnimplementedError(absl::string_view(what.data(), what.size()));
}

bool IsInteger(Type type) { return type == Type::kInt4 || type == Type::kInt8; }
bool IsNumber(Type type) { return IsInteger(type) || type == Type::kNumeric; }

const std::string& NameOf(const tree::Node& node) { return node.string().sval(); }

// The last part of a name: `pg_catalog.int4` is `int4`.
template <typename Parts>
std::string_view LastOf(const Parts& parts) {
  return parts.empty() ? std::string_view() : std::string_view(NameOf(*parts.rbegin()));
}

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

// Days since 2000-01-01 of an ISO date.
std::optional<int64_t> ParseDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = ParseInteger(text.substr(0, 4));
  const auto month = ParseInteger(text.substr(5, 2));
  const auto day = ParseInteger(text.substr(8, 2));
  if (!year.has_value() || !month.has_value() || !day.has_value() || *year < 1) return std::nullopt;
  const absl::CivilDay civil(*year, *month, *day);
  if (civil.month() != *month || civil.day() != *day) return std::nullopt;
  return civil - absl::CivilDay(2000, 1, 1);
}

std::optional<DateUnit> UnitOf(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, DateUnit>, 7> kUnits = {{
      {"year", DateUnit::kYear},
      {"quarter", DateUnit::kQuarter},
      {"month", DateUnit::kMonth},
      {"day", DateUnit::kDay},
      {"dow", DateUnit::kDayOfWeek},
      {"isodow", DateUnit::kIsoDayOfWeek},
      {"doy", DateUnit::kDayOfYear},
  }};
  for (const auto& [unit, value] : kUnits) {
    if (unit == name) return value;
  }
  return std::nullopt;
}

std::optional<Op> ComparisonOf(std::string_view name) {
  if (name == "=") return Op::kEqual;
  if (name == "<>") return Op::kNotEqual;
  if (name == "<") return Op::kLess;
  if (name == "<=") return Op::kLessOrEqual;
  if (name == ">") return Op::kGreater;
  if (name == ">=") return Op::kGreaterOrEqual;
  return std::nullopt;
}

// Whether the argument is a call of a function of this name with so many arguments.
const tree::FuncCall* CallOf(const tree::Node& node, std::string_view name, int args) {
  if (!node.has_func_call()) return nullptr;
  const tree::FuncCall& call = node.func_call();
  return LastOf(call.funcname()) == name && call.args_size() == args ? &call : nullptr;
}

// The pattern for RE2, which is PostgreSQL's where both agree on every text; nothing otherwise.
std::optional<std::string> ToRe2(std::string_view pattern) {
  if (pattern.starts_with("***")) return std::nullopt;
  std::string out;
  bool in_brackets = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (static_cast<unsigned char>(c) >= 0x80 || c < ' ') return std::nullopt;
    if (c == '\\') {
      if (std::ispunct(static_cast<unsigned char>(next)) != 0) {
        out += {c, next};
      } else if (next == 'd') {
        out += in_brackets ? "0-9" : "[0-9]";
      } else {
        return std::nullopt;
      }
      ++i;
      continue;
    }
    if (in_brackets) {
      // Classes, collating elements and a bracket as a member are written too differently.
      if (c == '[' || c == '&' || c == '~') return std::nullopt;
      if (c == ']') in_brackets = false;
    } else if (c == '[') {
      in_brackets = true;
      const bool negated = next == '^';
      const std::size_t first = i + (negated ? 2 : 1);
      if (first < pattern.size() && pattern[first] == ']') return std::nullopt;
    } else if (c == '(' && next == '?') {
      if (!pattern.substr(i).starts_with("(?:")) return std::nullopt;
    } else if (c == '{' && (next < '0' || next > '9')) {
      return std::nullopt;
    } else if ((c == '*' || c == '+' || c == '?') && i == 0) {
      return std::nullopt;
    }
    out += c;
  }
  if (in_brackets) return std::nullopt;
  return out;
}

}  // namespace

absl::StatusOr<Interval> ParseInterval(std::string_view text) {
  Interval interval;
  std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(text.data(), text.size()), ' ', absl::SkipEmpty());
  if (parts.empty() || parts.size() % 2 != 0) return Unknown("interval");
  for (std::size_t i = 0; i < parts.size(); i += 2) {
    const std::optional<int64_t> count = ParseInteger(parts[i]);
    std::string unit = parts[i + 1];
    if (unit.ends_with('s')) unit.pop_back();
    if (!count.has_value() || *count > 100'000 || *count < -100'000) return Unknown("interval");
    if (unit == "year") {
      interval.months += 12 * *count;
    } else if (unit == "month" || unit == "mon") {
      interval.months += *count;
    } else if (unit == "week") {
      interval.days += 7 * *count;
    } else if (unit == "day") {
      interval.days += *count;
    } else {
      return Unknown("interval");
    }
  }
  return interval;
}

absl::StatusOr<int> Compiler::Compile(const tree::Node& expression) {
  ASSIGN_OR_RETURN(const Operand operand, Visit(expression));
  if (operand.is_literal) return Coerce(operand, operand.is_null ? Type::kBool : Type::kText);
  return operand.node;
}

Compiler::Result Compiler::Visit(const tree::Node& tree) {
  switch (tree.node_case()) {
    case tree::Node::kAConst:
      return Visit(tree.a_const());
    case tree::Node::kColumnRef:
      return Visit(tree.column_ref());
    case tree::Node::kAExpr:
      return Visit(tree.a_expr());
    case tree::Node::kBoolExpr:
      return Visit(tree.bool_expr());
    case tree::Node::kNullTest:
      return Visit(tree.null_test());
    case tree::Node::kBooleanTest:
      return Visit(tree.boolean_test());
    case tree::Node::kCaseExpr:
      return Visit(tree.case_expr());
    case tree::Node::kCoalesceExpr: {
      ASSIGN_OR_RETURN(Operands args, VisitAll(tree.coalesce_expr().args()));
      return Choice(Op::kCoalesce, std::move(args), 0, 1);
    }
    case tree::Node::kMinMaxExpr: {
      ASSIGN_OR_RETURN(Operands args, VisitAll(tree.min_max_expr().args()));
      const bool least = tree.min_max_expr().op() == tree::MinMaxExpr::LEAST;
      return Choice(least ? Op::kLeast : Op::kGreatest, std::move(args), 0, 1);
    }
    case tree::Node::kTypeCast:
      return Visit(tree.type_cast());
    case tree::Node::kFuncCall:
      return Visit(tree.func_call());
    default:
      return Unknown("syntax");
  }
}

template <typename Nodes>
absl::StatusOr<Compiler::Operands> Compiler::VisitAll(const Nodes& trees) {
  Operands operands;
  for (const tree::Node& tree : trees) {
    ASSIGN_OR_RETURN(Operand operand, Visit(tree));
    operands.push_back(std::move(operand));
  }
  return operands;
}

Compiler::Result Compiler::Visit(const tree::AConst& constant) {
  if (constant.isnull()) return Operand{.is_literal = true, .is_null = true};
  Node node{.op = Op::kConstant};
  switch (constant.val_case()) {
    case tree::AConst::kSval:
      return Operand{.is_literal = true, .text = constant.sval().sval()};
    case tree::AConst::kBoolval:
      node.type = Type::kBool;
      node.number = constant.boolval().boolval() ? 1 : 0;
      break;
    case tree::AConst::kFval: {
      const std::string& text = constant.fval().fval();
      const std::optional<int64_t> integer = ParseInteger(text);
      if (integer.has_value()) {
        // The least int4 is written as one too long and a sign.
        const bool least = *integer == std::numeric_limits<int32_t>::min();
        node.type = least ? Type::kInt4 : Type::kInt8;
        node.number = *integer;
        break;
      }
      ASSIGN_OR_RETURN(const int decimal, Literal(text, Type::kNumeric));
      return Wrap(decimal);
    }
    // A zero is written as nothing.
    case tree::AConst::kIval:
    case tree::AConst::VAL_NOT_SET:
      node.type = Type::kInt4;
      node.number = constant.ival().ival();
      break;
  }
  return Wrap(machine_.Add(std::move(node)));
}

Compiler::Result Compiler::Visit(const tree::ColumnRef& column) {
  std::string name;
  for (const tree::Node& part : column.fields()) {
    if (!name.empty()) name += '.';
    name += NameOf(part);
  }
  const auto it = names_.find(name);
  if (it == names_.end() || it->second.column == nullptr) return Unknown("column");
  const Column& source = *it->second.column;
  Node node{.op = Op::kColumn, .type = source.type};
  node.source = it->second;
  node.depends_on_rows = true;
  if (source.type == Type::kNumeric) {
    node.scale = source.scale;
    node.wide = !source.decimals.empty();
    node.mixed_scales = source.mixed_scales;
    if (machine_.exact_scales_ && source.mixed_scales) return Unknown("scales");
  }
  return Wrap(machine_.Add(std::move(node)));
}

Compiler::Result Compiler::Visit(const tree::AExpr& expression) {
  const std::string_view name = LastOf(expression.name());
  switch (expression.kind()) {
    case tree::AExpr::OP:
      break;
    case tree::AExpr::OP_ANY:
      return AnyOfWords(expression);
    case tree::AExpr::IN:
      return In(expression);
    case tree::AExpr::BETWEEN:
    case tree::AExpr::NOT_BETWEEN:
      return Between(expression);
    case tree::AExpr::LIKE:
      return Pattern(Op::kLike, name == "!~~", false, expression);
    case tree::AExpr::ILIKE:
      return Pattern(Op::kLike, name == "!~~*", true, expression);
    case tree::AExpr::DISTINCT:
    case tree::AExpr::NOT_DISTINCT: {
      ASSIGN_OR_RETURN(Operand left, Visit(expression.lexpr()));
      ASSIGN_OR_RETURN(Operand right, Visit(expression.rexpr()));
      ASSIGN_OR_RETURN(const Operand equal, Compare("=", left, right));
      Node node = at(equal.node);
      node.op = expression.kind() == tree::AExpr::DISTINCT ? Op::kDistinct : Op::kNotDistinct;
      return Make(node.op, Type::kBool, node.args);
    }
    case tree::AExpr::NULLIF: {
      ASSIGN_OR_RETURN(Operands args, VisitAll(std::array{expression.lexpr(), expression.rexpr()}));
      ASSIGN_OR_RETURN(const Type type, CommonType(args));
      ASSIGN_OR_RETURN(int left, Coerce(args[0], type));
      ASSIGN_OR_RETURN(int right, Coerce(args[1], type));
      // The first keeps its scale: only compared at another.
      ASSIGN_OR_RETURN(const Operand equal, Compare("=", Wrap(left), Wrap(right)));
      return Make(Op::kNullIf, type, {left, equal.node});
    }
    default:
      return Unknown("operator");
  }
  if (name == "~" || name == "!~") return Pattern(Op::kMatch, name == "!~", false, expression);
  if (name == "~*" || name == "!~*") return Pattern(Op::kMatch, name == "!~*", true, expression);
  if (name == "&&") return SharesWord(expression);
  if (!expression.has_lexpr()) {
    ASSIGN_OR_RETURN(const Operand operand, Visit(expression.rexpr()));
    if (operand.is_literal || !IsNumber(TypeOf(operand))) return Unknown("sign");
    if (name == "+") return operand;
    if (name != "-") return Unknown("sign");
    return Make(Op::kNegate, TypeOf(operand), {operand.node});
  }
  if (name == "+" || name == "-") {
    const tree::Node& right = expression.rexpr();
    if (right.has_type_cast() && LastOf(right.type_cast().type_name().names()) == "interval") {
      ASSIGN_OR_RETURN(const Operand date, Visit(expression.lexpr()));
      return ShiftDate(name == "+", date, right);
    }
  }
  ASSIGN_OR_RETURN(Operand left, Visit(expression.lexpr()));
  ASSIGN_OR_RETURN(Operand right, Visit(expression.rexpr()));
  if (ComparisonOf(name).has_value()) return Compare(name, std::move(left), std::move(right));
  if (name == "||") {
    const bool texts = (left.is_literal || TypeOf(left) == Type::kText) &&
                       (right.is_literal || TypeOf(right) == Type::kText);
    if (!texts) return Unknown("concatenation");
    ASSIGN_OR_RETURN(const int a, Coerce(left, Type::kText));
    ASSIGN_OR_RETURN(const int b, Coerce(right, Type::kText));
    return Make(Op::kConcatenate, Type::kText, {a, b});
  }
  return Arithmetic(name, left, right);
}

Compiler::Result Compiler::Visit(const tree::BoolExpr& expression) {
  std::vector<int> truths;
  for (const tree::Node& arg : expression.args()) {
    ASSIGN_OR_RETURN(const Operand operand, Visit(arg));
    ASSIGN_OR_RETURN(const int truth, Coerce(operand, Type::kBool));
    truths.push_back(truth);
  }
  switch (expression.boolop()) {
    case tree::BoolExpr::AND:
      return OrAll(Op::kAnd, truths);
    case tree::BoolExpr::OR:
      return OrAll(Op::kOr, truths);
    case tree::BoolExpr::NOT:
      return Not(Wrap(truths.front()));
    default:
      return Unknown("logic");
  }
}

Compiler::Result Compiler::OrAll(Op op, const std::vector<int>& truths) {
  int all = truths.front();
  for (std::size_t i = 1; i < truths.size(); ++i) {
    all = Make(op, Type::kBool, {all, truths[i]}).node;
  }
  return Wrap(all);
}

Compiler::Result Compiler::Not(const Operand& operand) {
  return Make(Op::kNot, Type::kBool, {operand.node});
}

Compiler::Result Compiler::Visit(const tree::NullTest& test) {
  ASSIGN_OR_RETURN(const Operand operand, Visit(test.arg()));
  ASSIGN_OR_RETURN(const int arg, operand.is_literal ? Coerce(operand, Type::kText) : operand.node);
  const bool null = test.nulltesttype() == tree::NullTest::IS_NULL;
  return Make(null ? Op::kIsNull : Op::kIsNotNull, Type::kBool, {arg});
}

Compiler::Result Compiler::Visit(const tree::BooleanTest& test) {
  ASSIGN_OR_RETURN(const Operand operand, Visit(test.arg()));
  ASSIGN_OR_RETURN(const int arg, Coerce(operand, Type::kBool));
  switch (test.booltesttype()) {
    case tree::BooleanTest::IS_TRUE:
      return Make(Op::kIsTrue, Type::kBool, {arg});
    case tree::BooleanTest::IS_NOT_TRUE:
      return Make(Op::kIsNotTrue, Type::kBool, {arg});
    case tree::BooleanTest::IS_FALSE:
      return Make(Op::kIsFalse, Type::kBool, {arg});
    case tree::BooleanTest::IS_NOT_FALSE:
      return Make(Op::kIsNotFalse, Type::kBool, {arg});
    case tree::BooleanTest::IS_UNKNOWN:
      return Make(Op::kIsNull, Type::kBool, {arg});
    case tree::BooleanTest::IS_NOT_UNKNOWN:
      return Make(Op::kIsNotNull, Type::kBool, {arg});
    default:
      return Unknown("truth test");
  }
}

Compiler::Result Compiler::Visit(const tree::CaseExpr& expression) {
  Operands operands;  // condition, value, condition, value, ..., value
  for (const tree::Node& arg : expression.args()) {
    const tree::CaseWhen& when = arg.case_when();
    ASSIGN_OR_RETURN(Operand condition, Visit(when.expr()));
    if (expression.has_arg()) {
      ASSIGN_OR_RETURN(const Operand subject, Visit(expression.arg()));
      ASSIGN_OR_RETURN(condition, Compare("=", subject, condition));
    }
    ASSIGN_OR_RETURN(const int truth, Coerce(condition, Type::kBool));
    ASSIGN_OR_RETURN(Operand value, Visit(when.result()));
    operands.push_back(Wrap(truth));
    operands.push_back(std::move(value));
  }
  if (expression.has_defresult()) {
    ASSIGN_OR_RETURN(Operand value, Visit(expression.defresult()));
    operands.push_back(std::move(value));
  } else {
    operands.push_back({.is_literal = true, .is_null = true});
  }
  return Choice(Op::kCase, std::move(operands), 1, 2);
}

// Values are at first_value, first_value + step, ..., and the last operand is one too.
Compiler::Result Compiler::Choice(Op op, Operands operands, std::size_t first_value,
                                  std::size_t step) {
  std::vector<std::size_t> places;
  for (std::size_t i = first_value; i < operands.size(); i += step) places.push_back(i);
  if (places.empty() || places.back() != operands.size() - 1) places.push_back(operands.size() - 1);
  Operands values;
  for (const std::size_t place : places) values.push_back(operands[place]);
  ASSIGN_OR_RETURN(const Type type, CommonType(values));
  if ((op == Op::kGreatest || op == Op::kLeast) && type == Type::kText &&
      !machine_.bytewise_order_) {
    return Unknown("order of texts");
  }
  std::vector<int> args(operands.size());
  for (std::size_t i = 0; i < operands.size(); ++i) args[i] = operands[i].node;
  std::vector<int*> aligned;
  for (const std::size_t place : places) {
    ASSIGN_OR_RETURN(args[place], Coerce(operands[place], type));
    aligned.push_back(&args[place]);
  }
  if (type == Type::kNumeric) RETURN_IF_ERROR(AlignScales(aligned));
  return Make(op, type, std::move(args));
}

Compiler::Result Compiler::Visit(const tree::TypeCast& cast) {
  const tree::TypeName& type = cast.type_name();
  if (type.typmods_size() != 0 || type.array_bounds_size() != 0) return Unknown("type");
  const std::string_view name = LastOf(type.names());
  ASSIGN_OR_RETURN(const Operand operand, Visit(cast.arg()));
  if (name == "int4") return Cast(operand, Type::kInt4);
  if (name == "int8") return Cast(operand, Type::kInt8);
  if (name == "numeric") return Cast(operand, Type::kNumeric);
  if (name == "text") return Cast(operand, Type::kText);
  if (name == "date") return Cast(operand, Type::kDate);
  if (name == "bool") return Cast(operand, Type::kBool);
  return Unknown("type");
}

Compiler::Result Compiler::Cast(const Operand& operand, Type type) {
  if (operand.is_literal) {
    ASSIGN_OR_RETURN(const int node, Coerce(operand, type));
    return Wrap(node);
  }
  const Type from = TypeOf(operand);
  if (from == type) return operand;
  if (IsInteger(type) && (IsNumber(from) || from == Type::kFloat8)) {
    if (from == Type::kInt4) return Make(Op::kWiden, type, {operand.node});
    return Make(Op::kToInteger, type, {operand.node});
  }
  if (type == Type::kNumeric && IsInteger(from)) {
    return Make(Op::kWiden, type, {operand.node});
  }
  if (type == Type::kDate && from == Type::kMidnight) {
    return Make(Op::kWiden, type, {operand.node});
  }
  return Unknown("cast");
}

Compiler::Result Compiler::Compare(std::string_view name, Operand left, Operand right) {
  const Op op = *ComparisonOf(name);
  if (left.is_literal && right.is_literal) {
    ASSIGN_OR_RETURN(left.node, Coerce(left, Type::kText));
    left.is_literal = false;
  }
  Type type = Type::kText;
  if (left.is_literal || right.is_literal) {
    type = TypeOf(left.is_literal ? right : left);
  } else {
    const Type a = TypeOf(left);
    const Type b = TypeOf(right);
    const auto both = [&](auto test) { return test(a) && test(b); };
    if (a == b) {
      type = a;
    } else if (both(IsNumber)) {
      type = a == Type::kNumeric || b == Type::kNumeric ? Type::kNumeric : Type::kInt8;
    } else if (both([](Type t) { return IsInteger(t) || t == Type::kFloat8; })) {
      type = Type::kFloat8;
    } else if (both([](Type t) { return t == Type::kDate || t == Type::kMidnight; })) {
      type = Type::kMidnight;
    } else {
      return Unknown("comparison");
    }
  }
  const bool ordered = op != Op::kEqual && op != Op::kNotEqual;
  if (type == Type::kText && ordered && !machine_.bytewise_order_) {
    return Unknown("order of texts");
  }
  ASSIGN_OR_RETURN(int a, Coerce(left, type));
  ASSIGN_OR_RETURN(int b, Coerce(right, type));
  if (type == Type::kNumeric) {
    // Only values are compared, so the scales need not be kept.
    if (at(a).wide || at(b).wide) {
      a = Widen(a);
      b = Widen(b);
    } else {
      const int scale = std::max(at(a).scale, at(b).scale);
      ASSIGN_OR_RETURN(a, Rescale(a, scale));
      ASSIGN_OR_RETURN(b, Rescale(b, scale));
    }
  }
  return Make(op, Type::kBool, {a, b});
}

Compiler::Result Compiler::Arithmetic(std::string_view name, const Operand& left,
                                      const Operand& right) {
  if (left.is_literal || right.is_literal) return Unknown("literal");
  const Type a = TypeOf(left);
  const Type b = TypeOf(right);
  if (a == Type::kDate && b == Type::kDate && name == "-") {
    return Make(Op::kSubtract, Type::kInt4, {left.node, right.node});
  }
  if (a == Type::kDate && b == Type::kInt4 && (name == "+" || name == "-")) {
    return Make(name == "+" ? Op::kAdd : Op::kSubtract, Type::kDate, {left.node, right.node});
  }
  if (a == Type::kInt4 && b == Type::kDate && name == "+") {
    return Make(Op::kAdd, Type::kDate, {left.node, right.node});
  }
  if (!IsNumber(a) || !IsNumber(b)) return Unknown("arithmetic");
  Op op = Op::kAdd;
  if (name == "-") {
    op = Op::kSubtract;
  } else if (name == "*") {
    op = Op::kMultiply;
  } else if (name == "/") {
    op = Op::kDivide;
  } else if (name == "%") {
    op = Op::kModulo;
  } else if (name != "+") {
    return Unknown("operator");
  }
  if (a != Type::kNumeric && b != Type::kNumeric) {
    const Type type = a == Type::kInt4 && b == Type::kInt4 ? Type::kInt4 : Type::kInt8;
    return Make(op, type, {left.node, right.node});
  }
  ASSIGN_OR_RETURN(int x, Coerce(left, Type::kNumeric));
  ASSIGN_OR_RETURN(int y, Coerce(right, Type::kNumeric));
  if (op == Op::kDivide && (at(x).mixed_scales || at(y).mixed_scales)) return Unknown("scales");
  const bool wide = at(x).wide || at(y).wide || op == Op::kDivide ||
                    (op == Op::kMultiply && at(x).scale + at(y).scale > 18);
  if (wide) {
    x = Widen(x);
    y = Widen(y);
  } else if (op != Op::kMultiply) {
    const int scale = std::max(at(x).scale, at(y).scale);
    ASSIGN_OR_RETURN(x, Rescale(x, scale));
    ASSIGN_OR_RETURN(y, Rescale(y, scale));
  }
  return Make(op, Type::kNumeric, {x, y});
}

Compiler::Result Compiler::ShiftDate(bool forward, const Operand& date,
                                     const tree::Node& interval) {
  const tree::Node& literal = interval.type_cast().arg();
  if (date.is_literal || interval.type_cast().type_name().typmods_size() != 0 ||
      !literal.has_a_const() || literal.a_const().val_case() != tree::AConst::kSval ||
      (TypeOf(date) != Type::kDate && TypeOf(date) != Type::kMidnight)) {
    return Unknown("interval");
  }
  ASSIGN_OR_RETURN(const Interval shift, ParseInterval(literal.a_const().sval().sval()));
  const int64_t sign = forward ? 1 : -1;
  Operand shifted = date;
  if (shift.months != 0) {
    Node node{.op = Op::kAddMonths, .type = Type::kMidnight, .args = {date.node}};
    node.number = sign * shift.months;
    shifted = Wrap(machine_.Add(std::move(node)));
  }
  Node days{.op = Op::kConstant, .type = Type::kInt4};
  days.number = sign * shift.days;
  const int constant = machine_.Add(std::move(days));
  return Make(Op::kAdd, Type::kMidnight, {shifted.node, constant});
}

absl::StatusOr<std::pair<int, std::string>> Compiler::SplitText(const tree::Node& array) {
  const tree::FuncCall* call = CallOf(array, "string_to_array", 2);
  if (call == nullptr) return Unknown("array");
  ASSIGN_OR_RETURN(const Operand text, Visit(call->args(0)));
  ASSIGN_OR_RETURN(const Operand separator, Visit(call->args(1)));
  if (text.is_literal || TypeOf(text) != Type::kText || !separator.is_literal ||
      separator.is_null || separator.text.empty()) {
    return Unknown("array");
  }
  return std::pair(text.node, separator.text);
}

Compiler::Result Compiler::AnyOfWords(const tree::AExpr& expression) {
  if (LastOf(expression.name()) != "=") return Unknown("array");
  ASSIGN_OR_RETURN(const Operand element, Visit(expression.lexpr()));
  ASSIGN_OR_RETURN(const auto split, SplitText(expression.rexpr()));
  if (!element.is_literal && TypeOf(element) != Type::kText) return Unknown("array");
  ASSIGN_OR_RETURN(const int value, Coerce(element, Type::kText));
  Node node{.op = Op::kHasElement, .type = Type::kBool, .args = {value, split.first}};
  node.text = split.second;
  return Wrap(machine_.Add(std::move(node)));
}

// `string_to_array(...) && ARRAY['a', 'b']`
Compiler::Result Compiler::SharesWord(const tree::AExpr& expression) {
  ASSIGN_OR_RETURN(const auto split, SplitText(expression.lexpr()));
  if (!expression.rexpr().has_a_array_expr()) return Unknown("array");
  ASSIGN_OR_RETURN(const Operands words, VisitAll(expression.rexpr().a_array_expr().elements()));
  std::vector<int> shared;
  for (const Operand& word : words) {
    if (!word.is_literal || word.is_null) return Unknown("array");
    ASSIGN_OR_RETURN(const int value, Coerce(word, Type::kText));
    Node node{.op = Op::kHasElement, .type = Type::kBool, .args = {value, split.first}};
    node.text = split.second;
    shared.push_back(machine_.Add(std::move(node)));
  }
  return shared.empty() ? Result(Unknown("array")) : OrAll(Op::kOr, shared);
}

Compiler::Result Compiler::In(const tree::AExpr& expression) {
  ASSIGN_OR_RETURN(const Operand subject, Visit(expression.lexpr()));
  ASSIGN_OR_RETURN(const Operands values, VisitAll(expression.rexpr().list().items()));
  // The type of all decides how a literal is read.
  Operands all = values;
  all.push_back(subject);
  ASSIGN_OR_RETURN(const Type type, CommonType(all));
  std::vector<int> equal;
  for (const Operand& value : values) {
    Operand typed = value;
    if (value.is_literal) {
      ASSIGN_OR_RETURN(typed.node, Coerce(value, type));
      typed.is_literal = false;
    }
    ASSIGN_OR_RETURN(const Operand each, Compare("=", subject, typed));
    equal.push_back(each.node);
  }
  ASSIGN_OR_RETURN(const Operand any, OrAll(Op::kOr, equal));
  return LastOf(expression.name()) == "<>" ? Not(any) : Result(any);
}

Compiler::Result Compiler::Between(const tree::AExpr& expression) {
  ASSIGN_OR_RETURN(const Operand subject, Visit(expression.lexpr()));
  ASSIGN_OR_RETURN(const Operands bounds, VisitAll(expression.rexpr().list().items()));
  if (bounds.size() != 2) return Unknown("between");
  const bool negated = expression.kind() == tree::AExpr::NOT_BETWEEN;
  ASSIGN_OR_RETURN(const Operand low, Compare(negated ? "<" : ">=", subject, bounds[0]));
  ASSIGN_OR_RETURN(const Operand high, Compare(negated ? ">" : "<=", subject, bounds[1]));
  return Make(negated ? Op::kOr : Op::kAnd, Type::kBool, {low.node, high.node});
}

Compiler::Result Compiler::Pattern(Op op, bool negated, bool fold_case,
                                   const tree::AExpr& expression) {
  ASSIGN_OR_RETURN(const Operand subject, Visit(expression.lexpr()));
  ASSIGN_OR_RETURN(const Operand pattern, Visit(expression.rexpr()));
  if (!pattern.is_literal || pattern.is_null || subject.is_literal ||
      TypeOf(subject) != Type::kText) {
    return Unknown("pattern");
  }
  Node node{.op = op, .type = Type::kBool, .args = {subject.node}};
  node.text = pattern.text;
  node.fold_case = fold_case;
  if (op == Op::kMatch) {
    const std::optional<std::string> translated = ToRe2(pattern.text);
    if (!translated.has_value()) return Unknown("pattern");
    node.text = *translated;
  }
  if (op == Op::kLike && node.text.ends_with('\\')) return Unknown("pattern");
  const Operand match = Wrap(machine_.Add(std::move(node)));
  if (op == Op::kMatch && !machine_.patterns_.contains(match.node)) return Unknown("pattern");
  return negated ? Not(match) : Result(match);
}

Compiler::Result Compiler::DatePart(std::string_view unit, const tree::Node& of, Type type) {
  if (const tree::FuncCall* age = CallOf(of, "age", 2); age != nullptr) {
    if (unit != "year" && unit != "month") return Unknown("unit");
    ASSIGN_OR_RETURN(const Operand to, Visit(age->args(0)));
    ASSIGN_OR_RETURN(const Operand from, Visit(age->args(1)));
    for (const Operand& date : {to, from}) {
      if (date.is_literal || (TypeOf(date) != Type::kDate && TypeOf(date) != Type::kMidnight)) {
        return Unknown("age");
      }
    }
    return Make(unit == "year" ? Op::kAgeYears : Op::kAgeMonths, type, {to.node, from.node});
  }
  ASSIGN_OR_RETURN(const Operand date, Visit(of));
  const std::optional<DateUnit> known = UnitOf(unit);
  if (!known.has_value() || date.is_literal ||
      (TypeOf(date) != Type::kDate && TypeOf(date) != Type::kMidnight)) {
    return Unknown("date part");
  }
  Node node{.op = Op::kDatePart, .type = type, .args = {date.node}};
  node.number = static_cast<int64_t>(*known);
  return Wrap(machine_.Add(std::move(node)));
}

Compiler::Result Compiler::Visit(const tree::FuncCall& call) {
  if (aggregates_ != nullptr) {
    if (const Column* column = aggregates_(call); column != nullptr) {
      Node node{.op = Op::kColumn, .type = column->type};
      node.source = {column, 0};
      node.depends_on_rows = true;
      node.scale = column->scale;
      node.wide = !column->decimals.empty();
      return Wrap(machine_.Add(std::move(node)));
    }
  }
  const std::string_view name = LastOf(call.funcname());
  if (call.has_agg_filter() || call.agg_star() || call.agg_distinct()) return Unknown("aggregate");
  if ((name == "date_part" || name == "extract") && call.args_size() == 2) {
    const tree::Node& unit = call.args(0);
    if (!unit.has_a_const() || unit.a_const().val_case() != tree::AConst::kSval) {
      return Unknown("unit");
    }
    return DatePart(unit.a_const().sval().sval(), call.args(1),
                    name == "extract" ? Type::kNumeric : Type::kFloat8);
  }
  if (name == "cardinality" && call.args_size() == 1) {
    ASSIGN_OR_RETURN(const auto split, SplitText(call.args(0)));
    Node node{.op = Op::kCountElements, .type = Type::kInt4, .args = {split.first}};
    node.text = split.second;
    return Wrap(machine_.Add(std::move(node)));
  }
  ASSIGN_OR_RETURN(const Operands args, VisitAll(call.args()));
  return Call(name, args);
}

Compiler::Result Compiler::Call(std::string_view name, const Operands& args) {
  const auto is = [&](std::size_t i, Type type) {
    return !args[i].is_literal && TypeOf(args[i]) == type;
  };
  const auto texts = [&](std::size_t count) -> absl::StatusOr<std::vector<int>> {
    std::vector<int> nodes;
    if (args.size() < count) return Unknown("arguments");
    for (std::size_t i = 0; i < count; ++i) {
      if (!args[i].is_literal && TypeOf(args[i]) != Type::kText) return Unknown("arguments");
      ASSIGN_OR_RETURN(const int node, Coerce(args[i], Type::kText));
      nodes.push_back(node);
    }
    return nodes;
  };
  const std::size_t count = args.size();
  if (name == "num_nulls" || name == "num_nonnulls") {
    std::vector<int> nodes;
    for (const Operand& arg : args) {
      ASSIGN_OR_RETURN(const int node, arg.is_literal ? Coerce(arg, Type::kText) : arg.node);
      nodes.push_back(node);
    }
    return Make(name == "num_nulls" ? Op::kCountNulls : Op::kCountNonNulls, Type::kInt4, nodes);
  }
  if (name == "make_date" && count == 3) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (!is(i, Type::kInt4)) return Unknown("make_date");
    }
    return Make(Op::kMakeDate, Type::kDate, {args[0].node, args[1].node, args[2].node});
  }
  if (name == "mod" && count == 2) return Arithmetic("%", args[0], args[1]);
  const bool number = count >= 1 && !args[0].is_literal && IsNumber(TypeOf(args[0]));
  if (number && count == 1) {
    const bool numeric = TypeOf(args[0]) == Type::kNumeric;
    if (name == "abs") return Make(Op::kAbs, TypeOf(args[0]), {args[0].node});
    if (numeric && name == "sign") return Make(Op::kSign, Type::kNumeric, {args[0].node});
    if (numeric && name == "floor") return Make(Op::kFloor, Type::kNumeric, {args[0].node});
    if (numeric && (name == "ceil" || name == "ceiling")) {
      return Make(Op::kCeiling, Type::kNumeric, {args[0].node});
    }
  }
  if (number && (name == "round" || name == "trunc") && count <= 2 &&
      TypeOf(args[0]) == Type::kNumeric) {
    int64_t digits = 0;
    if (count == 2) {
      if (args[1].is_literal || at(args[1].node).op != Op::kConstant) return Unknown("round");
      digits = at(args[1].node).number;
    }
    if (digits < 0 || digits > 18) return Unknown("round");
    Node node{.op = name == "round" ? Op::kRound : Op::kTruncate,
              .type = Type::kNumeric,
              .scale = static_cast<int>(digits),
              .wide = at(args[0].node).wide,
              .args = {args[0].node}};
    node.number = digits;
    return Wrap(machine_.Add(std::move(node)));
  }
  if ((name == "length" || name == "char_length" || name == "character_length") && count == 1) {
    ASSIGN_OR_RETURN(const std::vector<int> nodes, texts(1));
    return Make(Op::kLength, Type::kInt4, nodes);
  }
  constexpr std::array<std::pair<std::string_view, Op>, 5> kOfText = {{
      {"lower", Op::kLower},
      {"upper", Op::kUpper},
      {"btrim", Op::kTrim},
      {"ltrim", Op::kTrimLeft},
      {"rtrim", Op::kTrimRight},
  }};
  for (const auto& [function, op] : kOfText) {
    if (name != function || count != 1) continue;
    ASSIGN_OR_RETURN(const std::vector<int> nodes, texts(1));
    return Make(op, Type::kText, nodes);
  }
  if ((name == "left" || name == "right") && count == 2 && is(1, Type::kInt4)) {
    ASSIGN_OR_RETURN(std::vector<int> nodes, texts(1));
    nodes.push_back(args[1].node);
    return Make(name == "left" ? Op::kLeft : Op::kRight, Type::kText, nodes);
  }
  if ((name == "substr" || name == "substring") && (count == 2 || count == 3) &&
      is(1, Type::kInt4) && (count == 2 || is(2, Type::kInt4))) {
    ASSIGN_OR_RETURN(std::vector<int> nodes, texts(1));
    for (std::size_t i = 1; i < count; ++i) nodes.push_back(args[i].node);
    return Make(Op::kSubstring, Type::kText, nodes);
  }
  if (name == "starts_with" && count == 2) {
    ASSIGN_OR_RETURN(const std::vector<int> nodes, texts(2));
    return Make(Op::kStartsWith, Type::kBool, nodes);
  }
  if ((name == "strpos" || name == "position") && count == 2) {
    ASSIGN_OR_RETURN(const std::vector<int> nodes, texts(2));
    return Make(Op::kPosition, Type::kInt4, nodes);
  }
  if (name == "replace" && count == 3) {
    ASSIGN_OR_RETURN(const std::vector<int> nodes, texts(3));
    return Make(Op::kReplace, Type::kText, nodes);
  }
  return Unknown("function");
}

absl::StatusOr<Type> Compiler::CommonType(const Operands& operands) const {
  std::optional<Type> common;
  for (const Operand& operand : operands) {
    if (operand.is_literal) continue;
    const Type type = TypeOf(operand);
    if (!common.has_value() || *common == type) {
      common = type;
    } else if (IsNumber(*common) && IsNumber(type)) {
      common = std::max(*common, type);
    } else if ((*common == Type::kDate && type == Type::kMidnight) ||
               (*common == Type::kMidnight && type == Type::kDate)) {
      common = Type::kMidnight;
    } else {
      return Unknown("types");
    }
  }
  return common.value_or(Type::kText);
}
static_assert(Type::kInt4 < Type::kInt8 && Type::kInt8 < Type::kNumeric);

absl::StatusOr<int> Compiler::Coerce(const Operand& operand, Type type) {
  if (operand.is_literal) return operand.is_null ? Null(type) : Literal(operand.text, type);
  const Type from = TypeOf(operand);
  if (from == type) return operand.node;
  const bool widens = (IsNumber(from) && IsNumber(type) && from < type) ||
                      (from == Type::kDate && type == Type::kMidnight) ||
                      (IsInteger(from) && type == Type::kFloat8);
  if (!widens) return Unknown("type");
  return Make(Op::kWiden, type, {operand.node}).node;
}

int Compiler::Null(Type type) {
  Node node{.op = Op::kConstant, .type = type};
  node.null = true;
  return machine_.Add(std::move(node));
}

absl::StatusOr<int> Compiler::Literal(const std::string& text, Type type) {
  Node node{.op = Op::kConstant, .type = type};
  switch (type) {
    case Type::kText:
      node.text = text;
      break;
    case Type::kInt4:
    case Type::kInt8: {
      const std::optional<int64_t> value = ParseInteger(text);
      if (!value.has_value() || (type == Type::kInt4 && *value != static_cast<int32_t>(*value))) {
        return Unknown("integer");
      }
      node.number = *value;
      break;
    }
    case Type::kDate:
    case Type::kMidnight: {
      const std::optional<int64_t> days = ParseDate(text);
      if (!days.has_value()) return Unknown("date");
      node.number = *days;
      break;
    }
    case Type::kBool:
      if (text != "true" && text != "false" && text != "t" && text != "f") return Unknown("truth");
      node.number = text.starts_with('t') ? 1 : 0;
      break;
    case Type::kNumeric: {
      const bool negative = text.starts_with('-');
      const std::optional<Decimal> value = ParseDecimal(std::string_view(text).substr(negative));
      if (!value.has_value() || value->scale > 18 ||
          value->digits > std::numeric_limits<int64_t>::max()) {
        return Unknown("number");
      }
      node.scale = value->scale;
      node.number = static_cast<int64_t>(negative ? -value->digits : value->digits);
      break;
    }
    case Type::kFloat8:
      return Unknown("number");
  }
  return machine_.Add(std::move(node));
}

absl::StatusOr<int> Compiler::Rescale(int index, int scale) {
  const Node& from = at(index);
  if (from.scale == scale) return index;
  if (scale > 18) return Unknown("scale");
  Node node{.op = Op::kRescale,
            .type = Type::kNumeric,
            .scale = scale,
            .mixed_scales = from.mixed_scales,
            .args = {index}};
  node.number = kPowersOfTen[static_cast<std::size_t>(scale - from.scale)];
  return machine_.Add(std::move(node));
}

absl::Status Compiler::AlignScales(std::vector<int*> nodes) {
  bool wide = false;
  int scale = 0;
  bool same = true;
  for (const int* each : nodes) {
    const Node& each_node = at(*each);
    wide |= each_node.wide;
    // A NULL has no scale.
    if (each_node.op == Op::kConstant && each_node.null) continue;
    same &= each_node.scale == at(*nodes.front()).scale;
    scale = std::max(scale, each_node.scale);
  }
  if (wide || (machine_.exact_scales_ && !same)) {
    for (int* each : nodes) *each = Widen(*each);
    return absl::OkStatus();
  }
  for (int* each : nodes) {
    ASSIGN_OR_RETURN(*each, Rescale(*each, scale));
  }
  return absl::OkStatus();
}

int Compiler::Widen(int node) {
  if (at(node).wide) return node;
  Node widened{.op = Op::kWiden, .type = Type::kNumeric, .wide = true, .args = {node}};
  return machine_.Add(std::move(widened));
}

Compiler::Operand Compiler::Make(Op op, Type type, std::vector<int> args) {
  Node node{.op = op, .type = type, .args = std::move(args)};
  if (type == Type::kNumeric) {
    switch (op) {
      case Op::kMultiply:
        node.wide = at(node.args[0]).wide;
        node.scale = at(node.args[0]).scale + at(node.args[1]).scale;
        break;
      case Op::kDivide:
        node.wide = true;
        break;
      case Op::kCase:  // the last is a value
        node.wide = at(node.args.back()).wide;
        node.scale = at(node.args.back()).scale;
        break;
      case Op::kFloor:
      case Op::kCeiling:
      case Op::kSign:
        node.wide = at(node.args[0]).wide;
        node.scale = 0;
        break;
      case Op::kDatePart:
      case Op::kAgeYears:
      case Op::kAgeMonths:
        break;
      default:
        node.wide = at(node.args[0]).wide;
        node.scale = at(node.args[0]).scale;
    }
    // Where values meet that were written with fewer digits.
    for (const int arg : node.args) {
      node.mixed_scales |= at(arg).op == Op::kRescale || at(arg).mixed_scales;
    }
    if (op == Op::kAdd || op == Op::kSubtract || op == Op::kModulo) {
      node.mixed_scales = at(node.args[0]).mixed_scales || at(node.args[1]).mixed_scales;
    }
  }
  return Wrap(machine_.Add(std::move(node)));
}

}  // namespace edcert::validation_report::columnar
