// Every kind of rule against an oracle written by hand, on rows made by a fixed sequence.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "absl/strings/str_join.h"
#include "absl/time/civil_time.h"
#include "common/clock/clock.h"
#include "common/jobs/jobs.h"
#include "common/status/errors.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"
#include "services/validation_report/definition_store.h"
#include "services/validation_report/evaluator.h"
#include "services/validation_report/migrations/migrations.h"
#include "services/validation_report/root_cause.h"
#include "services/validation_report/rule_fixture.h"

namespace edcert::validation_report {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;

constexpr int kVersion = 7;
constexpr std::size_t kColumnBytes = 64'000'000;

struct Spell {
  std::string key;
  std::string student;
  std::string school;
  int entry = 0;  // days after the first of August
  std::optional<int> exit;
};

std::string DateOf(int day) { return fmt::format("date '2025-08-01' + {}", day); }

// A fixed sequence of numbers that look random.
class Sequence {
 public:
  int Next(int bound) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<int>((state_ >> 33U) % static_cast<uint64_t>(bound));
  }

 private:
  uint64_t state_ = 42;
};

class EvaluatorTest : public ::testing::Test {
 protected:
  EvaluatorTest() {
    PublishDatasets(database_.owner());
    pg::Database db = database_.db();
    definitions_ = *ReadDefinitions(db, PublishedIds());
  }

  absl::Time Deadline() const { return clock::Clock::Real().Now() + absl::Seconds(60); }

  void Sql(const std::string& sql) { ASSERT_THAT(database_.owner().RunScript(sql), IsOk()); }

  void Insert(const Spell& spell, std::string_view copy = "DISTRICT",
              std::string_view district = "north", int from = 1,
              const std::string& to = "9223372036854775807") {
    script_ += fmt::format(
        "INSERT INTO dataset_read.enrollment (copy, district_id, record_key, valid_from, valid_to,"
        " student_uid, school_id, entry_date, exit_date, school_year) VALUES"
        " ('{}', '{}', '{}', {}, {}, '{}', '{}', {}, {}, 2026);",
        copy, district, spell.key, from, to, spell.student, spell.school, DateOf(spell.entry),
        spell.exit.has_value() ? DateOf(*spell.exit) : "NULL");
  }

  // Spells of the district, and as many around them that are not to be seen.
  void MakeSpells(int count) {
    Sequence sequence;
    for (int i = 0; i < count; ++i) {
      Spell spell{.key = fmt::format("k{:05}", i),
                  .student = fmt::format("s{}", sequence.Next(count / 4)),
                  .school = fmt::format("school-{}", sequence.Next(3)),
                  .entry = sequence.Next(20),
                  .exit = std::nullopt};
      if (sequence.Next(5) > 0) spell.exit = spell.entry + sequence.Next(15) - 3;
      spells_.push_back(spell);
      Insert(spell, "DISTRICT", "north", 1 + sequence.Next(kVersion));
      Insert(spell, "STATE");
      Insert(spell, "DISTRICT", "south");
      spell.key += "-closed";
      Insert(spell, "DISTRICT", "north", 1, std::to_string(kVersion));
      spell.key += "-coming";
      Insert(spell, "DISTRICT", "north", kVersion + 1);
    }
    for (const Spell& spell : spells_) {
      if (sequence.Next(2) == 0) continue;
      attended_.insert({spell.student, spell.school});
      script_ += fmt::format(
          "INSERT INTO dataset_read.attendance_summary (copy, district_id, record_key, student_uid,"
          " school_id) VALUES ('DISTRICT', 'north', '{}', '{}', '{}');",
          spell.key, spell.student, spell.school);
    }
    Sql(script_);
  }

  std::shared_ptr<const CompiledRule> Compile(const v1::Rule& rule) {
    const absl::StatusOr<RuleContent> content = ContentOf(rule);
    EXPECT_THAT(content, IsOk());
    EXPECT_THAT(CheckContent(*content), IsOk());
    absl::StatusOr<CompiledRule> compiled = CompileRule("r", 1, *content, definitions_);
    EXPECT_THAT(compiled, IsOk());
    return std::make_shared<const CompiledRule>(*std::move(compiled));
  }

  RowSources Sources(std::string_view school = "") {
    RowSources sources;
    for (const auto& [id, definition] : definitions_) {
      sources[id] = RowsOfSlice(
          definition,
          {.copy = "DISTRICT", .district = "north", .version = kVersion, .school = school});
    }
    return sources;
  }

  Evaluation Evaluate(const std::vector<v1::Rule>& rules, std::string_view school = "",
                      EvaluationLimits limits = {}) {
    EvaluationRequest request{.organization = "organizations/north",
                              .district = "north",
                              .rules = {},
                              .definitions = definitions_,
                              .sources = Sources(school),
                              .progress = nullptr};
    for (const v1::Rule& rule : rules) request.rules.push_back({.rule = Compile(rule)});
    absl::StatusOr<Evaluation> evaluation = Evaluator(pool_, limits).Evaluate(request, Deadline());
    EXPECT_THAT(evaluation, IsOk());
    return *std::move(evaluation);
  }

  std::vector<std::string> Found(const std::string& kind) {
    const Evaluation evaluation = Evaluate({EnrollmentRule("T-1", kind)});
    const RuleResult& result = evaluation.results.front();
    EXPECT_NE(result.outcome, Outcome::kError) << result.error;
    EXPECT_EQ(result.findings, static_cast<int64_t>(result.stored.size()));
    std::vector<std::string> keys;
    for (const Finding& finding : result.stored) keys.push_back(finding.record_key);
    return keys;
  }

  // The keys of the spells that the oracle calls bad; there must be some and not all.
  std::vector<std::string> Bad(const std::function<bool(const Spell&)>& oracle) {
    std::vector<std::string> keys;
    for (const Spell& spell : spells_) {
      if (oracle(spell)) keys.push_back(spell.key);
    }
    EXPECT_GT(keys.size(), 0U);
    EXPECT_LT(keys.size(), spells_.size());
    return keys;
  }

  int CountWhere(const std::function<bool(const Spell&)>& oracle) {
    return static_cast<int>(std::count_if(spells_.begin(), spells_.end(), oracle));
  }

  const std::vector<pg::Component> components_ = {jobs::Migrations(),
                                                  {"validation", sql::kMigrations}};
  edcert::testing::TestDatabase database_{"validation", components_};
  pg::Pool pool_{{.conninfo = database_.owner_conninfo() + " user=rule_exec", .size = 2}};
  Definitions definitions_;
  std::string script_;
  std::vector<Spell> spells_;
  std::set<std::pair<std::string, std::string>> attended_;
};

TEST_F(EvaluatorTest, Row) {
  MakeSpells(200);
  EXPECT_EQ(Found(R"("row": {"expression": "exit_date < entry_date"})"),
            Bad([](const Spell& s) { return s.exit.has_value() && *s.exit < s.entry; }));
  // NULL is not true, and neither is its negation.
  EXPECT_EQ(Found(R"json("row": {"expression": "NOT (exit_date < entry_date)"})json"),
            Bad([](const Spell& s) { return s.exit.has_value() && *s.exit >= s.entry; }));
}

TEST_F(EvaluatorTest, Unique) {
  MakeSpells(200);
  EXPECT_EQ(Found(R"("unique": {"columns": ["student_uid", "school_id"]})"),
            Bad([&](const Spell& s) {
              return CountWhere([&](const Spell& o) {
                       return o.student == s.student && o.school == s.school;
                     }) > 1;
            }));
  EXPECT_EQ(Found(R"("unique": {"columns": ["student_uid"], "condition": "exit_date IS NULL"})"),
            Bad([&](const Spell& s) {
              return !s.exit.has_value() && CountWhere([&](const Spell& o) {
                                              return o.student == s.student && !o.exit.has_value();
                                            }) > 1;
            }));
  // A NULL in the key is passed over.
  const auto ended = [](const Spell& s) { return s.exit.has_value(); };
  EXPECT_EQ(Found(R"("unique": {"columns": ["school_id", "exit_date"]})"), Bad([&](const Spell& s) {
              return ended(s) && CountWhere([&](const Spell& o) {
                                   return ended(o) && o.school == s.school && o.exit == s.exit;
                                 }) > 1;
            }));
}

TEST_F(EvaluatorTest, Reference) {
  MakeSpells(200);
  const std::string columns =
      R"("reference": {"dataset": "datasets/attendance_summary",
         "columns": ["student_uid", "school_id"], "other_columns": ["student_uid", "school_id"],)";
  EXPECT_EQ(Found(columns + R"("mode": "MUST_EXIST"})"),
            Bad([&](const Spell& s) { return !attended_.contains({s.student, s.school}); }));
  EXPECT_EQ(Found(columns + R"("mode": "MUST_NOT_EXIST"})"),
            Bad([&](const Spell& s) { return attended_.contains({s.student, s.school}); }));
  EXPECT_EQ(Found(columns + R"("condition": "this.exit_date IS NULL AND other.school_id <> ''",
                               "mode": "MUST_NOT_EXIST"})"),
            Bad([&](const Spell& s) {
              return !s.exit.has_value() && attended_.contains({s.student, s.school});
            }));
}

TEST_F(EvaluatorTest, Overlap) {
  MakeSpells(200);
  constexpr int kOpen = 1'000'000;
  for (const int tolerance : {0, 1, 5}) {
    const auto oracle = [&](const Spell& s) {
      return std::any_of(spells_.begin(), spells_.end(), [&](const Spell& o) {
        if (o.key == s.key || o.student != s.student) return false;
        const int end = std::min(s.exit.value_or(kOpen), o.exit.value_or(kOpen));
        return end - std::max(s.entry, o.entry) + 1 > tolerance;
      });
    };
    EXPECT_EQ(Found(fmt::format(
                  R"("overlap": {{"partition_columns": ["student_uid"], "from_column": "entry_date",
                     "to_column": "exit_date", "tolerance_days": {}}})",
                  tolerance)),
              Bad(oracle))
        << tolerance;
  }
  // Rows that take no part are neither found nor the reason why another is.
  const auto first = [](const Spell& s) { return s.school == "school-1"; };
  EXPECT_EQ(Found(R"("overlap": {"partition_columns": ["student_uid"], "from_column": "entry_date",
                     "to_column": "exit_date", "condition": "school_id = 'school-1'"})"),
            Bad([&](const Spell& s) {
              return first(s) && std::any_of(spells_.begin(), spells_.end(), [&](const Spell& o) {
                       return first(o) && o.key != s.key && o.student == s.student &&
                              std::min(s.exit.value_or(kOpen), o.exit.value_or(kOpen)) >=
                                  std::max(s.entry, o.entry);
                     });
            }));
}

TEST_F(EvaluatorTest, Aggregate) {
  MakeSpells(200);
  std::map<std::string, int> open;
  for (const Spell& spell : spells_) open[spell.school] += spell.exit.has_value() ? 0 : 1;
  std::vector<std::string> expected;
  const int limit = open.at("school-1");
  for (const auto& [school, count] : open) {
    if (count >= limit) expected.push_back(school);
  }
  v1::Rule rule = EnrollmentRule(
      "T-1", fmt::format(R"json("fields": ["school_id", "still_open"], "aggregate": {{
               "group_columns": ["school_id"], "expression": "still_open >= {}", "aggregates": [
               {{"name": "still_open", "expression": "count(*) FILTER (WHERE exit_date IS NULL)"}}
             ]}})json",
                         limit));
  const Evaluation evaluation = Evaluate({rule});
  std::vector<std::string> found;
  for (const Finding& finding : evaluation.results[0].stored) {
    found.push_back(finding.record_key);
    EXPECT_EQ(finding.school, finding.record_key);
    EXPECT_EQ(finding.fields.at("still_open"), std::to_string(open.at(finding.record_key)));
    EXPECT_EQ(finding.message, finding.record_key + " is bad");
  }
  EXPECT_EQ(found, expected);
}

TEST_F(EvaluatorTest, Query) {
  MakeSpells(200);
  EXPECT_EQ(
      Found(R"("query": {"sql": "SELECT e.record_key FROM enrollment e JOIN (SELECT student_uid,
               count(*) AS n FROM enrollment GROUP BY student_uid) c
               ON c.student_uid = e.student_uid WHERE c.n > 5"})"),
      Bad([&](const Spell& s) {
        return CountWhere([&](const Spell& o) { return o.student == s.student; }) > 5;
      }));
}

TEST_F(EvaluatorTest, SchoolSeesItsRowsOnly) {
  MakeSpells(100);
  const Evaluation evaluation =
      Evaluate({EnrollmentRule("T-1", R"("row": {"expression": "true"})")}, "school-2");
  EXPECT_EQ(evaluation.rows.at("enrollment"),
            CountWhere([](const Spell& s) { return s.school == "school-2"; }));
  EXPECT_EQ(evaluation.results[0].findings, evaluation.rows.at("enrollment"));
  for (const Finding& finding : evaluation.results[0].stored) {
    EXPECT_EQ(finding.school, "school-2");
  }
}

TEST_F(EvaluatorTest, RuleThatFailsIsErrorAndSpoilsNoOther) {
  MakeSpells(50);
  const Evaluation evaluation = Evaluate({
      EnrollmentRule("T-1", R"("row": {"expression": "exit_date IS NULL"})"),
      EnrollmentRule("T-2",
                     R"json("row": {"expression": "1 / (school_year - school_year) > 0"})json"),
      EnrollmentRule("T-3", R"("row": {"expression": "exit_date IS NOT NULL"})"),
      EnrollmentRule("T-4", R"("unique": {"columns": ["school_year"]})"),
      EnrollmentRule("T-5", R"("row": {"expression": "school_id > 5"})"),
  });
  EXPECT_EQ(evaluation.results[0].outcome, Outcome::kFail);
  EXPECT_EQ(evaluation.results[0].findings + evaluation.results[2].findings, 50);
  EXPECT_EQ(evaluation.results[1].outcome, Outcome::kError);
  EXPECT_EQ(evaluation.results[1].error, "divided by zero (22012)");
  EXPECT_EQ(evaluation.results[3].findings, 50);
  EXPECT_EQ(evaluation.results[4].outcome, Outcome::kError);
}

TEST_F(EvaluatorTest, MoreRowRulesThanBits) {
  MakeSpells(200);
  std::vector<v1::Rule> rules;
  for (int i = 0; i < 150; ++i) {
    rules.push_back(
        EnrollmentRule(fmt::format("T-{}", i),
                       fmt::format(R"("row": {{"expression": "student_uid = 's{}'"}})", i)));
  }
  const Evaluation evaluation = Evaluate(rules);
  int64_t sum = 0;
  for (int i = 0; i < 150; ++i) {
    const std::string student = fmt::format("s{}", i);
    const RuleResult& result = evaluation.results[static_cast<std::size_t>(i)];
    EXPECT_EQ(result.findings, CountWhere([&](const Spell& s) { return s.student == student; }));
    sum += result.findings;
  }
  EXPECT_EQ(sum, 200);
}

TEST_F(EvaluatorTest, CountsBeyondTheCap) {
  Sql("INSERT INTO dataset_read.enrollment (copy, district_id, record_key, school_id, student_uid)"
      " SELECT 'DISTRICT', 'north', 'k' || i, 'school-1', 's' FROM generate_series(1, 10050) i");
  const Evaluation evaluation = Evaluate({
      EnrollmentRule("T-1", R"("row": {"expression": "student_uid = 's'"})"),
      EnrollmentRule("T-2", R"("unique": {"columns": ["student_uid"]})"),
  });
  for (const RuleResult& result : evaluation.results) {
    EXPECT_EQ(result.findings, 10'050);
    EXPECT_EQ(result.stored.size(), 10'000U);
    EXPECT_TRUE(result.truncated());
    EXPECT_EQ(result.schools.at("school-1"), 10'050);
    EXPECT_TRUE(std::is_sorted(
        result.stored.begin(), result.stored.end(),
        [](const Finding& a, const Finding& b) { return a.record_key < b.record_key; }));
  }
}

TEST_F(EvaluatorTest, RulesThatFindMostShareWhatAReportStores) {
  Sql("INSERT INTO dataset_read.enrollment (copy, district_id, record_key, school_id, student_uid)"
      " SELECT 'DISTRICT', 'north', 'k' || 10000 + i, 'school-1', CASE WHEN i <= 4000 THEN 't' "
      "ELSE 's' END"
      " FROM generate_series(1, 5050) i");
  std::vector<v1::Rule> rules;
  for (int i = 0; i < 60; ++i) {
    const bool few = i % 3 == 0;
    const char* row = few ? R"("row": {"expression": "student_uid = 's'"})"
                          : R"("row": {"expression": "student_uid <> ''"})";
    rules.push_back(EnrollmentRule(fmt::format("T-{}", i),
                                   i % 2 == 0 ? row : R"("unique": {"columns": ["school_id"]})"));
  }
  // 10 find 1050, 50 find 5050: each of these keeps a share of what the others leave.
  for (const std::size_t column_bytes : {std::size_t{0}, kColumnBytes}) {
    const Evaluation evaluation = Evaluate(rules, "", {.column_bytes = column_bytes});
    EXPECT_EQ(evaluation.by_columns, column_bytes > 0 ? 60 : 0);
    for (std::size_t i = 0; i < rules.size(); ++i) {
      const RuleResult& result = evaluation.results[i];
      const bool few = i % 6 == 0;
      EXPECT_EQ(result.findings, few ? 1'050 : 5'050);
      EXPECT_EQ(result.stored.size(), few ? 1'050U : (200'000U - 10 * 1'050) / 50);
      EXPECT_EQ(result.truncated(), !few);
      EXPECT_EQ(result.stored.back().record_key, few ? "k15050" : "k13790");
    }
  }
}

TEST_F(EvaluatorTest, OneMissingSchoolAmongManyRulesIsStoredWhole) {
  Sql("INSERT INTO dataset_read.enrollment (copy, district_id, record_key, school_id, student_uid)"
      " SELECT 'DISTRICT', 'north', 'k' || i, CASE WHEN i <= 4000 THEN 'missing' ELSE 'here' END,"
      "  's' || i FROM generate_series(1, 5000) i;"
      "INSERT INTO dataset_read.organization (copy, district_id, record_key, organization_id)"
      " VALUES ('DISTRICT', 'north', 'here', 'here')");
  v1::Rule orphans = EnrollmentRule("T-0", R"("fields": ["student_uid", "school_id"],
      "reference": {"dataset": "datasets/organization", "columns": ["school_id"],
                    "other_columns": ["organization_id"], "mode": "MUST_EXIST"})");
  orphans.add_datasets("datasets/organization");
  std::vector<v1::Rule> rules = {orphans};
  for (int i = 1; i < 112; ++i) {
    rules.push_back(
        EnrollmentRule(fmt::format("T-{}", i),
                       fmt::format(R"("row": {{"expression": "student_uid = 's{}'"}})", i)));
  }
  for (const std::size_t column_bytes : {std::size_t{0}, kColumnBytes}) {
    Evaluation evaluation = Evaluate(rules, "", {.column_bytes = column_bytes});
    RuleResult& result = evaluation.results.front();
    EXPECT_EQ(result.findings, 4'000);
    EXPECT_EQ(result.stored.size(), 4'000U);
    EXPECT_FALSE(result.truncated());
    GroupByCause(Compile(orphans)->content, "organizations/north", result);
    ASSERT_EQ(result.groups.size(), 1U);
    EXPECT_EQ(result.groups.front().size, 4'000);
    EXPECT_EQ(result.groups.front().cause.at("school_id"), "missing");
    EXPECT_EQ(evaluation.results.back().stored.size(), 1U);
  }
}

TEST_F(EvaluatorTest, CountsOnlyStoresNothing) {
  MakeSpells(50);
  EvaluationRequest request{
      .organization = "organizations/north",
      .district = "north",
      .rules = {{.rule = Compile(EnrollmentRule("T-1", R"("row": {"expression": "true"})"))}},
      .definitions = definitions_,
      .sources = Sources(),
      .progress = nullptr,
      .counts_only = true};
  for (const std::size_t column_bytes : {std::size_t{0}, kColumnBytes}) {
    const absl::StatusOr<Evaluation> evaluation =
        Evaluator(pool_, {.column_bytes = column_bytes}).Evaluate(request, Deadline());
    ASSERT_THAT(evaluation, IsOk());
    EXPECT_EQ(evaluation->results[0].findings, 50);
    EXPECT_TRUE(evaluation->results[0].stored.empty());
  }
}

TEST_F(EvaluatorTest, StopsWhenItsProgressIsNotWanted) {
  MakeSpells(20);
  EvaluationRequest request{.organization = "organizations/north",
                            .district = "north",
                            .rules = {},
                            .definitions = definitions_,
                            .sources = Sources(),
                            .progress = [](int64_t) { return status::Cancelled(); }};
  for (int i = 0; i < 20; ++i) {
    request.rules.push_back(
        {.rule = Compile(
             EnrollmentRule(fmt::format("T-{}", i), R"("unique": {"columns": ["student_uid"]})"))});
  }
  EXPECT_THAT(Evaluator(pool_).Evaluate(request, Deadline()), HasReason("CANCELLED"));
}

TEST_F(EvaluatorTest, DatasetThatIsNotThereIsAnError) {
  EvaluationRequest request{
      .organization = "organizations/north",
      .district = "north",
      .rules = {{.rule = Compile(EnrollmentRule("T-1", R"("row": {"expression": "true"})"))},
                {.problem = "FIELD_INVALID"}},
      .definitions = definitions_,
      .sources = {},
      .progress = nullptr};
  const absl::StatusOr<Evaluation> evaluation = Evaluator(pool_).Evaluate(request, Deadline());
  ASSERT_THAT(evaluation, IsOk());
  EXPECT_EQ(evaluation->results[0].outcome, Outcome::kError);
  EXPECT_EQ(evaluation->results[1].outcome, Outcome::kError);
}

// The rule is in order, and the report is made again. What counting the rows does not read fails as
// if somebody held a lock for longer than one waits.
TEST_F(EvaluatorTest, ALockIsNoErrorOfARule) {
  MakeSpells(4);
  const auto make = [&](const std::string& body) {
    Sql("CREATE OR REPLACE FUNCTION rule_read.held(bigint) RETURNS bigint"
        " LANGUAGE plpgsql STABLE AS $$ BEGIN " +
        body + "; END $$");
  };
  make("RAISE EXCEPTION 'held' USING ERRCODE = '55P03'");
  Sql("DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW rule_read.enrollment AS ' ||"
      " replace(pg_get_viewdef('rule_read.enrollment'::regclass), 'enrollment.school_year',"
      " 'rule_read.held(enrollment.school_year) AS school_year'); END $$");
  const EvaluationRequest request{
      .organization = "organizations/north",
      .district = "north",
      .rules = {{.rule = Compile(
                     EnrollmentRule("T-1", R"("row": {"expression": "school_year = 2026"})"))}},
      .definitions = definitions_,
      .sources = Sources(),
      .progress = nullptr};
  EXPECT_THAT(Evaluator(pool_).Evaluate(request, Deadline()).status(), HasReason("CONFLICT"));
  make("RETURN $1");
  const absl::StatusOr<Evaluation> evaluation = Evaluator(pool_).Evaluate(request, Deadline());
  ASSERT_THAT(evaluation, IsOk());
  EXPECT_GT(evaluation->results.front().findings, 0);
}

TEST_F(EvaluatorTest, RoleOfRulesReadsTheViewsOnly) {
  pg::Database db(pool_, Deadline());
  EXPECT_THAT(db.RunText("SELECT count(*) FROM rule_read.enrollment"), IsOk());
  EXPECT_EQ(pg::SqlStateOf(db.RunText("SELECT count(*) FROM validation.rule").status()), "42501");
  EXPECT_EQ(pg::SqlStateOf(db.RunText("DELETE FROM rule_read.enrollment").status()), "42501");
}

TEST_F(EvaluatorTest, FixturesTellWhatIsMissedAndWhatIsTooMuch) {
  v1::Rule rule = EnrollmentRule("T-1", R"("row": {"expression": "grade_level = 'KG'"},
      "fixtures": [{"rows": [{"values": {"grade_level": "KG"}, "must_fire": true},
                             {"values": {"grade_level": "01"}}]},
                   {"rows": [{"values": {"grade_level": "KG"}},
                             {"values": {"grade_level": "01"}, "must_fire": true}]},
                   {"rows": [{"values": {"grade_level": "KG", "entry_date": "no day"}}]}])");
  const auto results = Evaluator(pool_).RunFixtures(*Compile(rule), definitions_, Deadline());
  ASSERT_THAT(results, IsOk());
  EXPECT_TRUE((*results)[0].passed());
  EXPECT_THAT((*results)[1].missed, ::testing::ElementsAre(1));
  EXPECT_THAT((*results)[1].unexpected, ::testing::ElementsAre(0));
}

// A school among its peers: its share beside the mean of all others, in their standard deviations.
// Squares are compared, because numbers here have no root.
TEST_F(EvaluatorTest, PeerStatistics) {
  const auto row = [](const char* school, bool homeless, bool far) {
    return fmt::format(R"({{"values": {{"school_id": "{}", "homeless": "{}"}}, "must_fire": {}}})",
                       school, homeless, far);
  };
  std::vector<std::string> rows;
  for (const char* school : {"A", "B", "C", "D"}) {
    rows.push_back(row(school, true, false));
    rows.push_back(row(school, false, false));
  }
  rows.push_back(row("D", false, false));
  rows.push_back(row("E", true, true));
  v1::Rule rule = EnrollmentRule("T-1", fmt::format(R"("query": {{"sql": "
      WITH there AS (
        SELECT school_id, 100.0 * count(*) FILTER (WHERE homeless) / count(*) AS share
          FROM enrollment GROUP BY school_id),
      among AS (
        SELECT s.school_id, s.share - avg(p.share) AS off,
               avg(p.share * p.share) - avg(p.share) * avg(p.share) AS variance
          FROM there s JOIN there p ON p.school_id <> s.school_id
         GROUP BY s.school_id, s.share)
      SELECT e.record_key FROM enrollment e JOIN among a ON a.school_id = e.school_id
       WHERE a.off * a.off > 9 * a.variance"}},
      "fixtures": [{{"rows": [{}]}}])",
                                                    absl::StrJoin(rows, ", ")));
  const auto results = Evaluator(pool_).RunFixtures(*Compile(rule), definitions_, Deadline());
  ASSERT_THAT(results, IsOk());
  EXPECT_THAT((*results)[0].missed, ::testing::IsEmpty());
  EXPECT_THAT((*results)[0].unexpected, ::testing::IsEmpty());
}

// Rows that the rule must find, and rows of the same dataset that it must not.
bool HasBothKindsOfRows(const RuleContent& content) {
  bool fire = false;
  bool quiet = false;
  for (const Fixture& fixture : content.fixtures) {
    for (const Fixture::Row& row : fixture.rows) {
      fire = fire || row.must_fire;
      quiet = quiet || (!row.must_fire && row.dataset == content.dataset());
    }
  }
  return fire && quiet;
}

TEST_F(EvaluatorTest, FixturesOfAllProductRulesPass) {
  const std::vector<v1::Rule> rules = ProductRules();
  EXPECT_GE(rules.size(), 112U);
  std::set<std::string> codes;
  for (const v1::Rule& rule : rules) {
    EXPECT_TRUE(codes.insert(rule.code()).second) << rule.code();
    const absl::StatusOr<RuleContent> content = ContentOf(rule);
    ASSERT_THAT(content, IsOk()) << rule.code();
    EXPECT_THAT(CheckContent(*content), IsOk()) << rule.code();
    const absl::StatusOr<CompiledRule> compiled = CompileRule("r", 1, *content, definitions_);
    EXPECT_THAT(compiled, IsOk()) << rule.code();
    if (!compiled.ok()) continue;
    const auto results = Evaluator(pool_).RunFixtures(*compiled, definitions_, Deadline());
    ASSERT_THAT(results, IsOk());
    EXPECT_TRUE(HasBothKindsOfRows(*content)) << rule.code();
    for (int i = 0; i < static_cast<int>(results->size()); ++i) {
      const FixtureResult& result = (*results)[static_cast<std::size_t>(i)];
      EXPECT_TRUE(result.passed())
          << rule.code() << ", " << rule.fixtures(i).title() << ": " << result.error << " missed "
          << ::testing::PrintToString(result.missed) << " unexpected "
          << ::testing::PrintToString(result.unexpected);
    }
  }
}

// The same day of the next month, or its last; anything but a day as it is.
std::string MonthLater(const std::string& text) {
  absl::CivilDay day;
  if (!absl::ParseCivilTime(text, &day)) return text;
  const absl::CivilMonth next = absl::CivilMonth(day) + 1;
  return absl::FormatCivilTime(
      std::min(absl::CivilDay(next) + (day.day() - 1), absl::CivilDay(next + 1) - 1));
}

TEST_F(EvaluatorTest, CountDateOfProductRulesIsWhatIsSet) {
  // A month later all is as it was when every day lies a month later.
  int moved = 0;
  for (v1::Rule rule : ProductRules()) {
    if (std::none_of(rule.parameters().begin(), rule.parameters().end(),
                     [](const auto& each) { return each.name() == "count_month"; })) {
      continue;
    }
    for (v1::Fixture& fixture : *rule.mutable_fixtures()) {
      if (!fixture.parameter_values().contains("count_month")) {
        (*fixture.mutable_parameter_values())["count_month"] = "11";
        ++moved;
        for (v1::Fixture::Row& row : *fixture.mutable_rows()) {
          for (auto& [column, value] : *row.mutable_values()) value = MonthLater(value);
        }
      }
    }
    const auto results = Evaluator(pool_).RunFixtures(*Compile(rule), definitions_, Deadline());
    ASSERT_THAT(results, IsOk()) << rule.code();
    for (std::size_t i = 0; i < results->size(); ++i) {
      EXPECT_TRUE((*results)[i].passed())
          << rule.code() << ", " << rule.fixtures(static_cast<int>(i)).title() << ": "
          << (*results)[i].error;
    }
  }
  EXPECT_GT(moved, 21);
}

TEST_F(EvaluatorTest, TagsOfProductRulesAreThoseOfTheReadme) {
  std::set<std::string> said;
  std::istringstream lines(ReadTestFile("rules/README.md"));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t end = line.find("` |");
    if (line.starts_with("| `") && end != std::string::npos) said.insert(line.substr(3, end - 3));
  }
  std::set<std::string> used;
  for (const v1::Rule& rule : ProductRules()) {
    EXPECT_GT(rule.tags_size(), 0) << rule.code();
    for (const std::string& tag : rule.tags()) {
      EXPECT_TRUE(said.contains(tag)) << rule.code() << ": " << tag;
      used.insert(tag);
    }
  }
  std::erase_if(said, [](const std::string& name) { return name.ends_with(".json"); });
  EXPECT_EQ(said, used);
}

}  // namespace
}  // namespace edcert::validation_report
