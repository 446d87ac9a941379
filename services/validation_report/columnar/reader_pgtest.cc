// What the cache of tables keeps, drops and refuses.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/clock/clock.h"
#include "common/jobs/jobs.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"
#include "services/validation_report/columnar/reader.h"
#include "services/validation_report/definition_store.h"
#include "services/validation_report/migrations/migrations.h"
#include "services/validation_report/published_datasets_pgtest.h"
#include "services/validation_report/rule_sql.h"

namespace edcert::validation_report::columnar {
namespace {

using edcert::testing::IsOk;
using TablePtr = std::shared_ptr<const Table>;

constexpr std::size_t kPlenty = 64'000'000;

class TableCacheTest : public ::testing::Test {
 protected:
  TableCacheTest() {
    PublishDatasets(database_.owner());
    pg::Database db = database_.db();
    definitions_ = *ReadDefinitions(db, PublishedIds());
    // From version 8 on every second record is gone.
    Sql("INSERT INTO dataset_read.enrollment (copy, district_id, record_key, valid_to, student_uid,"
        " school_id, entry_date, exit_date, fte) SELECT 'DISTRICT', 'north', 'k' || i,"
        "  CASE WHEN i % 2 = 0 THEN 8 ELSE 9223372036854775807 END, 's' || i, 'school-' || i % 3,"
        "  date '2025-08-01' + i % 200, CASE WHEN i % 7 = 0 THEN date '2026-01-01' END, i % 4"
        " FROM generate_series(1, 6000) i;"
        "INSERT INTO dataset_read.attendance_summary (copy, district_id, record_key, student_uid,"
        " school_id, days_present) SELECT 'DISTRICT', 'north', 'a' || i, 's' || i,"
        "  'school-' || i % 3, i % 180 FROM generate_series(1, 6000) i");
  }

  void Sql(const std::string& sql) { ASSERT_THAT(database_.owner().RunScript(sql), IsOk()); }

  std::string Source(int version, std::string_view school = "",
                     const std::string& dataset = "enrollment") const {
    return RowsOfSlice(
        definitions_.at(dataset),
        {.copy = "DISTRICT", .district = "north", .version = version, .school = school});
  }

  TablePtr Get(TableCache& cache, const std::string& source,
               const std::vector<std::string>& columns = {"student_uid", "entry_date"},
               const std::string& dataset = "enrollment") {
    const absl::StatusOr<TablePtr> table =
        cache.Get({pool_, clock::Clock::Real().Now() + absl::Seconds(60)}, "north", source,
                  definitions_.at(dataset), columns);
    EXPECT_THAT(table, IsOk());
    return table.ok() ? *table : nullptr;
  }

  // Whether it is kept. A look is a use.
  bool IsKept(TableCache& cache, const std::string& source,
              const std::vector<std::string>& columns = {"student_uid", "entry_date"}) {
    return cache.Find(source, definitions_.at("enrollment"), columns) != nullptr;
  }

  // The least limit under which it can be read.
  std::size_t NeededFor(const std::string& source) {
    std::size_t no = 0;
    std::size_t yes = kPlenty;
    while (yes - no > 1) {
      const std::size_t middle = no + (yes - no) / 2;
      TableCache cache(middle);
      (Get(cache, source) != nullptr ? yes : no) = middle;
    }
    return yes;
  }

  std::size_t SizeOf(const std::string& source) {
    TableCache cache(kPlenty);
    return Get(cache, source)->bytes();
  }

  const std::vector<pg::Component> components_ = {jobs::Migrations(),
                                                  {"validation", sql::kMigrations}};
  edcert::testing::TestDatabase database_{"validation", components_};
  pg::Pool pool_{{.conninfo = database_.owner_conninfo() + " user=rule_exec", .size = 2}};
  Definitions definitions_;
};

TEST_F(TableCacheTest, WhatIsKeptIsNotReadAgain) {
  TableCache cache(kPlenty);
  const TablePtr first = Get(cache, Source(1));
  EXPECT_EQ(first->rows, 6000U);
  Sql("DELETE FROM dataset_read.enrollment");
  EXPECT_EQ(Get(cache, Source(1)), first);
  EXPECT_EQ(Get(cache, Source(1), {"student_uid"}), first);
  EXPECT_EQ(Get(cache, Source(2))->rows, 0U);
}

TEST_F(TableCacheTest, LeastRecentlyUsedGoes) {
  // Three are kept beside each other, the third read while two are there.
  TableCache cache(NeededFor(Source(1)) + 2 * SizeOf(Source(1)));
  for (const int version : {1, 2, 3}) ASSERT_NE(Get(cache, Source(version)), nullptr);
  ASSERT_TRUE(IsKept(cache, Source(2)));
  ASSERT_TRUE(IsKept(cache, Source(1)));
  // The last used first: 1, 2, 3.
  ASSERT_NE(Get(cache, Source(4)), nullptr);
  EXPECT_FALSE(IsKept(cache, Source(3)));
  ASSERT_NE(Get(cache, Source(5)), nullptr);
  EXPECT_FALSE(IsKept(cache, Source(2)));
  EXPECT_TRUE(IsKept(cache, Source(1)));
  EXPECT_TRUE(IsKept(cache, Source(4)));
  EXPECT_TRUE(IsKept(cache, Source(5)));
  EXPECT_EQ(cache.bytes(), 3 * SizeOf(Source(1)));
}

TEST_F(TableCacheTest, NewVersionIsReadAndTheOldOneGoesInTime) {
  TableCache cache(NeededFor(Source(7)) + 2 * SizeOf(Source(7)));
  const TablePtr old_one = Get(cache, Source(7));
  const TablePtr new_one = Get(cache, Source(8));
  EXPECT_EQ(old_one->rows, 6000U);
  EXPECT_EQ(new_one->rows, 3000U);
  EXPECT_TRUE(IsKept(cache, Source(7)));
  EXPECT_TRUE(IsKept(cache, Source(8)));
}

TEST_F(TableCacheTest, OldVersionGoesBeforeTheOneInUse) {
  TableCache cache(NeededFor(Source(7)) + SizeOf(Source(7)));
  Get(cache, Source(7));
  Get(cache, Source(8));
  for (const int other : {1, 2, 3, 4}) {
    Get(cache, Source(other));
    EXPECT_FALSE(IsKept(cache, Source(7))) << other;
    EXPECT_TRUE(IsKept(cache, Source(8))) << other;
  }
}

TEST_F(TableCacheTest, OneTableServesAllItsColumns) {
  TableCache cache(kPlenty);
  Get(cache, Source(1), {"student_uid"});
  EXPECT_FALSE(IsKept(cache, Source(1), {"fte"}));
  const TablePtr both = Get(cache, Source(1), {"fte"});
  EXPECT_EQ(Get(cache, Source(1), {"student_uid", "fte"}), both);
  // The narrower one is not kept beside it.
  EXPECT_EQ(cache.bytes(), both->bytes());
}

TEST_F(TableCacheTest, WhatSomebodyHasCountsUntilItIsGivenBack) {
  const std::size_t needed = NeededFor(Source(1));
  TableCache cache(needed + SizeOf(Source(1)));
  TablePtr first = Get(cache, Source(1));
  TablePtr second = Get(cache, Source(2));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(Get(cache, Source(1, "", "attendance_summary"), {"student_uid", "days_present"},
                "attendance_summary"),
            nullptr);
  EXPECT_EQ(Get(cache, Source(3)), nullptr);
  // Neither was dropped in vain.
  EXPECT_TRUE(IsKept(cache, Source(1)));
  EXPECT_TRUE(IsKept(cache, Source(2)));
  first.reset();
  EXPECT_NE(Get(cache, Source(3)), nullptr);
  EXPECT_FALSE(IsKept(cache, Source(1)));
  EXPECT_EQ(second->rows, 6000U);
}

TEST_F(TableCacheTest, WhatIsReadInVainTakesNothing) {
  TableCache cache(NeededFor(Source(1)) - 1);
  EXPECT_EQ(Get(cache, Source(1)), nullptr);
  EXPECT_EQ(cache.bytes(), 0U);
}

// Two evaluations at a time ask for what comes and keep it for a while.
TEST_F(TableCacheTest, AllTogetherStayWithinTheLimit) {
  const std::vector<std::vector<std::string>> choices = {
      {"student_uid"}, {"entry_date", "exit_date"}, {"student_uid", "fte"}, {"fte"}};
  const std::vector<std::string> schools = {"", "school-0", "school-1"};
  const std::map<std::string, std::size_t> rows = {
      {"", 6000}, {"school-0", 2000}, {"school-1", 2000}};
  const std::size_t limit = NeededFor(Source(1)) * 3 / 2;
  TableCache cache(limit);
  std::atomic<int> kept = 0;
  std::atomic<int> refused = 0;
  const auto evaluate = [&](unsigned seed) {
    std::mt19937 random(seed);
    std::vector<TablePtr> held;
    for (int i = 0; i < 400; ++i) {
      const std::string& school = schools[random() % schools.size()];
      const std::string source = Source(1 + static_cast<int>(random() % 3), school);
      const auto& columns = choices[random() % choices.size()];
      TablePtr table = cache.Find(source, definitions_.at("enrollment"), columns);
      if (table != nullptr) {
        ++kept;
      } else {
        table = Get(cache, source, columns);
      }
      EXPECT_LE(cache.bytes(), limit);
      if (table == nullptr) {
        ++refused;
        held.clear();
        continue;
      }
      EXPECT_EQ(table->rows, rows.at(school));
      for (const std::string& column : columns) EXPECT_NE(table->Find(column), nullptr);
      if (random() % 3 == 0) held.clear();
      held.push_back(std::move(table));
    }
  };
  {
    const std::jthread other([&] { evaluate(1); });
    evaluate(2);
  }
  EXPECT_GT(kept, 100);
  EXPECT_GT(refused, 10);
}

}  // namespace
}  // namespace edcert::validation_report::columnar
