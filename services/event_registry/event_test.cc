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
    const bool is_live =
        status == EventStatus::kPublished || status == EventStatus::kUnpublishedChanges;
    const bool has_draft =
        status == EventStatus::kUnpublished || status == EventStatus::kUnpublishedChanges;
    EXPECT_EQ(Next(event, EventAction::kPublish).ok(), has_draft);
    EXPECT_EQ(Next(event, EventAction::kClose).ok(), is_live);
    EXPECT_EQ(Next(event, EventAction::kDelete).ok(), status == EventStatus::kUnpublished);
  }
}

TEST(LifecycleTest, ARefusalSaysWhatIsAllowed) {
  const auto next = Next(AnEvent(EventStatus::kUnpublished), EventAction::kClose);
  EXPECT_THAT(next, HasReason("TRANSITION_NOT_ALLOWED"));
  EXPECT_EQ(status::MetadataOf(next.status(), "from"), "UNPUBLISHED");
  EXPECT_EQ(status::MetadataOf(next.status(), "action"), "close");
  EXPECT_EQ(status::MetadataOf(next.status(), "allowed"), "publish, delete");
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
