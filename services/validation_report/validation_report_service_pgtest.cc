// Every RPC through a real server: what it does, what it refuses, and who sees what.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>

#include "common/paging/paging.h"
#include "common/rpc/standard.h"
#include "common/rpc/status.h"
#include "common/testing/matchers.h"
#include "common/testing/test_server.h"
#include "services/validation_report/claimed_job.h"
#include "services/validation_report/definition_store.h"
#include "services/validation_report/finding.h"
#include "services/validation_report/migrations/migrations.h"
#include "services/validation_report/report_worker.h"
#include "services/validation_report/rule_fixture.h"
#include "services/validation_report/validation_report_service.h"

namespace edcert::validation_report {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;

// state: sees all, has every right. sten: of the state, without any. sue: the same, a reviewer of
// the category. ada: a certifier of north. eve: assigned to north, without a role. vera: the same,
// with every right. bob: of south. ava, abe and amy: of the state, approvers of the category; amy
// is assigned to north too.
class FakeAccess final : public access::Resolver {
 public:
  access::EventFacts event;

 protected:
  absl::StatusOr<access::Access> Ask(const rpc::Call& call, const access::Query& query) override {
    access::Access access = Known(query);
    access.user = call.principal().user;
    const bool approves =
        access.user == "users/ava" || access.user == "users/abe" || access.user == "users/amy";
    access.rights.assign(16 * 8,
                         access.user == "users/state" || access.user == "users/vera" || approves);
    access.state_user = access.user == "users/state" || access.user == "users/sten" ||
                        access.user == "users/sue" || approves;
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
    access.organization_kind = access::OrganizationKind::kDistrict;
    access.organization_display_name = "North Valley";
    if (query.event == event.name) access.event = event;
    return access;
  }
};

class FakeDefinitions final : public DefinitionSource {
 public:
  explicit FakeDefinitions(edcert::testing::TestDatabase& database) : database_(database) {}
  absl::StatusOr<Definitions> Get(const std::vector<std::string>& datasets) override {
    pg::Database db = database_.db();
    return ReadDefinitions(db, datasets);
  }

 private:
  edcert::testing::TestDatabase& database_;
};

class FakeSnapshots final : public SnapshotSource {
 public:
  SnapshotFacts facts;
  absl::StatusOr<SnapshotFacts> Get(const rpc::Call& /*call*/,
                                    const std::string& /*name*/) override {
    return facts;
  }
};

class ServiceTest : public ::testing::Test {
 protected:
  using Stub = v1::ValidationReports::Stub;

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
        ReportRunner(rules_conninfo(), absl::UTCTimeZone(), ids::IdSource::Real()).Run(*job),
        IsOk());
  }

  std::string rules_conninfo() { return server_.database().owner_conninfo() + " user=rule_exec"; }

  edcert::testing::TestServer server_{
      {.service = "validation_report",
       .schema = "validation",
       .migrations = {jobs::Migrations(), {"validation", sql::kMigrations}}}};
  FakeAccess access_;
  FakeDefinitions definitions_{server_.database()};
  FakeSnapshots snapshots_;
  pg::Pool rules_pool_{{.conninfo = rules_conninfo(), .size = 2}};
  jobs::Dispatcher dispatcher_{server_.runtime().pool(), edcert::config::Redis(), "validation"};
  ValidationReportService service_{{.runtime = server_.runtime(),
                                    .access = access_,
                                    .definitions = definitions_,
                                    .snapshots = snapshots_,
                                    .dispatcher = dispatcher_,
                                    .rules_pool = rules_pool_,
                                    .max_waiting_reports = 2}};
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
  Work(queued->name());
  while (reader->Read(&seen)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(seen.state(), v1::Report::COMPLETED);
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
  EXPECT_NE(file.find("(waived until "), std::string::npos);

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
  EXPECT_EQ(status::MetadataOf(again, "allowed"), "ARCHIVE");
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
