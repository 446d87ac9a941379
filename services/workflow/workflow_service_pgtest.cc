// The wizard and the decisions through a real server, with stand-ins of the services behind them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "common/rpc/status.h"
#include "common/testing/matchers.h"
#include "common/testing/test_server.h"
#include "services/workflow/convert.h"
#include "services/workflow/dataset_client.h"
#include "services/workflow/migrations/migrations.h"
#include "services/workflow/peers_pgtest.h"
#include "services/workflow/registry_follower.h"
#include "services/workflow/snapshot_client.h"
#include "services/workflow/validation_report_client.h"
#include "services/workflow/workflow_service.h"

namespace edcert::workflow {
namespace {

using testing::HasReason;
using testing::IsOk;

constexpr char kEvent[] = "events/fall";
constexpr char kDistrict[] = "organizations/100";

// The machine's clock, set forward.
class ShiftedClock final : public clock::Clock {
 public:
  absl::Time Now() const override { return clock::Clock::Real().Now() + shift_.load(); }
  void Shift(absl::Duration by) { shift_.store(by); }

 private:
  std::atomic<absl::Duration> shift_ = absl::ZeroDuration();
};

// ada and bob: certifiers of the district. rev: its reviewer. state: an approver. eve: of another
// district. Who is in `moved` works for the state today, as an approver.
class FakeAccess final : public access::Resolver {
 public:
  access::EventFacts event;
  std::set<std::string> moved;

 protected:
  absl::StatusOr<access::Access> Ask(const rpc::Call& call, const access::Query& query) override {
    access::Access access;
    access.user = call.principal().user;
    access.rights.assign(16 * 8, true);
    access.organization_kind = access::OrganizationKind::kDistrict;
    access.membership_version = 7;
    if (query.event == event.name) access.event = event;
    access.state_user = access.user == "users/state" || moved.contains(access.user);
    access.in_scope = access.user != "users/eve";
    if (access.state_user) {
      access.roles = {{access::Role::kApprover, access::Rank::kNone, "organizations/sea"}};
      return access;
    }
    access.scope_organizations =
        access.scope_districts = {access.in_scope ? kDistrict : "organizations/200"};
    if (access.user == "users/rev") {
      access.roles = {{access::Role::kReviewer, access::Rank::kNone, kDistrict}};
    } else if (access.in_scope) {
      access.roles = {{access::Role::kCertifier, access::Rank::kPrimary, kDistrict}};
    }
    return access;
  }
  absl::StatusOr<access::Access> AskForService(const rpc::Call& call,
                                               const access::Query& query) override {
    return Ask(call, query);
  }
};

validation::v1::Report::SeverityCount CountOf(type::Severity severity, int records, int errored) {
  validation::v1::Report::SeverityCount count;
  count.set_severity(severity);
  count.set_records(records);
  count.set_rules_errored(errored);
  return count;
}

class WorkflowServiceTest : public ::testing::Test {
 protected:
  using Stub = v1::Workflow::Stub;

  void SetUp() override {
    access_.event = {.name = kEvent,
                     .title = "Fall Enrollment",
                     .reporting_year = 2027,
                     .datasets = {"datasets/enrollment"},
                     .category = "categories/enrollment",
                     .rule_group = "ruleGroups/g",
                     .rule_group_version = 1,
                     .status = access::EventStatus::kPublished,
                     .live_version = 1,
                     .attestation_version = 1,
                     .starts_at = Now() - absl::Hours(3),
                     .opens_at = Now() - absl::Hours(2),
                     .due_at = Now() + absl::Hours(1),
                     .ends_at = Now() + absl::Hours(1),
                     .snapshots_from = Now() - absl::Hours(2)};
    Publish(kEvent);
    server_.Serve(service_, v1::Workflow::service_full_name());
    stub_ = v1::Workflow::NewStub(server_.channel());
    v1::ListCertificationsRequest request;
    request.set_event(kEvent);
    const auto listed = Call(&Stub::ListCertifications, request, "users/state");
    ASSERT_THAT(listed, IsOk());
    ASSERT_EQ(listed->certifications_size(), 1);
    name_ = listed->certifications(0).name();
  }

  void TearDown() override { server_.Stop(); }

  static absl::Time Now() { return clock::Clock::Real().Now(); }

  // Tells the service of an event, as the registry's feed does.
  void Publish(const std::string& event) {
    RegistryFacts facts;
    facts.event = ToEvent(access_.event);
    facts.event.name = event;
    facts.participants = {kDistrict};
    for (const char* user : {"users/ada", "users/bob"}) {
      facts.members.push_back({kDistrict, user, "CERTIFIER", "PRIMARY", "", "Superintendent"});
    }
    type::Change change;
    change.set_type("event_published");
    (*change.mutable_attributes())["event"] = event;
    const RegistryFollower follower(store_, clock_);
    ASSERT_THAT(server_.database().db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      return follower.Apply(tx, change, facts);
    }),
                IsOk());
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request, std::string_view user = "users/ada") {
    grpc::ClientContext context;
    server_.CallAs(context, user);
    context.set_deadline(absl::ToChronoTime(clock_.Now() + absl::Seconds(20)));
    Response response;
    const absl::Status status = rpc::FromGrpc((stub_.get()->*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  // A request on the certification as it is now, with an id of its own.
  template <typename Request>
  Request New() {
    Request request;
    request.set_request_id(ids::IdSource::Real().NewId());
    request.set_certification(name_);
    if constexpr (requires { request.set_etag(""); }) request.set_etag(Get().etag());
    if constexpr (requires { request.set_format(v1::REPORT_FORMAT_HTML); }) {
      request.set_format(v1::REPORT_FORMAT_HTML);
    }
    if constexpr (requires { request.set_reason(""); }) request.set_reason("because");
    return request;
  }

  v1::Certification Get(std::string_view user = "users/ada") {
    v1::GetCertificationRequest request;
    request.set_name(name_);
    absl::StatusOr<v1::Certification> got = Call(&Stub::GetCertification, request, user);
    EXPECT_THAT(got, IsOk());
    return got.ok() ? *std::move(got) : v1::Certification();
  }

  absl::StatusOr<v1::GenerateStepReportResponse> Report(int step,
                                                        std::string_view user = "users/ada") {
    auto request = New<v1::GenerateStepReportRequest>();
    request.set_step(step);
    return Call(&Stub::GenerateStepReport, request, user);
  }

  // Goes through the wizard to the end: everything is viewed, nobody has signed.
  void Prepare() {
    for (const int step : {1, 2}) {
      ASSERT_THAT(Report(step, "users/rev"), IsOk());
      peers_.FinishReport(Now(), {});
    }
    ASSERT_THAT(Call(&Stub::TakeSnapshot, New<v1::TakeSnapshotRequest>(), "users/rev"), IsOk());
    Seal();
    peers_.FinishReport(Now(), {});
  }

  void Seal() {
    peers_.ChangeSnapshot(
        [](snapshot::v1::Snapshot& newest) { newest.set_state(snapshot::v1::Snapshot::SEALED); });
  }

  v1::SubmitCertificationRequest Submission() {
    auto request = New<v1::SubmitCertificationRequest>();
    const std::string candidate = Get().candidate_snapshot();
    request.set_snapshot(candidate.empty() ? "snapshots/" + ids::IdSource::Real().NewId()
                                           : candidate);
    request.set_attestation_text_version(1);
    return request;
  }

  absl::StatusOr<v1::Certification> Submit(std::string_view user = "users/ada") {
    return Call(&Stub::SubmitCertification, Submission(), user);
  }

  absl::StatusOr<v1::Certification> Approve(std::string_view user = "users/state") {
    auto request = New<v1::ApproveCertificationRequest>();
    request.set_snapshot(Get().certified_snapshot());
    return Call(&Stub::ApproveCertification, request, user);
  }

  void ChangeReports(const std::function<void(validation::v1::Report&)>& change) {
    for (const std::size_t index : {0, 1, 2}) peers_.ChangeReport(index, change);
  }

  Peers peers_;
  ShiftedClock clock_;
  testing::TestServer server_{{.service = "workflow",
                               .schema = "workflow",
                               .migrations = {{.name = "workflow", .migrations = sql::kMigrations}},
                               .clock = clock_,
                               .peers = peers_.Addresses()}};
  FakeAccess access_;
  const CertificationStore store_{server_.runtime().ids(), absl::UTCTimeZone()};
  const ValidationReportClient reports_{server_.runtime()};
  const SnapshotClient snapshots_{server_.runtime()};
  const DatasetClient datasets_{server_.runtime()};
  const Wizard wizard_{store_, reports_, snapshots_, datasets_};
  WorkflowService service_{{.runtime = server_.runtime(),
                            .access = access_,
                            .store = store_,
                            .reports = reports_,
                            .snapshots = snapshots_,
                            .wizard = wizard_,
                            .zone = absl::UTCTimeZone()}};
  std::unique_ptr<Stub> stub_;
  std::string name_;
};

TEST_F(WorkflowServiceTest, FromTheFirstReportToTheApproval) {
  const auto started = Call(&Stub::StartCertification, New<v1::StartCertificationRequest>());
  ASSERT_THAT(started, IsOk());
  EXPECT_TRUE(started->has_start_time());
  const auto first = Report(1);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->report().state(), v1::ReportReference::QUEUED);
  EXPECT_EQ(first->certification().steps(0).state(), v1::Step::QUEUED);
  EXPECT_EQ(first->certification().steps(1).blocked_reason(), "STEP_NOT_COMPLETED");
  EXPECT_THAT(Report(2), HasReason("STEP_NOT_COMPLETED"));
  Prepare();
  const v1::Certification prepared = Get();
  for (const v1::Step& step : prepared.steps()) EXPECT_EQ(step.state(), v1::Step::COMPLETED);
  EXPECT_THAT(Submit("users/rev"), HasReason("NOT_PERMITTED"));

  const auto signed_by_ada = Submit();
  ASSERT_THAT(signed_by_ada, IsOk());
  EXPECT_EQ(signed_by_ada->status(), v1::Certification::IN_PROGRESS);
  EXPECT_EQ(signed_by_ada->user_status(), v1::USER_STATUS_CERTIFICATION_COMPLETE);
  EXPECT_EQ(signed_by_ada->signatures(0).role_title(), "Superintendent");
  EXPECT_EQ(signed_by_ada->steps_size(), 3);
  const auto sent = Submit("users/bob");
  ASSERT_THAT(sent, IsOk());
  EXPECT_EQ(sent->status(), v1::Certification::SENT);
  EXPECT_EQ(sent->certified_snapshot(), prepared.candidate_snapshot());
  const auto approved = Approve();
  ASSERT_THAT(approved, IsOk());
  EXPECT_EQ(approved->status(), v1::Certification::APPROVED);
  EXPECT_FALSE(approved->administrative());
}

TEST_F(WorkflowServiceTest, ReportsCompareWithWhatWasCertifiedAYearAgo) {
  const auto last_year = [&](const std::string& event, int year, const std::string& category) {
    const access::EventFacts now = access_.event;
    access_.event.reporting_year = year;
    access_.event.category = category;
    Publish(event);
    access_.event = now;
  };
  const auto certify = [&](const std::string& event, int snapshot) {
    const std::string name = fmt::format("snapshots/01790a5d-ac96-774b-bcce-{:012}", snapshot);
    EXPECT_THAT(server_.database().owner().RunScript(
                    fmt::format("UPDATE workflow.certification SET certified_snapshot = '{}'"
                                " WHERE event = '{}'",
                                name, event)),
                IsOk());
    return name;
  };
  const auto compared_with = [&](std::size_t index) {
    std::string name;
    peers_.ChangeReport(index, [&](const auto& report) { name = report.previous_snapshot(); });
    return name;
  };
  last_year("events/two-years-ago", 2025, "categories/enrollment");
  last_year("events/of-another-category", 2026, "categories/attendance");
  last_year("events/last-fall", 2026, "categories/enrollment");
  last_year("events/last-spring", 2026, "categories/enrollment");
  certify("events/two-years-ago", 9);
  certify("events/of-another-category", 9);
  ASSERT_THAT(Report(1), IsOk());
  EXPECT_EQ(compared_with(0), "");
  EXPECT_EQ(Get().steps(0).state(), v1::Step::QUEUED);

  const std::string fall = certify("events/last-fall", 2);
  EXPECT_EQ(Get().steps(0).state(), v1::Step::STALE);
  certify("events/last-spring", 1);
  Prepare();
  for (const std::size_t report : {0, 1, 2}) EXPECT_EQ(compared_with(report), fall);
  const v1::SubmitCertificationRequest submission = Submission();
  // What was certified a year ago is certified anew.
  const std::string spring = certify("events/last-spring", 3);
  const v1::Certification stale = Get();
  for (const v1::Step& step : stale.steps()) EXPECT_EQ(step.state(), v1::Step::STALE);
  EXPECT_THAT(Call(&Stub::SubmitCertification, submission), HasReason("STEP_STALE"));
  for (const int step : {1, 2, 3}) {
    ASSERT_THAT(Report(step), IsOk());
    EXPECT_EQ(compared_with(0), spring);
    peers_.FinishReport(Now(), {});
  }
  EXPECT_THAT(Call(&Stub::SubmitCertification, submission), IsOk());
}

TEST_F(WorkflowServiceTest, RefusesASignatureWithTheReasonOfEachFault) {
  Prepare();
  auto request = Submission();
  const auto refusal = [&](const std::function<void(v1::SubmitCertificationRequest&)>& change) {
    v1::SubmitCertificationRequest other = request;
    change(other);
    return Call(&Stub::SubmitCertification, other);
  };
  EXPECT_THAT(refusal([](auto& r) { r.set_request_id("x"); }), HasReason("FIELD_INVALID"));
  EXPECT_THAT(refusal([](auto& r) { r.set_etag(""); }), HasReason("FIELD_INVALID"));
  EXPECT_THAT(refusal([](auto& r) { r.set_snapshot("x"); }), HasReason("FIELD_INVALID"));
  EXPECT_THAT(refusal([](auto& r) { r.set_attestation_text_version(0); }),
              HasReason("FIELD_INVALID"));
  EXPECT_THAT(refusal([](auto& r) { r.set_certification("x"); }), HasReason("FIELD_INVALID"));
  EXPECT_THAT(refusal([](auto& r) {
                r.set_certification("certifications/01890a5d-ac96-774b-bcce-b302099a8057");
              }),
              HasReason("NOT_FOUND"));
  EXPECT_THAT(Call(&Stub::SubmitCertification, request, "users/eve"), HasReason("NOT_FOUND"));
  EXPECT_THAT(Call(&Stub::SubmitCertification, request, "users/rev"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Call(&Stub::SubmitCertification, request, "users/state"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(refusal([](auto& r) { r.set_etag("99"); }), HasReason("ETAG_MISMATCH"));
  EXPECT_THAT(refusal([](auto& r) { r.set_attestation_text_version(2); }),
              HasReason("ATTESTATION_OUTDATED"));
  EXPECT_THAT(
      refusal([](auto& r) { r.set_snapshot("snapshots/01890a5d-ac96-774b-bcce-b302099a8057"); }),
      HasReason("SNAPSHOT_MISMATCH"));

  const auto event = access_.event;
  const auto with_event = [&](const std::function<void(access::EventFacts&)>& change) {
    change(access_.event);
    const auto answer = Call(&Stub::SubmitCertification, request);
    access_.event = event;
    return answer;
  };
  const absl::Time now = Now();
  EXPECT_THAT(with_event([&](auto& e) { e.starts_at = e.opens_at = now + absl::Minutes(1); }),
              HasReason("WINDOW_NOT_OPEN"));
  EXPECT_THAT(with_event([&](auto& e) { e.opens_at = now + absl::Minutes(1); }),
              HasReason("WINDOW_NOT_OPEN"));
  EXPECT_THAT(with_event([&](auto& e) { e.ends_at = now - absl::Minutes(1); }),
              HasReason("WINDOW_CLOSED"));
  EXPECT_THAT(with_event([&](auto& e) { e.status = access::EventStatus::kClosed; }),
              HasReason("NOT_FOUND"));
  EXPECT_THAT(with_event([&](auto& e) { e.rule_group_version = 2; }), HasReason("STEP_STALE"));

  const auto with_reports = [&](const std::function<void(validation::v1::Report&)>& change,
                                const std::function<void(validation::v1::Report&)>& undo) {
    ChangeReports(change);
    const auto answer = Call(&Stub::SubmitCertification, request);
    ChangeReports(undo);
    return answer;
  };
  const auto clear = [](auto& r) { r.clear_counts(); };
  EXPECT_THAT(with_reports([](auto& r) { r.set_state(validation::v1::Report::RUNNING); },
                           [](auto& r) { r.set_state(validation::v1::Report::COMPLETED); }),
              HasReason("STEP_NOT_COMPLETED"));
  EXPECT_THAT(with_reports([](auto& r) { r.clear_viewed_by_caller_at(); },
                           [&](auto& r) { *r.mutable_viewed_by_caller_at() = rpc::ToProto(now); }),
              HasReason("REPORT_NOT_VIEWED"));
  EXPECT_THAT(
      with_reports([](auto& r) { *r.add_counts() = CountOf(type::SEVERITY_FATAL, 1, 0); }, clear),
      HasReason("FATAL_FINDINGS_OPEN"));
  for (const type::Severity severity : {type::SEVERITY_WARNING, type::SEVERITY_SPECIAL_WARNING}) {
    EXPECT_THAT(with_reports([&](auto& r) { *r.add_counts() = CountOf(severity, 1, 0); }, clear),
                HasReason("WARNINGS_NOT_ACKNOWLEDGED"));
    // A rule that could not be run is no proof that there is nothing to warn of.
    EXPECT_THAT(with_reports([&](auto& r) { *r.add_counts() = CountOf(severity, 0, 1); }, clear),
                HasReason("WARNINGS_NOT_ACKNOWLEDGED"));
  }
  peers_.Warn("rules/a", now);
  peers_.Warn("rules/b", std::nullopt);
  peers_.Warn("rules/c", std::nullopt);
  for (const auto& count : {CountOf(type::SEVERITY_SPECIAL_WARNING, 1, 0),
                            CountOf(type::SEVERITY_SPECIAL_WARNING, 0, 1)}) {
    const auto unexplained = with_reports([&](auto& r) { *r.add_counts() = count; }, clear);
    EXPECT_THAT(unexplained, HasReason("EXPLANATION_MISSING"));
    EXPECT_EQ(status::MetadataOf(unexplained.status(), "rules"), "rules/b,rules/c");
  }
  peers_.SetVersion(2);
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), HasReason("STEP_STALE"));
  peers_.SetVersion(1);

  peers_.ChangeSnapshot([](auto& newest) { newest.set_state(snapshot::v1::Snapshot::SEALING); });
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), HasReason("SNAPSHOT_NOT_SEALED"));
  Seal();
  peers_.ChangeSnapshot([](auto& newest) { newest.mutable_data_versions(0)->set_rows(0); });
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), HasReason("SNAPSHOT_EMPTY"));
  peers_.ChangeSnapshot([](auto& newest) { newest.mutable_data_versions(0)->set_rows(1); });

  Publish("events/before");
  EXPECT_THAT(with_event([](auto& e) { e.depends_on = {"events/before"}; }),
              HasReason("DEPENDENCY_NOT_CERTIFIED"));

  // None of them left anything: the same request is accepted now, and its id is used up.
  EXPECT_EQ(server_.CountRows("signature"), 0);
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), IsOk());
  EXPECT_THAT(refusal([](auto& r) { r.set_acknowledged_warnings(true); }),
              HasReason("REQUEST_ID_REUSED"));
  EXPECT_THAT(Submit(), HasReason("ALREADY_SIGNED"));
  EXPECT_THAT(Submit("users/bob"), IsOk());
  EXPECT_THAT(Submit("users/bob"), HasReason("TRANSITION_NOT_ALLOWED"));
}

TEST_F(WorkflowServiceTest, ZeroAndWarningsAreSignedWhenTheSignerSaysSo) {
  Prepare();
  access_.event.allows_zero_attestation = true;
  peers_.ChangeSnapshot([](auto& newest) { newest.mutable_data_versions(0)->set_rows(0); });
  ChangeReports([](auto& r) { *r.add_counts() = CountOf(type::SEVERITY_WARNING, 3, 0); });
  auto request = Submission();
  request.set_zero_attestation(true);
  request.set_acknowledged_warnings(true);
  const auto answer = Call(&Stub::SubmitCertification, request);
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->signatures(0).zero_attestation());
  EXPECT_TRUE(answer->signatures(0).warnings_acknowledged());
}

TEST_F(WorkflowServiceTest, WaivedFindingsDoNotBlockAndTheSignatureSaysSo) {
  Prepare();
  ChangeReports([](auto& r) {
    *r.add_counts() = CountOf(type::SEVERITY_FATAL, 3, 0);
    r.mutable_counts(0)->set_records_waived(2);
  });
  EXPECT_THAT(Submit(), HasReason("FATAL_FINDINGS_OPEN"));
  ChangeReports([](auto& r) { r.mutable_counts(0)->set_records_waived(3); });
  const auto answer = Submit();
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->signatures(0).waived_findings(), 3);
  EXPECT_EQ(answer->steps(2).counts(0).records_waived(), 3);
  // A rule that could not be run is nothing to waive.
  ChangeReports([](auto& r) { r.mutable_counts(0)->set_rules_errored(1); });
  EXPECT_THAT(Submit("users/bob"), HasReason("FATAL_FINDINGS_OPEN"));
}

TEST_F(WorkflowServiceTest, TwinsOfARequestHaveOneEffectAndOneAnswer) {
  Prepare();
  const auto request = Submission();
  std::vector<absl::StatusOr<v1::Certification>> answers(6, absl::UnknownError("not run"));
  {
    std::vector<std::jthread> threads;
    for (auto& answer : answers) {
      threads.emplace_back([&] { answer = Call(&Stub::SubmitCertification, request); });
    }
  }
  for (const auto& answer : answers) {
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(answer->SerializeAsString(), answers.front()->SerializeAsString());
  }
  EXPECT_EQ(server_.CountRows("signature"), 1);
  EXPECT_EQ(server_.CountRows("command_arrival"), 1);
}

TEST_F(WorkflowServiceTest, NobodyApprovesWhatHeSigned) {
  Prepare();
  ASSERT_THAT(Submit(), IsOk());
  ASSERT_THAT(Submit("users/bob"), IsOk());
  // ada has gone to the state since; what she signed still counts.
  access_.moved = {"users/ada"};
  EXPECT_THAT(Approve("users/ada"), HasReason("SELF_APPROVAL"));
  EXPECT_EQ(Get("users/state").status(), v1::Certification::SENT);
  EXPECT_THAT(Approve(), IsOk());
}

TEST_F(WorkflowServiceTest, ARetakeThatVoidsSignaturesIsConfirmed) {
  EXPECT_THAT(Report(3), HasReason("STEP_NOT_COMPLETED"));
  Prepare();
  EXPECT_THAT(Call(&Stub::TakeSnapshot, New<v1::TakeSnapshotRequest>()),
              HasReason("ALREADY_EXISTS"));
  ASSERT_THAT(Submit(), IsOk());
  auto request = New<v1::RetakeSnapshotRequest>();
  EXPECT_THAT(Call(&Stub::RetakeSnapshot, request), HasReason("CONFIRMATION_REQUIRED"));
  EXPECT_EQ(server_.CountRows("signature WHERE voided_at IS NULL"), 1);
  request.set_confirm_void_signatures(true);
  const auto retaken = Call(&Stub::RetakeSnapshot, request);
  ASSERT_THAT(retaken, IsOk());
  EXPECT_NE(retaken->candidate_snapshot(), "");
  EXPECT_TRUE(retaken->signatures(0).has_voided_at());
  EXPECT_EQ(server_.CountRows("signature WHERE voided_at IS NULL"), 0);
}

TEST_F(WorkflowServiceTest, AReportOfStepThreeMayBeAskedForAgainOnANewerSnapshot) {
  for (const int step : {1, 2}) {
    ASSERT_THAT(Report(step), IsOk());
    peers_.FinishReport(Now(), {});
  }
  EXPECT_THAT(Report(3), HasReason("SNAPSHOT_NOT_SEALED"));
  peers_.TakeSnapshot();
  auto request = New<v1::GenerateStepReportRequest>();
  request.set_step(3);
  peers_.report_answers_are_lost = true;
  EXPECT_THAT(Call(&Stub::GenerateStepReport, request), HasReason("UNAVAILABLE"));
  peers_.report_answers_are_lost = false;
  // Meanwhile the state took another one, which is the candidate of the second attempt.
  const std::string newer = peers_.TakeSnapshot();
  const auto answer = Call(&Stub::GenerateStepReport, request);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->certification().candidate_snapshot(), newer);
}

TEST_F(WorkflowServiceTest, AnAttemptThatWeFailedToAnswerCostsNobodyTheDeadline) {
  Prepare();
  access_.event.ends_at = Now() + absl::Minutes(1);
  const auto request = Submission();
  peers_.datasets_are_down = true;
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), HasReason("UNAVAILABLE"));
  peers_.datasets_are_down = false;
  clock_.Shift(absl::Minutes(5));
  EXPECT_THAT(Submit(), HasReason("WINDOW_CLOSED"));
  v1::SubmitCertificationRequest other = request;
  other.set_acknowledged_warnings(true);
  EXPECT_THAT(Call(&Stub::SubmitCertification, other), HasReason("WINDOW_CLOSED"));
  EXPECT_THAT(Call(&Stub::SubmitCertification, request, "users/bob"), HasReason("WINDOW_CLOSED"));
  const auto answer = Call(&Stub::SubmitCertification, request);
  ASSERT_THAT(answer, IsOk());
  // It was signed in the window, and written down after it.
  EXPECT_LE(rpc::FromProto(answer->signatures(0).signed_at()), access_.event.ends_at);
  EXPECT_GT(rpc::FromProto(answer->update_time()), access_.event.ends_at);
}

TEST_F(WorkflowServiceTest, NobodyReservesASignature) {
  Prepare();
  access_.event.ends_at = Now() + absl::Minutes(1);
  ChangeReports([](auto& r) { r.clear_viewed_by_caller_at(); });
  const auto request = Submission();
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), HasReason("REPORT_NOT_VIEWED"));
  clock_.Shift(absl::Minutes(5));
  ChangeReports([&](auto& r) { *r.mutable_viewed_by_caller_at() = rpc::ToProto(clock_.Now()); });
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), HasReason("WINDOW_CLOSED"));
}

TEST_F(WorkflowServiceTest, SpecialWarningsAreExplainedBeforeTheSignatureArrives) {
  Prepare();
  ChangeReports([](auto& r) { *r.add_counts() = CountOf(type::SEVERITY_SPECIAL_WARNING, 1, 0); });
  peers_.Warn("rules/a", std::nullopt);
  access_.event.ends_at = Now() + absl::Minutes(1);
  auto request = Submission();
  request.set_acknowledged_warnings(true);
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), HasReason("EXPLANATION_MISSING"));
  const absl::Time explained_at = Now() + absl::Seconds(30);
  clock_.Shift(absl::Minutes(5));
  peers_.Warn("rules/a", explained_at);
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), HasReason("WINDOW_CLOSED"));
  peers_.Warn("rules/a", explained_at - absl::Minutes(1));
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), IsOk());
}

TEST_F(WorkflowServiceTest, TheWizardTellsWhichSpecialWarningsAreUnexplained) {
  const auto told = [&] {
    std::vector<std::string> rules;
    const v1::Certification certification = Get();
    EXPECT_EQ(certification.steps(0).unexplained_rules_size(), 0);
    EXPECT_EQ(certification.steps(1).unexplained_rules_size(), 0);
    for (const auto& rule : certification.steps(2).unexplained_rules()) {
      rules.push_back(fmt::format("{} {} {}", rule.rule(), rule.rule_code(), rule.findings()));
    }
    return rules;
  };
  Prepare();
  peers_.Warn("rules/a", Now());
  peers_.Warn("rules/b", std::nullopt);
  peers_.Warn("rules/c", std::nullopt);
  EXPECT_THAT(told(), ::testing::IsEmpty()) << "the report has no special warnings";
  for (const auto& count : {CountOf(type::SEVERITY_SPECIAL_WARNING, 1, 0),
                            CountOf(type::SEVERITY_SPECIAL_WARNING, 0, 1)}) {
    ChangeReports([&](auto& r) {
      r.clear_counts();
      *r.add_counts() = count;
    });
    EXPECT_THAT(told(), ::testing::ElementsAre("rules/b CODE-b 3", "rules/c CODE-c 3"));
  }
  // Who has not viewed the report yet sees it too.
  ChangeReports([](auto& r) { r.clear_viewed_by_caller_at(); });
  EXPECT_THAT(told(), ::testing::ElementsAre("rules/b CODE-b 3", "rules/c CODE-c 3"));
  for (const char* rule : {"rules/b", "rules/c"}) peers_.Warn(rule, Now());
  EXPECT_THAT(told(), ::testing::IsEmpty());
}

TEST_F(WorkflowServiceTest, WhatCameTooEarlyIsJudgedByTheNextAttempt) {
  Prepare();
  const auto request = Submission();
  access_.event.opens_at = Now() + absl::Minutes(1);
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), HasReason("WINDOW_NOT_OPEN"));
  access_.event.opens_at = Now();
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), IsOk());
}

TEST_F(WorkflowServiceTest, TheWindowIsJudgedWhenTheCallArrives) {
  Prepare();
  const auto request = Submission();
  // The event ends while we ask the other services.
  access_.event.ends_at = Now() + absl::Seconds(1);
  std::atomic<bool> asked = false;
  peers_.on_versions = [&] {
    if (!asked.exchange(true)) clock_.Shift(absl::Seconds(2));
  };
  EXPECT_THAT(Call(&Stub::SubmitCertification, request), IsOk());
  EXPECT_TRUE(asked);
  EXPECT_THAT(Submit("users/bob"), HasReason("WINDOW_CLOSED"));
}

TEST_F(WorkflowServiceTest, ApprovalsAndRequestsAreDatedByTheirFirstArrival) {
  Prepare();
  ASSERT_THAT(Submit(), IsOk());
  ASSERT_THAT(Submit("users/bob"), IsOk());
  ASSERT_THAT(Approve(), IsOk());
  ASSERT_THAT(
      Call(&Stub::RequestRecertification, New<v1::RequestRecertificationRequest>(), "users/bob"),
      IsOk());
  EXPECT_EQ(server_.CountRows("command_arrival"), 4);
  const auto returned = [&] {
    auto request = New<v1::ReturnForRecertificationRequest>();
    request.mutable_due()->set_year(2100);
    request.mutable_due()->set_month(1);
    request.mutable_due()->set_day(1);
    return Call(&Stub::ReturnForRecertification, request, "users/state");
  }();
  ASSERT_THAT(returned, IsOk());
  EXPECT_EQ(returned->round(), 1);
  EXPECT_EQ(returned->status(), v1::Certification::RECERT_IN_PROGRESS);
  const auto cancelled =
      Call(&Stub::CancelRecertification, New<v1::CancelRecertificationRequest>(), "users/state");
  ASSERT_THAT(cancelled, IsOk());
  EXPECT_EQ(cancelled->status(), v1::Certification::APPROVED);
  const auto exempt =
      Call(&Stub::ExemptParticipant, New<v1::ExemptParticipantRequest>(), "users/state");
  ASSERT_THAT(exempt, IsOk());
  EXPECT_EQ(exempt->status(), v1::Certification::EXEMPT);
}

TEST_F(WorkflowServiceTest, VerbsCheckTheirFields) {
  auto request = New<v1::RequestRecertificationRequest>();
  request.set_reason("");
  EXPECT_THAT(Call(&Stub::RequestRecertification, request), HasReason("REASON_REQUIRED"));
  request.set_reason(std::string(2001, 'x'));
  EXPECT_THAT(Call(&Stub::RequestRecertification, request), HasReason("FIELD_INVALID"));
  auto back = New<v1::ReturnForRecertificationRequest>();
  EXPECT_THAT(Call(&Stub::ReturnForRecertification, back, "users/state"),
              HasReason("FIELD_INVALID"));
  back.mutable_due()->set_year(2020);
  back.mutable_due()->set_month(1);
  back.mutable_due()->set_day(1);
  EXPECT_THAT(Call(&Stub::ReturnForRecertification, back, "users/state"),
              HasReason("FIELD_INVALID"));
  auto report = New<v1::GenerateStepReportRequest>();
  report.set_step(4);
  EXPECT_THAT(Call(&Stub::GenerateStepReport, report), HasReason("FIELD_INVALID"));
  v1::ListTransitionsRequest history;
  history.set_certification("x");
  EXPECT_THAT(Call(&Stub::ListTransitions, history), HasReason("FIELD_INVALID"));
  history.set_certification(name_);
  const auto listed = Call(&Stub::ListTransitions, history);
  ASSERT_THAT(listed, IsOk());
  EXPECT_EQ(listed->transitions(0).action(), v1::Transition::OPEN);
}

}  // namespace
}  // namespace edcert::workflow
