// The purge of history against a shadow of every version, in real PostgreSQL.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "common/jobs/jobs.h"
#include "common/status/macros.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"
#include "services/dataset/builtin_definitions.h"
#include "services/dataset/definition_store.h"
#include "services/dataset/history_keeper.h"
#include "services/dataset/history_store.h"
#include "services/dataset/migrations/migrations.h"
#include "services/dataset/record_encoder.h"
#include "services/dataset/record_store.h"
#include "services/dataset/schema.h"

namespace edcert::dataset {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Values = std::vector<std::string>;
using Shadow = std::map<std::string, std::string>;  // count by student

constexpr char kDistrict[] = "255901";
constexpr absl::Duration kKeep = absl::Hours(24 * 30);

class FixedClock final : public clock::Clock {
 public:
  explicit FixedClock(absl::Time now) : now_(now) {}
  absl::Time Now() const override { return now_; }

 private:
  const absl::Time now_;
};

class HistoryTest : public ::testing::Test {
 protected:
  HistoryTest() : database_("dataset", Components()) {
    const absl::StatusOr<Catalogue> catalogue =
        Catalogue::Make({{.id = "lunches",
                          .title = "Lunches",
                          .description = "One row per student.",
                          .columns = {{.name = "student", .length = 10, .required = true},
                                      {.name = "eaten", .type = ColumnType::kInt64}},
                          .key = {0}},
                         *BuiltinCatalogue()->Find("organization"),
                         *BuiltinCatalogue()->Find("code")});
    CHECK(catalogue.ok());
    CHECK(Install(database_.owner(), *catalogue, {}).ok());
    pg::Database db = database_.db();
    dataset_ = *ReadDefinitions(db)->catalogue.Find("lunches");
  }

  static const std::vector<pg::Component>& Components() {
    static const std::vector<pg::Component> components = {jobs::Migrations(),
                                                          {"dataset", sql::kMigrations}};
    return components;
  }

  // The whole content of the STATE copy; a version if it differs from the one before.
  absl::Status Replace(const Shadow& content) {
    RETURN_IF_ERROR(database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      RecordBatch batch(tx, dataset_, Copy::kState, kDistrict);
      RETURN_IF_ERROR(batch.Stage());
      RETURN_IF_ERROR(tx.StartCopy(batch.CopyStatement()));
      RecordEncoder encoder(dataset_, /*keys_only=*/false);
      RETURN_IF_ERROR(encoder.SetHeader({"student", "eaten"}, "csv"));
      std::string copy(RecordEncoder::CopyHeader());
      int64_t line = 1;
      for (const auto& [student, eaten] : content) encoder.Encode(++line, {student, eaten}, copy);
      copy += RecordEncoder::CopyTrailer();
      RETURN_IF_ERROR(tx.CopyData(copy));
      RETURN_IF_ERROR(tx.EndCopy().status());
      RETURN_IF_ERROR(batch.Lock().status());
      RETURN_IF_ERROR(batch.RejectDuplicates().status());
      return batch.Apply(Mode::kReplaceAll, static_cast<int64_t>(content.size()), 0).status();
    }));
    pg::Database db = database_.db();
    shadows_[GetVersionPair(db, dataset_, kDistrict)->state] = content;
    return absl::OkStatus();
  }

  // So many versions of random content.
  void MakeVersions(int count) {
    for (int i = 0; i < count; ++i) {
      Shadow content;
      for (int student = 0; student < 12; ++student) {
        if (random_() % 4 != 0)
          content[fmt::format("s{}", student)] = fmt::format("{}", random_() % 3);
      }
      ASSERT_THAT(Replace(content), IsOk());
    }
  }

  // What a reader at this version is told.
  absl::StatusOr<Shadow> Read(int64_t version) {
    pg::Database db = database_.db();
    ASSIGN_OR_RETURN(
        const std::vector<Record> records,
        ListRecords(db, dataset_, Copy::kState, kDistrict, version, Schools(), "", 1000));
    RETURN_IF_ERROR(CheckKept(db, dataset_, Copy::kState, kDistrict, version));
    Shadow shadow;
    for (const Record& record : records) shadow[record.values[0]] = record.values[1];
    return shadow;
  }

  // As the service of the snapshots, which names a version.
  absl::Status Pin(const std::string& holder_id, int64_t version) {
    const auto snapshot = pg::Connection::Open(database_.owner_conninfo() + " user=snapshot");
    RETURN_IF_ERROR(snapshot.status());
    return (*snapshot)->RunScript(PinText(holder_id, version));
  }
  static std::string PinText(const std::string& holder_id, int64_t version) {
    return fmt::format(
        "SELECT dataset_read.pin_version('snapshot', '{}', 'STATE', 'lunches', '{}', {})",
        holder_id, kDistrict, version);
  }
  absl::Status Unpin(const std::string& holder_id) {
    return database_.owner().RunScript(
        fmt::format("SELECT dataset_read.unpin('snapshot', '{}')", holder_id));
  }

  // Time goes on: what is current now was superseded, if it ever was, that long ago.
  void Look(absl::Time now) {
    ASSERT_THAT(MarkVersions(database_.db(), now), IsOk());
    ASSERT_THAT(RaiseHorizons(database_.db(), now - kKeep), IsOk());
  }

  // Until there is nothing left; how many records went.
  int64_t PurgeAll(int64_t at_once = 7) {
    int64_t records = 0;
    while (true) {
      const auto purged = PurgeSome(database_.db(), definitions_, at_once);
      EXPECT_THAT(purged, IsOk());
      if (!purged.ok() || !purged->any) return records;
      EXPECT_LE(purged->records, at_once);
      records += purged->records;
    }
  }

  int64_t Number(const std::string& sql) {
    pg::Database db = database_.db();
    const auto rows = db.RunText(sql);
    CHECK(rows.ok());
    return (*rows)[0].Int("n");
  }
  int64_t ClosedRows() { return Number("SELECT count(*) AS n FROM dataset.lunches_history"); }

  // Every version is told as a whole or is said to be purged; it is told when it is in `kept`.
  void ExpectKept(int64_t from, const std::set<int64_t>& pinned) {
    for (const auto& [version, shadow] : shadows_) {
      const auto read = Read(version);
      if (version >= from || pinned.contains(version)) {
        ASSERT_THAT(read, IsOk()) << version;
        EXPECT_EQ(*read, shadow) << version;
      } else {
        EXPECT_THAT(read, HasReason("VERSION_PURGED")) << version;
      }
    }
  }

  edcert::testing::TestDatabase database_;
  Dataset dataset_;
  DefinitionCache definitions_;
  std::mt19937 random_{20261128};
  std::map<int64_t, Shadow> shadows_ = {{0, {}}};
  const absl::Time start_ = absl::FromUnixSeconds(1790000000);
};

TEST_F(HistoryTest, WhatNoSnapshotHoldsGoesWhenItIsOldEnough) {
  MakeVersions(20);
  const int64_t old = shadows_.rbegin()->first;
  ASSERT_THAT(Pin("a", 3), IsOk());
  ASSERT_THAT(Pin("b", 11), IsOk());
  Look(start_);
  MakeVersions(10);
  Look(start_ + absl::Hours(25));
  const int64_t before = ClosedRows();
  // Nothing is old enough yet.
  Look(start_ + kKeep - absl::Hours(1));
  EXPECT_EQ(PurgeAll(), 0);
  ExpectKept(0, {});

  Look(start_ + kKeep + absl::Hours(1));
  const int64_t gone = PurgeAll();
  EXPECT_GT(gone, 50);
  EXPECT_EQ(ClosedRows(), before - gone);
  ExpectKept(old, {0, 3, 11});
  // What is left below the horizon is what the two pins need, and not a row more.
  EXPECT_EQ(
      Number(fmt::format("SELECT count(*) AS n FROM dataset.lunches_history h"
                         " WHERE h.valid_to <= {} AND NOT (3 >= h.valid_from AND 3 < h.valid_to)"
                         " AND NOT (11 >= h.valid_from AND 11 < h.valid_to)",
                         old)),
      0);
  EXPECT_EQ(Number("SELECT count(*) AS n FROM dataset.version_horizon WHERE purged_to < kept_from"),
            0);
  // A purged version cannot be pinned, one that is pinned can once more.
  EXPECT_FALSE(Pin("c", 5).ok());
  EXPECT_THAT(Pin("c", 3), IsOk());

  // The rows of a pin that goes, go too, but not those of the others.
  ASSERT_THAT(Unpin("a"), IsOk());
  EXPECT_EQ(PurgeAll(), 0);
  ExpectKept(old, {0, 3, 11});
  ASSERT_THAT(Unpin("c"), IsOk());
  EXPECT_GT(PurgeAll(), 0);
  ExpectKept(old, {0, 11});
  Look(start_ + kKeep * 3);
  PurgeAll();
  ExpectKept(shadows_.rbegin()->first, {0, 11});
}

TEST_F(HistoryTest, NothingGoesBeforeTheSnapshotsAreHeld) {
  MakeVersions(5);
  Look(start_);
  Look(start_ + kKeep * 2);
  EXPECT_EQ(PurgeAll(), 0);
  ExpectKept(0, {});
  // A snapshot of no records is enough to say that all others are pinned.
  ASSERT_THAT(Pin("a", 0), IsOk());
  Look(start_ + kKeep * 2);
  EXPECT_GT(PurgeAll(), 0);
  ExpectKept(shadows_.rbegin()->first, {0});
}

TEST_F(HistoryTest, MarksAreFew) {
  ASSERT_THAT(Pin("a", 0), IsOk());
  for (int hour = 0; hour < 24 * 40; hour += 6) {
    if (hour % 12 == 0) MakeVersions(1);
    Look(start_ + absl::Hours(hour));
  }
  EXPECT_LE(Number("SELECT count(*) AS n FROM dataset.version_mark"), 32);
  EXPECT_GT(Number("SELECT max(kept_from) AS n FROM dataset.version_horizon"), 10);
}

TEST_F(HistoryTest, APurgeThatDiesGoesOnWhereItWas) {
  MakeVersions(60);
  for (const int64_t version : {7, 8, 33})
    ASSERT_THAT(Pin(fmt::format("p{}", version), version), IsOk());
  Look(start_);
  Look(start_ + kKeep);
  const int64_t from = shadows_.rbegin()->first;
  // Each time in the middle, whatever it is at: its sessions end.
  std::atomic<bool> done = false;
  std::thread killer([&] {
    const auto other = pg::Connection::Open(database_.owner_conninfo());
    CHECK(other.ok());
    while (!done) {
      EXPECT_THAT(
          (*other)->RunScript("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                              " WHERE usename = 'dataset' AND datname = current_database()"),
          IsOk());
    }
  });
  int died = 0;
  bool any = true;
  for (int i = 0; any && i < 10000; ++i) {
    const auto purged = PurgeSome(database_.db(), definitions_, 3);
    if (!purged.ok()) ++died;
    if (died == 20) done = true;
    any = !purged.ok() || purged->any;
  }
  done = true;
  killer.join();
  EXPECT_GE(died, 1);
  PurgeAll();
  ExpectKept(from, {0, 7, 8, 33});
  EXPECT_EQ(Number(fmt::format(
                "SELECT count(*) AS n FROM dataset.lunches_history h"
                " WHERE h.valid_to <= {} AND NOT EXISTS (SELECT FROM unnest(ARRAY[7, 8, 33]) p"
                " WHERE p >= h.valid_from AND p < h.valid_to)",
                from)),
            0);
}

// The snapshot that pins has not committed when the purge comes.
TEST_F(HistoryTest, APurgeLeavesACounterThatIsBeingPinned) {
  MakeVersions(20);
  ASSERT_THAT(Pin("a", 1), IsOk());
  Look(start_);
  const auto snapshot = pg::Connection::Open(database_.owner_conninfo() + " user=snapshot");
  ASSERT_THAT(snapshot, IsOk());
  ASSERT_THAT((*snapshot)->RunScript("BEGIN; " + PinText("b", 5)), IsOk());
  Look(start_ + kKeep);
  EXPECT_EQ(PurgeAll(), 0);
  ASSERT_THAT((*snapshot)->RunScript("COMMIT"), IsOk());
  EXPECT_GT(PurgeAll(), 0);
  ExpectKept(shadows_.rbegin()->first, {0, 1, 5});
}

// The purge has not committed when the snapshot pins: it waits, and then hears of all that went.
TEST_F(HistoryTest, APinWaitsForThePurgeAndIsToldWhatWent) {
  MakeVersions(20);
  ASSERT_THAT(Pin("a", 5), IsOk());
  Look(start_);
  Look(start_ + kKeep);
  const int64_t current = shadows_.rbegin()->first;
  // What a purge writes while it holds the counter.
  const auto pin_during = [this](int64_t version, const std::string& written) {
    EXPECT_THAT(
        database_.owner().RunScript("BEGIN; SELECT 1 FROM dataset.version_horizon FOR UPDATE"),
        IsOk());
    std::atomic<bool> done = false;
    absl::Status pinned;
    std::thread pinner([&] {
      pinned = Pin("b", version);
      done = true;
    });
    while (!done && Number("SELECT count(*) AS n FROM pg_locks l"
                           "  JOIN pg_stat_activity a ON a.pid = l.pid"
                           " WHERE NOT l.granted AND a.usename = 'snapshot'"
                           "   AND a.datname = current_database()") == 0) {
    }
    EXPECT_FALSE(done);
    EXPECT_THAT(database_.owner().RunScript(written + "; COMMIT"), IsOk());
    pinner.join();
    return pinned;
  };
  EXPECT_THAT(pin_during(5, "SELECT 1"), IsOk());
  ASSERT_THAT(Unpin("b"), IsOk());
  EXPECT_FALSE(pin_during(5, "DELETE FROM dataset.version_pin").ok());
  EXPECT_THAT(pin_during(current, "SELECT 1"), IsOk());
  ASSERT_THAT(Unpin("b"), IsOk());
  EXPECT_FALSE(
      pin_during(current, "UPDATE dataset.version_horizon SET kept_from = kept_from + 1").ok());
  EXPECT_EQ(Number("SELECT count(*) AS n FROM dataset.version_pin"), 0);
}

// Two replicas purge, snapshots come and go, records arrive and readers read, all at once.
TEST_F(HistoryTest, APinIsRefusedOrHolds) {
  MakeVersions(150);
  ASSERT_THAT(Pin("first", 1), IsOk());
  std::atomic<bool> done = false;
  std::atomic<int64_t> horizon = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!done) {
        EXPECT_THAT(PurgeSome(database_.db(), definitions_, 2), IsOk());
      }
    });
  }
  // The horizon rises step by step, under the pinners' hands.
  threads.emplace_back([&] {
    for (int64_t version = 1; version <= 150; ++version) {
      const auto raised = database_.owner().RunScript(fmt::format(
          "UPDATE dataset.version_horizon SET kept_from = {} WHERE copy = 'STATE'", version));
      EXPECT_THAT(raised, IsOk());
      horizon = version;
      while (!done && Number("SELECT purged_to AS n FROM dataset.version_horizon"
                             " WHERE copy = 'STATE'") +
                              4 <
                          version) {
      }
    }
    done = true;
  });
  absl::Mutex mutex;
  std::set<int64_t> held;
  std::atomic<int> refused = 0;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      const auto snapshot = pg::Connection::Open(database_.owner_conninfo() + " user=snapshot");
      CHECK(snapshot.ok());
      std::mt19937 random(static_cast<unsigned>(i));
      for (int n = 0; !done; ++n) {
        // About where the purge is: sometimes it is first, sometimes the pin.
        const int64_t version =
            std::clamp<int64_t>(horizon + static_cast<int64_t>(random() % 5) - 3, 1, 150);
        const bool pinned =
            (*snapshot)->RunScript(PinText(fmt::format("{}-{}", i, n), version)).ok();
        if (!pinned) {
          ++refused;
          continue;
        }
        const absl::MutexLock lock(&mutex);
        held.insert(version);
      }
    });
  }
  threads.emplace_back([&] {
    std::mt19937 random(9);
    while (!done) {
      const int64_t version = 1 + static_cast<int64_t>(random() % 150);
      const auto read = Read(version);
      if (read.ok()) {
        EXPECT_EQ(*read, shadows_.at(version)) << version;
      } else {
        EXPECT_THAT(read, HasReason("VERSION_PURGED"));
      }
    }
  });
  for (std::thread& thread : threads) thread.join();
  PurgeAll();
  held.insert({0, 1});
  EXPECT_GT(held.size(), 5U);
  EXPECT_GT(refused, 0);
  ExpectKept(150, held);
}

// As the server does it, in two replicas.
TEST_F(HistoryTest, TheKeepersOfTwoReplicasDoAllOfIt) {
  MakeVersions(30);
  ASSERT_THAT(Pin("a", 4), IsOk());
  const auto run_until = [this](absl::Time now, absl::Duration keep, const std::string& sql) {
    const FixedClock clock(now);
    const HistoryKeeper one(database_.pool(), clock, keep);
    const HistoryKeeper other(database_.pool(), clock, keep);
    const absl::Time give_up = clock::Clock::Real().Now() + absl::Seconds(60);
    while (clock::Clock::Real().Now() < give_up) {
      if (Number("SELECT (" + sql + ")::int AS n") == 1) return true;
    }
    return false;
  };
  ASSERT_TRUE(run_until(start_, kKeep, "SELECT count(*) > 0 FROM dataset.version_mark"));
  const int64_t old = shadows_.rbegin()->first;
  MakeVersions(3);
  ASSERT_TRUE(run_until(start_ + kKeep, kKeep,
                        "SELECT count(*) = 1 FROM dataset.version_horizon"
                        " WHERE kept_from > 0 AND purged_to = kept_from"));
  ExpectKept(old, {0, 4});
}

TEST_F(HistoryTest, OnlyTheServicesMayPinAndAsk) {
  MakeVersions(1);
  const auto run = [&](const std::string& role, const std::string& sql) {
    const auto session = pg::Connection::Open(database_.owner_conninfo() + " user=" + role);
    CHECK(session.ok());
    return (*session)->RunScript(sql);
  };
  const std::string ask = "SELECT dataset_read.version_is_kept('STATE', 'lunches', '255901', 1)";
  EXPECT_THAT(run("snapshot", ask), IsOk());
  EXPECT_THAT(run("validation", ask), IsOk());
  EXPECT_FALSE(run("rule_exec", ask).ok());
  EXPECT_FALSE(run("validation", PinText("x", 1)).ok());
  EXPECT_FALSE(run("rule_exec", PinText("x", 1)).ok());
  EXPECT_EQ(Number("SELECT count(*) AS n FROM dataset.version_pin"), 0);
}

}  // namespace
}  // namespace edcert::dataset
