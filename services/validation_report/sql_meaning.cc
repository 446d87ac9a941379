#include "services/validation_report/sql_meaning.h"

#include <algorithm>
#include <vector>

#include "common/status/macros.h"
#include "services/validation_report/sql_literal.h"
#include "services/validation_report/sql_parse.h"
#include "services/validation_report/sql_vocabulary.h"

namespace edcert::validation_report {
namespace {

using tree::Node;

// Visits every node. `Visit*` give the first refusal.
class MeaningCheck {
 public:
  MeaningCheck(std::string_view text, int prefix, Mode mode, const Scope& scope)
      : text_(text), prefix_(prefix), mode_(mode), scope_(scope) {}

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
      if (!IsIdentifier(NameOf(field))) return Refuse("a column with this name", position);
      parts.push_back(NameOf(field));
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
    const std::string name = NameOf(expr.name(0));
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

  // With texts instead of numbers it looks for a pattern: a literal will do, unless it is one of
  // SQL with its escape. What could be a text, as a column, must be cast to be a number.
  absl::Status CheckPlaces(const tree::FuncCall& call, int position) {
    if (call.args_size() == 2 && TextOf(call.args(1)) != nullptr) {
      return CheckPattern(call.args(1), position);
    }
    for (int i = 1; i < call.args_size(); ++i) {
      if (!IsNumber(call.args(i))) return Refuse("a pattern that is not a literal", position);
    }
    return absl::OkStatus();
  }

  // Whether an expression is a number by its form.
  static bool IsNumber(const Node& node) {
    const auto all = [](const auto& nodes) {
      return std::all_of(nodes.begin(), nodes.end(),
                         [](const Node& each) { return IsNumber(each); });
    };
    switch (node.node_case()) {
      case Node::kAConst:
        return node.a_const().has_ival() || node.a_const().has_fval();
      case Node::kAExpr:
        return node.a_expr().kind() == tree::AExpr::OP &&
               Contains(kArithmetic, NameOf(node.a_expr().name(0)));
      case Node::kTypeCast: {
        const tree::TypeName& type = node.type_cast().type_name();
        return Contains(kNumberTypes, NameOf(type.names(type.names_size() - 1))) &&
               type.array_bounds_size() == 0;
      }
      case Node::kFuncCall:
        return Contains(kCounts,
                        NameOf(node.func_call().funcname(node.func_call().funcname_size() - 1)));
      case Node::kCoalesceExpr:
        return all(node.coalesce_expr().args());
      case Node::kMinMaxExpr:
        return all(node.min_max_expr().args());
      default:
        return false;
    }
  }

  absl::Status VisitCall(const tree::FuncCall& call) {
    const int position = At(call.location());
    const bool syntax = call.funcformat() == tree::FuncCall::SQL_SYNTAX;
    const int parts = call.funcname_size();
    // Only the parser itself may say pg_catalog, where it stands for SQL's own syntax.
    if (parts != (syntax ? 2 : 1)) return Refuse("a function with a schema", position);
    const std::string name = NameOf(call.funcname(parts - 1));
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
    if (function.check == Check::kPlaces) RETURN_IF_ERROR(CheckPlaces(call, position));
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
    if (parts == 0 || parts > 2 || (parts == 2 && NameOf(type.names(0)) != "pg_catalog")) {
      return Refuse("a type with a schema", position);
    }
    const std::string name = NameOf(type.names(parts - 1));
    if (!Contains(kTypes, name)) return Refuse(Quoted("the type", name), position);
    const bool sized = name == "numeric" || name == "varchar" || name == "bpchar";
    if (type.typmods_size() > (sized ? 2 : 0) || type.array_bounds_size() > 1) {
      return Refuse(Quoted("this form of the type", name), position);
    }
    for (const Node& size : type.typmods()) {
      if (!size.a_const().has_ival()) return Refuse("a size that is no number", position);
      // The one type that fills up with blanks.
      if (name == "bpchar" && size.a_const().ival().ival() > kMaxPadding) {
        return Refuse("a length of more than 100", position);
      }
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
    const bool joined = arg.has_a_expr() && NameOf(arg.a_expr().name(0)) == "||";
    bool made = false;
    if (arg.has_func_call() && arg.func_call().funcname_size() == 1) {
      const std::string function = NameOf(arg.func_call().funcname(0));
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
        (link.oper_name_size() == 1 && !Contains(kComparisons, NameOf(link.oper_name(0))))) {
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
        if (!scope_.columns.contains(NameOf(column))) {
          return Refuse(Quoted("an unknown column", NameOf(column)), 0);
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
    if (call.funcname_size() != 1 || NameOf(call.funcname(0)) != "unnest" ||
        call.args_size() != 1 || call.has_agg_filter() || call.agg_star() || call.agg_distinct()) {
      return Refuse("a function that gives rows", At(call.location()));
    }
    return VisitExpression(call.args(0));
  }

  std::string_view text_;
  int prefix_;
  Mode mode_;
  const Scope& scope_;
  bool in_aggregate_ = false;
  bool has_aggregate_ = false;
  bool growing_ = false;
};

}  // namespace

absl::StatusOr<bool> CheckMeaning(const Node& expression, std::string_view text, int prefix,
                                  Mode mode, const Scope& scope) {
  MeaningCheck check(text, prefix, mode, scope);
  RETURN_IF_ERROR(check.VisitExpression(expression));
  return check.has_aggregate();
}

absl::Status CheckMeaning(const tree::SelectStmt& query, std::string_view text,
                          const Scope& scope) {
  return MeaningCheck(text, 0, Mode::kQuery, scope).VisitSelect(query);
}

const std::string* TextOf(const Node& node) {
  if (node.has_type_cast()) {
    const tree::TypeName& type = node.type_cast().type_name();
    const bool text =
        type.names_size() == 1 && NameOf(type.names(0)) == "text" && type.array_bounds_size() == 0;
    return text ? TextOf(node.type_cast().arg()) : nullptr;
  }
  if (node.has_a_const() && node.a_const().has_sval()) return &node.a_const().sval().sval();
  return nullptr;
}

const std::string& NameOf(const Node& node) { return node.string().sval(); }

}  // namespace edcert::validation_report
