// Who may do what: one world of people, and what each of them gets.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/str_join.h"
#include "common/clock/clock.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"
#include "services/event_registry/access_store.h"
#include "services/event_registry/category_store.h"
#include "services/event_registry/event_store.h"
#include "services/event_registry/member_store.h"
#include "services/event_registry/migrations/migrations.h"
#include "services/event_registry/organization_store.h"
#include "services/event_registry/user_store.h"

namespace edcert::event_registry {
namespace {

using testing::HasReason;
using testing::IsOk;

using absl::CivilDay;

const CivilDay kToday(2026, 11, 15);

const pg::Component kComponents[] = {{"event_registry", sql::kMigrations}};

names::OrganizationName Org(const std::string& id) { return names::OrganizationName::FromId(id); }
names::UserName Person(const std::string& id) { return names::UserName::FromId(id); }

// sea > agency > far (district) > far-school; sea > near (district) > north, south (schools).
class AccessStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Add("sea", OrganizationKind::kSea, "");
    Add("agency", OrganizationKind::kServiceAgency, "sea");
    Add("far", OrganizationKind::kDistrict, "agency");
    Add("far-school", OrganizationKind::kSchool, "far");
    Add("near", OrganizationKind::kDistrict, "sea");
    Add("north", OrganizationKind::kSchool, "near");
    Add("south", OrganizationKind::kSchool, "near");
    AddCategory("by-district", Level::kDistrict);
    AddCategory("by-school", Level::kSchool);
    AddEvent("district-event", "by-district", Level::kDistrict, {"near"});
    AddEvent("school-event", "by-school", Level::kSchool, {"north", "south"});
  }

  template <typename Body>
  void InTransaction(Body body) {
    ASSERT_THAT(database_.db().RunInTransaction(
                    [&](pg::Transaction& tx) -> absl::Status { return body(tx).status(); }),
                IsOk());
  }

  void Add(const std::string& id, OrganizationKind kind, const std::string& parent) {
    Organization organization{.name = Org(id), .kind = kind, .display_name = "The " + id};
    if (!parent.empty()) organization.parent = Org(parent);
    InTransaction(
        [&](pg::Transaction& tx) { return OrganizationStore().Insert(tx, organization); });
  }

  void AddUser(const std::string& id, const std::vector<Assignment>& assignments,
               bool active = true) {
    const User user{.name = Person(id),
                    .display_name = id,
                    .active = active,
                    .assignments = assignments,
                    .grants = {{.tool = 4, .rights = RightBit(1)}}};
    InTransaction([&](pg::Transaction& tx) { return UserStore().Insert(tx, user); });
  }

  void AddCategory(const std::string& id, Level level) {
    const Category category{.name = names::CategoryName::FromId(id), .title = id, .level = level};
    InTransaction([&](pg::Transaction& tx) { return CategoryStore().Insert(tx, category); });
    InTransaction(
        [&](pg::Transaction& tx) { return CategoryStore().Publish(tx, category.name, "1"); });
  }

  void AddEvent(const std::string& id, const std::string& category, Level level,
                const std::vector<std::string>& participants) {
    Event event{.name = names::EventName::FromId(id),
                .title = id,
                .reporting_year = 2027,
                .category = names::CategoryName::FromId(category),
                .level = level,
                .rule_group = names::RuleGroupName::FromId("g"),
                .window = {kToday - 10, kToday - 5, kToday + 5, kToday + 10, kToday - 5},
                .attestation_text = "I attest."};
    for (const std::string& participant : participants) {
      event.participants.push_back(Org(participant));
    }
    event.participant_count = static_cast<int>(event.participants.size());
    InTransaction([&](pg::Transaction& tx) { return EventStore().Insert(tx, event); });
    SetStatus(id, EventStatus::kPublished);
  }

  void SetStatus(const std::string& event, EventStatus status) {
    InTransaction([&](pg::Transaction& tx) -> absl::StatusOr<Event> {
      const auto name = names::EventName::FromId(event);
      ASSIGN_OR_RETURN(const Event before, EventStore().Get(tx, name));
      Event after = before;
      after.status = status;
      after.live_version = status == EventStatus::kUnpublished ? 0 : 1;
      after.rule_group_version = after.live_version;
      return EventStore().Save(tx, before, after);
    });
  }

  std::string AddMember(const std::string& category, const std::string& organization,
                        const std::string& user, MemberRole role,
                        MemberRank rank = MemberRank::kNone, CivilDay from = kAlways,
                        CivilDay to = kForever, const std::string& delegate = "") {
    const std::string id = fmt::format("m{}", ++members_);
    Member member{.name = names::MemberName::FromIds(category, id),
                  .organization = Org(organization),
                  .user = Person(user),
                  .role = role,
                  .rank = rank,
                  .valid_from = from,
                  .valid_to = to};
    if (!delegate.empty()) member.delegate = Person(delegate);
    InTransaction([&](pg::Transaction& tx) { return MemberStore().Insert(tx, member); });
    return id;
  }

  Resolution Resolve(const std::string& user, const std::string& event = "",
                     const std::string& organization = "", CivilDay today = kToday) {
    Subject subject;
    if (!event.empty()) subject.event = names::EventName::FromId(event);
    if (!organization.empty()) subject.organization = Org(organization);
    pg::Database db = database_.db();
    auto resolution = store_.Resolve(db, Person(user), subject, today);
    EXPECT_THAT(resolution, IsOk());
    return *resolution;
  }

  // `CERTIFIER/PRIMARY@near`, separated by blanks.
  std::string Roles(const std::string& user, const std::string& event,
                    const std::string& organization = "", CivilDay today = kToday) {
    std::vector<std::string> words;
    for (const ResolvedRole& role : Resolve(user, event, organization, today).roles) {
      words.push_back(fmt::format("{}/{}@{}", kMemberRoleText.Of(role.role),
                                  kMemberRankText.Of(role.rank), role.organization.id()));
    }
    return absl::StrJoin(words, " ");
  }

  // The organisations that are in scope when asked about one by one.
  std::string Seen(const std::string& user, CivilDay today = kToday) {
    std::vector<std::string> seen;
    for (const char* id : {"sea", "agency", "far", "far-school", "near", "north", "south"}) {
      if (Resolve(user, "", id, today).organization.has_value()) seen.emplace_back(id);
    }
    return absl::StrJoin(seen, " ");
  }

  testing::TestDatabase database_{"registry", kComponents};
  AccessStore store_;
  int members_ = 0;
};

TEST_F(AccessStoreTest, AUserWhoDoesNotExistIsNotFound) {
  pg::Database db = database_.db();
  EXPECT_THAT(store_.Resolve(db, Person("nobody"), {}, kToday), HasReason("NOT_FOUND"));
}

TEST_F(AccessStoreTest, TheFirstAdministratorIsAStateUserEverywhere) {
  const auto add = [&](pg::Transaction& tx) {
    return UserStore().InsertAdministrator(tx, FirstAdministrator(Person("admin")));
  };
  ASSERT_THAT(database_.db().RunInTransaction(add), IsOk());
  ASSERT_THAT(database_.db().RunInTransaction(add), IsOk());  // a second start changes nothing
  const Resolution admin = Resolve("admin", "district-event", "far-school");
  EXPECT_TRUE(admin.is_state_user);
  EXPECT_TRUE(admin.scope.everything);
  EXPECT_TRUE(admin.event.has_value());
  EXPECT_EQ(admin.grants.size(), static_cast<std::size_t>(kTools));
  EXPECT_EQ(Seen("admin"), "sea agency far far-school near north south");
}

TEST_F(AccessStoreTest, ScopeFollowsTheAssignments) {
  AddUser("state", {{.organization = Org("sea")}});
  AddUser("district", {{.organization = Org("near")}});
  AddUser("district-all", {{.organization = Org("near"), .all_schools = true}});
  AddUser("school", {{.organization = Org("north")}});
  AddUser("region", {{.organization = Org("agency")}});
  AddUser("nowhere", {});
  EXPECT_EQ(Seen("state"), "sea agency far far-school near north south");
  EXPECT_EQ(Seen("district"), "near");
  EXPECT_EQ(Seen("district-all"), "near north south");
  EXPECT_EQ(Seen("school"), "north");
  EXPECT_EQ(Seen("region"), "agency far far-school");
  EXPECT_EQ(Seen("nowhere"), "");
  EXPECT_TRUE(Resolve("state").is_state_user);
  EXPECT_FALSE(Resolve("region").is_state_user);
  EXPECT_EQ(Resolve("district-all").scope.districts, std::vector<std::string>{"near"});
  EXPECT_EQ(Resolve("district").scope.districts, std::vector<std::string>{});
}

TEST_F(AccessStoreTest, AssignmentsHaveTheirDays) {
  AddUser("was", {{.organization = Org("near"), .valid_to = kToday - 1}});
  AddUser("will", {{.organization = Org("near"), .valid_from = kToday + 1}});
  AddUser("today", {{.organization = Org("near"), .valid_from = kToday, .valid_to = kToday}});
  AddUser("was-state", {{.organization = Org("sea"), .valid_to = kToday - 1}});
  EXPECT_EQ(Seen("was"), "");
  EXPECT_EQ(Seen("was", kToday - 1), "near");
  EXPECT_EQ(Seen("will"), "");
  EXPECT_EQ(Seen("will", kToday + 1), "near");
  EXPECT_EQ(Seen("today"), "near");
  EXPECT_FALSE(Resolve("was-state").is_state_user);
  EXPECT_TRUE(Resolve("was-state", "", "", kToday - 1).is_state_user);
}

TEST_F(AccessStoreTest, AnInactiveUserHasNothing) {
  AddUser("gone", {{.organization = Org("sea")}, {.organization = Org("near")}}, false);
  AddMember("by-district", "near", "gone", MemberRole::kReviewer);
  const Resolution gone = Resolve("gone", "district-event", "near");
  EXPECT_FALSE(gone.active);
  EXPECT_FALSE(gone.is_state_user);
  EXPECT_TRUE(gone.grants.empty());
  EXPECT_TRUE(gone.roles.empty());
  EXPECT_TRUE(gone.scope.organizations.empty());
  EXPECT_FALSE(gone.organization.has_value());
  EXPECT_FALSE(gone.event.has_value());
}

TEST_F(AccessStoreTest, TellsAboutTheAskedOrganization) {
  AddUser("district-all", {{.organization = Org("near"), .all_schools = true}});
  const Resolution resolution = Resolve("district-all", "", "north");
  ASSERT_TRUE(resolution.organization.has_value());
  EXPECT_EQ(resolution.organization->kind, OrganizationKind::kSchool);
  EXPECT_EQ(resolution.organization->parent, Org("near"));
  EXPECT_EQ(resolution.organization->display_name, "The north");
  EXPECT_FALSE(Resolve("district-all", "", "no-such").organization.has_value());
}

TEST_F(AccessStoreTest, ARoleCountsWhereItIsHeld) {
  AddUser("ann", {{.organization = Org("near")}});
  AddMember("by-district", "near", "ann", MemberRole::kCertifier, MemberRank::kPrimary);
  AddMember("by-district", "near", "ann", MemberRole::kReviewer);
  EXPECT_EQ(Roles("ann", "district-event", "near"), "CERTIFIER/PRIMARY@near REVIEWER/NONE@near");
  EXPECT_EQ(Roles("ann", "district-event"), "CERTIFIER/PRIMARY@near REVIEWER/NONE@near");
  EXPECT_EQ(Roles("ann", "district-event", "far"), "");
  EXPECT_EQ(Roles("ann", "", "near"), "");              // no event, no category
  EXPECT_EQ(Roles("ann", "school-event", "near"), "");  // another category
}

TEST_F(AccessStoreTest, ARoleHasItsDays) {
  AddUser("ann", {{.organization = Org("near")}});
  AddMember("by-district", "near", "ann", MemberRole::kCertifier, MemberRank::kPrimary, kToday,
            kToday);
  EXPECT_EQ(Roles("ann", "district-event", "near", kToday - 1), "");
  EXPECT_EQ(Roles("ann", "district-event", "near", kToday), "CERTIFIER/PRIMARY@near");
  EXPECT_EQ(Roles("ann", "district-event", "near", kToday + 1), "");
  EXPECT_FALSE(Resolve("ann", "district-event", "near", kToday + 1).event.has_value());
}

TEST_F(AccessStoreTest, ARoleEndsWithTheAssignment) {
  AddUser("ann", {{.organization = Org("near"), .valid_to = kToday}});
  AddMember("by-district", "near", "ann", MemberRole::kCertifier, MemberRank::kPrimary);
  EXPECT_EQ(Roles("ann", "district-event", "near"), "CERTIFIER/PRIMARY@near");
  EXPECT_EQ(Roles("ann", "district-event", "near", kToday + 1), "");
  EXPECT_EQ(Roles("ann", "district-event", "", kToday + 1), "");
}

TEST_F(AccessStoreTest, ARoleAtTheDistrictCountsAtItsSchoolsWithAllSchools) {
  AddUser("one", {{.organization = Org("near")}, {.organization = Org("north")}});
  AddUser("all", {{.organization = Org("near"), .all_schools = true}});
  AddMember("by-school", "near", "one", MemberRole::kCertifier, MemberRank::kPrimary);
  AddMember("by-school", "near", "all", MemberRole::kCertifier, MemberRank::kPrimary);
  EXPECT_EQ(Roles("one", "school-event", "north"), "");
  EXPECT_EQ(Roles("all", "school-event", "north"), "CERTIFIER/PRIMARY@near");
  EXPECT_EQ(Roles("all", "school-event", "south"), "CERTIFIER/PRIMARY@near");
  EXPECT_EQ(Roles("all", "school-event", "far-school"), "");
}

TEST_F(AccessStoreTest, ARoleAtOneSchoolDoesNotCountAtAnother) {
  AddUser("ann", {{.organization = Org("near"), .all_schools = true}});
  AddMember("by-school", "north", "ann", MemberRole::kCertifier, MemberRank::kPrimary);
  EXPECT_EQ(Roles("ann", "school-event", "north"), "CERTIFIER/PRIMARY@north");
  EXPECT_EQ(Roles("ann", "school-event", "south"), "");
}

TEST_F(AccessStoreTest, RolesAtTheStateCountEverywhere) {
  AddUser("eve", {{.organization = Org("sea")}});
  AddMember("by-district", "sea", "eve", MemberRole::kApprover);
  AddMember("by-district", "sea", "eve", MemberRole::kStateReviewer);
  EXPECT_EQ(Roles("eve", "district-event", "near"), "APPROVER/NONE@sea STATE_REVIEWER/NONE@sea");
  EXPECT_EQ(Roles("eve", "district-event", "no-such"), "");
  EXPECT_EQ(Roles("eve", "school-event", "north"), "");
}

TEST_F(AccessStoreTest, AnApproverWhoLeftTheStateApprovesNothing) {
  AddUser("eve",
          {{.organization = Org("sea"), .valid_to = kToday - 1}, {.organization = Org("near")}});
  AddMember("by-district", "sea", "eve", MemberRole::kApprover);
  EXPECT_EQ(Roles("eve", "district-event", "near"), "");
}

TEST_F(AccessStoreTest, ADelegateActsInTheRankOfThePrimary) {
  AddUser("boss", {{.organization = Org("near")}});
  AddUser("aide", {{.organization = Org("near")}});
  AddUser("elsewhere", {{.organization = Org("far")}});
  const std::string member = AddMember("by-district", "near", "boss", MemberRole::kCertifier,
                                       MemberRank::kPrimary, kAlways, kToday, "aide");
  AddMember("by-district", "near", "aide", MemberRole::kCertifier, MemberRank::kSecondary);
  EXPECT_EQ(Roles("boss", "district-event", "near"), "CERTIFIER/PRIMARY@near");
  EXPECT_EQ(Roles("aide", "district-event", "near"),
            "CERTIFIER/PRIMARY@near CERTIFIER/SECONDARY@near");
  EXPECT_EQ(Resolve("aide", "district-event", "near").roles[0].member.id(), member);
  EXPECT_EQ(Roles("aide", "district-event", "near", kToday + 1), "CERTIFIER/SECONDARY@near");
  AddMember("by-district", "near", "boss", MemberRole::kReviewer, MemberRank::kNone, kAlways,
            kForever, "elsewhere");
  EXPECT_EQ(Roles("elsewhere", "district-event", "near"), "");  // out of his scope
}

TEST_F(AccessStoreTest, ASecondaryActsForAnInactivePrimary) {
  AddUser("boss", {{.organization = Org("near")}}, /*active=*/false);
  AddUser("aide", {{.organization = Org("near")}});
  AddMember("by-district", "near", "aide", MemberRole::kCertifier, MemberRank::kSecondary);
  EXPECT_EQ(Roles("aide", "district-event", "near"), "CERTIFIER/SECONDARY@near");
  AddMember("by-district", "near", "boss", MemberRole::kCertifier, MemberRank::kPrimary);
  EXPECT_EQ(Roles("aide", "district-event", "near"), "CERTIFIER/PRIMARY@near");
}

TEST_F(AccessStoreTest, OutsideTheStateAnEventIsSeenByMembersOfItsParticipantsWhileItIsLive) {
  AddUser("state", {{.organization = Org("sea")}});
  AddUser("member", {{.organization = Org("near")}});
  AddUser("colleague", {{.organization = Org("near")}});
  AddUser("other", {{.organization = Org("far")}});
  AddMember("by-district", "near", "member", MemberRole::kReviewer);
  AddMember("by-district", "far", "other", MemberRole::kReviewer);
  const auto sees = [&](const std::string& user) {
    return Resolve(user, "district-event").event.has_value();
  };
  EXPECT_TRUE(sees("state"));
  EXPECT_TRUE(sees("member"));
  EXPECT_FALSE(sees("colleague"));  // no member
  EXPECT_FALSE(sees("other"));      // his district takes no part
  EXPECT_TRUE(Resolve("state", "district-event", "near").participates);
  EXPECT_FALSE(Resolve("state", "district-event", "far").participates);
  EXPECT_FALSE(Resolve("state", "district-event").participates);
  EXPECT_TRUE(Resolve("member", "district-event", "near").participates);
  EXPECT_FALSE(Resolve("other", "district-event", "far").participates);
  SetStatus("district-event", EventStatus::kUnpublishedChanges);
  EXPECT_TRUE(sees("member"));
  SetStatus("district-event", EventStatus::kClosed);
  EXPECT_FALSE(sees("member"));
  EXPECT_EQ(Roles("member", "district-event", "near"), "");
  EXPECT_TRUE(sees("state"));
}

TEST_F(AccessStoreTest, AnEventOfSchoolsIsSeenFromTheDistrictWithAllSchools) {
  AddUser("one", {{.organization = Org("near")}});
  AddUser("all", {{.organization = Org("near"), .all_schools = true}});
  AddMember("by-school", "near", "one", MemberRole::kReviewer);
  AddMember("by-school", "near", "all", MemberRole::kReviewer);
  EXPECT_FALSE(Resolve("one", "school-event").event.has_value());
  EXPECT_TRUE(Resolve("all", "school-event").event.has_value());
}

// What a list says of a member, in words.
std::string Words(const MemberStanding& standing) {
  std::vector<std::string> words;
  if (standing.user_active) words.emplace_back("active");
  if (standing.in_scope) words.emplace_back("here");
  if (standing.all_schools) words.emplace_back("schools");
  if (standing.delegate_in_scope) words.emplace_back("delegate-here");
  if (standing.delegate_all_schools) words.emplace_back("delegate-schools");
  return absl::StrJoin(words, " ");
}

TEST_F(AccessStoreTest, AListSaysOfEachMemberWhatCountsAsTheResolutionDoes) {
  AddUser("one", {{.organization = Org("near"), .valid_to = kToday}});
  AddUser("all", {{.organization = Org("near"), .all_schools = true}});
  AddUser("left", {{.organization = Org("near"), .all_schools = true}}, /*active=*/false);
  AddUser("agent", {{.organization = Org("agency")}});
  AddUser("far", {{.organization = Org("far"), .all_schools = true}});
  struct Case {
    const char* organization;
    const char* user;
    const char* delegate;
    const char* words;
    const char* words_tomorrow;
  };
  const Case cases[] = {
      {"near", "one", "", "active here", "active"},
      {"near", "all", "one", "active here schools delegate-here", "active here schools"},
      {"near", "left", "all", "schools delegate-here delegate-schools",
       "schools delegate-here delegate-schools"},
      {"north", "all", "left", "active here", "active here"},
      {"south", "one", "all", "active delegate-here", "active delegate-here"},
      {"far", "far", "agent", "active here schools delegate-here delegate-schools",
       "active here schools delegate-here delegate-schools"},
      {"far-school", "far", "agent", "active here delegate-here", "active here delegate-here"},
  };
  for (const Case& c : cases) {
    AddMember("by-school", c.organization, c.user, MemberRole::kCertifier, MemberRank::kPrimary,
              kAlways, kForever, c.delegate);
  }
  pg::Database db = database_.db();
  for (const CivilDay day : {kToday, kToday + 1}) {
    const auto members = MemberStore().List(db, Scope::Everything(), {}, day, {}, 100);
    ASSERT_THAT(members, IsOk());
    ASSERT_EQ(members->size(), std::size(cases));
    for (const Member& member : *members) {
      const Case& c = *std::find_if(std::begin(cases), std::end(cases), [&](const Case& candidate) {
        return member.organization.id() == candidate.organization &&
               member.user.id() == candidate.user;
      });
      EXPECT_EQ(Words(*member.standing), day == kToday ? c.words : c.words_tomorrow)
          << c.organization << " " << c.user;
      if (member.organization.id() != "near") continue;
      // A school that takes part in the event.
      const bool counts = !Roles(c.user, "school-event", "north", day).empty();
      EXPECT_EQ(counts, member.standing->user_active && member.standing->all_schools) << c.user;
    }
  }
}

TEST_F(AccessStoreTest, TheVisibleEventsAreThoseThatOneMaySee) {
  AddCategory("restricted", Level::kDistrict);
  AddEvent("restricted-event", "restricted", Level::kDistrict, {"near"});
  AddEvent("closed-event", "by-district", Level::kDistrict, {"near"});
  SetStatus("closed-event", EventStatus::kClosed);
  AddUser("ann", {{.organization = Org("near")}});
  AddUser("aide", {{.organization = Org("near")}});
  AddUser("pupil", {{.organization = Org("north")}});
  AddUser("state", {{.organization = Org("sea")}});
  AddMember("by-district", "near", "ann", MemberRole::kCertifier, MemberRank::kPrimary, kAlways,
            kToday, "aide");
  AddMember("by-school", "north", "pupil", MemberRole::kReviewer);
  const auto visible = [&](const std::string& user, CivilDay today = kToday) {
    pg::Database db = database_.db();
    Subject subject;
    subject.visible_events = true;
    std::vector<std::string> ids;
    const auto resolution = store_.Resolve(db, Person(user), subject, today);
    EXPECT_THAT(resolution, IsOk());
    for (const auto& event : resolution->visible_events) {
      ids.push_back(event.id());
      EXPECT_TRUE(Resolve(user, event.id(), "", today).event.has_value());
    }
    return absl::StrJoin(ids, " ");
  };
  EXPECT_EQ(visible("ann"), "district-event");
  EXPECT_EQ(visible("aide"), "district-event");
  EXPECT_EQ(visible("ann", kToday + 1), "");
  EXPECT_EQ(visible("pupil"), "school-event");
  EXPECT_EQ(visible("state"), "");                     // he sees all
  EXPECT_TRUE(Resolve("ann").visible_events.empty());  // not asked
}

TEST_F(AccessStoreTest, TheMembershipVersionRisesWithRightsAndAssignments) {
  AddUser("ann", {{.organization = Org("near")}});
  const int64_t before = Resolve("ann").membership_version;
  AddUser("bob", {});
  EXPECT_EQ(Resolve("ann").membership_version, before + 1);
  InTransaction([&](pg::Transaction& tx) {
    return UserStore().SetGrants(tx, Person("bob"), "1", {{.tool = 1, .rights = 1}});
  });
  EXPECT_EQ(Resolve("ann").membership_version, before + 2);
}

}  // namespace
}  // namespace edcert::event_registry
