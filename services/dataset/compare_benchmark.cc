// How long a comparison of the copies takes, beside a FULL JOIN of the same rows as one would write
// it in psql: where one record in 1,000 differs, and where all do. Run through `tools/cluster.py
// test-env`; the last line is JSON about both.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/clock/clock.h"
#include "common/jobs/jobs.h"
#include "common/status/macros.h"
#include "common/testing/database.h"
#include "services/dataset/builtin_definitions.h"
#include "services/dataset/comparison_store.h"
#include "services/dataset/migrations/migrations.h"
#include "services/dataset/schema.h"
#include "services/dataset/sql/compare_benchmark.sql.h"

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
    Fill("few", rows, 1000);
    CHECK(database_.owner().RunScript("VACUUM ANALYZE dataset.attendance_summary").ok());
    std::vector<std::string> cases;
    for (const std::string district : {"few", "all"}) {
      std::printf("%d records in each copy, %s differ\n", rows, district.c_str());
      const absl::Duration plain = Measure([&] { PlainJoin(district); });
      Print("FULL JOIN", plain, plain);
      SchoolComparison compared;
      const absl::Duration counts = Measure([&] { compared = Count(district); });
      Print("counts for each school", counts, plain);
      absl::Duration first_page;
      absl::Duration later_page;
      for (const int tenths : {0, 5, 9}) {
        const std::string after =
            tenths == 0 ? "" : fmt::format("{:010}", int64_t{rows} * tenths / 10);
        PageStart start{.after = after, .differing = compared.differing};
        if (after.empty()) start.keys = compared.keys;
        const absl::Duration page = Measure([&] { Page(district, start); });
        Print(fmt::format("a page after '{}'", after).c_str(), page, plain);
        (after.empty() ? first_page : later_page) = page;
      }
      cases.push_back(fmt::format(
          R"({{"rows": {}, "differing": {}, "join_s": {:.3f}, "counts_s": {:.3f}, "page_s": {:.4f}, )"
          R"("later_page_s": {:.4f}}})",
          rows, compared.differing, absl::ToDoubleSeconds(plain), absl::ToDoubleSeconds(counts),
          absl::ToDoubleSeconds(first_page), absl::ToDoubleSeconds(later_page)));
    }
    std::printf("[%s]\n", absl::StrJoin(cases, ", ").c_str());
  }

 private:
  pg::Database LongDb() {
    return {database_.pool(), clock::Clock::Real().Now() + absl::Minutes(5)};
  }

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

  void Fill(const std::string& district, int rows, int each) {
    for (const char* copy : {"DISTRICT", "STATE"}) {
      pg::Database db = LongDb();
      CHECK(db.Run(sql::kFillCopy, copy, district, rows, each).ok());
    }
  }

  void PlainJoin(const std::string& district) {
    pg::Database db = LongDb();
    CHECK(db.Run(sql::kPlainJoin, district).ok());
  }

  SchoolComparison Count(const std::string& district) {
    pg::Database db = LongDb();
    auto counts = CompareSchools(db, dataset_, district, kVersions, Schools());
    CHECK(counts.ok());
    return *std::move(counts);
  }

  void Page(const std::string& district, const PageStart& start) {
    pg::Database db = LongDb();
    const auto page = CompareRecords(db, dataset_, district, kVersions, Schools(), start, 51);
    CHECK(page.ok() && !page->empty());
  }

  static constexpr VersionPair kVersions = {.district = 1, .state = 1, .records = 1'000'000};
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
