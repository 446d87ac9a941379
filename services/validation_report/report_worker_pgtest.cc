// Reports from the queue to the file, without gRPC.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/clock/clock.h"
#include "common/status/errors.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"
#include "services/validation_report/artifact_keeper.h"
#include "services/validation_report/background_keeper.h"
#include "services/validation_report/claimed_job.h"
#include "services/validation_report/migrations/migrations.h"
#include "services/validation_report/report_worker.h"
#include "services/validation_report/rule_fixture.h"
#include "services/validation_report/rule_store.h"

namespace edcert::validation_report {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

absl::Time Now() { return clock::Clock::Real().Now(); }

class ReportWorkerTest : public ::testing::Test {
 protected:
  ReportWorkerTest() {
    PublishDatasets(database_.owner());
    Sql("INSERT INTO dataset_read.data_version VALUES"
        " ('DISTRICT', 'enrollment', 'north', 3, now(), 5000)");
  }

  void Sql(const std::string& sql) { CHECK(database_.owner().RunScript(sql).ok()); }

  pg::Database Db() const { return database_.db(); }

  void AddEnrollments(int count) {
    Sql(fmt::format(
        "INSERT INTO dataset_read.enrollment (copy, district_id, record_key, student_uid,"
        " school_id, entry_date, exit_date, exit_type, school_year, birth_date, grade_level,"
        " last_name, hispanic_latino, race, fte) SELECT 'DISTRICT', 'north', 'k' || lpad(i::text, "
        "6, '0'), 's' || i,"
        " 'school-' || i % 5, '2025-08-18', CASE WHEN i % 50 = 0 THEN date '2025-08-10' END,"
        " CASE WHEN i % 50 = 0 THEN 'TRANSFERRED' END, 2026, '2015-01-01', '05', 'Name',"
        " false, 'W', 1"
        " FROM generate_series(1, {}) i; ANALYZE dataset_read.enrollment;",
        count));
  }

  // An active group of these rules, each of them active.
  void MakeGroup(const std::string& id, const std::vector<v1::Rule>& rules) {
    const absl::Status made = Db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      RuleGroup group{.id = id, .title = "Group", .level = GroupLevel::kDistrict};
      for (const v1::Rule& rule : rules) {
        ASSIGN_OR_RETURN(const RuleContent content, ContentOf(rule));
        std::string rule_id = content.code;
        std::transform(rule_id.begin(), rule_id.end(), rule_id.begin(), ::tolower);
        ASSIGN_OR_RETURN(const Rule created, RuleStore().Create(tx, rule_id, content, "users/sam"));
        RETURN_IF_ERROR(RuleStore().Activate(tx, created, "users/sue").status());
        group.members.push_back({rule_id, 0, Severity::kUnspecified});
      }
      ASSIGN_OR_RETURN(const RuleGroup created, RuleGroupStore().Create(tx, group));
      datasets_ = created.datasets;
      return RuleGroupStore().Activate(tx, created, "users/sam").status();
    });
    ASSERT_THAT(made, IsOk());
  }

  // A file of more pieces than are written at a time.
  void MakeGroupOfAFewMegabytes() {
    AddEnrollments(8000);
    MakeGroup("g", {EnrollmentRule("F-1", R"("row": {"expression": "fte > 0"})"),
                    EnrollmentRule("F-2", R"("row": {"expression": "fte > 0"})"),
                    EnrollmentRule("F-3", R"("row": {"expression": "fte > 0"})")});
  }

  // Asks for a report as the service does; returns the id of its job.
  std::string Ask(const std::string& group, ReportFormat format = ReportFormat::kHtml,
                  const LastYear& last_year = {}) {
    Report report{.id = ids::IdSource::Real().NewId(),
                  .title = "Title",
                  .event = "events/fall",
                  .event_title = "Fall",
                  .organization = "organizations/north",
                  .organization_display_name = "North Valley",
                  .district = "organizations/north",
                  .kind = ReportKind::kDistrictData,
                  .format = format,
                  .requester = "users/ada",
                  .rule_group = group,
                  .rule_group_version = 1,
                  .last_year = last_year};
    std::string accepted;
    const absl::Status asked = Db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      ASSIGN_OR_RETURN(report.data_versions,
                       store_.ReadVersions(tx, "DISTRICT", "north", datasets_));
      ASSIGN_OR_RETURN(accepted, jobs::Accept(tx, {.id = report.id,
                                                   .organization = report.district,
                                                   .dedupe_key = DedupeKeyOf(report)}));
      if (accepted == report.id) store_.Insert(tx, report);
      return absl::OkStatus();
    });
    EXPECT_THAT(asked, IsOk());
    return accepted;
  }

  std::unique_ptr<ClaimedJob> Claim(const std::string& id) { return ClaimJob(Db(), id); }

  // Makes a report of the data as they are, at the next version; returns its id.
  std::string RunAgain(const std::string& group = "g", ReportFormat format = ReportFormat::kHtml) {
    Sql("UPDATE dataset_read.data_version SET version = version + 1");
    return RunSame(group, format);
  }
  std::string RunSame(const std::string& group = "g", ReportFormat format = ReportFormat::kHtml) {
    std::string id = Ask(group, format);
    EXPECT_THAT(MakeRunner()->Run(*Claim(id)), IsOk());
    return id;
  }

  // The changes of the FATAL findings of a report: new, open, regressed, fixed, unknown.
  std::vector<int64_t> Changes(const std::string& id) {
    const Report report = Read(id);
    const auto& numbers = report.result->changes->at(3).numbers();
    return {numbers.begin(), numbers.end()};
  }

  // The records of a report with a change.
  std::vector<std::string> Keys(const std::string& id, FindingChange change) {
    pg::Database db = Db();
    const auto listed = findings_.List(db, id, {.changes = {change}}, 0, 1000);
    EXPECT_THAT(listed, IsOk());
    std::vector<std::string> keys;
    for (const ListedFinding& finding : *listed) keys.push_back(finding.finding.record_key);
    return keys;
  }

  // Makes these records, and no others, bad for the rule BadExit().
  void MakeBad(const std::string& keys) {
    Sql("UPDATE dataset_read.enrollment SET exit_date = NULL;"
        "UPDATE dataset_read.enrollment SET exit_date = '2025-08-10' WHERE record_key IN (" +
        keys + ")");
  }
  static v1::Rule BadExit(const std::string& code = "F-1") {
    return EnrollmentRule(code, R"("fields": ["student_uid", "exit_date"],
        "row": {"expression": "exit_date < entry_date"})");
  }

  Report Read(const std::string& id, const std::string& viewer = "") {
    pg::Database db = Db();
    const absl::StatusOr<Report> report = store_.Get(db, id, viewer);
    EXPECT_THAT(report, IsOk());
    return *report;
  }

  std::string FileOf(const std::string& id) {
    std::string file;
    pg::Database db = Db();
    EXPECT_THAT(store_.ReadFile(db, id,
                                [&](const std::string& chunk) {
                                  EXPECT_LE(chunk.size(), 65536U);
                                  file += chunk;
                                  return absl::OkStatus();
                                }),
                IsOk());
    return file;
  }

  nlohmann::json JsonOf(const std::string& id) {
    return nlohmann::json::parse(FileOf(id), nullptr, false);
  }

  // The file is what the report says of it.
  void ExpectWholeFile(const std::string& id) {
    const std::string file = FileOf(id);
    const Report report = Read(id);
    ASSERT_TRUE(report.result.has_value());
    EXPECT_EQ(static_cast<int64_t>(file.size()), report.result->size);
    Sha256 digest;
    digest.Add(file);
    EXPECT_EQ(digest.Hex(), report.result->sha256);
  }

  int64_t Count(const std::string& table) {
    pg::Database db = Db();
    const auto rows = db.RunText("SELECT count(*) AS n FROM validation." + table);
    EXPECT_THAT(rows, IsOk());
    return (*rows)[0].Int("n");
  }

  std::unique_ptr<ReportRunner> MakeRunner() {
    return std::make_unique<ReportRunner>(database_.owner_conninfo() + " user=rule_exec",
                                          100'000'000, absl::UTCTimeZone(), ids::IdSource::Real());
  }

  const std::vector<pg::Component> components_ = {jobs::Migrations(),
                                                  {"validation", sql::kMigrations}};
  edcert::testing::TestDatabase database_{"validation", components_};
  ReportStore store_;
  FindingStore findings_;
  std::vector<std::string> datasets_;
};

TEST_F(ReportWorkerTest, MakesTheFileAndTheFindings) {
  AddEnrollments(500);
  v1::Rule warning = EnrollmentRule("W-1", R"("fields": ["student_uid", "exit_date"],
      "row": {"expression": "exit_date < entry_date"})");
  warning.set_severity(type::SEVERITY_WARNING);
  MakeGroup(
      "g", {warning, EnrollmentRule("F-1", R"("row": {"expression": "student_uid = 's7'"})"),
            EnrollmentRule("F-2", R"json("row": {"expression": "1/(school_year-2026) > 0"})json")});
  const std::string id = Ask("g");
  EXPECT_EQ(Read(id).state, ReportState::kQueued);
  EXPECT_EQ(Read(id).queue_position, 1);
  const auto running = Claim(id);
  ASSERT_THAT(MakeRunner()->Run(*running), IsOk());
  EXPECT_EQ(running->progress(), 3);

  const Report report = Read(id);
  EXPECT_EQ(report.state, ReportState::kCompleted);
  ASSERT_TRUE(report.result.has_value());
  const SeverityCounts& counts = report.result->counts;
  EXPECT_EQ(counts[3].records, 1);
  EXPECT_EQ(counts[3].rules, 1);
  EXPECT_EQ(counts[3].rules_errored, 1);
  EXPECT_EQ(counts[1].records, 10);
  EXPECT_FALSE(report.result->truncated);
  EXPECT_EQ(report.data_versions.front().version, 3);
  EXPECT_EQ(report.data_versions.front().rows, 500);

  ExpectWholeFile(id);
  const std::string file = FileOf(id);
  EXPECT_THAT(file, HasSubstr("North Valley"));
  EXPECT_THAT(file, HasSubstr("school-2"));
  EXPECT_EQ(report.result->file_name.substr(report.result->file_name.size() - 5), ".html");

  pg::Database db = Db();
  const auto first = findings_.List(db, id, {}, 0, 4);
  ASSERT_THAT(first, IsOk());
  ASSERT_EQ(first->size(), 4U);
  EXPECT_EQ((*first)[0].rule_code, "F-1");
  EXPECT_EQ((*first)[1].rule_code, "W-1");
  EXPECT_EQ((*first)[1].finding.record_key, "k000050");
  EXPECT_EQ((*first)[1].finding.fields.at("exit_date"), "2025-08-10");
  const auto rest = findings_.List(db, id, {.rule = "w-1"}, (*first)[3].place, 100);
  ASSERT_THAT(rest, IsOk());
  EXPECT_EQ(rest->size(), 7U);
}

TEST_F(ReportWorkerTest, ComparesWithWhatWasCertifiedAYearAgo) {
  AddEnrollments(20);
  // Of the state's copy: the snapshot holds version 5. Another district's is not meant.
  Sql("INSERT INTO dataset_read.enrollment (copy, district_id, record_key, valid_from, valid_to,"
      " student_uid, school_id, entry_date, school_year) VALUES"
      " ('STATE', 'north', 'a', 1, 5, 's1', 'school-1', '2024-08-18', 2025),"
      " ('STATE', 'north', 'b', 1, 6, 's2', 'school-2', '2024-08-18', 2025),"
      " ('STATE', 'north', 'c', 5, 9223372036854775807, 's3', 'school-3', '2024-08-18', 2025),"
      " ('STATE', 'north', 'd', 6, 9223372036854775807, 's4', 'school-4', '2024-08-18', 2025),"
      " ('STATE', 'south', 'e', 1, 9223372036854775807, 's5', 'school-0', '2024-08-18', 2025)");
  const v1::Rule rule = EnrollmentRule("F-1", R"("reference": {
      "dataset": "datasets/last_year_enrollment", "columns": ["student_uid"],
      "other_columns": ["student_uid"], "mode": "MUST_NOT_EXIST"})");
  v1::Rule query = EnrollmentRule("F-2", R"json("query": {"sql":
      "SELECT e.record_key, l.school_year AS then FROM enrollment e JOIN last_year_enrollment l ON l.student_uid = e.student_uid"})json");
  query.add_datasets("datasets/last_year_enrollment");
  query.set_message("{student_uid} in {then}");
  MakeGroup("g", {rule, query});
  EXPECT_THAT(datasets_, ElementsAre("enrollment"));

  const LastYear last_year = {.snapshot = "snapshots/spring",
                              .district = "organizations/north",
                              .data_versions = {{"enrollment", 5, 2}}};
  const std::string id = Ask("g", ReportFormat::kHtml, last_year);
  ASSERT_THAT(MakeRunner()->Run(*Claim(id)), IsOk());
  EXPECT_EQ(Read(id).result->rules_errored(), 0);
  EXPECT_THAT(Keys(id, FindingChange::kNew),
              ElementsAre("k000002", "k000003", "k000002", "k000003"));
  ASSERT_EQ(Read(id).last_year.data_versions.size(), 1U);
  EXPECT_EQ(Read(id).last_year.data_versions.front().rows, 2);
  EXPECT_EQ(Read(id).data_versions.size(), 1U);
  EXPECT_THAT(FileOf(id), ::testing::AllOf(HasSubstr("last_year_enrollment"),
                                           HasSubstr("snapshots/spring"), HasSubstr("s2 in 2025")));

  // The same records beside another year are another run: here nothing was certified.
  const std::string without = Ask("g");
  ASSERT_THAT(MakeRunner()->Run(*Claim(without)), IsOk());
  EXPECT_THAT(Keys(without, FindingChange::kOpen), ElementsAre());
  EXPECT_THAT(Changes(without), ElementsAre(0, 0, 0, 4, 0));
  EXPECT_THAT(FileOf(without), HasSubstr("Nothing certified"));

  // A school that belonged to another district.
  LastYear elsewhere = last_year;
  elsewhere.snapshot = "snapshots/south";
  elsewhere.district = "organizations/south";
  const std::string moved = Ask("g", ReportFormat::kHtml, elsewhere);
  ASSERT_THAT(MakeRunner()->Run(*Claim(moved)), IsOk());
  EXPECT_EQ(Read(moved).last_year.data_versions.front().rows, 0);
}

TEST_F(ReportWorkerTest, CsvHasOneLineAFinding) {
  AddEnrollments(500);
  MakeGroup("g", {EnrollmentRule("F-1", R"("row": {"expression": "exit_date < entry_date"})")});
  const std::string id = Ask("g", ReportFormat::kCsv);
  ASSERT_THAT(MakeRunner()->Run(*Claim(id)), IsOk());
  const std::string file = FileOf(id);
  EXPECT_EQ(std::count(file.begin(), file.end(), '\n'), 11);
  EXPECT_THAT(Read(id).result->media_type, HasSubstr("text/csv"));
}

TEST_F(ReportWorkerTest, SchoolsHaveTheNamesOfTheTestedData) {
  AddEnrollments(500);
  // The records have school-0 alone: its name changed with version 3 of the register.
  Sql("INSERT INTO dataset_read.organization"
      " (copy, district_id, record_key, organization_id, kind, display_name, valid_from, valid_to)"
      " VALUES"
      " ('DISTRICT', 'north', 'school-0', 'school-0', 'SCHOOL', 'Old Oak', 1, 3),"
      " ('DISTRICT', 'north', 'school-0', 'school-0', 'SCHOOL', 'New Oak', 3, 9223372036854775807),"
      " ('STATE', 'north', 'school-0', 'school-0', 'SCHOOL', 'Of the state', 1,"
      "  9223372036854775807),"
      " ('DISTRICT', 'south', 'school-0', 'school-0', 'SCHOOL', 'Of another', 1,"
      "  9223372036854775807)");
  MakeGroup("g", {BadExit()});
  const nlohmann::json now = JsonOf(RunSame("g", ReportFormat::kJson));
  ASSERT_EQ(now["schools"].size(), 1U);
  EXPECT_EQ(now["schools"][0]["id"], "school-0");
  EXPECT_EQ(now["schools"][0]["display_name"], "New Oak");
  EXPECT_EQ(now["findings"][0]["school"], "school-0");
  EXPECT_EQ(now["findings"][0]["school_display_name"], "New Oak");

  // One that reads the register at version 2 calls it as that version does.
  MakeGroup("h", {BadExit("F-2"), EnrollmentRule("F-3", R"("reference": {
      "dataset": "datasets/organization", "columns": ["school_id"],
      "other_columns": ["organization_id"], "mode": "MUST_EXIST"})")});
  Sql("INSERT INTO dataset_read.data_version VALUES"
      " ('DISTRICT', 'organization', 'north', 2, now(), 1)");
  const nlohmann::json then = JsonOf(RunSame("h", ReportFormat::kJson));
  std::map<std::string, std::string> names;
  for (const nlohmann::json& school : then["schools"]) {
    names[school["id"]] = school["display_name"];
  }
  EXPECT_EQ(names["school-0"], "Old Oak");
  EXPECT_EQ(names.at("school-1"), "") << "nobody knows it";
}

TEST_F(ReportWorkerTest, TheFileSaysWhatBecameOfFindings) {
  AddEnrollments(10);
  MakeGroup("g", {BadExit()});
  MakeBad("'k000001', 'k000002'");
  const nlohmann::json first = JsonOf(RunAgain("g", ReportFormat::kJson));
  EXPECT_EQ(first["previous_report"], "");
  EXPECT_EQ(first["findings"][0]["change"], "") << "there was nothing to compare with";
  EXPECT_TRUE(first["rules"][0]["new_findings"].is_null());
  EXPECT_TRUE(first["rules"][0]["fixed_findings"].is_null());
  MakeBad("'k000002'");
  const std::string second = RunAgain();
  MakeBad("'k000001', 'k000003', 'k000004'");
  const std::string json = RunAgain("g", ReportFormat::kJson);
  const nlohmann::json third = JsonOf(json);
  EXPECT_EQ(third["previous_report"], "reports/" + second);
  EXPECT_EQ(third["previous_ended_at"],
            absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", *Read(second).end_time, absl::UTCTimeZone()));
  std::map<std::string, std::string> changes;
  for (const nlohmann::json& finding : third["findings"]) {
    changes[finding["record_key"]] = finding["change"];
  }
  EXPECT_THAT(changes, ElementsAre(Pair("k000001", "REGRESSED"), Pair("k000003", "NEW"),
                                   Pair("k000004", "NEW")));
  for (const nlohmann::json& each : {third["rules"][0], third["severities"][0]}) {
    EXPECT_EQ(each["new_findings"], 2);
    EXPECT_EQ(each["regressed_findings"], 1);
    EXPECT_EQ(each["fixed_findings"], 1);
  }
  EXPECT_EQ(third["severities"][0]["records"], 3);
  EXPECT_EQ(third["severities"][2]["records"], 0);
  // In a page and in CSV too.
  EXPECT_THAT(
      FileOf(RunSame()),
      ::testing::AllOf(HasSubstr("2 new, 1 came back, 1 fixed"), HasSubstr(">Came back</span>"),
                       HasSubstr("reports/" + second + ", which ended")));
  EXPECT_THAT(FileOf(RunSame("g", ReportFormat::kCsv)),
              ::testing::AllOf(HasSubstr(",REGRESSED,,FINDING,1,"),
                               HasSubstr(",reports/" + second + "\r\n")));
}

TEST_F(ReportWorkerTest, RecordsAreCountedOnceAndOnlyWhenAllAreListed) {
  AddEnrollments(12'000);
  v1::Rule warning = EnrollmentRule("W-1", R"("row": {"expression": "fte > 0"})");
  warning.set_severity(type::SEVERITY_WARNING);
  MakeGroup("g",
            {BadExit(), EnrollmentRule("F-2", R"("row": {"expression": "exit_date IS NOT NULL"})"),
             warning});
  MakeBad("'k000001', 'k000002'");
  const std::string id = RunAgain("g", ReportFormat::kJson);
  const nlohmann::json report = JsonOf(id);
  EXPECT_EQ(report["severities"][0]["findings"], 4);
  EXPECT_EQ(report["severities"][0]["records"], 2);
  EXPECT_EQ(report["severities"][2]["findings"], 12'000);
  EXPECT_TRUE(report["severities"][2]["records"].is_null());
  // In CSV, what is not listed leaves a row.
  EXPECT_THAT(FileOf(RunSame("g", ReportFormat::kCsv)), HasSubstr(",NOT_LISTED,2000,"));
}

TEST_F(ReportWorkerTest, ARuleThatCouldNotRunLeavesARowInCsv) {
  AddEnrollments(10);
  MakeGroup(
      "g", {EnrollmentRule("F-1", R"json("row": {"expression": "1/(school_year-2026) > 0"})json")});
  for (const ReportFormat format : {ReportFormat::kCsv, ReportFormat::kCsvExact}) {
    const std::string file = FileOf(RunSame("g", format));
    EXPECT_EQ(std::count(file.begin(), file.end(), '\n'), 2);
    EXPECT_THAT(file, ::testing::AllOf(HasSubstr("\r\nF-1,FATAL,enrollment,,,"),
                                       HasSubstr("because it is FATAL it stops you"),
                                       HasSubstr(",NOT_RUN,,,3,reports/")));
  }
}

TEST_F(ReportWorkerTest, EveryWaiverInForceIsListed) {
  AddEnrollments(10);
  MakeGroup("g", {BadExit()});
  MakeBad("'k000001', 'k000002'");
  const std::string first = RunAgain();
  // Of the first two findings, of the second alone, longer, and of one that is gone by then.
  const auto waive = [&](const std::string& days, const std::string& reason,
                         const std::string& keys) {
    Sql(fmt::format(
        "WITH w AS (INSERT INTO validation.waiver SELECT gen_random_uuid(), r.event, "
        "'categories/c',"
        " r.organization, r.report_id, 'f-1', 'F-1', sha256('{1}'), 1, '{1}',"
        " current_date + {0}, now() + {0} * interval '1 day', 'users/ava', now(), 'users/ben', "
        "now()"
        " FROM validation.report r WHERE r.report_id = '{2}' RETURNING waiver_id)"
        " INSERT INTO validation.waived_finding SELECT r.organization, r.event, f.fingerprint,"
        " w.waiver_id FROM w, validation.report r JOIN validation.finding f USING (report_id)"
        " WHERE r.report_id = '{2}' AND f.record_key IN ({3})",
        days, reason, first, keys));
  };
  waive("7", "both", "'k000001', 'k000002'");
  waive("9", "longer", "'k000002'");
  waive("5", "gone", "'k000001'");
  MakeBad("'k000002', 'k000003'");
  const nlohmann::json report = JsonOf(RunAgain("g", ReportFormat::kJson));
  std::map<std::string, int> waivers;
  std::map<std::string, std::string> until;
  for (const nlohmann::json& waiver : report["waivers"]) {
    waivers[waiver["reason"]] = waiver["findings"];
    until[waiver["reason"]] = waiver["until"];
  }
  EXPECT_THAT(waivers, ElementsAre(Pair("both", 1), Pair("gone", 0), Pair("longer", 1)));
  EXPECT_EQ(report["rules"][0]["waived"], 1) << "two waivers of a finding";
  EXPECT_EQ(report["severities"][0]["findings"], 1);
  EXPECT_EQ(report["severities"][0]["records"], 1);
  EXPECT_EQ(report["findings"][0]["record_key"], "k000002");
  EXPECT_EQ(report["findings"][0]["waived_until"], until["longer"]);
  EXPECT_EQ(report["findings"][1]["waived_until"], "");
  EXPECT_THAT(FileOf(RunSame()), HasSubstr("gone <span class=\"sub\">matches no finding"));
  EXPECT_THAT(FileOf(RunSame("g", ReportFormat::kCsv)),
              ::testing::AllOf(HasSubstr("," + until["longer"] + ",FINDING,1,"),
                               HasSubstr("Its reason: gone\",,,," + until["gone"] + ",WAIVER,0,"),
                               Not(HasSubstr("Its reason: both"))));
}

TEST_F(ReportWorkerTest, EveryFormatIsMade) {
  AddEnrollments(500);
  MakeGroup("g", {EnrollmentRule("F-1", R"("row": {"expression": "exit_date < entry_date"})")});
  const auto runner = MakeRunner();
  const std::map<ReportFormat, std::pair<std::string, std::string>> expected = {
      {ReportFormat::kHtml, {"<!DOCTYPE html>", ".html"}},
      {ReportFormat::kCsv, {"rule_code,", ".csv"}},
      {ReportFormat::kPdf, {"%PDF-", ".pdf"}},
      {ReportFormat::kXlsx, {"PK", ".xlsx"}},
      {ReportFormat::kJson, {"{\n\"schema\": \"edcert.report/2\"", ".json"}},
      {ReportFormat::kCsvExact, {"rule_code,", ".csv"}}};
  for (const auto& [format, look] : expected) {
    const std::string id = Ask("g", format);
    ASSERT_THAT(runner->Run(*Claim(id)), IsOk());
    const Report report = Read(id);
    EXPECT_EQ(report.format, format);
    EXPECT_THAT(FileOf(id), ::testing::StartsWith(look.first));
    EXPECT_THAT(report.result->file_name, ::testing::EndsWith(look.second));
  }
}

TEST_F(ReportWorkerTest, TheFileIsStoredAsItGrowsAndSeenAtTheEnd) {
  MakeGroupOfAFewMegabytes();
  const std::string id = Ask("g");
  const auto running = Claim(id);
  int64_t stored = 0;
  running->before_complete = [&] {
    stored = Count("report_artifact");
    EXPECT_EQ(FileOf(id), "");
    EXPECT_FALSE(Read(id).result.has_value());
  };
  ASSERT_THAT(MakeRunner()->Run(*running), IsOk());
  EXPECT_GE(stored, 32);
  EXPECT_EQ(Count("report_artifact"), (Read(id).result->size + 65535) / 65536);
  ExpectWholeFile(id);
}

TEST_F(ReportWorkerTest, AnAttemptThatIsLostInMidFileLeavesNothing) {
  MakeGroupOfAFewMegabytes();
  const std::string id = Ask("g");
  const auto stale = Claim(id);
  std::unique_ptr<ClaimedJob> current;
  stale->before_write = [&](int write) {
    if (write != 4) return;
    Sql("UPDATE validation.job SET lease_until = clock_timestamp() - interval '1 s'");
    current = Claim(id);
  };
  EXPECT_EQ(MakeRunner()->Run(*stale).code(), absl::StatusCode::kCancelled);
  // The first write said that the report runs, the second and third were pieces of the file.
  EXPECT_EQ(Count("report_artifact"), 32);
  EXPECT_EQ(FileOf(id), "");
  // The next attempt begins by removing them.
  current->before_write = [&](int write) {
    if (write == 2) {
      EXPECT_EQ(Count("report_artifact"), 0);
    }
  };
  ASSERT_THAT(MakeRunner()->Run(*current), IsOk());
  ExpectWholeFile(id);
}

TEST_F(ReportWorkerTest, AFailedReportKeepsNoFile) {
  MakeGroupOfAFewMegabytes();
  const std::string id = Ask("g");
  const auto running = Claim(id);
  const auto runner = MakeRunner();
  running->before_complete = [&] {
    ASSERT_GT(Count("report_artifact"), 0);
    // As the parent of the workers does with a job that crashed too often.
    ASSERT_THAT(Db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      const jobs::Job& job = running->job();
      RETURN_IF_ERROR(jobs::Fail(tx, job.id, job.attempt, "test").status());
      return runner->Failed(tx, job);
    }),
                IsOk());
  };
  EXPECT_EQ(runner->Run(*running).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Count("report_artifact"), 0);
}

TEST_F(ReportWorkerTest, ARunWhoseRecordsWerePurgedMakesNoReport) {
  AddEnrollments(10);
  MakeGroup("g", {EnrollmentRule("F-1", R"("row": {"expression": "student_uid = 's7'"})")});
  Sql("UPDATE dataset_read.data_version SET version = 5");
  const std::string kept = Ask("g");
  EXPECT_THAT(MakeRunner()->Run(*Claim(kept)), IsOk());
  Sql("UPDATE dataset_read.data_version SET version = 6");
  const std::string late = Ask("g");
  Sql("UPDATE dataset_read.data_version SET version = 9;"
      "INSERT INTO dataset_read.purged VALUES (7)");
  EXPECT_THAT(MakeRunner()->Run(*Claim(late)), HasReason("VERSION_PURGED"));
  EXPECT_FALSE(Read(late).result.has_value());
  // What was made stays what it is.
  ExpectWholeFile(kept);
}

TEST_F(ReportWorkerTest, EqualReportThatWaitsIsTheSame) {
  MakeGroup("g", {EnrollmentRule("F-1", R"("row": {"expression": "exit_date < entry_date"})")});
  const std::string id = Ask("g");
  EXPECT_EQ(Ask("g"), id);
  EXPECT_NE(Ask("g", ReportFormat::kCsv), id);
  const auto running = Claim(id);
  EXPECT_EQ(Ask("g"), id);
  // Other versions make another report; so does the end of the first.
  Sql("UPDATE dataset_read.data_version SET version = 4");
  EXPECT_NE(Ask("g"), id);
  Sql("UPDATE dataset_read.data_version SET version = 3");
  ASSERT_THAT(MakeRunner()->Run(*running), IsOk());
  EXPECT_NE(Ask("g"), id);
}

TEST_F(ReportWorkerTest, StaleAttemptPublishesNothing) {
  AddEnrollments(100);
  MakeGroup("g", {EnrollmentRule("F-1", R"("row": {"expression": "exit_date < entry_date"})")});
  const std::string id = Ask("g");
  const auto stale = Claim(id);
  std::unique_ptr<ClaimedJob> current;
  stale->before_complete = [&] {
    Sql("UPDATE validation.job SET lease_until = clock_timestamp() - interval '1 s'");
    current = Claim(id);
  };
  EXPECT_EQ(MakeRunner()->Run(*stale).code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(Read(id).result.has_value());
  EXPECT_EQ(FileOf(id), "");
  EXPECT_EQ(current->job().attempt, 2);
  ASSERT_THAT(MakeRunner()->Run(*current), IsOk());
  EXPECT_EQ(Read(id).state, ReportState::kCompleted);
  EXPECT_NE(FileOf(id), "");
}

TEST_F(ReportWorkerTest, CancelledReportIsNotCompleted) {
  MakeGroup("g", {EnrollmentRule("F-1", R"("row": {"expression": "exit_date < entry_date"})")});
  const std::string id = Ask("g");
  const auto running = Claim(id);
  running->before_complete = [&] {
    ASSERT_THAT(
        Db().RunInTransaction([&](pg::Transaction& tx) { return jobs::Cancel(tx, id).status(); }),
        IsOk());
  };
  EXPECT_EQ(MakeRunner()->Run(*running).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Read(id).state, ReportState::kCancelled);
  EXPECT_FALSE(Read(id).result.has_value());
}

TEST_F(ReportWorkerTest, ViewsArePerUserAndKeepTheFirstTime) {
  MakeGroup("g", {EnrollmentRule("F-1", R"("row": {"expression": "exit_date < entry_date"})")});
  const std::string id = Ask("g");
  pg::Database db = Db();
  ASSERT_THAT(store_.RecordView(db, id, "users/ada"), IsOk());
  const auto first = Read(id, "users/ada").viewed_at;
  ASSERT_TRUE(first.has_value());
  ASSERT_THAT(store_.RecordView(db, id, "users/ada"), IsOk());
  EXPECT_EQ(Read(id, "users/ada").viewed_at, first);
  EXPECT_FALSE(Read(id, "users/bob").viewed_at.has_value());
}

TEST_F(ReportWorkerTest, ListIsNewestFirstAndScoped) {
  MakeGroup("g", {EnrollmentRule("F-1", R"("row": {"expression": "exit_date < entry_date"})")});
  const std::string older = Ask("g");
  const std::string newer = Ask("g", ReportFormat::kCsv);
  pg::Database db = Db();
  const auto ids = [&](const ReportFilter& filter, const Report* after, int limit) {
    std::optional<absl::Time> after_time;
    if (after != nullptr) after_time = after->create_time;
    const auto reports =
        store_.List(db, filter, "", after_time, after == nullptr ? "" : after->id, limit);
    EXPECT_THAT(reports, IsOk());
    std::vector<std::string> names;
    for (const Report& report : *reports) names.push_back(report.id);
    return names;
  };
  const ReportScope all{.every_organization = true, .every_event = true};
  EXPECT_THAT(ids({.scope = all}, nullptr, 10), ::testing::ElementsAre(newer, older));
  const Report first = Read(newer);
  EXPECT_THAT(ids({.scope = all}, &first, 10), ::testing::ElementsAre(older));
  ReportScope some{.organizations = {"organizations/north"}, .every_event = true};
  EXPECT_THAT(ids({.scope = some}, nullptr, 10), ::testing::SizeIs(2));
  some.every_event = false;
  EXPECT_THAT(ids({.scope = some}, nullptr, 10), ::testing::IsEmpty());
  some.events = {"events/other", first.event};
  EXPECT_THAT(ids({.scope = some}, nullptr, 10), ::testing::SizeIs(2));
  some.organizations = {"organizations/south"};
  EXPECT_THAT(ids({.scope = some}, nullptr, 10), ::testing::IsEmpty());
  some.districts = {"organizations/north"};
  EXPECT_THAT(ids({.scope = some}, nullptr, 10), ::testing::SizeIs(2));
  EXPECT_THAT(ids({.scope = all, .states = {ReportState::kRunning}}, nullptr, 10),
              ::testing::IsEmpty());
}

TEST_F(ReportWorkerTest, FindingsKeepTheirIdentityFromRunToRun) {
  AddEnrollments(10);
  MakeGroup("g", {BadExit()});
  MakeBad("'k000001', 'k000002'");
  const std::string first = RunAgain();
  EXPECT_THAT(Changes(first), ElementsAre(2, 0, 0, 0, 0));
  EXPECT_EQ(Read(first).previous_report, "");

  MakeBad("'k000002', 'k000003'");
  const std::string second = RunAgain();
  EXPECT_EQ(Read(second).previous_report, first);
  EXPECT_THAT(Changes(second), ElementsAre(1, 1, 0, 1, 0));
  EXPECT_THAT(Keys(second, FindingChange::kNew), ElementsAre("k000003"));
  EXPECT_THAT(Keys(second, FindingChange::kOpen), ElementsAre("k000002"));
  EXPECT_THAT(Keys(second, FindingChange::kFixed), ElementsAre("k000001"));
  pg::Database db = Db();
  const auto fixed = findings_.List(db, second, {.changes = {FindingChange::kFixed}}, 0, 10);
  EXPECT_EQ(fixed->front().finding.fields.at("exit_date"), "2025-08-10");
  EXPECT_EQ(fixed->front().rule_code, "F-1");
  EXPECT_LT(*fixed->front().last_seen, *Read(second).end_time);
  EXPECT_EQ(fixed->front().first_seen, fixed->front().last_seen);

  // What is not asked for is not listed: FIXED is no finding of the report.
  const auto all = findings_.List(db, second, {}, 0, 10);
  ASSERT_EQ(all->size(), 2U);
  EXPECT_LT(*all->front().first_seen, *all->back().first_seen);

  MakeBad("'k000001', 'k000003'");
  const std::string third = RunAgain();
  EXPECT_THAT(Changes(third), ElementsAre(0, 1, 1, 1, 0));
  EXPECT_THAT(Keys(third, FindingChange::kRegressed), ElementsAre("k000001"));
  EXPECT_THAT(Keys(third, FindingChange::kFixed), ElementsAre("k000002"));
  // An older report says what it said.
  EXPECT_THAT(Keys(second, FindingChange::kFixed), ElementsAre("k000001"));

  const std::string fourth = RunAgain();
  EXPECT_THAT(Changes(fourth), ElementsAre(0, 2, 0, 0, 0));
  const std::string tag = R"(<span class="new">)";
  EXPECT_THAT(FileOf(first), Not(HasSubstr(tag)));
  EXPECT_THAT(FileOf(second), HasSubstr(tag));
  EXPECT_THAT(FileOf(fourth), Not(HasSubstr(tag)));
}

TEST_F(ReportWorkerTest, RunAtTheSameVersionsSaysTheSame) {
  AddEnrollments(10);
  MakeGroup("g", {BadExit()});
  MakeBad("'k000001', 'k000002', 'k000004'");
  RunAgain();
  MakeBad("'k000002', 'k000004'");
  RunAgain();
  MakeBad("'k000001', 'k000002', 'k000003'");
  const std::string once = RunAgain();
  EXPECT_THAT(Changes(once), ElementsAre(1, 1, 1, 1, 0));
  const std::string twice = RunSame("g", ReportFormat::kCsv);
  EXPECT_THAT(Changes(twice), ElementsAre(1, 1, 1, 1, 0));
  EXPECT_EQ(Read(twice).previous_report, Read(once).previous_report);
  for (const FindingChange change : {FindingChange::kNew, FindingChange::kOpen,
                                     FindingChange::kRegressed, FindingChange::kFixed}) {
    EXPECT_EQ(Keys(twice, change), Keys(once, change));
  }
  EXPECT_THAT(Changes(RunAgain()), ElementsAre(0, 3, 0, 0, 0));
}

TEST_F(ReportWorkerTest, EqualRunsThatEndTogetherAreOneOfTheChain) {
  AddEnrollments(10);
  MakeGroup("g", {BadExit()});
  MakeBad("'k000001'");
  RunAgain();
  MakeBad("'k000002'");
  Sql("UPDATE dataset_read.data_version SET version = version + 1");
  const std::string html = Ask("g");
  const std::string csv = Ask("g", ReportFormat::kCsv);
  const auto running = Claim(html);
  running->before_complete = [&] { EXPECT_THAT(MakeRunner()->Run(*Claim(csv)), IsOk()); };
  ASSERT_THAT(MakeRunner()->Run(*running), IsOk());
  for (const std::string& id : {html, csv}) {
    EXPECT_THAT(Changes(id), ElementsAre(1, 0, 0, 1, 0));
    EXPECT_THAT(Keys(id, FindingChange::kFixed), ElementsAre("k000001"));
  }
  EXPECT_THAT(Changes(RunAgain()), ElementsAre(0, 1, 0, 0, 0));
}

TEST_F(ReportWorkerTest, RunThatWasOvertakenIsMadeAgain) {
  AddEnrollments(10);
  MakeGroup("g", {BadExit()});
  MakeBad("'k000001'");
  RunAgain();
  Sql("UPDATE dataset_read.data_version SET version = version + 1");
  const std::string slow = Ask("g");
  MakeBad("'k000002'");
  const auto running = Claim(slow);
  running->before_complete = [&] { RunAgain(); };
  EXPECT_EQ(MakeRunner()->Run(*running).code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(Read(slow).result.has_value());
  // By now it reads older data than the last: nobody can say what is new in it.
  running->before_complete = nullptr;
  ASSERT_THAT(MakeRunner()->Run(*running), IsOk());
  EXPECT_THAT(Changes(slow), ElementsAre(0, 0, 0, 0, 1));
  EXPECT_EQ(Read(slow).previous_report, "");
  EXPECT_THAT(Changes(RunAgain()), ElementsAre(0, 1, 0, 0, 0));
}

TEST_F(ReportWorkerTest, RuleThatCouldNotBeRunFixesNothing) {
  AddEnrollments(10);
  v1::Rule rule = BadExit();
  rule.mutable_row()->set_expression("exit_date < entry_date AND 1 / (school_year - 2025) > 0");
  MakeGroup("g", {rule});
  MakeBad("'k000001', 'k000002'");
  RunAgain();
  Sql("UPDATE dataset_read.enrollment SET school_year = 2025");
  const std::string failed = RunAgain();
  EXPECT_EQ(Read(failed).result->rules_errored(), 1);
  EXPECT_THAT(Changes(failed), ElementsAre(0, 0, 0, 0, 0));
  Sql("UPDATE dataset_read.enrollment SET school_year = 2026");
  MakeBad("'k000002', 'k000003'");
  const std::string after = RunSame();
  EXPECT_EQ(Read(after).previous_report, failed);
  EXPECT_THAT(Changes(after), ElementsAre(1, 1, 0, 1, 0));
}

// The cap of a report with many rules is small enough to reach it.
TEST_F(ReportWorkerTest, NothingIsNewOrFixedThatMayHaveBeenCutOff) {
  AddEnrollments(12'000);
  MakeGroup("g", {BadExit()});
  const auto make_bad = [&](int from, int to) {
    Sql(
        fmt::format("UPDATE dataset_read.enrollment SET exit_date = CASE WHEN record_key BETWEEN"
                    " 'k{:06}' AND 'k{:06}' THEN date '2025-08-10' END",
                    from, to));
  };
  make_bad(1, 11'000);
  const std::string cut = RunAgain();
  EXPECT_TRUE(Read(cut).result->truncated);
  EXPECT_THAT(Changes(cut), ElementsAre(10'000, 0, 0, 0, 1'000));
  // Of the first 501 that are gone nobody knows it yet: the stored ones may be others. The last 501
  // may have been there.
  make_bad(502, 11'000);
  const std::string again = RunAgain();
  EXPECT_TRUE(Read(again).result->truncated);
  EXPECT_THAT(Changes(again), ElementsAre(0, 9'499, 0, 0, 1'000));
  EXPECT_THAT(Keys(again, FindingChange::kFixed), ::testing::IsEmpty());
  EXPECT_EQ(Keys(again, FindingChange::kUnknown).size(), 501U);
  // Now all is stored, and judged: of those that stood 501 + 9,000 are gone.
  make_bad(9'502, 10'600);
  const std::string whole = RunAgain();
  EXPECT_FALSE(Read(whole).result->truncated);
  EXPECT_THAT(Changes(whole), ElementsAre(0, 1'000, 0, 9'501, 99));
  EXPECT_EQ(Keys(whole, FindingChange::kUnknown).front(), "k010502");
  make_bad(9'502, 10'601);
  EXPECT_THAT(Changes(RunAgain()), ElementsAre(1, 1'099, 0, 0, 0));
}

TEST_F(ReportWorkerTest, ChainsAreByOrganisationKindAndGroup) {
  AddEnrollments(10);
  MakeGroup("g", {BadExit()});
  MakeGroup("h", {BadExit("F-2")});
  MakeBad("'k000001'");
  RunAgain("g");
  EXPECT_THAT(Changes(RunSame("h")), ElementsAre(1, 0, 0, 0, 0));
  EXPECT_THAT(Changes(RunAgain("g")), ElementsAre(0, 1, 0, 0, 0));
}

TEST_F(ReportWorkerTest, FindingsAreGroupedByCause) {
  AddEnrollments(10);
  MakeGroup("g", {BadExit()});
  MakeBad("'k000001', 'k000002', 'k000003', 'k000004'");
  const std::string id = RunAgain();
  pg::Database db = Db();
  const auto groups = findings_.ListGroups(db, id, {}, 0, 10);
  ASSERT_THAT(groups, IsOk());
  ASSERT_EQ(groups->size(), 1U);
  EXPECT_THAT(groups->front().group.cause,
              ::testing::ElementsAre(::testing::Pair("exit_date", "2025-08-10")));
  EXPECT_EQ(groups->front().group.size, 4);
  EXPECT_EQ(groups->front().group.changes[FindingChange::kNew], 4);
  const auto of_group = findings_.List(db, id, {.group = groups->front().group.id}, 0, 10);
  ASSERT_EQ(of_group->size(), 4U);
  EXPECT_EQ(of_group->front().group, groups->front().group.id);
  EXPECT_EQ(of_group->front().group_size, 4);
  EXPECT_THAT(*findings_.List(db, id, {.group = std::string(32, '0')}, 0, 10),
              ::testing::IsEmpty());
  EXPECT_THAT(*findings_.ListGroups(db, id, {.severity = Severity::kInfo}, 0, 10),
              ::testing::IsEmpty());
  // The same group in the next run, though it shrank.
  MakeBad("'k000001', 'k000003', 'k000005'");
  const auto next = findings_.ListGroups(db, RunAgain(), {.rule = "f-1"}, 0, 10);
  EXPECT_EQ(next->front().group.changes[FindingChange::kNew], 1);
}

TEST_F(ReportWorkerTest, FilesExpireThatNoCertificationCanName) {
  AddEnrollments(10);
  MakeGroup("g", {BadExit()});
  MakeBad("'k000001'");
  const std::string old = RunAgain();
  const std::string newest = RunAgain();
  const std::string equal = RunSame("g", ReportFormat::kCsv);
  const auto expire = [&](absl::Time before) {
    return *ExpireArtifacts(Db(), ids::IdSource::Real(), before);
  };
  EXPECT_EQ(expire(*Read(old).end_time), 0) << "it is not old enough";
  EXPECT_EQ(expire(Now() + absl::Hours(1)), 1);
  EXPECT_EQ(expire(Now() + absl::Hours(1)), 0);
  EXPECT_EQ(Read(old).state, ReportState::kExpired);
  EXPECT_EQ(FileOf(old), "");
  EXPECT_THAT(Changes(old), ElementsAre(1, 0, 0, 0, 0)) << "all else stays";
  for (const std::string& id : {newest, equal}) {
    EXPECT_EQ(Read(id).state, ReportState::kCompleted);
    EXPECT_NE(FileOf(id), "");
  }
  // What was found in it is told as ever.
  MakeBad("'k000002'");
  EXPECT_THAT(Keys(RunAgain(), FindingChange::kFixed), ElementsAre("k000001"));
}

TEST_F(ReportWorkerTest, SnapshotsOfEventsKeepTheirReports) {
  AddEnrollments(10);
  MakeGroup("g", {BadExit()});
  const std::string signed_one = RunAgain();
  Sql("UPDATE validation.report SET kind = 'SNAPSHOT', snapshot = 'snapshots/s'");
  RunAgain();
  Sql("UPDATE validation.report SET kind = 'SNAPSHOT', snapshot = 'snapshots/t'"
      " WHERE kind <> 'SNAPSHOT'");
  EXPECT_EQ(*ExpireArtifacts(Db(), ids::IdSource::Real(), Now() + absl::Hours(1)), 0);
  EXPECT_NE(FileOf(signed_one), "");
  Sql("UPDATE validation.report SET event = ''");
  EXPECT_EQ(*ExpireArtifacts(Db(), ids::IdSource::Real(), Now() + absl::Hours(1)), 2);
}

// The rules of the product over 5,000 records; the time is printed, and bounded generously.
TEST_F(ReportWorkerTest, IsQuick) {
  AddEnrollments(5000);
  std::vector<v1::Rule> rules = ProductRules();
  std::erase_if(rules, [](const v1::Rule& rule) { return !rule.code().starts_with("ENR-"); });
  rules.resize(std::min<std::size_t>(rules.size(), 20));
  MakeGroup("g", rules);
  const auto runner = MakeRunner();
  std::vector<absl::Duration> times;
  int64_t findings = 0;
  for (int i = 0; i < 15; ++i) {
    const absl::Time start = Now();
    const std::string id = Ask("g");
    ASSERT_THAT(runner->Run(*Claim(id)), IsOk());
    times.push_back(Now() - start);
    const Report report = Read(id);
    EXPECT_EQ(report.result->rules_errored(), 0);
    findings = 0;
    for (const SeverityCount& count : report.result->counts) findings += count.records;
  }
  std::sort(times.begin(), times.end());
  std::printf("5,000 records, %d rules, %d findings: median %s, worst %s\n",
              static_cast<int>(rules.size()), static_cast<int>(findings),
              absl::FormatDuration(times[7]).c_str(), absl::FormatDuration(times.back()).c_str());
  EXPECT_LT(times[7], absl::Seconds(2));
}

// Continuous validation.
class BackgroundTest : public ReportWorkerTest {
 protected:
  static constexpr absl::Duration kHour = absl::Hours(1);

  // Dataset told that records of north changed.
  void Change(const std::string& dataset = "enrollment",
              absl::Duration delay = absl::ZeroDuration(),
              const std::string& type = "records_changed") {
    type::Change change;
    change.set_subject("organizations/north");
    change.set_type(type);
    (*change.mutable_attributes())["dataset"] = "datasets/" + dataset;
    (*change.mutable_attributes())["copy"] = "DISTRICT";
    EXPECT_THAT(Db().RunInTransaction(
                    [&](pg::Transaction& tx) { return ApplyDatasetChange(tx, change, delay); }),
                IsOk());
  }

  DueRuns AcceptDue() {
    const absl::StatusOr<DueRuns> due = AcceptDueRuns(Db(), ids::IdSource::Real(), kHour);
    EXPECT_THAT(due, IsOk());
    return due.value_or(DueRuns{});
  }

  // The one job that is due now.
  std::string AcceptOne() {
    const DueRuns due = AcceptDue();
    EXPECT_EQ(due.accepted.size(), 1U);
    return due.accepted.empty() ? "" : due.accepted.front().id;
  }

  std::optional<BackgroundCounts> Counts(const std::string& group = "g",
                                         const std::string& organization = "organizations/north") {
    pg::Database db = Db();
    const auto run = background_.Get(db, {.rule_group = group, .organization = organization});
    EXPECT_THAT(run, IsOk());
    return run->counts;
  }

  // In how many seconds a run is due; nothing when it is not.
  std::optional<int64_t> DueIn() {
    pg::Database db = Db();
    const auto rows = db.RunText(
        "SELECT extract(epoch FROM due_at - clock_timestamp())::bigint AS due"
        " FROM validation.background_run");
    EXPECT_THAT(rows, IsOk());
    if (!(*rows)[0].Has("due")) return std::nullopt;
    return (*rows)[0].Int("due");
  }

  // Compares what was not compared since an instant; returns how many runs.
  int Tell(absl::Time day_began = Now() - kHour) {
    const absl::StatusOr<int> compared = TellNewFatal(Db(), ids::IdSource::Real(), day_began);
    EXPECT_THAT(compared, IsOk());
    return compared.value_or(-1);
  }
  int TellTomorrow() { return Tell(Now() + kHour); }
  std::vector<type::Change> Told() {
    const absl::StatusOr<feed::Page> page = feed::List(Db(), 0, 100);
    EXPECT_THAT(page, IsOk());
    std::vector<type::Change> told = page->changes;
    std::erase_if(told, [](const type::Change& change) {
      return change.type() != "fatal_findings_appeared";
    });
    return told;
  }

  static v1::Rule Unique(const std::string& code, const std::string& column) {
    return EnrollmentRule(code, R"("unique": {"columns": [")" + column + R"("]})");
  }

  BackgroundStore background_;
};

TEST_F(BackgroundTest, CountsWhatChangedAndMakesNoReport) {
  AddEnrollments(500);
  v1::Rule warning = BadExit("W-1");
  warning.set_severity(type::SEVERITY_WARNING);
  const v1::Rule last_year = EnrollmentRule("F-9", R"("reference": {
      "dataset": "datasets/last_year_enrollment", "columns": ["student_uid"],
      "other_columns": ["student_uid"], "mode": "MUST_EXIST"})");
  MakeGroup("g",
            {warning, EnrollmentRule("F-1", R"("row": {"expression": "student_uid = 's7'"})"),
             EnrollmentRule("F-2", R"json("row": {"expression": "1/(school_year-2026) > 0"})json"),
             last_year});
  EXPECT_EQ(AcceptDue().taken, 0);
  Change("attendance_summary");
  Change("enrollment", absl::ZeroDuration(), "columns_added");
  EXPECT_EQ(AcceptDue().taken, 0) << "what no rule of the group reads";
  EXPECT_FALSE(Counts().has_value());

  Change();
  const DueRuns due = AcceptDue();
  ASSERT_EQ(due.accepted.size(), 1U);
  EXPECT_EQ(due.accepted.front().priority, jobs::Priority::kBackground);
  EXPECT_EQ(due.accepted.front().organization, "organizations/north");
  EXPECT_EQ(due.accepted.front().cost, 5001);
  const std::string& id = due.accepted.front().id;
  ASSERT_THAT(MakeRunner()->Run(*Claim(id)), IsOk());

  const auto counts = Counts();
  ASSERT_TRUE(counts.has_value());
  EXPECT_EQ(counts->rule_group_version, 1);
  EXPECT_EQ(counts->left_out, 1);
  ASSERT_EQ(counts->data_versions.size(), 1U);
  EXPECT_EQ(counts->data_versions.front().version, 3);
  EXPECT_EQ(counts->data_versions.front().rows, 500);
  ASSERT_EQ(counts->rules.size(), 3U);
  EXPECT_EQ(counts->rules[0].code, "F-1");
  EXPECT_EQ(counts->rules[0].result.findings, 1);
  EXPECT_EQ(counts->rules[1].result.outcome, Outcome::kError);
  EXPECT_THAT(counts->rules[1].result.error, HasSubstr("divided by zero"));
  EXPECT_EQ(counts->rules[2].code, "W-1");
  EXPECT_EQ(counts->rules[2].severity, Severity::kWarning);
  EXPECT_EQ(counts->rules[2].result.findings, 10);
  for (const std::string table : {"report", "report_artifact", "report_rule", "finding",
                                  "finding_chain", "known_finding", "change"}) {
    EXPECT_EQ(Count(table), 0) << table;
  }
  EXPECT_EQ(AcceptDue().taken, 0);
}

TEST_F(BackgroundTest, CountsAgainOnlyWhatIsNotCounted) {
  AddEnrollments(100);
  MakeGroup("g", {BadExit()});
  Change();
  ASSERT_THAT(MakeRunner()->Run(*Claim(AcceptOne())), IsOk());
  // It was told late: the run read these records already.
  Change();
  DueRuns due = AcceptDue();
  EXPECT_EQ(due.taken, 1);
  EXPECT_TRUE(due.accepted.empty());
  EXPECT_EQ(DueIn(), std::nullopt);

  MakeBad("'k000001'");
  Sql("UPDATE dataset_read.data_version SET version = 4");
  Change();
  const std::string second = AcceptOne();
  EXPECT_EQ(Count("job"), 1) << "the job before says nothing any more";
  // While it waits, and while it runs, nobody else counts. What changes meanwhile is looked at
  // later.
  const auto running = Claim(second);
  Change();
  EXPECT_TRUE(AcceptDue().accepted.empty());
  EXPECT_GT(DueIn().value_or(0), 3500);
  ASSERT_THAT(MakeRunner()->Run(*running), IsOk());
  EXPECT_EQ(Counts()->rules.front().result.findings, 1);
  EXPECT_EQ(Counts()->data_versions.front().version, 4);
  EXPECT_GT(DueIn().value_or(0), 3500) << "forgotten by the run that may not have seen it";
}

TEST_F(BackgroundTest, CountsAGroupForSchoolsAtEachSchool) {
  AddEnrollments(500);
  MakeGroup("g", {BadExit(), Unique("F-2", "school_id")});
  Sql("UPDATE validation.rule_group SET level = 'SCHOOL';"
      "INSERT INTO dataset_read.organization"
      " (copy, district_id, record_key, organization_id, kind, valid_to)"
      " SELECT c, d, o, o, k, t"
      "   FROM unnest(ARRAY['DISTRICT', 'STATE']) c, (VALUES"
      "     ('north', 'north', 'DISTRICT', 9223372036854775807),"
      "     ('north', 'school-0', 'SCHOOL', 9223372036854775807),"
      "     ('north', 'school-1', 'SCHOOL', 9223372036854775807),"
      "     ('north', 'school-2', 'SCHOOL', 2),"
      "     ('south', 'school-3', 'SCHOOL', 9223372036854775807)) o (d, o, k, t)");
  Change();
  const DueRuns due = AcceptDue();
  ASSERT_EQ(due.accepted.size(), 2U);
  for (const jobs::NewJob& job : due.accepted) {
    EXPECT_EQ(job.organization, "organizations/north") << "it waits in the district's turn";
    ASSERT_THAT(MakeRunner()->Run(*Claim(job.id)), IsOk());
  }
  EXPECT_FALSE(Counts().has_value()) << "nothing of the district";
  const auto counts = Counts("g", "organizations/school-0");
  ASSERT_TRUE(counts.has_value());
  EXPECT_EQ(counts->data_versions.front().version, 3);
  EXPECT_EQ(counts->data_versions.front().rows, 100);
  EXPECT_EQ(counts->rules[0].result.findings, 10);
  EXPECT_EQ(counts->rules[1].result.findings, 100);
  EXPECT_EQ(Counts("g", "organizations/school-1")->rules[0].result.findings, 0);

  // Another version of the group is counted at the same; in south nothing was pushed.
  ASSERT_THAT(Db().RunInTransaction([&](pg::Transaction& tx) {
    background_.MarkGroup(tx, "g", absl::ZeroDuration());
    return absl::OkStatus();
  }),
              IsOk());
  const DueRuns again = AcceptDue();
  EXPECT_EQ(again.taken, 2);
  EXPECT_TRUE(again.accepted.empty()) << "the counts are of these versions";
}

TEST_F(BackgroundTest, IsDueAWhileAfterTheFirstChange) {
  MakeGroup("g", {BadExit()});
  Change("enrollment", kHour);
  const int64_t due = DueIn().value_or(0);
  EXPECT_GT(due, 3500);
  // One who changes his records all day has them counted all the same.
  Change("enrollment", 2 * kHour);
  EXPECT_LE(DueIn().value_or(0), due);
  EXPECT_EQ(AcceptDue().taken, 0);
}

TEST_F(BackgroundTest, AnotherVersionOfTheGroupIsCounted) {
  MakeGroup("g", {BadExit(), EnrollmentRule("F-2", R"("reference": {
      "dataset": "datasets/attendance_summary", "columns": ["student_uid"],
      "other_columns": ["student_uid"], "mode": "MUST_EXIST"})")});
  Sql("INSERT INTO dataset_read.data_version VALUES"
      " ('DISTRICT', 'attendance_summary', 'north', 1, now(), 1),"
      " ('STATE', 'enrollment', 'south', 1, now(), 1),"
      " ('DISTRICT', 'behavior_incident', 'west', 1, now(), 1)");
  ASSERT_THAT(Db().RunInTransaction([&](pg::Transaction& tx) {
    background_.MarkGroup(tx, "g", absl::ZeroDuration());
    return absl::OkStatus();
  }),
              IsOk());
  const DueRuns due = AcceptDue();
  std::vector<std::string> districts;
  for (const jobs::NewJob& job : due.accepted) districts.push_back(job.organization);
  EXPECT_THAT(districts,
              ::testing::UnorderedElementsAre("organizations/north", "organizations/south"));
  EXPECT_FALSE(
      IsStale({.rule_group_version = 1, .data_versions = {{"d", 1, 7}}}, 1, {{"d", 1, 8}}));
  EXPECT_TRUE(IsStale({.rule_group_version = 1, .data_versions = {{"d", 1, 7}}}, 2, {{"d", 1, 7}}));
  EXPECT_TRUE(IsStale({.rule_group_version = 1, .data_versions = {{"d", 1, 7}}}, 1, {{"d", 2, 7}}));
}

TEST_F(BackgroundTest, TwoReplicasAcceptARunOnce) {
  constexpr int kGroups = 6;
  for (int i = 0; i < kGroups; ++i) {
    MakeGroup("g" + std::to_string(i), {BadExit("F-" + std::to_string(i))});
  }
  Change();
  std::size_t accepted = 0;
  {
    DueRuns other;
    std::jthread replica([&] { other = AcceptDue(); });
    accepted = AcceptDue().accepted.size();
    replica.join();
    accepted += other.accepted.size();
  }
  EXPECT_EQ(accepted, kGroups);
  EXPECT_EQ(Count("job"), kGroups);
}

TEST_F(BackgroundTest, TakesTheCountsOfAReportOfTheSame) {
  AddEnrollments(100);
  MakeGroup("g", {BadExit(), Unique("F-2", "school_id")});
  const std::string id = RunSame();
  Change();
  EXPECT_TRUE(AcceptDue().accepted.empty());
  ASSERT_TRUE(Counts().has_value());
  EXPECT_EQ(Counts()->rules.front().result.findings, 2);
  EXPECT_EQ(Counts()->rules.back().result.findings, 100);
  EXPECT_EQ(Counts()->data_versions.front().rows, 100);
  EXPECT_EQ(Counts()->severity_day, Read(id).severity_day);
  // Of other versions the report says nothing.
  Sql("UPDATE dataset_read.data_version SET version = 4");
  Change();
  EXPECT_EQ(AcceptDue().accepted.size(), 1U);
}

TEST_F(BackgroundTest, GivesWayToAReportAfterOneRule) {
  AddEnrollments(100);
  MakeGroup("g", {Unique("F-1", "student_uid"), Unique("F-2", "school_id"),
                  Unique("F-3", "entry_date"), Unique("F-4", "grade_level")});
  Change();
  const std::string id = AcceptOne();
  const auto runner = MakeRunner();
  const auto running = Claim(id);
  std::string report;
  running->before_way = [&] {
    if (running->progress() == 1 && report.empty()) report = Ask("g");
  };
  EXPECT_EQ(runner->Run(*running).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(running->progress(), 1) << "rules that were run while a report waited";
  EXPECT_FALSE(Counts().has_value());

  pg::Database db = Db();
  auto next = jobs::ClaimNext(db, {.owner = "test", .quarantine = false});
  ASSERT_TRUE(next.ok() && next->has_value());
  EXPECT_EQ((*next)->job.id, report);
  ClaimedJob asked(Db(), (*next)->job);
  ASSERT_THAT(runner->Run(asked), IsOk());
  next = jobs::ClaimNext(db, {.owner = "test", .quarantine = false});
  ASSERT_TRUE(next.ok() && next->has_value());
  EXPECT_EQ((*next)->job.id, id);
  EXPECT_EQ((*next)->errors + (*next)->crashes + (*next)->abandons, 0);
  ClaimedJob again(Db(), (*next)->job);
  ASSERT_THAT(runner->Run(again), IsOk());
  EXPECT_EQ(Counts()->rules.size(), 4U);
}

TEST_F(BackgroundTest, TellsOnceADayWhatBecameFatal) {
  AddEnrollments(100);
  v1::Rule warning = BadExit("W-1");
  warning.set_severity(type::SEVERITY_WARNING);
  MakeGroup("g",
            {BadExit(), EnrollmentRule("F-2", R"("row": {"expression": "fte = 0"})"), warning});
  Sql("INSERT INTO dataset_read.organization"
      " (copy, district_id, record_key, organization_id, kind, display_name)"
      " VALUES ('DISTRICT', 'north', 'north', 'north', 'DISTRICT', 'North Valley')");
  EXPECT_EQ(Tell(), 0) << "nothing is counted";
  int version = 3;
  const auto count = [&](const std::string& bad) {
    MakeBad(bad);
    Sql(fmt::format("UPDATE dataset_read.data_version SET version = {}", ++version));
    Change();
    ASSERT_THAT(MakeRunner()->Run(*Claim(AcceptOne())), IsOk());
  };
  count("'k000001'");
  EXPECT_EQ(Tell(), 1);
  EXPECT_THAT(Told(), IsEmpty()) << "there is no day before";
  count("'k000001', 'k000002', 'k000003'");
  EXPECT_EQ(Tell(), 0) << "the same day";

  // The next day.
  EXPECT_EQ(TellTomorrow(), 1);
  ASSERT_THAT(Told(), SizeIs(1));
  const type::Change change = Told().front();
  EXPECT_EQ(change.subject(), "ruleGroups/g");
  EXPECT_EQ(feed::Attribute(change, "organization"), "organizations/north");
  EXPECT_EQ(feed::Attribute(change, "organization_display_name"), "North Valley");
  EXPECT_EQ(feed::Attribute(change, "rules"), "F-1:2:3");
  EXPECT_EQ(feed::Attribute(change, "more_rules"), "");
  TellTomorrow();
  EXPECT_THAT(Told(), SizeIs(1)) << "it was told";

  // Another rule, while one finds less; then that one is back.
  Sql("UPDATE dataset_read.enrollment SET fte = 0 WHERE record_key < 'k000005'");
  count("'k000001'");
  TellTomorrow();
  ASSERT_THAT(Told(), SizeIs(2));
  EXPECT_EQ(feed::Attribute(Told().back(), "rules"), "F-2:4:4");
  count("'k000001', 'k000002'");
  TellTomorrow();
  ASSERT_THAT(Told(), SizeIs(3));
  EXPECT_EQ(feed::Attribute(Told().back(), "rules"), "F-1:1:2");

  // What could not be run is not known to be corrected.
  Sql("UPDATE validation.background_count SET outcome = 'ERROR', findings = 0 WHERE code = 'F-1'");
  TellTomorrow();
  count("'k000001', 'k000002'");
  TellTomorrow();
  EXPECT_THAT(Told(), SizeIs(3));
}

TEST_F(BackgroundTest, TellsOfManyRulesHowManyThereAre) {
  AddEnrollments(10);
  std::vector<v1::Rule> rules;
  for (int i = 10; i < 33; ++i) {
    rules.push_back(EnrollmentRule(fmt::format("F-{}", i), R"("row": {"expression": "fte = 1"})"));
  }
  MakeGroup("g", rules);
  Change();
  ASSERT_THAT(MakeRunner()->Run(*Claim(AcceptOne())), IsOk());
  EXPECT_EQ(Tell(), 1);
  Sql("DELETE FROM validation.background_told");
  TellTomorrow();
  ASSERT_THAT(Told(), SizeIs(1));
  EXPECT_THAT(feed::Attribute(Told().front(), "rules"), ::testing::StartsWith("F-10:10:10,F-11:"));
  EXPECT_THAT(feed::Attribute(Told().front(), "rules"), ::testing::EndsWith(",F-29:10:10"));
  EXPECT_EQ(feed::Attribute(Told().front(), "more_rules"), "3");
}

TEST_F(BackgroundTest, IsTriedAgainLaterWhenItWasGivenUp) {
  AddEnrollments(10);
  MakeGroup("g", {BadExit()});
  Change();
  const std::string id = AcceptOne();
  const auto running = Claim(id);
  ASSERT_THAT(Db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const jobs::Job failed, jobs::Fail(tx, id, running->job().attempt, "why"));
    return MakeRunner()->Failed(tx, failed);
  }),
              IsOk());
  EXPECT_EQ(AcceptDue().taken, 0);
  EXPECT_GT(DueIn().value_or(0), 3500);
  Sql("UPDATE validation.background_run SET due_at = now()");
  ASSERT_THAT(MakeRunner()->Run(*Claim(AcceptOne())), IsOk());
  EXPECT_TRUE(Counts().has_value());
}

}  // namespace
}  // namespace edcert::validation_report
