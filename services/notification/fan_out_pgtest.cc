// Changes become messages, once, and messages close: on a real PostgreSQL.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "common/clock/clock.h"
#include "common/feed/feed.h"
#include "common/ids/ids.h"
#include "common/testing/database.h"
#include "services/notification/convert.h"
#include "services/notification/fan_out.h"
#include "services/notification/migrations/migrations.h"

namespace edcert::notification {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The registry's answers, which this test is not about.
class FixedDirectory final : public Directory {
 public:
  absl::StatusOr<Event> GetEvent(const std::string&) override {
    return Event{.category = "categories/c",
                 .participants = participants,
                 .of_schools = !schools.empty(),
                 .starts_at = absl::FromUnixSeconds(1'788'220'800),
                 .opens_at = absl::FromUnixSeconds(1'790'812'800),
                 .due_at = absl::FromUnixSeconds(1'793'491'200)};
  }
  absl::StatusOr<std::vector<OpenEvent>> ListOpenEvents(const std::string& rule_group,
                                                        const std::string&) override {
    EXPECT_EQ(rule_group, "ruleGroups/g");
    return open_events;
  }
  absl::StatusOr<std::vector<Member>> ListMembers(const std::string& category,
                                                  const std::string& organization,
                                                  absl::Time at) override {
    asked_at = at;
    asked_categories.push_back(category);
    std::vector<Member> found;
    for (const Member& member : members) {
      if (organization.empty() || member.organization == organization) found.push_back(member);
    }
    return found;
  }
  absl::StatusOr<std::vector<Member>> ListStateMembers(const std::string& category,
                                                       absl::Time at) override {
    return ListMembers(category, "organizations/sea", at);
  }
  absl::StatusOr<std::string> GetDistrict(const std::string& organization) override {
    const auto school = schools.find(organization);
    return school == schools.end() ? "" : school->second;
  }
  absl::StatusOr<Districts> ListSchools() override { return schools; }

  std::set<std::string> participants = {"organizations/a", "organizations/b"};
  Districts schools;
  std::vector<OpenEvent> open_events = {{"events/e", "Fall Enrollment", "categories/c"}};
  absl::Time asked_at;
  std::vector<std::string> asked_categories;
  std::vector<Member> members = {{"users/ann", "organizations/a", MemberRole::kCertifier},
                                 {"users/ann", "organizations/b", MemberRole::kCertifier},
                                 {"users/bob", "organizations/a", MemberRole::kCertifier},
                                 {"users/sea", "organizations/sea", MemberRole::kApprover}};
};

class FanOutTest : public ::testing::Test {
 protected:
  FanOutTest() : database_("notification", components_), store_(ids::IdSource::Real()) {}

  Change Make(const std::string& type, const std::string& organization,
              std::map<std::string, std::string> more = {}) {
    Change change;
    ++position_;
    change.id = ids::IdSource::Real().NewId();
    change.subject = organization.empty() ? "events/e" : "certifications/c";
    change.type = type;
    change.actor = "users/actor";
    change.occurred_at = absl::FromUnixSeconds(1'790'000'000 + position_);
    more.insert({"event", "events/e"});
    more.insert({"category", "categories/c"});
    more.insert({organization.empty() ? "title" : "event_title", "Fall Enrollment"});
    if (!organization.empty()) {
      more.insert({"organization", organization});
      more.insert({"organization_display_name", "Lakeview"});
    }
    change.attributes = std::move(more);
    return change;
  }

  void Apply(Feed feed, const Change& change) {
    const auto prepared = Prepare(feed, change, directory_, absl::UTCTimeZone());
    ASSERT_TRUE(prepared.ok()) << prepared.status();
    const absl::Status applied = database_.db().RunInTransaction([&](pg::Transaction& tx) {
      return notification::Apply(tx, store_, ids::IdSource::Real(), feed, change, prepared->get());
    });
    ASSERT_TRUE(applied.ok()) << applied;
  }

  std::vector<Message> MessagesOf(const std::string& user) {
    pg::Database db = database_.db();
    const auto messages = store_.ListAfter(db, user, 0, 1000);
    EXPECT_TRUE(messages.ok()) << messages.status();
    return *messages;
  }

  // The causes of a user's open messages, oldest first.
  std::vector<Cause> OpenOf(const std::string& user) {
    std::vector<Cause> open;
    for (const Message& message : MessagesOf(user)) {
      if (!message.closed_at.has_value()) open.push_back(message.cause);
    }
    return open;
  }

  // The same without the confirmations, which ask for nothing.
  std::vector<Cause> WorkOf(const std::string& user) {
    std::vector<Cause> open = OpenOf(user);
    std::erase(open, Cause::kSentToState);
    return open;
  }

  const std::vector<pg::Component> components_ = {
      {.name = "notification", .migrations = sql::kMigrations}};
  testing::TestDatabase database_;
  MessageStore store_;
  FixedDirectory directory_;
  int64_t position_ = 0;
};

TEST_F(FanOutTest, AChangeThatIsDeliveredTwiceMakesOneMessageEach) {
  const Change change = Make("event_published", "");
  Apply(Feed::kEventRegistry, change);
  Apply(Feed::kEventRegistry, change);
  EXPECT_THAT(MessagesOf("users/bob"), SizeIs(1));
  EXPECT_THAT(MessagesOf("users/sea"), SizeIs(1));
  const std::vector<Message> ann = MessagesOf("users/ann");
  ASSERT_THAT(ann, SizeIs(1));
  EXPECT_EQ(ann[0].title, "Certification published: Fall Enrollment");
  EXPECT_EQ(ann[0].organization, "");  // she is asked for two
  EXPECT_EQ(MessagesOf("users/bob")[0].organization, "organizations/a");
  EXPECT_THAT(ann[0].body, ::testing::HasSubstr("due on 2026-11-01 00:00 UTC"));
}

TEST_F(FanOutTest, AConsumerAppliesAPageThatIsDeliveredAgainOnce) {
  feed::Page page;
  for (const char* type : {"event_published", "event_closed"}) {
    type::Change& change = page.changes.emplace_back();
    change.set_position(static_cast<int64_t>(page.changes.size()));
    change.set_id(ids::IdSource::Real().NewId());
    change.set_subject("events/e");
    change.set_type(type);
    change.mutable_occurred_at()->set_seconds(1'790'000'000 + change.position());
    (*change.mutable_attributes())["event"] = "events/e";
  }
  std::atomic<int> fetched = 0;
  {
    const feed::Consumer consumer(
        database_.pool(),
        {.feed = "event_registry",
         .fetch = [&](int64_t, int) -> absl::StatusOr<feed::Page> {
           ++fetched;  // whatever is asked for: the same page again
           return page;
         },
         .prepare = [&](const type::Change& change) -> absl::StatusOr<std::shared_ptr<void>> {
           return Prepare(Feed::kEventRegistry, FromProto(change), directory_, absl::UTCTimeZone());
         },
         .apply =
             [&](pg::Transaction& tx, const type::Change& change, void* prepared) {
               return notification::Apply(tx, store_, ids::IdSource::Real(), Feed::kEventRegistry,
                                          FromProto(change),
                                          static_cast<const Prepared*>(prepared));
             },
         .committed = nullptr});
    const absl::Time give_up = clock::Clock::Real().Now() + absl::Seconds(30);
    while (fetched < 4 && clock::Clock::Real().Now() < give_up) std::this_thread::yield();
  }
  EXPECT_THAT(MessagesOf("users/bob"), SizeIs(2));
  EXPECT_THAT(OpenOf("users/bob"), ElementsAre(Cause::kEventClosed));
}

TEST_F(FanOutTest, AMessageAboutTwoOrganisationsClosesWithTheLast) {
  Apply(Feed::kEventRegistry, Make("event_published", ""));
  Apply(Feed::kWorkflow, Make("certification_sent", "organizations/a"));
  EXPECT_THAT(WorkOf("users/ann"), ElementsAre(Cause::kEventPublished));
  EXPECT_THAT(WorkOf("users/bob"), IsEmpty());
  EXPECT_THAT(OpenOf("users/sea"), ElementsAre(Cause::kEventPublished, Cause::kCertificationSent));
  Apply(Feed::kWorkflow, Make("certification_sent", "organizations/b"));
  EXPECT_THAT(WorkOf("users/ann"), IsEmpty());
}

TEST_F(FanOutTest, WhoSignsForAllSchoolsHearsOfEachAndOnce) {
  directory_.schools = {{"organizations/a", "organizations/d"},
                        {"organizations/b", "organizations/d"},
                        {"organizations/z", "organizations/other"}};
  directory_.members = {{"users/all", "organizations/d", MemberRole::kCertifier, true},
                        {"users/all", "organizations/a", MemberRole::kReviewer},
                        {"users/office", "organizations/d", MemberRole::kCertifier, false},
                        {"users/other", "organizations/other", MemberRole::kCertifier, true},
                        {"users/bob", "organizations/a", MemberRole::kCertifier}};
  Apply(Feed::kEventRegistry, Make("event_published", ""));
  EXPECT_THAT(OpenOf("users/all"), ElementsAre(Cause::kEventPublished));
  EXPECT_THAT(OpenOf("users/bob"), ElementsAre(Cause::kEventPublished));
  EXPECT_THAT(OpenOf("users/office"), IsEmpty());
  EXPECT_THAT(OpenOf("users/other"), IsEmpty());

  // His message asks for both schools.
  Apply(Feed::kWorkflow, Make("certification_sent", "organizations/a"));
  EXPECT_THAT(WorkOf("users/all"), ElementsAre(Cause::kEventPublished));
  Apply(Feed::kWorkflow, Make("recertification_started", "organizations/b"));
  EXPECT_THAT(WorkOf("users/all"),
              ElementsAre(Cause::kEventPublished, Cause::kRecertificationStarted));
  EXPECT_THAT(WorkOf("users/bob"), IsEmpty());
  Apply(Feed::kWorkflow, Make("certification_approved", "organizations/b"));
  EXPECT_THAT(WorkOf("users/all"), ElementsAre(Cause::kCertificationApproved));
  EXPECT_THAT(MessagesOf("users/office"), IsEmpty());
  EXPECT_THAT(MessagesOf("users/other"), IsEmpty());

  Apply(Feed::kWorkflow,
        Make("recertification_denied", "organizations/a", {{"requester", "users/bob"}}));
  EXPECT_THAT(MessagesOf("users/all").back().cause, Cause::kRequestDenied);
}

TEST_F(FanOutTest, TheRecipientsAreThoseOfTheMomentOfTheChange) {
  const Change published = Make("event_published", "");
  Apply(Feed::kEventRegistry, published);
  EXPECT_EQ(directory_.asked_at, published.occurred_at);
  const Change sent = Make("certification_sent", "organizations/a");
  Apply(Feed::kWorkflow, sent);
  EXPECT_EQ(directory_.asked_at, sent.occurred_at);
}

TEST_F(FanOutTest, WhatACertifierSignsClosesHisMessagesOnly) {
  Apply(Feed::kEventRegistry, Make("event_published", ""));
  Apply(Feed::kWorkflow, Make("certification_signed", "organizations/a",
                              {{"actor", "users/ann"}, {"outstanding", "users/bob"}}));
  EXPECT_THAT(OpenOf("users/bob"), ElementsAre(Cause::kEventPublished, Cause::kCoCertifierSigned));
  Apply(Feed::kWorkflow, Make("certification_signed", "organizations/b",
                              {{"actor", "users/ann"}, {"outstanding", ""}}));
  EXPECT_THAT(OpenOf("users/ann"), IsEmpty());
  EXPECT_THAT(OpenOf("users/bob"), SizeIs(2));
}

TEST_F(FanOutTest, ARequestClosesWhenItIsDecided) {
  Apply(Feed::kWorkflow, Make("recertification_requested", "organizations/a",
                              {{"requester", "users/ann"}, {"reason", "late file"}}));
  EXPECT_THAT(OpenOf("users/sea"), ElementsAre(Cause::kRecertificationRequested));
  Apply(Feed::kWorkflow,
        Make("recertification_denied", "organizations/a", {{"requester", "users/ann"}}));
  EXPECT_THAT(OpenOf("users/sea"), IsEmpty());
  EXPECT_THAT(OpenOf("users/bob"), ElementsAre(Cause::kRequestDenied));
  EXPECT_THAT(OpenOf("users/ann"), ElementsAre(Cause::kRequestDenied));
}

TEST_F(FanOutTest, ARecertificationThatIsCalledOffIsToldAndAsksForNothing) {
  Apply(Feed::kWorkflow, Make("recertification_started", "organizations/a", {{"reason", "wrong"}}));
  EXPECT_THAT(OpenOf("users/bob"), ElementsAre(Cause::kRecertificationStarted));
  Apply(Feed::kWorkflow,
        Make("recertification_cancelled", "organizations/a", {{"reason", "a mistake"}}));
  EXPECT_THAT(OpenOf("users/bob"), ElementsAre(Cause::kRecertificationCancelled));
  EXPECT_THAT(MessagesOf("users/bob")[1].body, HasSubstr("Reason: a mistake"));
  EXPECT_THAT(OpenOf("users/ann"), ElementsAre(Cause::kRecertificationCancelled));
  EXPECT_THAT(MessagesOf("users/sea"), IsEmpty());
}

TEST_F(FanOutTest, ThoseWhoAreExcusedHearOfIt) {
  Apply(Feed::kEventRegistry, Make("event_published", ""));
  Apply(Feed::kWorkflow, Make("participant_exempted", "organizations/a", {{"reason", "merged"}}));
  EXPECT_THAT(OpenOf("users/bob"), ElementsAre(Cause::kParticipantExempted));
  EXPECT_THAT(OpenOf("users/ann"),
              ElementsAre(Cause::kEventPublished, Cause::kParticipantExempted));
}

TEST_F(FanOutTest, ARequestThatEndsWithTheEventIsNotToldAsWithdrawn) {
  Apply(Feed::kWorkflow, Make("recertification_requested", "organizations/a",
                              {{"requester", "users/ann"}, {"reason", "late file"}}));
  Apply(Feed::kWorkflow,
        Make("recertification_expired", "organizations/a", {{"requester", "users/ann"}}));
  for (const char* user : {"users/ann", "users/bob", "users/sea"}) {
    EXPECT_THAT(OpenOf(user), ElementsAre(Cause::kRequestExpired)) << user;
  }
}

TEST_F(FanOutTest, WhatIsSentIsWorkForTheStateAndNewsForTheOthers) {
  directory_.members.push_back({"users/two", "organizations/a", MemberRole::kReviewer});
  directory_.members.push_back({"users/two", "organizations/sea", MemberRole::kApprover});
  Apply(Feed::kWorkflow, Make("certification_sent", "organizations/a", {{"round", "2"}}));
  EXPECT_THAT(OpenOf("users/sea"), ElementsAre(Cause::kCertificationSent));
  EXPECT_THAT(OpenOf("users/bob"), ElementsAre(Cause::kSentToState));
  // One message of one cause, and the one that asks for work.
  EXPECT_THAT(OpenOf("users/two"), ElementsAre(Cause::kCertificationSent));
  EXPECT_THAT(MessagesOf("users/sea")[0].body, HasSubstr("This is round 2."));
  Apply(Feed::kWorkflow, Make("certification_approved", "organizations/a", {{"round", "2"}}));
  EXPECT_THAT(OpenOf("users/sea"), IsEmpty());
}

TEST_F(FanOutTest, WorkThatIsKnownToBeDoneIsNotAskedFor) {
  // The feeds are read side by side: here workflow's is ahead.
  const Change published = Make("event_published", "");
  Apply(Feed::kWorkflow, Make("certification_sent", "organizations/a"));
  Apply(Feed::kEventRegistry, published);
  EXPECT_THAT(WorkOf("users/bob"), IsEmpty());
  EXPECT_THAT(MessagesOf("users/bob"), SizeIs(2));
  EXPECT_THAT(WorkOf("users/ann"), ElementsAre(Cause::kEventPublished));
  Apply(Feed::kWorkflow, Make("certification_sent", "organizations/b"));
  EXPECT_THAT(WorkOf("users/ann"), IsEmpty());
  // A later publishing asks again.
  Apply(Feed::kEventRegistry, Make("event_published", ""));
  EXPECT_THAT(WorkOf("users/bob"), ElementsAre(Cause::kEventPublished));
}

TEST_F(FanOutTest, AClosedEventClosesEverythingThatAsksForWork) {
  Apply(Feed::kEventRegistry, Make("event_published", ""));
  Apply(Feed::kWorkflow, Make("recertification_started", "organizations/a"));
  Apply(Feed::kWorkflow, Make("signatures_voided", "organizations/a", {{"signers", "users/bob"}}));
  Apply(Feed::kEventRegistry, Make("event_closed", "", {{"reason", "done"}}));
  EXPECT_THAT(OpenOf("users/bob"), ElementsAre(Cause::kEventClosed));
  EXPECT_THAT(OpenOf("users/sea"), IsEmpty());
}

TEST_F(FanOutTest, MessagesOfOthersAreNotFound) {
  Apply(Feed::kEventRegistry, Make("event_published", ""));
  const std::string id = MessagesOf("users/ann")[0].id;
  pg::Database db = database_.db();
  EXPECT_TRUE(store_.Get(db, "users/ann", id).ok());
  EXPECT_EQ(store_.Get(db, "users/bob", id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_.Get(db, "users/bob", "no-uuid").status().code(), absl::StatusCode::kNotFound);
  const absl::Status read = database_.db().RunInTransaction(
      [&](pg::Transaction& tx) { return store_.MarkRead(tx, "users/bob", id).status(); });
  EXPECT_EQ(read.code(), absl::StatusCode::kNotFound);
}

TEST_F(FanOutTest, ReadAndDismissedKeepTheirFirstTimesAndFilter) {
  Apply(Feed::kEventRegistry, Make("event_published", ""));
  Apply(Feed::kEventRegistry, Make("event_closed", ""));
  const std::string id = MessagesOf("users/bob")[0].id;
  Message first;
  Message second;
  ASSERT_TRUE(database_.db()
                  .RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
                    first = store_.MarkRead(tx, "users/bob", id).value();
                    second = store_.Dismiss(tx, "users/bob", id).value();
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_TRUE(first.read_at.has_value());
  EXPECT_EQ(first.read_at, second.read_at);
  EXPECT_TRUE(second.dismissed_at.has_value());
  pg::Database db = database_.db();
  MessageFilter filter;
  filter.recipient = "users/bob";
  EXPECT_THAT(*store_.List(db, filter, 0, 10), SizeIs(1));
  filter.show_dismissed = true;
  const std::vector<Message> all = *store_.List(db, filter, 0, 10);
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].cause, Cause::kEventClosed);  // newest first
  EXPECT_THAT(*store_.List(db, filter, all[0].sequence, 10), SizeIs(1));
  filter.unread_only = true;
  EXPECT_THAT(*store_.List(db, filter, 0, 10), SizeIs(1));
  filter.title_contains = "PUBLISHED";
  EXPECT_THAT(*store_.List(db, filter, 0, 10), IsEmpty());
  filter.unread_only = false;
  filter.title_contains.clear();
  filter.from = absl::FromUnixSeconds(1'790'000'002);
  EXPECT_THAT(*store_.List(db, filter, 0, 10), SizeIs(1));
}

TEST_F(FanOutTest, CertifiersHearWhatBecameFatal) {
  directory_.members.push_back({"users/rob", "organizations/a", MemberRole::kReviewer});
  const auto tell = [&](const std::string& organization) {
    Change change = Make("fatal_findings_appeared", organization,
                         {{"rules", "ENR-004:3:12,ENR-009:1:1"}, {"more_rules", ""}});
    change.subject = "ruleGroups/g";
    for (const char* key : {"event", "event_title", "category"}) change.attributes.erase(key);
    Apply(Feed::kValidationReport, change);
  };
  tell("organizations/a");
  const std::vector<Message> bob = MessagesOf("users/bob");
  ASSERT_THAT(bob, SizeIs(1));
  EXPECT_EQ(bob[0].cause, Cause::kNewFatalFindings);
  EXPECT_EQ(bob[0].subject, "ruleGroups/g");
  EXPECT_EQ(bob[0].event, "events/e");
  EXPECT_EQ(bob[0].organization, "organizations/a");
  EXPECT_EQ(bob[0].title, "New FATAL findings: Lakeview");
  EXPECT_THAT(bob[0].body, HasSubstr(": ENR-004 3 more, now 12; ENR-009 1 more, now 1. This"));
  EXPECT_THAT(bob[0].body, HasSubstr("\"Fall Enrollment\""));
  EXPECT_THAT(MessagesOf("users/ann"), SizeIs(1));
  EXPECT_THAT(MessagesOf("users/rob"), IsEmpty());
  EXPECT_THAT(MessagesOf("users/sea"), IsEmpty());

  // Several events are one message, of no event.
  directory_.open_events.push_back({"events/f", "Spring", "categories/d"});
  directory_.asked_categories.clear();
  tell("organizations/b");
  EXPECT_THAT(directory_.asked_categories, ElementsAre("categories/c", "categories/d"));
  ASSERT_THAT(MessagesOf("users/ann"), SizeIs(2));
  EXPECT_EQ(MessagesOf("users/ann")[1].event, "");
  EXPECT_THAT(MessagesOf("users/ann")[1].body, HasSubstr("\"Fall Enrollment\", \"Spring\""));
  EXPECT_THAT(MessagesOf("users/bob"), SizeIs(1));

  // No event is open: nobody certifies.
  directory_.open_events.clear();
  tell("organizations/a");
  EXPECT_THAT(MessagesOf("users/bob"), SizeIs(1));

  // What asks nobody for anything leaves no trace.
  Apply(Feed::kValidationReport, Make("report_completed", "organizations/a"));
  EXPECT_THAT(MessagesOf("users/bob"), SizeIs(1));
}

TEST_F(FanOutTest, ManyRecipientsAreOneStatementAndWakeTheirStreams) {
  directory_.members.clear();
  for (int i = 0; i < 3000; ++i) {
    directory_.members.push_back(
        {"users/u" + std::to_string(i), "organizations/a", MemberRole::kReviewer});
  }
  Apply(Feed::kEventRegistry, Make("event_published", ""));
  EXPECT_THAT(MessagesOf("users/u0"), SizeIs(1));
  EXPECT_THAT(MessagesOf("users/u2999"), SizeIs(1));
  const auto page = feed::List(database_.db(), 0, 5000);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->changes, SizeIs(3000));
  EXPECT_EQ(page->changes.front().type(), "message_created");
}

TEST_F(FanOutTest, AWatcherNeverPassesAMessageThatCommitsLater) {
  // Four writers at a time; the reader follows by place and must see all.
  constexpr int kWriters = 4;
  constexpr int kEach = 25;
  std::vector<Change> changes;
  for (int i = 0; i < kWriters * kEach; ++i) {
    changes.push_back(Make("signatures_voided", "organizations/a", {{"signers", "users/bob"}}));
  }
  std::vector<std::jthread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < kEach; ++i) {
        Apply(Feed::kWorkflow, changes[static_cast<std::size_t>(w * kEach + i)]);
      }
    });
  }
  int64_t place = 0;
  int seen = 0;
  const absl::Time give_up = clock::Clock::Real().Now() + absl::Seconds(60);
  while (seen < kWriters * kEach && clock::Clock::Real().Now() < give_up) {
    pg::Database db = database_.db();
    const auto page = store_.ListAfter(db, "users/bob", place, 1000);
    ASSERT_TRUE(page.ok());
    for (const Message& message : *page) place = message.sequence;
    seen += static_cast<int>(page->size());
  }
  EXPECT_EQ(seen, kWriters * kEach);
}

}  // namespace
}  // namespace edcert::notification
