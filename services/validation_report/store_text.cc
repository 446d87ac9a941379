#include "services/validation_report/store_text.h"

namespace edcert::validation_report {

std::vector<int64_t> Numbers(const std::vector<std::string>& texts) {
  std::vector<int64_t> numbers;
  numbers.reserve(texts.size());
  for (const std::string& text : texts) numbers.push_back(std::stoll(text));
  return numbers;
}

std::vector<ReportDataVersion> VersionsOf(const pg::Row& row, std::string_view datasets_column,
                                          std::string_view versions_column,
                                          std::string_view rows_column) {
  const std::vector<std::string> datasets = row.TextArray(datasets_column);
  const std::vector<int64_t> versions = Numbers(row.TextArray(versions_column));
  const std::vector<int64_t> rows = Numbers(row.TextArray(rows_column));
  std::vector<ReportDataVersion> out;
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    out.push_back({datasets[i], versions.at(i), rows.at(i)});
  }
  return out;
}

VersionColumns::VersionColumns(const std::vector<ReportDataVersion>& data_versions) {
  for (const ReportDataVersion& version : data_versions) {
    datasets.push_back(version.dataset);
    versions.push_back(version.version);
    rows.push_back(version.rows);
  }
}

std::optional<absl::CivilDay> DayOf(const pg::Row& row, std::string_view column) {
  absl::CivilDay day;
  const bool has = row.Has(column) && absl::ParseCivilTime(row.Text(column), &day);
  return has ? std::optional(day) : std::nullopt;
}

std::optional<std::string> DayText(std::optional<absl::CivilDay> day) {
  return day.has_value() ? std::optional(absl::FormatCivilTime(*day)) : std::nullopt;
}

RuleColumns::RuleColumns(const std::vector<RanRule>& rules) {
  for (const RanRule& rule : rules) {
    ids.push_back(rule.rule);
    versions.push_back(rule.version);
    codes.push_back(rule.code);
    severities.push_back(static_cast<int64_t>(rule.severity));
    datasets.push_back(rule.dataset);
    outcomes.emplace_back(ToString(rule.result.outcome));
    findings.push_back(rule.result.findings);
    errors.push_back(rule.result.error);
  }
}

}  // namespace edcert::validation_report
