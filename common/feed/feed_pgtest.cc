#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/clock/clock.h"
#include "common/feed/feed.h"
#include "common/ids/ids.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"

namespace edcert::feed {
namespace {

using testing::HasReason;
using testing::IsOk;

constexpr absl::Duration kLimit = absl::Seconds(60);
constexpr absl::Duration kTick = absl::Seconds(1);

absl::StatusOr<std::vector<type::Change>> Changes(pg::Database db, int64_t after, int limit) {
  ASSIGN_OR_RETURN(Page page, List(std::move(db), after, limit));
  return std::move(page.changes);
}

class FeedTest : public ::testing::Test {
 protected:
  FeedTest() : database_("registry", {}), db_(database_.db()) {
    CHECK(database_.owner()
              .RunScript("CREATE TABLE registry.effect (position bigint, subject text);"
                         "CREATE TABLE registry.subject (name text PRIMARY KEY, n int);"
                         "GRANT ALL ON registry.effect, registry.subject TO registry")
              .ok());
  }

  absl::Status AppendOne(const std::string& subject, const std::string& n = "0") {
    return database_.db().RunInTransaction([&](pg::Transaction& tx) {
      Append(tx, ids::IdSource::Real().NewId(), "users/ann",
             {.subject = subject, .type = "changed", .attributes = {{"n", n}}});
      return absl::OkStatus();
    });
  }

  // A consumer of the feed that writes each change into `effect`.
  Consumer::Options Effects() {
    return {
        .feed = "other",
        .fetch = [this](int64_t after, int limit) { return List(database_.db(), after, limit); },
        .prepare = nullptr,
        .apply =
            [](pg::Transaction& tx, const type::Change& change, void*) {
              return tx
                  .RunText("INSERT INTO effect VALUES ($1, $2)", change.position(),
                           change.subject())
                  .status();
            },
        .committed = nullptr,
        .retry = absl::Milliseconds(20)};
  }

  int64_t Ask(const std::string& sql) {
    const auto rows = database_.db().RunText(sql);
    CHECK(rows.ok());
    return (*rows)[0].Int("n");
  }
  int64_t Cursor() {
    return Ask("SELECT coalesce(max(position), 0) AS n FROM feed_cursor WHERE feed = 'other'");
  }
  // Waits until the answer is as wanted.
  bool Becomes(const std::string& sql, int64_t wanted) {
    const absl::Time until = clock::Clock::Real().Now() + kLimit;
    while (clock::Clock::Real().Now() < until) {
      if (Ask(sql) == wanted) return true;
      std::this_thread::yield();
    }
    return false;
  }

  testing::TestDatabase database_;
  pg::Database db_;
};

TEST_F(FeedTest, GivesBackWhatWasAppended) {
  ASSERT_THAT(AppendOne("events/a", "7"), IsOk());
  const auto changes = Changes(db_, 0, 10);
  ASSERT_THAT(changes, IsOk());
  ASSERT_EQ(changes->size(), 1U);
  const type::Change& change = changes->front();
  EXPECT_EQ(change.position(), 1);
  EXPECT_EQ(change.subject(), "events/a");
  EXPECT_EQ(change.type(), "changed");
  EXPECT_EQ(change.actor(), "users/ann");
  EXPECT_EQ(change.attributes().at("n"), "7");
  EXPECT_TRUE(ids::IsUuid(change.id()));
  const absl::Time at = absl::FromUnixSeconds(change.occurred_at().seconds());
  EXPECT_LT(absl::AbsDuration(clock::Clock::Real().Now() - at), absl::Minutes(1));
  EXPECT_TRUE(Changes(db_, 1, 10)->empty());
}

TEST_F(FeedTest, RolledBackChangeIsNoChange) {
  EXPECT_THAT(db_.RunInTransaction([](pg::Transaction& tx) {
    Append(tx, ids::IdSource::Real().NewId(), "users/ann", {.subject = "a", .type = "t"});
    return status::Cancelled();
  }),
              HasReason("CANCELLED"));
  EXPECT_TRUE(Changes(db_, 0, 10)->empty());
}

// Changes that commit late get later positions, however early they were appended.
TEST_F(FeedTest, ChangeThatCommitsLateIsNotBehindTheCursor) {
  absl::Notification appended;
  absl::Notification go_on;
  std::jthread slow([&] {
    CHECK(database_.db()
              .RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
                Append(tx, ids::IdSource::Real().NewId(), "users/ann",
                       {.subject = "slow", .type = "t"});
                RETURN_IF_ERROR(tx.RunText("SELECT 1").status());
                appended.Notify();
                go_on.WaitForNotification();
                return absl::OkStatus();
              })
              .ok());
  });
  appended.WaitForNotification();
  ASSERT_THAT(AppendOne("quick"), IsOk());
  const auto first = Changes(db_, 0, 10);
  ASSERT_THAT(first, IsOk());
  ASSERT_EQ(first->size(), 1U);
  EXPECT_EQ(first->front().subject(), "quick");
  go_on.Notify();
  slow.join();
  const auto second = Changes(db_, first->back().position(), 10);
  ASSERT_THAT(second, IsOk());
  ASSERT_EQ(second->size(), 1U);
  EXPECT_EQ(second->front().subject(), "slow");
  EXPECT_EQ(second->front().position(), 2);
}

// Writers whose transactions overlap and take their time, some of which roll back; readers that
// number and read with cursors of their own. Each reader sees every change, once, without a gap,
// and the changes of one subject in the order of its commits.
TEST_F(FeedTest, NoChangeIsEverBehindACursor) {
  constexpr int kWriters = 8;
  constexpr int kChanges = 60;
  constexpr int kSubjects = 3;
  ASSERT_THAT(db_.RunText("INSERT INTO subject SELECT 's' || i, 0 FROM generate_series(0, 2) AS i"),
              IsOk());
  std::atomic<int> left = kWriters;
  std::atomic<int> committed = 0;
  const auto write = [&](int writer) {
    for (int i = 0; i < kChanges; ++i) {
      const std::string subject = fmt::format("s{}", (writer + i) % kSubjects);
      const bool fails = i % 7 == 3;
      const absl::Status done =
          database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
            ASSIGN_OR_RETURN(
                const pg::Result rows,
                tx.RunText("UPDATE subject SET n = n + 1 WHERE name = $1 RETURNING n", subject));
            Append(
                tx, ids::IdSource::Real().NewId(), "users/ann",
                {.subject = subject, .type = "changed", .attributes = {{"n", rows[0].Text("n")}}});
            // Also one of a subject of its own, so that transactions overlap.
            Append(tx, ids::IdSource::Real().NewId(), "users/ann",
                   {.subject = fmt::format("w{}", writer), .type = "changed"});
            if (i % 5 == 0) RETURN_IF_ERROR(tx.RunText("SELECT pg_sleep(0.003)").status());
            return fails ? status::Cancelled() : absl::OkStatus();
          });
      if (done.ok()) {
        ++committed;
      } else {
        CHECK(fails);
      }
    }
    --left;
  };
  std::vector<std::vector<type::Change>> seen(2);
  const auto read = [&](std::vector<type::Change>& out) {
    while (true) {
      const bool last = left == 0;
      const int64_t after = out.empty() ? 0 : out.back().position();
      const auto page = Changes(database_.db(), after, 7);
      CHECK(page.ok());
      out.insert(out.end(), page->begin(), page->end());
      if (last && page->empty()) return;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (auto& out : seen) threads.emplace_back([&read, &out] { read(out); });
    for (int i = 0; i < kWriters; ++i) threads.emplace_back([&write, i] { write(i); });
  }
  for (const auto& changes : seen) {
    EXPECT_EQ(changes.size(), static_cast<std::size_t>(2 * committed));
    std::map<std::string, int> last;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      ASSERT_EQ(changes[i].position(), static_cast<int64_t>(i) + 1);
      if (changes[i].attributes().empty()) continue;
      const int n = std::stoi(changes[i].attributes().at("n"));
      EXPECT_EQ(n, last[changes[i].subject()] + 1) << changes[i].subject();
      last[changes[i].subject()] = n;
    }
  }
}

// Several changes of one command keep the order in which it appended them.
TEST_F(FeedTest, ChangesOfOneCommandKeepTheirOrder) {
  constexpr int kMany = 300;
  ASSERT_THAT(db_.RunInTransaction([](pg::Transaction& tx) {
    for (int i = 0; i < kMany; ++i) {
      Append(tx, ids::IdSource::Real().NewId(), "users/ann",
             {.subject = "s", .type = "t", .attributes = {{"n", std::to_string(i)}}});
    }
    return absl::OkStatus();
  }),
              IsOk());
  const auto changes = Changes(db_, 0, 1000);
  ASSERT_THAT(changes, IsOk());
  ASSERT_EQ(changes->size(), static_cast<std::size_t>(kMany));
  for (int i = 0; i < kMany; ++i) {
    EXPECT_EQ((*changes)[static_cast<std::size_t>(i)].attributes().at("n"), std::to_string(i));
  }
}

TEST_F(FeedTest, TailWakesTheHub) {
  Hub hub;
  Tail tail(database_.pool(), hub);
  std::atomic<int> calls = 0;
  const int64_t id = hub.Subscribe("events/a", kTick, [&calls] { ++calls; });
  for (int i = 0; i < 3; ++i) {
    const int before = calls;
    ASSERT_THAT(AppendOne("events/a"), IsOk());
    tail.Poke();
    const absl::Time until = clock::Clock::Real().Now() + kLimit;
    while (calls == before && clock::Clock::Real().Now() < until) std::this_thread::yield();
    EXPECT_GT(calls, before);
  }
  hub.Unsubscribe(id);
  const int after = calls;
  hub.NotifyAll();
  hub.Notify("events/a");
  EXPECT_EQ(calls, after);
}

TEST_F(FeedTest, PageTellsWhereTheFeedEnds) {
  EXPECT_EQ(List(db_, 0, 10)->head, 0);
  for (int i = 0; i < 3; ++i) ASSERT_THAT(AppendOne("events/a"), IsOk());
  const auto page = List(db_, 0, 2);
  EXPECT_EQ(page->changes.size(), 2U);
  EXPECT_EQ(page->head, 3);
  EXPECT_EQ(List(db_, std::numeric_limits<int64_t>::max(), 1)->head, 3);
}

TEST_F(FeedTest, RelayWakesTheSubjectsOfAChange) {
  ASSERT_THAT(AppendOne("events/a"), IsOk());
  Hub hub;
  std::atomic<int> a = 0;
  std::atomic<int> b = 0;
  std::vector<std::string> asked;  // only the relay's thread writes it
  std::atomic<bool> away = false;
  {
    const Relay relay(
        hub,
        {.feed = "other",
         .fetch = [&](int64_t after, int limit) -> absl::StatusOr<Page> {
           if (away) return status::Unavailable("another service");
           return List(database_.db(), after, limit);
         },
         .subjects = [&](const type::Change& change) -> absl::StatusOr<std::vector<std::string>> {
           asked.push_back(change.subject());
           return std::vector<std::string>{"mine/" + change.subject()};
         }});
    const auto becomes = [](const std::atomic<int>& n, int value) {
      const absl::Time until = clock::Clock::Real().Now() + kLimit;
      while (n < value && clock::Clock::Real().Now() < until) std::this_thread::yield();
      return n >= value;
    };
    hub.Subscribe("mine/events/a", absl::Hours(1), [&a] { ++a; });
    hub.Subscribe("mine/events/b", absl::Hours(1), [&b] { ++b; });
    EXPECT_TRUE(becomes(a, 1));  // it begins: whatever was seen may be old
    EXPECT_TRUE(becomes(b, 1));
    ASSERT_THAT(AppendOne("events/b"), IsOk());
    EXPECT_TRUE(becomes(b, 2));
    EXPECT_EQ(a, 1);
    away = true;
    ASSERT_THAT(AppendOne("events/a"), IsOk());
    away = false;
    EXPECT_TRUE(becomes(a, 2));
    EXPECT_EQ(b, 2);
  }
  EXPECT_THAT(asked, ::testing::ElementsAre("events/b", "events/a"));
}

TEST_F(FeedTest, HubTicksEachSubscriptionInItsOwnTime) {
  Hub hub;
  int often = 0;
  int seldom = 0;
  hub.Subscribe("a", absl::Seconds(1), [&often] { ++often; });
  hub.Subscribe("a", absl::Seconds(30), [&seldom] { ++seldom; });
  const absl::Time now = clock::Clock::Real().Now();
  hub.NotifyDue(now);
  EXPECT_EQ(often, 0);
  for (int second = 2; second <= 40; second += 2) hub.NotifyDue(now + absl::Seconds(second));
  EXPECT_EQ(often, 20);
  EXPECT_EQ(seldom, 1);
}

TEST_F(FeedTest, HubWakesOnlyTheSubject) {
  Hub hub;
  int a = 0;
  int b = 0;
  hub.Subscribe("a", kTick, [&a] { ++a; });
  const int64_t id = hub.Subscribe("b", kTick, [&b] { ++b; });
  hub.Notify("a");
  EXPECT_EQ(a, 1);
  EXPECT_EQ(b, 0);
  hub.NotifyAll();
  EXPECT_EQ(b, 1);
  hub.Unsubscribe(id);
  hub.NotifyAll();
  EXPECT_EQ(a, 3);
  EXPECT_EQ(b, 1);
}

// Consumers.

TEST_F(FeedTest, TwoConsumersHaveEachEffectOnce) {
  constexpr int kChanges = 300;
  {
    const Consumer one(database_.pool(), Effects());
    const Consumer two(database_.pool(), Effects());
    for (int i = 0; i < kChanges; ++i) ASSERT_THAT(AppendOne("s" + std::to_string(i % 4)), IsOk());
    EXPECT_TRUE(Becomes("SELECT position AS n FROM feed_cursor UNION ALL SELECT 0", kChanges));
  }
  EXPECT_EQ(Ask("SELECT count(*) AS n FROM effect"), kChanges);
  EXPECT_EQ(Ask("SELECT count(DISTINCT position) AS n FROM effect"), kChanges);
  EXPECT_EQ(Ask("SELECT count(*) AS n FROM parked_change"), 0);
}

TEST_F(FeedTest, ConsumersThatComeAndGoHaveEachEffectOnce) {
  constexpr int kChanges = 200;
  for (int i = 0; i < kChanges; ++i) ASSERT_THAT(AppendOne("s"), IsOk());
  for (int round = 0; round < 200 && Cursor() < kChanges; ++round) {
    const int64_t before = Cursor();
    const Consumer consumer(database_.pool(), Effects());
    const absl::Time until = clock::Clock::Real().Now() + kLimit;
    while (Cursor() == before && clock::Clock::Real().Now() < until) std::this_thread::yield();
    if (round % 2 == 0) {  // its connection is lost, too
      ASSERT_THAT(
          database_.owner().RunScript(
              "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
              " WHERE usename = 'registry' AND datname = current_database() AND state <> 'idle'"),
          IsOk());
    }
  }
  EXPECT_EQ(Cursor(), kChanges);
  EXPECT_EQ(Ask("SELECT count(*) AS n FROM effect"), kChanges);
  EXPECT_EQ(Ask("SELECT count(DISTINCT position) AS n FROM effect"), kChanges);
}

TEST_F(FeedTest, FailingChangeIsRetried) {
  ASSERT_THAT(AppendOne("s"), IsOk());
  std::atomic<int> tries = 0;
  Consumer::Options options = Effects();
  options.apply = [&tries, apply = options.apply](pg::Transaction& tx, const type::Change& change,
                                                  void* prepared) -> absl::Status {
    RETURN_IF_ERROR(apply(tx, change, prepared));
    return ++tries < 3 ? status::NotFound("events/x") : absl::OkStatus();
  };
  std::atomic<int> committed = 0;
  options.committed = [&committed] { ++committed; };
  {
    const Consumer consumer(database_.pool(), std::move(options));
    EXPECT_TRUE(Becomes("SELECT count(*) AS n FROM effect", 1));
  }
  EXPECT_EQ(tries, 3);
  EXPECT_EQ(committed, 1);
  EXPECT_EQ(Ask("SELECT count(*) AS n FROM parked_change"), 0);
}

TEST_F(FeedTest, ChangeThatCannotBeAppliedHoldsUpOnlyItsSubject) {
  ASSERT_THAT(AppendOne("good"), IsOk());
  ASSERT_THAT(AppendOne("bad"), IsOk());
  ASSERT_THAT(AppendOne("good"), IsOk());
  ASSERT_THAT(AppendOne("bad"), IsOk());
  ASSERT_THAT(AppendOne("good"), IsOk());
  Consumer::Options options = Effects();
  options.apply = [apply = options.apply](pg::Transaction& tx, const type::Change& change,
                                          void* prepared) {
    return change.subject() == "bad" ? status::NotFound("events/x") : apply(tx, change, prepared);
  };
  {
    const Consumer consumer(database_.pool(), std::move(options));
    EXPECT_TRUE(Becomes("SELECT count(*) AS n FROM effect", 3));
  }
  EXPECT_EQ(Ask("SELECT count(*) AS n FROM effect WHERE subject = 'good'"), 3);
  EXPECT_EQ(Ask("SELECT count(*) AS n FROM parked_change WHERE subject = 'bad'"), 2);
  EXPECT_EQ(Cursor(), 5);
}

// A row that is not there, say: DeferOne answers CONFLICT again and again.
TEST_F(FeedTest, EndlessConflictIsParkedToo) {
  ASSERT_THAT(AppendOne("bad"), IsOk());
  ASSERT_THAT(AppendOne("good"), IsOk());
  static constexpr pg::Statement kTouch{"feed_test.touch",
                                        "UPDATE subject SET n = 1 WHERE name = $1"};
  Consumer::Options options = Effects();
  options.apply = [apply = options.apply](pg::Transaction& tx, const type::Change& change,
                                          void* prepared) {
    if (change.subject() != "bad") return apply(tx, change, prepared);
    tx.DeferOne(kTouch, "nobody");
    return absl::OkStatus();
  };
  const Consumer consumer(database_.pool(), std::move(options));
  EXPECT_TRUE(Becomes("SELECT count(*) AS n FROM effect", 1));
  EXPECT_EQ(Ask("SELECT count(*) AS n FROM parked_change"), 1);
}

TEST_F(FeedTest, PartThatIsAwayIsWaitedFor) {
  ASSERT_THAT(AppendOne("s"), IsOk());
  std::atomic<int> tries = 0;
  Consumer::Options options = Effects();
  options.prepare = [&tries](const type::Change&) -> absl::StatusOr<std::shared_ptr<void>> {
    if (++tries <= 10) return status::Unavailable("another service");
    return std::make_shared<int>(42);
  };
  options.apply = [apply = options.apply](pg::Transaction& tx, const type::Change& change,
                                          void* prepared) {
    EXPECT_EQ(*static_cast<int*>(prepared), 42);
    return apply(tx, change, prepared);
  };
  const Consumer consumer(database_.pool(), std::move(options));
  EXPECT_TRUE(Becomes("SELECT count(*) AS n FROM effect", 1));
  EXPECT_EQ(Ask("SELECT count(*) AS n FROM parked_change"), 0);
}

// One replica cannot apply a change (an older program, say) and another one could, meanwhile: the
// first must not park what has been done.
TEST_F(FeedTest, WhatAnotherReplicaAppliedIsNotParked) {
  ASSERT_THAT(AppendOne("s"), IsOk());
  std::atomic<int> tries = 0;
  Consumer::Options failing = Effects();
  failing.prepare = [&](const type::Change&) -> absl::StatusOr<std::shared_ptr<void>> {
    if (++tries == 8) {  // the last try: the other replica applies it just now
      const Consumer other(database_.pool(), Effects());
      CHECK(Becomes("SELECT count(*) AS n FROM effect", 1));
    }
    return status::NotFound("events/x");
  };
  absl::Notification again;
  failing.fetch = [&, fetch = failing.fetch](int64_t after, int limit) {
    if (after >= 1 && !again.HasBeenNotified()) again.Notify();
    return fetch(after, limit);
  };
  {
    const Consumer consumer(database_.pool(), std::move(failing));
    EXPECT_TRUE(again.WaitForNotificationWithTimeout(kLimit));
  }
  EXPECT_EQ(Ask("SELECT count(*) AS n FROM parked_change"), 0);
  EXPECT_EQ(Ask("SELECT count(*) AS n FROM effect"), 1);
}

TEST_F(FeedTest, ConsumerStopsAtOnceWhileItWaits) {
  Consumer::Options options = Effects();
  absl::Notification asked;
  options.fetch = [&asked](int64_t, int) -> absl::StatusOr<Page> {
    if (!asked.HasBeenNotified()) asked.Notify();
    return status::Unavailable("another service");
  };
  auto consumer = std::make_unique<Consumer>(database_.pool(), std::move(options));
  asked.WaitForNotification();
  const absl::Time start = clock::Clock::Real().Now();
  consumer.reset();
  EXPECT_LT(clock::Clock::Real().Now() - start, absl::Milliseconds(700));
}

}  // namespace
}  // namespace edcert::feed
