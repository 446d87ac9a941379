// The rules that ship over a generated state: they find what tools/generate/state.py says that they
// must, and nothing else, by columns and in PostgreSQL.
//
// EDCERT_STATE is the folder that it wrote; ctest makes one before.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "common/clock/clock.h"
#include "common/jobs/jobs.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"
#include "services/validation_report/definition_store.h"
#include "services/validation_report/evaluator.h"
#include "services/validation_report/migrations/migrations.h"
#include "services/validation_report/rule_fixture.h"

namespace edcert::validation_report {
namespace {

using edcert::testing::IsOk;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

constexpr std::size_t kColumnBytes = 256'000'000;

std::string Folder() {
  const char* folder = std::getenv("EDCERT_STATE");
  CHECK(folder != nullptr);
  return folder;
}

class StateTest : public ::testing::Test {
 protected:
  StateTest() {
    PublishDatasets(database_.owner());
    pg::Database db = database_.db();
    definitions_ = *ReadDefinitions(db, PublishedIds());
    for (const v1::Rule& rule : ProductRules()) {
      absl::StatusOr<CompiledRule> compiled =
          CompileRule(rule.code(), 1, *ContentOf(rule), definitions_);
      CHECK(compiled.ok());
      rules_.push_back({.rule = std::make_shared<const CompiledRule>(*std::move(compiled))});
      codes_.push_back(rule.code());
    }
  }

  absl::Time Deadline() const { return clock::Clock::Real().Now() + absl::Minutes(5); }

  void Sql(const std::string& sql) { ASSERT_THAT(database_.owner().RunScript(sql), IsOk()); }

  // A file of records of the district, with what the dataset service adds to them.
  void Load(const std::string& path, const std::string& district, const PublishedDataset& dataset,
            const std::string& copy) {
    const std::string csv = ReadTestFile(fmt::format("{}/{}", Folder(), path));
    Sql(fmt::format("CREATE TEMP TABLE arrived AS SELECT * FROM dataset_read.{} LIMIT 0",
                    dataset.id));
    // What one registers has the name under another name, and more kinds.
    const bool organizations = dataset.id == "organization";
    if (organizations) Sql("ALTER TABLE arrived RENAME display_name TO name");
    pg::Connection& owner = database_.owner();
    ASSERT_THAT(owner.StartCopy(fmt::format("COPY arrived ({}) FROM STDIN (FORMAT csv, HEADER)",
                                            csv.substr(0, csv.find('\n'))),
                                Deadline()),
                IsOk());
    ASSERT_THAT(owner.PutCopyData(csv, Deadline()), IsOk());
    ASSERT_THAT(owner.EndCopy(Deadline()), IsOk());
    if (organizations) {
      Sql("DELETE FROM arrived WHERE kind NOT IN ('School', 'LocalEducationAgency');"
          "UPDATE arrived SET kind = CASE kind WHEN 'School' THEN 'SCHOOL' ELSE 'DISTRICT' END");
    }
    std::string key;
    for (const std::string& column : dataset.key_columns) key += ", " + column;
    const std::string school =
        dataset.school_column.empty() ? "" : ", school_id = " + dataset.school_column;
    Sql(
        fmt::format("UPDATE arrived SET copy = '{0}', district_id = '{1}', valid_from = 1,"
                    " valid_to = 9223372036854775807, row_hash = ''{2},"
                    " record_key = concat_ws('|'{3});"
                    "INSERT INTO dataset_read.{4} SELECT * FROM arrived;"
                    "DROP TABLE arrived",
                    copy, district, school, key, dataset.id));
    // As seldom as on the first evening: no rule may need statistics of its own district.
    if (std::has_single_bit(++loads_[dataset.id])) {
      Sql(fmt::format("ANALYZE dataset_read.{}", dataset.id));
    }
  }

  // What the district has, and what it certified a year ago, which the state has.
  void LoadDistrict(const std::string& district, const nlohmann::json& last_year) {
    for (const PublishedDataset& dataset : datasets_) {
      const std::string folder = dataset.id == "code" ? "" : district + "/";
      Load(fmt::format("{}{}.csv", folder, dataset.id), district, dataset, "DISTRICT");
      if (last_year.contains(dataset.id)) {
        Load(fmt::format("{}/last_year/{}.csv", district, dataset.id), district, dataset, "STATE");
      }
    }
  }

  RowSources SourcesOf(const std::string& district, const nlohmann::json& last_year) const {
    RowSources sources;
    for (const auto& [id, definition] : definitions_) {
      const bool then = IsLastYear(id);
      sources[id] = then && !last_year.contains(DatasetOf(id))
                        ? NoRows(definition)
                        : RowsOfSlice(definition, {.copy = then ? "STATE" : "DISTRICT",
                                                   .district = district,
                                                   .version = 7,
                                                   .school = ""});
    }
    return sources;
  }

  // Compares what a district's rules find with what they must.
  void Compare(Evaluator& evaluator, const std::string& district, const nlohmann::json& document,
               const std::string& how) {
    const EvaluationRequest request{.organization = "organizations/" + district,
                                    .district = district,
                                    .rules = rules_,
                                    .definitions = definitions_,
                                    .sources = SourcesOf(district, document["last_year"]),
                                    .progress = nullptr};
    const absl::StatusOr<Evaluation> evaluation = evaluator.Evaluate(request, Deadline());
    ASSERT_THAT(evaluation, IsOk());
    for (std::size_t i = 0; i < codes_.size(); ++i) {
      const RuleResult& result = evaluation->results[i];
      const std::string what = fmt::format("{} {} {}", codes_[i], district, how);
      EXPECT_NE(result.outcome, Outcome::kError) << what << ": " << result.error;
      const auto truth = document["rules"].at(codes_[i]).get<std::set<std::string>>();
      std::set<std::string> found;
      for (const Finding& finding : result.stored) found.insert(finding.record_key);
      EXPECT_EQ(found.size(), result.stored.size()) << what << ": a record twice";
      EXPECT_THAT(Beyond(found, truth), IsEmpty()) << what << " finds what is in order";
      EXPECT_EQ(result.findings, static_cast<int64_t>(truth.size())) << what;
      if (result.truncated()) {
        // Of very many only some are stored.
        EXPECT_GT(result.findings, kMaxStoredPerReport / std::ssize(codes_)) << what;
      } else {
        EXPECT_THAT(Beyond(truth, found), IsEmpty()) << what << " does not find";
      }
    }
  }

  static std::set<std::string> Beyond(const std::set<std::string>& some,
                                      const std::set<std::string>& others) {
    std::set<std::string> beyond;
    std::set_difference(some.begin(), some.end(), others.begin(), others.end(),
                        std::inserter(beyond, beyond.end()));
    return beyond;
  }

  const std::vector<pg::Component> components_ = {jobs::Migrations(),
                                                  {"validation", sql::kMigrations}};
  const std::vector<PublishedDataset> datasets_ = PublishedDatasets();
  edcert::testing::TestDatabase database_{"validation", components_};
  pg::Pool pool_{{.conninfo = database_.owner_conninfo() + " user=rule_exec", .size = 2}};
  Definitions definitions_;
  std::map<std::string, unsigned> loads_;  // by dataset
  std::vector<Candidate> rules_;
  std::vector<std::string> codes_;
};

TEST_F(StateTest, EveryRuleFindsWhatWasPlantedAndNothingElse) {
  const auto state = nlohmann::json::parse(ReadTestFile(Folder() + "/state.json"));
  Evaluator columns(pool_, {.column_bytes = kColumnBytes});
  Evaluator reference(pool_);
  std::set<std::string> fired;
  for (const auto& entry : state["districts"]) {
    const std::string district = entry["district"];
    const auto document =
        nlohmann::json::parse(ReadTestFile(fmt::format("{}/{}/truth.json", Folder(), district)));
    LoadDistrict(district, document["last_year"]);
    for (const auto& [code, keys] : document["rules"].items()) {
      if (!keys.empty()) fired.insert(code);
    }
    Compare(columns, district, document, "by columns");
    Compare(reference, district, document, "in PostgreSQL");
  }
  EXPECT_THAT(codes_, UnorderedElementsAreArray(fired)) << "some rule never fires";
}

}  // namespace
}  // namespace edcert::validation_report
