#include "services/validation_report/rule_sql.h"

#include <fmt/format.h>

#include <algorithm>

namespace edcert::validation_report {
namespace {

std::string_view SqlType(ColumnType type) {
  switch (type) {
    case ColumnType::kInt64:
      return "bigint";
    case ColumnType::kDecimal:
      return "numeric";
    case ColumnType::kDate:
      return "date";
    case ColumnType::kBool:
      return "boolean";
    case ColumnType::kTimestamp:
      return "timestamptz";
    case ColumnType::kString:
    case ColumnType::kCode:
    case ColumnType::kCodes:
      break;
  }
  return "text";
}

template <typename Range, typename Format>
std::string Join(const Range& range, std::string_view separator, Format format) {
  std::string out;
  for (const auto& each : range) {
    if (!out.empty()) out += separator;
    out += format(each);
  }
  return out;
}

// `a, b` with a table's name before each, if any.
std::string Columns(const std::vector<std::string>& columns, std::string_view table = "") {
  return Join(columns, ", ", [table](const std::string& column) {
    return table.empty() ? QuoteName(column) : fmt::format("{}.{}", table, QuoteName(column));
  });
}

std::string With(const std::vector<std::string>& datasets, const RowSources& sources) {
  return "WITH " + Join(datasets, ",\n     ", [&](const std::string& dataset) {
           return fmt::format("{} AS NOT MATERIALIZED ({})", QuoteName(dataset),
                              sources.at(dataset));
         });
}

// `, a::text AS a, ...`
std::string Outputs(const std::vector<std::string>& outputs, std::string_view table = "") {
  std::string out;
  for (const std::string& column : outputs) {
    const std::string name = QuoteName(column);
    out += fmt::format(", {}{}::text AS {}", table.empty() ? "" : fmt::format("{}.", table), name,
                       name);
  }
  return out;
}

std::string NotNull(const std::vector<std::string>& columns, std::string_view table = "") {
  return Join(columns, " AND ", [table](const std::string& column) {
    return fmt::format("{}{} IS NOT NULL", table.empty() ? "" : fmt::format("{}.", table),
                       QuoteName(column));
  });
}

struct Writer {
  const CompiledRule& rule;
  const Definition& definition;
  const RowSources& sources;
  bool members;

  std::string table() const { return QuoteName(rule.dataset()); }
  std::string Head(std::string_view from = "") const {
    const std::string prefix = from.empty() ? "" : fmt::format("{}.", from);
    return fmt::format("SELECT {0}record_key COLLATE \"C\" AS \"K\", {0}\"S\"{1}", prefix,
                       Outputs(rule.outputs, from));
  }

  // That a row takes part, as a further condition.
  std::string AndCondition() const {
    return rule.expression.empty() ? "" : fmt::format(" AND ({})", rule.expression);
  }

  // Whether the columns have values that more than one row has: a hash of the few, where a sort of
  // all rows would be the price of a window.
  std::string Repeated(const std::vector<std::string>& columns, std::string_view where) const {
    return fmt::format("({0}) IN (SELECT {0} FROM {1} WHERE {2} GROUP BY {0} HAVING count(*) > 1)",
                       Columns(columns), table(), where);
  }

  std::string operator()(const std::monostate&) const { return ""; }
  std::string operator()(const RowRule&) const { return ""; }  // RowScan writes these

  std::string operator()(const UniqueRule& unique) const {
    const std::string where = NotNull(unique.columns) + AndCondition();
    return fmt::format("{}\n  FROM {}\n WHERE {}\n   AND {}\n ORDER BY \"K\"", Head(), table(),
                       where, Repeated(unique.columns, where));
  }

  std::string operator()(const ReferenceRule& reference) const {
    std::string match;
    for (std::size_t i = 0; i < reference.columns.size(); ++i) {
      if (i > 0) match += " AND ";
      match += fmt::format("other.{} = this.{}", QuoteName(reference.other_columns[i]),
                           QuoteName(reference.columns[i]));
    }
    if (!rule.expression.empty()) match += fmt::format(" AND ({})", rule.expression);
    return fmt::format(
        "{}\n  FROM {} AS this\n WHERE {}\n   AND {}EXISTS (SELECT 1 FROM {} AS other WHERE {})\n"
        " ORDER BY \"K\"",
        Head("this"), table(), NotNull(reference.columns, "this"),
        reference.mode == ReferenceRule::Mode::kMustExist ? "NOT " : "",
        QuoteName(reference.dataset), match);
  }

  // Two periods share more than `tolerance` days when the earlier end lies at least so many days
  // after the later begin. Seen from one row: some row that began before it reaches so far into
  // it, or it reaches so far into some row that began after it.
  std::string operator()(const OverlapRule& overlap) const {
    const std::string from = QuoteName(overlap.from_column);
    const std::string to =
        fmt::format("coalesce({}, 'infinity'::date)", QuoteName(overlap.to_column));
    const std::string partition = Columns(overlap.partition_columns);
    const int days = overlap.tolerance_days;
    const std::string where =
        NotNull(overlap.partition_columns) + " AND " + from + " IS NOT NULL" + AndCondition();
    return fmt::format(
        "{head}\n"
        "  FROM (SELECT *, {to} AS \"E\",\n"
        "               max({to}) OVER (PARTITION BY {partition} ORDER BY {from}, record_key\n"
        "                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS \"B\",\n"
        "               min({from}) FILTER (WHERE {to} >= {from} + {days}) OVER (\n"
        "                 PARTITION BY {partition} ORDER BY {from} DESC, record_key DESC\n"
        "                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS \"A\"\n"
        "          FROM {table} WHERE {where}\n"
        "           AND {repeated}) AS \"T\"\n"
        " WHERE (\"E\" >= {from} + {days} AND \"B\" >= {from} + {days})\n"
        "    OR \"A\" + {days} <= \"E\"\n"
        " ORDER BY \"K\"",
        fmt::arg("head", Head()), fmt::arg("to", to), fmt::arg("partition", partition),
        fmt::arg("from", from), fmt::arg("days", days), fmt::arg("table", table()),
        fmt::arg("where", where), fmt::arg("repeated", Repeated(overlap.partition_columns, where)));
  }

  std::string operator()(const AggregateRule& aggregate) const {
    std::string figures;
    for (std::size_t i = 0; i < aggregate.aggregates.size(); ++i) {
      figures +=
          fmt::format(", {} AS {}", rule.aggregates[i], QuoteName(aggregate.aggregates[i].name));
    }
    const auto& groups = aggregate.group_columns;
    const bool by_school =
        std::find(groups.begin(), groups.end(), definition.school_column) != groups.end();
    const std::string key =
        members
            ? "\"R\""
            : fmt::format("concat_ws('|', {})", Join(groups, ", ", [](const std::string& column) {
                            // Joined as the dataset service joins the key of a record.
                            return fmt::format(
                                "replace(replace(coalesce({}::text, ''), '\\', '\\\\'),"
                                " '|', '\\|')",
                                QuoteName(column));
                          }));
    return fmt::format(
        "SELECT {} COLLATE \"C\" AS \"K\", {} AS \"S\"{}\n"
        "  FROM (SELECT {}{}{}{} FROM {} GROUP BY {} OFFSET 0) AS \"T\"\n"
        " WHERE ({}) ORDER BY \"K\"",
        key, by_school ? "\"S\"" : "NULL::text", Outputs(rule.outputs), Columns(groups), figures,
        by_school ? ", min(\"S\") AS \"S\"" : "",
        members ? ", string_agg(record_key, ',') AS \"R\"" : "", table(), Columns(groups),
        rule.expression);
  }

  std::string operator()(const QueryRule&) const {
    std::string outputs;
    std::string order;
    for (const std::string& column : rule.outputs) {
      const bool returned = std::find(rule.query_columns.begin(), rule.query_columns.end(),
                                      column) != rule.query_columns.end();
      const std::string text =
          fmt::format("{}.{}::text", returned ? "\"Q\"" : "\"P\"", QuoteName(column));
      outputs += fmt::format(", {} AS {}", text, QuoteName(column));
      if (returned) order += fmt::format(", {} COLLATE \"C\"", text);
    }
    return fmt::format(
        "SELECT DISTINCT ON (\"P\".record_key COLLATE \"C\")\n"
        "       \"P\".record_key COLLATE \"C\" AS \"K\", \"P\".\"S\"{}\n"
        "  FROM ({}) AS \"Q\"\n"
        "  JOIN {} AS \"P\" ON \"P\".record_key = \"Q\".record_key\n"
        " ORDER BY \"P\".record_key COLLATE \"C\"{}",
        outputs, rule.query, table(), order);
  }
};

}  // namespace

std::string QuoteLiteral(std::string_view text) {
  std::string out = "'";
  bool escapes = false;
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    if (c == '\\') escapes = true;
    out += c;
  }
  out += "'";
  return escapes ? "E" + out : out;
}

std::string QuoteName(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += c;
    out += c;
  }
  return out + "\"";
}

std::string SetDistrict(std::string_view district) {
  return fmt::format("SET LOCAL edcert.district = {}", QuoteLiteral(district));
}

std::string RowsOfSlice(const Definition& definition, const Slice& slice) {
  std::string sql = fmt::format(
      "SELECT record_key, school_id AS \"S\", {} FROM rule_read.{}"
      " WHERE copy = {} AND district_id = {} AND valid_from <= {} AND valid_to > {}",
      Columns(definition.ColumnNames()), QuoteName(DatasetOf(definition.id)),
      QuoteLiteral(slice.copy), QuoteLiteral(slice.district), slice.version, slice.version);
  // What is kept for all, a school may look up like anybody.
  const bool for_all = definition.kept && definition.school_column.empty();
  if (!slice.school.empty() && !for_all) {
    sql += " AND school_id = " + QuoteLiteral(slice.school);
  }
  return sql;
}

std::string NoRows(const Definition& definition) { return RowsOfJson(definition, "[]"); }

std::string RowsOfJson(const Definition& definition, std::string_view json) {
  const std::string school = definition.school_column.empty()
                                 ? "NULL::text"
                                 : QuoteName(definition.school_column) + "::text";
  return fmt::format(
      "SELECT record_key, {} AS \"S\", {} FROM jsonb_to_recordset({}::jsonb)"
      " AS rows(record_key text, {})",
      school, Columns(definition.ColumnNames()), QuoteLiteral(json),
      Join(definition.columns, ", ", [](const Column& column) {
        return fmt::format("{} {}", QuoteName(column.name), SqlType(column.type));
      }));
}

std::string CopyOfRows(const std::string& source, const std::vector<std::string>& columns) {
  return fmt::format(
      "COPY (SELECT record_key, \"S\"{}{} FROM ({}) AS rows) TO STDOUT (FORMAT binary)",
      columns.empty() ? "" : ", ", Columns(columns), source);
}

RuleStatement RowScan(const std::vector<const CompiledRule*>& rules, const RowSources& sources) {
  RuleStatement statement;
  statement.masks = (rules.size() + kRulesPerMask - 1) / kRulesPerMask;
  std::string masks;
  std::string select;
  std::string any;
  for (std::size_t mask = 0; mask < statement.masks; ++mask) {
    std::string bits;
    const std::size_t end = std::min(rules.size(), (mask + 1) * kRulesPerMask);
    for (std::size_t i = mask * kRulesPerMask; i < end; ++i) {
      bits += fmt::format("{}\n                 CASE WHEN {} THEN {}::bigint ELSE 0 END",
                          bits.empty() ? "" : " +", rules[i]->expression,
                          int64_t{1} << (i % kRulesPerMask));
    }
    masks += fmt::format(",{} AS \"M{}\"", bits, mask);
    select += fmt::format(", \"M{}\"", mask);
    any += fmt::format("{}\"M{}\"", any.empty() ? "" : " | ", mask);
  }
  for (const CompiledRule* rule : rules) {
    for (const std::string& column : rule->outputs) {
      if (std::find(statement.outputs.begin(), statement.outputs.end(), column) ==
          statement.outputs.end()) {
        statement.outputs.push_back(column);
      }
    }
  }
  const std::string& dataset = rules.front()->dataset();
  // OFFSET 0 keeps the masks from being computed a second time for the WHERE.
  statement.sql = fmt::format(
      "{}\nSELECT record_key COLLATE \"C\" AS \"K\", \"S\"{}{}\n"
      "  FROM (SELECT *{} FROM {} OFFSET 0) AS \"T\"\n"
      " WHERE ({}) <> 0 ORDER BY \"K\"",
      With({dataset}, sources), select, Outputs(statement.outputs), masks, QuoteName(dataset), any);
  return statement;
}

RuleStatement RuleQuery(const CompiledRule& rule, const Definition& definition,
                        const RowSources& sources, bool members) {
  return {With(rule.content.datasets, sources) + "\n" +
              std::visit(Writer{rule, definition, sources, members}, rule.content.kind),
          0, rule.outputs};
}

std::string CountRows(const RowSources& sources) {
  return "SELECT " + Join(sources, ", ", [](const auto& source) {
           return fmt::format("(SELECT count(*) FROM ({}) AS rows)", source.second);
         });
}

}  // namespace edcert::validation_report
