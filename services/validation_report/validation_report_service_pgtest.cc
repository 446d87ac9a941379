// Every RPC through a real server: what it does, what it refuses, and who sees what.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <tuple>
#include <utility>

#include "common/paging/paging.h"
#include "common/rpc/standard.h"
#include "common/rpc/status.h"
#include "common/testing/matchers.h"
#include "common/testing/test_server.h"
#include "services/validation_report/background_keeper.h"
#include "services/validation_report/claimed_job.h"
#include "services/validation_report/definition_store.h"
#include "services/validation_report/finding.h"
#include "services/validation_report/migrations/migrations.h"
#include "services/validation_report/report_worker.h"
#include "services/validation_report/rule_fixture.h"
#include "services/validation_report/snapshot_client.h"
#include "services/validation_report/validation_report_service.h"

namespace edcert::validation_report {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;

// state, stella: see all, have every right. sten: of the state, without any. sue: the same, a
// reviewer of the category. ada: a certifier of north. eve: assigned to north, without a role.
// vera: the same, with every right. bob: of south. ava, abe and amy: of the state, approvers of the
// category; amy is assigned to north too.
class FakeAccess final : public access::Resolver {
 public:
  access::EventFacts event;
  access::OrganizationKind kind = access::OrganizationKind::kDistrict;

 protected:
  absl::StatusOr<access::Access> Ask(const rpc::Call& call, const access::Query& query) override {
    access::Access access = Known(query);
    access.user = call.principal().user;
    const bool approves =
        access.user == "users/ava" || access.user == "users/abe" || access.user == "users/amy";
    const bool all_rights = access.user == "users/state" || access.user == "users/stella";
    access.rights.assign(16 * 8, all_rights || access.user == "users/vera" || approves);
    access.state_user =
        all_rights || access.user == "users/sten" || access.user == "users/sue" || approves;
    if (approves && !query.event.empty()) {
      access.roles = {{access::Role::kApprover, access::Rank::kNone, "organizations/state"}};
    }
    const bool sees = access.state_user || (access.user == "users/ada" && !IsClosed());
    // Who is in no category may learn of the event all the same, from a role elsewhere.
    if (!access.state_user && IsClosed()) access.event.reset();
    if (query.visible_events && !access.state_user && sees) access.visible_events = {event.name};
    if (access.user == "users/sue" && !query.event.empty()) {
      access.roles = {{access::Role::kStateReviewer, access::Rank::kNone, "organizations/state"}};
    }
    const std::string home =
        access.user == "users/bob" ? "organizations/south" : "organizations/north";
    access.scope_organizations = {approves && access.user != "users/amy" ? "organizations/state"
                                                                         : home};
    access.in_scope = access.state_user || query.organization == home;
    if (access.user == "users/ada" && !query.event.empty() &&
        (query.organization.empty() || query.organization == home)) {
      access.roles = {{access::Role::kCertifier, access::Rank::kPrimary, home}};
    }
    return access;
  }
  absl::StatusOr<access::Access> AskForService(const rpc::Call& /*call*/,
                                               const access::Query& query) override {
    access::Access access = Known(query);
    access.state_user = true;
    access.in_scope = true;
    return access;
  }

 private:
  bool IsClosed() const { return event.status == access::EventStatus::kClosed; }

  access::Access Known(const access::Query& query) const {
    access::Access access;
    access.organization_kind = kind;
    access.organization_display_name = "North Valley";
    if (query.event == event.name) access.event = event;
    return access;
  }
};

class FakeDefinitions final : public DefinitionSource {
 public:
  explicit FakeDefinitions(edcert::testing::TestDatabase& database) : database_(database) {}

 private:
  absl::StatusOr<Definitions> Find(const std::vector<std::string>& datasets) override {
    pg::Database db = database_.db();
    return ReadDefinitions(db, datasets);
  }

  edcert::testing::TestDatabase& database_;
};

class FakeSnapshots final : public SnapshotSource {
 public:
  SnapshotFacts facts;
  SnapshotFacts last_year;
  std::map<std::string, LastYear> last_years;
  absl::StatusOr<SnapshotFacts> Get(const rpc::Call& /*call*/,
                                    const std::string& /*name*/) override {
    return facts;
  }
  absl::StatusOr<SnapshotFacts> GetLastYear(const rpc::Call& /*call*/,
                                            const std::string& /*name*/) override {
    return last_year;
  }
  absl::StatusOr<std::map<std::string, LastYear>> ListLastYear(
      const rpc::Call& /*call*/, const std::string& /*event*/) override {
    return last_years;
  }
};

class ServiceTest : public ::testing::Test {
 protected:
  using Stub = v1::ValidationReports::Stub;

  explicit ServiceTest(int people = 1) : people_(people) {}

  void SetUp() override {
    PublishDatasets(server_.database().owner());
    Sql("INSERT INTO dataset_read.data_version VALUES"
        " ('DISTRICT', 'enrollment', 'north', 3, now(), 100),"
        " ('STATE', 'enrollment', 'north', 2, now(), 100);"
        "INSERT INTO dataset_read.enrollment (copy, district_id, record_key, student_uid, "
        "school_id,"
        " entry_date, exit_date) SELECT 'DISTRICT', 'north', 'k' || lpad(i::text, 3, '0'), 's' || "
        "i,"
        " 'school-1', '2025-08-18', '2025-08-10' FROM generate_series(1, 100) i");
    access_.event.name = "events/fall";
    access_.event.title = "Fall";
    access_.event.category = "categories/c";
    access_.event.rule_group = "ruleGroups/g";
    access_.event.rule_group_version = 1;
    access_.event.status = access::EventStatus::kPublished;
    access_.event.phase = access::Phase::kReview;
    access_.event.live_version = 1;
    server_.Serve(service_, v1::ValidationReports::service_full_name());
    stub_ = v1::ValidationReports::NewStub(server_.channel());
  }

  void TearDown() override { server_.Stop(); }

  void Sql(const std::string& sql) {
    ASSERT_THAT(server_.database().owner().RunScript(sql), IsOk());
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request, std::string_view user = "users/state") {
    grpc::ClientContext context;
    server_.CallAs(context, user);
    Response response;
    const absl::Status status = rpc::FromGrpc((stub_.get()->*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  static std::string NewId() { return ids::IdSource::Real().NewId(); }

  absl::StatusOr<v1::Rule> CreateRule(const v1::Rule& rule, std::string_view user = "users/state") {
    v1::CreateRuleRequest request;
    request.set_request_id(NewId());
    *request.mutable_rule() = rule;
    return Call(&Stub::CreateRule, request, user);
  }

  absl::StatusOr<v1::Rule> ActivateRule(const std::string& name, const std::string& etag,
                                        std::string_view user = "users/state") {
    v1::ActivateRuleRequest request;
    request.set_request_id(NewId());
    request.set_name(name);
    request.set_etag(etag);
    return Call(&Stub::ActivateRule, request, user);
  }

  absl::StatusOr<v1::Rule> UpdateRule(const v1::Rule& rule, std::string_view user = "users/state") {
    v1::UpdateRuleRequest request;
    request.set_request_id(NewId());
    *request.mutable_rule() = rule;
    return Call(&Stub::UpdateRule, request, user);
  }

  absl::StatusOr<v1::Rule> ActivateVersion(const v1::Rule& rule, int version,
                                           std::string_view user = "users/state") {
    v1::ActivateRuleRequest request;
    request.set_request_id(NewId());
    request.set_name(rule.name());
    request.set_etag(rule.etag());
    request.set_version(version);
    return Call(&Stub::ActivateRule, request, user);
  }

  absl::StatusOr<v1::Rule> DeactivateRule(const v1::Rule& rule,
                                          std::string_view user = "users/state") {
    v1::DeactivateRuleRequest request;
    request.set_request_id(NewId());
    request.set_name(rule.name());
    request.set_etag(rule.etag());
    return Call(&Stub::DeactivateRule, request, user);
  }

  absl::StatusOr<v1::Rule> GetRule(const std::string& name, int version = 0) {
    v1::GetRuleRequest request;
    request.set_name(name);
    request.set_version(version);
    return Call(&Stub::GetRule, request);
  }

  absl::StatusOr<v1::RuleGroup> GetGroup(const std::string& name, int version = 0) {
    v1::GetRuleGroupRequest request;
    request.set_name(name);
    request.set_version(version);
    return Call(&Stub::GetRuleGroup, request);
  }

  absl::StatusOr<v1::RuleGroup> UpdateGroup(const v1::RuleGroup& group,
                                            std::string_view user = "users/state") {
    v1::UpdateRuleGroupRequest request;
    request.set_request_id(NewId());
    *request.mutable_rule_group() = group;
    return Call(&Stub::UpdateRuleGroup, request, user);
  }

  // A rule that is true of students whose number is at least a parameter's value, 90 by default.
  static v1::Rule RuleWithParameter(const std::string& code) {
    return EnrollmentRule(code, R"json("fields": ["student_uid"],
        "row": {"expression": "substr(student_uid, 2)::int8 >= parameter.lowest"},
        "parameters": [{"name": "lowest", "type": "INT64", "description": "The first.",
                        "default_value": "90"}],
        "fixtures": [
          {"rows": [{"values": {"student_uid": "s90"}, "must_fire": true},
                    {"values": {"student_uid": "s89"}}]},
          {"parameter_values": {"lowest": "-5"},
           "rows": [{"values": {"student_uid": "s89"}, "must_fire": true}]}])json");
  }

  // A rule that finds the students of last year.
  static v1::Rule RuleOfLastYear(const std::string& code) {
    return EnrollmentRule(code, R"json("reference": {
        "dataset": "datasets/last_year_enrollment", "columns": ["student_uid"],
        "other_columns": ["student_uid"], "mode": "MUST_NOT_EXIST"},
        "fixtures": [{"rows": [
          {"values": {"student_uid": "s1"}, "must_fire": true},
          {"values": {"student_uid": "s2"}},
          {"dataset": "datasets/last_year_enrollment", "values": {"student_uid": "s1"}}]}])json");
  }

  // How it ended, and what it told until then.
  std::pair<absl::Status, std::vector<v1::PreviewRuleResponse>> PreviewRule(
      const v1::PreviewRuleRequest& request, std::string_view user = "users/state") {
    grpc::ClientContext context;
    server_.CallAs(context, user);
    const auto reader = stub_->PreviewRule(&context, request);
    std::vector<v1::PreviewRuleResponse> messages;
    v1::PreviewRuleResponse message;
    while (reader->Read(&message)) messages.push_back(message);
    const absl::Status status = rpc::FromGrpc(reader->Finish());
    return {status, messages};
  }

  absl::StatusOr<v1::Rule> ArchiveRule(const std::string& name, const std::string& etag,
                                       std::string_view user = "users/state") {
    v1::ArchiveRuleRequest request;
    request.set_request_id(NewId());
    request.set_name(name);
    request.set_etag(etag);
    return Call(&Stub::ArchiveRule, request, user);
  }

  // A rule whose fixtures pass.
  static v1::Rule GoodRule(const std::string& code) {
    return EnrollmentRule(code, R"("fields": ["student_uid"],
        "row": {"expression": "exit_date < entry_date"},
        "fixtures": [{"title": "one", "rows": [
          {"values": {"entry_date": "2025-08-18", "exit_date": "2025-08-01"}, "must_fire": true},
          {"values": {"entry_date": "2025-08-18"}}]}])");
  }

  absl::StatusOr<v1::RuleGroup> CreateGroup(const std::string& id,
                                            const std::vector<std::string>& rules,
                                            std::string_view user = "users/state") {
    v1::CreateRuleGroupRequest request;
    request.set_request_id(NewId());
    request.set_rule_group_id(id);
    request.mutable_rule_group()->set_title("Group " + id);
    request.mutable_rule_group()->set_level(type::LEVEL_DISTRICT);
    for (const std::string& rule : rules) request.mutable_rule_group()->add_rules()->set_rule(rule);
    return Call(&Stub::CreateRuleGroup, request, user);
  }

  absl::StatusOr<v1::RuleGroup> ActivateGroup(const v1::RuleGroup& group,
                                              std::string_view user = "users/state") {
    v1::ActivateRuleGroupRequest request;
    request.set_request_id(NewId());
    request.set_name(group.name());
    request.set_etag(group.etag());
    return Call(&Stub::ActivateRuleGroup, request, user);
  }

  absl::StatusOr<v1::RuleGroup> DeactivateGroup(const v1::RuleGroup& group,
                                                std::string_view user = "users/state") {
    v1::DeactivateRuleGroupRequest request;
    request.set_request_id(NewId());
    request.set_name(group.name());
    request.set_etag(group.etag());
    return Call(&Stub::DeactivateRuleGroup, request, user);
  }

  // The group that the event pins, active.
  void MakeGroup(type::Severity severity = type::SEVERITY_FATAL) {
    v1::Rule rule = GoodRule("T-1");
    rule.set_severity(severity);
    MakeGroupOf(rule);
  }
  void MakeGroupOf(const v1::Rule& content) {
    const absl::StatusOr<v1::Rule> rule = CreateRule(content);
    ASSERT_THAT(rule, IsOk());
    ASSERT_THAT(ActivateRule(rule->name(), rule->etag()), IsOk());
    const absl::StatusOr<v1::RuleGroup> group = CreateGroup("g", {rule->name()});
    ASSERT_THAT(group, IsOk());
    ASSERT_THAT(ActivateGroup(*group), IsOk());
  }

  static v1::CreateReportRequest ReportRequest() {
    v1::CreateReportRequest request;
    request.set_request_id(NewId());
    request.set_event("events/fall");
    request.set_organization("organizations/north");
    request.set_kind(v1::REPORT_KIND_DISTRICT_DATA);
    request.set_format(v1::REPORT_FORMAT_HTML);
    return request;
  }

  absl::StatusOr<v1::Report> CreateReport(std::string_view user = "users/ada") {
    return Call(&Stub::CreateReport, ReportRequest(), user);
  }

  absl::StatusOr<v1::Report> GetReport(const std::string& name, std::string_view user) {
    v1::GetReportRequest request;
    request.set_name(name);
    return Call(&Stub::GetReport, request, user);
  }

  // To the end, which a report that has ended reaches at once.
  absl::Status Watch(const std::string& name, std::string_view user) {
    grpc::ClientContext context;
    server_.CallAs(context, user);
    v1::WatchReportRequest request;
    request.set_name(name);
    const auto reader = stub_->WatchReport(&context, request);
    v1::Report report;
    while (reader->Read(&report)) {
    }
    return rpc::FromGrpc(reader->Finish());
  }

  int CountListed(std::string_view user, const std::string& event = "") {
    v1::ListReportsRequest request;
    request.set_event(event);
    const absl::StatusOr<v1::ListReportsResponse> listed = Call(&Stub::ListReports, request, user);
    EXPECT_THAT(listed, IsOk());
    return listed.ok() ? listed->reports_size() : -1;
  }

  absl::StatusOr<v1::Report> Cancel(const std::string& name, std::string_view user) {
    v1::CancelReportRequest request;
    request.set_request_id(NewId());
    request.set_name(name);
    return Call(&Stub::CancelReport, request, user);
  }

  absl::StatusOr<v1::Report> Retry(const std::string& name) {
    v1::RetryReportRequest request;
    request.set_request_id(NewId());
    request.set_name(name);
    return Call(&Stub::RetryReport, request, "users/ada");
  }

  struct File {
    v1::DownloadReportResponse::Header header;
    std::string bytes;
    absl::Status status;
  };
  File Download(const std::string& name, std::string_view user) {
    grpc::ClientContext context;
    server_.CallAs(context, user);
    v1::DownloadReportRequest request;
    request.set_name(name);
    const auto reader = stub_->DownloadReport(&context, request);
    File file;
    v1::DownloadReportResponse message;
    while (reader->Read(&message)) {
      if (message.has_header()) file.header = message.header();
      file.bytes += message.chunk();
    }
    file.status = rpc::FromGrpc(reader->Finish());
    return file;
  }

  static v1::ExplainFindingsRequest ExplainRequest(const std::string& report) {
    v1::ExplainFindingsRequest request;
    request.set_request_id(NewId());
    request.set_report(report);
    request.set_rule("rules/t-1");
    request.set_text("They left before.");
    return request;
  }
  absl::StatusOr<v1::ExplainFindingsResponse> Explain(const std::string& report,
                                                      std::string_view user) {
    return Call(&Stub::ExplainFindings, ExplainRequest(report), user);
  }
  // Waives all findings of a report for a week.
  v1::WaiveFindingRequest WaiveRequest(const std::string& report) {
    v1::WaiveFindingRequest request;
    request.set_report(report);
    request.set_group(Group(report).group());
    *request.mutable_until_date() = rpc::ToProto(Today() + 7);
    request.set_reason("The rule does not know the new calendar.");
    return request;
  }
  absl::StatusOr<v1::Waiver> Waive(v1::WaiveFindingRequest request, std::string_view user) {
    request.set_request_id(NewId());
    return Call(&Stub::WaiveFinding, request, user);
  }
  absl::CivilDay Today() {
    return absl::ToCivilDay(server_.runtime().clock().Now(), server_.runtime().zone());
  }
  // What a report says of FATAL findings now.
  v1::Report::SeverityCount Fatal(const std::string& report) {
    const absl::StatusOr<v1::Report> read = GetReport(report, "users/ada");
    EXPECT_THAT(read, IsOk());
    return read->counts(3);
  }

  static v1::GetOpenFindingsRequest OpenFindingsRequest() {
    v1::GetOpenFindingsRequest request;
    request.set_organization("organizations/north");
    request.set_rule_group("ruleGroups/g");
    request.set_copy(type::COPY_DISTRICT);
    return request;
  }
  absl::StatusOr<v1::OpenFindings> OpenFindings(std::string_view user = "users/state",
                                                type::Copy copy = type::COPY_DISTRICT) {
    v1::GetOpenFindingsRequest request = OpenFindingsRequest();
    request.set_copy(copy);
    return Call(&Stub::GetOpenFindings, request, user);
  }
  // The records of north's copy changed: does what follows; returns the id of the job.
  std::string CountInBackground() {
    type::Change change;
    change.set_subject("organizations/north");
    change.set_type("records_changed");
    (*change.mutable_attributes())["dataset"] = "datasets/enrollment";
    (*change.mutable_attributes())["copy"] = "DISTRICT";
    pg::Database db = server_.database().db();
    EXPECT_THAT(db.RunInTransaction([&](pg::Transaction& tx) {
      return ApplyDatasetChange(tx, change, absl::ZeroDuration());
    }),
                IsOk());
    // Also when something made it due before, after a while.
    Sql("UPDATE validation.background_run SET due_at = now() WHERE copy = 'DISTRICT'");
    const auto due = AcceptDueRuns(db, ids::IdSource::Real(), absl::Hours(1));
    EXPECT_THAT(due, IsOk());
    EXPECT_EQ(due->accepted.size(), 1U);
    if (due->accepted.empty()) return "";
    Work("jobs/" + due->accepted.front().id);
    return due->accepted.front().id;
  }

  // The only group of a report's findings.
  v1::FindingGroup Group(const std::string& report) {
    v1::ListFindingGroupsRequest request;
    request.set_report(report);
    const auto groups = Call(&Stub::ListFindingGroups, request);
    EXPECT_THAT(groups, IsOk());
    EXPECT_EQ(groups->groups_size(), 1);
    return groups->groups(0);
  }
  int64_t Unexplained(const std::string& report) { return Group(report).unexplained(); }

  static std::string IdOf(const std::string& name) { return name.substr(name.find('/') + 1); }

  void Work(const std::string& name) {
    const auto job = ClaimJob(server_.database().db(), IdOf(name));
    ASSERT_THAT(
        ReportRunner(rules_conninfo(), 100'000'000, absl::UTCTimeZone(), ids::IdSource::Real())
            .Run(*job),
        IsOk());
  }

  std::string rules_conninfo() { return server_.database().owner_conninfo() + " user=rule_exec"; }

  edcert::testing::TestServer server_{
      {.service = "validation_report",
       .schema = "validation",
       .migrations = {jobs::Migrations(), {"validation", sql::kMigrations}}}};
  const int people_;  // who must ask for the activation of a rule
  FakeAccess access_;
  FakeDefinitions definitions_{server_.database()};
  FakeSnapshots snapshots_;
  pg::Pool rules_pool_{{.conninfo = rules_conninfo(), .size = 2}};
  jobs::Dispatcher dispatcher_{server_.runtime().pool(), edcert::config::Redis(), "validation"};
  ValidationReportService service_{
      {.runtime = server_.runtime(),
       .access = access_,
       .definitions = definitions_,
       .snapshots = snapshots_,
       .dispatcher = dispatcher_,
       .rules_pool = rules_pool_,
       .max_waiting_reports = 2,
       .rule_activation_people = people_,
       .background_delay = absl::Hours(1),
       .find_event = [this](const std::string& /*name*/) { return access_.event; }}};
  std::unique_ptr<Stub> stub_;
};

TEST_F(ServiceTest, RuleIsCheckedWhenItIsWritten) {
  v1::Rule rule = GoodRule("T-1");
  rule.mutable_row()->set_expression("exit_date < pg_sleep(1)");
  const absl::StatusOr<v1::Rule> refused = CreateRule(rule);
  EXPECT_THAT(refused, HasReason("RULE_NOT_ALLOWED"));
  EXPECT_NE(status::MetadataOf(refused.status(), "what"), "");
  EXPECT_EQ(status::MetadataOf(refused.status(), "position"), "13");
  rule = GoodRule("T-1");
  rule.set_severity(type::SEVERITY_UNSPECIFIED);
  EXPECT_THAT(CreateRule(rule), HasReason("FIELD_INVALID"));
  EXPECT_THAT(CreateRule(GoodRule("T-1"), "users/ada"), HasReason("NOT_PERMITTED"));
  EXPECT_EQ(server_.CountRows("rule"), 0);
}

TEST_F(ServiceTest, RuleLives) {
  const absl::StatusOr<v1::Rule> draft = CreateRule(GoodRule("T-1"));
  ASSERT_THAT(draft, IsOk());
  EXPECT_EQ(draft->name(), "rules/t-1");
  EXPECT_EQ(draft->state(), v1::Rule::DRAFT);
  EXPECT_EQ(draft->version(), 1);
  EXPECT_THAT(CreateRule(GoodRule("T-1")), HasReason("ALREADY_EXISTS"));

  v1::TestRuleRequest test;
  test.set_name(draft->name());
  const absl::StatusOr<v1::TestRuleResponse> tested = Call(&Stub::TestRule, test);
  ASSERT_THAT(tested, IsOk());
  EXPECT_TRUE(tested->passed());
  EXPECT_EQ(tested->results(0).title(), "one");

  EXPECT_THAT(ActivateRule(draft->name(), "99"), HasReason("ETAG_MISMATCH"));
  const absl::StatusOr<v1::Rule> active = ActivateRule(draft->name(), draft->etag());
  ASSERT_THAT(active, IsOk());
  EXPECT_EQ(active->state(), v1::Rule::ACTIVE);
  EXPECT_THAT(ActivateRule(draft->name(), active->etag()), HasReason("TRANSITION_NOT_ALLOWED"));

  v1::ArchiveRuleRequest archive;
  archive.set_request_id(NewId());
  archive.set_name(draft->name());
  archive.set_etag(active->etag());
  const absl::StatusOr<v1::Rule> archived = Call(&Stub::ArchiveRule, archive);
  ASSERT_THAT(archived, IsOk());
  EXPECT_EQ(archived->state(), v1::Rule::ARCHIVED);
  EXPECT_EQ(Call(&Stub::ArchiveRule, archive)->etag(), archived->etag());  // the first answer

  v1::ListRulesRequest list;
  EXPECT_EQ(Call(&Stub::ListRules, list)->rules_size(), 0);
  list.add_state(v1::Rule::ARCHIVED);
  EXPECT_EQ(Call(&Stub::ListRules, list)->rules_size(), 1);
  EXPECT_THAT(CreateGroup("g", {"rules/t-1"}), HasReason("RULE_INACTIVE"));
}

TEST_F(ServiceTest, NewVersionWaitsBesideTheOneInUse) {
  const v1::Rule draft = *CreateRule(GoodRule("T-1"));
  EXPECT_EQ(draft.active_version(), 0);
  EXPECT_EQ(draft.author(), "users/state");
  v1::Rule rule = *ActivateRule(draft.name(), draft.etag());
  EXPECT_EQ(rule.active_version(), 1);

  rule.set_title("Better");
  rule.set_severity(type::SEVERITY_WARNING);
  rule.add_tags("spring");
  const absl::StatusOr<v1::Rule> updated = UpdateRule(rule, "users/stella");
  ASSERT_THAT(updated, IsOk());
  EXPECT_EQ(updated->state(), v1::Rule::ACTIVE);
  EXPECT_EQ(updated->version(), 2);
  EXPECT_EQ(updated->active_version(), 1);
  EXPECT_EQ(updated->newest_version(), 2);
  EXPECT_EQ(updated->author(), "users/stella");
  EXPECT_THAT(UpdateRule(rule), HasReason("ETAG_MISMATCH"));
  EXPECT_EQ(UpdateRule(*updated)->newest_version(), 2);  // nothing new
  EXPECT_EQ(GetRule(rule.name())->title(), "Better");
  EXPECT_EQ(GetRule(rule.name(), 1)->title(), "Title");
  EXPECT_THAT(GetRule(rule.name(), 3), HasReason("NOT_FOUND"));
  v1::ListRulesRequest list;
  EXPECT_EQ(Call(&Stub::ListRules, list)->rules(0).title(), "Title");
  list.set_tag("spring");
  EXPECT_EQ(Call(&Stub::ListRules, list)->rules_size(), 0);

  // Groups see the version in use, and may not name another.
  v1::RuleGroup group = *CreateGroup("g", {rule.name()});
  EXPECT_EQ(group.rules(0).version(), 1);
  EXPECT_EQ(group.rules(0).severity(), type::SEVERITY_FATAL);
  group.mutable_rules(0)->set_version(2);
  EXPECT_THAT(UpdateGroup(group), HasReason("RULE_INACTIVE"));

  const absl::StatusOr<v1::Rule> active = ActivateRule(rule.name(), updated->etag());
  ASSERT_THAT(active, IsOk());
  EXPECT_EQ(active->active_version(), 2);
  EXPECT_EQ(Call(&Stub::ListRules, list)->rules_size(), 1);
  group.mutable_rules(0)->set_severity(type::SEVERITY_WARNING);
  EXPECT_EQ(UpdateGroup(group)->rules(0).version(), 2);
  // And back again; what was in use may be in a group for ever.
  const absl::StatusOr<v1::Rule> back = ActivateVersion(*active, 1);
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->active_version(), 1);
  EXPECT_EQ(back->newest_version(), 2);
  EXPECT_THAT(ActivateVersion(*back, 1), HasReason("TRANSITION_NOT_ALLOWED"));
  EXPECT_THAT(ActivateVersion(*back, 7), HasReason("NOT_FOUND"));
  group = *GetGroup("ruleGroups/g");
  EXPECT_EQ(UpdateGroup(group)->rules(0).version(), 2);
}

TEST_F(ServiceTest, ChangeOfARuleIsCheckedLikeANewOne) {
  v1::Rule rule = *CreateRule(GoodRule("T-1"));
  const v1::Rule good = rule;
  rule.mutable_row()->set_expression("exit_date < pg_sleep(1)");
  EXPECT_THAT(UpdateRule(rule), HasReason("RULE_NOT_ALLOWED"));
  rule = good;
  rule.set_code("T-2");
  EXPECT_THAT(UpdateRule(rule), HasReason("FIELD_INVALID"));
  rule = good;
  rule.set_title("Other");
  EXPECT_THAT(UpdateRule(rule, "users/vera"), HasReason("NOT_PERMITTED"));
  rule.set_name("rules/none");
  EXPECT_THAT(UpdateRule(rule), HasReason("NOT_FOUND"));
  rule = good;
  rule.mutable_fixtures(0)->mutable_rows(1)->set_must_fire(true);
  const absl::StatusOr<v1::Rule> second = UpdateRule(rule);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->state(), v1::Rule::DRAFT);
  EXPECT_EQ(second->version(), 2);
  EXPECT_THAT(ActivateRule(rule.name(), second->etag()), HasReason("FIXTURE_FAILED"));
  EXPECT_EQ(ActivateVersion(*second, 1)->active_version(), 1);
  const v1::Rule archived = *ArchiveRule(rule.name(), GetRule(rule.name())->etag());
  EXPECT_THAT(UpdateRule(archived), HasReason("TRANSITION_NOT_ALLOWED"));
}

TEST_F(ServiceTest, RuleGoesOutOfUseAndBack) {
  const v1::Rule draft = *CreateRule(GoodRule("T-1"));
  EXPECT_THAT(DeactivateRule(draft), HasReason("TRANSITION_NOT_ALLOWED"));
  const v1::Rule active = *ActivateRule(draft.name(), draft.etag());
  const v1::RuleGroup group = *CreateGroup("g", {draft.name()});
  EXPECT_THAT(DeactivateRule(active, "users/vera"), HasReason("NOT_PERMITTED"));
  const absl::StatusOr<v1::Rule> inactive = DeactivateRule(active);
  ASSERT_THAT(inactive, IsOk());
  EXPECT_EQ(inactive->state(), v1::Rule::INACTIVE);
  EXPECT_EQ(inactive->active_version(), 1);
  EXPECT_THAT(CreateGroup("h", {draft.name()}), HasReason("RULE_INACTIVE"));
  EXPECT_THAT(ActivateGroup(group), HasReason("RULE_INACTIVE"));
  ASSERT_THAT(ActivateRule(draft.name(), inactive->etag()), IsOk());
  EXPECT_THAT(ActivateGroup(group), IsOk());
}

class TwoPeopleTest : public ServiceTest {
 protected:
  TwoPeopleTest() : ServiceTest(2) {}
};

TEST_F(TwoPeopleTest, SecondPersonMakesTheActivationEffective) {
  const v1::Rule draft = *CreateRule(GoodRule("T-1"));
  const absl::StatusOr<v1::Rule> asked = ActivateRule(draft.name(), draft.etag());
  ASSERT_THAT(asked, IsOk());
  EXPECT_EQ(asked->state(), v1::Rule::DRAFT);
  EXPECT_EQ(asked->pending_activation().user(), "users/state");
  EXPECT_EQ(asked->pending_activation().version(), 1);
  EXPECT_THAT(CreateGroup("g", {draft.name()}), HasReason("RULE_INACTIVE"));
  // The same person is no second one.
  const absl::StatusOr<v1::Rule> again = ActivateRule(draft.name(), asked->etag());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->etag(), asked->etag());
  EXPECT_EQ(again->state(), v1::Rule::DRAFT);
  EXPECT_THAT(ActivateRule(draft.name(), draft.etag(), "users/stella"), HasReason("ETAG_MISMATCH"));

  const absl::StatusOr<v1::Rule> active = ActivateRule(draft.name(), asked->etag(), "users/stella");
  ASSERT_THAT(active, IsOk());
  EXPECT_EQ(active->state(), v1::Rule::ACTIVE);
  EXPECT_FALSE(active->has_pending_activation());
  pg::Database db = server_.database().db();
  const auto rows = db.RunText("SELECT asked_by, activated_by FROM rule_activation");
  ASSERT_THAT(rows, IsOk());
  ASSERT_EQ(rows->size(), 1);
  EXPECT_EQ((*rows)[0].Text("asked_by"), "users/state");
  EXPECT_EQ((*rows)[0].Text("activated_by"), "users/stella");
}

TEST_F(TwoPeopleTest, WhatWasAskedOfAnotherVersionDoesNotCount) {
  v1::Rule rule = *CreateRule(GoodRule("T-1"));
  rule = *ActivateRule(rule.name(), rule.etag());
  rule.set_title("Other");
  rule = *UpdateRule(rule);
  EXPECT_FALSE(rule.has_pending_activation());
  const v1::Rule asked = *ActivateRule(rule.name(), rule.etag(), "users/stella");
  EXPECT_EQ(asked.state(), v1::Rule::DRAFT);
  EXPECT_EQ(asked.pending_activation().version(), 2);
  const v1::Rule other = *ActivateVersion(asked, 1);
  EXPECT_EQ(other.state(), v1::Rule::DRAFT);
  EXPECT_EQ(other.pending_activation().version(), 1);
  EXPECT_EQ(other.pending_activation().user(), "users/state");
  const v1::Rule active = *ActivateVersion(other, 1, "users/stella");
  EXPECT_EQ(active.active_version(), 1);
  EXPECT_EQ(active.newest_version(), 2);
}

TEST_F(ServiceTest, EventKeepsTheVersionThatItPins) {
  MakeGroup();
  v1::RuleGroup group = *GetGroup("ruleGroups/g");
  const v1::Rule other = *CreateRule(RuleWithParameter("T-2"));
  ASSERT_THAT(ActivateRule(other.name(), other.etag()), IsOk());
  group.add_rules()->set_rule(other.name());
  group.set_title("More");
  EXPECT_THAT(UpdateGroup(group, "users/vera"), HasReason("NOT_PERMITTED"));
  const absl::StatusOr<v1::RuleGroup> updated = UpdateGroup(group);
  ASSERT_THAT(updated, IsOk());
  EXPECT_EQ(updated->version(), 2);
  EXPECT_EQ(updated->active_version(), 1);
  EXPECT_EQ(updated->rules_size(), 2);
  EXPECT_THAT(UpdateGroup(group), HasReason("ETAG_MISMATCH"));
  EXPECT_EQ(Call(&Stub::ListRuleGroups, v1::ListRuleGroupsRequest())->rule_groups(0).title(),
            "Group g");
  v1::RuleGroup level = *updated;
  level.set_level(type::LEVEL_SCHOOL);
  EXPECT_THAT(UpdateGroup(level), HasReason("FIELD_INVALID"));

  v1::CreateReportRequest alone = ReportRequest();
  alone.set_rule_group("ruleGroups/g");
  EXPECT_EQ(Call(&Stub::CreateReport, alone)->rule_group_version(), 1);
  access_.event.rule_group_version = 2;
  EXPECT_THAT(CreateReport(), HasReason("RULE_GROUP_INACTIVE"));
  ASSERT_THAT(ActivateGroup(*updated), IsOk());
  EXPECT_THAT(ActivateGroup(*GetGroup("ruleGroups/g")), HasReason("TRANSITION_NOT_ALLOWED"));
  alone.set_request_id(NewId());
  EXPECT_EQ(Call(&Stub::CreateReport, alone)->rule_group_version(), 2);
  ASSERT_EQ(CountListed("users/state"), 2);  // as many as may wait
  Work(Call(&Stub::ListReports, v1::ListReportsRequest())->reports(0).name());
  access_.event.rule_group_version = 1;
  const absl::StatusOr<v1::Report> pinned = CreateReport();
  ASSERT_THAT(pinned, IsOk());
  EXPECT_EQ(pinned->rule_group_version(), 1);
}

TEST_F(ServiceTest, GroupSetsTheParametersOfItsRules) {
  MakeGroup();
  const v1::Rule rule = *CreateRule(RuleWithParameter("T-2"));
  ASSERT_THAT(ActivateRule(rule.name(), rule.etag()), IsOk());
  v1::RuleGroup group = *GetGroup("ruleGroups/g");
  group.mutable_rules(0)->set_rule(rule.name());
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"lowest", "many"}, {"highest", "1"}}) {
    group.mutable_rules(0)->clear_parameter_values();
    (*group.mutable_rules(0)->mutable_parameter_values())[name] = value;
    EXPECT_THAT(UpdateGroup(group), HasReason("FIELD_INVALID")) << name;
  }
  group.mutable_rules(0)->clear_parameter_values();
  (*group.mutable_rules(0)->mutable_parameter_values())["lowest"] = "99";
  const absl::StatusOr<v1::RuleGroup> updated = UpdateGroup(group);
  ASSERT_THAT(updated, IsOk());
  EXPECT_EQ(updated->rules(0).parameter_values().at("lowest"), "99");
  ASSERT_THAT(ActivateGroup(*updated), IsOk());
  access_.event.rule_group_version = 2;
  const std::string name = CreateReport()->name();
  Work(name);
  EXPECT_EQ(GetReport(name, "users/ada")->counts(3).records(), 2);  // s99, s100
  EXPECT_NE(Download(name, "users/ada").bytes.find("With lowest = 99."), std::string::npos);
}

TEST_F(ServiceTest, ScheduleChangesTheSeverity) {
  MakeGroup();
  v1::RuleGroup group = *GetGroup("ruleGroups/g");
  const absl::CivilDay today = absl::ToCivilDay(absl::Now(), absl::UTCTimeZone());
  const auto add = [&](absl::CivilDay from, absl::CivilDay to, type::Severity severity) {
    v1::RuleGroup::SeverityPeriod* period = group.mutable_rules(0)->add_severity_schedule();
    *period->mutable_from_date() = rpc::ToProto(from);
    *period->mutable_to_date() = rpc::ToProto(to);
    period->set_severity(severity);
    period->set_reason("The state's own list was late.");
  };
  add(today - 9, today + 9, type::SEVERITY_WARNING);
  add(today - 1, today + 20, type::SEVERITY_INFO);
  EXPECT_THAT(UpdateGroup(group), HasReason("FIELD_INVALID"));  // they overlap
  group.mutable_rules(0)->mutable_severity_schedule()->RemoveLast();
  add(today + 10, today + 9, type::SEVERITY_INFO);
  EXPECT_THAT(UpdateGroup(group), HasReason("FIELD_INVALID"));
  group.mutable_rules(0)->mutable_severity_schedule()->RemoveLast();
  group.mutable_rules(0)->mutable_severity_schedule(0)->clear_reason();
  EXPECT_THAT(UpdateGroup(group), HasReason("FIELD_INVALID"));
  group.mutable_rules(0)->mutable_severity_schedule(0)->set_reason("The list was late.");
  const v1::RuleGroup second = *UpdateGroup(group);
  EXPECT_EQ(second.rules(0).severity(), type::SEVERITY_FATAL);
  EXPECT_EQ(second.rules(0).severity_schedule(0).reason(), "The list was late.");
  ASSERT_THAT(ActivateGroup(second), IsOk());

  access_.event.rule_group_version = 2;
  const std::string name = CreateReport()->name();
  Work(name);
  const v1::Report report = *GetReport(name, "users/ada");
  EXPECT_EQ(report.counts(1).records(), 100);
  EXPECT_EQ(report.counts(3).records(), 0);
  EXPECT_TRUE(report.has_severity_date());
  EXPECT_EQ(absl::FormatCivilTime(*rpc::ParseDate(report.next_severity_change(), "day")),
            absl::FormatCivilTime(absl::ToCivilDay(absl::Now(), absl::UTCTimeZone()) + 10));
  // The same report, made again, judges by the same day.
  Sql("UPDATE validation.report SET severity_day = severity_day + 30");
  EXPECT_FALSE(GetReport(name, "users/ada")->has_next_severity_change());
}

TEST_F(ServiceTest, PreviewCountsAndStoresNothing) {
  v1::PreviewRuleRequest request;
  *request.mutable_rule() = GoodRule("T-1");
  request.add_organizations("organizations/north");
  request.add_organizations("organizations/south");
  request.set_copy(type::COPY_DISTRICT);
  const auto preview = [&](std::string_view user = "users/state") {
    return PreviewRule(request, user);
  };
  auto [status, messages] = preview();
  ASSERT_THAT(status, IsOk());
  ASSERT_EQ(messages.size(), 3U);
  const v1::PreviewRuleResponse::Organization& north = messages[0].organization();
  EXPECT_EQ(north.name(), "organizations/north");
  EXPECT_EQ(north.version(), 3);
  EXPECT_EQ(north.rows(), 100);
  EXPECT_EQ(north.findings(), 100);
  EXPECT_EQ(north.outcome(), v1::PreviewRuleResponse::FAIL);
  EXPECT_TRUE(north.blocked());
  EXPECT_EQ(messages[1].organization().outcome(), v1::PreviewRuleResponse::PASS);
  EXPECT_EQ(messages[2].summary().organizations(), 2);
  EXPECT_EQ(messages[2].summary().with_findings(), 1);
  EXPECT_EQ(messages[2].summary().blocked(), 1);
  EXPECT_EQ(messages[2].summary().findings(), 100);
  EXPECT_EQ(messages[2].summary().left_out(), 0);
  for (const char* table : {"rule", "report", "finding", "job"}) {
    EXPECT_EQ(server_.CountRows(table), 0) << table;
  }

  // A warning blocks nobody; a rule that fails does when it is fatal.
  request.mutable_rule()->set_severity(type::SEVERITY_WARNING);
  EXPECT_EQ(preview().second.back().summary().blocked(), 0);
  *request.mutable_rule() = GoodRule("T-1");
  request.mutable_rule()->mutable_row()->set_expression("1 / (school_year - school_year) > 0");
  Sql("UPDATE dataset_read.enrollment SET school_year = 2026");
  std::tie(status, messages) = preview();
  EXPECT_EQ(messages[0].organization().error(), "divided by zero (22012)");
  EXPECT_EQ(messages.back().summary().blocked(), 1);
  EXPECT_EQ(messages.back().summary().errors(), 1);

  // A stored rule, with the value of a parameter, at the participants of an event.
  ASSERT_THAT(CreateRule(RuleWithParameter("T-2")), IsOk());
  request.set_name("rules/t-2");
  request.clear_organizations();
  request.set_event("events/fall");
  access_.event.participants = {"organizations/north"};
  (*request.mutable_parameter_values())["lowest"] = "96";
  EXPECT_EQ(preview().second.at(0).organization().findings(), 5);

  EXPECT_THAT(preview("users/vera").first, HasReason("NOT_PERMITTED"));
  EXPECT_THAT(preview("users/sten").first, HasReason("NOT_PERMITTED"));
  (*request.mutable_parameter_values())["lowest"] = "x";
  EXPECT_THAT(preview().first, HasReason("FIELD_INVALID"));
  request.clear_parameter_values();
  request.set_version(2);
  EXPECT_THAT(preview().first, HasReason("NOT_FOUND"));
  *request.mutable_rule() = GoodRule("T-3");
  request.mutable_rule()->mutable_row()->set_expression("pg_sleep(1) IS NULL");
  EXPECT_THAT(preview().first, HasReason("RULE_NOT_ALLOWED"));
  request.add_organizations("organizations/north");
  *request.mutable_rule() = GoodRule("T-3");
  EXPECT_THAT(preview().first, HasReason("FIELD_INVALID"));  // both
  request.clear_event();
  request.add_organizations("organizations/north");
  EXPECT_THAT(preview().first, HasReason("FIELD_INVALID"));  // twice
  request.clear_organizations();
  EXPECT_THAT(preview().first, HasReason("FIELD_INVALID"));  // none
  for (int i = 0; i <= 20'000; ++i) request.add_organizations(fmt::format("organizations/o{}", i));
  EXPECT_THAT(preview().first, HasReason("FIELD_INVALID"));  // too many
  request.mutable_organizations()->DeleteSubrange(1000, 19'001);
  EXPECT_EQ(preview().second.back().summary().organizations(), 1000);
}

TEST_F(ServiceTest, PreviewComparesWithLastYear) {
  // Of the hundred students of now, last year's snapshot has those who were not gone at version 17.
  Sql("INSERT INTO dataset_read.enrollment (copy, district_id, record_key, valid_from, valid_to,"
      " student_uid, school_id, entry_date) SELECT 'STATE', 'north', 'k' || i, 1,"
      " CASE WHEN i > 10 THEN 17 ELSE 20 END, 's' || i, 'school-1', '2024-08-18'"
      " FROM generate_series(1, 40) i");
  v1::PreviewRuleRequest request;
  *request.mutable_rule() = RuleOfLastYear("T-1");
  request.add_organizations("organizations/north");
  request.add_organizations("organizations/south");
  request.set_copy(type::COPY_DISTRICT);
  snapshots_.last_years["organizations/north"] = {
      .snapshot = "snapshots/spring",
      .district = "organizations/north",
      .data_versions = {{"enrollment", 17, 10}, {"attendance_summary", 3, 9}}};
  const auto [without, blind] = PreviewRule(request);
  ASSERT_THAT(without, IsOk());
  EXPECT_EQ(blind.front().organization().findings(), 0);
  EXPECT_EQ(blind.front().organization().previous_snapshot(), "");

  request.set_previous_event("events/fall");
  const auto [with, messages] = PreviewRule(request);
  ASSERT_THAT(with, IsOk());
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[0].organization().findings(), 10);
  EXPECT_EQ(messages[0].organization().rows(), 100);
  EXPECT_EQ(messages[0].organization().previous_snapshot(), "snapshots/spring");
  EXPECT_EQ(messages[1].organization().findings(), 0);
  EXPECT_EQ(messages[1].organization().previous_snapshot(), "");
  EXPECT_EQ(messages[2].summary().blocked(), 1);

  // A rule that reads this year alone compares with nothing.
  *request.mutable_rule() = GoodRule("T-2");
  EXPECT_EQ(PreviewRule(request).second.front().organization().previous_snapshot(), "");
  request.set_previous_event("events/none");
  EXPECT_THAT(PreviewRule(request).first, HasReason("NOT_FOUND"));
  request.set_previous_event("last-fall");
  EXPECT_THAT(PreviewRule(request).first, HasReason("FIELD_INVALID"));
}

TEST_F(ServiceTest, RulesGoInAndOutAsText) {
  const auto import = [&](const std::string& text, bool dry_run = false,
                          std::string_view user = "users/state") {
    v1::ImportRulesRequest request;
    request.set_request_id(NewId());
    request.set_rules_json(text);
    request.set_dry_run(dry_run);
    return Call(&Stub::ImportRules, request, user);
  };
  const auto exported = [&](bool newest) {
    grpc::ClientContext context;
    server_.CallAs(context, "users/state");
    v1::ExportRulesRequest request;
    request.set_newest(newest);
    const auto reader = stub_->ExportRules(&context, request);
    std::string text;
    std::string sha256;
    v1::ExportRulesResponse message;
    while (reader->Read(&message)) {
      if (message.has_header()) sha256 = message.header().sha256();
      text += message.chunk();
    }
    EXPECT_TRUE(reader->Finish().ok());
    Sha256 digest;
    digest.Add(text);
    EXPECT_EQ(digest.Hex(), sha256);
    return text;
  };
  const std::string text = ReadTestFile("rules/enrollment.json");
  const auto dry = import(text, /*dry_run=*/true);
  ASSERT_THAT(dry, IsOk());
  EXPECT_GE(dry->created(), 15);
  EXPECT_EQ(server_.CountRows("rule"), 0);
  EXPECT_THAT(import(text, false, "users/vera"), HasReason("NOT_PERMITTED"));
  const auto first = import(text);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->created(), dry->created());
  EXPECT_EQ(server_.CountRows("rule"), first->created());
  EXPECT_EQ(GetRule(first->entries(0).name())->state(), v1::Rule::DRAFT);
  const auto second = import(text);
  EXPECT_EQ(second->unchanged(), first->created());
  EXPECT_EQ(second->entries(0).etag(), first->entries(0).etag());

  // What comes out goes in, and changes nothing; nor do the things that only the server says.
  const std::string out = exported(false);
  EXPECT_EQ(exported(false), out);
  EXPECT_EQ(import(out)->unchanged(), first->created());
  nlohmann::json rules = nlohmann::json::parse(out);
  rules[1]["state"] = "ARCHIVED";
  rules[1]["title"] = "Changed";
  EXPECT_EQ(import(rules.dump(), /*dry_run=*/true)->updated(), 1);
  const auto third = import(rules.dump());
  ASSERT_THAT(third, IsOk());
  EXPECT_EQ(third->updated(), 1);
  EXPECT_EQ(third->entries(1).change(), v1::ImportRulesResponse::UPDATED);
  EXPECT_EQ(third->entries(1).version(), 2);
  ASSERT_THAT(ActivateRule(third->entries(0).name(), third->entries(0).etag()), IsOk());
  rules[0]["title"] = "Also changed";
  ASSERT_THAT(import(rules.dump()), IsOk());
  EXPECT_EQ(exported(false).find("Also changed"), std::string::npos);
  EXPECT_NE(exported(true).find("Also changed"), std::string::npos);

  // All or nothing.
  const auto refused = [&](const std::string& reason, const std::string& field) {
    rules[0]["title"] = "Never";
    const absl::Status status = import(rules.dump()).status();
    EXPECT_THAT(status, HasReason(reason));
    EXPECT_EQ(status::MetadataOf(status, "field"), field);
    EXPECT_EQ(exported(true).find("Never"), std::string::npos);
    rules = nlohmann::json::parse(exported(true));
  };
  rules[2]["row"] = {{"expression", "pg_sleep(1) IS NULL"}};
  refused("RULE_NOT_ALLOWED", "rules_json[2].row.expression");
  rules[2]["title"] = "";
  refused("FIELD_INVALID", "rules_json[2].title");
  rules[2]["tittle"] = "";
  refused("FIELD_INVALID", "rules_json[2]");
  rules[2]["code"] = rules[1]["code"];
  refused("FIELD_INVALID", "rules_json[2].code");
  const v1::Rule archived = *GetRule(third->entries(0).name());
  ASSERT_THAT(ArchiveRule(archived.name(), archived.etag()), IsOk());
  rules[0]["title"] = "Never";
  EXPECT_THAT(import(rules.dump()), HasReason("TRANSITION_NOT_ALLOWED"));
  EXPECT_THAT(import(rules.dump(), /*dry_run=*/true), HasReason("TRANSITION_NOT_ALLOWED"));
  for (const char* bad : {"", "{}", "[]", "[1]", "no", "[{}]"}) {
    EXPECT_THAT(import(bad), HasReason("FIELD_INVALID")) << bad;
  }
}

TEST_F(ServiceTest, RuleWithoutPassingFixturesStaysADraft) {
  v1::Rule none = GoodRule("T-1");
  none.clear_fixtures();
  v1::Rule wrong = GoodRule("T-2");
  wrong.mutable_fixtures(0)->mutable_rows(1)->set_must_fire(true);
  for (const v1::Rule& rule : {none, wrong}) {
    const absl::StatusOr<v1::Rule> draft = CreateRule(rule);
    ASSERT_THAT(draft, IsOk());
    EXPECT_THAT(ActivateRule(draft->name(), draft->etag()), HasReason("FIXTURE_FAILED"));
  }
}

TEST_F(ServiceTest, RulesAreListedInPages) {
  for (const char* code : {"B-1", "A-1", "C-1"}) ASSERT_THAT(CreateRule(GoodRule(code)), IsOk());
  v1::ListRulesRequest list;
  list.set_page_size(2);
  const absl::StatusOr<v1::ListRulesResponse> first = Call(&Stub::ListRules, list);
  ASSERT_THAT(first, IsOk());
  ASSERT_EQ(first->rules_size(), 2);
  EXPECT_EQ(first->rules(0).code(), "A-1");
  list.set_page_token(first->next_page_token());
  EXPECT_EQ(Call(&Stub::ListRules, list)->rules(0).code(), "C-1");
  list.set_dataset("datasets/other");
  EXPECT_THAT(Call(&Stub::ListRules, list), HasReason("PAGE_TOKEN_INVALID"));
}

TEST_F(ServiceTest, GroupResolvesItsRules) {
  MakeGroup();
  v1::GetRuleGroupRequest get;
  get.set_name("ruleGroups/g");
  const absl::StatusOr<v1::RuleGroup> group = Call(&Stub::GetRuleGroup, get);
  ASSERT_THAT(group, IsOk());
  EXPECT_EQ(group->state(), v1::RuleGroup::ACTIVE);
  EXPECT_EQ(group->rules(0).version(), 1);
  EXPECT_EQ(group->rules(0).severity(), type::SEVERITY_FATAL);
  EXPECT_EQ(group->datasets(0), "datasets/enrollment");
  EXPECT_THAT(ActivateGroup(*group), HasReason("TRANSITION_NOT_ALLOWED"));
  EXPECT_EQ(Call(&Stub::ListRuleGroups, v1::ListRuleGroupsRequest())->rule_groups_size(), 1);

  v1::CreateRuleGroupRequest lower;
  lower.set_request_id(NewId());
  *lower.mutable_rule_group() = *group;
  lower.mutable_rule_group()->mutable_rules(0)->set_severity(type::SEVERITY_INFO);
  EXPECT_THAT(Call(&Stub::CreateRuleGroup, lower), HasReason("FIELD_INVALID"));
}

TEST_F(ServiceTest, ReportIsMadeDownloadedAndViewed) {
  MakeGroup();
  const absl::StatusOr<v1::Report> queued = CreateReport();
  ASSERT_THAT(queued, IsOk());
  EXPECT_EQ(queued->state(), v1::Report::QUEUED);
  EXPECT_EQ(queued->queue_position(), 1);
  EXPECT_EQ(queued->data_versions(0).version(), 3);
  EXPECT_EQ(queued->title(), "District data of North Valley: Fall");
  EXPECT_EQ(CreateReport("users/state")->name(), queued->name());
  EXPECT_THAT(Download(queued->name(), "users/ada").status, HasReason("REPORT_NOT_READY"));

  grpc::ClientContext context;
  server_.CallAs(context, "users/ada");
  v1::WatchReportRequest watch;
  watch.set_name(queued->name());
  const auto reader = stub_->WatchReport(&context, watch);
  v1::Report seen;
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(seen.state(), v1::Report::QUEUED);
  // When it will start, each call tells alike.
  for (const v1::Report& waits : {*queued, *GetReport(queued->name(), "users/ada"), seen}) {
    EXPECT_EQ(waits.queue_position(), 1);
    EXPECT_GT(waits.expected_start().seconds(), waits.create_time().seconds());
    EXPECT_EQ(waits.expected_start().seconds() % 10, 0);
  }
  Work(queued->name());
  while (reader->Read(&seen)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(seen.state(), v1::Report::COMPLETED);
  EXPECT_FALSE(seen.has_expected_start());
  EXPECT_FALSE(GetReport(queued->name(), "users/ada")->has_expected_start());
  EXPECT_EQ(seen.counts(3).severity(), type::SEVERITY_FATAL);
  EXPECT_EQ(seen.counts(3).records(), 100);
  EXPECT_FALSE(seen.has_viewed_by_caller_at());

  const File file = Download(queued->name(), "users/ada");
  ASSERT_THAT(file.status, IsOk());
  EXPECT_EQ(static_cast<int64_t>(file.bytes.size()), file.header.size());
  Sha256 digest;
  digest.Add(file.bytes);
  EXPECT_EQ(digest.Hex(), file.header.sha256());
  EXPECT_TRUE(GetReport(queued->name(), "users/ada")->has_viewed_by_caller_at());
  EXPECT_FALSE(GetReport(queued->name(), "users/state")->has_viewed_by_caller_at());
  ASSERT_THAT(Download(queued->name(), "users/state").status, IsOk());
  EXPECT_TRUE(GetReport(queued->name(), "users/state")->has_viewed_by_caller_at());

  v1::ListFindingsRequest list;
  list.set_report(queued->name());
  list.set_page_size(60);
  const auto first = Call(&Stub::ListFindings, list, "users/ada");
  ASSERT_THAT(first, IsOk());
  ASSERT_EQ(first->findings_size(), 60);
  EXPECT_EQ(first->findings(0).record_key(), "k001");
  EXPECT_EQ(first->findings(0).school(), "organizations/school-1");
  EXPECT_EQ(first->findings(0).message(), "school-1 is bad");
  EXPECT_EQ(first->findings(0).fields().at("student_uid"), "s1");
  list.set_page_token(first->next_page_token());
  const auto second = Call(&Stub::ListFindings, list, "users/ada");
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->findings_size(), 40);
  EXPECT_EQ(second->findings(0).record_key(), "k061");
  EXPECT_THAT(Cancel(queued->name(), "users/ada"), HasReason("TRANSITION_NOT_ALLOWED"));
}

TEST_F(ServiceTest, WhoHasNoPartInItSeesNothing) {
  MakeGroup();
  EXPECT_THAT(CreateReport("users/bob"), HasReason("NOT_FOUND"));
  EXPECT_THAT(CreateReport("users/eve"), HasReason("NOT_PERMITTED"));
  const absl::StatusOr<v1::Report> report = CreateReport();
  ASSERT_THAT(report, IsOk());
  Work(report->name());
  for (const char* user : {"users/bob", "users/eve"}) {
    EXPECT_THAT(GetReport(report->name(), user), HasReason("NOT_FOUND"));
    EXPECT_THAT(Download(report->name(), user).status, HasReason("NOT_FOUND"));
    EXPECT_THAT(Cancel(report->name(), user), HasReason("NOT_FOUND"));
    v1::ListFindingsRequest list;
    list.set_report(report->name());
    EXPECT_THAT(Call(&Stub::ListFindings, list, user), HasReason("NOT_FOUND"));
  }
  EXPECT_EQ(server_.CountRows("report_view"), 0);
  EXPECT_EQ(Call(&Stub::ListReports, v1::ListReportsRequest(), "users/bob")->reports_size(), 0);
  EXPECT_EQ(Call(&Stub::ListReports, v1::ListReportsRequest(), "users/ada")->reports_size(), 1);
}

TEST_F(ServiceTest, FindingsAreListedByWhatBecameOfThem) {
  MakeGroup();
  const std::string first = CreateReport()->name();
  Work(first);
  Sql("UPDATE dataset_read.data_version SET version = version + 1;"
      "UPDATE dataset_read.enrollment SET exit_date = NULL WHERE record_key <= 'k010'");
  const std::string second = CreateReport()->name();
  Work(second);
  const absl::StatusOr<v1::Report> report = GetReport(second, "users/ada");
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->previous_report(), first);
  const auto& fatal = report->counts(3);
  EXPECT_EQ(fatal.records(), 90);
  EXPECT_EQ(fatal.records_open(), 90);
  EXPECT_EQ(fatal.records_fixed(), 10);

  v1::ListFindingsRequest request;
  request.set_report(second);
  request.add_change(v1::FINDING_CHANGE_FIXED);
  request.set_page_size(4);
  const auto fixed = Call(&Stub::ListFindings, request, "users/ada");
  ASSERT_THAT(fixed, IsOk());
  ASSERT_EQ(fixed->findings_size(), 4);
  EXPECT_EQ(fixed->findings(0).record_key(), "k001");
  EXPECT_EQ(fixed->findings(0).change(), v1::FINDING_CHANGE_FIXED);
  EXPECT_TRUE(fixed->findings(0).has_first_seen_time());
  EXPECT_TRUE(fixed->findings(0).has_last_seen_time());
  request.set_page_token(fixed->next_page_token());
  EXPECT_EQ(Call(&Stub::ListFindings, request, "users/ada")->findings(0).record_key(), "k005");
  request.clear_change();
  EXPECT_THAT(Call(&Stub::ListFindings, request, "users/ada"), HasReason("PAGE_TOKEN_INVALID"));
  request.clear_page_token();
  const auto open = Call(&Stub::ListFindings, request, "users/ada");
  ASSERT_THAT(open, IsOk());
  EXPECT_EQ(open->findings(0).record_key(), "k011");
  EXPECT_EQ(open->findings(0).change(), v1::FINDING_CHANGE_OPEN);
  EXPECT_NE(open->findings(0).group(), "");

  request.add_change(static_cast<v1::FindingChange>(9));
  EXPECT_THAT(Call(&Stub::ListFindings, request, "users/ada"), HasReason("FIELD_INVALID"));
  request.clear_change();
  request.set_group("nothing");
  EXPECT_THAT(Call(&Stub::ListFindings, request, "users/ada"), HasReason("FIELD_INVALID"));
  v1::ListFindingGroupsRequest groups;
  groups.set_report(second);
  EXPECT_THAT(Call(&Stub::ListFindingGroups, groups, "users/bob"), HasReason("NOT_FOUND"));
  groups.set_severity(static_cast<type::Severity>(9));
  EXPECT_THAT(Call(&Stub::ListFindingGroups, groups, "users/ada"), HasReason("FIELD_INVALID"));
}

TEST_F(ServiceTest, ExplanationsStayWithTheirFindings) {
  MakeGroup(type::SEVERITY_SPECIAL_WARNING);
  const std::string first = CreateReport()->name();
  EXPECT_THAT(Explain(first, "users/ada"), HasReason("REPORT_NOT_READY"));
  Work(first);
  EXPECT_EQ(Unexplained(first), 100);
  const auto explained = Explain(first, "users/ada");
  ASSERT_THAT(explained, IsOk());
  EXPECT_EQ(explained->findings(), 100);
  EXPECT_EQ(explained->explanation().author(), "users/ada");
  EXPECT_EQ(Unexplained(first), 0);
  v1::ListFindingGroupsRequest early;
  early.set_report(first);
  early.set_unexplained_only(true);
  EXPECT_EQ(Call(&Stub::ListFindingGroups, early)->groups_size(), 0);
  *early.mutable_explained_by_time() =
      rpc::ToProto(rpc::FromProto(explained->explanation().create_time()) - absl::Seconds(1));
  EXPECT_EQ(Call(&Stub::ListFindingGroups, early)->groups_size(), 1);

  // A later run finds one more, and that one wants an explanation.
  Sql("UPDATE dataset_read.data_version SET version = version + 1;"
      "INSERT INTO dataset_read.enrollment (copy, district_id, record_key, student_uid, school_id,"
      " entry_date, exit_date) VALUES"
      " ('DISTRICT', 'north', 'k000', 's0', 'school-1', '2025-08-18', '2025-08-10')");
  const std::string second = CreateReport()->name();
  Work(second);
  EXPECT_EQ(Unexplained(second), 1);
  EXPECT_THAT(Download(first, "users/ada").bytes,
              ::testing::Not(::testing::HasSubstr("They left before.")));
  EXPECT_THAT(Download(second, "users/ada").bytes,
              ::testing::HasSubstr("<td>They left before. <span class=\"sub\">users/ada, "));
  v1::ListFindingsRequest list;
  list.set_report(second);
  const auto findings = Call(&Stub::ListFindings, list);
  EXPECT_FALSE(findings->findings(0).has_explanation());
  EXPECT_EQ(findings->findings(1).explanation().text(), "They left before.");
  const v1::FindingGroup group = Group(second);
  EXPECT_EQ(group.suggested_explanation(), "They left before.");
  EXPECT_EQ(group.explanation().text(), "They left before.");
  v1::ExplainFindingsRequest request = ExplainRequest(second);
  request.set_group(group.group());
  request.set_text("This one too.");
  EXPECT_EQ(Call(&Stub::ExplainFindings, request, "users/ada")->findings(), 101);
  EXPECT_EQ(Group(second).explanation().text(), "This one too.");
  EXPECT_EQ(Group(second).suggested_explanation(), "");

  // The next year's event of the category begins anew, and is offered what was said.
  access_.event.name = "events/next";
  v1::CreateReportRequest again = ReportRequest();
  again.set_event("events/next");
  const auto third = Call(&Stub::CreateReport, again, "users/ada");
  ASSERT_THAT(third, IsOk());
  Work(third->name());
  EXPECT_EQ(Unexplained(third->name()), 101);
  EXPECT_EQ(Group(third->name()).suggested_explanation(), "This one too.");
  EXPECT_FALSE(Group(third->name()).has_explanation());
}

TEST_F(ServiceTest, MembersOfTheOrganisationExplain) {
  MakeGroup(type::SEVERITY_SPECIAL_WARNING);
  const std::string name = CreateReport()->name();
  Work(name);
  for (const char* user : {"users/state", "users/sue"}) {
    EXPECT_THAT(Explain(name, user), HasReason("NOT_PERMITTED"));
  }
  for (const char* user : {"users/bob", "users/eve"}) {
    EXPECT_THAT(Explain(name, user), HasReason("NOT_FOUND"));
  }
  v1::ExplainFindingsRequest request = ExplainRequest(name);
  request.set_rule("rules/other");
  EXPECT_THAT(Call(&Stub::ExplainFindings, request, "users/ada"), HasReason("NOT_FOUND"));
  request.set_group(std::string(32, '0'));
  EXPECT_THAT(Call(&Stub::ExplainFindings, request, "users/ada"), HasReason("NOT_FOUND"));
  request.set_group("zz");
  EXPECT_THAT(Call(&Stub::ExplainFindings, request, "users/ada"), HasReason("FIELD_INVALID"));
  request.clear_target();
  EXPECT_THAT(Call(&Stub::ExplainFindings, request, "users/ada"), HasReason("FIELD_INVALID"));
  request.set_rule("rules/t-1");
  request.set_text(std::string(2001, 'x'));
  EXPECT_THAT(Call(&Stub::ExplainFindings, request, "users/ada"), HasReason("FIELD_INVALID"));
  access_.event.phase = access::Phase::kClosed;
  EXPECT_THAT(Explain(name, "users/ada"), HasReason("WINDOW_CLOSED"));
  EXPECT_EQ(server_.CountRows("explanation"), 0);
}

TEST_F(ServiceTest, RuleThatCouldNotBeRunIsExplainedToo) {
  v1::Rule rule = GoodRule("T-1");
  rule.set_severity(type::SEVERITY_SPECIAL_WARNING);
  rule.mutable_row()->set_expression("exit_date < entry_date OR 1 / (fte - 9) > 5");
  MakeGroupOf(rule);
  Sql("UPDATE dataset_read.enrollment SET fte = 9, exit_date = NULL");
  const std::string name = CreateReport()->name();
  Work(name);
  ASSERT_EQ(GetReport(name, "users/ada")->rules_errored(), 1);
  EXPECT_EQ(Unexplained(name), 1);
  EXPECT_EQ(Group(name).size(), 0);
  EXPECT_EQ(Explain(name, "users/ada")->findings(), 1);
  EXPECT_EQ(Unexplained(name), 0);
  Sql("UPDATE dataset_read.data_version SET version = version + 1");
  const std::string second = CreateReport()->name();
  Work(second);
  EXPECT_THAT(Download(second, "users/ada").bytes,
              ::testing::HasSubstr("<td>They left before. <span"));
}

TEST_F(ServiceTest, TwoApproversWaiveFatalFindings) {
  MakeGroup();
  const std::string report = CreateReport()->name();
  Work(report);
  const v1::WaiveFindingRequest request = WaiveRequest(report);
  const auto asked = Waive(request, "users/ava");
  ASSERT_THAT(asked, IsOk());
  EXPECT_EQ(asked->state(), v1::Waiver::AWAITING_SECOND_PERSON);
  EXPECT_EQ(asked->findings(), 100);
  EXPECT_EQ(Fatal(report).records_waived(), 0);
  EXPECT_THAT(Waive(request, "users/ava"), HasReason("SECOND_PERSON_REQUIRED"));
  // Another day is another waiver.
  v1::WaiveFindingRequest longer = request;
  *longer.mutable_until_date() = rpc::ToProto(Today() + 30);
  EXPECT_EQ(Waive(longer, "users/abe")->state(), v1::Waiver::AWAITING_SECOND_PERSON);

  const auto granted = Waive(request, "users/abe");
  ASSERT_THAT(granted, IsOk());
  EXPECT_EQ(granted->name(), asked->name());
  EXPECT_EQ(granted->state(), v1::Waiver::IN_FORCE);
  EXPECT_EQ(granted->asked_by(), "users/ava");
  EXPECT_EQ(granted->confirmed_by(), "users/abe");
  EXPECT_THAT(Waive(request, "users/ava"), HasReason("ALREADY_EXISTS"));
  EXPECT_EQ(Fatal(report).records(), 100);
  EXPECT_EQ(Fatal(report).records_waived(), 100);
  EXPECT_EQ(Group(report).waived(), 100);

  // The next run finds one that nobody waived; its file says what was.
  Sql("UPDATE dataset_read.data_version SET version = version + 1;"
      "INSERT INTO dataset_read.enrollment (copy, district_id, record_key, student_uid, school_id,"
      " entry_date, exit_date) VALUES"
      " ('DISTRICT', 'north', 'k000', 's0', 'school-1', '2025-08-18', '2025-08-10')");
  const std::string next = CreateReport()->name();
  Work(next);
  EXPECT_EQ(Fatal(next).records(), 101);
  EXPECT_EQ(Fatal(next).records_waived(), 100);
  v1::ListFindingsRequest list;
  list.set_report(next);
  const auto findings = Call(&Stub::ListFindings, list, "users/ada");
  EXPECT_EQ(findings->findings(0).waiver(), "");
  EXPECT_EQ(findings->findings(1).waiver(), granted->name());

  const std::string file = Download(next, "users/ada").bytes;
  EXPECT_NE(file.find("1 FATAL finding must be corrected"), std::string::npos);
  EXPECT_NE(file.find("<h2 id=\"waived-title\">Waived</h2>"), std::string::npos);
  EXPECT_NE(file.find("The rule does not know the new calendar."), std::string::npos);
  EXPECT_NE(file.find(">waived until "), std::string::npos);

  v1::ListWaiversRequest waivers;
  waivers.set_event("events/fall");
  waivers.set_organization("organizations/north");
  EXPECT_EQ(Call(&Stub::ListWaivers, waivers, "users/ada")->waivers_size(), 2);
  EXPECT_THAT(Call(&Stub::ListWaivers, waivers, "users/sten"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Call(&Stub::ListWaivers, waivers, "users/bob"), HasReason("NOT_FOUND"));

  v1::RevokeWaiverRequest revoke;
  revoke.set_request_id(NewId());
  revoke.set_name(granted->name());
  EXPECT_THAT(Call(&Stub::RevokeWaiver, revoke, "users/ava"), HasReason("REASON_REQUIRED"));
  revoke.set_reason("The rule was right.");
  EXPECT_THAT(Call(&Stub::RevokeWaiver, revoke, "users/state"), HasReason("NOT_PERMITTED"));
  const auto revoked = Call(&Stub::RevokeWaiver, revoke, "users/abe");
  ASSERT_THAT(revoked, IsOk());
  EXPECT_EQ(revoked->state(), v1::Waiver::REVOKED);
  EXPECT_EQ(Fatal(next).records_waived(), 0);
  revoke.set_request_id(NewId());
  EXPECT_THAT(Call(&Stub::RevokeWaiver, revoke, "users/ava"), HasReason("TRANSITION_NOT_ALLOWED"));
  revoke.set_name("waivers/nothing");
  EXPECT_THAT(Call(&Stub::RevokeWaiver, revoke, "users/ava"), HasReason("NOT_FOUND"));
}

TEST_F(ServiceTest, OpenFindingsAreCountedWhenNobodyAsks) {
  MakeGroup();
  v1::OpenFindings nothing;
  nothing.set_organization("organizations/north");
  nothing.set_rule_group("ruleGroups/g");
  nothing.set_copy(type::COPY_DISTRICT);
  nothing.set_stale(true);
  EXPECT_EQ(OpenFindings()->DebugString(), nothing.DebugString());

  const std::string job = CountInBackground();
  auto counted = OpenFindings();
  ASSERT_THAT(counted, IsOk());
  EXPECT_FALSE(counted->stale());
  EXPECT_EQ(counted->rule_group_version(), 1);
  EXPECT_EQ(counted->data_versions_size(), 1);
  EXPECT_EQ(counted->data_versions(0).dataset(), "datasets/enrollment");
  EXPECT_EQ(counted->data_versions(0).copy(), type::COPY_DISTRICT);
  EXPECT_EQ(counted->data_versions(0).version(), 3);
  EXPECT_EQ(counted->data_versions(0).rows(), 100);
  ASSERT_EQ(counted->counts_size(), 4);
  EXPECT_EQ(counted->counts(3).severity(), type::SEVERITY_FATAL);
  EXPECT_EQ(counted->counts(3).rules(), 1);
  EXPECT_EQ(counted->counts(3).records(), 100);
  ASSERT_EQ(counted->rules_size(), 1);
  EXPECT_EQ(counted->rules(0).rule(), "rules/t-1");
  EXPECT_EQ(counted->rules(0).rule_version(), 1);
  EXPECT_EQ(counted->rules(0).rule_code(), "T-1");
  EXPECT_EQ(counted->rules(0).severity(), type::SEVERITY_FATAL);
  EXPECT_EQ(counted->rules(0).findings(), 100);
  EXPECT_EQ(counted->rules(0).error(), "");
  EXPECT_TRUE(counted->has_count_time());
  EXPECT_EQ(OpenFindings("users/vera")->rules_size(), 1);
  EXPECT_TRUE(OpenFindings("users/state", type::COPY_STATE)->stale());
  EXPECT_EQ(OpenFindings("users/state", type::COPY_STATE)->rules_size(), 0);

  // It is no report, for nobody.
  EXPECT_EQ(CountListed("users/state"), 0);
  EXPECT_THAT(GetReport("reports/" + job, "users/state"), HasReason("NOT_FOUND"));
  EXPECT_THAT(Cancel("reports/" + job, "users/state"), HasReason("NOT_FOUND"));

  // Its records change, and are counted again.
  Sql("UPDATE dataset_read.data_version SET version = 4 WHERE copy = 'DISTRICT';"
      "DELETE FROM dataset_read.enrollment WHERE record_key > 'k040'");
  EXPECT_TRUE(OpenFindings()->stale());
  EXPECT_EQ(OpenFindings()->rules(0).findings(), 100);
  CountInBackground();
  EXPECT_FALSE(OpenFindings()->stale());
  EXPECT_EQ(OpenFindings()->rules(0).findings(), 40);

  // So is another version of the group.
  const auto group = UpdateGroup(*GetGroup("ruleGroups/g"));
  ASSERT_THAT(group, IsOk());
  EXPECT_FALSE(OpenFindings()->stale());
  ASSERT_THAT(ActivateGroup(*group), IsOk());
  EXPECT_TRUE(OpenFindings()->stale());
  Sql("UPDATE validation.background_run SET due_at = now() WHERE due_at IS NOT NULL");
  const auto due = AcceptDueRuns(server_.database().db(), ids::IdSource::Real(), absl::Hours(1));
  ASSERT_THAT(due, IsOk());
  EXPECT_EQ(due->accepted.size(), 2U) << "one for each copy";
}

TEST_F(ServiceTest, ActivationTellsWhomARuleBlocksThatIsFatalAgain) {
  MakeGroup(type::SEVERITY_WARNING);
  EXPECT_EQ(GetGroup("ruleGroups/g")->fatal_again_size(), 0);
  CountInBackground();
  v1::RuleGroup group = *GetGroup("ruleGroups/g");
  group.mutable_rules(0)->set_severity(type::SEVERITY_FATAL);
  auto active = ActivateGroup(*UpdateGroup(group));
  ASSERT_THAT(active, IsOk());
  ASSERT_EQ(active->fatal_again_size(), 1);
  EXPECT_EQ(active->fatal_again(0).rule(), "rules/t-1");
  EXPECT_EQ(active->fatal_again(0).from_date().DebugString(), rpc::ToProto(Today()).DebugString());
  EXPECT_THAT(active->fatal_again(0).organizations(),
              ::testing::ElementsAre("organizations/north"));
  EXPECT_EQ(active->fatal_again(0).organization_count(), 1);
  EXPECT_EQ(GetGroup("ruleGroups/g")->fatal_again_size(), 0);

  // It is FATAL already; then for some days it is not.
  active = ActivateGroup(*UpdateGroup(*active));
  ASSERT_THAT(active, IsOk());
  EXPECT_EQ(active->fatal_again_size(), 0);
  v1::RuleGroup::SeverityPeriod* period = active->mutable_rules(0)->add_severity_schedule();
  *period->mutable_from_date() = rpc::ToProto(Today());
  *period->mutable_to_date() = rpc::ToProto(Today() + 6);
  period->set_severity(type::SEVERITY_WARNING);
  period->set_reason("The state's own list was late.");
  // In both copies the same district, in which nothing is found any more.
  Sql("INSERT INTO validation.background_count SELECT rule_group_id, organization, 'STATE', place,"
      " rule_id, rule_version, code, severity, dataset, 'ERROR', 0, 'late'"
      " FROM validation.background_count");
  active = ActivateGroup(*UpdateGroup(*active));
  ASSERT_THAT(active, IsOk());
  ASSERT_EQ(active->fatal_again_size(), 1);
  EXPECT_EQ(active->fatal_again(0).from_date().DebugString(),
            rpc::ToProto(Today() + 7).DebugString());
  EXPECT_EQ(active->fatal_again(0).organization_count(), 1);
  Sql("UPDATE validation.background_count SET outcome = 'PASS', findings = 0");
  active = ActivateGroup(*UpdateGroup(*active));
  ASSERT_THAT(active, IsOk());
  ASSERT_EQ(active->fatal_again_size(), 1);
  EXPECT_EQ(active->fatal_again(0).organization_count(), 0);
}

TEST_F(ServiceTest, OpenFindingsAreRefused) {
  MakeGroup();
  const auto refusal = [&](const std::function<void(v1::GetOpenFindingsRequest&)>& change,
                           std::string_view user = "users/state") {
    v1::GetOpenFindingsRequest request = OpenFindingsRequest();
    change(request);
    return Call(&Stub::GetOpenFindings, request, user).status();
  };
  const auto nothing = [](auto&) {};
  for (const auto& [field, status] : std::map<std::string, absl::Status>{
           {"organization", refusal([](auto& r) { r.clear_organization(); })},
           {"rule_group", refusal([](auto& r) { r.clear_rule_group(); })},
           {"copy", refusal([](auto& r) { r.clear_copy(); })}}) {
    EXPECT_THAT(status, HasReason("FIELD_INVALID")) << field;
  }
  EXPECT_THAT(refusal([](auto& r) { r.set_organization("north"); }), HasReason("FIELD_INVALID"));
  EXPECT_THAT(refusal([](auto& r) { r.set_rule_group("rules/g"); }), HasReason("FIELD_INVALID"));
  EXPECT_THAT(refusal([](auto& r) { r.set_event("events/fall"); }), HasReason("FIELD_INVALID"))
      << "with a group";
  EXPECT_THAT(refusal([](auto& r) { r.set_copy(static_cast<type::Copy>(7)); }),
              HasReason("FIELD_INVALID"));
  // Of the state without rights; a certifier, who sees reports of his events; of another district.
  EXPECT_THAT(refusal(nothing, "users/sten"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(refusal(nothing, "users/ada"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(refusal(nothing, "users/bob"), HasReason("NOT_FOUND"));
  EXPECT_THAT(refusal([](auto& r) { r.set_rule_group("ruleGroups/h"); }), HasReason("NOT_FOUND"));
  access_.kind = access::OrganizationKind::kSea;
  EXPECT_THAT(refusal(nothing), HasReason("FIELD_INVALID"));
  access_.kind = access::OrganizationKind::kSchool;
  EXPECT_THAT(refusal(nothing), HasReason("RULE_GROUP_INACTIVE"));
  access_.kind = access::OrganizationKind::kDistrict;
  ASSERT_THAT(CreateGroup("draft", {"rules/t-1"}), IsOk());
  EXPECT_THAT(refusal([](auto& r) { r.set_rule_group("ruleGroups/draft"); }),
              HasReason("RULE_GROUP_INACTIVE"));
  Sql("UPDATE validation.rule_group SET level = 'SCHOOL' WHERE rule_group_id = 'g'");
  EXPECT_THAT(refusal(nothing), HasReason("RULE_GROUP_INACTIVE"));
  access_.kind = access::OrganizationKind::kSchool;
  EXPECT_THAT(refusal(nothing), IsOk());
}

TEST_F(ServiceTest, OpenFindingsOfAnEventAreForItsPeople) {
  MakeGroup();
  CountInBackground();
  const auto ask = [&](std::string_view user, const std::string& event = "events/fall") {
    v1::GetOpenFindingsRequest request = OpenFindingsRequest();
    request.clear_rule_group();
    request.set_event(event);
    return Call(&Stub::GetOpenFindings, request, user);
  };
  // A certifier, a reviewer of the state, who manages events.
  for (const std::string_view user : {"users/ada", "users/sue", "users/state"}) {
    const auto counted = ask(user);
    ASSERT_THAT(counted, IsOk()) << user;
    EXPECT_EQ(counted->rule_group(), "ruleGroups/g");
    EXPECT_EQ(counted->rules(0).findings(), 100);
  }
  // Of the state without a role; of the district, the second with every right; of another district.
  EXPECT_THAT(ask("users/sten"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(ask("users/eve"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(ask("users/vera"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(ask("users/bob"), HasReason("NOT_FOUND"));
  EXPECT_THAT(ask("users/state", "events/spring"), HasReason("NOT_FOUND"));
  EXPECT_THAT(ask("users/ada", "categories/c"), HasReason("FIELD_INVALID"));
  access_.event.phase = access::Phase::kBeforeStart;
  EXPECT_THAT(ask("users/ada"), HasReason("WINDOW_NOT_OPEN"));
  access_.event.phase = access::Phase::kReview;
  access_.event.rule_group = "ruleGroups/h";
  EXPECT_THAT(ask("users/ada"), HasReason("NOT_FOUND"));
  access_.event.status = access::EventStatus::kClosed;
  EXPECT_THAT(ask("users/state"), HasReason("WINDOW_CLOSED"));
}

TEST_F(ServiceTest, WaiverIsOverAfterItsDay) {
  MakeGroup();
  const std::string report = CreateReport()->name();
  Work(report);
  v1::WaiveFindingRequest request = WaiveRequest(report);
  *request.mutable_until_date() = rpc::ToProto(Today());
  ASSERT_THAT(Waive(request, "users/ava"), IsOk());
  ASSERT_THAT(Waive(request, "users/abe"), IsOk());
  EXPECT_EQ(Fatal(report).records_waived(), 100);
  Sql("UPDATE validation.waiver SET ends_at = clock_timestamp() - interval '1 s'");
  EXPECT_EQ(Fatal(report).records_waived(), 0);
  v1::ListWaiversRequest waivers;
  waivers.set_event("events/fall");
  waivers.set_organization("organizations/north");
  EXPECT_EQ(Call(&Stub::ListWaivers, waivers)->waivers(0).state(), v1::Waiver::EXPIRED);
}

TEST_F(ServiceTest, WaiverIsRefused) {
  MakeGroup();
  const std::string report = CreateReport()->name();
  const v1::WaiveFindingRequest early = [&] {
    v1::WaiveFindingRequest request;
    request.set_report(report);
    request.set_group(std::string(32, '0'));
    request.set_reason("Why.");
    *request.mutable_until_date() = rpc::ToProto(Today());
    return request;
  }();
  EXPECT_THAT(Waive(early, "users/ava"), HasReason("REPORT_NOT_READY"));
  Work(report);
  const v1::WaiveFindingRequest request = WaiveRequest(report);
  const auto refusal = [&](const std::function<void(v1::WaiveFindingRequest&)>& change) {
    v1::WaiveFindingRequest other = request;
    change(other);
    return Waive(other, "users/ava");
  };
  EXPECT_THAT(Waive(request, "users/state"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Waive(request, "users/ada"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Waive(request, "users/amy"), HasReason("SELF_APPROVAL"));
  EXPECT_THAT(refusal([&](auto& r) { *r.mutable_until_date() = rpc::ToProto(Today() - 2); }),
              HasReason("FIELD_INVALID"));
  EXPECT_THAT(refusal([](auto& r) { r.clear_until_date(); }), HasReason("FIELD_INVALID"));
  EXPECT_THAT(refusal([](auto& r) { r.clear_reason(); }), HasReason("REASON_REQUIRED"));
  EXPECT_THAT(refusal([](auto& r) { r.clear_target(); }), HasReason("FIELD_INVALID"));
  EXPECT_THAT(refusal([](auto& r) { r.set_fingerprint("1"); }), HasReason("FIELD_INVALID"));
  EXPECT_THAT(refusal([](auto& r) { r.set_fingerprint(std::string(64, '0')); }),
              HasReason("NOT_FOUND"));
  EXPECT_EQ(server_.CountRows("waiver"), 0);
  // What does not block is not waived.
  v1::ListFindingsRequest list;
  list.set_report(report);
  list.set_page_size(1);
  const std::string fingerprint = Call(&Stub::ListFindings, list)->findings(0).fingerprint();
  EXPECT_EQ(refusal([&](auto& r) { r.set_fingerprint(fingerprint); })->findings(), 1);
  Sql("UPDATE validation.report_rule SET severity = 3");
  EXPECT_THAT(Waive(request, "users/ava"), HasReason("FIELD_INVALID"));
}

TEST_F(ServiceTest, ExpiredReportKeepsItsFindings) {
  MakeGroup();
  const std::string name = CreateReport()->name();
  Work(name);
  Sql("UPDATE validation.job SET state = 'EXPIRED'; DELETE FROM validation.report_artifact");
  EXPECT_EQ(GetReport(name, "users/ada")->state(), v1::Report::EXPIRED);
  EXPECT_THAT(Download(name, "users/ada").status, HasReason("REPORT_EXPIRED"));
  v1::ListFindingsRequest list;
  list.set_report(name);
  EXPECT_EQ(Call(&Stub::ListFindings, list, "users/ada")->findings_size(), 50);
  EXPECT_EQ(server_.CountRows("report_view"), 0);
}

TEST_F(ServiceTest, ReportIsCancelledAndRetried) {
  MakeGroup();
  const std::string name = CreateReport()->name();
  EXPECT_THAT(Retry(name), HasReason("TRANSITION_NOT_ALLOWED"));
  const auto job = ClaimJob(server_.database().db(), IdOf(name));
  ASSERT_THAT(server_.database().db().RunInTransaction([&](pg::Transaction& tx) {
    return jobs::Fail(tx, IdOf(name), 1, "no luck").status();
  }),
              IsOk());
  const absl::StatusOr<v1::Report> failed = GetReport(name, "users/ada");
  EXPECT_EQ(failed->state(), v1::Report::FAILED);
  EXPECT_EQ(failed->failure().message(), "no luck");
  const absl::StatusOr<v1::Report> again = Retry(name);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->state(), v1::Report::QUEUED);
  const absl::StatusOr<v1::Report> cancelled = Cancel(name, "users/ada");
  ASSERT_THAT(cancelled, IsOk());
  EXPECT_EQ(cancelled->state(), v1::Report::CANCELLED);
}

TEST_F(ServiceTest, ReportThatWasAskedForAgainIsNotRetried) {
  MakeGroup();
  const std::string name = CreateReport()->name();
  const auto job = ClaimJob(server_.database().db(), IdOf(name));
  ASSERT_THAT(server_.database().db().RunInTransaction([&](pg::Transaction& tx) {
    return jobs::Fail(tx, IdOf(name), 1, "no luck").status();
  }),
              IsOk());
  EXPECT_NE(CreateReport()->name(), name);
  EXPECT_THAT(Retry(name), HasReason("TRANSITION_NOT_ALLOWED"));
}

TEST_F(ServiceTest, SnapshotGivesTheVersions) {
  MakeGroup();
  v1::CreateReportRequest request = ReportRequest();
  request.set_kind(v1::REPORT_KIND_SNAPSHOT);
  EXPECT_THAT(Call(&Stub::CreateReport, request), HasReason("FIELD_INVALID"));
  request.set_snapshot("snapshots/s");
  snapshots_.facts = {.event = "events/fall",
                      .organization = "organizations/south",
                      .failed = false,
                      .data_versions = {{"enrollment", 17, 4}}};
  EXPECT_THAT(Call(&Stub::CreateReport, request), HasReason("SNAPSHOT_MISMATCH"));
  snapshots_.facts.organization = "organizations/north";
  const absl::StatusOr<v1::Report> report = Call(&Stub::CreateReport, request);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->data_versions(0).version(), 17);
  EXPECT_EQ(report->data_versions(0).copy(), type::COPY_STATE);
}

TEST_F(ServiceTest, LastYearComesWithTheReport) {
  v1::Rule rule = RuleOfLastYear("T-1");
  MakeGroupOf(rule);
  const absl::StatusOr<v1::RuleGroup> group = GetGroup("ruleGroups/g");
  ASSERT_THAT(group, IsOk());
  EXPECT_THAT(group->datasets(),
              ::testing::ElementsAre("datasets/enrollment", "datasets/last_year_enrollment"));
  rule.set_code("T-2");
  *rule.mutable_datasets(0) = "datasets/last_year_enrollment";
  EXPECT_THAT(CreateRule(rule), HasReason("FIELD_INVALID"));

  v1::CreateReportRequest request = ReportRequest();
  request.set_previous_snapshot("spring");
  EXPECT_THAT(Call(&Stub::CreateReport, request), HasReason("FIELD_INVALID"));
  request.set_previous_snapshot("snapshots/spring");
  snapshots_.last_year = {.event = "events/last-fall",
                          .organization = "organizations/north",
                          .district = "organizations/north",
                          .sealed = false,
                          .failed = false,
                          .data_versions = {{"enrollment", 17, 4}, {"attendance_summary", 3, 9}}};
  EXPECT_THAT(Call(&Stub::CreateReport, request), HasReason("SNAPSHOT_MISMATCH"));
  snapshots_.last_year.sealed = true;
  snapshots_.last_year.organization = "organizations/south";
  EXPECT_THAT(Call(&Stub::CreateReport, request), HasReason("SNAPSHOT_MISMATCH"));
  snapshots_.last_year.organization = "organizations/north";
  const absl::StatusOr<v1::Report> report = Call(&Stub::CreateReport, request);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->previous_snapshot(), "snapshots/spring");
  // What no rule reads is not kept; this year's records are what they were.
  ASSERT_EQ(report->previous_data_versions_size(), 1);
  EXPECT_EQ(report->previous_data_versions(0).dataset(), "datasets/enrollment");
  EXPECT_EQ(report->previous_data_versions(0).version(), 17);
  EXPECT_EQ(report->previous_data_versions(0).copy(), type::COPY_STATE);
  ASSERT_EQ(report->data_versions_size(), 1);
  EXPECT_EQ(report->data_versions(0).dataset(), "datasets/enrollment");
  EXPECT_EQ(report->data_versions(0).version(), 3);

  // It is a part of what a report is.
  request.set_request_id(NewId());
  EXPECT_EQ(Call(&Stub::CreateReport, request)->name(), report->name());
  EXPECT_NE(CreateReport()->name(), report->name());
  EXPECT_EQ(CreateReport()->previous_snapshot(), "");
}

TEST_F(ServiceTest, WindowAndQuotaAreKept) {
  MakeGroup();
  access_.event.phase = access::Phase::kBeforeStart;
  EXPECT_THAT(CreateReport(), HasReason("WINDOW_NOT_OPEN"));
  access_.event.phase = access::Phase::kClosed;
  EXPECT_THAT(CreateReport(), HasReason("WINDOW_CLOSED"));
  access_.event.phase = access::Phase::kCertifying;
  for (int version = 10; version < 12; ++version) {
    Sql(fmt::format("UPDATE dataset_read.data_version SET version = {}", version));
    ASSERT_THAT(CreateReport(), IsOk());
  }
  Sql("UPDATE dataset_read.data_version SET version = 12");
  EXPECT_THAT(CreateReport(), HasReason("QUOTA_EXCEEDED"));
  EXPECT_EQ(server_.CountRows("report"), 2);
}

TEST_F(ServiceTest, GroupThatIsNotActiveMakesNoReport) {
  const absl::StatusOr<v1::Rule> rule = CreateRule(GoodRule("T-1"));
  ASSERT_THAT(ActivateRule(rule->name(), rule->etag()), IsOk());
  const absl::StatusOr<v1::RuleGroup> group = CreateGroup("g", {"rules/t-1"});
  ASSERT_THAT(group, IsOk());
  const absl::StatusOr<v1::Report> draft = CreateReport();
  EXPECT_THAT(draft, HasReason("RULE_GROUP_INACTIVE"));
  EXPECT_EQ(status::MetadataOf(draft.status(), "why"), "INACTIVE");

  ASSERT_THAT(ActivateGroup(*group), IsOk());
  access_.event.level = access::Level::kSchool;
  const absl::StatusOr<v1::Report> other = CreateReport();
  EXPECT_THAT(other, HasReason("RULE_GROUP_INACTIVE"));
  EXPECT_EQ(status::MetadataOf(other.status(), "why"), "LEVEL");
  access_.event.level = access::Level::kDistrict;
  EXPECT_THAT(CreateReport(), IsOk());
}

TEST_F(ServiceTest, GroupGoesOutOfUseAndBack) {
  MakeGroup();
  CountInBackground();
  access_.event.published_at = absl::Now();
  const absl::StatusOr<v1::RuleGroup> inactive = DeactivateGroup(*GetGroup("ruleGroups/g"));
  ASSERT_THAT(inactive, IsOk());
  EXPECT_EQ(inactive->state(), v1::RuleGroup::INACTIVE);
  EXPECT_EQ(inactive->active_version(), 1);
  EXPECT_THAT(DeactivateGroup(*inactive), HasReason("TRANSITION_NOT_ALLOWED"));
  v1::ListRuleGroupsRequest offered;
  offered.add_state(v1::RuleGroup::ACTIVE);
  EXPECT_EQ(Call(&Stub::ListRuleGroups, offered)->rule_groups_size(), 0);

  // The event that has it goes on; no other begins, and nobody makes a report of it alone.
  const auto of_event = CreateReport();
  ASSERT_THAT(of_event, IsOk());
  Work(of_event->name());
  EXPECT_EQ(GetReport(of_event->name(), "users/ada")->state(), v1::Report::COMPLETED);
  access_.event.published_at = absl::Now() + absl::Seconds(1);
  EXPECT_THAT(CreateReport(), HasReason("RULE_GROUP_INACTIVE"));
  v1::CreateReportRequest alone = ReportRequest();
  alone.set_rule_group("ruleGroups/g");
  EXPECT_THAT(Call(&Stub::CreateReport, alone), HasReason("RULE_GROUP_INACTIVE"));

  // Nothing is counted, also what was due before.
  EXPECT_THAT(OpenFindings(), HasReason("RULE_GROUP_INACTIVE"));
  Sql("UPDATE validation.background_run SET due_at = now() - interval '1 s'");
  pg::Database db = server_.database().db();
  EXPECT_EQ(AcceptDueRuns(db, ids::IdSource::Real(), absl::Hours(1))->taken, 0);

  const auto next = UpdateGroup(*inactive);
  ASSERT_THAT(next, IsOk());
  EXPECT_EQ(next->state(), v1::RuleGroup::INACTIVE);
  EXPECT_THAT(DeactivateGroup(*inactive), HasReason("ETAG_MISMATCH"));
  const auto active = ActivateGroup(*next);
  ASSERT_THAT(active, IsOk());
  EXPECT_EQ(active->state(), v1::RuleGroup::ACTIVE);
  EXPECT_EQ(active->active_version(), 2);
  EXPECT_THAT(CreateReport(), IsOk());
  EXPECT_EQ(AcceptDueRuns(db, ids::IdSource::Real(), absl::Hours(1))->taken, 2) << "copies";
}

TEST_F(ServiceTest, RulesAreTheStatesAlone) {
  EXPECT_THAT(CreateRule(GoodRule("T-1"), "users/vera"), HasReason("NOT_PERMITTED"));
  EXPECT_EQ(server_.CountRows("rule"), 0);
  const v1::Rule rule = *CreateRule(GoodRule("T-1"));
  EXPECT_THAT(ActivateRule(rule.name(), rule.etag(), "users/vera"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(ArchiveRule(rule.name(), rule.etag(), "users/vera"), HasReason("NOT_PERMITTED"));
  ASSERT_THAT(ActivateRule(rule.name(), rule.etag()), IsOk());
  EXPECT_THAT(CreateGroup("g", {rule.name()}, "users/vera"), HasReason("NOT_PERMITTED"));
  const v1::RuleGroup group = *CreateGroup("g", {rule.name()});
  EXPECT_THAT(ActivateGroup(group, "users/vera"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(DeactivateGroup(group, "users/vera"), HasReason("NOT_PERMITTED"));
  // To read is another matter.
  EXPECT_EQ(Call(&Stub::ListRules, v1::ListRulesRequest(), "users/vera")->rules_size(), 1);
}

TEST_F(ServiceTest, StateUserNeedsARoleOrManagesEvents) {
  MakeGroup();
  EXPECT_THAT(CreateReport("users/sten"), HasReason("NOT_PERMITTED"));
  const absl::StatusOr<v1::Report> report = CreateReport();
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(CreateReport("users/sue")->name(), report->name());
  EXPECT_EQ(CreateReport("users/state")->name(), report->name());
  EXPECT_THAT(GetReport(report->name(), "users/sten"), HasReason("NOT_FOUND"));
  EXPECT_THAT(GetReport(report->name(), "users/sue"), IsOk());
  EXPECT_THAT(GetReport(report->name(), "users/state"), IsOk());
  EXPECT_EQ(CountListed("users/sten"), 0);
  EXPECT_EQ(CountListed("users/sten", "events/fall"), 0);
  EXPECT_EQ(CountListed("users/sue"), 0);
  EXPECT_EQ(CountListed("users/sue", "events/fall"), 1);
  EXPECT_EQ(CountListed("users/sue", "events/other"), 0);
  EXPECT_EQ(CountListed("users/state"), 1);
  Sql("UPDATE dataset_read.data_version SET version = 10");
  ASSERT_THAT(CreateReport("users/sue"), IsOk());
  EXPECT_EQ(CountListed("users/sue"), 1);  // his own
  EXPECT_EQ(CountListed("users/state"), 2);
}

TEST_F(ServiceTest, ReportOfAGroupAloneIsForWhoReadsGroups) {
  MakeGroup();
  v1::CreateReportRequest request = ReportRequest();
  request.set_rule_group("ruleGroups/g");
  for (const char* user : {"users/ada", "users/eve", "users/sten", "users/sue"}) {
    EXPECT_THAT(Call(&Stub::CreateReport, request, user), HasReason("NOT_PERMITTED")) << user;
  }
  const absl::StatusOr<v1::Report> report = Call(&Stub::CreateReport, request, "users/vera");
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(GetReport(report->name(), "users/ada"), HasReason("NOT_FOUND"));
  EXPECT_EQ(CountListed("users/ada"), 0);
  EXPECT_EQ(CountListed("users/vera"), 1);
  EXPECT_EQ(CountListed("users/state"), 1);
}

TEST_F(ServiceTest, ClosedEventShowsLocalPeopleNothingMore) {
  MakeGroup();
  const std::string name = CreateReport()->name();
  Work(name);
  EXPECT_EQ(CountListed("users/ada"), 1);
  // In scope, but not in the category.
  EXPECT_EQ(CountListed("users/eve"), 0);
  EXPECT_EQ(CountListed("users/vera"), 0);
  EXPECT_THAT(Watch(name, "users/ada"), IsOk());

  access_.event.status = access::EventStatus::kClosed;
  EXPECT_EQ(CountListed("users/ada"), 0);
  EXPECT_THAT(GetReport(name, "users/ada"), HasReason("NOT_FOUND"));
  EXPECT_THAT(Watch(name, "users/ada"), HasReason("NOT_FOUND"));
  EXPECT_THAT(Download(name, "users/ada").status, HasReason("NOT_FOUND"));
  EXPECT_EQ(CountListed("users/state"), 1);
  EXPECT_THAT(Download(name, "users/state").status, IsOk());
}

TEST_F(ServiceTest, TamperedPageTokenIsRefused) {
  MakeGroup();
  const std::string name = CreateReport()->name();
  Work(name);
  // As the server makes them for this caller: only the place is not what it wrote.
  const paging::CallerScope scope(server_.runtime().page_token_key(), "users/state");
  const std::string id = NewId();
  v1::ListReportsRequest reports;
  for (const std::vector<std::string>& key : {std::vector<std::string>{"yesterday", id},
                                              {"2026-01-01 00:00:00+00", id},
                                              {"", id},
                                              {"99999999999999999999", id},
                                              {"1", "x"},
                                              {"1", ""},
                                              {"1'", id}}) {
    reports.set_page_token(paging::NextToken(reports, key));
    EXPECT_THAT(Call(&Stub::ListReports, reports), HasReason("PAGE_TOKEN_INVALID")) << key[0];
    reports.clear_page_token();
  }
  v1::ListFindingsRequest findings;
  findings.set_report(name);
  for (const char* key : {"", "x", "1x", "-1", "99999999999999999999"}) {
    findings.set_page_token(paging::NextToken(findings, {key}));
    EXPECT_THAT(Call(&Stub::ListFindings, findings), HasReason("PAGE_TOKEN_INVALID")) << key;
    findings.clear_page_token();
  }
}

TEST_F(ServiceTest, ReportsAreListedInPages) {
  MakeGroup();
  for (int version = 10; version < 12; ++version) {
    Sql(fmt::format("UPDATE dataset_read.data_version SET version = {}", version));
    ASSERT_THAT(CreateReport(), IsOk());
  }
  v1::ListReportsRequest list;
  list.set_page_size(1);
  const absl::StatusOr<v1::ListReportsResponse> first = Call(&Stub::ListReports, list, "users/ada");
  ASSERT_THAT(first, IsOk());
  list.set_page_token(first->next_page_token());
  const absl::StatusOr<v1::ListReportsResponse> second =
      Call(&Stub::ListReports, list, "users/ada");
  ASSERT_THAT(second, IsOk());
  ASSERT_EQ(second->reports_size(), 1);
  EXPECT_EQ(first->reports(0).data_versions(0).version(), 11);
  EXPECT_EQ(second->reports(0).data_versions(0).version(), 10);
  EXPECT_EQ(second->next_page_token(), "");
}

TEST_F(ServiceTest, NewIdsHaveNoUnderscore) {
  v1::CreateRuleRequest rule;
  rule.set_request_id(NewId());
  *rule.mutable_rule() = GoodRule("T-1");
  rule.set_rule_id("t_1");
  EXPECT_THAT(Call(&Stub::CreateRule, rule), HasReason("FIELD_INVALID"));
  rule.set_rule_id("t-one");
  EXPECT_EQ(Call(&Stub::CreateRule, rule)->name(), "rules/t-one");
  EXPECT_THAT(CreateGroup("g_1", {"rules/t-one"}), HasReason("FIELD_INVALID"));
}

TEST_F(ServiceTest, StateThatNobodyKnowsIsNoDraft) {
  MakeGroup();
  Sql("ALTER TABLE validation.rule DROP CONSTRAINT rule_state_check;"
      "ALTER TABLE validation.rule_group DROP CONSTRAINT rule_group_state_check;"
      "UPDATE validation.rule SET state = 'LOST'; UPDATE validation.rule_group SET state = 'LOST'");
  v1::GetRuleRequest rule;
  rule.set_name("rules/t-1");
  EXPECT_EQ(Call(&Stub::GetRule, rule).status().code(), absl::StatusCode::kInternal);
  v1::GetRuleGroupRequest group;
  group.set_name("ruleGroups/g");
  EXPECT_EQ(Call(&Stub::GetRuleGroup, group).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(CreateReport().status().code(), absl::StatusCode::kInternal);
}

TEST_F(ServiceTest, RefusedTransitionSaysWhatIsAllowed) {
  MakeGroup();
  v1::GetRuleRequest get;
  get.set_name("rules/t-1");
  const v1::Rule active = *Call(&Stub::GetRule, get);
  const absl::Status again = ActivateRule(active.name(), active.etag()).status();
  EXPECT_THAT(again, HasReason("TRANSITION_NOT_ALLOWED"));
  EXPECT_EQ(status::MetadataOf(again, "from"), "ACTIVE");
  EXPECT_EQ(status::MetadataOf(again, "action"), "ACTIVATE");
  EXPECT_EQ(status::MetadataOf(again, "allowed"), "UPDATE, DEACTIVATE, ARCHIVE");
  const v1::Rule archived = *ArchiveRule(active.name(), active.etag());
  for (const absl::Status& refused : {ArchiveRule(archived.name(), archived.etag()).status(),
                                      ActivateRule(archived.name(), archived.etag()).status()}) {
    EXPECT_THAT(refused, HasReason("TRANSITION_NOT_ALLOWED"));
    EXPECT_EQ(status::MetadataOf(refused, "allowed"), "");
  }
  const absl::Status cancelled = Retry(CreateReport()->name()).status();
  EXPECT_EQ(status::MetadataOf(cancelled, "action"), "RETRY");
  EXPECT_EQ(status::MetadataOf(cancelled, "allowed"), "CANCEL");
}

// Four queries, each of a hundred times the one before: the planner alone would never end.
TEST_F(ServiceTest, RuleThatWouldFillTheMemoryIsRefused) {
  const auto times = [](int n, const std::string& name) {
    std::string text = name;
    for (int i = 1; i < n; ++i) text += "," + name;
    return text;
  };
  std::string sql = "WITH q0 AS (SELECT record_key, student_uid AS c FROM enrollment)";
  for (int i = 1; i <= 4; ++i) {
    sql += fmt::format(", q{} AS (SELECT record_key, concat({}) AS c FROM q{})", i, times(100, "c"),
                       i - 1);
  }
  sql += " SELECT record_key FROM q4 WHERE c <> ''";
  v1::Rule rule = GoodRule("T-1");
  rule.clear_fields();
  rule.mutable_query()->set_sql(sql);
  const absl::StatusOr<v1::Rule> query = CreateRule(rule);
  EXPECT_THAT(query, HasReason("RULE_NOT_ALLOWED"));
  EXPECT_EQ(status::MetadataOf(query.status(), "what"),
            "more than 5000 nodes when the names are written out");

  v1::AggregateRule& aggregate = *rule.mutable_aggregate();
  aggregate.add_group_columns("school_id");
  aggregate.add_aggregates()->set_name("c");
  aggregate.mutable_aggregates(0)->set_expression(
      fmt::format("max(concat({}))", times(90, "school_id")));
  aggregate.set_expression(fmt::format("'' = concat({})", times(100, "c")));
  EXPECT_THAT(CreateRule(rule), HasReason("RULE_NOT_ALLOWED"));
  EXPECT_EQ(server_.CountRows("rule"), 0);
}

}  // namespace
}  // namespace edcert::validation_report
