#include "services/workflow/steps.h"

#include <fmt/format.h>

#include <algorithm>

#include "services/workflow/errors.h"

namespace edcert::workflow {
namespace {

// A failed or cancelled report leaves the step as it was; one of a former round does not count.
bool Counts(const ReportFact& report, const StepInput& input) {
  return report.state != ReportState::kFailed && report.state != ReportState::kCancelled &&
         report.created_at >= input.round_started_at;
}

bool IsFinished(const ReportFact& report) {
  return report.state == ReportState::kCompleted || report.state == ReportState::kExpired;
}

bool SameSource(const ReportFact& a, const ReportFact& b) {
  // What has the same change before it was judged by the same severities.
  return a.versions == b.versions && a.rule_group_version == b.rule_group_version &&
         a.next_severity_change == b.next_severity_change && a.snapshot == b.snapshot &&
         a.previous_snapshot == b.previous_snapshot;
}

// The report that speaks for the step: the newest, or an older one on exactly the same data and
// rules that the caller has viewed already.
const ReportFact* Choose(const std::vector<const ReportFact*>& reports) {
  if (reports.empty()) return nullptr;
  const ReportFact* newest = reports.front();
  if (!IsFinished(*newest) || newest->viewed_at.has_value()) return newest;
  for (const ReportFact* older : reports) {
    if (older->viewed_at.has_value() && IsFinished(*older) && SameSource(*older, *newest)) {
      return older;
    }
  }
  return newest;
}

// The state by the report alone, were nothing stale.
StepState StateOf(const ReportFact& report) {
  switch (report.state) {
    case ReportState::kQueued:
      return StepState::kQueued;
    case ReportState::kRunning:
      return StepState::kRunning;
    case ReportState::kCompleted:
    case ReportState::kExpired:
      break;
    case ReportState::kFailed:
    case ReportState::kCancelled:
      return StepState::kNotStarted;
  }
  if (HasFatals(report.counts)) return StepState::kFatalFound;
  if (report.viewed_at.has_value()) return StepState::kCompleted;
  // What was purged unseen cannot be viewed any more.
  return report.state == ReportState::kExpired ? StepState::kStale : StepState::kReadyToView;
}

void Describe(const ReportFact& report, const StepInput& input, Copy copy, Step& step) {
  step.report = report.name;
  step.state = StateOf(report);
  step.viewed_at = report.viewed_at;
  if (IsFinished(report)) step.counts = report.counts;
  for (const auto& [dataset, then] : report.versions) {
    const auto now = input.versions.find(dataset);
    const int64_t version = now == input.versions.end() ? then : now->second;
    step.versions.push_back({dataset, copy, then, version});
    step.data_changed |= version != then;
  }
}

Step Compute(int number, Copy copy, const std::string& snapshot, const StepInput& input) {
  Step step;
  step.number = number;
  std::vector<const ReportFact*> reports;
  for (const ReportFact& report : input.reports) {
    if (Counts(report, input) && report.snapshot == snapshot) reports.push_back(&report);
  }
  const ReportFact* report = Choose(reports);
  if (report == nullptr) return step;
  Describe(*report, input, copy, step);
  const bool other_severities =
      report->next_severity_change.has_value() && *report->next_severity_change <= input.today;
  if (report->rule_group_version != input.rule_group_version || other_severities ||
      report->previous_snapshot != input.previous_snapshot) {
    step.state = StepState::kStale;
  }
  return step;
}

}  // namespace

std::string_view NameOf(StepState state) {
  switch (state) {
    case StepState::kNotStarted:
      return "NOT_STARTED";
    case StepState::kQueued:
      return "QUEUED";
    case StepState::kRunning:
      return "RUNNING";
    case StepState::kFatalFound:
      return "FATAL_FOUND";
    case StepState::kReadyToView:
      return "READY_TO_VIEW";
    case StepState::kCompleted:
      return "COMPLETED";
    case StepState::kStale:
      return "STALE";
  }
  return "";
}

Step CopyStep(int number, const StepInput& input) {
  const Copy copy = number == 1 ? Copy::kDistrict : Copy::kState;
  Step step = Compute(number, copy, "", input);
  if (step.data_changed) {
    step.state = StepState::kStale;
    step.data_change_text = number == 1 ? "district data changed since the report"
                                        : "state data changed since the report";
  }
  return step;
}

Step SnapshotStep(const std::string& candidate, const SnapshotFact* snapshot,
                  const StepInput& input) {
  Step step;
  step.number = 3;
  if (candidate.empty() || snapshot == nullptr) return step;
  step = Compute(3, Copy::kState, candidate, input);
  step.snapshot = candidate;
  step.versions.clear();
  step.data_changed = false;
  for (const auto& [dataset, then] : snapshot->versions) {
    const auto now = input.versions.find(dataset);
    const int64_t version = now == input.versions.end() ? then : now->second;
    step.versions.push_back({dataset, Copy::kState, then, version});
    step.data_changed |= version != then;
  }
  if (snapshot->failed) step.state = StepState::kStale;
  return step;
}

std::string ChangeText(int64_t added, int64_t removed, int64_t changed) {
  return fmt::format("state data changed since snapshot: +{} / -{} / ~{} records", added, removed,
                     changed);
}

bool HasFatals(const std::vector<SeverityCount>& counts) {
  return std::any_of(counts.begin(), counts.end(), [](const SeverityCount& count) {
    return count.severity == Severity::kFatal &&
           (count.records > count.waived || count.rules_errored > 0);
  });
}

bool HasWarnings(const std::vector<SeverityCount>& counts) {
  return std::any_of(counts.begin(), counts.end(), [](const SeverityCount& count) {
    return (count.severity == Severity::kWarning || count.severity == Severity::kSpecialWarning) &&
           (count.records > 0 || count.rules_errored > 0);
  });
}

bool NeedsExplanations(const std::vector<SeverityCount>& counts) {
  return std::any_of(counts.begin(), counts.end(), [](const SeverityCount& count) {
    return count.severity == Severity::kSpecialWarning &&
           (count.records > 0 || count.rules_errored > 0);
  });
}

int64_t RecordsOf(const std::vector<SeverityCount>& counts, Severity severity) {
  int64_t records = 0;
  for (const SeverityCount& count : counts) {
    if (count.severity == severity) records += count.records;
  }
  return records;
}

absl::Status CheckCompleted(int number, StepState state, const std::string& report) {
  switch (state) {
    case StepState::kCompleted:
      return absl::OkStatus();
    case StepState::kFatalFound:
      return FatalFindingsOpen(number, report);
    case StepState::kReadyToView:
      return ReportNotViewed(number, report);
    case StepState::kStale:
      return StepStale(number, NameOf(state));
    case StepState::kNotStarted:
    case StepState::kQueued:
    case StepState::kRunning:
      break;
  }
  return StepNotCompleted(number, NameOf(state));
}

}  // namespace edcert::workflow
