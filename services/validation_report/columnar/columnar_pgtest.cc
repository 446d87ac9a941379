// Columns against PostgreSQL, which says what a rule means: the same records, counts, values and
// messages for the rules that ship, for every kind of rule, and for expressions made at random.
//
// EDCERT_EXPRESSIONS sets how many expressions are made, EDCERT_SEED with which seed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <random>

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

constexpr std::size_t kColumnBytes = 256'000'000;

int FromEnvironment(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

// Expressions over the columns of attendance_summary and enrollment, most of them legal.
class Author {
 public:
  explicit Author(unsigned seed) : random_(seed) {}

  std::string Truth(int depth) {
    if (depth <= 0)
      return Pick({"hispanic_latino", "homeless", "exit_date IS NULL", "race IS NULL"});
    switch (Below(19)) {
      case 0:
        return fmt::format("({} AND {})", Truth(depth - 1), Truth(depth - 1));
      case 1:
        return fmt::format("({} OR {})", Truth(depth - 1), Truth(depth - 1));
      case 2:
        return fmt::format("(NOT {})", Truth(depth - 1));
      case 3:
        return fmt::format("({} {} {})", Number(depth - 1), Comparison(), Number(depth - 1));
      case 4:
        return fmt::format("({} {} {})", Date(depth - 1), Comparison(), Date(depth - 1));
      case 5:
        return fmt::format("({} {} {})", Text(depth - 1), Comparison(), Text(depth - 1));
      case 6:
        return fmt::format("({} IS {}NULL)", Any(depth - 1), Maybe("NOT "));
      case 7:
        return fmt::format("({} IS {}{})", Truth(depth - 1), Maybe("NOT "),
                           Pick({"TRUE", "FALSE", "UNKNOWN"}));
      case 8:
        return fmt::format("({} {}IN ({}, {}))", Text(depth - 1), Maybe("NOT "), Word(), Word());
      case 9:
        return fmt::format("({} {}IN ({}, {}, NULL))", Number(depth - 1), Maybe("NOT "), Digits(),
                           Digits());
      case 10:
        return fmt::format("({} {}BETWEEN {} AND {})", Number(depth - 1), Maybe("NOT "),
                           Number(depth - 1), Number(depth - 1));
      case 11:
        return fmt::format("({} {} {})", Text(depth - 1), Pick({"~", "!~", "~*", "!~*"}),
                           Pick({"'[0-9]'", "'^A'", "'n$'", "'^[A-Z][a-z]+$'", "'a.b'", "'(x|é)?y'",
                                 "'\\d{2,3}'", "'^\\s*$'", "'[^a-z ]'", "'ü'", "'\\.'"}));
      case 12:
        return fmt::format("({} {}LIKE {})", Text(depth - 1), Maybe("NOT "),
                           Pick({"'A%'", "'%n'", "'_b%'", "'%é%'", "'%'", "''", "'A_%e'"}));
      case 13:
        return Below(2) == 0
                   ? fmt::format("({} = ANY (string_to_array(race, ';')))", Word())
                   : fmt::format("(string_to_array(race, ';') && ARRAY[{}, {}])", Word(), Word());
      case 14:
        return fmt::format("({} IS {}DISTINCT FROM {})", Text(depth - 1), Maybe("NOT "),
                           Text(depth - 1));
      case 15:
        return fmt::format("({} IS {}DISTINCT FROM {})", Number(depth - 1), Maybe("NOT "),
                           Number(depth - 1));
      case 16:
        return fmt::format("starts_with({}, {})", Text(depth - 1), Word());
      case 17:
        return fmt::format("(CASE WHEN {} THEN {} ELSE {} END)", Truth(depth - 1), Truth(depth - 1),
                           Truth(depth - 1));
      default:
        return fmt::format("({} {} {})", Truth(depth - 1), Comparison(), Truth(depth - 1));
    }
  }

 private:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  std::string Pick(std::initializer_list<const char*> choices) {
    return *(choices.begin() + Below(static_cast<int>(choices.size())));
  }
  std::string Maybe(const char* text) { return Below(2) == 0 ? text : ""; }
  std::string Comparison() { return Pick({"=", "<>", "<", "<=", ">", ">="}); }
  std::string Word() {
    return Pick({"'A'", "'WHITE'", "'ASIAN'", "'KG'", "'12'", "''", "'Ann'", "'é'", "' x '"});
  }
  std::string Digits() {
    return Pick({"0", "1", "2", "-1", "7", "12", "2026", "0.5", "1.25", "0.10", "100.0", "-3.7"});
  }

  std::string Any(int depth) {
    switch (Below(4)) {
      case 0:
        return Number(depth);
      case 1:
        return Text(depth);
      case 2:
        return Date(depth);
      default:
        return Truth(depth);
    }
  }

  std::string Integer(int depth) {
    if (depth <= 0) return Pick({"school_year", "1", "3", "12", "0", "-2"});
    switch (Below(8)) {
      case 0:
        return fmt::format("length({})", Text(depth - 1));
      case 1:
        return fmt::format("({} - {})", Date(depth - 1), Date(depth - 1));
      case 2:
        return fmt::format("num_nulls({}, {})", Any(depth - 1), Any(depth - 1));
      case 3:
        return fmt::format("strpos({}, {})", Text(depth - 1), Word());
      case 4:
        return "cardinality(string_to_array(race, ';'))";
      case 5:
        return fmt::format("num_nonnulls({}, {})", Any(depth - 1), Any(depth - 1));
      case 6:
        return fmt::format("{}::integer", Number(depth - 1));
      default:
        return "school_year";
    }
  }

  std::string Number(int depth) {
    if (depth <= 0) return Pick({"fte", "school_year", "fte", "1", "0.5", "2", "-1.25", "0"});
    switch (Below(16)) {
      case 0:
        return fmt::format("({} {} {})", Number(depth - 1), Pick({"+", "-", "*"}),
                           Number(depth - 1));
      case 1:
        return fmt::format("({} / {})", Number(depth - 1), Pick({"2", "3", "0.7", "fte", "7.0"}));
      case 2:
        return fmt::format("mod({}, {})", Number(depth - 1), Pick({"2", "0.3", "7", "1"}));
      case 3:
        return fmt::format("coalesce({}, {})", Number(depth - 1), Number(depth - 1));
      case 4:
        return fmt::format("{}({}, {})", Pick({"least", "greatest"}), Number(depth - 1),
                           Number(depth - 1));
      case 5:
        return fmt::format("abs({})", Number(depth - 1));
      case 6:
        return fmt::format("{}({}::numeric, {})", Pick({"round", "trunc"}), Number(depth - 1),
                           Pick({"0", "1", "2", "4"}));
      case 7:
        return fmt::format("{}({}::numeric)", Pick({"floor", "ceil", "sign", "round"}),
                           Number(depth - 1));
      case 8:
        return fmt::format("nullif({}, {})", Number(depth - 1), Digits());
      case 9:
        return fmt::format("(CASE WHEN {} THEN {} ELSE {} END)", Truth(depth - 1),
                           Number(depth - 1), Number(depth - 1));
      case 10:
        return fmt::format("extract({} FROM {})",
                           Pick({"year", "month", "day", "dow", "isodow", "doy", "quarter"}),
                           Date(depth - 1));
      case 11:
        return fmt::format("extract({} FROM age({}, {}))", Pick({"year", "month"}), Date(depth - 1),
                           Date(depth - 1));
      case 12:
        return fmt::format("(- {})", Number(depth - 1));
      case 13:
        return Digits();
      default:
        return Integer(depth - 1);
    }
  }

  std::string Date(int depth) {
    if (depth <= 0) return Pick({"entry_date", "exit_date", "birth_date", "date '2025-10-01'"});
    switch (Below(8)) {
      case 0:
        return fmt::format("({} {} {})", Date(depth - 1), Pick({"+", "-"}),
                           Pick({"1", "30", "400", "length(last_name)"}));
      case 1:
        return fmt::format(
            "({} {} interval {})::date", Date(depth - 1), Pick({"+", "-"}),
            Pick({"'6 months'", "'1 year'", "'1 month 3 days'", "'2 weeks'", "'90 days'"}));
      case 2:
        return fmt::format("make_date(school_year::integer - 1, {}, {})",
                           Pick({"1", "2", "7", "10", "12"}), Pick({"1", "28", "29", "30"}));
      case 3:
        return fmt::format("coalesce({}, {})", Date(depth - 1), Date(depth - 1));
      case 4:
        return fmt::format("{}({}, {})", Pick({"least", "greatest"}), Date(depth - 1),
                           Date(depth - 1));
      case 5:
        return fmt::format("(CASE WHEN {} THEN {} END)", Truth(depth - 1), Date(depth - 1));
      default:
        return Date(0);
    }
  }

  std::string Text(int depth) {
    if (depth <= 0) {
      return Pick({"first_name", "last_name", "race", "grade_level", "exit_type", "school_id"});
    }
    switch (Below(12)) {
      case 0:
        return fmt::format("{}({})", Pick({"lower", "upper", "btrim", "ltrim", "rtrim"}),
                           Text(depth - 1));
      case 1:
        return fmt::format("{}({}, {})", Pick({"left", "right"}), Text(depth - 1),
                           Pick({"0", "1", "2", "-1", "-2", "50"}));
      case 2:
        return fmt::format("substr({}, {}, {})", Text(depth - 1), Pick({"0", "1", "2", "-1", "9"}),
                           Pick({"0", "1", "3", "50"}));
      case 3:
        return fmt::format("({} || {})", Text(depth - 1), Text(depth - 1));
      case 4:
        return fmt::format("coalesce({}, {})", Text(depth - 1), Word());
      case 5:
        return fmt::format("nullif({}, {})", Text(depth - 1), Word());
      case 6:
        return fmt::format("(CASE WHEN {} THEN {} ELSE {} END)", Truth(depth - 1), Text(depth - 1),
                           Word());
      case 7:
        return fmt::format("substr({}, {})", Text(depth - 1), Pick({"0", "1", "2", "-1", "9"}));
      case 8:
        return fmt::format("replace({}, {}, 'z')", Text(depth - 1), Pick({"'a'", "'A'", "'nn'"}));
      case 9:
        return fmt::format("{}({}, {})", Pick({"least", "greatest"}), Text(depth - 1),
                           Text(depth - 1));
      default:
        return Text(0);
    }
  }

  std::mt19937 random_;
};

class ColumnarTest : public ::testing::Test {
 protected:
  ColumnarTest() {
    PublishDatasets(database_.owner());
    pg::Database db = database_.db();
    definitions_ = *ReadDefinitions(db, PublishedIds());
    for (const auto& [id, definition] : definitions_) {
      sources_[id] = RowsOfSlice(definition, {.copy = IsLastYear(id) ? "STATE" : "DISTRICT",
                                              .district = "north",
                                              .version = IsLastYear(id) ? 3 : 7,
                                              .school = ""});
    }
  }

  absl::Time Deadline() const { return clock::Clock::Real().Now() + absl::Minutes(5); }
  void Sql(const std::string& sql) { ASSERT_THAT(database_.owner().RunScript(sql), IsOk()); }

  // Rows with every extreme: NULL, empty, blanks, letters beyond ASCII, leap days, equal keys.
  void MakeRows(int count) {
    Sql(fmt::format(
        "SELECT setseed(0.42);"
        "INSERT INTO dataset_read.enrollment (copy, district_id, record_key, student_uid,"
        " school_id, entry_date, exit_date, birth_date, school_year, first_name, last_name, race,"
        " grade_level, exit_type, enrollment_status, fte, hispanic_latino, homeless)"
        " SELECT 'DISTRICT', 'north', 'k' || i, 's' || (random() * {0} / 3)::int,"
        "  'school-' || (random() * 3)::int, date '2024-02-01' + (random() * 400)::int,"
        "  CASE WHEN random() < 0.6 THEN date '2024-02-20' + (random() * 500)::int END,"
        "  CASE WHEN random() < 0.9 THEN date '2004-02-20' + (random() * 5000)::int END,"
        "  (array[2024, 2025, 2026, 2026])[1 + (random() * 3)::int],"
        "  (array['Ann', 'Bob', '', ' x ', 'José', 'A2', 'Abe', NULL])[1 + (random() * 7)::int],"
        "  (array['Ann', 'Ünal', 'a.b', 'aXb', '日本', 'y', '12', NULL])[1 + (random() * 7)::int],"
        "  (array['WHITE', 'WHITE;ASIAN', '', ';', 'ASIAN', NULL])[1 + (random() * 5)::int],"
        "  (array['KG', '01', '12', NULL])[1 + (random() * 3)::int],"
        "  (array['GRADUATED', 'NO_SHOW', NULL, NULL])[1 + (random() * 3)::int],"
        "  (array['PRIMARY', 'SECONDARY', NULL])[1 + (random() * 2)::int],"
        "  (array[0, 0.5, 1, 1.25, 0.01, NULL]::numeric[])[1 + (random() * 5)::int],"
        "  (array[true, false, NULL])[1 + (random() * 2)::int],"
        "  (array[true, false, NULL])[1 + (random() * 2)::int]"
        " FROM generate_series(1, {0}) AS i;"
        "INSERT INTO dataset_read.attendance_summary (copy, district_id, record_key, student_uid,"
        " school_id, calendar_track, reporting_period, school_year, days_expected, days_present,"
        " days_absent_excused, days_absent_oss, chronic_absent)"
        " SELECT 'DISTRICT', 'north', 'a' || i, 's' || (random() * {0} / 3)::int,"
        "  'school-' || (random() * 4)::int, 'A', (random() * 3)::int, 2026,"
        "  CASE WHEN random() < 0.9 THEN (random() * 400)::int / 10.0 END,"
        "  CASE WHEN random() < 0.9 THEN (random() * 400)::int / 10.0 END,"
        "  CASE WHEN random() < 0.5 THEN (random() * 40)::int / 10.0 END,"
        "  CASE WHEN random() < 0.5 THEN (random() * 40)::int / 10.0 END, random() < 0.5"
        " FROM generate_series(1, {0}) AS i;",
        count));
  }

  absl::StatusOr<CompiledRule> TryCompile(const v1::Rule& rule) {
    const absl::StatusOr<RuleContent> content = ContentOf(rule);
    if (!content.ok()) return content.status();
    return CompileRule("r", 1, *content, definitions_);
  }

  std::shared_ptr<const CompiledRule> Compile(const v1::Rule& rule) {
    absl::StatusOr<CompiledRule> compiled = TryCompile(rule);
    EXPECT_THAT(compiled, IsOk()) << rule.code();
    return std::make_shared<const CompiledRule>(*std::move(compiled));
  }

  // Both evaluations; what columns gave is what PostgreSQL gave. Returns how many of the rules they
  // judged.
  int64_t Compare(const std::vector<std::shared_ptr<const CompiledRule>>& rules,
                  const RowSources& sources) {
    EvaluationRequest request{.organization = "organizations/north",
                              .district = "north",
                              .rules = {},
                              .definitions = definitions_,
                              .sources = sources,
                              .progress = nullptr};
    for (const auto& rule : rules) request.rules.push_back({.rule = rule});
    const absl::StatusOr<Evaluation> expected = reference_.Evaluate(request, Deadline());
    const absl::StatusOr<Evaluation> got = columnar_.Evaluate(request, Deadline());
    EXPECT_THAT(expected, IsOk());
    EXPECT_THAT(got, IsOk());
    EXPECT_EQ(expected->by_columns, 0);
    EXPECT_EQ(got->rows, expected->rows);
    for (std::size_t i = 0; i < rules.size(); ++i) {
      const std::string what = rules[i]->content.code + " " + rules[i]->expression;
      const RuleResult& a = expected->results[i];
      const RuleResult& b = got->results[i];
      EXPECT_EQ(ToString(b.outcome), ToString(a.outcome)) << what << " " << a.error << b.error;
      EXPECT_EQ(b.findings, a.findings) << what;
      EXPECT_EQ(b.schools, a.schools) << what;
      if (b.stored.size() != a.stored.size()) continue;
      for (std::size_t k = 0; k < a.stored.size(); ++k) {
        EXPECT_EQ(b.stored[k].record_key, a.stored[k].record_key) << what;
        EXPECT_EQ(b.stored[k].school, a.stored[k].school) << what;
        EXPECT_EQ(b.stored[k].fields, a.stored[k].fields) << what;
        EXPECT_EQ(b.stored[k].message, a.stored[k].message) << what;
        EXPECT_EQ(b.stored[k].fingerprint, a.stored[k].fingerprint) << what;
      }
    }
    return got->by_columns;
  }

  Evaluation Evaluate(const std::vector<v1::Rule>& rules, const RowSources& sources) {
    EvaluationRequest request{.organization = "organizations/north",
                              .district = "north",
                              .rules = {},
                              .definitions = definitions_,
                              .sources = sources,
                              .progress = nullptr};
    for (const v1::Rule& rule : rules) request.rules.push_back({.rule = Compile(rule)});
    absl::StatusOr<Evaluation> evaluation = columnar_.Evaluate(request, Deadline());
    EXPECT_THAT(evaluation, IsOk());
    return *std::move(evaluation);
  }

  // Rules of one kind on the rows made, all judged by columns.
  void CompareKinds(const std::vector<v1::Rule>& rules) {
    std::vector<std::shared_ptr<const CompiledRule>> compiled;
    for (const v1::Rule& rule : rules) compiled.push_back(Compile(rule));
    EXPECT_EQ(Compare(compiled, sources_), static_cast<int64_t>(rules.size()));
  }

  const std::vector<pg::Component> components_ = {jobs::Migrations(),
                                                  {"validation", sql::kMigrations}};
  edcert::testing::TestDatabase database_{"validation", components_};
  pg::Pool pool_{{.conninfo = database_.owner_conninfo() + " user=rule_exec", .size = 2}};
  Evaluator reference_{pool_};
  Evaluator columnar_{pool_, {.column_bytes = kColumnBytes}};
  Definitions definitions_;
  RowSources sources_;
};

TEST_F(ColumnarTest, FixturesOfAllProductRules) {
  int64_t judged = 0;
  int64_t fixtures = 0;
  for (const v1::Rule& rule : ProductRules()) {
    if (rule.has_query()) continue;
    const std::shared_ptr<const CompiledRule> compiled = Compile(rule);
    for (const Fixture& fixture : compiled->content.fixtures) {
      ++fixtures;
      judged += Compare({compiled}, SourcesOf(*compiled, fixture, definitions_));
    }
  }
  // Numbers that a fixture writes with unequal scales are left over.
  EXPECT_GT(judged, fixtures * 3 / 4) << fixtures;
}

TEST_F(ColumnarTest, ProductRulesOnManyRows) {
  MakeRows(3000);
  for (const v1::Rule& rule : ProductRules()) {
    EXPECT_EQ(Compare({Compile(rule)}, sources_), rule.has_query() ? 0 : 1) << rule.code();
  }
}

TEST_F(ColumnarTest, Unique) {
  MakeRows(2000);
  CompareKinds({EnrollmentRule("T-1", R"("unique": {"columns": ["student_uid"]})"),
                EnrollmentRule("T-2", R"("unique": {"columns": ["student_uid", "entry_date"]})"),
                EnrollmentRule("T-3", R"("unique": {"columns": ["first_name", "fte", "homeless"],
                                         "condition": "exit_date IS NULL"})"),
                EnrollmentRule("T-4", R"("unique": {"columns": ["student_uid", "school_id",
                                         "entry_date", "exit_date", "birth_date", "school_year",
                                         "first_name", "last_name"]})")});
}

TEST_F(ColumnarTest, Reference) {
  MakeRows(2000);
  const auto rule = [](const std::string& code, const std::string& fields) {
    v1::Rule made = EnrollmentRule(
        code, R"("reference": {"dataset": "datasets/attendance_summary", )" + fields + "}");
    made.add_datasets("datasets/attendance_summary");
    return made;
  };
  const std::string by_student = R"("columns": ["student_uid"], "other_columns": ["student_uid"])";
  const std::string by_school = R"("columns": ["student_uid", "school_id", "school_year"],
      "other_columns": ["student_uid", "school_id", "school_year"])";
  CompareKinds({rule("T-1", by_student + R"(, "mode": "MUST_EXIST")"),
                rule("T-2", by_student + R"(, "mode": "MUST_NOT_EXIST")"),
                rule("T-3", by_school + R"(, "mode": "MUST_EXIST")"),
                rule("T-4", by_student + R"(, "mode": "MUST_EXIST",
            "condition": "this.school_id = other.school_id OR other.days_expected > 30")"),
                rule("T-5", by_student + R"(, "mode": "MUST_NOT_EXIST",
            "condition": "this.fte * 40 < other.days_present AND this.homeless")")});
}

TEST_F(ColumnarTest, ReferenceToLastYear) {
  MakeRows(2000);
  // The years differ in half of the students and in their grades; what came later was not
  // certified.
  Sql("INSERT INTO dataset_read.enrollment (copy, district_id, record_key, valid_from, valid_to,"
      " student_uid, school_id, entry_date, school_year, grade_level, fte)"
      " SELECT 'STATE', 'north', record_key, CASE WHEN i % 5 = 0 THEN 4 ELSE 2 END,"
      "  CASE WHEN i % 3 = 0 THEN 4 ELSE 9223372036854775807 END,"
      "  CASE WHEN i % 2 = 0 THEN student_uid ELSE 't' || i END, school_id, entry_date - 365,"
      "  school_year - 1, '05', fte"
      " FROM (SELECT e.*, substr(record_key, 2)::int AS i FROM dataset_read.enrollment e) e");
  const auto rule = [](const std::string& code, const std::string& fields) {
    return EnrollmentRule(code, R"("reference": {"dataset": "datasets/last_year_enrollment",
                               "columns": ["student_uid"], "other_columns": ["student_uid"], )" +
                                    fields + "}");
  };
  const std::vector<v1::Rule> rules = {rule("T-1", R"("mode": "MUST_EXIST")"),
                                       rule("T-2", R"("mode": "MUST_NOT_EXIST")"),
                                       rule("T-3", R"("mode": "MUST_NOT_EXIST",
                     "condition": "this.fte > other.fte AND this.school_id <> other.school_id")")};
  CompareKinds(rules);
  const Evaluation found = Evaluate(rules, sources_);
  const int64_t with_student = found.rows.at("enrollment");
  EXPECT_GT(found.results[0].findings, 0);
  EXPECT_GT(found.results[1].findings, 0);
  EXPECT_EQ(found.results[0].findings + found.results[1].findings, with_student);
  EXPECT_LT(found.rows.at("last_year_enrollment"), found.rows.at("enrollment"));

  // Nothing was certified.
  RowSources sources = sources_;
  sources["last_year_enrollment"] = NoRows(definitions_.at("last_year_enrollment"));
  std::vector<std::shared_ptr<const CompiledRule>> compiled;
  for (const v1::Rule& each : rules) compiled.push_back(Compile(each));
  EXPECT_EQ(Compare(compiled, sources), 3);
  const Evaluation none = Evaluate(rules, sources);
  EXPECT_EQ(none.results[0].findings, with_student);
  EXPECT_EQ(none.results[1].findings, 0);
  EXPECT_EQ(none.rows.at("last_year_enrollment"), 0);
}

TEST_F(ColumnarTest, Overlap) {
  MakeRows(2000);
  const std::string columns = R"(, "from_column": "entry_date", "to_column": "exit_date")";
  CompareKinds(
      {EnrollmentRule("T-1", R"("overlap": {"partition_columns": ["student_uid"])" + columns + "}"),
       EnrollmentRule("T-2", R"("overlap": {"partition_columns": ["student_uid", "school_id"])" +
                                 columns + R"(, "tolerance_days": 30})"),
       EnrollmentRule("T-3", R"("overlap": {"partition_columns": ["enrollment_status"])" + columns +
                                 R"(, "tolerance_days": 1})"),
       EnrollmentRule("T-4", R"("overlap": {"partition_columns": ["student_uid"])" + columns +
                                 R"(, "condition": "enrollment_status = 'PRIMARY'"})")});
}

TEST_F(ColumnarTest, Aggregate) {
  MakeRows(2000);
  const auto rule = [](const std::string& code, const std::string& groups,
                       const std::string& aggregates, const std::string& expression) {
    std::string list;
    std::string message;
    std::size_t i = 0;
    for (const std::string_view each : {std::string_view(aggregates)}) {
      list += fmt::format(R"({{"name": "n{}", "expression": "{}"}})", i, each);
      message += fmt::format("{{n{}}} ", i++);
    }
    v1::Rule made = EnrollmentRule(
        code, fmt::format(R"("aggregate": {{"group_columns": [{}], "aggregates": [{}],
              "expression": "{}"}})",
                          groups, list, expression));
    made.set_message(message);
    return made;
  };
  const std::string school = R"("school_id")";
  const std::string both = R"("school_id", "grade_level")";
  CompareKinds(
      {rule("T-1", school, "count(*)", "n0 > 0"), rule("T-2", both, "count(exit_date)", "n0 >= 0"),
       rule("T-3", school, "sum(fte)", "n0 > 1"), rule("T-4", both, "avg(fte)", "n0 IS NOT NULL"),
       rule("T-5", school, "avg(school_year)", "n0 > 0"),
       rule("T-6", school, "sum(school_year)", "n0 > 0"),
       rule("T-7", both, "min(entry_date)", "n0 > date '2020-01-01'"),
       rule("T-8", both, "max(exit_date - entry_date)", "n0 > 5"),
       rule("T-9", school, "count(DISTINCT student_uid)", "n0 > 5"),
       rule("T-10", school, "count(DISTINCT birth_date) FILTER (WHERE homeless)", "n0 > 5"),
       rule("T-11", school, "bool_and(homeless IS NULL OR fte IS NULL)", "NOT n0"),
       rule("T-12", school, "sum(coalesce(fte, 0))", "n0 >= 0"),
       rule("T-13", both, "sum(coalesce(fte, 0)) FILTER (WHERE fte IS NULL)", "n0 >= 0"),
       rule("T-14", school, "100.0 * count(*) FILTER (WHERE homeless) / count(*)", "n0 > 1"),
       rule("T-15", school, "round(avg(fte), 2)", "n0 > 0"),
       rule("T-16", both, "coalesce(sum(fte), 0)", "n0 >= 0"),
       rule("T-17", R"("entry_date")", "count(*)", "n0 > 4"),
       rule("T-18", R"("fte", "hispanic_latino")", "count(*)", "n0 > 4")});
}

TEST_F(ColumnarTest, ExpressionsMadeAtRandom) {
  const auto expressions = static_cast<std::size_t>(FromEnvironment("EDCERT_EXPRESSIONS", 3000));
  constexpr std::size_t kAtOnce = 50;
  MakeRows(60);
  Author author(static_cast<unsigned>(FromEnvironment("EDCERT_SEED", 1)));
  int64_t judged = 0;
  std::size_t made = 0;
  while (made < expressions && !HasFailure()) {
    std::vector<std::shared_ptr<const CompiledRule>> rules;
    while (rules.size() < kAtOnce) {
      v1::Rule rule = EnrollmentRule(fmt::format("R-{}", made + rules.size()),
                                     R"("row": {"expression": "true"})");
      rule.mutable_row()->set_expression(author.Truth(4));
      absl::StatusOr<CompiledRule> compiled = TryCompile(rule);
      // What the guard refuses, nobody evaluates.
      if (!compiled.ok()) continue;
      rules.push_back(std::make_shared<const CompiledRule>(*std::move(compiled)));
    }
    judged += Compare(rules, sources_);
    made += rules.size();
  }
  RecordProperty("judged_by_columns", std::to_string(judged));
  fmt::print("{} of {} expressions were judged by columns\n", judged, made);
  EXPECT_GT(judged, static_cast<int64_t>(made) / 2);
}

// Numbers at the ends of their types: where PostgreSQL reports an error, so does the rule.
TEST_F(ColumnarTest, Overflow) {
  Sql("INSERT INTO dataset_read.enrollment (copy, district_id, record_key, student_uid, school_id,"
      " entry_date, school_year, birth_date)"
      " SELECT 'DISTRICT', 'north', 'k' || i, 's' || i, 'school-1', date '2025-08-01',"
      "  CASE i WHEN 700 THEN 9223372036854775807 WHEN 1300 THEN -9223372036854775807"
      "    WHEN 1500 THEN NULL ELSE i - 1000 END, date '2025-08-01'"
      " FROM generate_series(1, 2100) AS i");
  const auto judge = [&](const std::string& expression) {
    v1::Rule rule = EnrollmentRule("T-1", R"("row": {"expression": "true"})");
    rule.mutable_row()->set_expression(expression);
    const int64_t judged = Compare({Compile(rule)}, sources_);
    const Outcome outcome = Evaluate({rule}, sources_).results[0].outcome;
    return std::pair(judged, outcome == Outcome::kError);
  };
  for (const char* fits :
       {"school_year - 1 > 0", "school_year + 0 > 0", "school_year - school_year <> 0",
        "0 - school_year < 0", "school_year + (0 - school_year) <> 0", "-school_year < 0"}) {
    EXPECT_EQ(judge(fits), std::pair(int64_t{1}, false)) << fits;
  }
  for (const char* error :
       {"school_year + 1 > 0", "school_year + school_year > 0", "school_year - 2 > 0",
        "-2 - school_year > 0", "school_year * 2 > 0", "-school_year - 2 < 0"}) {
    EXPECT_EQ(judge(error), std::pair(int64_t{0}, true)) << error;
  }
  // int4: 2147483647 is the greatest.
  for (const char* fits : {"length(student_uid) + 2147483642 > 0", "3 - length(student_uid) > 0"}) {
    EXPECT_EQ(judge(fits), std::pair(int64_t{1}, false)) << fits;
  }
  for (const char* error :
       {"length(student_uid) + 2147483643 > 0", "-2147483644 - length(student_uid) < 0"}) {
    EXPECT_EQ(judge(error), std::pair(int64_t{0}, true)) << error;
  }
}

TEST_F(ColumnarTest, KeepsColumnsWithinTheirLimit) {
  MakeRows(2000);
  const std::vector<std::shared_ptr<const CompiledRule>> rules = {
      Compile(EnrollmentRule("T-1", R"("row": {"expression": "fte > 1"})"))};
  EvaluationRequest request{.organization = "organizations/north",
                            .district = "north",
                            .rules = {{.rule = rules.front()}},
                            .definitions = definitions_,
                            .sources = sources_,
                            .progress = nullptr};
  Evaluator small(pool_, {.column_bytes = 1000});
  const absl::StatusOr<Evaluation> by_statement = small.Evaluate(request, Deadline());
  ASSERT_THAT(by_statement, IsOk());
  EXPECT_EQ(by_statement->by_columns, 0);
  // What was read once is not read again: rows that come without a version are not seen.
  const absl::StatusOr<Evaluation> first = columnar_.Evaluate(request, Deadline());
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->results[0].findings, by_statement->results[0].findings);
  Sql("UPDATE dataset_read.enrollment SET fte = 0");
  const absl::StatusOr<Evaluation> again = columnar_.Evaluate(request, Deadline());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->results[0].findings, first->results[0].findings);
}

}  // namespace
}  // namespace edcert::validation_report
