// Reports: one run of a rule group over an organisation's records.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "services/validation_report/enum_text.h"
#include "services/validation_report/explanation.h"
#include "services/validation_report/finding.h"
#include "services/validation_report/rule.h"

namespace edcert::validation_report {

enum class ReportKind { kDistrictData = 1, kStateData = 2, kSnapshot = 3 };
inline constexpr EnumText<ReportKind, 3> kReportKindText{
    "kind of a report", {"DISTRICT_DATA", "STATE_DATA", "SNAPSHOT"}};
inline std::string_view ToString(ReportKind kind) { return kReportKindText.Of(kind); }
// "District data", ...: for people.
std::string_view WordsOf(ReportKind kind);
// DISTRICT or STATE: the copy that is read.
std::string_view CopyOf(ReportKind kind);
// The id in a resource name of ours.
std::string IdOf(const std::string& name);

enum class ReportFormat { kHtml = 1, kCsv, kPdf, kXlsx, kJson, kCsvExact };
inline constexpr EnumText<ReportFormat, 6> kReportFormatText{
    "format of a report", {"HTML", "CSV", "PDF", "XLSX", "JSON", "CSV_EXACT"}};

enum class ReportState { kQueued = 1, kRunning, kCompleted, kFailed, kCancelled, kExpired };
inline constexpr EnumText<ReportState, 6> kReportStateText{
    "state of a report", {"QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "EXPIRED"}};
// Whether a report stays as it is unless somebody asks for something.
bool IsFinal(ReportState state);

struct ReportDataVersion {
  std::string dataset = {};  // id
  int64_t version = 0;
  int64_t rows = 0;
};

// What was certified a year ago, as far as the rules of a report read it.
struct LastYear {
  std::string snapshot = {};  // resource name; empty: nothing is compared with
  std::string district = {};  // whose records it holds, or a school of which
  std::vector<ReportDataVersion> data_versions = {};
};

struct SeverityCount {
  int64_t rules = 0;
  int64_t records = 0;
  int64_t rules_errored = 0;
  int64_t waived = 0;  // of the records, by waivers in force now
};
// By severity, from INFO; the place is the severity's number less one.
using SeverityCounts = std::array<SeverityCount, kSeverityCount>;

// What became of the findings of each severity, in the same order.
using SeverityChanges = std::array<ChangeCounts, kSeverityCount>;

// What a worker made.
struct ReportResult {
  SeverityCounts counts = {};
  std::optional<SeverityChanges> changes = {};  // absent in reports from before there were any
  bool truncated = false;
  std::string sha256 = {};  // hex
  int64_t size = 0;
  std::string media_type = {};
  std::string file_name = {};

  int64_t rules_errored() const {
    int64_t sum = 0;
    for (const SeverityCount& count : counts) sum += count.rules_errored;
    return sum;
  }
};

// Organisations, events and principals are resource names; the others are ids.
struct Report {
  std::string id = {};
  std::string title = {};
  std::string event = {};  // empty when made for a rule group alone
  std::string event_title = {};
  std::string organization = {};
  std::string organization_display_name = {};
  std::string district = {};
  ReportKind kind = ReportKind::kDistrictData;
  ReportFormat format = ReportFormat::kHtml;
  std::string snapshot = {};  // resource name; empty unless of the snapshot kind
  std::string requester = {};
  std::string rule_group = {};
  std::string rule_group_title = {};
  int rule_group_version = 0;
  // By which severity schedules are judged; none for reports from before there were any.
  std::optional<absl::CivilDay> severity_day = {};
  // The day after it on which a schedule next changes a severity.
  std::optional<absl::CivilDay> next_severity_change = {};
  std::vector<ReportDataVersion> data_versions = {};
  LastYear last_year = {};
  absl::Time create_time = {};

  ReportState state = ReportState::kQueued;
  int64_t attempt = 0;
  int64_t progress_done = 0;
  int64_t progress_total = 0;
  std::string progress_phase = {};
  std::string failure = {};
  std::optional<absl::Time> start_time = {};
  std::optional<absl::Time> end_time = {};
  int64_t queue_position = 0;
  std::optional<absl::Time> expected_start = {};

  std::optional<ReportResult> result = {};
  std::string previous_report = {};          // id; the run that this one was compared with
  std::optional<absl::Time> viewed_at = {};  // by the caller

  std::string name() const { return "reports/" + id; }
};

// Title for the results queue.
std::string TitleOf(ReportKind kind, std::string_view event_title, std::string_view organization);

// Equal reports have equal keys: what is read, with which rules, in which form.
std::string DedupeKeyOf(const Report& report);

// A rule as a run used it, with what it gave.
struct RanRule {
  std::string rule = {};  // id
  int version = 0;
  std::string code = {};
  Severity severity = Severity::kUnspecified;  // in the group
  std::string dataset = {};                    // id
  RuleResult result = {};
};

// A finding as the list shows it.
struct ListedFinding {
  int64_t place = 0;
  std::string rule = {};  // id
  int rule_version = 0;
  std::string rule_code = {};
  Severity severity = Severity::kUnspecified;
  std::string dataset = {};
  Finding finding = {};
  std::string group = {};  // id; empty for FIXED
  int64_t group_size = 0;
  std::optional<absl::Time> first_seen = {};
  std::optional<absl::Time> last_seen = {};  // only of FIXED
  std::optional<Explanation> explanation = {};
  std::string waiver = {};  // id of one in force; empty when there is none
};

// A group of findings as the list shows it.
struct ListedGroup {
  int64_t place = 0;
  std::string rule = {};  // id
  int rule_version = 0;
  std::string rule_code = {};
  Severity severity = Severity::kUnspecified;
  std::string dataset = {};
  FindingGroup group = {};
  bool truncated = false;
  int64_t unexplained = 0;                      // findings; 1 of a rule that could not be run
  std::optional<Explanation> explanation = {};  // the newest of its findings
  int64_t waived = 0;                           // findings that do not block
  std::string suggestion = {};                  // a former explanation that may fit again
};

// Worst severity first, then by code: the order of findings.
void SortForFindings(std::vector<RanRule>& rules);

SeverityCounts CountBySeverity(const std::vector<RanRule>& rules);
SeverityChanges ChangesBySeverity(const std::vector<RanRule>& rules);

}  // namespace edcert::validation_report
