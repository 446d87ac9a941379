// The SQL of rules: text from compiled rules, nothing else. Pure.
//
// Every statement has the form `WITH <dataset> AS (<its rows>), ... SELECT ...` and returns "K",
// the record's key, "S", its school's id, and then its outputs as text, ordered by key. Names in
// capital letters are ours: a column of a dataset has none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "services/validation_report/definition.h"
#include "services/validation_report/rule_compiler.h"

namespace edcert::validation_report {

// Which rows of a dataset are read: one copy of one district at one version.
struct Slice {
  std::string_view copy;      // DISTRICT or STATE
  std::string_view district;  // id
  int64_t version = 0;
  std::string_view school;  // id; empty for the whole district
};

// By dataset id, a SELECT of its rows: all columns, `record_key` and "S".
using RowSources = std::map<std::string, std::string>;

// Has the views of rules show a district until the transaction ends; without it, or with '', none.
std::string SetDistrict(std::string_view district);
// The rows of a slice in the view that rules have of the dataset.
std::string RowsOfSlice(const Definition& definition, const Slice& slice);
// No rows: of last year's records where nothing was certified.
std::string NoRows(const Definition& definition);
// The rows of a JSON array of objects with `record_key` and the columns as text.
std::string RowsOfJson(const Definition& definition, std::string_view json);

// Rules per mask column of a row scan: the bits of a bigint without its sign.
inline constexpr std::size_t kRulesPerMask = 62;

// COPY of a source: "K", "S" and these columns of each row, in PostgreSQL's binary format.
std::string CopyOfRows(const std::string& source, const std::vector<std::string>& columns);

struct RuleStatement {
  std::string sql;
  std::size_t masks = 0;             // row scan: mask columns between "S" and the outputs
  std::vector<std::string> outputs;  // the columns after those
};

// One scan of a dataset for all of its ROW rules: bit i % 62 of mask i / 62 says whether rule i
// found the row. Returns only rows that some rule found.
RuleStatement RowScan(const std::vector<const CompiledRule*>& rules, const RowSources& sources);

// The statement of one rule of any kind but ROW. With `members`, "K" of a group is the
// comma-separated keys of its rows instead.
RuleStatement RuleQuery(const CompiledRule& rule, const Definition& definition,
                        const RowSources& sources, bool members = false);

// One row with the number of rows of each source, in the order of the map.
std::string CountRows(const RowSources& sources);

std::string QuoteLiteral(std::string_view text);
std::string QuoteName(std::string_view name);

}  // namespace edcert::validation_report
