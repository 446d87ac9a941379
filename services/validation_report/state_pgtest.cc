// The rules that ship over a generated state: they find what tools/generate/state.py says that they
// must, and nothing else, by columns and in PostgreSQL.
//
// EDCERT_STATE is the folder that it wrote; ctest makes one before.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
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
using Keys = std::map<std::string, std::set<std::string>>;  // by code of the rule

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

  // The code lists, which the state keeps for all.
  void LoadCodes(const std::string& district) {
    std::istringstream lines(ReadTestFile("services/dataset/definitions/codes.textproto"));
    std::string list;
    std::string sql;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("  id: \"")) list = line.substr(7, line.size() - 8);
      const std::size_t at = line.find(" code: \"");
      if (at == std::string::npos) continue;
      const std::string code = line.substr(at + 8, line.find('"', at + 8) - at - 8);
      sql += fmt::format(
          "INSERT INTO dataset_read.code (copy, district_id, record_key, code_list, code)"
          " VALUES ('DISTRICT', '{0}', '{1}|{2}', '{1}', '{2}');",
          district, list, code);
    }
    Sql(sql);
  }

  // A file of the district, with what the dataset service adds to records.
  void Load(const std::string& district, const PublishedDataset& dataset) {
    const std::string csv =
        ReadTestFile(fmt::format("{}/{}/{}.csv", Folder(), district, dataset.id));
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
    Sql(
        fmt::format("UPDATE arrived SET copy = 'DISTRICT', district_id = '{}', valid_from = 1,"
                    " valid_to = 9223372036854775807, row_hash = '', school_id = {},"
                    " record_key = concat_ws('|'{});"
                    "INSERT INTO dataset_read.{} SELECT * FROM arrived;"
                    "DROP TABLE arrived; ANALYZE dataset_read.{}",
                    district, dataset.school_column, key, dataset.id, dataset.id));
  }

  void LoadDistrict(const std::string& district) {
    for (const PublishedDataset& dataset : datasets_) {
      dataset.id == "code" ? LoadCodes(district) : Load(district, dataset);
    }
  }

  Keys Find(Evaluator& evaluator, const std::string& district) {
    EvaluationRequest request{.organization = "organizations/" + district,
                              .district = district,
                              .rules = rules_,
                              .definitions = definitions_,
                              .sources = {},
                              .progress = nullptr};
    for (const auto& [id, definition] : definitions_) {
      request.sources[id] =
          IsLastYear(id)
              ? NoRows(definition)
              : RowsOfSlice(definition,
                            {.copy = "DISTRICT", .district = district, .version = 7, .school = ""});
    }
    const absl::StatusOr<Evaluation> evaluation = evaluator.Evaluate(request, Deadline());
    EXPECT_THAT(evaluation, IsOk());
    Keys found;
    for (std::size_t i = 0; i < codes_.size(); ++i) {
      const RuleResult& result = evaluation->results[i];
      EXPECT_NE(result.outcome, Outcome::kError) << codes_[i] << ": " << result.error;
      for (const Finding& finding : result.stored) found[codes_[i]].insert(finding.record_key);
      EXPECT_EQ(result.findings, static_cast<int64_t>(found[codes_[i]].size())) << codes_[i];
    }
    return found;
  }

  static std::set<std::string> Beyond(const std::set<std::string>& some,
                                      const std::set<std::string>& others) {
    std::set<std::string> beyond;
    std::set_difference(some.begin(), some.end(), others.begin(), others.end(),
                        std::inserter(beyond, beyond.end()));
    return beyond;
  }

  void Compare(const Keys& found, const Keys& truth, const std::string& what) {
    for (const std::string& code : codes_) {
      const auto wanted = truth.find(code);
      const std::set<std::string> keys =
          wanted == truth.end() ? std::set<std::string>{} : wanted->second;
      EXPECT_THAT(Beyond(found.at(code), keys), ::testing::IsEmpty())
          << what << " finds with " << code << " what is in order";
      EXPECT_THAT(Beyond(keys, found.at(code)), ::testing::IsEmpty())
          << what << " does not find with " << code;
    }
  }

  const std::vector<pg::Component> components_ = {jobs::Migrations(),
                                                  {"validation", sql::kMigrations}};
  const std::vector<PublishedDataset> datasets_ = PublishedDatasets();
  edcert::testing::TestDatabase database_{"validation", components_};
  pg::Pool pool_{{.conninfo = database_.owner_conninfo() + " user=rule_exec", .size = 2}};
  Definitions definitions_;
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
    LoadDistrict(district);
    const auto document =
        nlohmann::json::parse(ReadTestFile(fmt::format("{}/{}/truth.json", Folder(), district)));
    const Keys truth = document["rules"].get<Keys>();
    for (const auto& [code, keys] : truth) {
      if (!keys.empty()) fired.insert(code);
    }
    Compare(Find(columns, district), truth, district + " by columns");
    Compare(Find(reference, district), truth, district + " in PostgreSQL");
  }
  std::vector<std::string> never;
  for (const std::string& code : codes_) {
    if (!fired.contains(code)) never.push_back(code);
  }
  // Why, is in tools/generate/state_oracle.py.
  EXPECT_THAT(never, ::testing::UnorderedElementsAreArray(
                         state["not_planted"].get<std::vector<std::string>>()));
}

}  // namespace
}  // namespace edcert::validation_report
