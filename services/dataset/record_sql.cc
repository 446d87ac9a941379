#include "services/dataset/record_sql.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <vector>

#include "common/status/macros.h"
#include "services/dataset/sql/compare.sql.h"
#include "services/dataset/sql/record.sql.h"

namespace edcert::dataset {
namespace {

constexpr std::string_view kAfter = " AND record_key > $5";
// One half of the keys, or both: by the top bit of their hashes, which no hash table looks at.
constexpr std::string_view kHalf = " AND ($5::boolean IS NULL OR (hashtext(record_key) < 0) = $5)";

// The columns that hold data, quoted.
std::vector<std::string> DataColumns(const Dataset& dataset) {
  std::vector<std::string> names;
  for (const Column& column : dataset.columns) names.push_back(fmt::format("\"{}\"", column.name));
  if (HasExtraSchoolColumn(dataset)) names.emplace_back("school_id");
  return names;
}

std::string Prefixed(const Dataset& dataset, std::string_view prefix) {
  std::string out;
  for (const std::string& name : DataColumns(dataset)) {
    out += fmt::format("{}{}{}", out.empty() ? "" : ", ", prefix, name);
  }
  return out;
}

std::string TypedColumns(const Dataset& dataset) {
  std::string out;
  for (const Column& column : dataset.columns) {
    out += fmt::format("{}\"{}\" {}", out.empty() ? "" : ", ", column.name, SqlType(column));
  }
  return HasExtraSchoolColumn(dataset) ? out + ", school_id text" : out;
}

std::string Assignments(const Dataset& dataset) {
  std::string out;
  for (const std::string& name : DataColumns(dataset)) {
    out += fmt::format("{}{} = excluded.{}", out.empty() ? "" : ", ", name, name);
  }
  return out;
}

// The columns of a view: all but the one that stands there already.
std::string ViewColumns(const Dataset& dataset, std::string_view prefix) {
  std::string out;
  for (const Column& column : dataset.columns) {
    if (column.name != "school_id") out += fmt::format(", {}\"{}\"", prefix, column.name);
  }
  return out;
}

// The columns of the definition as a page reads them, each by its own name and place.
std::string Values(const Dataset& dataset) {
  std::string out;
  for (const Column& column : dataset.columns) {
    out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", column.name);
  }
  return out;
}

// Whether the record d has a code that is not in its list, or not on its day.
std::string UnknownCode(const Column& column) {
  std::string text;
  if (column.type == ColumnType::kCodes) {
    text = Replace(sql::kUnknownCodes.sql, "late",
                   column.date_column.empty() ? "false" : sql::kOutOfForce.sql);
  } else {
    text = Replace(sql::kUnknownCode.sql, "late",
                   column.date_column.empty() ? "false" : sql::kLateCode.sql);
    text = Replace(text, "out_of_force", sql::kOutOfForce.sql);
  }
  text = Replace(text, "column", fmt::format("\"{}\"", column.name));
  text = Replace(text, "date", fmt::format("\"{}\"", column.date_column));
  return Replace(text, "list", fmt::format("'{}'", column.code_list));
}

// The first check of the state that the record d breaks: its reason, or the column at fault.
std::string Verdict(const Dataset& dataset, bool want_column) {
  std::string out;
  const auto add = [&](std::string_view broken, const char* reason, const std::string& column) {
    out += fmt::format(" WHEN {} THEN '{}'", broken, want_column ? column : reason);
  };
  if (dataset.school >= 0) {
    add(sql::kUnknownSchool.sql, "SCHOOL_UNKNOWN",
        dataset.columns[static_cast<std::size_t>(dataset.school)].name);
  }
  for (const Column& column : dataset.columns) {
    if (column.type == ColumnType::kCode || column.type == ColumnType::kCodes) {
      add(UnknownCode(column), "CODE_UNKNOWN", column.name);
    }
  }
  return out.empty() ? "NULL::text" : fmt::format("CASE{} END", out);
}

// A statement of the rows of a copy at its version; `keys`: more that their keys must be.
std::string RowsAt(const Dataset& dataset, const pg::Statement& statement, Copy copy,
                   std::string_view keys = "") {
  std::string text = SqlFor(statement, dataset);
  text = Replace(text, "copy", ToString(copy));
  text = Replace(text, "version", copy == Copy::kDistrict ? "$2" : "$3");
  return Replace(text, "of_keys", keys);
}

const std::map<std::string_view, std::function<std::string(const Dataset&)>>& Names() {
  static const std::map<std::string_view, std::function<std::string(const Dataset&)>> names = {
      {"id", [](const Dataset& dataset) { return dataset.id; }},
      {"table", TableOf},
      {"history", [](const Dataset& dataset) { return TableOf(dataset) + "_history"; }},
      {"columns", [](const Dataset& dataset) { return Prefixed(dataset, ""); }},
      {"c.columns", [](const Dataset& dataset) { return Prefixed(dataset, "c."); }},
      {"b.columns", [](const Dataset& dataset) { return Prefixed(dataset, "b."); }},
      {"d.columns", [](const Dataset& dataset) { return Prefixed(dataset, "d."); }},
      {"typed_columns", TypedColumns},
      {"view_columns", [](const Dataset& dataset) { return ViewColumns(dataset, ""); }},
      {"r.view_columns", [](const Dataset& dataset) { return ViewColumns(dataset, "r."); }},
      {"values", Values},
      {"set", Assignments},
      {"broken_check", [](const Dataset& dataset) { return Verdict(dataset, false); }},
      {"broken_column", [](const Dataset& dataset) { return Verdict(dataset, true); }},
      {"district_rows_after",
       [](const Dataset& dataset) {
         return RowsAt(dataset, sql::kRowsAt, Copy::kDistrict, kAfter);
       }},
      {"state_rows_after",
       [](const Dataset& dataset) { return RowsAt(dataset, sql::kRowsAt, Copy::kState, kAfter); }},
      {"district_rows_half",
       [](const Dataset& dataset) {
         return RowsAt(dataset, sql::kRowsAt, Copy::kDistrict, kHalf);
       }},
      {"state_rows_half",
       [](const Dataset& dataset) { return RowsAt(dataset, sql::kRowsAt, Copy::kState, kHalf); }},
      {"district_values",
       [](const Dataset& dataset) { return RowsAt(dataset, sql::kValuesAt, Copy::kDistrict); }},
      {"state_values",
       [](const Dataset& dataset) { return RowsAt(dataset, sql::kValuesAt, Copy::kState); }},
      {"district_stretch",
       [](const Dataset& dataset) { return RowsAt(dataset, sql::kStretchAt, Copy::kDistrict); }},
      {"state_stretch",
       [](const Dataset& dataset) { return RowsAt(dataset, sql::kStretchAt, Copy::kState); }},
  };
  return names;
}

}  // namespace

std::string TableOf(const Dataset& dataset) {
  return (dataset.read_only() ? "dataset.kept_" : "dataset.") + dataset.id;
}

bool HasExtraSchoolColumn(const Dataset& dataset) { return dataset.Find("school_id") < 0; }

std::string SqlType(const Column& column) {
  switch (column.type) {
    case ColumnType::kString:
    case ColumnType::kCode:
    case ColumnType::kCodes:
      return "text";
    case ColumnType::kInt64:
      return "bigint";
    case ColumnType::kDecimal:
      return fmt::format("numeric({},{})", column.precision, column.scale);
    case ColumnType::kDate:
      return "date";
    case ColumnType::kBool:
      return "boolean";
    case ColumnType::kTimestamp:
      return "timestamptz";
  }
  return "";
}

std::string Replace(std::string_view text, std::string_view name, std::string_view value) {
  const std::string mark = fmt::format("${{{}}}", name);
  std::string out(text);
  for (std::size_t at = out.find(mark); at != std::string::npos; at = out.find(mark, at)) {
    out.replace(at, mark.size(), value);
    at += value.size();
  }
  return out;
}

std::string SqlFor(const pg::Statement& statement, const Dataset& dataset) {
  std::string out;
  std::string_view rest = statement.sql;
  while (true) {
    const std::size_t mark = rest.find("${");
    out.append(rest.substr(0, mark));
    if (mark == std::string_view::npos) return out;
    const std::size_t end = rest.find('}', mark);
    const std::string_view name = rest.substr(mark + 2, end - mark - 2);
    const auto it = Names().find(name);
    // What is not a name of the definition is filled in by the caller.
    out += it == Names().end() ? fmt::format("${{{}}}", name) : it->second(dataset);
    rest.remove_prefix(end + 1);
  }
}

}  // namespace edcert::dataset
