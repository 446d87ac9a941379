#include "services/validation_report/rule_compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/errors.h"
#include "services/validation_report/sql_guard.h"

namespace edcert::validation_report {
namespace {

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

absl::Status Refused(std::string_view field, const absl::Status& refusal) {
  const Refusal why = RefusalOf(refusal);
  return RuleNotAllowed(field, why.what, why.position);
}

// What stands where the texts name parameters: `values`, else the defaults.
Parameters ParametersOf(const std::vector<Parameter>& parameters, const ValuesByName& values) {
  Parameters out;
  for (const Parameter& each : parameters) {
    const auto value = values.find(each.name);
    out.values[each.name] = {each.type, value == values.end() ? each.default_value : value->second};
  }
  return out;
}

absl::Status NeedColumns(const Definition& definition, const std::vector<std::string>& columns,
                         std::string_view field) {
  for (const std::string& column : columns) {
    if (definition.Find(column) == nullptr) {
      return status::FieldInvalid(
          field, fmt::format("datasets/{} has no column {}", definition.id, column));
    }
  }
  return absl::OkStatus();
}

// Compiles the part of a rule that differs between the kinds. Afterwards `nameable` holds the
// columns that fields and message may name.
struct Compiler {
  const Definitions& definitions;
  CompiledRule& rule;
  std::vector<std::string>& nameable;
  Parameters& parameters;

  absl::StatusOr<std::string> Check(std::string_view field, std::string_view expression,
                                    const std::vector<std::string>& columns) {
    absl::StatusOr<std::string> checked = CheckExpression(expression, columns, &parameters);
    if (!checked.ok()) return Refused(field, checked.status());
    return checked;
  }

  const Definition& primary() const { return definitions.at(rule.dataset()); }

  // Which rows of the primary dataset take part; all when it is empty.
  absl::Status CheckCondition(std::string_view field, std::string_view condition) {
    if (condition.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(rule.expression, Check(field, condition, primary().ColumnNames()));
    return absl::OkStatus();
  }

  absl::Status operator()(const std::monostate&) {
    return status::FieldInvalid("rule.kind", "required");
  }

  absl::Status operator()(const RowRule& row) {
    ASSIGN_OR_RETURN(rule.expression,
                     Check("rule.row.expression", row.expression, primary().ColumnNames()));
    return absl::OkStatus();
  }

  absl::Status operator()(const UniqueRule& unique) {
    RETURN_IF_ERROR(NeedColumns(primary(), unique.columns, "rule.unique.columns"));
    return CheckCondition("rule.unique.condition", unique.condition);
  }

  absl::Status operator()(const ReferenceRule& reference) {
    const Definition& other = definitions.at(reference.dataset);
    RETURN_IF_ERROR(NeedColumns(primary(), reference.columns, "rule.reference.columns"));
    RETURN_IF_ERROR(NeedColumns(other, reference.other_columns, "rule.reference.other_columns"));
    if (reference.condition.empty()) return absl::OkStatus();
    std::vector<std::string> columns;
    for (const Column& column : primary().columns) columns.push_back("this." + column.name);
    for (const Column& column : other.columns) columns.push_back("other." + column.name);
    ASSIGN_OR_RETURN(rule.expression,
                     Check("rule.reference.condition", reference.condition, columns));
    return absl::OkStatus();
  }

  absl::Status operator()(const OverlapRule& overlap) {
    RETURN_IF_ERROR(
        NeedColumns(primary(), overlap.partition_columns, "rule.overlap.partition_columns"));
    for (const auto& [column, field] : {std::pair(overlap.from_column, "rule.overlap.from_column"),
                                        std::pair(overlap.to_column, "rule.overlap.to_column")}) {
      RETURN_IF_ERROR(NeedColumns(primary(), {column}, field));
      if (primary().Find(column)->type != ColumnType::kDate) {
        return status::FieldInvalid(field, "must be a date column");
      }
    }
    return CheckCondition("rule.overlap.condition", overlap.condition);
  }

  absl::Status operator()(const AggregateRule& aggregate) {
    RETURN_IF_ERROR(
        NeedColumns(primary(), aggregate.group_columns, "rule.aggregate.group_columns"));
    nameable = aggregate.group_columns;
    std::map<std::string, std::string> named;
    for (const AggregateRule::Aggregate& each : aggregate.aggregates) {
      absl::StatusOr<std::string> checked =
          CheckAggregate(each.expression, primary().ColumnNames(), &parameters);
      if (!checked.ok()) {
        return Refused("rule.aggregate.aggregates.expression", checked.status());
      }
      named[each.name] = *checked;
      rule.aggregates.push_back(*std::move(checked));
      nameable.push_back(each.name);
    }
    ASSIGN_OR_RETURN(rule.expression,
                     Check("rule.aggregate.expression", aggregate.expression, nameable));
    const absl::Status size = CheckWrittenOut(rule.expression, named);
    return size.ok() ? size : Refused("rule.aggregate.expression", size);
  }

  absl::Status operator()(const QueryRule& query) {
    std::map<std::string, std::vector<std::string>> datasets;
    for (const std::string& id : rule.content.datasets) {
      datasets[id] = definitions.at(id).ColumnNames();
      datasets[id].emplace_back("record_key");
    }
    absl::StatusOr<CheckedQuery> checked = CheckQuery(query.sql, datasets, &parameters);
    if (!checked.ok()) return Refused("rule.query.sql", checked.status());
    if (!Contains(checked->columns, "record_key")) {
      return RuleNotAllowed("rule.query.sql", "a query without the column record_key", 0);
    }
    rule.query = std::move(checked->sql);
    rule.query_columns = std::move(checked->columns);
    nameable.insert(nameable.end(), rule.query_columns.begin(), rule.query_columns.end());
    return absl::OkStatus();
  }
};

}  // namespace

absl::Status CheckValues(const std::vector<Parameter>& parameters, const ValuesByName& values,
                         std::string_view field) {
  for (const auto& [name, value] : values) {
    const auto it = std::find_if(parameters.begin(), parameters.end(),
                                 [&name](const Parameter& each) { return each.name == name; });
    if (it == parameters.end()) return status::FieldInvalid(field, "no parameter of the rule");
    if (!IsValueOf(it->type, value)) {
      return status::FieldInvalid(field, fmt::format("no value of the parameter {}", name));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<CompiledRule> CompileRule(const std::string& id, int version,
                                         const RuleContent& content, const Definitions& definitions,
                                         const ValuesByName& values) {
  for (const std::string& dataset : content.datasets) {
    if (!definitions.contains(dataset)) {
      return status::FieldInvalid("rule.datasets", fmt::format("no datasets/{}", dataset));
    }
  }
  CompiledRule rule{.id = id, .version = version, .content = content};
  std::vector<std::string> nameable = definitions.at(content.dataset()).ColumnNames();
  RETURN_IF_ERROR(CheckValues(content.parameters, values, "parameter_values"));
  Parameters parameters = ParametersOf(content.parameters, values);
  RETURN_IF_ERROR(std::visit(Compiler{definitions, rule, nameable, parameters}, content.kind));
  for (std::size_t i = 0; i < content.parameters.size(); ++i) {
    if (!parameters.used.contains(content.parameters[i].name)) {
      return status::FieldInvalid(fmt::format("rule.parameters[{}].name", i),
                                  "no expression uses it");
    }
  }

  for (const std::string& field : content.fields) {
    if (!Contains(nameable, field)) {
      return status::FieldInvalid("rule.fields", fmt::format("no column {}", field));
    }
    rule.outputs.push_back(field);
  }
  for (const std::string& column : ColumnsOfMessage(content.message)) {
    if (!Contains(nameable, column)) {
      return status::FieldInvalid("rule.message", fmt::format("no column {}", column));
    }
    if (!Contains(rule.outputs, column)) rule.outputs.push_back(column);
  }
  for (std::size_t i = 0; i < content.fixtures.size(); ++i) {
    RETURN_IF_ERROR(CheckValues(content.parameters, content.fixtures[i].parameter_values,
                                fmt::format("rule.fixtures[{}].parameter_values", i)));
    for (const Fixture::Row& row : content.fixtures[i].rows) {
      for (const auto& [column, value] : row.values) {
        RETURN_IF_ERROR(NeedColumns(definitions.at(row.dataset), {column},
                                    fmt::format("rule.fixtures[{}].rows.values", i)));
      }
    }
  }
  return rule;
}

}  // namespace edcert::validation_report
