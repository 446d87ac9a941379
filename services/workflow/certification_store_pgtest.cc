#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "common/clock/clock.h"
#include "common/feed/feed.h"
#include "common/ids/ids.h"
#include "common/status/error.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"
#include "edcert/type/change.pb.h"
#include "services/workflow/certification_page.h"
#include "services/workflow/certification_store.h"
#include "services/workflow/migrations/migrations.h"
#include "services/workflow/registry_follower.h"
#include "services/workflow/sql/certification.sql.h"

namespace edcert::workflow {
namespace {

using testing::HasReason;
using testing::IsOk;

const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);
constexpr char kEvent[] = "events/fall";
constexpr char kDistrict[] = "organizations/100";
constexpr char kOther[] = "organizations/200";

class FixedClock final : public clock::Clock {
 public:
  absl::Time Now() const override { return kNow; }
};

MemberFact Certifier(const std::string& organization, const std::string& user,
                     const std::string& delegate = "", const std::string& rank = "PRIMARY") {
  return {.organization = organization,
          .user = user,
          .role = "CERTIFIER",
          .rank = rank,
          .delegate = delegate,
          .title = "Superintendent",
          .delegate_in_scope = true};
}

class CertificationStoreTest : public ::testing::Test {
 protected:
  CertificationStoreTest() {
    Tell("organization_created", {{"organization", kDistrict}, {"display_name", "Grand Bend"}});
    Tell("organization_created", {{"organization", kOther}, {"display_name", "Other"}});
    Tell("organization_created", {{"organization", "organizations/101"},
                                  {"display_name", "Grand Bend High"},
                                  {"parent", kDistrict}});
  }

  // Applies a change of the registry.
  void Tell(const std::string& type, const std::map<std::string, std::string>& attributes,
            const RegistryFacts& facts = {}) {
    type::Change change;
    change.set_type(type);
    for (const auto& [key, value] : attributes) (*change.mutable_attributes())[key] = value;
    const absl::Status applied = database_.db().RunInTransaction(
        [&](pg::Transaction& tx) -> absl::Status { return follower_.Apply(tx, change, facts); });
    ASSERT_THAT(applied, IsOk());
  }

  RegistryFacts Published() {
    RegistryFacts facts;
    facts.event = {.name = kEvent,
                   .title = "Fall Enrollment",
                   .category = "categories/enrollment",
                   .datasets = {"datasets/enrollment"},
                   .level = Level::kDistrict,
                   .reporting_year = 2027,
                   .status = EventStatus::kPublished,
                   .attestation_version = 1,
                   .starts_at = kNow - absl::Hours(48),
                   .opens_at = kNow - absl::Hours(24),
                   .due_at = kNow + absl::Hours(24),
                   .ends_at = kNow + absl::Hours(48)};
    facts.participants = {kDistrict, kOther};
    facts.members = {Certifier(kDistrict, "users/a"),
                     Certifier(kDistrict, "users/b", "users/d"),
                     Certifier(kDistrict, "users/s", "", "SECONDARY"),
                     {kDistrict, "users/r", "REVIEWER", "", "", ""},
                     {"organizations/sea", "users/state", "APPROVER", "", "", ""}};
    return facts;
  }

  void Publish() { Tell("event_published", {{"event", kEvent}}, Published()); }

  void ChangeMembers(const std::string& organization, std::vector<MemberFact> members) {
    RegistryFacts facts;
    facts.members = std::move(members);
    Tell("member_added", {{"category", "categories/enrollment"}, {"organization", organization}},
         facts);
  }

  std::vector<Listed> List(const Scope& scope, const Filter& filter = {}, absl::Time now = kNow) {
    pg::Database db = database_.db();
    absl::StatusOr<std::vector<Listed>> listed = store_.List(db, scope, filter, now, "", "", 1000);
    EXPECT_THAT(listed, IsOk());
    return listed.ok() ? *std::move(listed) : std::vector<Listed>();
  }

  std::string IdOf(const std::string& organization) {
    for (const Listed& row : List({.all = true})) {
      if (row.certification.organization == organization) return row.certification.id;
    }
    return "";
  }

  Certification Get(const std::string& id) {
    pg::Database db = database_.db();
    absl::StatusOr<Certification> got = store_.Get(db, id);
    EXPECT_THAT(got, IsOk());
    return got.ok() ? *std::move(got) : Certification();
  }

  // A move with facts that allow everything.
  Attempt Of(const std::string& id, Action action, const std::string& user,
             const std::string& etag) {
    Attempt attempt;
    attempt.id = id;
    attempt.etag = etag;
    attempt.action = action;
    attempt.facts.certifier = attempt.facts.approver = attempt.facts.event_manager = true;
    attempt.input.actor = user;
    attempt.input.reason = "because";
    attempt.input.now = kNow;
    attempt.input.snapshot = "snapshots/1";
    attempt.input.signature.snapshot = "snapshots/1";
    attempt.input.signature.root = "ab";
    attempt.input.due = absl::CivilDay(2026, 12, 1);
    attempt.input.due_at = kNow + absl::Hours(2);
    attempt.request_id = ids::IdSource::Real().NewId();
    return attempt;
  }

  absl::StatusOr<Certification> Make(const Attempt& attempt) {
    absl::StatusOr<Certification> made = absl::UnknownError("not run");
    const absl::Status status =
        database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
          made = store_.Move(tx, attempt);
          return made.status();
        });
    if (!status.ok()) return status;
    return made;
  }

  absl::StatusOr<Certification> Make(const std::string& id, Action action,
                                     const std::string& user) {
    return Make(Of(id, action, user, Get(id).etag()));
  }

  void SetCandidate(const std::string& id, const std::string& snapshot) {
    ASSERT_THAT(database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      absl::StatusOr<Certification> certification = store_.Lock(tx, id);
      if (!certification.ok()) return certification.status();
      certification->candidate_snapshot = snapshot;
      store_.Update(tx, *certification, "certification_updated", "users/a", "", kNow);
      return absl::OkStatus();
    }),
                IsOk());
  }

  // A certification of the first district that was sent.
  std::string Sent() {
    Publish();
    const std::string id = IdOf(kDistrict);
    SetCandidate(id, "snapshots/1");
    EXPECT_THAT(Make(id, Action::kSubmit, "users/a"), IsOk());
    EXPECT_THAT(Make(id, Action::kSubmit, "users/b"), IsOk());
    return id;
  }

  std::vector<type::Change> Feed() {
    absl::StatusOr<feed::Page> page = feed::List(database_.db(), 0, 1000);
    EXPECT_THAT(page, IsOk());
    return std::move(page->changes);
  }

  std::vector<TransitionRecord> History(const std::string& id) {
    pg::Database db = database_.db();
    absl::StatusOr<std::vector<TransitionRecord>> records = store_.ListTransitions(db, id, 0, 1000);
    EXPECT_THAT(records, IsOk());
    return *std::move(records);
  }

  // The state that the history tells is the one that is stored.
  void ExpectReplayable(const std::string& id) {
    const Certification certification = Get(id);
    State state = State::kNone;
    int64_t seq = 0;
    int round = 0;
    for (const TransitionRecord& record : History(id)) {
      EXPECT_EQ(record.seq, ++seq);
      EXPECT_EQ(record.from, state);
      if (record.action == Action::kReturn) ++round;
      EXPECT_EQ(record.round, round);
      state = record.to;
    }
    EXPECT_EQ(state, certification.state);
    EXPECT_EQ(round, certification.round);
    EXPECT_EQ(seq, certification.transitions);
  }

  const pg::Component component_{"workflow", sql::kMigrations};
  testing::TestDatabase database_{"workflow", std::span(&component_, 1)};
  const FixedClock clock_;
  const CertificationStore store_{ids::IdSource::Real(), absl::UTCTimeZone()};
  const RegistryFollower follower_{store_, clock_};
};

TEST_F(CertificationStoreTest, TheDatabaseAllowsWhatTheTableHas) {
  std::set<std::tuple<std::string, std::string, std::string>> expected;
  for (const Transition& row : kTransitions) {
    expected.emplace(NameOf(row.from), NameOf(row.action), NameOf(row.to));
  }
  std::set<std::tuple<std::string, std::string, std::string>> actual;
  const absl::StatusOr<pg::Result> rows = database_.db().Run(sql::kListAllowedTransitions);
  ASSERT_THAT(rows, IsOk());
  for (const pg::Row row : *rows) {
    actual.emplace(row.Text("from_state"), row.Text("action"), row.Text("to_state"));
  }
  EXPECT_EQ(actual, expected);
}

TEST_F(CertificationStoreTest, TheDatabaseRefusesOtherMovesAndChangesOfTheHistory) {
  const std::string id = Sent();
  const absl::Status invented =
      database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
        return tx
            .Run(sql::kAppendTransition, id, 99, "EXEMPT", "SUBMIT", "SENT", "users/a", "", 0, "",
                 std::nullopt)
            .status();
      });
  EXPECT_FALSE(invented.ok());
  EXPECT_FALSE(database_.db().RunText("DELETE FROM workflow.transition_log").ok());
  EXPECT_FALSE(database_.db().RunText("UPDATE workflow.transition_log SET actor = 'x'").ok());
}

TEST_F(CertificationStoreTest, UserStatusInSqlIsTheOneInCode) {
  for (const State state : kStates) {
    for (int bits = 0; bits < 16; ++bits) {
      const UserFacts facts = {.must_sign = (bits & 1) != 0,
                               .state = state,
                               .asked = (bits & 2) != 0,
                               .has_signed = (bits & 4) != 0,
                               .overdue = (bits & 8) != 0};
      const absl::StatusOr<pg::Result> rows =
          database_.db().Run(sql::kComputeUserStatus, facts.must_sign, NameOf(state), facts.asked,
                             facts.has_signed, facts.overdue);
      ASSERT_THAT(rows, IsOk());
      EXPECT_EQ((*rows)[0].Int("status"), static_cast<int>(UserStatusOf(facts)))
          << NameOf(state) << " " << bits;
    }
  }
}

TEST_F(CertificationStoreTest, PhaseInSqlIsTheOneInCode) {
  Event event = Published().event;
  for (const EventStatus event_status :
       {EventStatus::kPublished, EventStatus::kUnpublishedChanges, EventStatus::kClosed}) {
    event.status = event_status;
    for (const absl::Time edge : {event.starts_at, event.opens_at, event.due_at, event.ends_at}) {
      for (const int millis : {-1, 0, 1}) {
        const absl::Time at = edge + absl::Milliseconds(millis);
        const absl::StatusOr<pg::Result> rows =
            database_.db().Run(sql::kComputePhase, static_cast<int>(event_status), event.starts_at,
                               event.opens_at, event.due_at, event.ends_at, at);
        ASSERT_THAT(rows, IsOk());
        EXPECT_EQ((*rows)[0].Int("phase"), static_cast<int>(PhaseOf(event, at)));
      }
    }
  }
}

TEST_F(CertificationStoreTest, APublishedEventOpensACertificationForEachParticipant) {
  Publish();
  const std::vector<Listed> all = List({.all = true});
  ASSERT_EQ(all.size(), 2U);
  const Certification certification = Get(IdOf(kDistrict));
  EXPECT_EQ(certification.state, State::kInProgress);
  EXPECT_EQ(certification.organization_display_name, "Grand Bend");
  EXPECT_EQ(certification.event.title, "Fall Enrollment");
  EXPECT_EQ(Outstanding(certification), (std::vector<std::string>{"users/a", "users/b"}));
  EXPECT_TRUE(Get(IdOf(kOther)).roster.empty());
  ExpectReplayable(certification.id);
  std::multiset<std::string> types;
  for (const type::Change& change : Feed()) types.insert(change.type());
  EXPECT_EQ(types.count("certification_opened"), 2U);

  // The same change again, as after a failure, does nothing.
  Publish();
  EXPECT_EQ(List({.all = true}).size(), 2U);
  EXPECT_EQ(Feed().size(), 2U);
}

TEST_F(CertificationStoreTest, AParticipantThatIsTakenOffTheEventIsWithdrawn) {
  Publish();
  const std::string id = IdOf(kOther);
  RegistryFacts facts = Published();
  facts.participants = {kDistrict};
  Tell("event_published", {{"event", kEvent}}, facts);
  EXPECT_EQ(Get(id).state, State::kWithdrawn);
  ExpectReplayable(id);
}

TEST_F(CertificationStoreTest, TheRosterFollowsTheMembersUntilItIsSent) {
  Publish();
  const std::string id = IdOf(kDistrict);
  const std::string etag = Get(id).etag();
  ChangeMembers(kDistrict, {Certifier(kDistrict, "users/a"), Certifier(kDistrict, "users/c")});
  EXPECT_EQ(Outstanding(Get(id)), (std::vector<std::string>{"users/a", "users/c"}));
  EXPECT_NE(Get(id).etag(), etag);

  // The last outstanding certifier leaves.
  SetCandidate(id, "snapshots/1");
  ASSERT_THAT(Make(id, Action::kSubmit, "users/a"), IsOk());
  ChangeMembers(kDistrict, {Certifier(kDistrict, "users/a")});
  EXPECT_EQ(Get(id).state, State::kSent);
  EXPECT_EQ(Get(id).certified_snapshot, "snapshots/1");

  // A new one does not reopen it; he joins the next round.
  ChangeMembers(kDistrict, {Certifier(kDistrict, "users/a"), Certifier(kDistrict, "users/new")});
  EXPECT_EQ(Get(id).state, State::kSent);
  EXPECT_TRUE(AllSigned(Get(id)));
  const absl::StatusOr<Certification> returned = Make(id, Action::kReturn, "users/state");
  ASSERT_THAT(returned, IsOk());
  EXPECT_EQ(Outstanding(*returned), (std::vector<std::string>{"users/a", "users/new"}));
  EXPECT_EQ(Outstanding(Get(id)), Outstanding(*returned));

  // The roster of the round before counts again.
  const absl::StatusOr<Certification> cancelled =
      Make(id, Action::kCancelRecertification, "users/state");
  ASSERT_THAT(cancelled, IsOk());
  EXPECT_EQ(cancelled->state, State::kSent);
  EXPECT_TRUE(AllSigned(*cancelled));
  EXPECT_TRUE(AllSigned(Get(id)));
  ExpectReplayable(id);
}

TEST_F(CertificationStoreTest, WhatIsAnsweredIsWhatIsStored) {
  const std::string id = Sent();
  for (const auto& [action, user] :
       std::vector<std::pair<Action, std::string>>{{Action::kApprove, "users/state"},
                                                   {Action::kRequestRecertification, "users/a"},
                                                   {Action::kDenyRequest, "users/state"},
                                                   {Action::kRequestRecertification, "users/b"},
                                                   {Action::kWithdrawRequest, "users/b"},
                                                   {Action::kRequestRecertification, "users/a"},
                                                   {Action::kReturn, "users/state"},
                                                   {Action::kSubmit, "users/a"},
                                                   {Action::kCancelRecertification, "users/state"},
                                                   {Action::kReturn, "users/state"},
                                                   {Action::kExempt, "users/state"}}) {
    const absl::StatusOr<Certification> made = Make(id, action, user);
    ASSERT_THAT(made, IsOk()) << NameOf(action);
    const Certification stored = Get(id);
    EXPECT_EQ(made->state, stored.state) << NameOf(action);
    EXPECT_EQ(made->etag(), stored.etag());
    EXPECT_EQ(made->round, stored.round);
    EXPECT_EQ(made->candidate_snapshot, stored.candidate_snapshot);
    EXPECT_EQ(made->certified_snapshot, stored.certified_snapshot);
    EXPECT_EQ(made->recert_due, stored.recert_due);
    EXPECT_EQ(made->effective_due(), stored.effective_due());
    EXPECT_EQ(made->roster, stored.roster);
    EXPECT_EQ(made->request.has_value(), stored.request.has_value());
    EXPECT_EQ(Outstanding(*made), Outstanding(stored)) << NameOf(action);
    EXPECT_EQ(Signers(*made).size(), Signers(stored).size()) << NameOf(action);
    ExpectReplayable(id);
  }
  // One row of history and one feed event for each move.
  const auto changes = Feed();
  EXPECT_EQ(std::count_if(changes.begin(), changes.end(),
                          [&](const type::Change& change) {
                            return change.subject() == "certifications/" + id &&
                                   change.type() != "certification_updated";
                          }),
            static_cast<std::ptrdiff_t>(History(id).size()));
}

TEST_F(CertificationStoreTest, RefusesAnOldEtagAfterPermissionAndBeforeTheState) {
  const std::string id = Sent();
  Attempt attempt = Of(id, Action::kSubmit, "users/a", "1");
  EXPECT_THAT(Make(attempt), HasReason("ETAG_MISMATCH"));
  attempt.facts.certifier = false;
  EXPECT_THAT(Make(attempt), HasReason("NOT_PERMITTED"));
  attempt.facts.certifier = true;
  attempt.etag = Get(id).etag();
  EXPECT_THAT(Make(attempt), HasReason("TRANSITION_NOT_ALLOWED"));
  attempt.id = ids::IdSource::Real().NewId();
  EXPECT_THAT(Make(attempt), HasReason("NOT_FOUND"));
  attempt.id = "nobody";
  EXPECT_THAT(Make(attempt), HasReason("NOT_FOUND"));
}

TEST_F(CertificationStoreTest, NobodyApprovesWhatHeSigned) {
  const std::string id = Sent();
  // He is an approver of the state today; the signature that counts is still his.
  EXPECT_THAT(Make(id, Action::kApprove, "users/a"), HasReason("SELF_APPROVAL"));
  EXPECT_EQ(Get(id).state, State::kSent);
  EXPECT_THAT(Make(id, Action::kApprove, "users/state"), IsOk());
  // Nor does he do it without certification, while the round has a signature of his.
  ASSERT_THAT(Make(id, Action::kReturn, "users/state"), IsOk());
  SetCandidate(id, "snapshots/2");
  ASSERT_THAT(Make(id, Action::kSubmit, "users/a"), IsOk());
  EXPECT_THAT(Make(id, Action::kApprove, "users/a"), HasReason("SELF_APPROVAL"));
  EXPECT_THAT(Make(id, Action::kApprove, "users/b"), IsOk());
}

TEST_F(CertificationStoreTest, OnlyTheRequesterWithdraws) {
  const std::string id = Sent();
  ASSERT_THAT(Make(id, Action::kRequestRecertification, "users/a"), IsOk());
  EXPECT_THAT(Make(id, Action::kWithdrawRequest, "users/b"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Make(id, Action::kRequestRecertification, "users/b"),
              HasReason("TRANSITION_NOT_ALLOWED"));
  EXPECT_THAT(Make(id, Action::kWithdrawRequest, "users/a"), IsOk());
  EXPECT_EQ(Get(id).state, State::kSent);
}

TEST_F(CertificationStoreTest, ARequestExpiresWhenTheEventCloses) {
  const std::string id = Sent();
  ASSERT_THAT(Make(id, Action::kApprove, "users/state"), IsOk());
  ASSERT_THAT(Make(id, Action::kRequestRecertification, "users/a"), IsOk());
  Tell("event_closed", {{"event", kEvent}});
  EXPECT_EQ(Get(id).state, State::kApproved);
  // Nobody withdrew it: the fact has a name of its own.
  EXPECT_EQ(Feed().back().type(), "recertification_expired");
  ExpectReplayable(id);
  // Closed events are returned to no local user.
  EXPECT_TRUE(List({.user = "users/a", .organizations = {kDistrict}}).empty());
  EXPECT_EQ(List({.user = "users/state", .all = true}).size(), 2U);
}

TEST_F(CertificationStoreTest, ManyCertifiersAtOnceGiveExactlyOneSending) {
  constexpr int kCertifiers = 8;
  RegistryFacts facts = Published();
  facts.members.clear();
  for (int i = 0; i < kCertifiers; ++i) {
    facts.members.push_back(Certifier(kDistrict, "users/u" + std::to_string(i)));
  }
  Tell("event_published", {{"event", kEvent}}, facts);
  const std::string id = IdOf(kDistrict);
  SetCandidate(id, "snapshots/1");
  const std::string first_etag = Get(id).etag();

  // All with the same etag: one wins.
  std::atomic<int> won = 0;
  std::atomic<int> stale = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kCertifiers; ++i) {
      threads.emplace_back([&, i] {
        const auto made = Make(Of(id, Action::kSubmit, "users/u" + std::to_string(i), first_etag));
        won += made.ok() ? 1 : 0;
        stale += status::ReasonOf(made.status()) == "ETAG_MISMATCH" ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(stale, kCertifiers - 1);

  // Each reads again until it is done: everybody signs once, one of them sends.
  std::atomic<int> sent = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kCertifiers; ++i) {
      threads.emplace_back([&, i] {
        const std::string user = "users/u" + std::to_string(i);
        while (true) {
          const auto made = Make(id, Action::kSubmit, user);
          if (made.ok() && made->state == State::kSent) ++sent;
          if (status::ReasonOf(made.status()) != "ETAG_MISMATCH") return;
        }
      });
    }
  }
  EXPECT_EQ(sent, 1);
  const Certification certification = Get(id);
  EXPECT_EQ(certification.state, State::kSent);
  EXPECT_EQ(certification.signatures.size(), static_cast<std::size_t>(kCertifiers));
  EXPECT_TRUE(AllSigned(certification));
  ExpectReplayable(id);
}

TEST_F(CertificationStoreTest, ListingsAgreeWithWhatEachUserSees) {
  const std::string id = Sent();
  const std::vector<std::string> users = {"users/a",     "users/b", "users/d", "users/s",
                                          "users/state", "users/r", ""};
  const auto agree = [&] {
    for (const std::string& user : users) {
      for (const absl::Time now : {kNow, kNow + absl::Hours(30)}) {
        const std::vector<Listed> all = List({.user = user, .all = true}, {}, now);
        ASSERT_EQ(all.size(), 2U);
        for (const Listed& row : all) {
          EXPECT_EQ(row.user_status, UserStatusOf(row.certification, user, now)) << user;
        }
        // Each filter gives exactly the rows that have the status.
        for (const UserStatus wanted : kUserStatuses) {
          Filter filter;
          filter.user_statuses = {static_cast<int64_t>(wanted)};
          EXPECT_EQ(List({.user = user, .all = true}, filter, now).size(),
                    static_cast<std::size_t>(std::count_if(
                        all.begin(), all.end(),
                        [&](const Listed& row) { return row.user_status == wanted; })));
        }
      }
    }
  };
  agree();
  ASSERT_THAT(Make(id, Action::kRequestRecertification, "users/a"), IsOk());
  agree();
  ASSERT_THAT(Make(id, Action::kReturn, "users/state"), IsOk());
  agree();
  SetCandidate(id, "snapshots/2");
  ASSERT_THAT(Make(id, Action::kSubmit, "users/d"), IsOk());
  agree();
  ASSERT_THAT(Make(id, Action::kApprove, "users/state"), IsOk());
  agree();
  ASSERT_THAT(Make(id, Action::kExempt, "users/state"), IsOk());
  agree();
}

TEST_F(CertificationStoreTest, WaitingOnMeNamesThoseWhoCanDoTheNextThing) {
  Publish();
  const std::string id = IdOf(kDistrict);
  Filter waiting;
  waiting.waiting_on_me = true;
  const auto waits_on = [&](const std::string& user, absl::Time now = kNow) {
    return List({.user = user, .all = true}, waiting, now).size();
  };
  EXPECT_EQ(waits_on("users/a"), 1U);
  EXPECT_EQ(waits_on("users/r"), 0U);
  EXPECT_EQ(waits_on("users/state"), 0U);
  EXPECT_EQ(waits_on("users/a", kNow - absl::Hours(25)), 0U);  // certification has not opened
  EXPECT_EQ(waits_on("users/a", kNow + absl::Hours(49)), 0U);  // it has ended
  SetCandidate(id, "snapshots/1");
  ASSERT_THAT(Make(id, Action::kSubmit, "users/a"), IsOk());
  EXPECT_EQ(waits_on("users/a"), 0U);
  EXPECT_EQ(waits_on("users/d"), 1U);
  ASSERT_THAT(Make(id, Action::kSubmit, "users/d"), IsOk());
  EXPECT_EQ(waits_on("users/b"), 0U);
  EXPECT_EQ(waits_on("users/state"), 1U);
}

TEST_F(CertificationStoreTest, FiltersAndPages) {
  Sent();
  const Scope all = {.user = "users/state", .all = true};
  const auto count = [&](const Filter& filter) { return List(all, filter).size(); };
  EXPECT_EQ(count({.states = {"SENT"}}), 1U);
  EXPECT_EQ(count({.states = {"SENT", "IN_PROGRESS"}}), 2U);
  EXPECT_EQ(count({.event_status = 3}), 0U);
  EXPECT_EQ(count({.phase = 3}), 2U);
  EXPECT_EQ(count({.category = "categories/other"}), 0U);
  EXPECT_EQ(count({.dataset = "datasets/enrollment"}), 2U);
  EXPECT_EQ(count({.dataset = "datasets/attendance"}), 0U);
  EXPECT_EQ(count({.level = 2}), 0U);
  EXPECT_EQ(count({.reporting_year = 2027}), 2U);
  EXPECT_EQ(count({.organization = kDistrict}), 1U);
  EXPECT_EQ(count({.event = kEvent}), 2U);
  EXPECT_EQ(count({.title_contains = "ENROLL"}), 2U);
  EXPECT_EQ(count({.title_contains = "%"}), 0U);
  EXPECT_EQ(count({.due_from = kNow + absl::Hours(25)}), 0U);
  EXPECT_EQ(count({.due_before = kNow + absl::Hours(25)}), 2U);
  EXPECT_EQ(count({.overdue = true}), 0U);
  EXPECT_EQ(List(all, {.overdue = true}, kNow + absl::Hours(25)).size(), 1U);
  EXPECT_EQ(count({.updated_since = kNow}), 2U);
  EXPECT_EQ(count({.updated_since = kNow + absl::Seconds(1)}), 0U);

  // Pages of one give every row once, in every order.
  pg::Database db = database_.db();
  for (int order = 0; order <= 4; ++order) {
    std::set<std::string> seen;
    std::string key;
    std::string id;
    while (true) {
      const auto page = store_.List(db, all, {.order = order}, kNow, key, id, 1);
      ASSERT_THAT(page, IsOk());
      if (page->empty()) break;
      key = page->front().sort_key;
      id = page->front().certification.id;
      ASSERT_TRUE(seen.insert(id).second);
    }
    EXPECT_EQ(seen.size(), 2U) << order;
  }
}

TEST_F(CertificationStoreTest, ScopeLimitsWhatIsListed) {
  Publish();
  EXPECT_EQ(List({.user = "users/a", .organizations = {kDistrict}, .events = {kEvent, "events/x"}})
                .size(),
            1U);
  // Not in the category, so the registry does not name him the event.
  EXPECT_EQ(List({.user = "users/a", .organizations = {kDistrict}, .events = {"events/x"}}).size(),
            0U);
  EXPECT_EQ(List({.user = "users/a", .organizations = {kDistrict}}).size(), 0U);
  EXPECT_EQ(
      List({.user = "users/x", .organizations = {"organizations/300"}, .events = {kEvent}}).size(),
      0U);
  EXPECT_EQ(List({.user = "users/x", .districts = {kDistrict}, .events = {kEvent}}).size(), 0U);
  Tell("event_closed", {{"event", kEvent}});
  EXPECT_EQ(List({.user = "users/a", .organizations = {kDistrict}, .events = {kEvent}}).size(), 0U);
  EXPECT_EQ(List({.user = "users/state", .all = true}).size(), 2U);
  EXPECT_EQ(List({.user = "users/x"}).size(), 0U);
}

TEST_F(CertificationStoreTest, TheSummaryCountsEachCertificationOnce) {
  Sent();
  pg::Database db = database_.db();
  const auto summary = store_.Summarize(db, {.all = true}, kEvent, kNow + absl::Hours(25));
  ASSERT_THAT(summary, IsOk());
  int64_t total = 0;
  for (const Summary::Count& count : summary->counts) total += count.count;
  EXPECT_EQ(total, 2);
  EXPECT_EQ(summary->overdue, 1);
  EXPECT_EQ(summary->administrative, 0);
  EXPECT_EQ(summary->without_certifier, 1);
}

TEST_F(CertificationStoreTest, ADependencyIsCertifiedOnceItIsSent) {
  Publish();
  pg::Database db = database_.db();
  EXPECT_EQ(*store_.UncertifiedDependency(db, kDistrict, {kEvent, "events/unknown"}), kEvent);
  EXPECT_EQ(*store_.UncertifiedDependency(db, "organizations/300", {kEvent}), "");
  const std::string id = IdOf(kDistrict);
  SetCandidate(id, "snapshots/1");
  ASSERT_THAT(Make(id, Action::kSubmit, "users/a"), IsOk());
  ASSERT_THAT(Make(id, Action::kSubmit, "users/b"), IsOk());
  EXPECT_EQ(*store_.UncertifiedDependency(db, kDistrict, {kEvent}), "");
}

}  // namespace
}  // namespace edcert::workflow
