#include "services/event_registry/event.h"

#include <gtest/gtest.h>

#include "common/testing/matchers.h"

namespace edcert::event_registry {
namespace {

using testing::HasReason;
using testing::IsOk;

using absl::CivilDay;

constexpr std::array kStatuses = {EventStatus::kUnpublished, EventStatus::kPublished,
                                  EventStatus::kUnpublishedChanges, EventStatus::kClosed};

Event AnEvent(EventStatus status = EventStatus::kUnpublished) {
  return {.name = names::EventName::FromId("fall"),
          .category = names::CategoryName::FromId("attendance"),
          .rule_group = names::RuleGroupName::FromId("attendance"),
          .window = {.start_date = CivilDay(2026, 9, 4),
                     .certification_opens = CivilDay(2026, 10, 2),
                     .due_date = CivilDay(2026, 10, 12),
                     .end_date = CivilDay(2026, 10, 30),
                     .snapshot_available = CivilDay(2026, 10, 2)},
          .participant_count = 1,
          .status = status,
          .draft_version = status == EventStatus::kPublished ? 0 : 1};
}

Category ACategory() {
  return {.name = names::CategoryName::FromId("attendance"), .publish_time = absl::UnixEpoch()};
}

const CivilDay kToday(2026, 9, 1);

TEST(MakeWindowTest, FillsInTheDefaults) {
  const auto window =
      MakeWindow({.start_date = CivilDay(2026, 9, 1), .end_date = CivilDay(2026, 9, 30)});
  ASSERT_THAT(window, IsOk());
  EXPECT_EQ(window->certification_opens, CivilDay(2026, 9, 1));
  EXPECT_EQ(window->due_date, CivilDay(2026, 9, 30));
  EXPECT_EQ(window->snapshot_available, CivilDay(2026, 9, 1));
}

TEST(MakeWindowTest, TheSnapshotIsAvailableWhenCertificationOpens) {
  const auto window = MakeWindow({.start_date = CivilDay(2026, 9, 1),
                                  .certification_opens = CivilDay(2026, 9, 10),
                                  .end_date = CivilDay(2026, 9, 30)});
  ASSERT_THAT(window, IsOk());
  EXPECT_EQ(window->snapshot_available, CivilDay(2026, 9, 10));
}

TEST(MakeWindowTest, AWindowOfOneDayIsOne) {
  const CivilDay day(2026, 9, 1);
  EXPECT_THAT(MakeWindow({day, day, day, day, day}), IsOk());
}

TEST(MakeWindowTest, RefusesDatesOutOfOrder) {
  const auto field_of = [](const RequestedWindow& requested) {
    const auto window = MakeWindow(requested);
    EXPECT_THAT(window, HasReason("FIELD_INVALID"));
    return status::MetadataOf(window.status(), "field");
  };
  const CivilDay start(2026, 9, 10);
  const CivilDay end(2026, 9, 30);
  EXPECT_EQ(field_of({.start_date = end, .end_date = start}), "event.end_date");
  EXPECT_EQ(field_of({.start_date = start, .certification_opens = start - 1, .end_date = end}),
            "event.certification_opens");
  EXPECT_EQ(field_of({.start_date = start,
                      .certification_opens = start + 2,
                      .due_date = start + 1,
                      .end_date = end}),
            "event.due_date");
  EXPECT_EQ(field_of({.start_date = start, .due_date = end + 1, .end_date = end}),
            "event.end_date");
  EXPECT_EQ(field_of({.start_date = start, .end_date = end, .snapshot_available = start - 1}),
            "event.snapshot_available");
  EXPECT_EQ(field_of({.start_date = start, .end_date = end, .snapshot_available = end + 1}),
            "event.snapshot_available");
}

TEST(PhaseTest, ChangesOnTheDaysOfTheWindow) {
  const Event event = AnEvent(EventStatus::kPublished);
  EXPECT_EQ(PhaseOn(event, CivilDay(2026, 9, 3)), Phase::kBeforeStart);
  EXPECT_EQ(PhaseOn(event, CivilDay(2026, 9, 4)), Phase::kReview);
  EXPECT_EQ(PhaseOn(event, CivilDay(2026, 10, 1)), Phase::kReview);
  EXPECT_EQ(PhaseOn(event, CivilDay(2026, 10, 2)), Phase::kCertifying);
  EXPECT_EQ(PhaseOn(event, CivilDay(2026, 10, 12)), Phase::kCertifying);
  EXPECT_EQ(PhaseOn(event, CivilDay(2026, 10, 13)), Phase::kLate);
  EXPECT_EQ(PhaseOn(event, CivilDay(2026, 10, 30)), Phase::kLate);
  EXPECT_EQ(PhaseOn(event, CivilDay(2026, 10, 31)), Phase::kEnded);
}

TEST(PhaseTest, AClosedEventIsClosedOnEveryDay) {
  const Event event = AnEvent(EventStatus::kClosed);
  EXPECT_EQ(PhaseOn(event, CivilDay(2026, 9, 3)), Phase::kClosed);
  EXPECT_EQ(PhaseOn(event, CivilDay(2026, 10, 5)), Phase::kClosed);
}

// The sentences of the specification, not the table.
TEST(LifecycleTest, AllowsExactlyTheStepsOfTheSpecification) {
  for (const EventStatus status : kStatuses) {
    const Event event = AnEvent(status);
    EXPECT_EQ(Next(event, EventAction::kUpdate).ok(), status == EventStatus::kUnpublished);
    EXPECT_EQ(Next(event, EventAction::kPublish).ok(), status == EventStatus::kUnpublished);
    EXPECT_EQ(Next(event, EventAction::kClose).ok(), status == EventStatus::kPublished);
    EXPECT_EQ(Next(event, EventAction::kDelete).ok(), status == EventStatus::kUnpublished);
  }
}

TEST(LifecycleTest, ARefusalSaysWhatIsAllowed) {
  const auto next = Next(AnEvent(EventStatus::kUnpublished), EventAction::kClose);
  EXPECT_THAT(next, HasReason("TRANSITION_NOT_ALLOWED"));
  EXPECT_EQ(status::MetadataOf(next.status(), "from"), "UNPUBLISHED");
  EXPECT_EQ(status::MetadataOf(next.status(), "action"), "close");
  EXPECT_EQ(status::MetadataOf(next.status(), "allowed"), "update, publish, delete");
}

TEST(UpdateTest, KeepsWhatIsNotWritten) {
  const auto updated = Update(AnEvent(), [](EventDraft& draft) {
    draft.event.title = "Autumn";
    draft.window.due_date = CivilDay(2026, 10, 13);
    return absl::OkStatus();
  });
  ASSERT_THAT(updated, IsOk());
  EXPECT_EQ(updated->title, "Autumn");
  EXPECT_EQ(updated->window.due_date, CivilDay(2026, 10, 13));
  EXPECT_EQ(updated->window.certification_opens, CivilDay(2026, 10, 2));
  EXPECT_EQ(updated->status, EventStatus::kUnpublished);
  EXPECT_EQ(updated->draft_version, 1);
  EXPECT_EQ(updated->attestation_version, 1);
}

TEST(UpdateTest, TheVersionOfTheAttestationRisesWithItsText) {
  const auto write = [](const std::string& text) {
    return Update(AnEvent(),
                  [&text](EventDraft& draft) {
                    draft.event.attestation_text = text;
                    return absl::OkStatus();
                  })
        ->attestation_version;
  };
  EXPECT_EQ(write(""), 1);
  EXPECT_EQ(write("I attest."), 2);
}

TEST(UpdateTest, TheDaysAreJudgedTogether) {
  const auto move = [](absl::CivilDay start, std::optional<CivilDay> opens) {
    return Update(AnEvent(), [&](EventDraft& draft) {
      draft.window.start_date = start;
      draft.window.certification_opens = opens;
      return absl::OkStatus();
    });
  };
  const auto late = move(CivilDay(2026, 10, 3), CivilDay(2026, 10, 2));
  EXPECT_THAT(late, HasReason("FIELD_INVALID"));
  EXPECT_EQ(status::MetadataOf(late.status(), "field"), "event.certification_opens");
  const auto without = move(CivilDay(2026, 9, 5), std::nullopt);  // says: as the start
  ASSERT_THAT(without, IsOk());
  EXPECT_EQ(without->window.certification_opens, CivilDay(2026, 9, 5));
}

TEST(UpdateTest, WhatWasPublishedStays) {
  const auto nothing = [](EventDraft&) { return absl::OkStatus(); };
  EXPECT_THAT(Update(AnEvent(EventStatus::kPublished), nothing),
              HasReason("TRANSITION_NOT_ALLOWED"));
  EXPECT_THAT(Update(AnEvent(EventStatus::kClosed), nothing), HasReason("TRANSITION_NOT_ALLOWED"));
}

TEST(PublishTest, TheDraftBecomesLiveAndTheRulesArePinned) {
  const auto published = Publish(AnEvent(), ACategory(), 7, kToday);
  ASSERT_THAT(published, IsOk());
  EXPECT_EQ(published->status, EventStatus::kPublished);
  EXPECT_EQ(published->live_version, 1);
  EXPECT_EQ(published->draft_version, 0);
  EXPECT_EQ(published->rule_group_version, 7);
}

TEST(PublishTest, NeedsACategoryThatIsPublishedAndActive) {
  Category draft = ACategory();
  draft.publish_time.reset();
  EXPECT_THAT(Publish(AnEvent(), draft, 1, kToday), HasReason("CATEGORY_INACTIVE"));
  Category inactive = ACategory();
  inactive.active = false;
  EXPECT_THAT(Publish(AnEvent(), inactive, 1, kToday), HasReason("CATEGORY_INACTIVE"));
}

TEST(PublishTest, NeedsParticipants) {
  Event event = AnEvent();
  event.participant_count = 0;
  EXPECT_THAT(Publish(event, ACategory(), 1, kToday), HasReason("NO_PARTICIPANTS"));
}

TEST(PublishTest, IsPossibleUntilTheEndDate) {
  EXPECT_THAT(Publish(AnEvent(), ACategory(), 1, CivilDay(2026, 10, 30)), IsOk());
  EXPECT_THAT(Publish(AnEvent(), ACategory(), 1, CivilDay(2026, 10, 31)),
              HasReason("FIELD_INVALID"));
}

TEST(PublishTest, TheStateIsJudgedFirst) {
  Event event = AnEvent(EventStatus::kClosed);
  event.participant_count = 0;
  EXPECT_THAT(Publish(event, ACategory(), 1, kToday), HasReason("TRANSITION_NOT_ALLOWED"));
}

TEST(CloseTest, KeepsTheReason) {
  const auto closed = Close(AnEvent(EventStatus::kPublished), "done");
  ASSERT_THAT(closed, IsOk());
  EXPECT_EQ(closed->status, EventStatus::kClosed);
  EXPECT_EQ(closed->close_reason, "done");
}

}  // namespace
}  // namespace edcert::event_registry
