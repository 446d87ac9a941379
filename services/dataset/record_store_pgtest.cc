// Batches against a shadow of every version, in real PostgreSQL.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "common/jobs/jobs.h"
#include "common/status/macros.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"
#include "services/dataset/builtin_definitions.h"
#include "services/dataset/comparison_store.h"
#include "services/dataset/definition_store.h"
#include "services/dataset/issue_store.h"
#include "services/dataset/migrations/migrations.h"
#include "services/dataset/organization_feed.h"
#include "services/dataset/organization_store.h"
#include "services/dataset/record_encoder.h"
#include "services/dataset/record_sql.h"
#include "services/dataset/record_store.h"
#include "services/dataset/resync_store.h"
#include "services/dataset/schema.h"
#include "services/dataset/sync.h"

namespace edcert::dataset {
namespace {

using edcert::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Values = std::vector<std::string>;
using Shadow = std::map<std::string, Values>;  // by key

constexpr char kDistrict[] = "255901";
constexpr int64_t kManyRows = 1'000'000;  // of any table here

Dataset Lunches() {
  return {.id = "lunches",
          .title = "Lunches",
          .description = "One row per student and day.",
          .columns = {{.name = "student", .length = 10, .required = true},
                      {.name = "order", .type = ColumnType::kInt64, .required = true},
                      {.name = "price", .type = ColumnType::kDecimal, .precision = 9, .scale = 2},
                      {.name = "school", .length = 10},
                      {.name = "day", .type = ColumnType::kDate},
                      {.name = "free", .type = ColumnType::kBool},
                      {.name = "at", .type = ColumnType::kTimestamp},
                      {.name = "grade",
                       .type = ColumnType::kCode,
                       .length = 10,
                       .code_list = "grade",
                       .date_column = "day"},
                      {.name = "foods",
                       .type = ColumnType::kCodes,
                       .length = 50,
                       .code_list = "food",
                       .date_column = "day"}},
          .key = {0, 1},
          .school = 3};
}

std::string KeyOf(const Values& values) { return values[0] + "|" + values[1]; }

class RecordStoreTest : public ::testing::Test {
 protected:
  RecordStoreTest() : database_("dataset", Components()), dataset_(Lunches()) {
    absl::StatusOr<Catalogue> catalogue = Catalogue::Make({dataset_, organization_, code_});
    CHECK(catalogue.ok());
    const std::vector<Code> codes = {{"grade", "01", "", "", ""},
                                     {"grade", "02", "", "", ""},
                                     {"grade", "NEW", "", "2025-08-01", ""},
                                     {"grade", "OLD", "", "", "2025-07-31"},
                                     {"food", "A", "", "", ""},
                                     {"food", "B", "", "", ""},
                                     {"food", "OLD", "", "", "2025-07-31"}};
    CHECK(Install(database_.owner(), *catalogue, codes).ok());
    pg::Database db = database_.db();
    dataset_ = *ReadDefinitions(db)->catalogue.Find(dataset_.id);
  }

  static const std::vector<pg::Component>& Components() {
    static const std::vector<pg::Component> components = {jobs::Migrations(),
                                                          {"dataset", sql::kMigrations}};
    return components;
  }

  struct Outcome {
    Changes changes;
    int64_t duplicates = 0;
    int64_t rejected = 0;
    int64_t left_out = 0;  // once all was looked at
  };

  absl::StatusOr<Outcome> Push(Mode mode, const std::vector<Values>& rows,
                               const std::string& batch_id = ids::IdSource::Real().NewId()) {
    Outcome outcome;
    RETURN_IF_ERROR(database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      ++attempts_;
      const int64_t before = RowsRead(tx);
      RecordBatch batch(tx, dataset_, Copy::kDistrict, kDistrict);
      RETURN_IF_ERROR(batch.Stage());
      RETURN_IF_ERROR(tx.StartCopy(batch.CopyStatement()));
      RecordEncoder encoder(dataset_, mode == Mode::kDelete);
      const bool leave_out = leave_out_ && mode != Mode::kDelete;
      if (leave_out) encoder.LeaveOut(&batch.standing());
      std::vector<std::string_view> header;
      for (const Column& column : dataset_.columns) header.push_back(column.name);
      RETURN_IF_ERROR(encoder.SetHeader(header, "csv"));
      std::string copy(RecordEncoder::CopyHeader());
      int64_t line = 1;
      for (const Values& row : rows) {
        if (leave_out && line == 1 + known_after_) {
          RETURN_IF_ERROR(batch.KnowStanding(database_.db(), mode, kManyRows));
        }
        encoder.Encode(++line, std::vector<std::string_view>(row.begin(), row.end()), copy);
      }
      encoder.Finish(copy);
      copy += RecordEncoder::CopyTrailer();
      RETURN_IF_ERROR(tx.CopyData(copy));
      RETURN_IF_ERROR(tx.EndCopy().status());
      if (meanwhile_) std::exchange(meanwhile_, nullptr)();
      outcome.rejected = encoder.rejected();
      const auto staged = [&] {
        return static_cast<int64_t>(rows.size()) - batch.standing().brought();
      };
      RETURN_IF_ERROR(batch.Lock().status());
      const bool repeats = mode != Mode::kDelete && encoder.MayRepeatKeys();
      RETURN_IF_ERROR(batch.Restore(repeats, staged()));
      if (repeats) {
        ASSIGN_OR_RETURN(outcome.duplicates, batch.RejectDuplicates());
      }
      outcome.left_out = batch.standing().brought();
      ASSIGN_OR_RETURN(outcome.changes,
                       batch.Apply(mode, staged(), outcome.rejected + outcome.duplicates));
      const IssueSource source{.copy = Copy::kDistrict,
                               .dataset = dataset_.id,
                               .district = kDistrict,
                               .batch_id = batch_id,
                               .found_in = batch_id};
      RETURN_IF_ERROR(PutIssues(tx, source));
      RETURN_IF_ERROR(CloseIssues(tx, source, mode == Mode::kReplaceAll));
      rows_read_ = RowsRead(tx) - before;
      return absl::OkStatus();
    }));
    return outcome;
  }

  absl::StatusOr<SyncCounts> Sync() {
    SyncCounts counts;
    RETURN_IF_ERROR(database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      const int64_t before = RowsRead(tx);
      const Accepted accepted =
          *AcceptAutomatic(tx, ids::IdSource::Real().NewId(), kDistrict, dataset_.id, 1);
      ASSIGN_OR_RETURN(const std::optional<Resync> resync, FindResync(tx, accepted.id));
      ASSIGN_OR_RETURN(counts, SyncDataset(tx, dataset_, *resync, ids::IdSource::Real()));
      rows_read_ = RowsRead(tx) - before;
      return jobs::Cancel(tx, accepted.id).status();
    }));
    return counts;
  }

  Shadow Read(Copy copy, int64_t version, int page_size = 3) {
    Shadow shadow;
    std::string after;
    while (true) {
      pg::Database db = database_.db();
      const auto page =
          dataset::ListRecords(db, dataset_, copy, kDistrict, version, Schools(), after, page_size);
      CHECK(page.ok());
      if (page->empty()) return shadow;
      for (const Record& record : *page) {
        EXPECT_GT(record.key, after);
        EXPECT_EQ(record.key, KeyOf(record.values));
        EXPECT_EQ(record.school, record.values[3]);
        EXPECT_EQ(record.row_hash, HashOf(record.values));
        EXPECT_LE(record.valid_from, version);
        after = record.key;
        shadow[record.key] = record.values;
      }
    }
  }

  static std::string HashOf(const Values& values) {
    std::vector<const std::string*> texts;
    for (const std::string& value : values) texts.push_back(value.empty() ? nullptr : &value);
    return RowHash(texts);
  }

  int64_t CurrentVersion(Copy copy) {
    pg::Database db = database_.db();
    const VersionPair pair = *GetVersionPair(db, dataset_, kDistrict);
    return copy == Copy::kDistrict ? pair.district : pair.state;
  }

  // A record in canonical text; about one in five breaks a check of the state.
  Values RandomRecord() {
    const auto pick = [this](std::initializer_list<const char*> texts) {
      return std::string(*(texts.begin() + random_() % texts.size()));
    };
    return {fmt::format("s{}", random_() % 6),
            fmt::format("{}", static_cast<int>(random_() % 4) - 1),
            pick({"", "0.00", "-1.50", "1234567.89", "9999.00", "10000.00", "0.01", "-0.10"}),
            pick({"", "001", "001", "002", "002", "009"}),
            pick({"", "1999-12-31", "2025-10-01", "0001-01-01", "9999-12-31"}),
            pick({"", "true", "false"}),
            pick({"", "2025-10-01T08:00:00Z", "1999-12-31T23:59:59.5Z"}),
            pick({"", "01", "02", "01", "02", "77"}),
            pick({"", "A", "A;B", "B", "A;C"})};
  }

  std::vector<Values> RandomBatch(std::size_t most) {
    std::map<std::string, Values> rows;
    for (std::size_t i = random_() % (most + 1); i > 0; --i) {
      const Values row = RandomRecord();
      rows[KeyOf(row)] = row;
    }
    std::vector<Values> out;
    for (auto& [key, row] : rows) out.push_back(row);
    return out;
  }

  static Organization School(const std::string& id, const std::string& district) {
    return {.id = id, .kind = "SCHOOL", .parent = district, .display_name = "School " + id};
  }

  void AddSchools() {
    ASSERT_THAT(database_.db().RunInTransaction([](pg::Transaction& tx) {
      PutOrganization(tx, School("001", kDistrict));
      PutOrganization(tx, School("002", kDistrict));
      PutOrganization(tx, School("009", "elsewhere"));
      return absl::OkStatus();
    }),
                IsOk());
  }

  // Rows that this connection has read, since its counters were last collected: not in
  // mid-transaction.
  static int64_t RowsRead(pg::Transaction& tx) {
    const auto rows = tx.RunText(
        "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint AS n"
        "  FROM pg_stat_xact_user_tables");
    CHECK(rows.ok());
    return (*rows)[0].Int("n");
  }

  // The records of students `first` to `last`, all with this price.
  static std::vector<Values> Students(int first, int last, const std::string& price) {
    std::vector<Values> rows;
    for (int i = first; i <= last; ++i) {
      rows.push_back({fmt::format("s{:05}", i), "1", price, "", "", "", "", "", ""});
    }
    return rows;
  }

  // Pushes and syncs. Both copies then hold what the shadow holds, and neither has compared each
  // row of the batch with each of the district.
  void PushAndSync(Mode mode, const std::vector<Values>& rows, const Changes& expected) {
    if (mode == Mode::kReplaceAll) shadow_.clear();
    for (const Values& row : rows) {
      if (mode == Mode::kDelete) {
        shadow_.erase(KeyOf(row));
      } else {
        shadow_[KeyOf(row)] = row;
      }
    }
    const int64_t read_at_most = 12 * static_cast<int64_t>(shadow_.size() + rows.size() + 1500);
    const auto outcome = Push(mode, rows);
    ASSERT_THAT(outcome, IsOk());
    EXPECT_EQ(outcome->changes.inserted, expected.inserted);
    EXPECT_EQ(outcome->changes.updated, expected.updated);
    EXPECT_EQ(outcome->changes.deleted, expected.deleted);
    EXPECT_LT(rows_read_, read_at_most);
    const auto counts = Sync();
    ASSERT_THAT(counts, IsOk());
    EXPECT_EQ(counts->inserted, expected.inserted);
    EXPECT_EQ(counts->updated, expected.updated);
    EXPECT_EQ(counts->deleted, expected.deleted);
    EXPECT_LT(rows_read_, read_at_most);
    EXPECT_EQ(Read(Copy::kDistrict, outcome->changes.version, 1000), shadow_);
    EXPECT_EQ(Read(Copy::kState, counts->state_version, 1000), shadow_);
  }

  // Takes over what the registry says of an organization that it just made.
  void Arrive(const std::string& id, std::map<std::string, std::string> attributes) {
    type::Change change;
    change.set_type("organization_created");
    change.set_subject("organizations/" + id);
    change.set_actor("users/ada");
    change.mutable_attributes()->insert(attributes.begin(), attributes.end());
    ASSERT_THAT(database_.db().RunInTransaction([&](pg::Transaction& tx) {
      return ApplyRegistryChange(tx, organization_, change, ids::IdSource::Real(), true);
    }),
                IsOk());
  }

  // What a role that reads the published views sees of a query: rows as `(a,b)`.
  std::vector<std::string> Published(const std::string& sql) {
    const auto reader = pg::Connection::Open(database_.owner_conninfo() + " user=validation");
    CHECK(reader.ok());
    pg::Transaction tx(**reader, clock::Clock::Real().Now() + absl::Seconds(30));
    const auto rows = tx.RunText("SELECT q::text AS line FROM (" + sql + ") q");
    EXPECT_THAT(rows, IsOk());
    if (!rows.ok()) return {};
    std::vector<std::string> lines;
    for (const pg::Row row : *rows) lines.push_back(row.Text("line"));
    tx.Rollback();
    return lines;
  }

  // The number that a query answers.
  int64_t Number(const std::string& sql) {
    pg::Database db = database_.db();
    const auto rows = db.RunText(sql);
    CHECK(rows.ok());
    return (*rows)[0].Int("n");
  }

  // A worker has read the schools and not yet committed when the one arrives that records wait for.
  void ASchoolArrivesDuringASync();

  static bool StateTakes(const Values& values) {
    return values[3] != "009" && values[7] != "77" && values[8] != "A;C";
  }

  edcert::testing::TestDatabase database_;
  Dataset dataset_;
  const Dataset organization_ = *BuiltinCatalogue()->Find("organization");
  const Dataset code_ = *BuiltinCatalogue()->Find("code");
  std::mt19937 random_{20251001};
  Shadow shadow_;
  int64_t rows_read_ = 0;  // by the last Push or Sync
  int attempts_ = 0;       // of Push
  bool leave_out_ = false;
  int64_t known_after_ = 0;          // so many rows of a batch it is known what stands
  std::function<void()> meanwhile_;  // between the staging of the next Push and its lock
};

TEST_F(RecordStoreTest, EveryVersionCanBeReadForEver) {
  AddSchools();
  std::map<int64_t, Shadow> district = {{0, {}}};
  std::map<int64_t, Shadow> state = {{0, {}}};
  for (int round = 0; round < 60; ++round) {
    const Mode mode = static_cast<Mode>(1 + random_() % 3);
    const std::vector<Values> rows = RandomBatch(mode == Mode::kDelete ? 4 : 14);
    Shadow next = mode == Mode::kReplaceAll ? Shadow() : district.rbegin()->second;
    for (const Values& row : rows) {
      if (mode == Mode::kDelete) {
        next.erase(KeyOf(row));
      } else {
        next[KeyOf(row)] = row;
      }
    }
    const auto outcome = Push(mode, rows);
    ASSERT_THAT(outcome, IsOk());
    const bool changed = next != district.rbegin()->second;
    ASSERT_EQ(outcome->changes.any(), changed);
    ASSERT_EQ(outcome->changes.version, district.rbegin()->first + (changed ? 1 : 0));
    district[outcome->changes.version] = next;

    if (random_() % 2 == 0) continue;
    const auto counts = Sync();
    ASSERT_THAT(counts, IsOk());
    Shadow taken;
    for (const auto& [key, row] : next) {
      if (StateTakes(row)) taken[key] = row;
    }
    ASSERT_EQ(counts->refused, static_cast<int64_t>(next.size() - taken.size()));
    ASSERT_EQ(counts->read, static_cast<int64_t>(next.size()));
    ASSERT_GE(counts->unchanged, 0);
    ASSERT_EQ(counts->district_version, outcome->changes.version);
    state[counts->state_version] = taken;
    pg::Database db = database_.db();
    const auto open =
        ListIssues(db, {.district = kDistrict, .copy = Copy::kState, .open_only = true}, 0, 1000);
    ASSERT_EQ(static_cast<int64_t>(open->size()), counts->refused);
  }
  ASSERT_GT(district.size(), 20U);
  ASSERT_GT(state.size(), 5U);
  for (const auto& [version, shadow] : district) {
    EXPECT_EQ(Read(Copy::kDistrict, version), shadow) << version;
  }
  for (const auto& [version, shadow] : state) {
    EXPECT_EQ(Read(Copy::kState, version), shadow) << version;
  }
}

// What the DISTRICT copy and its open issues are, by the rules of a batch.
struct Expected {
  Shadow records;
  std::set<std::string> open;  // keys
  Changes changes;             // of the last batch
  int64_t duplicates = 0;

  void Take(Mode mode, const std::vector<Values>& rows) {
    std::map<std::string, std::vector<Values>> brought;
    for (const Values& row : rows) brought[KeyOf(row)].push_back(row);
    const Shadow before = std::exchange(records, mode == Mode::kReplaceAll ? Shadow() : records);
    if (mode == Mode::kReplaceAll) open.clear();
    duplicates = 0;
    for (const auto& [key, same] : brought) {
      open.erase(key);
      if (mode == Mode::kDelete) {
        records.erase(key);
      } else if (same.size() == 1) {
        records[key] = same[0];
      } else {
        duplicates += static_cast<int64_t>(same.size());
        open.insert(key);
        if (before.contains(key)) records[key] = before.at(key);
      }
    }
    changes = {};
    for (const auto& [key, row] : records) {
      const auto was = before.find(key);
      if (was == before.end()) {
        ++changes.inserted;
      } else if (was->second != row) {
        ++changes.updated;
      }
    }
    changes.deleted = static_cast<int64_t>(before.size()) + changes.inserted -
                      static_cast<int64_t>(records.size());
  }
};

TEST_F(RecordStoreTest, WhatIsLeftOutIsAsIfItWereStaged) {
  leave_out_ = true;
  Expected expected;
  int64_t left_out = 0;
  int64_t duplicates = 0;
  // Much of it stands already; at times a key stands twice, with the same values or with others.
  const auto batch = [&](Mode mode) {
    std::vector<Values> rows = RandomBatch(6);
    std::set<std::string> keys;
    for (const Values& row : rows) keys.insert(KeyOf(row));
    for (const auto& [key, row] : expected.records) {
      if (!keys.contains(key) && random_() % 8 != 0) rows.push_back(row);
    }
    if (mode != Mode::kDelete && !rows.empty() && random_() % 3 == 0) {
      Values again = rows[random_() % rows.size()];
      if (random_() % 2 == 0) again[2] = "7.77";
      rows.push_back(again);
    }
    std::shuffle(rows.begin(), rows.end(), random_);
    return rows;
  };
  for (int round = 0; round < 150; ++round) {
    const Mode mode = random_() % 2 == 0 ? Mode::kUpsert : Mode::kReplaceAll;
    const std::vector<Values> rows = batch(mode);
    known_after_ = static_cast<int64_t>(random_() % 4);
    if (random_() % 3 == 0) {
      meanwhile_ = [&] {
        const Mode other = static_cast<Mode>(1 + random_() % 3);
        const std::vector<Values> others = random_() % 2 == 0 ? batch(other) : RandomBatch(8);
        ASSERT_THAT(Push(other, others), IsOk());
        expected.Take(other, others);
      };
    }
    const auto outcome = Push(mode, rows);
    ASSERT_THAT(outcome, IsOk());
    expected.Take(mode, rows);
    left_out += outcome->left_out;
    duplicates += outcome->duplicates;
    ASSERT_EQ(outcome->changes.inserted, expected.changes.inserted) << round;
    ASSERT_EQ(outcome->changes.updated, expected.changes.updated) << round;
    ASSERT_EQ(outcome->changes.deleted, expected.changes.deleted) << round;
    ASSERT_EQ(outcome->duplicates, expected.duplicates) << round;
    ASSERT_EQ(Read(Copy::kDistrict, outcome->changes.version), expected.records) << round;
    std::set<std::string> open;
    pg::Database db = database_.db();
    const auto issues = ListIssues(
        db, {.district = kDistrict, .copy = Copy::kDistrict, .open_only = true}, 0, 1000);
    for (const Issue& issue : *issues) open.insert(issue.record_key);
    ASSERT_EQ(open, expected.open) << round;
  }
  EXPECT_GT(left_out, 500);
  EXPECT_GT(duplicates, 20);
}

TEST_F(RecordStoreTest, ABatchThatStandsAlreadyStagesNothing) {
  leave_out_ = true;
  ASSERT_THAT(Push(Mode::kUpsert, Students(1, 1500, "1.00")), IsOk());
  std::vector<Values> rows = Students(1, 1500, "1.00");
  auto outcome = Push(Mode::kReplaceAll, rows);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->left_out, 1500);
  EXPECT_FALSE(outcome->changes.any());
  // Nor those that it brought before that was known.
  known_after_ = 400;
  outcome = Push(Mode::kReplaceAll, rows);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->left_out, 1500);
  EXPECT_FALSE(outcome->changes.any());
  rows.resize(1450);
  rows[7][2] = "2.00";
  outcome = Push(Mode::kReplaceAll, rows);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->left_out, 1449);
  EXPECT_EQ(outcome->changes.updated, 1);
  EXPECT_EQ(outcome->changes.deleted, 50);
}

TEST_F(RecordStoreTest, WhatStandsMayBeMovedMeanwhile) {
  ASSERT_THAT(Push(Mode::kUpsert, Students(1, 1500, "1.00")), IsOk());
  ASSERT_THAT(Push(Mode::kDelete, Students(1, 20, "1.00")), IsOk());
  leave_out_ = true;
  std::vector<Values> rows = Students(21, 1480, "1.00");
  rows[7][2] = "2.00";
  // Others lie now where some of these lay.
  meanwhile_ = [&] {
    ASSERT_THAT(database_.owner().RunScript("VACUUM FULL dataset.lunches"), IsOk());
  };
  const auto outcome = Push(Mode::kReplaceAll, rows);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->changes.updated, 1);
  EXPECT_EQ(outcome->changes.deleted, 20);
  Shadow expected;
  for (const Values& row : rows) expected[KeyOf(row)] = row;
  EXPECT_EQ(Read(Copy::kDistrict, outcome->changes.version, 2000), expected);
}

TEST_F(RecordStoreTest, WhatWasLeftOutAndIsPurgedMustBePushedAgain) {
  ASSERT_THAT(Push(Mode::kUpsert, Students(1, 3, "1.00")), IsOk());
  leave_out_ = true;
  attempts_ = 0;
  meanwhile_ = [&] {
    ASSERT_THAT(Push(Mode::kUpsert, Students(1, 3, "2.00")), IsOk());
    ASSERT_THAT(database_.owner().RunScript(
                    "INSERT INTO dataset.version_horizon (copy, dataset, district_id, kept_from)"
                    " VALUES ('DISTRICT', 'lunches', '255901', 2);"
                    "DELETE FROM dataset.lunches_history"),
                IsOk());
  };
  // A conflict, so all of it is repeated.
  const auto outcome = Push(Mode::kUpsert, Students(1, 3, "1.00"));
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->changes.updated, 3);
  EXPECT_EQ(attempts_, 3);
}

TEST_F(RecordStoreTest, FewAndManyRowsMeetTheDistrictWithoutStatistics) {
  PushAndSync(Mode::kUpsert, Students(1, 1500, "1.00"), {.inserted = 1500});
  PushAndSync(Mode::kUpsert, Students(1401, 1700, "2.00"), {.inserted = 200, .updated = 100});
  PushAndSync(Mode::kUpsert, Students(1, 1600, "2.00"), {.updated = 1400});
  PushAndSync(Mode::kUpsert, Students(1, 1700, "2.00"), {});
  PushAndSync(Mode::kDelete, Students(1601, 1800, ""), {.deleted = 100});
  PushAndSync(Mode::kReplaceAll, Students(501, 1650, "2.00"), {.inserted = 50, .deleted = 500});
  PushAndSync(Mode::kReplaceAll, Students(1, 20, "2.00"), {.inserted = 20, .deleted = 1150});
}

TEST_F(RecordStoreTest, TheComparisonIsThatOfTheShadows) {
  AddSchools();
  ASSERT_THAT(Push(Mode::kUpsert, RandomBatch(20)), IsOk());
  ASSERT_THAT(Sync(), IsOk());
  ASSERT_THAT(Push(Mode::kUpsert, RandomBatch(10)), IsOk());
  ASSERT_THAT(Push(Mode::kDelete, RandomBatch(5)), IsOk());
  const VersionPair versions{CurrentVersion(Copy::kDistrict), CurrentVersion(Copy::kState)};
  const Shadow district = Read(Copy::kDistrict, versions.district);
  const Shadow state = Read(Copy::kState, versions.state);
  // What comes later does not change the comparison of these versions.
  ASSERT_THAT(Push(Mode::kReplaceAll, RandomBatch(20)), IsOk());
  ASSERT_THAT(Sync(), IsOk());

  std::map<std::string, std::vector<std::string>> expected;
  for (const auto& [key, row] : district) {
    const auto it = state.find(key);
    if (it == state.end()) {
      expected[key] = {"district"};
    } else if (it->second != row) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (row[i] == it->second[i]) continue;
        expected[key].push_back(
            fmt::format("{} {} {}", dataset_.columns[i].name, row[i], it->second[i]));
      }
    }
  }
  for (const auto& [key, row] : state) {
    if (!district.contains(key)) expected[key] = {"state"};
  }
  // Few that differ are looked for among all records, many in the order of their keys.
  for (const int64_t differing : {1, 1'000'000}) {
    std::map<std::string, std::vector<std::string>> found;
    std::string after;
    while (true) {
      pg::Database db = database_.db();
      const auto page = CompareRecords(db, dataset_, kDistrict, versions, Schools(),
                                       {.after = after, .differing = differing}, 2);
      ASSERT_THAT(page, IsOk());
      if (page->empty()) break;
      for (const Difference& one : *page) {
        if (!one.in_state) found[one.key] = {"district"};
        if (!one.in_district) found[one.key] = {"state"};
        for (const ColumnDifference& column : one.columns) {
          found[one.key].push_back(fmt::format("{} {} {}", column.column, column.district.value(),
                                               column.state.value()));
        }
        EXPECT_GT(one.key, after);
        after = one.key;
      }
    }
    EXPECT_EQ(found, expected);
  }
  EXPECT_GT(expected.size(), 3U);

  pg::Database db = database_.db();
  const auto schools = CompareSchools(db, dataset_, kDistrict, versions, Schools());
  ASSERT_THAT(schools, IsOk());
  int64_t district_rows = 0;
  int64_t state_rows = 0;
  int64_t differing = 0;
  for (const SchoolCounts& counts : schools->schools) {
    district_rows += counts.district_rows;
    state_rows += counts.state_rows;
    differing += counts.only_district + counts.only_state + counts.different;
  }
  EXPECT_EQ(district_rows, static_cast<int64_t>(district.size()));
  EXPECT_EQ(state_rows, static_cast<int64_t>(state.size()));
  EXPECT_EQ(differing, static_cast<int64_t>(expected.size()));
  EXPECT_EQ(schools->differing, differing);
  std::vector<std::string> keys;
  for (const auto& [key, columns] : expected) keys.push_back(key);
  EXPECT_EQ(schools->keys, keys);
  // Too many to name.
  EXPECT_THAT(CompareSchools(db, dataset_, kDistrict, versions, Schools(), {.keys = 0})->keys,
              IsEmpty());
  // The same in two halves.
  VersionPair large = versions;
  large.records = 1'000'000;
  const auto halves = CompareSchools(db, dataset_, kDistrict, large, Schools());
  ASSERT_THAT(halves, IsOk());
  EXPECT_EQ(halves->schools, schools->schools);
  EXPECT_EQ(halves->differing, differing);
  EXPECT_EQ(halves->keys, keys);
  // One connection does for both.
  pg::Pool one({.conninfo = database_.conninfo(), .size = 1, .max_wait = absl::Milliseconds(1)});
  pg::Database narrow(one, clock::Clock::Real().Now() + absl::Seconds(30));
  const auto in_turn = CompareSchools(narrow, dataset_, kDistrict, large, Schools());
  ASSERT_THAT(in_turn, IsOk());
  EXPECT_EQ(in_turn->schools, schools->schools);
  const ComparisonLimits one_less = {.keys = differing - 1};
  EXPECT_THAT(CompareSchools(db, dataset_, kDistrict, large, Schools(), one_less)->keys, IsEmpty());
}

// A page of a district in which much differs reads a part of it, wherever it begins.
TEST_F(RecordStoreTest, APageOfDifferencesReadsLittle) {
  constexpr int kStudents = 5000;
  ASSERT_THAT(Push(Mode::kUpsert, Students(1, kStudents, "1.00")), IsOk());
  ASSERT_THAT(Sync(), IsOk());
  ASSERT_THAT(Push(Mode::kUpsert, Students(1, kStudents, "2.00")), IsOk());
  const VersionPair versions{CurrentVersion(Copy::kDistrict), CurrentVersion(Copy::kState)};
  pg::Database db = database_.db();
  for (const std::string after : {"", "s02500|1", "s04900|1"}) {
    // The counters of a connection are sent when it has nothing to do; within a transaction they
    // are its own.
    const std::string sql =
        "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)"
        "::bigint AS n FROM pg_stat_user_tables WHERE relname = 'lunches'";
    ASSERT_THAT(db.RunText("SELECT pg_stat_force_next_flush()"), IsOk());
    const int64_t before = Number(sql);
    const auto page = CompareRecords(db, dataset_, kDistrict, versions, Schools(),
                                     {.after = after, .differing = kStudents}, 20);
    ASSERT_THAT(page, IsOk());
    ASSERT_EQ(page->size(), 20U);
    EXPECT_GT(page->front().key, after);
    ASSERT_THAT(db.RunText("SELECT pg_stat_force_next_flush()"), IsOk());
    EXPECT_LT(Number(sql) - before, 1000);
  }
}

TEST_F(RecordStoreTest, AComparisonHidesTheValuesOfOtherSchools) {
  AddSchools();
  const auto at = [](const std::string& student, const std::string& school) {
    return Values{student, "1", "1.00", school, "", "", "", "", ""};
  };
  ASSERT_THAT(Push(Mode::kUpsert, {at("a", "001"), at("b", "002"), at("c", "001")}), IsOk());
  ASSERT_THAT(Sync(), IsOk());
  ASSERT_THAT(Push(Mode::kUpsert, {at("a", "002"), at("b", "001"), at("d", "002")}), IsOk());
  const VersionPair versions{CurrentVersion(Copy::kDistrict), CurrentVersion(Copy::kState)};
  pg::Database db = database_.db();
  const Schools first = std::vector<std::string>{"001"};
  const auto differences = CompareRecords(db, dataset_, kDistrict, versions, first, {}, 10);
  ASSERT_THAT(differences, IsOk());
  ASSERT_EQ(differences->size(), 1U);
  EXPECT_EQ(differences->front().key, "b|1");
  ASSERT_EQ(differences->front().columns.size(), 1U);
  EXPECT_EQ(differences->front().columns[0].column, "school");
  EXPECT_EQ(differences->front().columns[0].district, "001");
  EXPECT_EQ(differences->front().columns[0].state, std::nullopt);
  const auto counts = CompareSchools(db, dataset_, kDistrict, versions, first);
  ASSERT_EQ(counts->schools.size(), 1U);
  EXPECT_EQ(counts->schools.front().district_rows, 2);
  EXPECT_EQ(counts->schools.front().state_rows, 2);
  EXPECT_EQ(counts->schools.front().different, 1);
  EXPECT_THAT(counts->keys, ElementsAre("b|1"));
}

Values Lunch(const std::string& student, const std::string& price) {
  return {student, "1", price, "001", "", "", "", "", ""};
}

TEST_F(RecordStoreTest, TheSameBatchAgainChangesNothing) {
  const std::vector<Values> rows = RandomBatch(20);
  ASSERT_EQ(Push(Mode::kUpsert, rows)->changes.version, 1);
  EXPECT_EQ(Push(Mode::kUpsert, rows)->changes.version, 1);
  EXPECT_EQ(Push(Mode::kReplaceAll, rows)->changes.version, 1);
}

TEST_F(RecordStoreTest, RecordsWithOneKeyAreAllRejected) {
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("a", "1.00")}), IsOk());
  const auto outcome =
      Push(Mode::kReplaceAll, {Lunch("a", "2.00"), Lunch("b", "1.00"), Lunch("a", "3.00")});
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->duplicates, 2);
  EXPECT_EQ(outcome->changes.inserted, 1);
  // Rejected, so not deleted either.
  EXPECT_EQ(Read(Copy::kDistrict, 2)["a|1"][2], "1.00");
  pg::Database db = database_.db();
  const auto issues = ListIssues(db, {.district = kDistrict}, 0, 10);
  ASSERT_EQ(issues->size(), 1U);
  EXPECT_EQ(issues->front().message, "lines 2 and 4 have the same key");
}

TEST_F(RecordStoreTest, AnIssueIsOneUntilTheRecordIsTaken) {
  const auto open = [this] {
    pg::Database db = database_.db();
    return *ListIssues(db, {.district = kDistrict, .open_only = true}, 0, 10);
  };
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("a", "cheap")}), IsOk());
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("a", "cheap"), Lunch("b", "1.00")}), IsOk());
  ASSERT_EQ(open().size(), 1U);
  EXPECT_EQ(open().front().reason, "NUMBER_INVALID");
  EXPECT_EQ(open().front().column, "price");
  EXPECT_EQ(open().front().record_key, "a|1");
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("b", "2.00")}), IsOk());
  EXPECT_EQ(open().size(), 1U);
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("a", "1.00")}), IsOk());
  EXPECT_THAT(open(), IsEmpty());
}

TEST_F(RecordStoreTest, ARefusedRecordArrivesWhenTheSchoolIsKnown) {
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("a", "1.00")}), IsOk());
  EXPECT_EQ(Sync()->refused, 1);
  EXPECT_EQ(CurrentVersion(Copy::kState), 0);
  pg::Database db = database_.db();
  EXPECT_THAT(*DatasetsWithUnknownSchools(db, kDistrict), ElementsAre("lunches"));
  AddSchools();
  EXPECT_EQ(Sync()->inserted, 1);
  EXPECT_EQ(Sync()->unchanged, 1);
  EXPECT_EQ(CurrentVersion(Copy::kState), 1);
  EXPECT_THAT(*DatasetsWithUnknownSchools(db, kDistrict), IsEmpty());
}

TEST_F(RecordStoreTest, ACodeIsTakenOnTheDaysOnWhichItIsInForce) {
  const auto lunch = [](const std::string& student, const std::string& day,
                        const std::string& grade, const std::string& foods) {
    return Values{student, "1", "1.00", "", day, "", "", grade, foods};
  };
  ASSERT_THAT(Push(Mode::kUpsert,
                   {lunch("a", "2025-07-31", "NEW", ""), lunch("b", "2025-08-01", "NEW", ""),
                    lunch("c", "2025-07-31", "OLD", "A;OLD"), lunch("d", "2025-08-01", "OLD", ""),
                    lunch("e", "2025-08-01", "", "A;OLD"), lunch("f", "", "OLD", "OLD"),
                    lunch("g", "", "NEVER", "")}),
              IsOk());
  EXPECT_EQ(Sync()->refused, 4);
  std::vector<std::string> taken;
  for (const auto& [key, values] : Read(Copy::kState, 1)) taken.push_back(values[0]);
  EXPECT_THAT(taken, ElementsAre("b", "c", "f"));
  pg::Database db = database_.db();
  const auto issues = ListIssues(db, {.district = kDistrict, .open_only = true}, 0, 10);
  ASSERT_THAT(issues, IsOk());
  std::map<std::string, std::string> columns;
  for (const Issue& issue : *issues) {
    EXPECT_EQ(issue.reason, "CODE_UNKNOWN");
    columns[issue.record_key] = issue.column;
  }
  EXPECT_THAT(columns, ElementsAre(std::pair("a|1", "grade"), std::pair("d|1", "grade"),
                                   std::pair("e|1", "foods"), std::pair("g|1", "grade")));
}

void RecordStoreTest::ASchoolArrivesDuringASync() {
  pg::Database db = database_.db();
  const std::string id = ids::IdSource::Real().NewId();
  ASSERT_THAT(db.RunInTransaction([&](pg::Transaction& tx) {
    return AcceptAutomatic(tx, id, kDistrict, dataset_.id, 3).status();
  }),
              IsOk());
  ASSERT_THAT(db.RunText("UPDATE dataset.job SET state = 'RUNNING', attempt = 1,"
                         " lease_until = now() + interval '1 min' WHERE id = $1",
                         id),
              IsOk());
  type::Change arrival;
  arrival.set_type("organization_created");
  arrival.set_subject("organizations/001");
  (*arrival.mutable_attributes())["kind"] = "SCHOOL";
  (*arrival.mutable_attributes())["parent"] = std::string("organizations/") + kDistrict;
  absl::Status applied;
  std::atomic<bool> done = false;
  std::jthread feed;
  ASSERT_THAT(db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<Resync> resync, FindResync(tx, id));
    ASSIGN_OR_RETURN(const SyncCounts counts,
                     SyncDataset(tx, dataset_, *resync, ids::IdSource::Real()));
    EXPECT_EQ(counts.refused, 3);
    feed = std::jthread([&] {
      applied = database_.db().RunInTransaction([&](pg::Transaction& other) {
        return ApplyRegistryChange(other, organization_, arrival, ids::IdSource::Real(), true);
      });
      done = true;
    });
    // Until the feed is through, or waits for this transaction.
    while (!done && Number("SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type ="
                           " 'Lock' AND datname = current_database()") == 0) {
      std::this_thread::yield();
    }
    return tx
        .RunText(
            "UPDATE dataset.job SET state = 'COMPLETED', finished_at = now(),"
            " lease_until = NULL WHERE id = $1",
            id)
        .status();
  }),
              IsOk());
  feed.join();
  ASSERT_THAT(applied, IsOk());
  EXPECT_EQ(Number("SELECT count(*) AS n FROM dataset.job WHERE state = 'QUEUED'"), 1);
  EXPECT_EQ(Number("SELECT coalesce(sum(cost), 0) AS n FROM dataset.job WHERE state = 'QUEUED'"),
            3);
  EXPECT_EQ(Sync()->refused, 0);
}

TEST_F(RecordStoreTest, ASchoolThatArrivesDuringTheFirstSyncSetsOffAnother) {
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("a", "1.00"), Lunch("b", "1.00"), Lunch("c", "1.00")}),
              IsOk());
  ASchoolArrivesDuringASync();
}

TEST_F(RecordStoreTest, ASchoolThatArrivesDuringALaterSyncSetsOffAnother) {
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("a", "1.00"), Lunch("b", "1.00"), Lunch("c", "1.00")}),
              IsOk());
  ASSERT_EQ(Sync()->refused, 3);
  ASchoolArrivesDuringASync();
}

TEST_F(RecordStoreTest, ASchoolThatNobodyWaitedForSetsOffNothing) {
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("a", "1.00")}), IsOk());
  AddSchools();
  ASSERT_EQ(Sync()->refused, 0);
  type::Change arrival;
  arrival.set_type("organization_created");
  arrival.set_subject("organizations/003");
  (*arrival.mutable_attributes())["kind"] = "SCHOOL";
  (*arrival.mutable_attributes())["parent"] = std::string("organizations/") + kDistrict;
  ASSERT_THAT(database_.db().RunInTransaction([&](pg::Transaction& tx) {
    return ApplyRegistryChange(tx, organization_, arrival, ids::IdSource::Real(), true);
  }),
              IsOk());
  EXPECT_EQ(Number("SELECT count(*) AS n FROM dataset.job WHERE state = 'QUEUED'"), 0);
}

TEST_F(RecordStoreTest, ReadersSeeTheViewsAndNothingElse) {
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("a", "1.00")}), IsOk());
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("a", "2.00")}), IsOk());
  for (const char* role : {"validation", "snapshot"}) {
    const auto reader =
        pg::Connection::Open(fmt::format("{} user={}", database_.owner_conninfo(), role));
    ASSERT_THAT(reader, IsOk());
    EXPECT_THAT((*reader)->RunScript("SELECT copy, district_id, record_key, valid_from, valid_to,"
                                     " school_id, row_hash, price FROM dataset_read.lunches;"
                                     "SELECT version FROM dataset_read.data_version;"
                                     "SELECT name, type FROM dataset_read.column_definition"),
                IsOk());
    EXPECT_FALSE((*reader)->RunScript("SELECT price FROM dataset.lunches").ok());
    EXPECT_FALSE((*reader)->RunScript("DELETE FROM dataset_read.lunches").ok());
  }
}

TEST_F(RecordStoreTest, RulesSeeOneDistrict) {
  Arrive("d1", {{"kind", "DISTRICT"}});
  Arrive("d2", {{"kind", "DISTRICT"}});
  const auto rules = pg::Connection::Open(database_.owner_conninfo() + " user=rule_exec");
  ASSERT_THAT(rules, IsOk());
  const auto seen = [&](const std::string& dataset, const std::string& district) {
    pg::Transaction tx(**rules, clock::Clock::Real().Now() + absl::Seconds(30));
    if (!district.empty()) {
      EXPECT_THAT(tx.RunText("SET LOCAL edcert.district = '" + district + "'"), IsOk());
    }
    const auto rows = tx.RunText(
        "SELECT coalesce(string_agg(DISTINCT district_id, ','), '') AS seen FROM rule_read." +
        dataset);
    EXPECT_THAT(rows, IsOk());
    std::string districts = rows.ok() ? (*rows)[0].Text("seen") : "error";
    tx.Rollback();
    return districts;
  };
  const auto check = [&] {
    ASSERT_THAT(database_.owner().RunScript(
                    "INSERT INTO dataset.lunches (copy, district_id, record_key, valid_from,"
                    " row_hash) SELECT 'STATE', d, 'k', 1, '' FROM unnest('{d1,d2}'::text[]) d"
                    " ON CONFLICT DO NOTHING"),
                IsOk());
    for (const char* dataset : {"lunches", "organization", "code"}) {
      EXPECT_EQ(seen(dataset, "d1"), "d1") << dataset;
      EXPECT_EQ(seen(dataset, "d2"), "d2") << dataset;
      EXPECT_EQ(seen(dataset, "nowhere"), "") << dataset;
      EXPECT_EQ(seen(dataset, ""), "") << dataset;  // and what was set is over
    }
    EXPECT_EQ(Number("SELECT count(*) AS n FROM pg_class WHERE relnamespace ="
                     " 'rule_read'::regnamespace AND 'security_barrier=true' = ANY (reloptions)"),
              3);
    EXPECT_FALSE((*rules)->RunScript("DELETE FROM rule_read.lunches").ok());
  };
  check();
  EXPECT_FALSE((*rules)->RunScript("SELECT price FROM dataset_read.lunches").ok());
  EXPECT_FALSE((*rules)->RunScript("SELECT version FROM dataset_read.data_version").ok());
  // A column more, and one that is longer.
  Dataset wider = Lunches();
  wider.columns[2].precision = 12;
  wider.columns.push_back({.name = "note", .length = 100});
  const auto install = [&] {
    return Install(database_.owner(), *Catalogue::Make({wider, organization_, code_}), {});
  };
  ASSERT_THAT(install(), IsOk());
  check();
  EXPECT_THAT((*rules)->RunScript("SELECT note, price FROM rule_read.lunches"), IsOk());
  // Back to the version of before, which let the role read all, and to this one again.
  pg::Connection& owner = database_.owner();
  ASSERT_THAT(owner.RunScript("SET search_path = dataset;"
                              "GRANT USAGE ON SCHEMA dataset_read TO rule_exec;"
                              "GRANT SELECT ON ALL TABLES IN SCHEMA dataset_read TO rule_exec"),
              IsOk());
  for (const bool up : {false, true}) {
    std::ostringstream text;
    text << std::ifstream(
                fmt::format("services/dataset/migrations/0005_rules_see_one_district.{}.sql",
                            up ? "up" : "down"))
                .rdbuf();
    ASSERT_THAT(text.str(), ::testing::HasSubstr("make_rule_view"));
    ASSERT_THAT(owner.RunScript(Replace(text.str(), "schema", "dataset")), IsOk());
    ASSERT_THAT(owner.RunScript("SELECT make_records('lunches')"), IsOk());
  }
  ASSERT_THAT(owner.RunScript("RESET search_path"), IsOk());
  ASSERT_THAT(install(), IsOk());
  check();
  // It keeps what it was granted: binaries of before may still run.
  EXPECT_THAT((*rules)->RunScript("SELECT price FROM dataset_read.lunches"), IsOk());
}

TEST_F(RecordStoreTest, OrganizationsAreRecordsOfTheirDistrict) {
  Arrive("state", {{"kind", "SEA"}});
  Arrive("d1", {{"kind", "DISTRICT"}, {"parent", "organizations/state"}});
  Arrive("d2", {{"kind", "DISTRICT"}, {"parent", "organizations/state"}});
  Arrive("s1", {{"kind", "SCHOOL"},
                {"parent", "organizations/d1"},
                {"display_name", "One"},
                {"nces_id", "480000100001"},
                {"open_date", "1999-08-01"},
                {"grades_offered", "KG;01;;01"}});
  Arrive("s2", {{"kind", "SCHOOL"}, {"parent", "organizations/d2"}});
  // The same again changes nothing.
  Arrive("s2", {{"kind", "SCHOOL"}, {"parent", "organizations/d2"}});
  const std::string of_district =
      "SELECT o.organization_id, o.kind, o.display_name, o.nces_id, o.open_date, o.close_date,"
      " o.grades_offered FROM dataset_read.organization o JOIN dataset_read.data_version v ON"
      " v.copy = o.copy AND v.district_id = o.district_id AND v.dataset = 'organization'"
      " AND o.valid_from <= v.version AND v.version < o.valid_to"
      " WHERE o.district_id = 'd1' AND o.copy = '{}' ORDER BY 1";
  for (const char* copy : {"DISTRICT", "STATE"}) {
    EXPECT_THAT(
        Published(fmt::format(fmt::runtime(of_district), copy)),
        ElementsAre("(d1,DISTRICT,,,,,)", "(s1,SCHOOL,One,480000100001,1999-08-01,,01;KG)"));
  }
  EXPECT_THAT(
      Published("SELECT copy, district_id, version, row_count FROM dataset_read.data_version"
                " WHERE dataset = 'organization' ORDER BY 2, 1"),
      ElementsAre("(DISTRICT,d1,2,2)", "(STATE,d1,2,2)", "(DISTRICT,d2,2,2)", "(STATE,d2,2,2)"));
  // A version stays readable.
  Arrive("s1", {{"kind", "SCHOOL"}, {"parent", "organizations/d1"}, {"display_name", "Uno"}});
  EXPECT_THAT(Published("SELECT display_name FROM dataset_read.organization WHERE copy = 'STATE'"
                        " AND district_id = 'd1' AND valid_from <= 2 AND valid_to > 2"
                        " AND organization_id = 's1'"),
              ElementsAre("(One)"));
  EXPECT_EQ(Number("SELECT count(*) AS n FROM dataset.change WHERE type = 'records_changed'"
                   " AND subject = 'organizations/d1'"),
            3);
  // No push holds up an organization, and no resync takes one.
  pg::Database db = database_.db();
  EXPECT_THAT(*DatasetsWithRecords(db, "d1"), IsEmpty());
}

TEST_F(RecordStoreTest, CodesAreRecordsOfEveryDistrict) {
  Arrive("d1", {{"kind", "DISTRICT"}});
  Arrive("s1", {{"kind", "SCHOOL"}, {"parent", "organizations/d1"}});
  EXPECT_THAT(Published("SELECT copy, code, effective_from, effective_to FROM dataset_read.code"
                        " WHERE district_id = 'd1' AND code_list = 'grade' AND code <> '01'"
                        " AND copy = 'STATE' ORDER BY 2"),
              ElementsAre("(STATE,02,,)", "(STATE,NEW,2025-08-01,)", "(STATE,OLD,,2025-07-31)"));
  EXPECT_THAT(
      Published("SELECT copy, district_id, version, row_count FROM dataset_read.data_version"
                " WHERE dataset = 'code' ORDER BY 1"),
      ElementsAre("(DISTRICT,d1,1,7)", "(STATE,d1,1,7)"));
  const auto install = [this](const std::vector<Code>& codes) {
    return Install(database_.owner(), *Catalogue::Make({dataset_, organization_, code_}), codes);
  };
  // A later edition of the product adds a code and ends one; the same once more changes nothing.
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(install({{"grade", "01", "", "", "2026-07-31"}, {"grade", "03", "", "", ""}}),
                IsOk());
    EXPECT_THAT(Published("SELECT version, row_count FROM dataset_read.data_version"
                          " WHERE dataset = 'code' AND copy = 'STATE'"),
                ElementsAre("(2,8)"));
  }
  pg::Database db = database_.db();
  const auto records =
      ListRecords(db, code_, Copy::kDistrict, "d1", 2, Schools({"s1"}), "grade|0", 1);
  ASSERT_THAT(records, IsOk());
  ASSERT_EQ(records->size(), 1U);
  EXPECT_THAT(records->front().values, ElementsAre("grade", "01", "", "", "2026-07-31"));
}

TEST_F(RecordStoreTest, DefinitionsGrowAndNeverShrink) {
  ASSERT_THAT(Push(Mode::kUpsert, {Lunch("a", "1.00")}), IsOk());
  Dataset wider = Lunches();
  wider.columns[0].length = 20;
  wider.columns[2].precision = 12;
  wider.columns.push_back({.name = "note", .length = 100});
  EXPECT_THAT(Install(database_.owner(), *Catalogue::Make({wider}), {}), IsOk());
  EXPECT_THAT(Install(database_.owner(), *Catalogue::Make({wider}), {}), IsOk());
  EXPECT_THAT(database_.owner().RunScript("SELECT note FROM dataset_read.lunches"), IsOk());
  EXPECT_FALSE(Install(database_.owner(), *Catalogue::Make({Lunches()}), {}).ok());
  Dataset other_key = wider;
  other_key.key = {0};
  EXPECT_FALSE(Install(database_.owner(), *Catalogue::Make({other_key}), {}).ok());
  Dataset no_date = wider;
  no_date.columns[7].date_column = "price";
  EXPECT_FALSE(Catalogue::Make({no_date}).ok());
}

TEST_F(RecordStoreTest, TheBuiltinDefinitionsCanBeInstalled) {
  const auto catalogue = BuiltinCatalogue();
  ASSERT_THAT(catalogue, IsOk());
  const auto codes = BuiltinCodes();
  ASSERT_THAT(codes, IsOk());
  EXPECT_THAT(Install(database_.owner(), *catalogue, *codes), IsOk());
  EXPECT_NE(catalogue->Find("attendance_summary"), nullptr);
}

}  // namespace
}  // namespace edcert::dataset
