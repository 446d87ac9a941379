#include "services/workflow/certification.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "services/workflow/certification_page.h"

namespace edcert::workflow {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

Certification Opened() {
  Certification c;
  c.id = "c";
  c.event.due_at = kNow + absl::Hours(24);
  c.event.ends_at = kNow + absl::Hours(48);
  c.roster = {{"users/a", "", "Superintendent"}, {"users/b", "users/d", "Principal"}};
  Perform({State::kInProgress, Effect::kCreate}, {.now = kNow}, c);
  return c;
}

// What a person may try in the walks below.
struct Try {
  Action action;
  std::string user;
};
const std::vector<Try>& Tries() {
  static const std::vector<Try> tries = {
      {Action::kSubmit, "users/a"},
      {Action::kSubmit, "users/b"},
      {Action::kApprove, "users/state"},
      {Action::kReturn, "users/state"},
      {Action::kRequestRecertification, "users/a"},
      {Action::kDenyRequest, "users/state"},
      {Action::kWithdrawRequest, "users/a"},
      {Action::kCancelRecertification, "users/state"},
      {Action::kExempt, "users/state"},
  };
  return tries;
}

// Makes a move as the store does. Returns whether it was allowed.
bool Make(const Try& attempt, Certification& c, absl::Time now) {
  if (c.candidate_snapshot.empty() &&
      (c.state == State::kInProgress || c.state == State::kRecertInProgress)) {
    c.candidate_snapshot = "snapshots/" + std::to_string(c.round);
  }
  Facts facts;
  facts.system = facts.certifier = facts.approver = facts.event_manager = true;
  AddOwnFacts(c, attempt.user, facts);
  const absl::StatusOr<Decision> decision = Decide(c.state, attempt.action, facts);
  if (!decision.ok()) return false;
  Input input;
  input.actor = attempt.user;
  input.reason = "because";
  input.now = now;
  input.new_id = "id";
  input.signature.snapshot = c.candidate_snapshot;
  input.snapshot = c.candidate_snapshot.empty() ? "snapshots/admin" : c.candidate_snapshot;
  input.due = absl::CivilDay(2026, 12, 1);
  input.due_at = now + absl::Hours(1);
  input.next_roster = {{"users/a", "", ""}, {"users/b", "users/d", ""}};
  Perform(*decision, input, c);
  return true;
}

void ExpectInvariants(const Certification& c, const std::string& path) {
  // 1: sent or approved by signatures means that everybody signed, on one snapshot.
  const bool certified = c.state == State::kSent ||
                         (c.state == State::kApproved && !c.administrative) ||
                         c.state == State::kRecertRequested;
  std::set<std::string> snapshots;
  std::set<std::string> signers;
  for (const Signature& signature : c.signatures) {
    if (signature.voided_at.has_value()) continue;
    snapshots.insert(signature.snapshot);
    // 2: at most one signature of a user counts.
    EXPECT_TRUE(signers.insert(signature.user).second) << path;
  }
  EXPECT_LE(snapshots.size(), 1U) << path;
  if (certified) {
    EXPECT_TRUE(AllSigned(c)) << path;
    // 3: what was signed is what is certified.
    EXPECT_EQ(*snapshots.begin(), c.certified_snapshot) << path;
  }
  // 6: a request is pending exactly in RECERT_REQUESTED.
  EXPECT_EQ(c.request.has_value(), c.state == State::kRecertRequested) << path;
  // A round that was sent back has a date of its own, and no candidate of the round before.
  if (c.state == State::kRecertInProgress) {
    EXPECT_TRUE(c.recert_due_at.has_value()) << path;
    EXPECT_FALSE(c.certified_snapshot.empty()) << path;
  }
}

void Walk(const Certification& c, const std::string& path, int left, int& visited) {
  ExpectInvariants(c, path);
  ++visited;
  if (left == 0) return;
  for (const Try& attempt : Tries()) {
    Certification next = c;
    if (!Make(attempt, next, kNow + absl::Minutes(10 - left))) continue;
    EXPECT_EQ(next.version, c.version + 1);
    EXPECT_GE(next.round, c.round);
    // What is final stays final.
    EXPECT_NE(c.state, State::kExempt) << path;
    Walk(next, path + " " + std::string(NameOf(attempt.action)), left - 1, visited);
  }
}

TEST(CertificationTest, InvariantsHoldOnAllPaths) {
  int visited = 0;
  Walk(Opened(), "", 8, visited);
  EXPECT_GT(visited, 1000);
}

TEST(CertificationTest, TheLastSignatureSends) {
  Certification c = Opened();
  ASSERT_TRUE(Make({Action::kSubmit, "users/a"}, c, kNow));
  EXPECT_EQ(c.state, State::kInProgress);
  EXPECT_EQ(Outstanding(c), std::vector<std::string>{"users/b"});
  ASSERT_TRUE(Make({Action::kSubmit, "users/b"}, c, kNow));
  EXPECT_EQ(c.state, State::kSent);
  EXPECT_EQ(c.certified_snapshot, "snapshots/0");
  EXPECT_FALSE(Make({Action::kSubmit, "users/b"}, c, kNow));
}

TEST(CertificationTest, ADelegateSignsInTheCertifiersPlace) {
  Certification c = Opened();
  EXPECT_EQ(UserStatusOf(c, "users/d", kNow), UserStatus::kIncomplete);
  ASSERT_TRUE(Make({Action::kSubmit, "users/d"}, c, kNow));
  EXPECT_EQ(Outstanding(c), std::vector<std::string>{"users/a"});
  EXPECT_EQ(UserStatusOf(c, "users/b", kNow), UserStatus::kCertificationComplete);
  EXPECT_EQ(UserStatusOf(c, "users/d", kNow), UserStatus::kCertificationComplete);
  EXPECT_EQ(UserStatusOf(c, "users/a", kNow), UserStatus::kIncomplete);
  EXPECT_EQ(UserStatusOf(c, "users/a", kNow + absl::Hours(25)), UserStatus::kOverdue);
  EXPECT_EQ(UserStatusOf(c, "users/reviewer", kNow), UserStatus::kNotApplicable);
  EXPECT_EQ(UserStatusOf(c, "", kNow), UserStatus::kNotApplicable);
}

TEST(CertificationTest, ADelegateHasNothingToDoOnceTheCertifierSigned) {
  Certification c = Opened();
  ASSERT_TRUE(Make({Action::kSubmit, "users/b"}, c, kNow));
  EXPECT_EQ(UserStatusOf(c, "users/d", kNow), UserStatus::kNotApplicable);
}

TEST(CertificationTest, ACancelledRoundReinstatesTheSignatures) {
  Certification c = Opened();
  ASSERT_TRUE(Make({Action::kSubmit, "users/a"}, c, kNow));
  ASSERT_TRUE(Make({Action::kSubmit, "users/b"}, c, kNow));
  ASSERT_TRUE(Make({Action::kApprove, "users/state"}, c, kNow));
  ASSERT_TRUE(Make({Action::kReturn, "users/state"}, c, kNow + absl::Hours(1)));
  EXPECT_EQ(c.state, State::kRecertInProgress);
  EXPECT_EQ(c.round, 1);
  EXPECT_TRUE(Signers(c).empty());
  EXPECT_EQ(c.certified_snapshot, "snapshots/0");
  EXPECT_EQ(c.candidate_snapshot, "");
  EXPECT_EQ(c.effective_due(), kNow + absl::Hours(2));
  ASSERT_TRUE(Make({Action::kSubmit, "users/a"}, c, kNow + absl::Hours(1)));
  ASSERT_TRUE(Make({Action::kCancelRecertification, "users/state"}, c, kNow + absl::Hours(2)));
  EXPECT_EQ(c.state, State::kApproved);
  EXPECT_TRUE(AllSigned(c));
  EXPECT_EQ(c.candidate_snapshot, "snapshots/0");
  EXPECT_EQ(c.effective_due(), c.event.due_at);
  EXPECT_EQ(c.signatures.size(), 3U);  // the one of the cancelled round is kept, voided
}

TEST(CertificationTest, AnAcceptedRequestCanStillBeCancelledBackToWhereItCameFrom) {
  Certification c = Opened();
  ASSERT_TRUE(Make({Action::kSubmit, "users/a"}, c, kNow));
  ASSERT_TRUE(Make({Action::kSubmit, "users/b"}, c, kNow));
  ASSERT_TRUE(Make({Action::kRequestRecertification, "users/a"}, c, kNow));
  EXPECT_EQ(UserStatusOf(c, "users/a", kNow), UserStatus::kRecertRequestPending);
  EXPECT_EQ(UserStatusOf(c, "users/b", kNow), UserStatus::kCertificationComplete);
  EXPECT_FALSE(Make({Action::kWithdrawRequest, "users/b"}, c, kNow));
  ASSERT_TRUE(Make({Action::kReturn, "users/state"}, c, kNow));
  ASSERT_TRUE(Make({Action::kCancelRecertification, "users/state"}, c, kNow));
  EXPECT_EQ(c.state, State::kSent);
}

TEST(CertificationTest, PhaseFollowsTheCalendar) {
  Event event;
  event.starts_at = kNow;
  event.opens_at = kNow + absl::Hours(1);
  event.due_at = kNow + absl::Hours(2);
  event.ends_at = kNow + absl::Hours(3);
  EXPECT_EQ(PhaseOf(event, kNow - absl::Seconds(1)), Phase::kBeforeStart);
  EXPECT_EQ(PhaseOf(event, kNow), Phase::kReview);
  EXPECT_EQ(PhaseOf(event, event.opens_at), Phase::kCertifying);
  EXPECT_EQ(PhaseOf(event, event.due_at), Phase::kCertifying);
  EXPECT_EQ(PhaseOf(event, event.ends_at), Phase::kLate);
  EXPECT_EQ(PhaseOf(event, event.ends_at + absl::Milliseconds(1)), Phase::kEnded);
  event.status = EventStatus::kClosed;
  EXPECT_EQ(PhaseOf(event, kNow), Phase::kClosed);
}

TEST(CertificationTest, TheFeedSaysWhoIsOutstanding) {
  Certification c = Opened();
  ASSERT_TRUE(Make({Action::kSubmit, "users/a"}, c, kNow));
  const auto attributes = FeedAttributes(c, "users/a", "", "", absl::UTCTimeZone());
  EXPECT_EQ(attributes.at("outstanding"), "users/b");
  EXPECT_EQ(attributes.at("signers"), "users/a");
  EXPECT_EQ(attributes.at("status"), "IN_PROGRESS");
  EXPECT_EQ(FeedTypeOf(Action::kSubmit, State::kInProgress), "certification_signed");
  EXPECT_EQ(FeedTypeOf(Action::kSubmit, State::kSent), "certification_sent");
}

}  // namespace
}  // namespace edcert::workflow
