#include "services/snapshot/taking.h"

#include <gtest/gtest.h>

#include "common/status/error.h"
#include "services/snapshot/diff.h"

namespace edcert::snapshot {
namespace {

const absl::Time kOpens = absl::FromUnixSeconds(1'790'000'000);

// An approver of the state calls directly, while snapshots are available.
TakingFacts StateFacts() {
  TakingFacts facts;
  facts.event = "events/e";
  facts.organization = "organizations/o";
  facts.has_user = true;
  facts.state_user = true;
  facts.approver = true;
  facts.participates = true;
  facts.event_published = true;
  facts.snapshots_from = kOpens;
  facts.now = kOpens;
  return facts;
}

TakingFacts LocalFacts() {
  TakingFacts facts = StateFacts();
  facts.service = "services/workflow";
  facts.state_user = false;
  facts.approver = false;
  facts.certifier_or_reviewer = true;
  facts.participates = false;  // not asked: workflow knows
  return facts;
}

TakingFacts ServiceFacts() {
  TakingFacts facts = StateFacts();
  facts.has_user = false;
  facts.service = "services/workflow";
  facts.approver = false;
  return facts;
}

std::string Refusal(const TakingFacts& facts) {
  return status::ReasonOf(DecideTaking(facts).status());
}

TEST(TakingTest, TheOriginFollowsFromWhoCalls) {
  EXPECT_EQ(*DecideTaking(StateFacts()), Origin::kStateManual);
  EXPECT_EQ(*DecideTaking(ServiceFacts()), Origin::kStateScheduled);
  TakingFacts facts = LocalFacts();
  EXPECT_EQ(*DecideTaking(facts), Origin::kDistrictTaken);
  facts.retake = true;
  EXPECT_EQ(*DecideTaking(facts), Origin::kDistrictRetaken);
}

TEST(TakingTest, LocalPeopleCannotCallDirectly) {
  TakingFacts facts = LocalFacts();
  facts.service = "";
  facts.participates = true;
  EXPECT_EQ(Refusal(facts), "NOT_PERMITTED");
}

TEST(TakingTest, ARoleIsNeeded) {
  TakingFacts facts = LocalFacts();
  facts.certifier_or_reviewer = false;
  EXPECT_EQ(Refusal(facts), "NOT_PERMITTED");
  facts = StateFacts();
  facts.approver = false;
  EXPECT_EQ(Refusal(facts), "NOT_PERMITTED");
}

TEST(TakingTest, WhoTakesNoPartIsNotFound) {
  TakingFacts facts = StateFacts();
  facts.participates = false;
  facts.approver = false;  // existence comes first
  EXPECT_EQ(Refusal(facts), "NOT_FOUND");
  EXPECT_EQ(status::MetadataOf(DecideTaking(facts).status(), "resource"), "organizations/o");
}

TEST(TakingTest, TheWindowBoundsIt) {
  TakingFacts facts = StateFacts();
  facts.now = kOpens - absl::Microseconds(1);
  EXPECT_EQ(Refusal(facts), "WINDOW_NOT_OPEN");
  EXPECT_EQ(status::MetadataOf(DecideTaking(facts).status(), "opens_at"),
            "2026-09-21T14:13:20+00:00");
  facts = StateFacts();
  facts.event_published = false;
  EXPECT_EQ(Refusal(facts), "WINDOW_NOT_OPEN");
  facts = StateFacts();
  facts.event_ended = true;
  EXPECT_EQ(Refusal(facts), "WINDOW_CLOSED");
}

TEST(TakingTest, WorkflowDecidesAboutAnEventThatEndedButNotAboutAClosedOne) {
  TakingFacts facts = LocalFacts();
  facts.event_ended = true;
  EXPECT_TRUE(DecideTaking(facts).ok());
  facts.event_closed = true;
  EXPECT_EQ(Refusal(facts), "WINDOW_CLOSED");
}

TEST(DiffTest, PairsHaveTheDatasetsOfBothSides) {
  const std::vector<DataVersion> base = {{"a", 3, 0, ""}, {"b", 5, 0, ""}};
  const std::vector<DataVersion> other = {{"b", 6, 0, ""}, {"c", 1, 0, ""}};
  EXPECT_EQ(PairsOf(base, other, ""),
            (std::vector<DiffPair>{{"a", 3, 0}, {"b", 5, 6}, {"c", 0, 1}}));
  EXPECT_EQ(PairsOf(base, other, "b"), (std::vector<DiffPair>{{"b", 5, 6}}));
}

TEST(DiffTest, VersionsSurviveThePageToken) {
  const std::vector<DataVersion> versions = {{"a", 3, 0, ""}, {"b", 5, 0, ""}};
  EXPECT_EQ(VersionsToText(versions), "a=3,b=5");
  const auto back = VersionsFromText("a=3,b=5", {"a", "b"});
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(PairsOf(versions, *back, ""), (std::vector<DiffPair>{{"a", 3, 3}, {"b", 5, 5}}));
  EXPECT_TRUE(VersionsFromText("", {})->empty());
}

TEST(DiffTest, APageTokenNamesTheSnapshotsDatasetsAndNoOthers) {
  for (const char* text : {"a=x,b=5", "a=-3,b=5", "a3,b=5", "a=3", "b=5", "", "b=5,a=3", "a=3,c=5",
                           "a=3,b=5,c=7", "a=3,a=3", "secret=7"}) {
    EXPECT_EQ(status::ReasonOf(VersionsFromText(text, {"a", "b"}).status()), "PAGE_TOKEN_INVALID")
        << text;
  }
}

TEST(SnapshotTest, NamesOfStatesAndOriginsComeBack) {
  for (const State state : {State::kSealing, State::kSealed, State::kFailed, State::kSuperseded}) {
    EXPECT_EQ(*StateFromString(ToString(state)), state);
  }
  for (const Origin origin : {Origin::kStateScheduled, Origin::kStateManual, Origin::kDistrictTaken,
                              Origin::kDistrictRetaken}) {
    EXPECT_EQ(*OriginFromString(ToString(origin)), origin);
  }
}

TEST(SnapshotTest, TextsThatNobodyWroteAreRefused) {
  EXPECT_EQ(StateFromString("MELTED").status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(StateFromString("").status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(OriginFromString("SEALED").status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace edcert::snapshot
