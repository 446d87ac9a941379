// A group of 31 rules over a whole state in one district: by columns, and one SQL query for each
// rule, the way data-quality tools do it; and by columns over a district of 200,000 rows beside it,
// the largest of such a state. Run through `tools/cluster.py test-env`; prints one line of JSON,
// with what another program needs to do the same over the same rows.
//
//   validation_report_rules_benchmark [ROWS [ROWS OF THE DISTRICT]]     5,000,000 and 200,000
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "common/clock/clock.h"
#include "common/jobs/jobs.h"
#include "common/testing/database.h"
#include "services/validation_report/definition_store.h"
#include "services/validation_report/evaluator.h"
#include "services/validation_report/migrations/migrations.h"
#include "services/validation_report/rule_fixture.h"

namespace edcert::validation_report {
namespace {

constexpr std::size_t kColumnBytes = std::size_t{4} << 30U;

constexpr const char* kRowRules[] = {
    "days_expected < 0",
    "days_present < 0 OR days_present > days_expected",
    "days_absent_excused + days_absent_unexcused > days_expected",
    "days_expected <> days_present + days_absent_excused + days_absent_unexcused",
    "days_expected IS NULL AND exemption_reason IS NULL",
    "exemption_reason IS NOT NULL AND days_present > 0",
    "chronic_absent <> (days_absent_excused + days_absent_unexcused >= 0.1 * days_expected)",
    "chronic_absent IS NULL",
    "reporting_period NOT BETWEEN 0 AND 6",
    ("grade_level NOT IN ('KG', '01', '02', '03', '04', '05', '06', '07', '08', '09', '10', '11', "
     "'12')"),
    "grade_level IS NULL",
    "student_uid !~ '^[0-9]{10}$'",
    "school_id !~ '^[0-9]{6}$'",
    "length(student_uid) <> 10",
    "calendar_track NOT IN ('A', 'B', 'C')",
    "school_year <> 2026",
    "tardies < 0 OR tardies > 60",
    "tardies > days_present",
    "mod(days_expected * 2, 1) <> 0",
    "mod(days_present * 2, 1) <> 0",
    "days_present = days_expected AND days_expected > 170",
    "days_present = 0 AND days_expected > 20",
    "coalesce(days_absent_unexcused, 0) >= 10",
    "days_absent_oss > 10 AND grade_level IN ('KG', '01', '02')",
    "least(days_expected, days_present, days_absent_excused, days_absent_unexcused) < 0",
};

double Seconds(absl::Time since) {
  return absl::ToDoubleSeconds(clock::Clock::Real().Now() - since);
}

v1::Rule AttendanceRule(std::size_t number, const std::string& kind) {
  v1::Rule rule = EnrollmentRule(fmt::format("B-{}", number), kind);
  rule.set_datasets(0, "datasets/attendance_summary");
  return rule;
}

std::vector<v1::Rule> Rules() {
  std::vector<v1::Rule> rules;
  for (const char* expression : kRowRules) {
    rules.push_back(AttendanceRule(rules.size(), R"("row": {"expression": "true"})"));
    rules.back().mutable_row()->set_expression(expression);
  }
  for (const char* columns :
       {R"("student_uid", "school_id", "reporting_period")",
        R"("student_uid", "reporting_period", "days_present")",
        R"("student_uid", "school_id", "calendar_track", "reporting_period")"}) {
    rules.push_back(
        AttendanceRule(rules.size(), fmt::format(R"("unique": {{"columns": [{}]}})", columns)));
  }
  for (const char* columns : {R"("student_uid")", R"("student_uid", "school_id")"}) {
    rules.push_back(
        AttendanceRule(rules.size(), fmt::format(R"("reference": {{"dataset": "datasets/enrollment",
            "columns": [{0}], "other_columns": [{0}], "mode": "MUST_EXIST"}})",
                                                 columns)));
    rules.back().add_datasets("datasets/enrollment");
  }
  rules.push_back(AttendanceRule(rules.size(), R"rule("aggregate": {"group_columns": ["school_id"],
      "aggregates": [{"name": "expected", "expression": "sum(days_expected)"},
                     {"name": "attended", "expression": "sum(days_present)"}],
      "expression": "attended < 0.80 * expected"})rule"));
  return rules;
}

void Fill(pg::Connection& owner, const std::string& district, int64_t rows) {
  CHECK(owner
            .RunScript(absl::StrReplaceAll(
                ReadTestFile("services/validation_report/testdata/large_district.sql"),
                {{"${district}", district}, {"${rows}", std::to_string(rows)}}))
            .ok());
}

RowSources Sources(const Definitions& definitions, std::string_view district) {
  RowSources sources;
  for (const auto& [id, definition] : definitions) {
    sources[id] = RowsOfSlice(
        definition, {.copy = "DISTRICT", .district = district, .version = 7, .school = ""});
  }
  return sources;
}

// The same rows without the views that rules have of them, which cost time.
RowSources Bare(RowSources sources) {
  for (auto& [id, rows] : sources) {
    rows = absl::StrReplaceAll(rows, {{" FROM rule_read.", " FROM dataset_read."}});
  }
  return sources;
}

// How long this server takes to count the rows.
double CountRowsOf(pg::Connection& owner, const RowSources& sources) {
  const absl::Time began = clock::Clock::Real().Now();
  const RowSources bare = Bare({{"attendance_summary", sources.at("attendance_summary")}});
  CHECK(owner.RunScript(CountRows(bare)).ok());
  return Seconds(began);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Main(int64_t rows, int64_t rows_of_district) {
  const std::vector<pg::Component> components = {jobs::Migrations(),
                                                 {"validation", sql::kMigrations}};
  edcert::testing::TestDatabase database("validation", components);
  PublishDatasets(database.owner());
  Fill(database.owner(), "large", rows);
  pg::Pool pool({.conninfo = database.owner_conninfo() + " user=rule_exec", .size = 2});
  pg::Database db = database.db();
  EvaluationRequest request{
      .organization = "organizations/large",
      .district = "large",
      .rules = {},
      .definitions = *ReadDefinitions(db, {"attendance_summary", "enrollment"}),
      .sources = {},
      .progress = nullptr};
  request.sources = Sources(request.definitions, "large");
  for (const v1::Rule& rule : Rules()) {
    absl::StatusOr<CompiledRule> compiled =
        CompileRule(rule.code(), 1, *ContentOf(rule), request.definitions);
    CHECK(compiled.ok());
    request.rules.push_back({.rule = std::make_shared<const CompiledRule>(*std::move(compiled))});
  }
  const auto evaluate = [&](Evaluator& evaluator, const EvaluationRequest& what) {
    absl::StatusOr<Evaluation> evaluation =
        evaluator.Evaluate(what, clock::Clock::Real().Now() + absl::Minutes(30));
    if (!evaluation.ok()) fmt::print(stderr, "{}\n", evaluation.status().ToString());
    CHECK(evaluation.ok());
    return *std::move(evaluation);
  };
  const auto timed = [&](Evaluator& evaluator, const EvaluationRequest& what) {
    const absl::Time began = clock::Clock::Real().Now();
    evaluate(evaluator, what);
    return Seconds(began);
  };

  const double scan = CountRowsOf(database.owner(), request.sources);

  Evaluator columns(pool, {.column_bytes = kColumnBytes});
  const double cold = timed(columns, request);
  std::vector<double> warm;
  Evaluation by_columns;
  for (int i = 0; i < 5; ++i) warm.push_back(timed(columns, request));
  by_columns = evaluate(columns, request);
  CHECK(by_columns.by_columns == static_cast<int64_t>(request.rules.size()));

  // One row rule more, and one less.
  EvaluationRequest rows_only = request;
  rows_only.rules.resize(std::size(kRowRules));
  EvaluationRequest one_less = rows_only;
  one_less.rules.pop_back();
  double with = 1e9;
  double without = 1e9;
  for (int i = 0; i < 7; ++i) {
    with = std::min(with, timed(columns, rows_only));
    without = std::min(without, timed(columns, one_less));
  }

  // One query for each rule, by one who may read the rows as they are.
  pg::Pool owner({.conninfo = database.owner_conninfo(), .size = 2});
  Evaluator reference(owner);
  double queries = 0;
  for (std::size_t i = 0; i < request.rules.size(); ++i) {
    EvaluationRequest one = request;
    one.rules = {request.rules[i]};
    one.sources = Bare(request.sources);
    const absl::Time began = clock::Clock::Real().Now();
    const Evaluation expected = evaluate(reference, one);
    queries += Seconds(began);
    CHECK(expected.results[0].findings == by_columns.results[i].findings);
  }

  // The district, when all else is measured: its rows are in the same tables.
  Fill(database.owner(), "district", rows_of_district);
  EvaluationRequest district = request;
  district.district = "district";
  district.sources = Sources(request.definitions, "district");
  evaluate(columns, district);
  std::vector<double> district_warm;
  std::vector<double> district_count;
  for (int i = 0; i < 11; ++i) {
    district_warm.push_back(timed(columns, district));
    district_count.push_back(CountRowsOf(database.owner(), district.sources));
  }

  nlohmann::json json = {
      {"rows", rows},
      {"rules", request.rules.size()},
      {"scan_s", scan},
      {"query_per_rule_s", queries},
      {"cold_s", cold},
      {"warm_s", Median(warm)},
      {"row_rule_s", with - without},
      {"district_rows", rows_of_district},
      {"district_s", Median(district_warm)},
      {"district_count_s", Median(district_count)},
      {"row_rules", std::vector<std::string>(std::begin(kRowRules), std::end(kRowRules))}};
  for (const RuleResult& result : by_columns.results) json["findings"].push_back(result.findings);
  fmt::print("{}\n", json.dump());
  return 0;
}

}  // namespace
}  // namespace edcert::validation_report

int main(int argc, char** argv) {
  return edcert::validation_report::Main(argc > 1 ? std::atoll(argv[1]) : 5'000'000,
                                         argc > 2 ? std::atoll(argv[2]) : 200'000);
}
