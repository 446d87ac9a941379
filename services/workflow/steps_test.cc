#include "services/workflow/steps.h"

#include <gtest/gtest.h>

#include "common/status/error.h"

namespace edcert::workflow {
namespace {

const absl::Time kMorning = absl::FromUnixSeconds(1'790'000'000);

ReportFact Report(const std::string& name, ReportState state) {
  ReportFact report;
  report.name = name;
  report.state = state;
  report.rule_group_version = 3;
  report.created_at = kMorning;
  report.counts = {{Severity::kFatal, 0, 0, 0}, {Severity::kWarning, 1, 5, 0}};
  report.versions = {{"datasets/enrollment", 41}};
  return report;
}

ReportFact Viewed(ReportFact report) {
  report.viewed_at = kMorning + absl::Minutes(5);
  return report;
}

StepInput Input(std::vector<ReportFact> reports) {
  StepInput input;
  input.rule_group_version = 3;
  input.reports = std::move(reports);
  input.versions = {{"datasets/enrollment", 41}, {"datasets/other", 7}};
  return input;
}

TEST(StepsTest, FollowsTheReport) {
  EXPECT_EQ(CopyStep(1, Input({})).state, StepState::kNotStarted);
  EXPECT_EQ(CopyStep(1, Input({Report("r", ReportState::kQueued)})).state, StepState::kQueued);
  EXPECT_EQ(CopyStep(1, Input({Report("r", ReportState::kRunning)})).state, StepState::kRunning);
  EXPECT_EQ(CopyStep(1, Input({Report("r", ReportState::kCompleted)})).state,
            StepState::kReadyToView);
  EXPECT_EQ(CopyStep(1, Input({Viewed(Report("r", ReportState::kCompleted))})).state,
            StepState::kCompleted);
}

TEST(StepsTest, FatalFindingsAndFatalRulesThatFailedBlock) {
  ReportFact found = Viewed(Report("r", ReportState::kCompleted));
  found.counts = {{Severity::kFatal, 1, 2, 0}};
  EXPECT_EQ(CopyStep(2, Input({found})).state, StepState::kFatalFound);
  found.counts = {{Severity::kFatal, 0, 0, 1}};
  EXPECT_EQ(CopyStep(2, Input({found})).state, StepState::kFatalFound);
  found.counts = {{Severity::kWarning, 0, 0, 1}};
  EXPECT_EQ(CopyStep(2, Input({found})).state, StepState::kCompleted);
}

TEST(StepsTest, AFailedOrCancelledReportLeavesTheStepAsItWas) {
  const Step step = CopyStep(
      1, Input({Report("new", ReportState::kFailed), Report("newer", ReportState::kCancelled),
                Viewed(Report("old", ReportState::kCompleted))}));
  EXPECT_EQ(step.state, StepState::kCompleted);
  EXPECT_EQ(step.report, "old");
}

TEST(StepsTest, IsStaleWhenDataOrRulesMoved) {
  StepInput input = Input({Viewed(Report("r", ReportState::kCompleted))});
  input.versions["datasets/enrollment"] = 42;
  Step step = CopyStep(2, input);
  EXPECT_EQ(step.state, StepState::kStale);
  EXPECT_TRUE(step.data_changed);
  ASSERT_EQ(step.versions.size(), 1U);
  EXPECT_EQ(step.versions[0].then, 41);
  EXPECT_EQ(step.versions[0].now, 42);
  input = Input({Viewed(Report("r", ReportState::kCompleted))});
  input.rule_group_version = 4;
  step = CopyStep(2, input);
  EXPECT_EQ(step.state, StepState::kStale);
  EXPECT_FALSE(step.data_changed);
}

TEST(StepsTest, IsStaleWhenSomethingElseWasCertifiedAYearAgo) {
  ReportFact report = Viewed(Report("r", ReportState::kCompleted));
  report.previous_snapshot = "snapshots/spring";
  StepInput input = Input({report});
  EXPECT_EQ(CopyStep(2, input).state, StepState::kStale);
  input.previous_snapshot = "snapshots/spring";
  EXPECT_EQ(CopyStep(2, input).state, StepState::kCompleted);
  input.previous_snapshot = "snapshots/summer";
  EXPECT_EQ(CopyStep(2, input).state, StepState::kStale);
  // A newer report that compared with another one is to be viewed itself.
  ReportFact newer = Report("newer", ReportState::kCompleted);
  newer.previous_snapshot = "snapshots/summer";
  input.reports = {newer, report};
  EXPECT_EQ(CopyStep(2, input).state, StepState::kReadyToView);
  EXPECT_EQ(CopyStep(2, input).report, "newer");
}

TEST(StepsTest, IsStaleFromTheDayOnWhichASeverityChanges) {
  const absl::CivilDay change(2026, 3, 1);
  ReportFact before = Viewed(Report("before", ReportState::kCompleted));
  before.next_severity_change = change;
  StepInput input = Input({before});
  input.today = change - 1;
  EXPECT_EQ(CopyStep(1, input).state, StepState::kCompleted);
  input.today = change;
  EXPECT_EQ(CopyStep(1, input).state, StepState::kStale);
  EXPECT_FALSE(CopyStep(1, input).data_changed);
  // What was seen under other severities does not speak for what was made since.
  input.reports.insert(input.reports.begin(), Report("since", ReportState::kCompleted));
  EXPECT_EQ(CopyStep(1, input).state, StepState::kReadyToView);
  EXPECT_EQ(CopyStep(1, input).report, "since");
}

TEST(StepsTest, ADatasetThatTheRulesDoNotReadMovesNothing) {
  StepInput input = Input({Viewed(Report("r", ReportState::kCompleted))});
  input.versions["datasets/other"] = 8;
  EXPECT_EQ(CopyStep(1, input).state, StepState::kCompleted);
}

TEST(StepsTest, AReportOfAFormerRoundDoesNotCount) {
  StepInput input = Input({Viewed(Report("r", ReportState::kCompleted))});
  input.round_started_at = kMorning + absl::Seconds(1);
  EXPECT_EQ(CopyStep(1, input).state, StepState::kNotStarted);
  input.round_started_at = kMorning;
  EXPECT_EQ(CopyStep(1, input).state, StepState::kCompleted);
}

TEST(StepsTest, AnEqualReportInAnotherFormatNeedNotBeViewedAgain) {
  const Step step = CopyStep(1, Input({Report("csv", ReportState::kCompleted),
                                       Viewed(Report("html", ReportState::kCompleted))}));
  EXPECT_EQ(step.state, StepState::kCompleted);
  EXPECT_EQ(step.report, "html");
  ReportFact older = Viewed(Report("html", ReportState::kCompleted));
  older.versions["datasets/enrollment"] = 40;
  EXPECT_EQ(CopyStep(1, Input({Report("csv", ReportState::kCompleted), older})).state,
            StepState::kReadyToView);
}

TEST(StepsTest, APurgedReportCountsOnlyForThoseWhoViewedIt) {
  EXPECT_EQ(CopyStep(1, Input({Report("r", ReportState::kExpired)})).state, StepState::kStale);
  EXPECT_EQ(CopyStep(1, Input({Viewed(Report("r", ReportState::kExpired))})).state,
            StepState::kCompleted);
}

SnapshotFact Sealed() {
  return {.name = "snapshots/s",
          .generation = 1,
          .sealed = true,
          .root = "ab",
          .rows = 3,
          .versions = {{"datasets/enrollment", 41}}};
}

TEST(StepsTest, TheSnapshotIsNotStaledByNewerStateData) {
  ReportFact report = Viewed(Report("r", ReportState::kCompleted));
  report.snapshot = "snapshots/s";
  StepInput input = Input({report});
  input.versions["datasets/enrollment"] = 44;
  const SnapshotFact snapshot = Sealed();
  const Step step = SnapshotStep("snapshots/s", &snapshot, input);
  EXPECT_EQ(step.state, StepState::kCompleted);
  EXPECT_TRUE(step.data_changed);
  EXPECT_EQ(step.snapshot, "snapshots/s");
}

TEST(StepsTest, OnlyAReportOnTheCandidateCounts) {
  ReportFact other = Viewed(Report("r", ReportState::kCompleted));
  other.snapshot = "snapshots/before";
  const SnapshotFact snapshot = Sealed();
  EXPECT_EQ(SnapshotStep("snapshots/s", &snapshot, Input({other})).state, StepState::kNotStarted);
  EXPECT_EQ(SnapshotStep("", nullptr, Input({other})).state, StepState::kNotStarted);
}

TEST(StepsTest, ASnapshotThatFailedMustBeTakenAgain) {
  SnapshotFact snapshot = Sealed();
  snapshot.sealed = false;
  snapshot.failed = true;
  EXPECT_EQ(SnapshotStep("snapshots/s", &snapshot, Input({})).state, StepState::kStale);
}

TEST(StepsTest, SaysWhyTheNextStepMayNotBegin) {
  const auto reason = [](StepState state) {
    return status::ReasonOf(CheckCompleted(2, state, "reports/r"));
  };
  EXPECT_EQ(reason(StepState::kNotStarted), "STEP_NOT_COMPLETED");
  EXPECT_EQ(reason(StepState::kQueued), "STEP_NOT_COMPLETED");
  EXPECT_EQ(reason(StepState::kRunning), "STEP_NOT_COMPLETED");
  EXPECT_EQ(reason(StepState::kFatalFound), "FATAL_FINDINGS_OPEN");
  EXPECT_EQ(reason(StepState::kReadyToView), "REPORT_NOT_VIEWED");
  EXPECT_EQ(reason(StepState::kStale), "STEP_STALE");
  EXPECT_EQ(reason(StepState::kCompleted), "");
  EXPECT_EQ(status::MetadataOf(CheckCompleted(2, StepState::kStale, ""), "step"), "2");
}

TEST(StepsTest, ARuleThatCouldNotBeRunCountsAsItsSeverity) {
  const auto errored = [](Severity severity) {
    return std::vector<SeverityCount>{{severity, 0, 0, /*rules_errored=*/1}};
  };
  EXPECT_TRUE(HasFatals(errored(Severity::kFatal)));
  EXPECT_FALSE(HasWarnings(errored(Severity::kFatal)));
  EXPECT_TRUE(HasWarnings(errored(Severity::kSpecialWarning)));
  EXPECT_TRUE(HasWarnings(errored(Severity::kWarning)));
  EXPECT_FALSE(HasWarnings(errored(Severity::kInfo)));
  EXPECT_TRUE(HasWarnings({{Severity::kWarning, 1, 2, 0}}));
  EXPECT_FALSE(HasWarnings({{Severity::kWarning, 0, 0, 0}, {Severity::kSpecialWarning, 0, 0, 0}}));
}

TEST(StepsTest, SaysWhatChanged) {
  EXPECT_EQ(ChangeText(12, 3, 40), "state data changed since snapshot: +12 / -3 / ~40 records");
}

}  // namespace
}  // namespace edcert::workflow
