// Snapshots on a real PostgreSQL: frozen while others write, sealed, superseded, compared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/escaping.h"
#include "common/clock/clock.h"
#include "common/feed/feed.h"
#include "common/ids/ids.h"
#include "common/status/error.h"
#include "common/testing/database.h"
#include "services/snapshot/convert.h"
#include "services/snapshot/diff.h"
#include "services/snapshot/digest.h"
#include "services/snapshot/migrations/migrations.h"
#include "services/snapshot/record_reader.h"
#include "services/snapshot/sealer.h"
#include "services/snapshot/snapshot_store.h"

namespace edcert::snapshot {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A job that the test runs by hand.
class HandRunning final : public jobs::Running {
 public:
  HandRunning(pg::Database db, std::string id) : db_(db) { job_.id = std::move(id); }
  const jobs::Job& job() const override { return job_; }
  absl::Status Progress(int64_t, int64_t, std::string_view) override { return absl::OkStatus(); }
  absl::Status Complete(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    return db_.RunInTransaction(body);
  }
  pg::Database db() override { return db_; }
  absl::Status Write(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    return db_.RunInTransaction(body);
  }

 private:
  pg::Database db_;
  jobs::Job job_;
};

class FreezeTest : public ::testing::Test {
 protected:
  FreezeTest() : database_("snapshot", components_) {
    const absl::Status made =
        database_.owner().RunScript(ReadFile("services/snapshot/testdata/dataset_read.sql"));
    EXPECT_TRUE(made.ok()) << made;
  }

  // One record, one version. An empty grade removes the record.
  void Put(const std::string& dataset, const std::string& key, const std::string& grade,
           const std::string& school = "s1") {
    const absl::Status put = database_.owner().RunScript(
        "SELECT fixture.apply('" + dataset + "', 'd', '" + key + "', '" + school + "', " +
        (grade.empty() ? "NULL" : "'" + grade + "'") + ")");
    ASSERT_TRUE(put.ok()) << put;
  }

  static NewSnapshot Taking() {
    NewSnapshot taking;
    taking.id = ids::IdSource::Real().NewId();
    taking.event = "events/e";
    taking.organization = "organizations/d";
    taking.category = "categories/c";
    taking.district_id = "d";
    taking.datasets = {"attendance", "enrollment"};
    taking.taken_by = "users/u";
    taking.local_per_hour = 6;
    return taking;
  }

  absl::StatusOr<Snapshot> Take(const NewSnapshot& taking) {
    absl::StatusOr<Snapshot> taken = absl::UnknownError("not run");
    const absl::Status done =
        database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
          absl::StatusOr<Taken> answer = store_.Take(tx, taking, clock::Clock::Real().Now());
          if (!answer.ok()) return answer.status();
          rows_ = answer->rows;
          taken = std::move(answer->snapshot);
          return absl::OkStatus();
        });
    if (!done.ok()) return done;
    return taken;
  }
  Snapshot MustTake(const NewSnapshot& taking) {
    absl::StatusOr<Snapshot> taken = Take(taking);
    EXPECT_TRUE(taken.ok()) << taken.status();
    return *std::move(taken);
  }

  void Seal(const std::string& id) {
    HandRunning running(database_.db(), id);
    const absl::Status sealed = sealer_.Run(running);
    ASSERT_TRUE(sealed.ok()) << sealed;
  }

  Snapshot Get(const std::string& id) {
    pg::Database db = database_.db();
    const auto snapshot = store_.Get(db, id);
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    return *snapshot;
  }

  std::vector<int64_t> VersionsOf(const Snapshot& snapshot) {
    std::vector<int64_t> versions;
    for (const DataVersion& version : snapshot.versions) versions.push_back(version.version);
    return versions;
  }

  const std::vector<pg::Component> components_ = {
      jobs::Migrations(), {.name = "snapshot", .migrations = sql::kMigrations}};
  testing::TestDatabase database_;
  SnapshotStore store_;
  Sealer sealer_;
  int64_t rows_ = 0;  // as the last taking counted them
};

TEST_F(FreezeTest, HoldsTheVersionsOfTheMoment) {
  Put("enrollment", "k1", "01");
  Put("enrollment", "k2", "02");
  const Snapshot snapshot = MustTake(Taking());
  EXPECT_EQ(snapshot.generation, 1);
  EXPECT_EQ(snapshot.state, State::kSealing);
  EXPECT_EQ(snapshot.previous, "");
  ASSERT_THAT(snapshot.versions, SizeIs(2));
  EXPECT_EQ(snapshot.versions[0].dataset, "attendance");
  EXPECT_EQ(snapshot.versions[0].version, 0);  // never got a record
  EXPECT_EQ(snapshot.versions[1].version, 2);
  EXPECT_EQ(rows_, 2);
  Put("enrollment", "k3", "03");
  EXPECT_THAT(VersionsOf(Get(snapshot.id)), ElementsAre(0, 2));
}

// From the statement of the freeze on, whichever server runs it, until the snapshot is deleted.
TEST_F(FreezeTest, HoldsWhatItNames) {
  Put("enrollment", "k1", "01");
  const Snapshot first = MustTake(Taking());
  Put("enrollment", "k1", "02");
  const Snapshot second = MustTake(Taking());
  const auto pins = [this] {
    std::vector<std::string> lines;
    const auto rows = database_.db().RunText(
        "SELECT holder_id || ' ' || dataset || ' ' || district || ' ' || version AS line"
        "  FROM fixture.pin WHERE version > 0 ORDER BY version");
    EXPECT_TRUE(rows.ok()) << rows.status();
    for (const pg::Row row : *rows) lines.push_back(row.Text("line"));
    return lines;
  };
  const std::string enrollment = " enrollment d ";
  EXPECT_THAT(pins(), ElementsAre(first.id + enrollment + "1", second.id + enrollment + "2"));
  const absl::Status deleted = database_.owner().RunScript(
      "UPDATE snapshot.snapshot SET previous = NULL;"
      "DELETE FROM snapshot.snapshot_version WHERE snapshot_id = '" +
      first.id +
      "';"
      "UPDATE snapshot.snapshot SET superseded_by = NULL, state = 'FAILED', failure_reason = 'X'"
      " WHERE snapshot_id = '" +
      first.id +
      "';"
      "DELETE FROM snapshot.snapshot WHERE snapshot_id = '" +
      first.id + "'");
  ASSERT_TRUE(deleted.ok()) << deleted;
  EXPECT_THAT(pins(), ElementsAre(second.id + enrollment + "2"));
}

// Snapshots of before the pins are pinned by the migration.
TEST(HoldTest, TheMigrationHoldsWhatIsThere) {
  const std::vector<pg::Component> before = {
      jobs::Migrations(), {.name = "snapshot", .migrations = std::span(sql::kMigrations).first(1)}};
  testing::TestDatabase database("snapshot", before);
  ASSERT_TRUE(
      database.owner().RunScript(ReadFile("services/snapshot/testdata/dataset_read.sql")).ok());
  ASSERT_TRUE(database.owner()
                  .RunScript("INSERT INTO snapshot.snapshot (snapshot_id, event, organization,"
                             " category, district_id, school_id, generation, origin, state,"
                             " taken_by) VALUES ('00000000-0000-4000-8000-000000000001',"
                             " 'events/e', 'organizations/d', 'categories/c', 'd', '', 1,"
                             " 'STATE_MANUAL', 'SEALING', 'users/u');"
                             "INSERT INTO snapshot.snapshot_version (snapshot_id, dataset, version)"
                             " VALUES ('00000000-0000-4000-8000-000000000001', 'enrollment', 7)")
                  .ok());
  const std::vector<pg::Component> now = {jobs::Migrations(),
                                          {.name = "snapshot", .migrations = sql::kMigrations}};
  ASSERT_TRUE(pg::Migrate(database.owner(), "snapshot", now).ok());
  const auto pinned = pg::Database(database.db())
                          .RunText(
                              "SELECT dataset || ' ' || district || ' ' || version AS line"
                              "  FROM fixture.pin");
  ASSERT_TRUE(pinned.ok()) << pinned.status();
  ASSERT_EQ(pinned->size(), 1);
  EXPECT_EQ((*pinned)[0].Text("line"), "enrollment d 7");
}

TEST_F(FreezeTest, SealedDigestsEqualAnIndependentComputation) {
  Put("enrollment", "b", "02");
  Put("enrollment", "a", "01");
  Put("enrollment", "B", "03");
  Put("enrollment", "c", "04", "s2");
  const Snapshot taken = MustTake(Taking());
  Put("enrollment", "a", "09");  // after the freeze: not in it
  Put("enrollment", "b", "");
  Seal(taken.id);
  const Snapshot sealed = Get(taken.id);
  EXPECT_EQ(sealed.state, State::kSealed);
  EXPECT_TRUE(sealed.sealed_at.has_value());
  EXPECT_EQ(sealed.versions[0].rows, 0);
  EXPECT_EQ(sealed.versions[1].rows, 4);
  // The formula of digest.h, computed by PostgreSQL alone from the rows as they were.
  pg::Database db = database_.db();
  const auto expected = db.RunText(
      "WITH r (key, school, grade) AS (VALUES ('B', 's1', '03'), ('a', 's1', '01'),"
      " ('b', 's1', '02'), ('c', 's2', '04')),"
      "d AS (SELECT sha256('\\x02'::bytea || 'edcert dataset v1'::bytea || string_agg("
      "  int4send(length(key)) || key::bytea ||"
      "  sha256(convert_to(key || '|' || school || '|' || grade, 'UTF8')), ''"
      "  ORDER BY key COLLATE \"C\")) AS digest,"
      " sha256('\\x02'::bytea || 'edcert dataset v1'::bytea) AS empty FROM r)"
      "SELECT digest, sha256('\\x03'::bytea || 'edcert snapshot v1'::bytea || int4send(2)"
      " || int4send(10) || 'attendance'::bytea || int8send(0) || int8send(0) || empty"
      " || int4send(10) || 'enrollment'::bytea || int8send(4) || int8send(4) || digest) AS root "
      "FROM d");
  ASSERT_TRUE(expected.ok()) << expected.status();
  EXPECT_EQ(absl::BytesToHexString(sealed.versions[1].digest),
            absl::BytesToHexString((*expected)[0].Binary("digest")));
  EXPECT_EQ(absl::BytesToHexString(sealed.root),
            absl::BytesToHexString((*expected)[0].Binary("root")));
  const auto page = feed::List(database_.db(), 0, 10);
  ASSERT_TRUE(page.ok());
  ASSERT_THAT(page->changes, SizeIs(1));
  EXPECT_EQ(page->changes[0].type(), "snapshot_sealed");
  EXPECT_EQ(page->changes[0].subject(), sealed.name());
}

TEST_F(FreezeTest, ASecondSealChangesNothing) {
  Put("enrollment", "a", "01");
  const Snapshot taken = MustTake(Taking());
  Seal(taken.id);
  const Snapshot first = Get(taken.id);
  Seal(taken.id);
  EXPECT_EQ(Get(taken.id).sealed_at, first.sealed_at);
  EXPECT_EQ(feed::List(database_.db(), 0, 10)->head, 1);
}

TEST_F(FreezeTest, ASchoolsSnapshotHoldsItsOwnRows) {
  Put("enrollment", "a", "01", "s1");
  Put("enrollment", "b", "01", "s2");
  NewSnapshot taking = Taking();
  taking.organization = "organizations/s2";
  taking.school_id = "s2";
  const Snapshot taken = MustTake(taking);
  Seal(taken.id);
  EXPECT_EQ(Get(taken.id).versions[1].rows, 1);
}

TEST_F(FreezeTest, ARetakeSupersedes) {
  Put("enrollment", "a", "01");
  const Snapshot first = MustTake(Taking());
  Seal(first.id);
  NewSnapshot retake = Taking();
  retake.retake_of = first.name();
  const Snapshot second = MustTake(retake);
  EXPECT_EQ(second.generation, 2);
  EXPECT_EQ(second.previous, first.id);
  EXPECT_EQ(ToProto(second).SerializeAsString(), ToProto(Get(second.id)).SerializeAsString());
  EXPECT_EQ(Get(first.id).state, State::kSuperseded);
  EXPECT_EQ(Get(first.id).superseded_by, second.id);
  EXPECT_FALSE(Get(first.id).root.empty());
  // One that is superseded while it is being sealed is sealed all the same.
  const Snapshot third = MustTake(Taking());
  EXPECT_EQ(Get(second.id).state, State::kSealing);
  Seal(second.id);
  EXPECT_EQ(Get(second.id).state, State::kSuperseded);
  Seal(third.id);
  EXPECT_EQ(Get(third.id).state, State::kSealed);
  // Of two retakes of the same one is refused.
  retake.id = ids::IdSource::Real().NewId();
  EXPECT_EQ(status::ReasonOf(Take(retake).status()), "SNAPSHOT_MISMATCH");
}

TEST_F(FreezeTest, LocalPeopleHaveAQuotaAndTheStateHasNone) {
  NewSnapshot taking = Taking();
  taking.origin = Origin::kDistrictTaken;
  taking.local_per_hour = 2;
  const Snapshot first = MustTake(taking);
  taking.id = ids::IdSource::Real().NewId();
  EXPECT_EQ(status::ReasonOf(Take(taking).status()), "QUOTA_EXCEEDED");  // one is being sealed
  Seal(first.id);
  const Snapshot second = MustTake(taking);
  Seal(second.id);
  taking.id = ids::IdSource::Real().NewId();
  EXPECT_EQ(status::ReasonOf(Take(taking).status()), "QUOTA_EXCEEDED");  // two in an hour
  EXPECT_TRUE(Take(Taking()).ok());
}

TEST_F(FreezeTest, AFailedSealSaysSo) {
  const Snapshot taken = MustTake(Taking());
  jobs::Job job;
  job.id = taken.id;
  job.failure = "the records could not be read";
  ASSERT_TRUE(database_.db()
                  .RunInTransaction([&](pg::Transaction& tx) { return sealer_.Failed(tx, job); })
                  .ok());
  const Snapshot failed = Get(taken.id);
  EXPECT_EQ(failed.state, State::kFailed);
  EXPECT_EQ(failed.failure_reason, "SEAL_FAILED");
  EXPECT_EQ(failed.failure_message, "the records could not be read");
  const Snapshot next = MustTake(Taking());
  EXPECT_EQ(Get(taken.id).state, State::kFailed);
  EXPECT_EQ(Get(taken.id).superseded_by, next.id);
}

TEST_F(FreezeTest, ListsNewestFirstWithinTheScope) {
  const Snapshot first = MustTake(Taking());
  NewSnapshot other = Taking();
  other.organization = "organizations/s1";
  other.school_id = "s1";
  const Snapshot school = MustTake(other);
  const Snapshot newest = MustTake(Taking());
  pg::Database db = database_.db();
  const auto ids_of = [&](const Scope& scope, const SnapshotFilter& filter,
                          const PageKey& after = {}) {
    std::vector<std::string> ids;
    const auto found = store_.List(db, scope, filter, after, 10);
    EXPECT_TRUE(found.ok()) << found.status();
    for (const Snapshot& snapshot : *found) ids.push_back(snapshot.id);
    return ids;
  };
  const Scope everything = {.everything = true};
  const Scope one_school = {.organizations = {"organizations/s1"}, .events = {"events/e"}};
  SnapshotFilter filter;
  EXPECT_THAT(ids_of(everything, filter), ElementsAre(newest.id, school.id, first.id));
  EXPECT_THAT(ids_of(everything, filter, {newest.taken_at, newest.id}),
              ElementsAre(school.id, first.id));
  EXPECT_THAT(ids_of(Scope(), filter), IsEmpty());
  EXPECT_THAT(ids_of(one_school, filter), ElementsAre(school.id));
  EXPECT_THAT(ids_of({.organizations = {"organizations/d"},
                      .districts = {"organizations/d"},
                      .events = {"events/other", "events/e"}},
                     filter),
              SizeIs(3));
  // An event that is not seen hides the snapshots of every organisation.
  EXPECT_THAT(ids_of({.all_organizations = true,
                      .organizations = {"organizations/d"},
                      .districts = {"organizations/d"},
                      .events = {"events/other"}},
                     filter),
              IsEmpty());
  EXPECT_THAT(ids_of({.all_organizations = true, .events = {"events/e"}}, filter), SizeIs(3));
  filter.organization = "organizations/d";
  filter.states = {"SEALING"};
  EXPECT_THAT(ids_of(everything, filter), ElementsAre(newest.id, first.id));
  filter.states = {"SEALED"};
  EXPECT_THAT(ids_of(everything, filter), IsEmpty());
}

TEST_F(FreezeTest, DifferencesAreCountedListedAndNamed) {
  Put("enrollment", "same", "01");
  Put("enrollment", "changed", "01");
  Put("enrollment", "removed", "01");
  Put("enrollment", "back", "01");
  Put("enrollment", "moved", "01", "s1");
  const Snapshot base = MustTake(Taking());
  Put("enrollment", "changed", "02");
  Put("enrollment", "removed", "");
  Put("enrollment", "back", "07");
  Put("enrollment", "back", "01");  // as it was
  Put("enrollment", "added", "05");
  Put("enrollment", "gone again", "05");
  Put("enrollment", "gone again", "");
  Put("enrollment", "moved", "01", "s2");
  pg::Database db = database_.db();
  const auto now = store_.CurrentVersions(db, "d", DatasetsOf(base));
  ASSERT_TRUE(now.ok());
  const DiffPair pair = PairsOf(base.versions, *now, "enrollment")[0];
  const Extent district = {"d", ""};
  const auto counts = CountDifferences(db, "enrollment", district, pair.base, pair.other);
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->added, 1);
  EXPECT_EQ(counts->removed, 1);
  EXPECT_EQ(counts->changed, 2);
  // The other way round.
  const auto reverse = CountDifferences(db, "enrollment", district, pair.other, pair.base);
  EXPECT_EQ(reverse->added, 1);
  EXPECT_EQ(reverse->changed, 2);
  // To a school, a record that left is one that was removed.
  const auto school = CountDifferences(db, "enrollment", {"d", "s1"}, pair.base, pair.other);
  EXPECT_EQ(school->added, 1);
  EXPECT_EQ(school->removed, 2);
  EXPECT_EQ(school->changed, 1);

  const auto listed = ListDifferences(db, "enrollment", district, pair.base, pair.other, "", 3);
  ASSERT_TRUE(listed.ok());
  std::vector<std::string> keys;
  for (const RecordDifference& difference : *listed) keys.push_back(difference.record_key);
  EXPECT_THAT(keys, ElementsAre("added", "changed", "moved"));
  const auto rest = ListDifferences(db, "enrollment", district, pair.base, pair.other, "moved", 3);
  ASSERT_THAT(*rest, SizeIs(1));
  EXPECT_EQ((*rest)[0].record_key, "removed");
  EXPECT_TRUE((*rest)[0].in_base);
  EXPECT_FALSE((*rest)[0].in_other);

  auto before = ReadValues(db, "enrollment", district, pair.base, {"changed"});
  auto after = ReadValues(db, "enrollment", district, pair.other, {"changed"});
  ASSERT_TRUE(before.ok()) << before.status();
  const v1::RecordDiff diff =
      ToProto("enrollment", (*listed)[1], (*before)["changed"], (*after)["changed"]);
  EXPECT_EQ(diff.kind(), v1::RecordDiff::CHANGED);
  EXPECT_EQ(diff.school(), "organizations/s1");
  ASSERT_EQ(diff.columns_size(), 1);
  EXPECT_EQ(diff.columns(0).column(), "grade");
  EXPECT_EQ(diff.columns(0).before(), "01");
  EXPECT_EQ(diff.columns(0).after(), "02");
  auto added = ReadValues(db, "enrollment", district, pair.other, {"added"});
  const v1::RecordDiff whole = ToProto("enrollment", (*listed)[0], {}, (*added)["added"]);
  EXPECT_EQ(whole.columns_size(), 4);  // entered, grade, school_id, weight
  EXPECT_EQ(whole.columns(3).after(), "1.50");
}

// Writers raise the versions of two datasets in one transaction each time, so that every moment has
// equal versions; a snapshot with different ones would mix two moments.
TEST_F(FreezeTest, EverySnapshotIsOneMomentWhileOthersWrite) {
  constexpr int kWriters = 8;
  constexpr int kSnapshots = 60;
  std::atomic<bool> stop = false;
  std::atomic<int> written = 0;
  std::vector<std::jthread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      auto connection = pg::Connection::Open(database_.owner_conninfo());
      ASSERT_TRUE(connection.ok());
      for (int i = 0; !stop; ++i) {
        const std::string key = "k" + std::to_string(w) + "-" + std::to_string(i % 5);
        const std::string grade = i % 7 == 6 ? "NULL" : "'" + std::to_string(i) + "'";
        const absl::Status put =
            (*connection)
                ->RunScript("BEGIN; SELECT fixture.apply('attendance', 'd', '" + key + "', 's1', " +
                            grade + "); SELECT fixture.apply('enrollment', 'd', '" + key +
                            "', 's1', " + grade + "); COMMIT");
        ASSERT_TRUE(put.ok()) << put;
        ++written;
      }
    });
  }
  std::vector<Snapshot> snapshots;
  std::vector<absl::Duration> took;
  for (int i = 0; i < kSnapshots; ++i) {
    const int before = written;
    const absl::Time start = clock::Clock::Real().Now();
    snapshots.push_back(MustTake(Taking()));
    took.push_back(clock::Clock::Real().Now() - start);
    while (written == before) std::this_thread::yield();  // every snapshot is of another moment
  }
  stop = true;
  writers.clear();
  std::set<int64_t> moments;
  for (const Snapshot& snapshot : snapshots) {
    ASSERT_THAT(snapshot.versions, SizeIs(2));
    EXPECT_EQ(snapshot.versions[0].version, snapshot.versions[1].version);
    moments.insert(snapshot.versions[0].version);
  }
  EXPECT_GT(moments.size(), kSnapshots / 2u);
  EXPECT_TRUE(std::is_sorted(snapshots.begin(), snapshots.end(), [](const auto& a, const auto& b) {
    return a.versions[0].version < b.versions[0].version;
  }));
  // Both datasets got the same records, so at equal versions their digests are equal; and what is
  // sealed after all writing is what was there at the freeze.
  for (const Snapshot& snapshot : snapshots) {
    Seal(snapshot.id);
    const Snapshot sealed = Get(snapshot.id);
    EXPECT_EQ(sealed.versions[0].digest, sealed.versions[1].digest);
    EXPECT_EQ(sealed.versions[0].rows, sealed.versions[1].rows);
  }
  std::sort(took.begin(), took.end());
  RecordProperty("freeze_median_us",
                 static_cast<int>(absl::ToInt64Microseconds(took[took.size() / 2])));
}

}  // namespace
}  // namespace edcert::snapshot
