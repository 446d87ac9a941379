// Each layer below the guard, with the guard and the other layers off: what it says it stops, it
// stops alone. Attacks() says which layers claim which texts of testdata/hostile/.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
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
#include "services/validation_report/sql_guard.h"

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
  static std::string StateOf(pg::Connection& session, const std::string& sql,
                             absl::Duration most = absl::Seconds(20)) {
    session.Queue({"", sql}, {});
    const auto results = session.Flush(clock::Clock::Real().Now() + most);
    if (results.ok()) return "";
    const std::string state = pg::SqlStateOf(results.status());
    return state.empty() ? std::string(results.status().message()) : state;
  }

  // Soon no statement of the rules' role goes on.
  void ExpectNobodyWorks() {
    pg::Database db(*owners_, clock::Clock::Real().Now() + absl::Seconds(20));
    int64_t left = 1;
    while (left > 0 && clock::Clock::Real().Now() < db.deadline()) {
      const auto rows = db.RunText(
          "SELECT count(*) AS n FROM pg_stat_activity WHERE usename = 'rule_exec'"
          " AND state = 'active' AND datname = current_database()");
      ASSERT_THAT(rows, IsOk());
      left = (*rows)[0].Int("n");
    }
    EXPECT_EQ(left, 0);
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

  RowSources Sources() const {
    RowSources sources;
    for (const auto& [dataset, definition] : definitions_) {
      sources[dataset] =
          RowsOfSlice(definition, {.copy = "STATE", .district = "north", .version = 1});
    }
    return sources;
  }

  RuleResult Evaluate(const CompiledRule& rule, EvaluationLimits limits = {}) {
    const EvaluationRequest request{.organization = "organizations/north",
                                    .district = "north",
                                    .rules = {{.rule = std::make_shared<const CompiledRule>(rule)}},
                                    .definitions = definitions_,
                                    .sources = Sources(),
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

// All texts of the corpus. The guard claims every one (sql_hostile_test); below it each layer
// claims groups, and stops each text of them alone, the guard and all other layers off.

enum class Layer {
  kRole,          // its rights, as rule_exec.sql leaves them
  kReadOnly,      // a transaction that only reads
  kOneStatement,  // in one message of the protocol
  kTable,         // the statement around the text, which takes only a table or a value
  kTime,          // the session's limit
  kSpace,         // files, rows and bytes
  kSupervisor,    // the worker's clock, whatever the session's limit
  kWords,         // errors in words of ours
  kDistrict,      // views of one district
};

struct Attack {
  std::set<Layer> layers;
  std::string_view why_none = {};  // why the guard is enough
};

const std::map<std::string, Attack>& Attacks() {
  using enum Layer;
  static const auto& attacks = *new std::map<std::string, Attack>{
      {"comments", {{}, "PostgreSQL reads what the guard reads; only people are deceived"}},
      {"dates", {{}, "the answer changes from day to day; nobody else's is seen"}},
      {"error_text", {{kWords, kDistrict}}},
      {"files", {{kRole, kTable}}},
      {"implicit", {{}, "written otherwise, they are what the guard allows, over the same rows"}},
      {"large_objects", {{kRole}}},
      {"literals", {{kTime, kSupervisor}}},
      {"locks", {{kRole, kTable}}},
      {"nesting", {{kTime, kSupervisor}}},
      {"notify", {{kRole, kTable}}},
      {"patterns", {{kTime, kSupervisor}}},
      {"products", {{kTime, kSpace, kSupervisor}}},
      {"recursion", {{kTime, kSpace, kSupervisor}}},
      {"schemas", {{kRole, kDistrict}}},
      {"second_statements", {{kOneStatement, kTable}}},
      {"settings", {{kRole, kTable}}},
      {"sleeps", {{kRole, kTime, kSupervisor}}},
      {"syntax", {{kTable}}},
      {"unicode", {{kTime, kSupervisor}}},
      {"writes", {{kRole, kReadOnly, kTable}}},
      {"xml", {{kRole, kTable}}},
  };
  return attacks;
}

// Whether the text is no query and no expression.
bool IsCommand(const HostileText& hostile) {
  static const std::set<std::string> kQueries = {"SELECT", "WITH", "TABLE", "VALUES"};
  std::istringstream words(hostile.text());
  std::string first;
  words >> first;
  return hostile.mode == "query" && !first.empty() && !kQueries.contains(first);
}

// Whether the layer, whose group it is, claims this text.
bool Claims(Layer layer, const std::string& group, const HostileText& hostile) {
  if (!Attacks().at(group).layers.contains(layer)) return false;
  if (layer == Layer::kOneStatement) {
    const std::string text = hostile.text();
    const std::size_t end = text.find(';');
    return end != 0 && text.find_first_not_of(" -;", end) != std::string::npos;
  }
  if (layer == Layer::kTable && group != "second_statements" && group != "syntax") {
    return IsCommand(hostile);
  }
  return true;
}

class LayerTest : public CageTest {
 protected:
  LayerTest() {
    // What the texts are after is there.
    Sql("CREATE SCHEMA registry; CREATE TABLE registry.users (name text);"
        "CREATE TABLE registry.organization (id text);"
        "CREATE SCHEMA snapshot; CREATE TABLE snapshot.snapshot (id text);"
        "CREATE SCHEMA dataset; CREATE TABLE dataset.enrollment (record_key text);"
        "CREATE SEQUENCE rule_read.s; GRANT ALL ON SEQUENCE rule_read.s TO rule_exec;"
        "CREATE FOREIGN DATA WRAPPER w");
    pg::Database db = database_.db();
    definitions_ = *ReadDefinitions(db, {"enrollment", "attendance_event"});
  }

  // What each layer is to stop is let through by the role.
  void OpenCage() {
    Sql("GRANT ALL ON ALL TABLES IN SCHEMA dataset_read, rule_read TO rule_exec;"
        "GRANT ALL ON SCHEMA dataset_read, rule_read TO rule_exec");
  }

  // As an author's client would send it, were there nothing between.
  static std::string Raw(const HostileText& hostile) {
    const std::string text = hostile.text();
    return hostile.mode == "query" ? text : fmt::format("SELECT ({}) FROM enrollment", text);
  }

  // A rule whose text no guard has seen.
  static CompiledRule RuleOf(const HostileText& hostile) {
    CompiledRule rule;
    rule.id = "r";
    rule.content.code = "T-1";
    rule.content.datasets = {"enrollment", "attendance_event"};
    rule.content.message = "bad";
    const std::string text = hostile.text();
    if (hostile.mode == "query") {
      rule.content.kind = QueryRule{text};
      rule.query = text;
      rule.query_columns = {"record_key"};
    } else if (hostile.mode == "aggregate") {
      rule.content.kind = AggregateRule{{"school_id"}, {{"figure", text}}, "figure IS NULL"};
      rule.aggregates = {text};
      rule.expression = "figure IS NULL";
    } else {
      rule.content.kind = RowRule{text};
      rule.expression = text;
    }
    return rule;
  }

  // Calls `run` with each text that the layer claims; it gives the SQLSTATE or the word for what
  // the text did, empty when the layer stopped it. What the layer does not stop is in `others`,
  // with what it does, and `others` holds no more.
  static void EachText(
      Layer layer, const std::map<std::string_view, std::string_view>& others,
      const std::function<std::string(const std::string& group, const HostileText&)>& run) {
    std::size_t met = 0;
    for (const auto& [group, texts] : ReadHostileTexts()) {
      for (const HostileText& hostile : texts.texts) {
        if (!Claims(layer, group, hostile)) continue;
        const auto other = others.find(hostile.written);
        if (other != others.end()) ++met;
        EXPECT_EQ(run(group, hostile), other == others.end() ? "" : other->second)
            << group << ": " << hostile.written;
      }
    }
    EXPECT_EQ(met, others.size());
  }

  // Values on which an expression without an end has none.
  void PlantSlowValues() {
    Sql("UPDATE dataset_read.enrollment SET first_name = repeat('a', 3000),"
        " last_name = '(.*)(.*)\\2\\1'");
  }

  // A product of tables, which the guard allows: how many rows they have, no text says.
  static HostileText AllowedProduct() {
    HostileText product{.mode = "query",
                        .position = "0",
                        .what = "",
                        .written =
                            "SELECT DISTINCT a.record_key, b.record_key AS b,"
                            " c.record_key AS c, d.record_key AS d FROM enrollment a,"
                            " enrollment b, enrollment c, enrollment d"};
    EXPECT_THAT(CheckQuery(product.text(), {{"enrollment", {"record_key"}}}), IsOk());
    return product;
  }
};

TEST(Attacks, AreAllInTheTable) {
  std::set<std::string> groups;
  for (const auto& [group, texts] : ReadHostileTexts()) {
    ASSERT_TRUE(Attacks().contains(group)) << group;
    groups.insert(group);
    const Attack& attack = Attacks().at(group);
    EXPECT_EQ(attack.layers.empty(), !attack.why_none.empty()) << group;
    for (const HostileText& hostile : texts.texts) {
      const bool claimed = std::any_of(attack.layers.begin(), attack.layers.end(),
                                       [&](Layer each) { return Claims(each, group, hostile); });
      EXPECT_TRUE(claimed || attack.layers.empty()) << group << ": " << hostile.written;
    }
  }
  EXPECT_EQ(groups.size(), Attacks().size());
}

TEST_F(LayerTest, RoleAlone) {
  ShutCage();
  const std::map<std::string_view, std::string_view> others = {
      // Commands that anybody may give and no grant covers: kTable stops each.
      {"NOTIFY edcert", "worked"},
      {"LISTEN edcert", "worked"},
      {"UNLISTEN *", "worked"},
      {"SET statement_timeout = 0", "worked"},
      {"RESET ROLE", "worked"},
      {"RESET ALL", "worked"},
      {"SHOW ALL", "worked"},
      {"ALTER ROLE rule_exec SET statement_timeout = 0", "worked"},
      {"DISCARD ALL", "worked"},
      {"PREPARE p AS SELECT 1", "worked"},
      // On what is not his a stranger's command does nothing, with a warning.
      {"REVOKE ALL ON DATABASE edcert FROM PUBLIC", "worked"},
      {"VACUUM FULL", "worked"},
      {"ANALYZE enrollment", "worked"},
      {"CLUSTER", "worked"},
      // What PostgreSQL tells everybody of itself, names and figures but no record: the guard alone
      // keeps it from rules.
      {"SELECT rolname AS record_key FROM pg_roles", "worked"},
      {"SELECT usename AS record_key FROM pg_user", "worked"},
      {"SELECT query AS record_key FROM pg_stat_activity", "worked"},
      {"SELECT prosrc AS record_key FROM pg_proc", "worked"},
      {"SELECT relname AS record_key FROM pg_catalog.pg_class", "worked"},
      {"SELECT table_name AS record_key FROM information_schema.tables", "worked"},
      {"SELECT most_common_vals AS record_key FROM pg_stats", "worked"},
      {"SELECT setting AS record_key FROM pg_settings", "worked"},
      {"has_schema_privilege('registry', 'USAGE')", "worked"},
      {"pg_get_functiondef(1) = ''", "worked"},
      {"col_description(1, 1) = ''", "worked"},
      {"current_schema = 'x'", "worked"},
      {"current_catalog = 'x'", "worked"},
      {"current_setting('is_superuser', true) = 'on'", "worked"},
      {"pg_blocking_pids(1) IS NULL", "worked"},
      {"pg_backend_pid() > 0", "worked"},
      {"pg_listening_channels() = ''", "worked"},
      {"inet_server_addr() IS NULL", "worked"},
      {"inet_client_addr() IS NULL", "worked"},
      // Values of its own rows, in other words. XML runs nothing and loads nothing.
      {"enrollment.first_name = ''", "worked"},
      {"first_name OPERATOR(pg_catalog.=) ''", "worked"},
      {"first_name::pg_catalog.text = ''", "worked"},
      {"SELECT e AS record_key FROM enrollment e", "worked"},
      {"district_id = 'other'", "worked"},
      {"copy = 'STATE'", "worked"},
      {"valid_from = 1", "worked"},
      {"row_hash IS NULL", "worked"},
      {"xpath('/a', '<a/>') IS NULL", "worked"},
      {"xmlelement(name a, first_name) IS NULL", "worked"},
      {"xmlforest(first_name) IS NULL", "worked"},
      {"xmlparse(document '<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>')"
       " IS NULL",
       "worked"},
      {"xmlserialize(content '<a/>' AS text) = ''", "worked"},
      {"SELECT x.record_key FROM xmltable('/a' PASSING '<a/>' COLUMNS record_key text) x",
       "worked"},
      // There is no such thing, or not for a view, before any right is asked for.
      {"SELECT record_key FROM rule", "42P01"},
      {"SELECT record_key FROM edcert.dataset_read.enrollment", "0A000"},
      {"first_name OPERATOR(evil.=) ''", "3F000"},
      {"SELECT ctid AS record_key FROM enrollment", "42703"},
      {"SELECT xmin AS record_key FROM enrollment", "42703"},
      {"SELECT tableoid AS record_key FROM enrollment", "42703"},
      {"\"PG_SLEEP\"(10) IS NULL", "42883"},
      {"first_name IS DOCUMENT", "42804"},
      {"dblink('host=example.org', 'SELECT 1') IS NULL", "42883"},
      {"dblink_connect('host=example.org') = ''", "42883"},
      {"dblink_exec('DROP TABLE x') = ''", "42883"},
      {"EXECUTE stolen", "26000"},
      {"CALL evil()", "42883"},
      {"MERGE INTO enrollment e USING enrollment f ON true WHEN MATCHED THEN DELETE", "0A000"},
      {"TRUNCATE enrollment", "42809"},
      {"DROP TABLE enrollment", "42809"},
      {"COMMENT ON TABLE enrollment IS 'x'", "42809"},
      {"REFRESH MATERIALIZED VIEW v", "42P01"},
      {"IMPORT FOREIGN SCHEMA x FROM SERVER s INTO y", "42704"},
      {"REINDEX DATABASE edcert", "0A000"},
      {"SECURITY LABEL ON TABLE enrollment IS 'x'", "22023"},
      {"SELECT record_key FROM enrollment WHERE EXISTS (WITH d AS (DELETE FROM enrollment"
       " RETURNING 1) SELECT 1 FROM d)",
       "0A000"}};
  EachText(Layer::kRole, others, [&](const std::string&, const HostileText& hostile) {
    const auto session = Session();
    std::string state = StateOf(*session, Raw(hostile));
    if (state == "25P01") {  // only in a transaction
      EXPECT_THAT(session->RunScript("BEGIN"), IsOk());
      state = StateOf(*session, Raw(hostile));
    }
    if (state.empty()) return std::string("worked");
    return state == "42501" ? "" : state;
  });
}

TEST_F(LayerTest, ReadOnlyTransactionAlone) {
  OpenCage();
  const std::map<std::string_view, std::string_view> others = {
      // They change no record; the role may not, but for ANALYZE, and kTable takes no command.
      {"ANALYZE enrollment", "worked"},
      {"txid_current() > 0", "worked"},
      {"pg_current_xact_id() IS NULL", "worked"},
      // Never everybody's.
      {"CHECKPOINT", "42501"},
      {"pg_switch_wal() IS NULL", "42501"},
      {"pg_create_restore_point('x') IS NULL", "42501"},
      {"pg_drop_replication_slot('x') IS NULL", "42501"},
      {"pg_stat_reset() IS NULL", "42501"},
      // PostgreSQL has no such thing.
      {"MERGE INTO enrollment e USING enrollment f ON true WHEN MATCHED THEN DELETE", "0A000"},
      {"SELECT record_key FROM enrollment WHERE EXISTS (WITH d AS (DELETE FROM enrollment"
       " RETURNING 1) SELECT 1 FROM d)",
       "0A000"}};
  EachText(Layer::kReadOnly, others, [&](const std::string&, const HostileText& hostile) {
    const auto session = Session();
    pg::Transaction tx(*session, clock::Clock::Real().Now() + absl::Seconds(20));
    LimitTransaction(tx, "north");
    const absl::Status status = tx.RunText(Raw(hostile)).status();
    tx.Rollback();
    if (status.ok()) return std::string("worked");
    // 25001 is for what cannot be in a transaction at all.
    const std::string state = pg::SqlStateOf(status);
    return state == "25006" || state == "25001" ? "" : state;
  });
}

TEST_F(LayerTest, OneStatementAlone) {
  OpenCage();
  EachText(Layer::kOneStatement, {}, [&](const std::string&, const HostileText& hostile) {
    const std::string state = StateOf(*Session(), Raw(hostile));
    return state == "42601" ? "" : "did " + state;
  });
  // And no command of any attack comes behind a statement.
  int commands = 0;
  const auto session = Session();
  for (const auto& [group, texts] : ReadHostileTexts()) {
    for (const HostileText& hostile : texts.texts) {
      if (!IsCommand(hostile)) continue;
      ++commands;
      EXPECT_EQ(StateOf(*session, "SELECT 1; " + hostile.text()), "42601") << hostile.written;
    }
  }
  EXPECT_GE(commands, 70);
}

TEST_F(LayerTest, StatementAroundAlone) {
  OpenCage();
  const std::map<std::string_view, std::string_view> others = {
      // A column more and a constant, of its own rows.
      {"count(*), 1", "worked"},
      {"1", "worked"}};
  // It does not parse there, or names what is not there: nothing of it ran.
  const std::set<std::string> refused = {"42601", "42703", "42803", "42809", "42883"};
  EachText(Layer::kTable, others, [&](const std::string&, const HostileText& hostile) {
    const RuleResult result = Evaluate(RuleOf(hostile), {.statement = absl::Seconds(5)});
    if (result.outcome != Outcome::kError) return std::string("worked");
    for (const std::string& state : refused) {
      if (result.error.ends_with("(" + state + ")")) return std::string();
    }
    return result.error;
  });
}

TEST_F(LayerTest, LimitsOfATransaction) {
  const auto session = pg::Connection::Open(conninfo());
  ASSERT_THAT(session, IsOk());
  pg::Transaction tx(**session, clock::Clock::Real().Now() + absl::Seconds(20));
  LimitTransaction(tx, "north");
  for (const auto& [setting, value] :
       std::map<std::string, std::string>{{"statement_timeout", "1min"},
                                          {"transaction_read_only", "on"},
                                          {"work_mem", "32MB"},
                                          {"jit", "off"},
                                          {"max_parallel_workers_per_gather", "0"},
                                          {"edcert.district", "north"}}) {
    EXPECT_EQ((*tx.RunText("SHOW " + setting))[0].ViewAt(0), value) << setting;
  }
  tx.Rollback();
}

// A short limit in place of the minute.
TEST_F(LayerTest, TimeAlone) {
  OpenCage();
  PlantSlowValues();
  const auto session = Session();
  ASSERT_THAT(session->RunScript("SET statement_timeout = '100ms'"), IsOk());
  std::map<std::string, int> stopped;
  const auto run = [&](const std::string& group, const HostileText& hostile) -> std::string {
    const absl::Time start = clock::Clock::Real().Now();
    if (StateOf(*session, Raw(hostile), absl::Seconds(5)) == "57014") ++stopped[group];
    return clock::Clock::Real().Now() - start < absl::Seconds(5) ? "" : "went on";
  };
  EachText(Layer::kTime, {}, run);
  EXPECT_EQ(run("allowed", AllowedProduct()), "");
  EXPECT_GE(stopped["sleeps"], 15);
  EXPECT_GE(stopped["products"], 6);
  EXPECT_GE(stopped["recursion"], 3);
  EXPECT_GE(stopped["patterns"], 3);
  EXPECT_EQ(stopped["allowed"], 1);
}

// A short limit in place of that of the script. The memory of a sort or a hash is work_mem, and
// what does not fit goes to files; one value may have what PostgreSQL lets it have, 1 GB.
TEST_F(LayerTest, SpaceAlone) {
  std::string script = ReadTestFile("deploy/postgres/rule_exec.sql");
  const std::size_t limit = script.find("4GB");
  ASSERT_NE(limit, std::string::npos);
  Sql(script.replace(limit, 3, "1MB"));
  // These keep nothing, and only take time.
  const std::map<std::string_view, std::string_view> others = {
      {"repeat('x', 1000000000) = ''", "went on"},
      {"SELECT generate_series(1, 1000000000)::text AS record_key FROM enrollment", "went on"}};
  std::map<std::string, int> stopped;
  const auto run = [&](const std::string& group, const HostileText& hostile) -> std::string {
    const auto most = absl::Seconds(others.contains(hostile.written) ? 1 : 15);
    const RuleResult result = Evaluate(RuleOf(hostile), {.statement = most});
    if (result.error == "needed too much space (53400)") ++stopped[group];
    return result.error == "took too long (stopped)" ? "went on" : "";
  };
  EachText(Layer::kSpace, others, run);
  EXPECT_EQ(run("allowed", AllowedProduct()), "");
  EXPECT_GE(stopped["products"], 2);
  EXPECT_GE(stopped["recursion"], 2);
  EXPECT_EQ(stopped["allowed"], 1);
}

// The session's own limit is a minute, which none of these waits for.
TEST_F(LayerTest, SupervisorAlone) {
  OpenCage();
  PlantSlowValues();
  std::map<std::string, int> stopped;
  const auto run = [&](const std::string& group, const HostileText& hostile) -> std::string {
    const absl::Time start = clock::Clock::Real().Now();
    const RuleResult result = Evaluate(RuleOf(hostile), {.statement = absl::Milliseconds(100)});
    if (result.error == "took too long (stopped)") ++stopped[group];
    return clock::Clock::Real().Now() - start < absl::Seconds(10) ? "" : "went on";
  };
  EachText(Layer::kSupervisor, {}, run);
  EXPECT_EQ(run("allowed", AllowedProduct()), "");
  EXPECT_GE(stopped["sleeps"], 15);
  EXPECT_GE(stopped["products"], 3);
  EXPECT_GE(stopped["recursion"], 2);
  EXPECT_GE(stopped["patterns"], 3);
  EXPECT_EQ(stopped["allowed"], 1);
  ExpectNobodyWorks();
}

TEST_F(LayerTest, WordsAlone) {
  OpenCage();
  Sql("UPDATE dataset_read.enrollment SET student_uid = 'Hazel', first_name = 'Hazel',"
      " last_name = 'Thyme', race = 'Thyme', fte = 0");
  int errors = 0;
  EachText(Layer::kWords, {}, [&](const std::string&, const HostileText& hostile) -> std::string {
    ::testing::internal::CaptureStderr();
    const RuleResult result = Evaluate(RuleOf(hostile));
    const std::string said =
        absl::AsciiStrToLower(::testing::internal::GetCapturedStderr() + result.error);
    if (!result.error.empty()) ++errors;
    EXPECT_THAT(result.error, ::testing::MatchesRegex("|[a-z ]+ \\([0-9A-Z]{5}\\)"));
    const bool tells = said.find("hazel") != said.npos || said.find("thyme") != said.npos;
    return tells ? "tells " + said : "";
  });
  EXPECT_GE(errors, 20);
}

// Whether another district has records, and which, changes nothing: an error would tell of one.
TEST_F(LayerTest, DistrictAlone) {
  ShutCage();
  Sql("UPDATE dataset_read.enrollment SET student_uid = '1'; ANALYZE dataset_read.enrollment");
  const auto ask = [&](const HostileText& hostile) {
    const std::string sql =
        hostile.mode == "expression"
            ? fmt::format("SELECT record_key FROM enrollment WHERE ({}) IS NOT NULL",
                          hostile.text())
            : Raw(hostile);
    const auto session = Session();
    std::string state = "worked";
    std::string cells;
    const absl::Status status = session->Stream(
        {"", sql}, {}, clock::Clock::Real().Now() + absl::Seconds(20), [&](const pg::Row& row) {
          cells += fmt::format("{}\n", row.ViewAt(0));
          return absl::OkStatus();
        });
    if (!status.ok()) state = pg::SqlStateOf(status);
    return std::pair(state, cells);
  };
  std::map<std::string, std::string> alone;
  EachText(Layer::kDistrict, {}, [&](const std::string&, const HostileText& hostile) {
    alone[hostile.written] = ask(hostile).first;
    return "";
  });
  Sql("INSERT INTO dataset_read.enrollment (copy, district_id, record_key, student_uid,"
      " school_id, first_name, last_name, race, fte, entry_date) SELECT 'STATE', 'south',"
      " 'secret' || i, 'secret', 'secret', 'secret', 'secret', 'secret', 0, '2025-08-18'"
      " FROM generate_series(1, 50) i; ANALYZE dataset_read.enrollment");
  EachText(Layer::kDistrict, {},
           [&](const std::string&, const HostileText& hostile) -> std::string {
             const auto [state, cells] = ask(hostile);
             if (state != alone.at(hostile.written)) return "differs: " + state;
             return cells.find("secret") == cells.npos ? "" : "tells";
           });
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
  ExpectNobodyWorks();
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
  CompiledRule rule = Unguarded("SELECT record_key, repeat('x', 500) AS long FROM enrollment");
  rule.query_columns.emplace_back("long");
  rule.outputs = {"long"};
  rule.content.fields = {"long"};
  const RuleResult result = Evaluate(rule, {.stored_bytes = 5'000});
  EXPECT_EQ(result.findings, 100);
  EXPECT_EQ(result.stored.size(), 10U);
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
