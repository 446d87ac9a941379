// The checks run in this order: bytes and words (sql_words), unknown nodes and size (sql_size),
// then, with the values of parameters in their places (sql_parameter), meaning node by node
// (sql_meaning). Each later step may rely on the earlier ones.

#include "services/validation_report/sql_guard.h"

#include <algorithm>
#include <set>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "common/status/macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "services/validation_report/sql_growth.h"
#include "services/validation_report/sql_meaning.h"
#include "services/validation_report/sql_parse.h"
#include "services/validation_report/sql_size.h"
#include "services/validation_report/sql_vocabulary.h"
#include "services/validation_report/sql_words.h"

namespace edcert::validation_report {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using tree::Node;

constexpr std::string_view kSelect = "SELECT ";

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
      const std::string name = NameOf(type.names(type.names_size() - 1));
      return name == "bool" || name == "boolean";
    }
    case Node::kAExpr:
      if (node.a_expr().kind() == tree::AExpr::NULLIF) return false;
      return node.a_expr().kind() != tree::AExpr::OP ||
             Contains(kTruthOperators, NameOf(node.a_expr().name(0)));
    case Node::kFuncCall: {
      const tree::FuncCall& call = node.func_call();
      const std::string name = NameOf(call.funcname(call.funcname_size() - 1));
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

// Parses the author's text after `prefix`, checks all but its meaning and fills in the parameters.
absl::StatusOr<tree::ParseResult> ParseAuthored(std::string_view text, std::string_view prefix,
                                                Parameters* parameters) {
  RETURN_IF_ERROR(CheckBytes(text));
  RETURN_IF_ERROR(CheckWords(std::string(text)));
  std::string sql(prefix);
  sql.append(text);
  ASSIGN_OR_RETURN(tree::ParseResult parsed, ParseSql(sql, prefix.size()));
  RETURN_IF_ERROR(CheckSize(parsed, text, static_cast<int>(prefix.size())));
  if (parsed.stmts_size() != 1) return Refuse("more or less than one statement", 0);
  if (!parsed.stmts(0).stmt().has_select_stmt()) {
    return Refuse("a statement other than SELECT", 0);
  }
  Parameters none;
  RETURN_IF_ERROR(ReplaceParameters(parsed, text, static_cast<int>(prefix.size()),
                                    parameters == nullptr ? none : *parameters));
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
                                     const std::vector<std::string>& columns, Mode mode,
                                     Parameters* parameters) {
  ASSIGN_OR_RETURN(const tree::ParseResult parsed, ParseAuthored(expression, kSelect, parameters));
  const Node* root = OnlyExpression(parsed.stmts(0).stmt().select_stmt());
  if (root == nullptr) return Refuse("anything but one expression", 0);
  Scope scope;
  scope.columns.insert(columns.begin(), columns.end());
  ASSIGN_OR_RETURN(const bool has_aggregate,
                   CheckMeaning(*root, expression, static_cast<int>(kSelect.size()), mode, scope));
  if (mode == Mode::kAggregate && !has_aggregate) {
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
    for (const Node& column : alias.colnames()) RETURN_IF_ERROR(take(NameOf(column), columns));
  } else if (type == "CommonTableExpr") {
    const auto& cte = static_cast<const tree::CommonTableExpr&>(message);
    RETURN_IF_ERROR(take(cte.ctename(), queries));
    for (const Node& column : cte.aliascolnames()) RETURN_IF_ERROR(take(NameOf(column), columns));
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
      name = NameOf(column.fields(column.fields_size() - 1));
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
                                            const std::vector<std::string>& columns,
                                            Parameters* parameters) {
  return CheckOne(expression, columns, Mode::kExpression, parameters);
}

absl::StatusOr<std::string> CheckAggregate(std::string_view expression,
                                           const std::vector<std::string>& columns,
                                           Parameters* parameters) {
  return CheckOne(expression, columns, Mode::kAggregate, parameters);
}

absl::Status CheckWrittenOut(std::string_view expression,
                             const std::map<std::string, std::string>& named) {
  std::map<std::string, Node> nodes;
  for (const auto& [name, text] : named) {
    ASSIGN_OR_RETURN(nodes[name], ParseExpression(text));
  }
  ASSIGN_OR_RETURN(const Node root, ParseExpression(expression));
  return CheckGrowth(root, nodes);
}

absl::StatusOr<CheckedQuery> CheckQuery(
    std::string_view sql, const std::map<std::string, std::vector<std::string>>& datasets,
    Parameters* parameters) {
  ASSIGN_OR_RETURN(const tree::ParseResult parsed, ParseAuthored(sql, "", parameters));
  const tree::SelectStmt& select = parsed.stmts(0).stmt().select_stmt();
  std::set<std::string> columns;
  std::set<std::string> tables;
  std::set<std::string> queries;
  RETURN_IF_ERROR(CollectNames(select, columns, tables, queries));
  if (tables.contains(std::string(kParameterQualifier)) ||
      queries.contains(std::string(kParameterQualifier))) {
    return Refuse("a table that is called parameter", 0);
  }
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
  RETURN_IF_ERROR(CheckMeaning(select, sql, scope));
  RETURN_IF_ERROR(CheckGrowth(select, datasets));
  CheckedQuery checked;
  ASSIGN_OR_RETURN(checked.columns, ResultColumns(select));
  ASSIGN_OR_RETURN(checked.sql, PrintChecked(parsed));
  return checked;
}

}  // namespace edcert::validation_report
