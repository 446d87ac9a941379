// How the stores write and read data versions, days and the counts of rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/civil_time.h"
#include "common/pg/pg.h"
#include "services/validation_report/report.h"

namespace edcert::validation_report {

// The numbers of an array, as PostgreSQL writes them.
std::vector<int64_t> Numbers(const std::vector<std::string>& texts);

// The versions of datasets that are stored in arrays of these names.
std::vector<ReportDataVersion> VersionsOf(const pg::Row& row, std::string_view datasets_column,
                                          std::string_view versions_column,
                                          std::string_view rows_column);

// The same as arrays.
struct VersionColumns {
  explicit VersionColumns(const std::vector<ReportDataVersion>& data_versions);

  std::vector<std::string> datasets;
  std::vector<int64_t> versions;
  std::vector<int64_t> rows;
};

// Nothing for NULL.
std::optional<absl::CivilDay> DayOf(const pg::Row& row, std::string_view column);
std::optional<std::string> DayText(std::optional<absl::CivilDay> day);

// What some rules gave, as arrays, for one insert.
struct RuleColumns {
  explicit RuleColumns(const std::vector<RanRule>& rules);

  std::vector<std::string> ids;
  std::vector<int64_t> versions;
  std::vector<std::string> codes;
  std::vector<int64_t> severities;
  std::vector<std::string> datasets;
  std::vector<std::string> outcomes;
  std::vector<int64_t> findings;
  std::vector<std::string> errors;
};

}  // namespace edcert::validation_report
