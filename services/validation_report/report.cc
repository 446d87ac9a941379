#include "services/validation_report/report.h"

#include <fmt/format.h>

#include <algorithm>

namespace edcert::validation_report {

std::string_view WordsOf(ReportKind kind) {
  switch (kind) {
    case ReportKind::kDistrictData:
      return "District data";
    case ReportKind::kStateData:
      return "State data";
    case ReportKind::kSnapshot:
      break;
  }
  return "State snapshot";
}

std::string IdOf(const std::string& name) { return name.substr(name.find('/') + 1); }

std::string_view CopyOf(ReportKind kind) {
  return kind == ReportKind::kDistrictData ? "DISTRICT" : "STATE";
}

bool IsFinal(ReportState state) {
  return state != ReportState::kQueued && state != ReportState::kRunning;
}

std::string TitleOf(ReportKind kind, std::string_view event_title, std::string_view organization) {
  return event_title.empty()
             ? fmt::format("{} of {}", WordsOf(kind), organization)
             : fmt::format("{} of {}: {}", WordsOf(kind), organization, event_title);
}

std::string DedupeKeyOf(const Report& report) {
  std::string key =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}", report.organization,
                  kReportKindText.Of(report.kind), report.event, report.rule_group,
                  report.rule_group_version, kReportFormatText.Of(report.format), report.snapshot);
  if (report.severity_day.has_value()) {
    key += "\n" + absl::FormatCivilTime(*report.severity_day);
  }
  for (const ReportDataVersion& version : report.data_versions) {
    key += fmt::format("\n{}={}", version.dataset, version.version);
  }
  if (!report.last_year.snapshot.empty()) key += "\nlast year=" + report.last_year.snapshot;
  return key;
}

void SortForFindings(std::vector<RanRule>& rules) {
  std::stable_sort(rules.begin(), rules.end(), [](const RanRule& a, const RanRule& b) {
    return a.severity != b.severity ? a.severity > b.severity : a.code < b.code;
  });
}

SeverityCounts CountBySeverity(const std::vector<RanRule>& rules) {
  SeverityCounts counts;
  for (const RanRule& rule : rules) {
    SeverityCount& count = counts.at(static_cast<std::size_t>(rule.severity) - 1);
    if (rule.result.outcome == Outcome::kError) ++count.rules_errored;
    if (rule.result.outcome == Outcome::kFail) ++count.rules;
    count.records += rule.result.findings;
  }
  return counts;
}

SeverityChanges ChangesBySeverity(const std::vector<RanRule>& rules) {
  SeverityChanges changes;
  for (const RanRule& rule : rules) {
    changes.at(static_cast<std::size_t>(rule.severity) - 1) += rule.result.changes;
  }
  return changes;
}

}  // namespace edcert::validation_report
