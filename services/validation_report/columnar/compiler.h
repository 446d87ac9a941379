// From the parse tree of an expression to the nodes of a machine: what PostgreSQL does when it
// resolves operators, functions and types.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/validation_report/columnar/machine.h"
#include "services/validation_report/sql_tree.pb.h"

namespace edcert::validation_report::columnar {

class Compiler {
 public:
  Compiler(Machine& machine, const Names& names, const AggregateColumns& aggregates)
      : machine_(machine), names_(names), aggregates_(aggregates) {}

  // The node of an expression that is no bare text literal.
  absl::StatusOr<int> Compile(const tree::Node& expression);

 private:
  // A part on its way: a node, or a literal whose type its neighbours decide.
  struct Operand {
    int node = -1;
    bool is_literal = false;
    bool is_null = false;  // the literal NULL
    std::string text = {};
  };
  using Operands = std::vector<Operand>;
  using Result = absl::StatusOr<Operand>;
  using Node = Machine::Node;

  Result Visit(const tree::Node& tree);
  Result Visit(const tree::AConst& constant);
  Result Visit(const tree::ColumnRef& column);
  Result Visit(const tree::AExpr& expression);
  Result Visit(const tree::BoolExpr& expression);
  Result Visit(const tree::NullTest& test);
  Result Visit(const tree::BooleanTest& test);
  Result Visit(const tree::CaseExpr& expression);
  Result Visit(const tree::TypeCast& cast);
  Result Visit(const tree::FuncCall& call);
  template <typename Nodes>
  absl::StatusOr<Operands> VisitAll(const Nodes& trees);

  Result Compare(std::string_view name, Operand left, Operand right);
  Result Arithmetic(std::string_view name, const Operand& left, const Operand& right);
  Result ShiftDate(bool forward, const Operand& date, const tree::Node& interval);
  Result AnyOfWords(const tree::AExpr& expression);
  Result SharesWord(const tree::AExpr& expression);
  // The text and the separator of `string_to_array(text, 'separator')`.
  absl::StatusOr<std::pair<int, std::string>> SplitText(const tree::Node& array);
  Result In(const tree::AExpr& expression);
  Result Between(const tree::AExpr& expression);
  Result Pattern(Op op, bool negated, bool fold_case, const tree::AExpr& expression);
  Result DatePart(std::string_view unit, const tree::Node& of, Type type);
  Result Choice(Op op, Operands operands, std::size_t first_value, std::size_t step);
  Result Call(std::string_view name, const Operands& args);
  Result Cast(const Operand& operand, Type type);
  Result Not(const Operand& operand);
  Result OrAll(Op op, const std::vector<int>& truths);

  // Operands as nodes of one type. `types` of literals follow the others.
  absl::StatusOr<Type> CommonType(const Operands& operands) const;
  absl::StatusOr<int> Coerce(const Operand& operand, Type type);
  absl::StatusOr<int> Literal(const std::string& text, Type type);
  // Numerics at one scale, or each with its own.
  absl::StatusOr<int> Rescale(int node, int scale);
  absl::Status AlignScales(std::vector<int*> nodes);
  int Widen(int node);
  int Null(Type type);

  Operand Make(Op op, Type type, std::vector<int> args);
  Operand Wrap(int node) const { return {.node = node}; }
  const Node& at(int node) const { return machine_.nodes_[static_cast<std::size_t>(node)]; }
  Type TypeOf(const Operand& operand) const { return at(operand.node).type; }

  Machine& machine_;
  const Names& names_;
  const AggregateColumns& aggregates_;
};

// What `interval '...'` means when it has whole months and days only.
struct Interval {
  int64_t months = 0;
  int64_t days = 0;
};
absl::StatusOr<Interval> ParseInterval(std::string_view text);

// The units of date_part that are whole numbers of a date.
enum class DateUnit : int64_t {
  kYear,
  kQuarter,
  kMonth,
  kDay,
  kDayOfWeek,
  kIsoDayOfWeek,
  kDayOfYear
};

}  // namespace edcert::validation_report::columnar
