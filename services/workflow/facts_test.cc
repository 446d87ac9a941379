#include "services/workflow/facts.h"

#include <gtest/gtest.h>

#include "common/status/error.h"

namespace edcert::workflow {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

// A certifier looks at a certification whose calendar is open, an hour from its end.
Seen Looking() {
  Seen seen;
  seen.now = kNow;
  seen.access.user = "users/a";
  seen.access.roles = {{access::Role::kCertifier, access::Rank::kPrimary, "organizations/100"}};
  access::EventFacts event;
  event.status = access::EventStatus::kPublished;
  event.attestation_version = 1;
  event.starts_at = kNow - absl::Hours(2);
  event.opens_at = kNow - absl::Hours(1);
  event.due_at = event.ends_at = kNow + absl::Hours(1);
  seen.access.event = event;
  seen.certification.id = "c";
  seen.certification.organization = "organizations/100";
  seen.certification.state = State::kInProgress;
  seen.certification.event.ends_at = event.ends_at;
  seen.certification.candidate_snapshot = "snapshots/1";
  seen.certification.roster = {{"users/a", "", "Superintendent"}};
  return seen;
}

WizardView ViewedAt(absl::Time at) {
  WizardView view;
  for (Step& step : view.steps) {
    step.state = StepState::kCompleted;
    step.viewed_at = at;
  }
  view.snapshot = SnapshotFact{.name = "snapshots/1", .sealed = true, .root = "ab", .rows = 10};
  return view;
}

Submission Signing() {
  return {.certification = "certifications/c",
          .etag = "0",
          .snapshot = "snapshots/1",
          .attestation_version = 1};
}

TEST(FactsTest, TheWindowIsThatOfTheInstant) {
  Seen seen = Looking();
  EXPECT_EQ(FactsOf(seen).signing, Window::kOpen);
  seen.now = seen.event().ends_at;
  EXPECT_EQ(FactsOf(seen).signing, Window::kOpen);
  seen.now += absl::Milliseconds(1);
  EXPECT_EQ(FactsOf(seen).signing, Window::kEnded);
  seen.now = seen.event().opens_at - absl::Milliseconds(1);
  EXPECT_EQ(FactsOf(seen).signing, Window::kBefore);
  EXPECT_TRUE(FactsOf(seen).event_started);
  EXPECT_FALSE(FactsOf(seen).certifying_opened);
  // A round is open at once.
  seen.certification.recert_due_at = kNow;
  EXPECT_EQ(FactsOf(seen).signing, Window::kOpen);
}

TEST(FactsTest, ACommandIsJudgedByItsFirstArrival) {
  Seen seen = Looking();
  const absl::Time in_time = kNow - absl::Minutes(30);
  seen.now = kNow + absl::Hours(5);
  EXPECT_EQ(JudgedAt(seen, in_time), in_time);
  EXPECT_EQ(JudgedAt(seen, in_time, ViewedAt(in_time)), in_time);
  // The clock of another process may be ahead.
  EXPECT_EQ(JudgedAt(seen, seen.now + absl::Seconds(1)), seen.now);
}

TEST(FactsTest, WhatCameTooEarlyMayBeTriedAgain) {
  Seen seen = Looking();
  EXPECT_EQ(JudgedAt(seen, seen.event().starts_at - absl::Seconds(1)), kNow);
  const absl::Time in_review = seen.event().opens_at - absl::Seconds(1);
  EXPECT_EQ(JudgedAt(seen, in_review), kNow);
  seen.certification.recert_due_at = kNow;
  EXPECT_EQ(JudgedAt(seen, in_review), in_review);
}

TEST(FactsTest, NobodyReservesASignature) {
  Seen seen = Looking();
  const absl::Time in_time = kNow - absl::Minutes(30);
  seen.now = kNow + absl::Hours(5);
  EXPECT_EQ(JudgedAt(seen, in_time, ViewedAt(in_time + absl::Seconds(1))), seen.now);
  WizardView not_viewed = ViewedAt(in_time);
  not_viewed.steps[1].viewed_at.reset();
  EXPECT_EQ(JudgedAt(seen, in_time, not_viewed), seen.now);
}

TEST(FactsTest, ToSignItTakesTheCandidateAndTheText) {
  const Seen seen = Looking();
  const WizardView view = ViewedAt(kNow);
  Facts facts = FactsToSign(seen, Signing(), view, {});
  EXPECT_TRUE(facts.snapshot_matches && facts.snapshot_sealed && facts.attestation_current);
  EXPECT_FALSE(facts.snapshot_empty || facts.warnings);
  Submission other = Signing();
  other.snapshot = "snapshots/2";
  other.attestation_version = 2;
  facts = FactsToSign(seen, other, view, {});
  EXPECT_FALSE(facts.snapshot_matches || facts.attestation_current);
  facts = FactsToSign(seen, other, view, {.unexplained_rules = {"rules/r"}});
  EXPECT_EQ(facts.unexplained_rules, std::vector<std::string>{"rules/r"});
}

TEST(FactsTest, ZeroIsAttestedOnlyWhereTheEventAllowsItAndThereIsNothing) {
  Seen seen = Looking();
  WizardView view = ViewedAt(kNow);
  Submission zero = Signing();
  zero.zero_attestation = true;
  EXPECT_FALSE(FactsToSign(seen, zero, view, {}).zero_attested);
  seen.access.event->allows_zero_attestation = true;
  EXPECT_TRUE(FactsToSign(seen, zero, view, {}).zero_attested);
  // Said of a snapshot with records it is no attestation.
  EXPECT_FALSE(SignatureOf(seen, zero, view).zero_attestation);
  view.snapshot->rows = 0;
  EXPECT_TRUE(FactsToSign(seen, zero, view, {}).snapshot_empty);
  EXPECT_TRUE(SignatureOf(seen, zero, view).zero_attestation);
}

TEST(FactsTest, TheSignatureSaysWhatWasSigned) {
  WizardView view = ViewedAt(kNow);
  view.steps[2].counts = {{Severity::kWarning, 1, 2, 0}, {Severity::kSpecialWarning, 1, 3, 0}};
  const Signature signature = SignatureOf(Looking(), Signing(), view);
  EXPECT_EQ(signature.role_title, "Superintendent");
  EXPECT_EQ(signature.snapshot, "snapshots/1");
  EXPECT_EQ(signature.root, "ab");
  EXPECT_EQ(signature.warning_count, 5);
  EXPECT_EQ(signature.waived_count, 0);
  view.steps[2].counts = {{Severity::kFatal, 1, 2, 0, /*waived=*/2}};
  EXPECT_EQ(SignatureOf(Looking(), Signing(), view).waived_count, 2);
}

TEST(FactsTest, WhatWasSentIsWhatIsApproved) {
  Seen seen = Looking();
  seen.certification.state = State::kSent;
  seen.certification.certified_snapshot = "snapshots/1";
  EXPECT_TRUE(FactsToApprove(seen, "snapshots/1", "", std::nullopt, {}).snapshot_matches);
  EXPECT_FALSE(FactsToApprove(seen, "snapshots/2", "", std::nullopt, {}).snapshot_matches);
}

TEST(FactsTest, WithoutCertificationTheNewestSnapshotIsApprovedByItsReport) {
  const Seen seen = Looking();
  const SnapshotFact newest{.name = "snapshots/2", .sealed = true};
  ReportFact report{.name = "reports/r", .state = ReportState::kRunning, .snapshot = "snapshots/2"};
  Facts facts = FactsToApprove(seen, "snapshots/2", "late", newest, {report});
  EXPECT_TRUE(facts.snapshot_matches && facts.snapshot_sealed && facts.reason_given);
  EXPECT_FALSE(facts.snapshot_clear);
  report.state = ReportState::kCompleted;
  EXPECT_TRUE(FactsToApprove(seen, "snapshots/2", "late", newest, {report}).snapshot_clear);
  report.counts = {{Severity::kFatal, 0, 0, /*rules_errored=*/1}};
  facts = FactsToApprove(seen, "snapshots/1", "", newest, {report});
  EXPECT_FALSE(facts.snapshot_matches || facts.reason_given || facts.snapshot_clear);
  EXPECT_FALSE(FactsToApprove(seen, "snapshots/2", "", std::nullopt, {}).snapshot_sealed);
}

TEST(FactsTest, RefusesBeforeOtherServicesAreAsked) {
  Seen seen = Looking();
  const std::string etag = seen.certification.etag();
  EXPECT_TRUE(CheckAttempt(seen, Action::kSubmit, etag).ok());
  EXPECT_EQ(status::ReasonOf(CheckAttempt(seen, Action::kSubmit, "9")), "ETAG_MISMATCH");
  EXPECT_EQ(status::ReasonOf(CheckAttempt(seen, Action::kApprove, "9")), "NOT_PERMITTED");
  seen.certification.state = State::kSent;
  EXPECT_EQ(status::ReasonOf(CheckAttempt(seen, Action::kSubmit, etag)), "TRANSITION_NOT_ALLOWED");
  seen.access.roles.push_back({access::Role::kApprover, access::Rank::kNone, "organizations/sea"});
  EXPECT_EQ(status::ReasonOf(CheckAttempt(seen, Action::kApprove, etag)), "SELF_APPROVAL");
  // A person of the state who signed while he was at the district.
  seen.access.roles = {{access::Role::kApprover, access::Rank::kNone, "organizations/sea"}};
  EXPECT_TRUE(CheckAttempt(seen, Action::kApprove, etag).ok());
  seen.certification.signatures = {Signature{.user = "users/a"}};
  EXPECT_EQ(status::ReasonOf(CheckAttempt(seen, Action::kApprove, etag)), "SELF_APPROVAL");
}

}  // namespace
}  // namespace edcert::workflow
