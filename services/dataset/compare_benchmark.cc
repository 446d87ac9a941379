// How long a comparison of the copies takes, beside a FULL JOIN of the same rows as one would write
// it in psql: where all records differ, and where one in 5,000 does. Run through `tools/cluster.py
// test-env`.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/clock/clock.h"
#include "common/jobs/jobs.h"
#include "common/status/macros.h"
#include "common/testing/database.h"
#include "services/dataset/builtin_definitions.h"
#include "services/dataset/comparison_store.h"
#include "services/dataset/migrations/migrations.h"
#include "services/dataset/schema.h"

namespace edcert::dataset {
namespace {

class Benchmark {
 public:
  Benchmark()
      : components_{jobs::Migrations(), {"dataset", sql::kMigrations}},
        database_("dataset", components_),
        catalogue_(*BuiltinCatalogue()),
        dataset_(*catalogue_.Find("attendance_summary")) {
    CHECK(Install(database_.owner(), catalogue_, *BuiltinCodes()).ok());
  }

  void Run(int rows) {
    Fill("all", rows, 1);
    Fill("few", rows, 5000);
    CHECK(database_.owner().RunScript("VACUUM ANALYZE dataset.attendance_summary").ok());
    for (const std::string district : {"all", "few"}) {
      std::printf("%d records in each copy, %s differ\n", rows, district.c_str());
      const absl::Duration plain = Measure([&] { PlainJoin(district); });
      Print("FULL JOIN", plain, plain);
      int64_t differing = 0;
      Print("counts for each school", Measure([&] { differing = Count(district); }), plain);
      for (const char* after : {"", "0000500000", "0000990000"}) {
        Print(fmt::format("a page after '{}'", after).c_str(),
              Measure([&] { Page(district, after, differing); }), plain);
      }
    }
  }

 private:
  template <typename Work>
  static absl::Duration Measure(Work work) {
    absl::Duration best = absl::InfiniteDuration();
    for (int i = 0; i < 3; ++i) {
      const absl::Time start = clock::Clock::Real().Now();
      work();
      best = std::min(best, clock::Clock::Real().Now() - start);
    }
    return best;
  }

  static void Print(const char* what, absl::Duration took, absl::Duration plain) {
    std::printf("  %-38s %8.1f ms  x %.3f\n", what, absl::ToDoubleMilliseconds(took),
                absl::FDivDuration(took, plain));
    std::fflush(stdout);
  }

  // Rows in no particular order of their keys; in the STATE copy one in `each` is another one.
  void Fill(const std::string& district, int rows, int each) {
    static constexpr char kRows[] =
        "INSERT INTO dataset.attendance_summary (copy, district_id, record_key, valid_from,"
        " row_hash, student_uid, school_id, calendar_track, reporting_period, school_year,"
        " days_expected, days_present) SELECT '{0}', '{1}', key || '|255901001|T1|1', 1,"
        " sha256((i::text || CASE WHEN '{0}' = 'STATE' AND i % {3} = 0 THEN 'x' ELSE '' "
        "END)::bytea),"
        " key, '255901' || lpad((i % 40)::text, 3, '0'), 'T1', 1, 2026, 170.0,"
        " CASE WHEN '{0}' = 'STATE' AND i % {3} = 0 THEN 1.5 ELSE 150.5 END"
        " FROM (SELECT i, lpad((i::bigint * 7919 % {2})::text, 10, '0') AS key"
        " FROM generate_series(1, {2}) i) one";
    for (const char* copy : {"DISTRICT", "STATE"}) {
      CHECK(database_.owner().RunScript(fmt::format(kRows, copy, district, rows, each)).ok());
      CHECK(database_.owner()
                .RunScript(fmt::format("INSERT INTO dataset.data_version (copy, dataset,"
                                       " district_id, version, row_count) VALUES ('{}',"
                                       " 'attendance_summary', '{}', 1, {})",
                                       copy, district, rows))
                .ok());
    }
  }

  void PlainJoin(const std::string& district) {
    static constexpr char kJoin[] =
        "SELECT count(*) FROM (SELECT * FROM dataset.attendance_summary WHERE copy = 'DISTRICT'"
        " AND district_id = '{0}') d FULL JOIN (SELECT * FROM dataset.attendance_summary"
        " WHERE copy = 'STATE' AND district_id = '{0}') s USING (record_key)"
        " WHERE d.row_hash IS DISTINCT FROM s.row_hash";
    CHECK(database_.owner().RunScript(fmt::format(kJoin, district)).ok());
  }

  int64_t Count(const std::string& district) {
    pg::Database db = database_.db();
    const auto counts = CompareSchools(db, dataset_, district, kVersions, Schools());
    CHECK(counts.ok());
    int64_t differing = 0;
    for (const SchoolCounts& one : *counts) differing += one.different;
    return differing;
  }

  void Page(const std::string& district, const char* after, int64_t differing) {
    pg::Database db = database_.db();
    const auto page =
        CompareRecords(db, dataset_, district, kVersions, Schools(), {after, differing}, 51);
    CHECK(page.ok() && !page->empty());
  }

  static constexpr VersionPair kVersions = {.district = 1, .state = 1};
  const std::vector<pg::Component> components_;
  edcert::testing::TestDatabase database_;
  const Catalogue catalogue_;
  const Dataset& dataset_;
};

}  // namespace
}  // namespace edcert::dataset

int main(int argc, char** argv) {
  edcert::dataset::Benchmark().Run(argc > 1 ? std::atoi(argv[1]) : 1'000'000);
  return 0;
}
