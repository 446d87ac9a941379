// The statements of one rule of each kind, compared with testdata/rule_sql.sql.
#include "services/validation_report/rule_sql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "services/validation_report/finding.h"
#include "services/validation_report/rule_compiler.h"

namespace edcert::validation_report {
namespace {

// Tests run in the root of the source tree. UPDATE_GOLDENS=1 rewrites instead of comparing.
constexpr char kGolden[] = "services/validation_report/testdata/rule_sql.sql";

Definitions TwoDatasets() {
  const Definitions known = {{"enrollment",
                              {"enrollment",
                               {{"student_uid", ColumnType::kString},
                                {"school_id", ColumnType::kString},
                                {"entry_date", ColumnType::kDate},
                                {"exit_date", ColumnType::kDate},
                                {"fte", ColumnType::kDecimal}},
                               "school_id"}},
                             {"program",
                              {"program",
                               {{"student", ColumnType::kString},
                                {"year", ColumnType::kInt64},
                                {"active", ColumnType::kBool},
                                {"seen_at", ColumnType::kTimestamp}},
                               ""}}};
  return DefinitionsFor({"enrollment", "program", "last_year_program"}, known);
}

RuleContent ContentOf(const RuleKind& kind) {
  RuleContent content;
  content.code = "T-1";
  content.datasets = {"enrollment"};
  content.message = "{student_uid} entered on {entry_date}";
  content.fields = {"student_uid"};
  content.kind = kind;
  return content;
}

CompiledRule Compile(const RuleContent& content) {
  absl::StatusOr<CompiledRule> rule = CompileRule("t-1", 1, content, TwoDatasets());
  EXPECT_TRUE(rule.ok()) << rule.status();
  return *std::move(rule);
}

RowSources Sources(std::string_view school) {
  RowSources sources;
  for (const auto& [id, definition] : TwoDatasets()) {
    sources[id] = RowsOfSlice(
        definition,
        {.copy = "STATE", .district = "o'hara\\north", .version = 41, .school = school});
  }
  return sources;
}

std::string StatementOf(const RuleContent& content, bool members = false) {
  return RuleQuery(Compile(content), TwoDatasets().at("enrollment"), Sources(""), members).sql;
}

std::string AllStatements() {
  std::string text;
  const auto add = [&](std::string_view name, const std::string& sql) {
    text += "-- ";
    text += name;
    text += "\n" + sql + ";\n\n";
  };
  const CompiledRule first = Compile(ContentOf(RowRule{"exit_date < entry_date"}));
  const CompiledRule second = Compile(ContentOf(RowRule{"fte > 1 OR fte IS NULL"}));
  add("row, of a school", RowScan({&first, &second}, Sources("lincoln")).sql);
  add("unique", StatementOf(ContentOf(UniqueRule{{"student_uid", "entry_date"}, "fte > 0"})));
  RuleContent reference = ContentOf(ReferenceRule{"program",
                                                  {"student_uid"},
                                                  {"student"},
                                                  "other.active AND this.fte > 0",
                                                  ReferenceRule::Mode::kMustExist});
  reference.datasets.emplace_back("program");
  add("reference, must exist", StatementOf(reference));
  std::get<ReferenceRule>(reference.kind).mode = ReferenceRule::Mode::kMustNotExist;
  std::get<ReferenceRule>(reference.kind).condition = "";
  add("reference, must not exist", StatementOf(reference));
  add("overlap",
      StatementOf(ContentOf(OverlapRule{{"student_uid"}, "entry_date", "exit_date", 5})));
  add("overlap, of some rows", StatementOf(ContentOf(OverlapRule{
                                   {"student_uid"}, "entry_date", "exit_date", 0, "fte > 0"})));
  RuleContent aggregate = ContentOf(AggregateRule{
      {"school_id", "entry_date"}, {{"heads", "count(*)"}, {"time", "sum(fte)"}}, "heads > time"});
  aggregate.fields = {"heads", "time"};
  aggregate.message = "{school_id}: {heads}";
  add("aggregate", StatementOf(aggregate));
  add("aggregate, with its members", StatementOf(aggregate, /*members=*/true));
  RuleContent query = ContentOf(QueryRule{
      "SELECT e.record_key, p.year FROM enrollment e JOIN program p ON p.student = e.student_uid"});
  query.datasets.emplace_back("program");
  query.message = "{student_uid} in {year}";
  add("query", StatementOf(query));
  RuleContent last_year = ContentOf(ReferenceRule{"last_year_program",
                                                  {"student_uid"},
                                                  {"student"},
                                                  "other.active",
                                                  ReferenceRule::Mode::kMustNotExist});
  last_year.datasets.emplace_back("last_year_program");
  add("reference to last year", StatementOf(last_year));
  add("fixture rows", RowScan({&first}, {{"enrollment", RowsOfJson(TwoDatasets().at("enrollment"),
                                                                   R"([{"record_key": "0"}])")}})
                          .sql);
  add("fixture rows without a school",
      CountRows({{"program", RowsOfJson(TwoDatasets().at("program"), "[]")}}));
  add("count", CountRows(Sources("")));
  return text;
}

TEST(RuleSqlTest, Golden) {
  const std::string actual = AllStatements();
  if (std::getenv("UPDATE_GOLDENS") != nullptr) {
    std::ofstream(kGolden, std::ios::binary) << actual;
    return;
  }
  std::ostringstream expected;
  expected << std::ifstream(kGolden, std::ios::binary).rdbuf();
  EXPECT_EQ(actual, expected.str());
}

TEST(RuleSqlTest, LiteralsAndNamesAreQuoted) {
  EXPECT_EQ(QuoteLiteral("it's"), "'it''s'");
  EXPECT_EQ(QuoteLiteral("a\\'b"), "E'a\\\\''b'");
  EXPECT_EQ(QuoteName("a\"b"), "\"a\"\"b\"");
}

TEST(RuleSqlTest, ASchoolReadsItsOwnRowsAndWhatIsKeptForAll) {
  const auto of_school = [](bool kept, const std::string& school_column) {
    const Definition definition{"d", {{"a", ColumnType::kString}}, school_column, kept};
    const std::string sql = RowsOfSlice(
        definition, {.copy = "STATE", .district = "north", .version = 1, .school = "lincoln"});
    return sql.find("school_id = 'lincoln'") != std::string::npos;
  };
  EXPECT_TRUE(of_school(false, "a"));
  EXPECT_TRUE(of_school(false, ""));  // pushed, and perhaps of others
  EXPECT_TRUE(of_school(true, "a"));
  EXPECT_FALSE(of_school(true, ""));
}

TEST(RuleSqlTest, MasksOfMoreThan62Rules) {
  const CompiledRule rule = Compile(ContentOf(RowRule{"fte > 1"}));
  const RowSources sources = Sources("");
  EXPECT_EQ(RowScan(std::vector(62, &rule), sources).masks, 1U);
  EXPECT_EQ(RowScan(std::vector(63, &rule), sources).masks, 2U);
}

TEST(RuleCompilerTest, SaysWhatDoesNotFit) {
  const auto reason = [](const RuleContent& content) {
    return std::string(CompileRule("t", 1, content, TwoDatasets()).status().message());
  };
  RuleContent content = ContentOf(RowRule{"fte > 1"});
  content.fields = {"nothing"};
  EXPECT_THAT(reason(content), testing::HasSubstr("nothing"));
  content = ContentOf(RowRule{"fte > 1"});
  content.message = "{nothing}";
  EXPECT_THAT(reason(content), testing::HasSubstr("nothing"));
  content = ContentOf(ReferenceRule{"last_year_program", {"student_uid"}, {"nothing"}, "", {}});
  content.datasets.emplace_back("last_year_program");
  EXPECT_THAT(reason(content), testing::HasSubstr("datasets/last_year_program has no column"));
  content = ContentOf(RowRule{"fte > 1"});
  content.datasets = {"nothing"};
  EXPECT_THAT(reason(content), testing::HasSubstr("nothing"));
  EXPECT_THAT(reason(ContentOf(RowRule{"pg_sleep(1) IS NULL"})),
              testing::HasSubstr("rule.row.expression"));
  EXPECT_THAT(reason(ContentOf(OverlapRule{{"student_uid"}, "fte", "exit_date", 0})),
              testing::HasSubstr("date column"));
  EXPECT_THAT(reason(ContentOf(QueryRule{"SELECT student_uid FROM enrollment"})),
              testing::HasSubstr("record_key"));
}

TEST(RuleTest, MessageIsFilled) {
  EXPECT_EQ(FillMessage("{a} and {b}, {not a name} {", {{"a", "1"}}),
            "1 and (empty), {not a name} {");
  EXPECT_THAT(ColumnsOfMessage("{a}{b}{a}{A}"), testing::ElementsAre("a", "b"));
}

TEST(RuleTest, ContentIsChecked) {
  RuleContent good = ContentOf(RowRule{"fte > 1"});
  good.title = "Title";
  good.meaning = "Meaning";
  good.severity = Severity::kFatal;
  EXPECT_TRUE(CheckContent(good).ok());
  RuleContent bad = good;
  bad.code = "lower";
  EXPECT_FALSE(CheckContent(bad).ok());
  bad = good;
  bad.kind = RuleKind();
  EXPECT_FALSE(CheckContent(bad).ok());
  bad = good;
  bad.datasets = {"last_year_enrollment", "enrollment"};
  EXPECT_FALSE(CheckContent(bad).ok());
  std::swap(bad.datasets.front(), bad.datasets.back());
  EXPECT_TRUE(CheckContent(bad).ok());
  bad = good;
  bad.kind = OverlapRule{{"a"}, "b", "c", 367};
  EXPECT_FALSE(CheckContent(bad).ok());
  bad.kind = OverlapRule{{"a"}, "b", "c", 366, std::string(4001, 'x')};
  EXPECT_FALSE(CheckContent(bad).ok());
  bad = good;
  bad.fixtures = {{"", {{"other", {{"a", "1"}}, false}}}};
  EXPECT_FALSE(CheckContent(bad).ok());
}

TEST(FindingTest, FingerprintsDoNotRunIntoEachOther) {
  const std::string one = FingerprintOf("T-1", "organizations/a", "k", {"x", "y"});
  EXPECT_EQ(one.size(), 64U);
  EXPECT_EQ(one, FingerprintOf("T-1", "organizations/a", "k", {"x", "y"}));
  EXPECT_NE(one, FingerprintOf("T-1", "organizations/a", "k", {"xy"}));
  EXPECT_NE(one, FingerprintOf("T-1", "organizations/ak", "", {"x", "y"}));
}

}  // namespace
}  // namespace edcert::validation_report
