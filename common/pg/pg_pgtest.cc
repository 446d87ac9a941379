#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/clock/clock.h"
#include "common/pg/pg.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"

namespace edcert::pg {
namespace {

using ::testing::ElementsAre;
using testing::HasReason;
using testing::IsOk;

absl::Time Now() { return clock::Clock::Real().Now(); }

constexpr Statement kInsert{"test.insert", "INSERT INTO item (id, text) VALUES ($1, $2)"};
constexpr Statement kUpdate{"test.update", "UPDATE item SET text = $2 WHERE id = $1"};
constexpr Statement kCount{"test.count", "SELECT count(*) AS n FROM item"};
constexpr Statement kGet{"test.get", "SELECT text FROM item WHERE id = $1"};
constexpr Statement kWrong{"test.wrong", "SELECT nothing FROM nowhere"};

class PgTest : public ::testing::Test {
 protected:
  PgTest() : database_("registry", {}), db_(database_.db()) {
    CHECK(database_.owner()
              .RunScript("CREATE TABLE registry.item (id bigint PRIMARY KEY, text text);"
                         "CREATE TABLE registry.part (id bigint PRIMARY KEY, item bigint"
                         " CONSTRAINT part_of REFERENCES registry.item DEFERRABLE);"
                         "GRANT ALL ON registry.item, registry.part TO registry")
              .ok());
  }

  int64_t Count() {
    const absl::StatusOr<Result> rows = db_.Run(kCount);
    CHECK(rows.ok());
    return (*rows)[0].Int("n");
  }

  // Ends every connection of the service's role.
  void TerminateAll() {
    CHECK(database_.owner()
              .RunScript("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                         " WHERE datname = current_database() AND usename = 'registry'")
              .ok());
  }

  testing::TestDatabase database_;
  Database db_;
};

// Parameters and results.

TEST_F(PgTest, CarriesEveryType) {
  const std::string binary("a\0b\xff\\x'", 7);
  const std::string text = "O'Brien \\ \"quoted\" {1,2} \n\t žluťoučký 学校 🎓";
  const absl::Time time = absl::FromUnixMicros(1'795'000'000'123'456);
  const auto rows = db_.RunText(
      "SELECT $1::text AS text, $2::bytea AS binary, $3::bigint AS low, $4::int AS small,"
      " $5::boolean AS yes, $6::boolean AS no, $7::float8 AS real, $8::timestamptz AS time",
      text, Bytes{binary}, std::numeric_limits<int64_t>::min(), -7, true, false, 0.1, time);
  ASSERT_THAT(rows, IsOk());
  const Row row = (*rows)[0];
  EXPECT_EQ(row.Text("text"), text);
  EXPECT_EQ(row.Binary("binary"), binary);
  EXPECT_EQ(row.Int("low"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(row.Int("small"), -7);
  EXPECT_TRUE(row.Bool("yes"));
  EXPECT_FALSE(row.Bool("no"));
  EXPECT_EQ(row.Double("real"), 0.1);
  EXPECT_EQ(row.Time("time"), time);
}

TEST_F(PgTest, CarriesNullAndEmpty) {
  const auto rows = db_.RunText(
      "SELECT $1::text AS none, $2::text AS empty, $3::bytea AS no_bytes, $4::bytea AS zero_bytes,"
      " $5::bigint AS no_number, $6::timestamptz AS no_time, $7::bigint AS number",
      std::nullopt, "", std::optional<Bytes>(), Bytes{""}, std::optional<int64_t>(),
      std::optional<absl::Time>(), std::optional<int64_t>(5));
  ASSERT_THAT(rows, IsOk());
  const Row row = (*rows)[0];
  EXPECT_FALSE(row.Has("none"));
  EXPECT_TRUE(row.Has("empty"));
  EXPECT_EQ(row.Text("empty"), "");
  EXPECT_FALSE(row.Has("no_bytes"));
  EXPECT_TRUE(row.Has("zero_bytes"));
  EXPECT_EQ(row.Binary("zero_bytes"), "");
  EXPECT_EQ(row.Int("no_number"), 0);
  EXPECT_EQ(row.Time("no_time"), absl::InfinitePast());
  EXPECT_FALSE(row.OptionalTime("no_time").has_value());
  EXPECT_EQ(row.Int("number"), 5);
}

TEST_F(PgTest, CarriesArrays) {
  const std::vector<std::string> texts = {"plain",       "",     "a,b",      "{x}",         "\"q\"",
                                          "back\\slash", "NULL", " padded ", "line\nbreak", "学校"};
  const auto rows = db_.RunText(
      "SELECT $1::text[] AS texts, cardinality($1::text[]) AS n, $2::text[] AS none,"
      " $3::bigint[] AS numbers, ($3::bigint[])[2] AS second",
      texts, std::vector<std::string>(), std::vector<int64_t>{1, -2, 3});
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ((*rows)[0].TextArray("texts"), texts);
  EXPECT_EQ((*rows)[0].Int("n"), 10);
  EXPECT_THAT((*rows)[0].TextArray("none"), ElementsAre());
  EXPECT_THAT((*rows)[0].TextArray("numbers"), ElementsAre("1", "-2", "3"));
  EXPECT_EQ((*rows)[0].Int("second"), -2);
}

TEST_F(PgTest, CarriesTimesAtTheirLimits) {
  const std::vector<absl::Time> times = {
      absl::InfiniteFuture(),
      absl::InfinitePast(),
      absl::UnixEpoch(),
      absl::FromUnixMicros(-1),  // just before the epoch
      absl::FromCivil(absl::CivilSecond(1, 1, 1), absl::UTCTimeZone()),
      absl::FromCivil(absl::CivilSecond(9999, 12, 31, 23, 59, 59), absl::UTCTimeZone())};
  for (const absl::Time time : times) {
    const auto rows = db_.RunText("SELECT $1::timestamptz AS time", time);
    ASSERT_THAT(rows, IsOk()) << time;
    EXPECT_EQ((*rows)[0].Time("time"), time);
  }
}

// What no calendar of PostgreSQL or the wire holds comes from a client's Timestamp; it must not
// become INTERNAL.
TEST_F(PgTest, TimesBeyondTheCalendarAreInfinite) {
  const auto rows = db_.RunText("SELECT $1::timestamptz AS late, $2::timestamptz AS early",
                                absl::FromUnixSeconds(std::numeric_limits<int64_t>::max() / 2),
                                absl::FromUnixSeconds(std::numeric_limits<int64_t>::min() / 2));
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ((*rows)[0].Time("late"), absl::InfiniteFuture());
  EXPECT_EQ((*rows)[0].Time("early"), absl::InfinitePast());
}

TEST_F(PgTest, RefusesTextWithNul) {
  const std::string text("cut\0here", 8);
  EXPECT_THAT(db_.Run(kInsert, 1, text), HasReason("FIELD_INVALID"));
  EXPECT_THAT(db_.RunText("SELECT $1::text[]", std::vector<std::string>{text}),
              HasReason("FIELD_INVALID"));
  EXPECT_EQ(Count(), 0);
}

TEST_F(PgTest, CountsTouchedRows) {
  ASSERT_THAT(db_.Run(kInsert, 1, "a"), IsOk());
  EXPECT_EQ(db_.Run(kUpdate, 1, "b")->affected(), 1);
  EXPECT_EQ(db_.Run(kUpdate, 2, "b")->affected(), 0);
}

// Transactions.

TEST_F(PgTest, DeferredStatementsTravelWithCommit) {
  ASSERT_THAT(db_.RunInTransaction([](Transaction& tx) {
    tx.Defer(kInsert, 1, "a");
    tx.DeferOne(kUpdate, 1, "b");
    tx.Defer(kInsert, 2, "c");
    return absl::OkStatus();
  }),
              IsOk());
  EXPECT_EQ(Count(), 2);
  EXPECT_EQ((*db_.Run(kGet, 1))[0].Text("text"), "b");
}

TEST_F(PgTest, DeferredStatementsRunBeforeTheNextOne) {
  ASSERT_THAT(db_.RunInTransaction([](Transaction& tx) -> absl::Status {
    tx.Defer(kInsert, 1, "a");
    ASSIGN_OR_RETURN(const Result rows, tx.Run(kGet, 1));
    EXPECT_EQ(rows.size(), 1);
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_F(PgTest, FailingDeferredStatementRollsBackEverything) {
  ASSERT_THAT(db_.Run(kInsert, 3, "there"), IsOk());
  EXPECT_THAT(db_.RunInTransaction([](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(tx.Run(kInsert, 1, "a").status());
    tx.Defer(kInsert, 2, "b");
    tx.Defer(kInsert, 3, "twice");
    tx.Defer(kInsert, 4, "c");
    return absl::OkStatus();
  }),
              HasReason("ALREADY_EXISTS"));
  EXPECT_EQ(Count(), 1);
}

TEST_F(PgTest, FailingBodyRollsBackEverything) {
  EXPECT_THAT(db_.RunInTransaction([](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(tx.Run(kInsert, 1, "a").status());
    tx.Defer(kInsert, 2, "b");
    return status::NotFound("events/x");
  }),
              HasReason("NOT_FOUND"));
  EXPECT_EQ(Count(), 0);
}

// PostgreSQL answers COMMIT of a failed transaction with success and rolls back.
TEST_F(PgTest, ABodyThatGivesUpLeavesDeferredStatementsUnrun) {
  for (const bool sent : {false, true}) {
    const absl::Status status = db_.RunInTransaction([&](Transaction& tx) -> absl::Status {
      if (sent) RETURN_IF_ERROR(tx.Run(kCount).status());
      tx.Defer(kWrong);  // would fail, and the server would skip what follows it
      return status::NotFound("items/1");
    });
    EXPECT_THAT(status, HasReason("NOT_FOUND"));
    // The connection is back in the pool and outside of any transaction.
    EXPECT_THAT(db_.Run(kInsert, sent ? 1 : 0, "x"), IsOk());
  }
  EXPECT_EQ(Count(), 2);
}

TEST_F(PgTest, SwallowedErrorIsNotACommit) {
  EXPECT_THAT(db_.RunInTransaction([](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(tx.Run(kInsert, 1, "a").status());
    tx.Run(kInsert, 1, "twice").status().IgnoreError();
    return absl::OkStatus();
  }),
              HasReason("INTERNAL"));
  EXPECT_EQ(Count(), 0);
}

TEST_F(PgTest, DeferOneWithoutItsRowIsAConflict) {
  int runs = 0;
  EXPECT_THAT(db_.RunInTransaction([&runs](Transaction& tx) {
    ++runs;
    tx.Defer(kInsert, 1, "a");
    tx.DeferOne(kUpdate, 99, "none");
    return absl::OkStatus();
  }),
              HasReason("CONFLICT"));
  EXPECT_GT(runs, 1);  // CONFLICT is retried
  EXPECT_EQ(Count(), 0);
}

TEST_F(PgTest, DeferOneIsCheckedBeforeTheNextStatementToo) {
  EXPECT_THAT(db_.RunInTransaction([](Transaction& tx) -> absl::Status {
    tx.DeferOne(kUpdate, 99, "none");
    return tx.Run(kInsert, 1, "a").status();
  }),
              HasReason("CONFLICT"));
  EXPECT_EQ(Count(), 0);
}

TEST_F(PgTest, BodyWithoutStatementsNeedsNoTransaction) {
  EXPECT_THAT(db_.RunInTransaction([](Transaction&) { return absl::OkStatus(); }), IsOk());
}

// An exception (std::bad_alloc, say) passes through to rpc::Handle; the open transaction must not
// go back to the pool with its connection.
TEST_F(PgTest, ExceptionLeavesNoOpenTransactionInThePool) {
  Pool pool({.conninfo = database_.conninfo(), .size = 1});
  Database db(pool, Now() + absl::Seconds(10));
  EXPECT_THROW(db.RunInTransaction([](Transaction& tx) -> absl::Status {
                   CHECK(tx.Run(kInsert, 1, "a").ok());
                   tx.Defer(kInsert, 2, "b");
                   throw std::bad_alloc();
                 }).IgnoreError(),
               std::bad_alloc);
  ASSERT_THAT(db.Run(kInsert, 3, "c"), IsOk());
  EXPECT_EQ(Count(), 1);
}

// Connections after failures.

TEST_F(PgTest, FailureInsideThePipelineLeavesTheConnectionUsable) {
  const auto connection = Connection::Open(database_.conninfo());
  ASSERT_THAT(connection, IsOk());
  Connection& c = **connection;
  const absl::Time deadline = Now() + absl::Seconds(10);
  c.Queue(kInsert, {1, "a"});
  c.Queue(kWrong, {});
  c.Queue(kUpdate, {1, "b"});
  const auto failed = c.Flush(deadline);
  EXPECT_THAT(failed, HasReason("INTERNAL"));
  EXPECT_EQ(SqlStateOf(failed.status()), "42P01");
  EXPECT_FALSE(c.broken());
  // `update` was not prepared, since the pipeline was aborted before it; `wrong` never will be.
  c.Queue(kInsert, {1, "a"});
  c.Queue(kUpdate, {1, "c"});
  const auto results = c.Flush(deadline);
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ(results->size(), 2U);
  c.Queue(kWrong, {});
  EXPECT_THAT(c.Flush(deadline), HasReason("INTERNAL"));
  c.Queue(kGet, {1});
  const auto got = c.Flush(deadline);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ((*got)[0][0].Text("text"), "c");
}

TEST_F(PgTest, StatementPreparedAfterItsTableAppears) {
  static constexpr Statement kLate{"test.late", "SELECT id FROM late"};
  Pool pool({.conninfo = database_.conninfo(), .size = 1});
  Database db(pool, Now() + absl::Seconds(10));
  EXPECT_THAT(db.Run(kLate), HasReason("INTERNAL"));
  ASSERT_THAT(database_.owner().RunScript(
                  "CREATE TABLE registry.late (id bigint); GRANT ALL ON registry.late TO registry"),
              IsOk());
  EXPECT_THAT(db.Run(kLate), IsOk());
}

TEST_F(PgTest, SameStatementTwiceInOnePipeline) {
  ASSERT_THAT(db_.RunInTransaction([](Transaction& tx) {
    for (int i = 0; i < 500; ++i) tx.Defer(kInsert, i, std::string(1000, 'x'));
    return absl::OkStatus();
  }),
              IsOk());
  EXPECT_EQ(Count(), 500);
}

TEST_F(PgTest, DeadlineCancelsTheStatement) {
  const absl::Time start = Now();
  Database db(database_.pool(), start + absl::Milliseconds(200));
  EXPECT_THAT(db.RunText("SELECT pg_sleep(60), 'marked'"), HasReason("DEADLINE_EXCEEDED"));
  EXPECT_LT(Now() - start, absl::Seconds(5));
  // The server stops too: it is waited for, not slept for.
  int64_t running = 1;
  while (running > 0 && Now() < start + absl::Seconds(10)) {
    const auto rows = db_.RunText(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active'"
        " AND query LIKE '%marked%' AND pid <> pg_backend_pid()");
    ASSERT_THAT(rows, IsOk());
    running = (*rows)[0].Int("n");
  }
  EXPECT_EQ(running, 0);
}

TEST_F(PgTest, ConnectionWithACancelledStatementIsDiscarded) {
  Pool pool({.conninfo = database_.conninfo(), .size = 1});
  const auto pid = [&pool] {
    Database db(pool, Now() + absl::Seconds(10));
    const auto rows = db.RunText("SELECT pg_backend_pid() AS pid");
    CHECK(rows.ok());
    return (*rows)[0].Int("pid");
  };
  const int64_t before = pid();
  EXPECT_EQ(pid(), before);
  Database hurried(pool, Now() + absl::Milliseconds(100));
  EXPECT_THAT(hurried.RunText("SELECT pg_sleep(60)"), HasReason("DEADLINE_EXCEEDED"));
  EXPECT_NE(pid(), before);
}

TEST_F(PgTest, DeadlineInATransactionRollsBack) {
  Database hurried(database_.pool(), Now() + absl::Milliseconds(200));
  EXPECT_THAT(hurried.RunInTransaction([](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(tx.Run(kInsert, 1, "a").status());
    return tx.RunText("SELECT pg_sleep(60)").status();
  }),
              HasReason("DEADLINE_EXCEEDED"));
  ASSERT_THAT(db_.Run(kInsert, 1, "b"), IsOk());  // waits for the row lock of the first, at most
  EXPECT_EQ((*db_.Run(kGet, 1))[0].Text("text"), "b");
}

TEST_F(PgTest, DeadlineThatPassedSendsNothing) {
  Database late(database_.pool(), Now() - absl::Seconds(1));
  EXPECT_THAT(late.Run(kInsert, 1, "a"),
              ::testing::AnyOf(HasReason("DEADLINE_EXCEEDED"), HasReason("OVERLOADED")));
  EXPECT_EQ(Count(), 0);
}

// Conflicts.

TEST_F(PgTest, RetriesDeadlocks) {
  ASSERT_THAT(db_.Run(kInsert, 1, ""), IsOk());
  ASSERT_THAT(db_.Run(kInsert, 2, ""), IsOk());
  std::atomic<int> holding = 0;
  std::atomic<int> runs = 0;
  const auto take = [&](int first, int second, absl::Status* out) {
    bool met = false;
    *out = database_.db().RunInTransaction([&](Transaction& tx) -> absl::Status {
      ++runs;
      RETURN_IF_ERROR(
          tx.RunText("UPDATE item SET text = text || 'x' WHERE id = $1", first).status());
      if (!met) {
        met = true;
        ++holding;
        while (holding < 2) std::this_thread::yield();
      }
      return tx.RunText("UPDATE item SET text = text || 'x' WHERE id = $1", second).status();
    });
  };
  absl::Status one;
  absl::Status two;
  {
    const std::jthread a([&] { take(1, 2, &one); });
    const std::jthread b([&] { take(2, 1, &two); });
  }
  EXPECT_THAT(one, IsOk());
  EXPECT_THAT(two, IsOk());
  EXPECT_EQ(runs, 3);
  EXPECT_EQ((*db_.Run(kGet, 1))[0].Text("text"), "xx");
}

TEST_F(PgTest, RetriesSerializationFailures) {
  ASSERT_THAT(db_.Run(kInsert, 1, ""), IsOk());
  int runs = 0;
  EXPECT_THAT(db_.RunInTransaction([&](Transaction& tx) -> absl::Status {
    ++runs;
    RETURN_IF_ERROR(tx.RunText("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").status());
    RETURN_IF_ERROR(tx.Run(kCount).status());
    if (runs == 1) RETURN_IF_ERROR(database_.db().Run(kUpdate, 1, "other").status());
    return tx.Run(kUpdate, 1, "mine").status();
  }),
              IsOk());
  EXPECT_EQ(runs, 2);
  EXPECT_EQ((*db_.Run(kGet, 1))[0].Text("text"), "mine");
}

TEST_F(PgTest, GivesUpAfterSomeConflicts) {
  int runs = 0;
  EXPECT_THAT(db_.RunInTransaction([&runs](Transaction&) {
    ++runs;
    return status::Conflict();
  }),
              HasReason("CONFLICT"));
  EXPECT_EQ(runs, 4);
}

// Lost connections.

TEST_F(PgTest, ConnectionLostInsideATransactionIsUnavailable) {
  int runs = 0;
  EXPECT_THAT(db_.RunInTransaction([&](Transaction& tx) -> absl::Status {
    ++runs;
    RETURN_IF_ERROR(tx.Run(kInsert, 1, "a").status());
    TerminateAll();
    return tx.Run(kInsert, 2, "b").status();
  }),
              HasReason("UNAVAILABLE"));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(Count(), 0);
}

TEST_F(PgTest, OutcomeIsUnknownWhenTheConnectionIsLostAtCommit) {
  EXPECT_THAT(db_.RunInTransaction([&](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(tx.Run(kInsert, 1, "a").status());
    TerminateAll();
    return absl::OkStatus();
  }),
              HasReason("OUTCOME_UNKNOWN"));
  EXPECT_EQ(Count(), 0);
}

// The backend dies inside COMMIT: a deferred trigger ends its own process.
TEST_F(PgTest, OutcomeIsUnknownWhenTheBackendDiesInsideCommit) {
  ASSERT_THAT(
      database_.owner().RunScript(
          "CREATE FUNCTION registry.die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
          " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
          "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON registry.item"
          " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION registry.die()"),
      IsOk());
  EXPECT_THAT(db_.RunInTransaction([](Transaction& tx) {
    tx.Defer(kInsert, 1, "a");
    return absl::OkStatus();
  }),
              HasReason("OUTCOME_UNKNOWN"));
}

TEST_F(PgTest, DeferredConstraintThatFailsAtCommit) {
  ASSERT_THAT(database_.owner().RunScript(
                  "ALTER TABLE registry.part ALTER CONSTRAINT part_of INITIALLY DEFERRED"),
              IsOk());
  const absl::Status failed = db_.RunInTransaction(
      [](Transaction& tx) { return tx.RunText("INSERT INTO part VALUES (1, 77)").status(); });
  EXPECT_THAT(failed, HasReason("IN_USE"));
  EXPECT_EQ(status::MetadataOf(failed, "constraint"), "part_of");
}

TEST_F(PgTest, DeadIdleConnectionsAreReplaced) {
  Pool pool({.conninfo = database_.conninfo(), .size = 4});
  Database db(pool, Now() + absl::Seconds(20));
  {
    std::vector<Pool::Lease> leases;
    for (int i = 0; i < 4; ++i) {
      auto lease = pool.Acquire(Now() + absl::Seconds(5));
      ASSERT_THAT(lease, IsOk());
      leases.push_back(*std::move(lease));
    }
  }
  for (int round = 0; round < 3; ++round) {
    ASSERT_THAT(db.Run(kCount), IsOk());
    TerminateAll();
    ASSERT_THAT(db.Run(kCount), IsOk()) << round;
    ASSERT_THAT(db.RunInTransaction([](Transaction& tx) { return tx.Run(kCount).status(); }),
                IsOk());
  }
}

TEST_F(PgTest, ServerThatIsAway) {
  Pool pool({.conninfo = "host=127.0.0.1 port=1 user=registry dbname=x", .size = 2});
  Database db(pool, Now() + absl::Seconds(10));
  for (int i = 0; i < 5; ++i) EXPECT_THAT(db.Run(kCount), HasReason("UNAVAILABLE"));
}

// The pool.

TEST_F(PgTest, PoolIsBounded) {
  Pool pool({.conninfo = database_.conninfo(), .size = 2, .max_wait = absl::Milliseconds(100)});
  auto first = pool.Acquire(Now() + absl::Seconds(10));
  auto second = pool.Acquire(Now() + absl::Seconds(10));
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(pool.Acquire(Now() + absl::Seconds(10)), HasReason("OVERLOADED"));
}

TEST_F(PgTest, PoolWaitsForAConnection) {
  Pool pool({.conninfo = database_.conninfo(), .size = 1, .max_wait = absl::Seconds(20)});
  std::optional<Pool::Lease> first(*pool.Acquire(Now() + absl::Seconds(10)));
  absl::Notification waiting;
  absl::StatusOr<Pool::Lease> second = absl::UnknownError("");
  std::jthread waiter([&] {
    waiting.Notify();
    second = pool.Acquire(Now() + absl::Seconds(20));
  });
  waiting.WaitForNotification();
  first.reset();
  waiter.join();
  EXPECT_THAT(second, IsOk());
}

TEST_F(PgTest, PoolSurvivesManyThreadsAndBrokenConnections) {
  Pool pool({.conninfo = database_.conninfo(), .size = 3, .max_wait = absl::Seconds(20)});
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 30; ++i) {
          if ((t + i) % 10 == 0) {
            Database hurried(pool, Now() + absl::Milliseconds(20));
            hurried.RunText("SELECT pg_sleep(5)").status().IgnoreError();
          } else if (Database(pool, Now() + absl::Seconds(20)).Run(kCount).ok()) {
            ++good;
          }
        }
      });
    }
  }
  EXPECT_EQ(good, 8 * 27);
  // Every connection came back: three can be had at once.
  std::vector<Pool::Lease> leases;
  for (int i = 0; i < 3; ++i) {
    auto lease = pool.Acquire(Now() + absl::Seconds(5));
    ASSERT_THAT(lease, IsOk());
    leases.push_back(*std::move(lease));
  }
}

// Bulk.

TEST_F(PgTest, CopiesIn) {
  std::string line;
  EXPECT_THAT(db_.RunInTransaction([&line](Transaction& tx) -> absl::Status {
    tx.Defer(kInsert, -1, "before");
    RETURN_IF_ERROR(tx.StartCopy("COPY item (id, text) FROM STDIN"));
    for (int i = 0; i < 20'000; ++i) {
      line = fmt::format("{}\t{}\n", i, std::string(200, 'x'));
      RETURN_IF_ERROR(tx.CopyData(line));
    }
    ASSIGN_OR_RETURN(const int64_t rows, tx.EndCopy());
    EXPECT_EQ(rows, 20'000);
    tx.Defer(kInsert, -2, "after");
    return absl::OkStatus();
  }),
              IsOk());
  EXPECT_EQ(Count(), 20'002);
}

TEST_F(PgTest, FailedCopyRollsBackAndLeavesTheConnectionUsable) {
  Pool pool({.conninfo = database_.conninfo(), .size = 1});
  Database db(pool, Now() + absl::Seconds(20));
  EXPECT_THAT(db.RunInTransaction([](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(tx.StartCopy("COPY item (id, text) FROM STDIN"));
    RETURN_IF_ERROR(tx.CopyData("1\ta\n1\tb\n"));
    return tx.EndCopy().status();
  }),
              HasReason("ALREADY_EXISTS"));
  EXPECT_THAT(
      db.RunInTransaction([](Transaction& tx) { return tx.StartCopy("COPY nowhere FROM STDIN"); }),
      HasReason("INTERNAL"));
  // Left in the middle.
  EXPECT_THAT(db.RunInTransaction([](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(tx.StartCopy("COPY item (id, text) FROM STDIN"));
    RETURN_IF_ERROR(tx.CopyData("1\ta\n"));
    return status::Cancelled();
  }),
              HasReason("CANCELLED"));
  EXPECT_THAT(db.Run(kInsert, 1, "a"), IsOk());
  EXPECT_EQ(Count(), 1);
}

int64_t PeakMemoryKiB() {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  CHECK(file != nullptr);
  char line[256];
  long long peak = 0;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    if (std::sscanf(line, "VmHWM: %lld", &peak) == 1) break;
  }
  std::fclose(file);
  return peak;
}

TEST_F(PgTest, StreamsInFlatMemory) {
  const int64_t before = PeakMemoryKiB();
  int64_t rows = 0;
  int64_t bytes = 0;
  EXPECT_THAT(db_.RunInTransaction([&](Transaction& tx) {
    tx.Defer(kInsert, 1, "before");
    return tx.Stream("SELECT i, repeat('x', 1000) AS text FROM generate_series(1, $1::int) AS i",
                     {200'000}, [&](const Row& row) {
                       ++rows;
                       bytes += static_cast<int64_t>(row.View("text").size());
                       return absl::OkStatus();
                     });
  }),
              IsOk());
  EXPECT_EQ(rows, 200'000);
  EXPECT_EQ(bytes, 200'000'000);
  EXPECT_EQ(Count(), 1);
  EXPECT_LT(PeakMemoryKiB() - before, 50'000);
}

TEST_F(PgTest, StreamThatFailsOrStops) {
  Pool pool({.conninfo = database_.conninfo(), .size = 1});
  Database db(pool, Now() + absl::Seconds(20));
  int rows = 0;
  EXPECT_THAT(db.RunInTransaction([&](Transaction& tx) {
    return tx.Stream("SELECT 1 / (500 - i) FROM generate_series(1, 1000) AS i", {},
                     [&](const Row&) {
                       ++rows;
                       return absl::OkStatus();
                     });
  }),
              HasReason("INTERNAL"));
  EXPECT_EQ(rows, 499);
  EXPECT_THAT(db.RunInTransaction([](Transaction& tx) {
    return tx.Stream("SELECT i FROM generate_series(1, 1000) AS i", {},
                     [](const Row&) { return status::Cancelled(); });
  }),
              HasReason("CANCELLED"));
  EXPECT_THAT(db.Run(kInsert, 1, "a"), IsOk());
}

// The catalogue.

TEST_F(PgTest, MapsSqlStates) {
  const std::map<std::string, std::string> expected = {
      {"40001", "CONFLICT"},          {"40P01", "CONFLICT"},       {"55P03", "CONFLICT"},
      {"57014", "DEADLINE_EXCEEDED"}, {"23505", "ALREADY_EXISTS"}, {"23503", "IN_USE"},
      {"08006", "UNAVAILABLE"},       {"57P01", "UNAVAILABLE"},    {"57P03", "UNAVAILABLE"},
      {"53300", "UNAVAILABLE"},       {"25P03", "UNAVAILABLE"},    {"23514", "INTERNAL"},
      {"23502", "INTERNAL"},          {"42601", "INTERNAL"},       {"42501", "INTERNAL"},
      {"42P01", "INTERNAL"},          {"22P02", "INTERNAL"},       {"53100", "INTERNAL"},
      {"XX001", "INTERNAL"},          {"P0001", "INTERNAL"}};
  for (const auto& [state, reason] : expected) {
    const auto failed = db_.RunText(fmt::format(
        "DO $$ BEGIN RAISE EXCEPTION 'secret words' USING ERRCODE = '{}'; END $$", state));
    EXPECT_THAT(failed, HasReason(reason)) << state;
    EXPECT_EQ(SqlStateOf(failed.status()), state);
    EXPECT_EQ(failed.status().ToString().find("secret"), std::string::npos) << state;
  }
}

// What a rule casts, or a check holds against a row, is personal data.
TEST_F(PgTest, TheLogHoldsNoValue) {
  constexpr Statement kCast{"test.cast", "SELECT $1::text::int"};
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(db_.Run(kCast, "Zoe Adams"), HasReason("INTERNAL"));
  EXPECT_THAT(db_.RunText("SELECT 'Zoe Adams'::date"), HasReason("INTERNAL"));
  EXPECT_THAT(db_.RunText("DO $$ BEGIN RAISE EXCEPTION 'Zoe Adams' USING DETAIL = 'Zoe Adams'; "
                          "END $$"),
              HasReason("INTERNAL"));
  EXPECT_THAT(db_.RunInTransaction([](Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(tx.StartCopy("COPY item FROM STDIN"));
    RETURN_IF_ERROR(tx.CopyData("Zoe Adams\tx\n"));
    return tx.EndCopy().status();
  }),
              HasReason("INTERNAL"));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(log.find("Zoe"), std::string::npos) << log;
  EXPECT_NE(log.find("22P02"), std::string::npos) << log;
  EXPECT_NE(log.find("test.cast"), std::string::npos) << log;
  EXPECT_NE(log.find("P0001"), std::string::npos) << log;
}

TEST_F(PgTest, NamesTheViolatedConstraint) {
  ASSERT_THAT(db_.Run(kInsert, 1, "a"), IsOk());
  const auto exists = db_.Run(kInsert, 1, "a");
  EXPECT_THAT(exists, HasReason("ALREADY_EXISTS"));
  EXPECT_EQ(status::MetadataOf(exists.status(), "constraint"), "item_pkey");
  ASSERT_THAT(db_.RunText("INSERT INTO part VALUES (1, 1)"), IsOk());
  const auto in_use = db_.RunText("DELETE FROM item WHERE id = 1");
  EXPECT_THAT(in_use, HasReason("IN_USE"));
  EXPECT_EQ(status::MetadataOf(in_use.status(), "constraint"), "part_of");
}

TEST_F(PgTest, LockTimeoutIsAConflict) {
  ASSERT_THAT(db_.Run(kInsert, 1, "a"), IsOk());
  ASSERT_THAT(
      database_.owner().RunScript("BEGIN; SELECT FROM registry.item WHERE id = 1 FOR UPDATE"),
      IsOk());
  EXPECT_THAT(db_.RunText("SELECT set_config('lock_timeout', '50ms', false)"), IsOk());
  EXPECT_THAT(db_.Run(kUpdate, 1, "b"), HasReason("CONFLICT"));
  ASSERT_THAT(database_.owner().RunScript("ROLLBACK"), IsOk());
}

}  // namespace
}  // namespace edcert::pg
