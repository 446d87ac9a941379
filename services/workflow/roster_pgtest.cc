// Who has to sign: by the registry's facts, day by day.
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include "common/feed/feed.h"
#include "common/ids/ids.h"
#include "common/status/macros.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"
#include "common/testing/test_server.h"
#include "edcert/type/change.pb.h"
#include "services/workflow/certification_store.h"
#include "services/workflow/migrations/migrations.h"
#include "services/workflow/registry_follower.h"
#include "services/workflow/roster_keeper.h"

namespace edcert::workflow {
namespace {

using absl::CivilDay;
using testing::IsOk;

const CivilDay kMonday(2026, 11, 16);
constexpr char kEvent[] = "events/fall";
constexpr char kCategory[] = "categories/enrollment";
constexpr char kDistrict[] = "organizations/100";
constexpr char kSchool[] = "organizations/101";

MemberFact Primary(const std::string& organization, const std::string& user) {
  return {.organization = organization, .user = user, .role = "CERTIFIER", .rank = "PRIMARY"};
}

MemberFact Secondary(const std::string& organization, const std::string& user) {
  MemberFact member = Primary(organization, user);
  member.rank = "SECONDARY";
  return member;
}

MemberFact Inactive(MemberFact member) {
  member.user_active = member.in_scope = false;
  return member;
}

MemberFact WithAllSchools(MemberFact member) {
  member.all_schools = true;
  return member;
}

MemberFact Between(MemberFact member, CivilDay from, CivilDay to) {
  member.valid_from = from;
  member.valid_to = to;
  return member;
}

// Counts days that were taken up, for those who wait for them.
class Counter {
 public:
  void Add() {
    const absl::MutexLock lock(&mutex_);
    ++count_;
  }
  bool WaitFor(int count) {
    const absl::MutexLock lock(&mutex_);
    const auto reached = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return count_ >= count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(30));
  }

 private:
  absl::Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

class RosterTest : public ::testing::Test {
 protected:
  RosterTest() {
    Tell("organization_created", {{"organization", kDistrict}, {"display_name", "Grand Bend"}});
    Tell("organization_created",
         {{"organization", kSchool}, {"display_name", "High"}, {"parent", kDistrict}});
  }

  absl::Time NoonOf(CivilDay day) const {
    return absl::FromCivil(absl::CivilHour(day) + 12, zone_);
  }

  void Tell(const std::string& type, const std::map<std::string, std::string>& attributes,
            const RegistryFacts& facts = {}) {
    type::Change change;
    change.set_type(type);
    change.mutable_attributes()->insert(attributes.begin(), attributes.end());
    ASSERT_THAT(database_.db().RunInTransaction(
                    [&](pg::Transaction& tx) { return follower_.Apply(tx, change, facts); }),
                IsOk());
  }

  // Publishes an event for one organisation; the level is of its kind.
  void Publish(const std::string& organization, const std::vector<MemberFact>& members) {
    RegistryFacts facts;
    facts.event = {.name = kEvent,
                   .title = "Fall Enrollment",
                   .category = kCategory,
                   .datasets = {"datasets/enrollment"},
                   .level = organization == kSchool ? Level::kSchool : Level::kDistrict,
                   .reporting_year = 2027,
                   .status = EventStatus::kPublished,
                   .attestation_version = 1,
                   .starts_at = NoonOf(kMonday - 10),
                   .opens_at = NoonOf(kMonday - 5),
                   .due_at = NoonOf(kMonday + 20),
                   .ends_at = NoonOf(kMonday + 30)};
    facts.participants = {organization};
    facts.members = members;
    Tell("event_published", {{"event", kEvent}}, facts);
  }

  // The members of the category at the district are these from now on.
  void SetMembers(const std::vector<MemberFact>& members) {
    RegistryFacts facts;
    facts.members = members;
    Tell("member_added", {{"category", kCategory}, {"organization", kDistrict}}, facts);
  }

  Certification Only() {
    pg::Database db = database_.db();
    const auto listed = store_.List(db, {.all = true}, {}, clock_.Now(), "", "", 10);
    EXPECT_THAT(listed, IsOk());
    EXPECT_EQ(listed->size(), 1U);
    return listed->at(0).certification;
  }

  // Who is on the roster, in order; `delegator>delegate`.
  std::string Roster() {
    std::vector<std::string> words;
    for (const RequiredCertifier& required : Only().roster) {
      words.push_back(required.user.substr(required.user.find('/') + 1) +
                      (required.delegate.empty() ? "" : ">" + required.delegate.substr(6)));
    }
    return absl::StrJoin(words, " ");
  }

  int64_t WithoutCertifier() {
    pg::Database db = database_.db();
    return store_.Summarize(db, {.all = true}, kEvent, clock_.Now())->without_certifier;
  }

  void SetCandidate() {
    ASSERT_THAT(database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      absl::StatusOr<Certification> certification = store_.Lock(tx, Only().id);
      if (!certification.ok()) return certification.status();
      certification->candidate_snapshot = "snapshots/1";
      store_.Update(tx, *certification, "certification_updated", "users/a", "", clock_.Now());
      return absl::OkStatus();
    }),
                IsOk());
  }

  absl::Status Submit(const std::string& user) {
    const Certification certification = Only();
    return database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      Facts facts;
      facts.certifier = true;
      Input input;
      input.actor = user;
      input.now = clock_.Now();
      input.signature.snapshot = "snapshots/1";
      input.signature.root = "ab";
      return store_
          .Move(tx, {.id = certification.id,
                     .etag = certification.etag(),
                     .action = Action::kSubmit,
                     .facts = facts,
                     .input = input,
                     .request_id = ids::IdSource::Real().NewId()})
          .status();
    });
  }

  int CountMoves(Action action) {
    pg::Database db = database_.db();
    const auto records = store_.ListTransitions(db, Only().id, 0, 100);
    EXPECT_THAT(records, IsOk());
    int count = 0;
    for (const TransitionRecord& record : *records) {
      if (record.action == action) ++count;
    }
    return count;
  }

  const pg::Component component_{"workflow", sql::kMigrations};
  testing::TestDatabase database_{"workflow", std::span(&component_, 1)};
  absl::TimeZone zone_ = [] {
    absl::TimeZone zone;
    CHECK(absl::LoadTimeZone("America/Chicago", &zone));
    return zone;
  }();
  testing::FakeClock clock_{absl::FromCivil(absl::CivilHour(kMonday) + 12, zone_)};
  const CertificationStore store_{ids::IdSource::Real(), zone_};
  const RegistryFollower follower_{store_, clock_};
};

TEST_F(RosterTest, ADistrictsCertifierSignsForItsSchoolsWithAllSchools) {
  Publish(kSchool,
          {Primary(kDistrict, "users/one"), WithAllSchools(Primary(kDistrict, "users/all")),
           Primary(kSchool, "users/principal"),
           WithAllSchools(Primary("organizations/200", "users/stranger"))});
  EXPECT_EQ(Roster(), "all principal");
}

TEST_F(RosterTest, ASecondarySignsBesideAnInactivePrimaryOfTheSameOrganizationOnly) {
  Publish(kDistrict, {Secondary(kDistrict, "users/s")});
  EXPECT_EQ(Roster(), "");
  EXPECT_EQ(WithoutCertifier(), 1);
  SetMembers({Secondary(kDistrict, "users/s"), Primary(kDistrict, "users/p")});
  EXPECT_EQ(Roster(), "p");
  EXPECT_EQ(WithoutCertifier(), 0);
  SetMembers({Secondary(kDistrict, "users/s"), Inactive(Primary(kDistrict, "users/p"))});
  EXPECT_EQ(Roster(), "s");
  SetMembers({Secondary(kDistrict, "users/s"),
              Between(Inactive(Primary(kDistrict, "users/p")), kMonday - 9, kMonday - 1)});
  EXPECT_EQ(Roster(), "");
  EXPECT_EQ(WithoutCertifier(), 1);
}

TEST_F(RosterTest, ASecondaryOfTheDistrictSignsForASchoolAsTheRegistrySays) {
  Publish(kSchool, {WithAllSchools(Secondary(kDistrict, "users/s")),
                    Inactive(Primary(kSchool, "users/principal"))});
  EXPECT_EQ(Roster(), "");  // the inactive primary is of the school
  SetMembers(
      {WithAllSchools(Secondary(kDistrict, "users/s")), Inactive(Primary(kDistrict, "users/p"))});
  EXPECT_EQ(Roster(), "s");
}

TEST_F(RosterTest, WhoLeftTheOrganizationDoesNotSign) {
  MemberFact gone = Primary(kDistrict, "users/gone");
  gone.in_scope = false;
  Publish(kDistrict, {gone, Primary(kDistrict, "users/p")});
  EXPECT_EQ(Roster(), "p");
}

TEST_F(RosterTest, ADelegateStandsInWhenHeCan) {
  MemberFact member = Primary(kDistrict, "users/p");
  member.delegate = "users/d";
  Publish(kDistrict, {member});
  EXPECT_EQ(Roster(), "p");  // the delegate is away
  member.delegate_in_scope = true;
  SetMembers({member});
  EXPECT_EQ(Roster(), "p>d");
  SetMembers({Inactive(member)});
  EXPECT_EQ(Roster(), "d");
  member.delegate_in_scope = false;
  SetMembers({Inactive(member)});
  EXPECT_EQ(Roster(), "");
}

TEST_F(RosterTest, ADelegateStandsInAtASchoolWhichHeSees) {
  MemberFact member = WithAllSchools(Primary(kDistrict, "users/p"));
  member.delegate = "users/d";
  member.delegate_in_scope = true;
  Publish(kSchool, {member});
  EXPECT_EQ(Roster(), "p");
  member.delegate_all_schools = true;
  SetMembers({member});
  EXPECT_EQ(Roster(), "p>d");
}

TEST_F(RosterTest, ASubmissionIsDecidedByTheRosterOfItsDay) {
  Publish(kDistrict, {Primary(kDistrict, "users/a"),
                      Between(Primary(kDistrict, "users/b"), kMonday - 9, kMonday),
                      Between(Primary(kDistrict, "users/c"), kMonday + 2, CivilDay::max())});
  EXPECT_EQ(Roster(), "a b");
  SetCandidate();
  clock_.Set(NoonOf(kMonday + 2));  // and nobody has taken up the day
  ASSERT_THAT(Submit("users/a"), IsOk());
  EXPECT_EQ(Roster(), "a c");
  EXPECT_EQ(Only().state, State::kInProgress);
  ASSERT_THAT(Submit("users/c"), IsOk());
  EXPECT_EQ(Only().state, State::kSent);
}

TEST_F(RosterTest, ASubmissionSendsWhenTheOthersTimeIsOver) {
  Publish(kDistrict, {Primary(kDistrict, "users/a"),
                      Between(Primary(kDistrict, "users/b"), kMonday - 9, kMonday)});
  SetCandidate();
  clock_.Set(NoonOf(kMonday + 1));
  ASSERT_THAT(Submit("users/a"), IsOk());
  EXPECT_EQ(Only().state, State::kSent);
  EXPECT_EQ(Roster(), "a");
}

TEST_F(RosterTest, RostersFollowTheDaysByThemselves) {
  std::vector<MemberFact> members = {
      Primary(kDistrict, "users/a"),
      Between(Primary(kDistrict, "users/b"), kMonday - 9, kMonday + 1),
      Between(Primary(kDistrict, "users/c"), kMonday + 1, kMonday + 1)};
  Publish(kDistrict, members);
  SetCandidate();
  ASSERT_THAT(Submit("users/a"), IsOk());
  Counter days;
  const RosterKeeper::Options options = {
      .members = [&](const std::string& category) -> absl::StatusOr<std::vector<MemberFact>> {
        EXPECT_EQ(category, kCategory);
        return members;
      },
      .committed = [&] { days.Add(); }};
  RosterKeeper one(database_.pool(), clock_, store_, follower_, options);
  RosterKeeper two(database_.pool(), clock_, store_, follower_, options);
  ASSERT_TRUE(days.WaitFor(1));
  EXPECT_EQ(Roster(), "a b");

  // The second before midnight in the state, which is the next day elsewhere.
  clock_.Set(absl::FromCivil(kMonday + 1, zone_) - absl::Seconds(1));
  one.Poke();
  two.Poke();
  clock_.Set(absl::FromCivil(kMonday + 1, zone_));
  one.Poke();
  two.Poke();
  ASSERT_TRUE(days.WaitFor(2));
  EXPECT_EQ(Roster(), "a b c");
  EXPECT_EQ(Only().state, State::kInProgress);

  // The time of all who are outstanding is over: it is sent, once.
  clock_.Set(absl::FromCivil(kMonday + 2, zone_));
  one.Poke();
  two.Poke();
  ASSERT_TRUE(days.WaitFor(3));
  EXPECT_EQ(Roster(), "a");
  EXPECT_EQ(Only().state, State::kSent);
  EXPECT_EQ(Only().certified_snapshot, "snapshots/1");
  EXPECT_EQ(CountMoves(Action::kRosterChange), 1);
}

TEST_F(RosterTest, ANewDayBringsWhatTheRegistrySaysOfIt) {
  Publish(kDistrict, {Primary(kDistrict, "users/a"), Primary(kDistrict, "users/b")});
  // Without a change of members: the assignment of one has ended.
  std::vector<MemberFact> members = {Primary(kDistrict, "users/a"), Primary(kDistrict, "users/b")};
  members[1].in_scope = false;
  Counter days;
  const RosterKeeper keeper(
      database_.pool(), clock_, store_, follower_,
      {.members = [&](const std::string&) -> absl::StatusOr<std::vector<MemberFact>> {
         return members;
       },
       .committed = [&] { days.Add(); }});
  ASSERT_TRUE(days.WaitFor(1));
  EXPECT_EQ(Roster(), "a");
}

TEST_F(RosterTest, ADayIsTakenUpAfterTheRegistryWasAway) {
  Publish(kDistrict, {Primary(kDistrict, "users/a")});
  std::atomic<int> asked = 0;
  Counter days;
  RosterKeeper keeper(
      database_.pool(), clock_, store_, follower_,
      {.members = [&](const std::string&) -> absl::StatusOr<std::vector<MemberFact>> {
         if (asked++ == 0) return absl::UnavailableError("away");
         return std::vector<MemberFact>{Primary(kDistrict, "users/b")};
       },
       .committed = [&] { days.Add(); }});
  ASSERT_TRUE(days.WaitFor(1));
  EXPECT_EQ(Roster(), "b");
}

TEST_F(RosterTest, ABinaryThatKnowsNoDaysGoesOnWorking) {
  Publish(kSchool, {});
  ASSERT_THAT(database_.db().RunText(
                  "INSERT INTO workflow.member (category, organization, member, role, is_primary,"
                  " delegate, title) VALUES ($1, $2, 'users/a', 'CERTIFIER', true, '', '')",
                  kCategory, kDistrict),
              IsOk());
  const auto roster = database_.db().RunText("SELECT member FROM workflow.roster_of($1, $2, $3, 2)",
                                             kCategory, kSchool, kDistrict);
  ASSERT_THAT(roster, IsOk());
  ASSERT_EQ(roster->size(), 1U);
  EXPECT_EQ((*roster)[0].Text("member"), "users/a");
}

TEST_F(RosterTest, TheDownFileGivesBackWhatWasBefore) {
  Publish(kDistrict, {Between(Primary(kDistrict, "users/a"), kMonday - 900, kMonday - 800),
                      Between(Primary(kDistrict, "users/a"), kMonday - 700, CivilDay::max())});
  std::ifstream file("services/workflow/migrations/0003_dated_members.down.sql");
  const std::string down{std::istreambuf_iterator<char>(file), {}};
  ASSERT_THAT(database_.owner().RunScript("SET search_path = workflow; " +
                                          absl::StrReplaceAll(down, {{"${schema}", "workflow"}})),
              IsOk());
  const auto roster = database_.db().RunText("SELECT member FROM workflow.roster_of($1, $2, '', 1)",
                                             kCategory, kDistrict);
  ASSERT_THAT(roster, IsOk());
  EXPECT_EQ(roster->size(), 1U);
  EXPECT_THAT(database_.db().RunText("SELECT category, organization, member, role, is_primary,"
                                     " delegate, title FROM workflow.member"),
              IsOk());
}

TEST_F(RosterTest, AListInOrderOfDueDatesHasThoseThatAreNeverDueLast) {
  Publish(kDistrict, {});
  for (const char* due : {"infinity", "9999-12-31", "-infinity", "1850-01-01"}) {
    ASSERT_THAT(database_.db().RunText("UPDATE workflow.event SET due_at = $1::timestamptz", due),
                IsOk());
    pg::Database db = database_.db();
    const auto listed = store_.List(db, {.all = true}, {}, clock_.Now(), "", "", 10);
    ASSERT_THAT(listed, IsOk()) << due;
    EXPECT_EQ(listed->at(0).sort_key,
              due[0] == 'i' || due[0] == '9' ? "9999999999999999" : "0000000000000000");
  }
}

}  // namespace
}  // namespace edcert::workflow
