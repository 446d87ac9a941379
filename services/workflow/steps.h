// The three steps of the wizard, computed from facts of other services whenever they are read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace edcert::workflow {

// How far a step is. The numbers are those of the wire.
enum class StepState {
  kNotStarted = 1,
  kQueued = 2,
  kRunning = 3,
  kFatalFound = 4,
  kReadyToView = 5,
  kCompleted = 6,
  kStale = 7,
};
std::string_view NameOf(StepState state);

enum class ReportState { kQueued = 1, kRunning, kCompleted, kFailed, kCancelled, kExpired };
enum class Severity { kInfo = 1, kWarning, kSpecialWarning, kFatal };
enum class Copy { kDistrict = 1, kState = 2 };

struct SeverityCount {
  Severity severity;
  int64_t rules = 0;
  int64_t records = 0;
  int64_t rules_errored = 0;
  int64_t waived = 0;  // of the records: they do not block
};

// A report of this certification's event and organisation, as the caller sees it.
struct ReportFact {
  std::string name;
  ReportState state = ReportState::kQueued;
  std::string snapshot;
  std::string previous_snapshot;  // what it compared with; empty when with nothing
  int rule_group_version = 0;
  std::optional<absl::CivilDay> next_severity_change;  // from which on it does not count any more
  absl::Time created_at;
  std::optional<absl::Time> viewed_at;
  std::vector<SeverityCount> counts;
  std::map<std::string, int64_t> versions;  // by dataset
};

// A snapshot of this certification's event and organisation.
struct SnapshotFact {
  std::string name;
  int generation = 0;
  bool sealed = false;  // SEALED, or SUPERSEDED, which was sealed
  bool failed = false;
  std::string root;
  int64_t rows = 0;
  std::map<std::string, int64_t> versions;
};

// A dataset's version when the report was made and now.
struct VersionFact {
  std::string dataset;
  Copy copy;
  int64_t then = 0;
  int64_t now = 0;
};

// A rule with special warnings that nobody has explained.
struct UnexplainedRule {
  std::string rule;
  std::string code;
  int64_t findings = 0;
};

// One step, as the caller sees it now.
struct Step {
  int number = 1;
  StepState state = StepState::kNotStarted;
  std::string report;
  std::string snapshot;
  std::vector<SeverityCount> counts;
  std::vector<UnexplainedRule> unexplained_rules;
  std::vector<VersionFact> versions;
  bool data_changed = false;
  std::string data_change_text;
  std::string blocked_reason;
  std::string blocked_text;
  std::optional<absl::Time> viewed_at;
};

// What a decision asks of a step.
struct StepFact {
  StepState state = StepState::kCompleted;
  std::string report;
};

// What all steps are computed from.
struct StepInput {
  absl::Time round_started_at = absl::InfinitePast();  // older reports do not count
  int rule_group_version = 0;                          // the pinned one
  std::string previous_snapshot;                       // that a report would compare with now
  absl::CivilDay today = absl::CivilDay::min();        // in the state's time zone
  std::vector<ReportFact> reports;                     // of the step's kind, newest first
  std::map<std::string, int64_t> versions;             // now, of the step's copy
};

// Steps 1 and 2: the newest report on a copy; STALE when data, rules, severities or what was
// certified a year ago moved since.
Step CopyStep(int number, const StepInput& input);

// Step 3: the newest report on the candidate. The state's copy moving on does not stale it, the
// rest does.
Step SnapshotStep(const std::string& candidate, const SnapshotFact* snapshot,
                  const StepInput& input);

// `state data changed since snapshot: +12 / -3 / ~40 records`
std::string ChangeText(int64_t added, int64_t removed, int64_t changed);

// Whether a report blocks: fatal findings that the state did not waive, or a fatal rule that could
// not be run.
bool HasFatals(const std::vector<SeverityCount>& counts);
// Whether a report has warnings, special ones included, or such a rule could not be run: that is no
// proof that there is nothing to warn of.
bool HasWarnings(const std::vector<SeverityCount>& counts);
// Whether a report has special warnings, or such a rule could not be run: somebody must explain
// them.
bool NeedsExplanations(const std::vector<SeverityCount>& counts);
int64_t RecordsOf(const std::vector<SeverityCount>& counts, Severity severity);

// OK when a step is completed; else why the next one may not begin: FATAL_FINDINGS_OPEN,
// REPORT_NOT_VIEWED, STEP_STALE or STEP_NOT_COMPLETED, with metadata `step` and `state`.
absl::Status CheckCompleted(int number, StepState state, const std::string& report);

}  // namespace edcert::workflow
