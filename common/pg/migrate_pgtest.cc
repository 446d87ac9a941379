#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "common/clock/clock.h"
#include "common/pg/migrate.h"
#include "common/status/macros.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"

namespace edcert::pg {
namespace {

using testing::HasReason;
using testing::IsOk;

constexpr Migration kFirst{1, "thing", "CREATE TABLE thing (id int);", "aa"};
constexpr Migration kSecond{2, "proof",
                            "-- evidence: proof\n"
                            "CREATE TABLE proof (id int, schema_name text DEFAULT '${schema}');",
                            "bb"};
constexpr Migration kOne[] = {kFirst};
constexpr Migration kTwo[] = {kFirst, kSecond};

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  CHECK(file.good());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class MigrateTest : public ::testing::Test {
 protected:
  MigrateTest() : database_("registry", {}), db_(database_.db()) {}

  std::unique_ptr<Connection> Owner() {
    auto owner = Connection::Open(database_.owner_conninfo());
    CHECK(owner.ok());
    return *std::move(owner);
  }
  absl::Status MigrateTo(std::span<const Migration> migrations) {
    const std::vector<Component> components = {Foundation(), {"own", migrations}};
    return Migrate(*Owner(), "registry", components);
  }

  testing::TestDatabase database_;
  Database db_;
};

TEST_F(MigrateTest, AppliesWhatIsMissingAndNothingTwice) {
  ASSERT_THAT(MigrateTo(kOne), IsOk());
  ASSERT_THAT(db_.RunText("INSERT INTO registry.thing VALUES (7)"), IsOk());
  ASSERT_THAT(MigrateTo(kTwo), IsOk());
  ASSERT_THAT(MigrateTo(kTwo), IsOk());
  EXPECT_EQ((*db_.RunText("SELECT id FROM registry.thing"))[0].Int("id"), 7);
  ASSERT_THAT(db_.RunText("INSERT INTO registry.proof (id) VALUES (1)"), IsOk());
  EXPECT_EQ((*db_.RunText("SELECT schema_name FROM proof"))[0].Text("schema_name"), "registry");
}

TEST_F(MigrateTest, EvidenceRefusesChangeByTheService) {
  ASSERT_THAT(MigrateTo(kTwo), IsOk());
  for (const char* sql :
       {"UPDATE registry.audit SET actor = ''", "DELETE FROM registry.audit",
        "TRUNCATE registry.audit", "UPDATE registry.proof SET id = 2", "DELETE FROM registry.proof",
        "TRUNCATE registry.proof", "ALTER TABLE registry.proof ADD COLUMN x int",
        "DROP TABLE registry.proof", "UPDATE registry.schema_migration SET checksum = ''",
        "DELETE FROM registry.schema_migration"}) {
    const auto refused = db_.RunText(sql);
    EXPECT_EQ(SqlStateOf(refused.status()), "42501") << sql;
  }
  // PostgreSQL only warns of a grant that nobody may give.
  EXPECT_THAT(db_.RunText("GRANT UPDATE ON registry.proof TO registry"), IsOk());
  EXPECT_EQ(SqlStateOf(db_.RunText("UPDATE registry.proof SET id = 2").status()), "42501");
  // Evidence can be written and read; other tables can be changed.
  EXPECT_THAT(db_.RunText("INSERT INTO proof (id) VALUES (1)"), IsOk());
  EXPECT_THAT(db_.RunText("SELECT id FROM proof"), IsOk());
  EXPECT_THAT(db_.RunText("UPDATE thing SET id = 2"), IsOk());
  EXPECT_THAT(db_.RunText("DELETE FROM idempotency"), IsOk());
}

// Not even for a moment while a migration runs.
TEST_F(MigrateTest, EvidenceStaysRefusedWhileMigrating) {
  ASSERT_THAT(MigrateTo(kTwo), IsOk());
  std::jthread migrator([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) CHECK(MigrateTo(kTwo).ok());
  });
  for (int i = 0; i < 3000; ++i) {
    const auto may =
        db_.RunText("SELECT has_table_privilege('registry', 'registry.audit', 'UPDATE') AS may");
    ASSERT_THAT(may, IsOk());
    ASSERT_FALSE((*may)[0].Bool("may")) << "in round " << i;
  }
}

TEST_F(MigrateTest, RefusesAChangedMigration) {
  ASSERT_THAT(MigrateTo(kOne), IsOk());
  const Migration changed[] = {{1, "thing", "CREATE TABLE thing (id bigint);", "cc"}, kSecond};
  EXPECT_THAT(MigrateTo(changed), HasReason("INTERNAL"));
  EXPECT_THAT(db_.RunText("SELECT FROM registry.proof"), HasReason("INTERNAL"));
  EXPECT_THAT(MigrateTo(kTwo), IsOk());  // nobody holds the lock
}

TEST_F(MigrateTest, FailingMigrationLeavesNothing) {
  const Migration wrong[] = {
      kFirst, {2, "wrong", "CREATE TABLE half (id int); SELECT nothing FROM nowhere;", "dd"}};
  EXPECT_THAT(MigrateTo(wrong), HasReason("INTERNAL"));
  const auto rows = db_.RunText("SELECT to_regclass('registry.half') IS NULL AS gone");
  ASSERT_THAT(rows, IsOk());
  EXPECT_TRUE((*rows)[0].Bool("gone"));
  EXPECT_THAT(MigrateTo(kTwo), IsOk());
}

TEST_F(MigrateTest, TwoMigratorsAtOnce) {
  const Migration slow[] = {{1, "slow", "CREATE TABLE slow (id int); SELECT pg_sleep(0.3);", "ee"},
                            kSecond};
  std::vector<absl::Status> results(4);
  {
    std::vector<std::jthread> threads;
    for (absl::Status& result : results) {
      threads.emplace_back([&] { result = MigrateTo(slow); });
    }
  }
  for (const absl::Status& result : results) EXPECT_THAT(result, IsOk());
}

// A migration may take longer than the lock timeout of ordinary statements.
TEST_F(MigrateTest, SecondMigratorWaitsAsLongAsTheFirstTakes) {
  auto first = Owner();
  ASSERT_THAT(first->RunScript("SELECT pg_advisory_lock(hashtext('edcert migrate registry'))"),
              IsOk());
  auto second = Owner();
  ASSERT_THAT(second->RunScript("SET lock_timeout = '10ms'"), IsOk());
  const std::vector<Component> components = {Foundation(), {"own", kOne}};
  absl::Status result;
  std::jthread migrator([&] { result = Migrate(*second, "registry", components); });
  // Once it waits, it has waited for longer than its timeout after some more questions.
  const absl::Time until = clock::Clock::Real().Now() + absl::Seconds(20);
  absl::Time waited_since = absl::InfiniteFuture();
  while (clock::Clock::Real().Now() < until &&
         clock::Clock::Real().Now() < waited_since + absl::Milliseconds(100)) {
    const auto rows = db_.RunText(
        "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
    ASSERT_THAT(rows, IsOk());
    if ((*rows)[0].Int("n") == 1 && waited_since == absl::InfiniteFuture()) {
      waited_since = clock::Clock::Real().Now();
    }
    if (waited_since != absl::InfiniteFuture() && (*rows)[0].Int("n") == 0) break;
  }
  ASSERT_THAT(first->RunScript("SELECT pg_advisory_unlock_all()"), IsOk());
  migrator.join();
  EXPECT_THAT(result, IsOk());
}

TEST_F(MigrateTest, ChecksThatTheSchemaIsUpToDate) {
  ASSERT_THAT(MigrateTo(kOne), IsOk());
  const std::vector<Component> old = {Foundation(), {"own", kOne}};
  const std::vector<Component> now = {Foundation(), {"own", kTwo}};
  EXPECT_THAT(CheckMigrated(db_, "registry", old), IsOk());
  EXPECT_THAT(CheckMigrated(db_, "registry", now), HasReason("INTERNAL"));
  ASSERT_THAT(MigrateTo(kTwo), IsOk());
  EXPECT_THAT(CheckMigrated(db_, "registry", now), IsOk());
  EXPECT_THAT(CheckMigrated(db_, "registry", old), IsOk());  // an older binary may still run
  EXPECT_THAT(CheckMigrated(db_, "workflow", now), HasReason("INTERNAL"));
}

TEST_F(MigrateTest, DownFilesUndoTheFoundation) {
  const std::string down = ReadText("common/pg/migrations/0001_foundation.down.sql");
  ASSERT_THAT(database_.owner().RunScript("SET search_path = registry; " + down), IsOk());
  const auto left = db_.RunText(
      "SELECT count(*) AS n FROM pg_class WHERE relnamespace = 'registry'::regnamespace"
      " AND relname NOT LIKE 'schema_migration%'");
  ASSERT_THAT(left, IsOk());
  EXPECT_EQ((*left)[0].Int("n"), 0);
  ASSERT_THAT(database_.owner().RunScript("DELETE FROM registry.schema_migration"), IsOk());
  EXPECT_THAT(MigrateTo(kTwo), IsOk());
}

}  // namespace
}  // namespace edcert::pg
