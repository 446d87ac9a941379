// The model of a validation report: what a run tested, with which outcome, and which records
// failed. Plain values, filled by the caller; the writers (writer.h) turn them into a file.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace edcert::render {

// Ordered from the gravest to the mildest; the values index `SeverityTotals`.
enum class Severity { kFatal, kSpecialWarning, kWarning, kInfo };
inline constexpr std::array<Severity, 4> kSeverities = {Severity::kFatal, Severity::kSpecialWarning,
                                                        Severity::kWarning, Severity::kInfo};

enum class Outcome {
  kPass,
  kFail,
  kError,  // The rule could not run. It never counts as passed; for a FATAL rule it blocks.
};

// What became of a finding since the run that this one was compared with.
enum class Change {
  kUnknown,    // There was none, or nobody can tell: a list was cut.
  kNew,        // No earlier run found it.
  kRegressed,  // It was fixed, and is back.
  kOpen,       // The run before found it too.
};

// What was read: one dataset at one version.
struct DataVersion {
  std::string dataset;
  std::string copy;  // In words: "District copy", "State copy", "Snapshot 2".
  int64_t version = 0;
  int64_t rows = 0;
  bool tested = true;  // Or only compared with: what was certified a year ago.
};

struct RuleResult {
  std::string code;
  std::string dataset;  // Whose records it judges.
  std::string title;
  std::string meaning;  // In plain language.
  Severity severity = Severity::kWarning;
  Outcome outcome = Outcome::kPass;
  int64_t tested = 0;      // Records that the rule looked at.
  int64_t findings = 0;    // Exact, also when not all of them are stored.
  int64_t stored = 0;      // How many of them will be passed to `ReportWriter::Add`.
  bool truncated = false;  // stored < findings.
  int64_t waived = 0;      // Of the findings: the state waived them, so they do not block.
  std::string suggested_fix;
  std::string error_reason;  // Only for kError; holds no data.
  // Against the previous run, when there is one and it can be told.
  std::optional<int64_t> new_findings;
  std::optional<int64_t> regressed_findings;
  std::optional<int64_t> fixed_findings;  // None of `findings`: they are gone.
};

// Findings of one school, by severity.
struct SchoolCount {
  std::string school_id;
  std::string school_name;
  std::array<int64_t, kSeverities.size()> findings = {};
};

// The state's word that FATAL findings do not block.
struct Waiver {
  std::string rule_code;
  int64_t findings = 0;  // Listed in this report; 0 when it matches none of them.
  std::string until;     // Last day, in words.
  std::string reason;
  std::string people;  // Who gave it.
};

// Listed findings of a rule that probably have one cause, and what was said to them.
struct Cause {
  std::string rule_code;
  int64_t findings = 0;     // None for a rule that could not run.
  std::string description;  // What they have in common, in words.
  std::string explanation;  // Empty when nobody gave one.
  std::string author;
  std::string explained_on;  // In words.
};

// The run that this one was compared with.
struct PreviousRun {
  std::string report;  // Resource name.
  absl::Time ended_at;
};

struct ReportHeader {
  std::string report;  // Resource name.
  std::string organization_display_name;
  std::string organization;  // Resource name.
  std::string event;         // Resource name; empty when made for a rule group alone.
  std::string event_title;
  std::string kind;  // In words: "District data", "State data", "State snapshot".
  std::string requested_by;
  absl::Time generated_at;
  absl::TimeZone time_zone;    // How `generated_at` is shown; UTC unless set.
  std::string time_zone_text;  // Printed after it: "America/Chicago".
  std::optional<PreviousRun> previous;
  std::vector<DataVersion> data_versions;
  std::string rule_group;  // Resource name.
  std::string rule_group_title;
  int64_t rule_group_version = 0;
  std::vector<RuleResult> rules;  // Findings are added in this order; see `SortRules`.
  std::vector<SchoolCount> schools;
  std::vector<Waiver> waivers;  // All that are in force, with findings of this report or not.
  std::vector<Cause> causes;    // In the order of `rules`, the largest of each first; not all.
  // Distinct records, or groups that a rule judges as one, with at least one finding that is not
  // waived, by severity, when the caller knows it: a record that fails two rules is one record and
  // two findings.
  std::array<std::optional<int64_t>, kSeverities.size()> records = {};
  std::string language = "en";  // BCP 47.
};

struct Field {
  std::string name;
  std::string value;
};

struct Finding {
  std::string rule_code;
  Severity severity = Severity::kWarning;
  std::string dataset;
  std::string record_key;
  std::string school_id;
  std::string school_name;
  std::string message;
  std::vector<Field> fields;
  Change change = Change::kUnknown;
  std::string
      waived_until;  // Last day, in words, of the waiver because of which it does not block.
};

// What is waived does not count.
struct SeverityTotal {
  int64_t rules_tested = 0;
  int64_t rules_failed = 0;  // With findings.
  int64_t rules_errored = 0;
  int64_t findings = 0;
  // Each when a rule of this severity knows.
  std::optional<int64_t> new_findings;
  std::optional<int64_t> regressed_findings;
  std::optional<int64_t> fixed_findings;
};
using SeverityTotals = std::array<SeverityTotal, kSeverities.size()>;

// What the whole report says to the person who must act on it.
enum class Verdict {
  kNothingTested,  // No rule in the group.
  kBlocked,        // FATAL findings, or a FATAL rule that could not run.
  kAcknowledge,    // SPECIAL_WARNING findings: somebody must explain them before it is signed.
  kReview,         // Milder findings, or a milder rule that could not run.
  kClear,
};

// "FATAL", "SPECIAL_WARNING", ...: the word of the API.
std::string_view SeverityCode(Severity severity);
// "FATAL", "SPECIAL WARNING", ...: for people.
std::string_view SeverityWords(Severity severity);
// "PASS", "FAIL", "ERROR".
std::string_view OutcomeCode(Outcome outcome);
// "NEW", "REGRESSED", "OPEN"; empty when it is not known.
std::string_view ChangeCode(Change change);

SeverityTotals TotalsOf(const ReportHeader& header);
Verdict VerdictOf(const SeverityTotals& totals);
// "NOTHING_TESTED", "BLOCKED", "ACKNOWLEDGE", "REVIEW", "CLEAR".
std::string_view VerdictCode(Verdict verdict);

// The order in which a person should read rules: what blocks first, then by severity, findings
// before errors before passes, more findings first, then by code.
bool ReadsBefore(const RuleResult& a, const RuleResult& b);
void SortRules(std::vector<RuleResult>& rules);

}  // namespace edcert::render
