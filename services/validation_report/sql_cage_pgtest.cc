// Each layer below the guard, with the guard and the other layers off: what it says it stops, it
// stops alone.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/clock/clock.h"
#include "common/jobs/jobs.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"
#include "services/validation_report/definition_store.h"
#include "services/validation_report/evaluator.h"
#include "services/validation_report/hostile_texts.h"
#include "services/validation_report/migrations/migrations.h"
#include "services/validation_report/rule_fixture.h"
#include "services/validation_report/sql_cage.h"

namespace edcert::validation_report {
namespace {

using edcert::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CageTest : public ::testing::Test {
 protected:
  CageTest() {
    PublishDatasets(database_.owner());
    Sql("INSERT INTO dataset_read.enrollment (copy, district_id, record_key, student_uid, "
        "school_id,"
        " entry_date) SELECT 'STATE', 'north', 'k' || i, 's' || i, 'school-1', '2025-08-18'"
        " FROM generate_series(1, 100) i; CREATE SEQUENCE dataset_read.s");
  }

  void Sql(const std::string& sql) { ASSERT_THAT(database_.owner().RunScript(sql), IsOk()); }
  void ShutCage() { Sql(ReadTestFile("deploy/postgres/rule_exec.sql")); }

  std::string conninfo() const { return database_.owner_conninfo() + " user=rule_exec"; }

  // A session of the rules' role in which every other layer is off: nothing is checked, its
  // transactions may write, and no time is limited.
  std::unique_ptr<pg::Connection> Session() {
    auto session = pg::Connection::Open(conninfo());
    EXPECT_THAT(session, IsOk());
    EXPECT_THAT((*session)->RunScript("SET default_transaction_read_only = off;"
                                      "SET search_path = rule_read;"
                                      "SET edcert.district = 'north'"),
                IsOk());
    return *std::move(session);
  }

  // The SQLSTATE of one statement; empty when it worked.
  static std::string StateOf(pg::Connection& session, const std::string& sql) {
    session.Queue({"", sql}, {});
    const auto results = session.Flush(clock::Clock::Real().Now() + absl::Seconds(20));
    if (results.ok()) return "";
    const std::string state = pg::SqlStateOf(results.status());
    return state.empty() ? std::string(results.status().message()) : state;
  }

  std::vector<std::string> Doors(const std::string& role = "rule_exec") {
    pg::Database db = database_.db();
    const auto doors = FindOpenDoors(db, role);
    EXPECT_THAT(doors, IsOk());
    return *doors;
  }

  // A rule whose text no guard has seen.
  CompiledRule Unguarded(const std::string& query) {
    pg::Database db = database_.db();
    definitions_ = *ReadDefinitions(db, {"enrollment"});
    CompiledRule rule;
    rule.id = "r";
    rule.content.code = "T-1";
    rule.content.datasets = {"enrollment"};
    rule.content.message = "bad";
    rule.content.kind = QueryRule{query};
    rule.query = query;
    rule.query_columns = {"record_key"};
    return rule;
  }

  RuleResult Evaluate(const CompiledRule& rule, EvaluationLimits limits = {}) {
    const EvaluationRequest request{
        .organization = "organizations/north",
        .district = "north",
        .rules = {{.rule = std::make_shared<const CompiledRule>(rule)}},
        .definitions = definitions_,
        .sources = {{"enrollment",
                     RowsOfSlice(definitions_.at("enrollment"),
                                 {.copy = "STATE", .district = "north", .version = 1})}},
        .progress = nullptr};
    auto evaluation =
        Evaluator(pool_, limits).Evaluate(request, clock::Clock::Real().Now() + absl::Seconds(60));
    EXPECT_THAT(evaluation, IsOk());
    return evaluation->results.front();
  }

  const std::vector<pg::Component> components_ = {jobs::Migrations(),
                                                  {"validation", sql::kMigrations}};
  edcert::testing::TestDatabase database_{"validation", components_};
  pg::Pool pool_{{.conninfo = conninfo(), .size = 2}};
  // As a superuser.
  const std::unique_ptr<pg::Pool> owners_ = std::make_unique<pg::Pool>(
      pg::Pool::Options{.conninfo = database_.owner_conninfo(), .size = 2});
  Definitions definitions_;
};

// The role.

TEST_F(CageTest, DoorsAreSeenUntilTheyAreShut) {
  EXPECT_THAT(Doors(), ::testing::Contains(HasSubstr("pg_sleep")));
  EXPECT_THAT(Doors(), ::testing::Contains(HasSubstr("temp_file_limit")));
  EXPECT_FALSE(CheckCage(conninfo()).ok());
  ShutCage();
  EXPECT_THAT(Doors(), IsEmpty());
  EXPECT_THAT(CheckCage(conninfo()), IsOk());
  ShutCage();  // again
  EXPECT_THAT(Doors(), IsEmpty());
  for (const std::string what :
       {"EXECUTE ON FUNCTION pg_sleep(double precision)", "USAGE ON SCHEMA validation",
        "CREATE ON SCHEMA dataset_read", "INSERT ON dataset_read.enrollment",
        "DELETE ON rule_read.enrollment"}) {
    Sql("GRANT " + what + " TO rule_exec");
    EXPECT_EQ(Doors().size(), 1U) << what;
    Sql("REVOKE " + what + " FROM rule_exec");
  }
  EXPECT_THAT(Doors(), IsEmpty());
}

TEST_F(CageTest, RoleAloneStopsWhatIsNotItsBusiness) {
  ShutCage();
  const auto session = Session();
  EXPECT_EQ(StateOf(*session, "SELECT count(*) FROM rule_read.enrollment"), "");
  for (const char* sql :
       {// Files.
        "SELECT pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')", "COPY rule_read.enrollment TO '/tmp/x'",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        // Waits and settings.
        "SELECT pg_sleep(10)", "SELECT set_config('statement_timeout', '0', false)",
        "SET temp_file_limit = -1", "SET log_statement = 'all'", "ALTER SYSTEM SET fsync = off",
        "SET ROLE validation", "SET SESSION AUTHORIZATION validation",
        // What runs a text.
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "SELECT table_to_xml('rule_read.enrollment', true, true, '')",
        "SELECT database_to_xml(true, true, '')", "SELECT ts_stat('SELECT ''a''::tsvector')",
        "DO 'BEGIN END'",
        // Other schemas.
        "SELECT count(*) FROM validation.rule", "SELECT count(*) FROM validation.finding",
        "SELECT rolpassword FROM pg_authid", "SELECT count(*) FROM dataset_read.enrollment",
        "SELECT count(*) FROM dataset_read.data_version",
        // Writes.
        "INSERT INTO rule_read.enrollment (copy) VALUES ('x')",
        "UPDATE rule_read.enrollment SET fte = 0", "DELETE FROM rule_read.enrollment",
        "TRUNCATE dataset_read.enrollment", "CREATE TABLE rule_read.x (a int)",
        "CREATE TABLE public.x (a int)", "CREATE TEMP TABLE x (a int)", "CREATE SCHEMA x",
        "CREATE ROLE x", "GRANT SELECT ON rule_read.enrollment TO validation",
        "DROP TABLE dataset_read.enrollment", "SELECT nextval('dataset_read.s')",
        "CREATE FUNCTION rule_read.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        // Locks, messages, large objects, other sessions.
        "SELECT 1 FROM rule_read.enrollment FOR UPDATE", "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_xact_lock(1)", "SELECT pg_notify('edcert', 'x')",
        "SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')", "SELECT lo_get(1)",
        "SELECT pg_cancel_backend(1)", "SELECT pg_terminate_backend(1)",
        "SELECT pg_export_snapshot()", "SELECT txid_current()"}) {
    const std::string state = StateOf(*session, sql);
    // 42501 is a missing privilege; a GRANT without the right to it only warns.
    if (std::string_view(sql).starts_with("GRANT")) {
      EXPECT_TRUE(state == "42501" || state.empty()) << sql << " " << state;
    } else {
      EXPECT_EQ(state, "42501") << sql;
    }
  }
  pg::Database db = database_.db();
  EXPECT_EQ((*db.RunText("SELECT has_table_privilege('validation', 'dataset_read.enrollment',"
                         " 'SELECT WITH GRANT OPTION')::text AS granted"))[0]
                .Text("granted"),
            "false");
}

// What the guard refuses as an attack of these kinds fails, each text, without the guard too.
TEST_F(CageTest, RoleAloneStopsTheTextsOfTheseAttacks) {
  ShutCage();
  const auto session = Session();
  int tried = 0;
  auto groups = ReadHostileTexts();
  for (const char* group : {"files", "sleeps", "large_objects", "writes"}) {
    for (const HostileText& hostile : groups.at(group).texts) {
      const std::string text = hostile.text();
      const std::string sql =
          hostile.mode == "query" ? text : fmt::format("SELECT ({}) FROM enrollment", text);
      // On what is not his a stranger's command does nothing, with a warning.
      static const std::set<std::string> kIdle = {
          "ANALYZE enrollment", "CLUSTER", "VACUUM FULL",
          "GRANT ALL ON ALL TABLES IN SCHEMA dataset_read TO PUBLIC",
          "REVOKE ALL ON DATABASE edcert FROM PUBLIC"};
      if (kIdle.contains(text)) continue;
      ++tried;
      EXPECT_NE(StateOf(*session, sql), "") << group << ": " << sql;
    }
  }
  EXPECT_GE(tried, 80);
  pg::Database db = database_.db();
  EXPECT_EQ((*db.RunText("SELECT count(*) AS n FROM dataset_read.enrollment"))[0].Int("n"), 100);
}

// One district.

TEST_F(CageTest, AViewOfRulesThatIsNoBarrierIsADoor) {
  ShutCage();
  Sql("ALTER VIEW rule_read.enrollment RESET (security_barrier)");
  EXPECT_THAT(Doors(), ::testing::ElementsAre(HasSubstr("rule_read.enrollment")));
  Sql("ALTER VIEW rule_read.enrollment SET (security_barrier = true);"
      "CREATE TABLE rule_read.copied (a int)");
  EXPECT_THAT(Doors(), ::testing::ElementsAre(HasSubstr("rule_read.copied")));
}

// What an earlier version granted is no reason not to start while its binaries run.
TEST_F(CageTest, ScriptTakesWhatAnEarlierVersionGranted) {
  ShutCage();
  Sql("GRANT USAGE ON SCHEMA dataset_read TO rule_exec;"
      "GRANT SELECT ON ALL TABLES IN SCHEMA dataset_read TO rule_exec;"
      "ALTER DEFAULT PRIVILEGES IN SCHEMA dataset_read GRANT SELECT ON TABLES TO rule_exec");
  pg::Database db = database_.db();
  EXPECT_TRUE(*SeesAllDistricts(db, "rule_exec"));
  EXPECT_THAT(Doors(), IsEmpty());
  EXPECT_THAT(CheckCage(conninfo()), IsOk());
  const auto session = Session();
  const std::string ask = "SELECT count(*) FROM dataset_read.enrollment";
  EXPECT_EQ(StateOf(*session, ask), "");
  ShutCage();
  EXPECT_FALSE(*SeesAllDistricts(db, "rule_exec"));
  EXPECT_EQ(StateOf(*session, ask), "42501");
  Sql("CREATE TABLE dataset_read.later (a int)");
  EXPECT_EQ((*db.RunText("SELECT has_table_privilege('rule_exec', 'dataset_read.later', 'SELECT')"
                         "::text AS sees"))[0]
                .Text("sees"),
            "false");
}

class DistrictTest : public CageTest {
 protected:
  DistrictTest() {
    ShutCage();
    // Its values fail each cast that those of the north pass, with the value in the error.
    Sql("UPDATE dataset_read.enrollment SET student_uid = '1';"
        "INSERT INTO dataset_read.enrollment (copy, district_id, record_key, student_uid,"
        " school_id, entry_date) SELECT 'STATE', 'south', 'x' || i, 'secret', 'school-2',"
        " '2025-08-18' FROM generate_series(1, 50) i; ANALYZE dataset_read.enrollment");
  }

  // One value of one row, or the SQLSTATE.
  static std::string Ask(pg::Connection& session, const std::string& district,
                         const std::string& sql) {
    pg::Transaction tx(session, clock::Clock::Real().Now() + absl::Seconds(20));
    if (!district.empty()) LimitTransaction(tx, district);
    const auto rows = tx.RunText("SELECT (" + sql + ")::text AS value");
    std::string value = rows.ok() ? (*rows)[0].Text("value") : pg::SqlStateOf(rows.status());
    tx.Rollback();
    return value;
  }
};

TEST_F(DistrictTest, IsAllThatAStatementSees) {
  const auto session = pg::Connection::Open(conninfo());
  ASSERT_THAT(session, IsOk());
  const std::string all = "SELECT count(*) FROM rule_read.enrollment";
  // What runs on a record of the south fails, and its error holds the value.
  const std::string leak = "SELECT count(*) FROM rule_read.enrollment WHERE student_uid::int >= 0";
  EXPECT_EQ(Ask(**session, "", all), "0");
  EXPECT_EQ(Ask(**session, "north", all), "100");
  EXPECT_EQ(Ask(**session, "north", leak), "100");
  // Cheap for the planner, who would run it first.
  EXPECT_EQ(Ask(**session, "north",
                "SELECT count(*) FROM rule_read.enrollment WHERE student_uid::int >= 0"
                " AND md5(md5(md5(district_id))) = md5(md5(md5('south')))"),
            "0");
  EXPECT_EQ(Ask(**session, "south", all), "50");
  EXPECT_EQ(Ask(**session, "south", leak), "22P02");
  EXPECT_EQ(Ask(**session, "nowhere", all), "0");
  // It ended with the transaction.
  EXPECT_EQ(Ask(**session, "", all), "0");
  EXPECT_EQ(Ask(**session, "o'hara\\", all), "0");
}

TEST_F(DistrictTest, IsAllThatAHostileTextSees) {
  CompiledRule rule = Unguarded(
      "SELECT e.record_key, (SELECT string_agg(DISTINCT o.district_id, ',') || count(*)"
      " FROM rule_read.enrollment o) AS seen FROM enrollment e WHERE record_key = 'k1'");
  rule.query_columns.emplace_back("seen");
  rule.outputs = {"seen"};
  rule.content.fields = {"seen"};
  const RuleResult result = Evaluate(rule);
  ASSERT_EQ(result.stored.size(), 1U) << result.error;
  EXPECT_EQ(result.stored[0].fields.at("seen"), "north100");
  EXPECT_EQ(Evaluate(Unguarded("SELECT record_key FROM dataset_read.enrollment")).outcome,
            Outcome::kError);
}

TEST_F(DistrictTest, IsFoundByTheIndex) {
  Sql("INSERT INTO dataset_read.enrollment (copy, district_id, record_key, student_uid,"
      " school_id, entry_date) SELECT 'STATE', 'd' || i % 100, 'x' || i, 's', 'school-2',"
      " '2025-08-18' FROM generate_series(1, 20000) i; ANALYZE dataset_read.enrollment");
  const auto session = pg::Connection::Open(conninfo());
  ASSERT_THAT(session, IsOk());
  pg::Database db = database_.db();
  const Definitions definitions = *ReadDefinitions(db, {"enrollment"});
  pg::Transaction tx(**session, clock::Clock::Real().Now() + absl::Seconds(20));
  LimitTransaction(tx, "d7");
  const auto plan = tx.RunText(
      "EXPLAIN (FORMAT JSON) SELECT count(*) FROM (" +
      RowsOfSlice(definitions.at("enrollment"), {.copy = "STATE", .district = "d7", .version = 1}) +
      ") AS rows WHERE entry_date > '2025-01-01'");
  ASSERT_THAT(plan, IsOk());
  EXPECT_THAT(std::string((*plan)[0].ViewAt(0)),
              ::testing::ContainsRegex("\"Index Cond\": .*district_id = 'd7'"));
  tx.Rollback();
}

// Read only.

TEST_F(CageTest, ReadOnlyTransactionAloneStopsWrites) {
  // As a superuser, whom no grant stops. Large objects are not here: PostgreSQL 15 makes them in
  // such a transaction too, and only the role stops them.
  for (const char* sql :
       {"INSERT INTO dataset_read.enrollment (copy, district_id, record_key) VALUES ('x', 'y', "
        "'z')",
        "UPDATE dataset_read.enrollment SET fte = 0", "DELETE FROM dataset_read.enrollment",
        "CREATE TABLE dataset_read.x (a int)", "TRUNCATE dataset_read.enrollment",
        "DROP TABLE dataset_read.enrollment", "SELECT nextval('dataset_read.s')",
        "CREATE ROLE evil",
        "WITH d AS (DELETE FROM dataset_read.enrollment RETURNING 1) SELECT * FROM d",
        "SELECT 1 FROM dataset_read.enrollment FOR UPDATE"}) {
    const absl::Status status =
        pg::Database(*owners_, clock::Clock::Real().Now() + absl::Seconds(20))
            .RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
              LimitTransaction(tx, "north");
              return tx.RunText(sql).status();
            });
    EXPECT_EQ(pg::SqlStateOf(status), "25006") << sql;
  }
}

TEST_F(CageTest, RoleBeginsItsTransactionsReadOnly) {
  ShutCage();
  Sql("GRANT INSERT ON rule_read.enrollment TO rule_exec");
  const auto session = pg::Connection::Open(conninfo());
  ASSERT_THAT(session, IsOk());
  EXPECT_EQ(StateOf(**session,
                    "INSERT INTO rule_read.enrollment (copy, district_id, record_key)"
                    " VALUES ('x', 'y', 'z')"),
            "25006");
}

// One statement, and only as a table.

TEST_F(CageTest, ProtocolAloneTakesOneStatement) {
  const auto session = Session();
  EXPECT_EQ(StateOf(*session, "SELECT 1; SELECT 2"), "42601");
}

TEST_F(CageTest, StatementAroundTheTextTakesOnlyATable) {
  for (const char* text : {"DELETE FROM enrollment", "SET statement_timeout = 0", "COMMIT",
                           "SELECT record_key FROM enrollment) AS q; SELECT (SELECT 1",
                           "SELECT record_key FROM enrollment; COMMIT", "NOTIFY edcert"}) {
    EXPECT_EQ(Evaluate(Unguarded(text)).outcome, Outcome::kError) << text;
  }
  EXPECT_EQ(Evaluate(Unguarded("SELECT record_key FROM enrollment")).findings, 100);
}

// Time.

TEST_F(CageTest, SupervisorStopsWhatLiftedItsOwnLimit) {
  // The cage is open: the text may lift the limit of its session, and does.
  const absl::Time start = clock::Clock::Real().Now();
  const RuleResult result = Evaluate(
      Unguarded(
          "SELECT record_key FROM enrollment WHERE set_config('statement_timeout', '0', false)"
          " = '0' AND (SELECT count(*) FROM generate_series(1, 1000000000000) AS supervised)"
          " > 0"),
      {.statement = absl::Seconds(1)});
  EXPECT_EQ(result.outcome, Outcome::kError);
  EXPECT_EQ(result.error, "took too long (stopped)");
  EXPECT_LT(clock::Clock::Real().Now() - start, absl::Seconds(20));
  // And nothing of it goes on.
  pg::Database db(*owners_, clock::Clock::Real().Now() + absl::Seconds(20));
  int64_t left = 1;
  while (left > 0 && clock::Clock::Real().Now() < db.deadline()) {
    const auto rows = db.RunText(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE usename = 'rule_exec' AND state = "
        "'active'"
        " AND query LIKE '%supervised%' AND datname = current_database()");
    ASSERT_THAT(rows, IsOk());
    left = (*rows)[0].Int("n");
  }
  EXPECT_EQ(left, 0);
}

TEST_F(CageTest, OneRuleThatIsStoppedSpoilsNoOther) {
  const CompiledRule slow = Unguarded(
      "SELECT record_key FROM enrollment WHERE (SELECT count(*) FROM"
      " generate_series(1, 1000000000000)) > 0");
  const CompiledRule quick = Unguarded("SELECT record_key FROM enrollment");
  const EvaluationRequest request{
      .organization = "organizations/north",
      .district = "north",
      .rules = {{.rule = std::make_shared<const CompiledRule>(slow)},
                {.rule = std::make_shared<const CompiledRule>(quick)}},
      .definitions = definitions_,
      .sources = {{"enrollment",
                   RowsOfSlice(definitions_.at("enrollment"),
                               {.copy = "STATE", .district = "north", .version = 1})}},
      .progress = nullptr};
  const auto evaluation = Evaluator(pool_, {.statement = absl::Seconds(1)})
                              .Evaluate(request, clock::Clock::Real().Now() + absl::Seconds(60));
  ASSERT_THAT(evaluation, IsOk());
  EXPECT_EQ(evaluation->results[0].outcome, Outcome::kError);
  EXPECT_EQ(evaluation->results[1].findings, 100);
}

// Space.

TEST_F(CageTest, FilesForSortingAreBounded) {
  ShutCage();
  Sql("DO $$ BEGIN EXECUTE format('ALTER ROLE rule_exec IN DATABASE %I SET temp_file_limit ="
      " ''1MB''', current_database()); END $$");
  const auto session = Session();
  EXPECT_EQ(StateOf(*session, "SET temp_file_limit = '10GB'"), "42501");
  EXPECT_EQ(StateOf(*session,
                    "SELECT count(*) FROM (SELECT DISTINCT i || repeat('x', 100) FROM"
                    " generate_series(1, 1000000) i ORDER BY 1) x"),
            "53400");
}

TEST_F(CageTest, CellsAreCut) {
  CompiledRule rule = Unguarded(
      "SELECT record_key, repeat('é', 1000000) AS long FROM enrollment WHERE record_key = 'k1'");
  rule.query_columns.emplace_back("long");
  rule.outputs = {"long"};
  rule.content.fields = {"long"};
  const RuleResult result = Evaluate(rule);
  ASSERT_EQ(result.stored.size(), 1U);
  EXPECT_LE(result.stored[0].fields.at("long").size(), 1'003U);
}

TEST_F(CageTest, WhatFindingsHoldTogetherIsBounded) {
  CompiledRule rule = Unguarded(
      "SELECT record_key, repeat('x', 900) AS long, repeat('y', 900) AS wide FROM enrollment");
  rule.query_columns = {"record_key", "long", "wide"};
  rule.outputs = {"long", "wide"};
  rule.content.fields = {"long", "wide"};
  // Each has more bytes than one that is stored may have, and less than two.
  const RuleResult result = Evaluate(rule, {.stored = 10});
  EXPECT_EQ(result.findings, 100);
  EXPECT_EQ(result.stored.size(), 5U);
  EXPECT_TRUE(result.truncated());
}

// Words.

TEST_F(CageTest, ErrorsHoldNoData) {
  for (const char* text :
       {"SELECT record_key FROM enrollment WHERE student_uid::int > 0",
        "SELECT record_key FROM enrollment WHERE (record_key || student_uid)::date IS NULL",
        "SELECT record_key FROM enrollment WHERE 1 / (fte - fte) > 0",
        "SELECT record_key FROM enrollment WHERE student_uid::xml IS NULL"}) {
    const RuleResult result = Evaluate(Unguarded(text));
    EXPECT_EQ(result.error.find("s1"), std::string::npos) << result.error;
    EXPECT_EQ(result.error.find("k1"), std::string::npos) << result.error;
  }
}

}  // namespace
}  // namespace edcert::validation_report
