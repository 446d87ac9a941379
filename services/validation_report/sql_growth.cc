#include "services/validation_report/sql_growth.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "common/status/macros.h"
#include "services/validation_report/sql_guard.h"
#include "services/validation_report/sql_meaning.h"
#include "services/validation_report/sql_parse.h"
#include "services/validation_report/sql_vocabulary.h"

namespace edcert::validation_report {
namespace {

using tree::Node;
using Nodes = google::protobuf::RepeatedPtrField<Node>;

// The columns of a table with the nodes that each stands for, in their order. PostgreSQL itself
// names a column that the author did not: it has the empty name here.
using Columns = std::vector<std::pair<std::string, int64_t>>;
using Tables = absl::flat_hash_map<std::string, Columns>;

// What names may stand for at one place of a query. A name that could be one of several counts as
// the largest.
class Names {
 public:
  void Add(const std::string& table, const Columns& columns) {
    if (!table.empty()) tables_.insert(table);
    for (const auto& [name, nodes] : columns) {
      int64_t& known = nodes_[name];
      known = std::max(known, nodes);
      all_ += nodes;
    }
  }

  int64_t Of(const std::string& name) const {
    const auto found = nodes_.find(name);
    const auto unnamed = nodes_.find("");
    int64_t nodes = std::max<int64_t>(1, found == nodes_.end() ? 0 : found->second);
    if (unnamed != nodes_.end()) nodes = std::max(nodes, unnamed->second);
    // The name of a table is a row of it.
    const bool row = found == nodes_.end() ? !tables_.empty() : tables_.contains(name);
    if (row) nodes = std::max(nodes, all_);
    return nodes;
  }

 private:
  absl::flat_hash_map<std::string, int64_t> nodes_;
  absl::flat_hash_set<std::string> tables_;
  int64_t all_ = 0;
};

// Gives the columns of `alias` their new names, as far as it has some.
void Rename(const Nodes& names, Columns& columns) {
  for (int i = 0; i < names.size() && static_cast<size_t>(i) < columns.size(); ++i) {
    columns[static_cast<size_t>(i)].first = NameOf(names[i]);
  }
}

std::string TargetName(const tree::ResTarget& target) {
  if (!target.name().empty() || !target.val().has_column_ref()) return target.name();
  const tree::ColumnRef& column = target.val().column_ref();
  return NameOf(column.fields(column.fields_size() - 1));
}

int64_t LengthOf(const Node& node) {
  const std::string* text = TextOf(node);
  return text == nullptr ? 0 : static_cast<int64_t>(text->size());
}

class Growth {
 public:
  explicit Growth(const std::map<std::string, std::vector<std::string>>& datasets) {
    for (const auto& [dataset, names] : datasets) {
      for (const std::string& name : names) datasets_[dataset].emplace_back(name, 1);
    }
  }

  // The columns that a query gives. Adds its expressions to the total.
  absl::StatusOr<Columns> Query(const tree::SelectStmt& select, const Names& outer,
                                Tables queries) {
    for (const Node& node : select.with_clause().ctes()) {
      const tree::CommonTableExpr& with = node.common_table_expr();
      ASSIGN_OR_RETURN(Columns columns, Query(with.ctequery().select_stmt(), outer, queries));
      Rename(with.aliascolnames(), columns);
      queries[with.ctename()] = std::move(columns);
    }
    if (select.op() != tree::SelectStmt::NONE) return Union(select, outer, queries);
    Names names = outer;
    for (const Node& from : select.from_clause()) RETURN_IF_ERROR(From(from, queries, names));
    Columns columns;
    for (const Node& node : select.target_list()) {
      const tree::ResTarget& target = node.res_target();
      ASSIGN_OR_RETURN(const int64_t nodes, Count(target.val(), names, queries));
      columns.emplace_back(TargetName(target), nodes);
    }
    if (select.has_where_clause()) {
      RETURN_IF_ERROR(Count(select.where_clause(), names, queries).status());
    }
    for (const Node& group : select.group_clause()) {
      RETURN_IF_ERROR(Count(group, names, queries).status());
    }
    if (select.has_having_clause()) {
      RETURN_IF_ERROR(Count(select.having_clause(), names, queries).status());
    }
    return columns;
  }

  // The nodes of one expression, added to the total.
  absl::StatusOr<int64_t> Count(const Node& expression, const Names& names, const Tables& queries) {
    ASSIGN_OR_RETURN(const int64_t nodes, NodesOf(expression, names, queries));
    total_ += nodes;
    if (total_ > kMaxWrittenOut) {
      return Refuse("more than 5000 nodes when the names are written out", 0);
    }
    return nodes;
  }

 private:
  absl::StatusOr<Columns> Union(const tree::SelectStmt& select, const Names& outer,
                                const Tables& queries) {
    ASSIGN_OR_RETURN(Columns columns, Query(select.larg(), outer, queries));
    ASSIGN_OR_RETURN(const Columns others, Query(select.rarg(), outer, queries));
    for (size_t i = 0; i < columns.size() && i < others.size(); ++i) {
      columns[i].second = std::max(columns[i].second, others[i].second);
    }
    return columns;
  }

  absl::Status From(const Node& node, const Tables& queries, Names& names) {
    if (node.has_range_var()) {
      const tree::RangeVar& table = node.range_var();
      const auto query = queries.find(table.relname());
      Add(query == queries.end() ? datasets_[table.relname()] : query->second, table.relname(),
          table.alias(), names);
    } else if (node.has_join_expr()) {
      RETURN_IF_ERROR(From(node.join_expr().larg(), queries, names));
      RETURN_IF_ERROR(From(node.join_expr().rarg(), queries, names));
      if (node.join_expr().has_quals())
        return Count(node.join_expr().quals(), names, queries).status();
    } else if (node.has_range_subselect()) {
      const tree::RangeSubselect& subselect = node.range_subselect();
      ASSIGN_OR_RETURN(Columns columns, Query(subselect.subquery().select_stmt(), names, queries));
      Add(std::move(columns), "", subselect.alias(), names);
    } else if (node.has_range_function()) {
      const tree::RangeFunction& range = node.range_function();
      const tree::FuncCall& call = range.functions(0).list().items(0).func_call();
      ASSIGN_OR_RETURN(const int64_t nodes, Count(call.args(0), names, queries));
      const std::string& alias = range.alias().aliasname();
      Add({{alias.empty() ? "unnest" : alias, nodes}}, "", range.alias(), names);
    }
    return absl::OkStatus();
  }

  static void Add(Columns columns, const std::string& table, const tree::Alias& alias,
                  Names& names) {
    Rename(alias.colnames(), columns);
    names.Add(alias.aliasname().empty() ? table : alias.aliasname(), columns);
  }

  absl::StatusOr<int64_t> NodesOf(const Nodes& nodes, const Names& names, const Tables& queries) {
    int64_t sum = 0;
    for (const Node& node : nodes) {
      ASSIGN_OR_RETURN(const int64_t each, NodesOf(node, names, queries));
      sum += each;
    }
    return sum;
  }

  absl::StatusOr<int64_t> NodesOf(const Node& node, const Names& names, const Tables& queries) {
    switch (node.node_case()) {
      case Node::kColumnRef:
        return names.Of(NameOf(node.column_ref().fields(node.column_ref().fields_size() - 1)));
      case Node::kFuncCall:
        return NodesOfCall(node.func_call(), names, queries);
      case Node::kSubLink:
        return NodesOfSubLink(node.sub_link(), names, queries);
      default:
        break;
    }
    // Whatever else an expression is, it has each of its parts once.
    int64_t sum = 1;
    const auto add = [&](const auto& part) -> absl::Status {
      ASSIGN_OR_RETURN(const int64_t each, NodesOf(part, names, queries));
      sum += each;
      return absl::OkStatus();
    };
    switch (node.node_case()) {
      case Node::kBoolExpr:
        RETURN_IF_ERROR(add(node.bool_expr().args()));
        break;
      case Node::kCaseExpr:
        if (node.case_expr().has_arg()) RETURN_IF_ERROR(add(node.case_expr().arg()));
        RETURN_IF_ERROR(add(node.case_expr().args()));
        if (node.case_expr().has_defresult()) RETURN_IF_ERROR(add(node.case_expr().defresult()));
        break;
      case Node::kCaseWhen:
        RETURN_IF_ERROR(add(node.case_when().expr()));
        RETURN_IF_ERROR(add(node.case_when().result()));
        break;
      case Node::kCoalesceExpr:
        RETURN_IF_ERROR(add(node.coalesce_expr().args()));
        break;
      case Node::kMinMaxExpr:
        RETURN_IF_ERROR(add(node.min_max_expr().args()));
        break;
      case Node::kNullTest:
        RETURN_IF_ERROR(add(node.null_test().arg()));
        break;
      case Node::kBooleanTest:
        RETURN_IF_ERROR(add(node.boolean_test().arg()));
        break;
      case Node::kAExpr:
        if (node.a_expr().has_lexpr()) RETURN_IF_ERROR(add(node.a_expr().lexpr()));
        RETURN_IF_ERROR(add(node.a_expr().rexpr()));
        break;
      case Node::kList:
        RETURN_IF_ERROR(add(node.list().items()));
        break;
      case Node::kAArrayExpr:
        RETURN_IF_ERROR(add(node.a_array_expr().elements()));
        break;
      case Node::kTypeCast:
        RETURN_IF_ERROR(add(node.type_cast().arg()));
        break;
      default:
        break;
    }
    return sum;
  }

  absl::StatusOr<int64_t> NodesOfCall(const tree::FuncCall& call, const Names& names,
                                      const Tables& queries) {
    ASSIGN_OR_RETURN(int64_t sum, NodesOf(call.args(), names, queries));
    if (call.has_agg_filter()) {
      ASSIGN_OR_RETURN(const int64_t filter, NodesOf(call.agg_filter(), names, queries));
      sum += filter;
    }
    const std::string& name = NameOf(call.funcname(call.funcname_size() - 1));
    if (name == "concat_ws") {
      // The separator stands between all the others.
      ASSIGN_OR_RETURN(const int64_t separator, NodesOf(call.args(0), names, queries));
      sum += separator * call.args_size();
    }
    // What is put in for each character: the last arguments, which are literals.
    const int first = name == "replace" || name == "regexp_replace" ? 2 : 1;
    if (first == 2 || name == "array_to_string") {
      int64_t length = 1;
      for (int i = first; i < call.args_size(); ++i) length += LengthOf(call.args(i));
      sum *= length;
    }
    return sum + 1;
  }

  absl::StatusOr<int64_t> NodesOfSubLink(const tree::SubLink& link, const Names& names,
                                         const Tables& queries) {
    int64_t sum = 1;
    if (link.has_testexpr()) {
      ASSIGN_OR_RETURN(const int64_t test, NodesOf(link.testexpr(), names, queries));
      sum += test;
    }
    // The whole query is a part of the expression.
    const int64_t before = std::exchange(total_, 0);
    RETURN_IF_ERROR(Query(link.subselect().select_stmt(), names, queries).status());
    return sum + std::exchange(total_, before);
  }

  Tables datasets_;
  int64_t total_ = 0;
};

}  // namespace

absl::Status CheckGrowth(const tree::SelectStmt& query,
                         const std::map<std::string, std::vector<std::string>>& datasets) {
  return Growth(datasets).Query(query, {}, {}).status();
}

absl::Status CheckGrowth(const Node& expression, const std::map<std::string, Node>& named) {
  Columns columns;
  for (const auto& [name, node] : named) {
    ASSIGN_OR_RETURN(const int64_t nodes, Growth({}).Count(node, {}, {}));
    columns.emplace_back(name, nodes);
  }
  Names names;
  names.Add("", columns);
  return Growth({}).Count(expression, names, {}).status();
}

}  // namespace edcert::validation_report
