// The gRPC side of validation_report: parse, authorise, call, convert.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/access/access.h"
#include "common/jobs/jobs.h"
#include "common/rpc/call.h"
#include "common/rpc/runtime.h"
#include "edcert/validation/v1/validation_report.grpc.pb.h"
#include "services/validation_report/background_store.h"
#include "services/validation_report/definition.h"
#include "services/validation_report/evaluator.h"
#include "services/validation_report/explanation_store.h"
#include "services/validation_report/finding_store.h"
#include "services/validation_report/report.h"
#include "services/validation_report/report_store.h"
#include "services/validation_report/request_convert.h"
#include "services/validation_report/rule_compiler.h"
#include "services/validation_report/rule_group_store.h"
#include "services/validation_report/rule_store.h"
#include "services/validation_report/waiver_store.h"

namespace edcert::validation_report {

class SnapshotSource;

namespace v1 = ::edcert::validation::v1;

// Thread-safe.
class ValidationReportService final : public v1::ValidationReports::CallbackService {
 public:
  struct Parts {
    rpc::Runtime& runtime;
    access::Resolver& access;
    DefinitionSource& definitions;
    SnapshotSource& snapshots;
    jobs::Dispatcher& dispatcher;
    pg::Pool& rules_pool;
    int max_waiting_reports = 20;
    int rule_activation_people = 1;
    // How long after a change the records are counted; zero: never.
    absl::Duration background_delay = absl::ZeroDuration();
    // An event with its participants, whoever asks.
    std::function<absl::StatusOr<access::EventFacts>(const std::string& name)> find_event = nullptr;
  };
  explicit ValidationReportService(const Parts& parts);
  ~ValidationReportService() override;

  // rule_service.cc
  grpc::ServerUnaryReactor* CreateRule(grpc::CallbackServerContext* context,
                                       const v1::CreateRuleRequest* request,
                                       v1::Rule* response) override;
  grpc::ServerUnaryReactor* GetRule(grpc::CallbackServerContext* context,
                                    const v1::GetRuleRequest* request, v1::Rule* response) override;
  grpc::ServerUnaryReactor* UpdateRule(grpc::CallbackServerContext* context,
                                       const v1::UpdateRuleRequest* request,
                                       v1::Rule* response) override;
  grpc::ServerUnaryReactor* ListRules(grpc::CallbackServerContext* context,
                                      const v1::ListRulesRequest* request,
                                      v1::ListRulesResponse* response) override;
  grpc::ServerUnaryReactor* ActivateRule(grpc::CallbackServerContext* context,
                                         const v1::ActivateRuleRequest* request,
                                         v1::Rule* response) override;
  grpc::ServerUnaryReactor* DeactivateRule(grpc::CallbackServerContext* context,
                                           const v1::DeactivateRuleRequest* request,
                                           v1::Rule* response) override;
  grpc::ServerUnaryReactor* ArchiveRule(grpc::CallbackServerContext* context,
                                        const v1::ArchiveRuleRequest* request,
                                        v1::Rule* response) override;
  grpc::ServerUnaryReactor* TestRule(grpc::CallbackServerContext* context,
                                     const v1::TestRuleRequest* request,
                                     v1::TestRuleResponse* response) override;

  // preview_service.cc
  grpc::ServerWriteReactor<v1::PreviewRuleResponse>* PreviewRule(
      grpc::CallbackServerContext* context, const v1::PreviewRuleRequest* request) override;

  // rule_text_service.cc
  grpc::ServerUnaryReactor* ImportRules(grpc::CallbackServerContext* context,
                                        const v1::ImportRulesRequest* request,
                                        v1::ImportRulesResponse* response) override;
  grpc::ServerWriteReactor<v1::ExportRulesResponse>* ExportRules(
      grpc::CallbackServerContext* context, const v1::ExportRulesRequest* request) override;

  // rule_group_service.cc
  grpc::ServerUnaryReactor* CreateRuleGroup(grpc::CallbackServerContext* context,
                                            const v1::CreateRuleGroupRequest* request,
                                            v1::RuleGroup* response) override;
  grpc::ServerUnaryReactor* GetRuleGroup(grpc::CallbackServerContext* context,
                                         const v1::GetRuleGroupRequest* request,
                                         v1::RuleGroup* response) override;
  grpc::ServerUnaryReactor* UpdateRuleGroup(grpc::CallbackServerContext* context,
                                            const v1::UpdateRuleGroupRequest* request,
                                            v1::RuleGroup* response) override;
  grpc::ServerUnaryReactor* ListRuleGroups(grpc::CallbackServerContext* context,
                                           const v1::ListRuleGroupsRequest* request,
                                           v1::ListRuleGroupsResponse* response) override;
  grpc::ServerUnaryReactor* ActivateRuleGroup(grpc::CallbackServerContext* context,
                                              const v1::ActivateRuleGroupRequest* request,
                                              v1::RuleGroup* response) override;
  grpc::ServerUnaryReactor* DeactivateRuleGroup(grpc::CallbackServerContext* context,
                                                const v1::DeactivateRuleGroupRequest* request,
                                                v1::RuleGroup* response) override;

  // report_service.cc
  grpc::ServerUnaryReactor* CreateReport(grpc::CallbackServerContext* context,
                                         const v1::CreateReportRequest* request,
                                         v1::Report* response) override;
  grpc::ServerUnaryReactor* GetReport(grpc::CallbackServerContext* context,
                                      const v1::GetReportRequest* request,
                                      v1::Report* response) override;
  grpc::ServerUnaryReactor* ListReports(grpc::CallbackServerContext* context,
                                        const v1::ListReportsRequest* request,
                                        v1::ListReportsResponse* response) override;
  grpc::ServerWriteReactor<v1::Report>* WatchReport(grpc::CallbackServerContext* context,
                                                    const v1::WatchReportRequest* request) override;
  grpc::ServerUnaryReactor* CancelReport(grpc::CallbackServerContext* context,
                                         const v1::CancelReportRequest* request,
                                         v1::Report* response) override;
  grpc::ServerUnaryReactor* RetryReport(grpc::CallbackServerContext* context,
                                        const v1::RetryReportRequest* request,
                                        v1::Report* response) override;
  grpc::ServerWriteReactor<v1::DownloadReportResponse>* DownloadReport(
      grpc::CallbackServerContext* context, const v1::DownloadReportRequest* request) override;

  // finding_service.cc
  grpc::ServerUnaryReactor* ListFindings(grpc::CallbackServerContext* context,
                                         const v1::ListFindingsRequest* request,
                                         v1::ListFindingsResponse* response) override;
  grpc::ServerUnaryReactor* ListFindingGroups(grpc::CallbackServerContext* context,
                                              const v1::ListFindingGroupsRequest* request,
                                              v1::ListFindingGroupsResponse* response) override;
  grpc::ServerUnaryReactor* ExplainFindings(grpc::CallbackServerContext* context,
                                            const v1::ExplainFindingsRequest* request,
                                            v1::ExplainFindingsResponse* response) override;
  grpc::ServerUnaryReactor* WaiveFinding(grpc::CallbackServerContext* context,
                                         const v1::WaiveFindingRequest* request,
                                         v1::Waiver* response) override;
  grpc::ServerUnaryReactor* RevokeWaiver(grpc::CallbackServerContext* context,
                                         const v1::RevokeWaiverRequest* request,
                                         v1::Waiver* response) override;
  grpc::ServerUnaryReactor* ListWaivers(grpc::CallbackServerContext* context,
                                        const v1::ListWaiversRequest* request,
                                        v1::ListWaiversResponse* response) override;
  grpc::ServerUnaryReactor* GetOpenFindings(grpc::CallbackServerContext* context,
                                            const v1::GetOpenFindingsRequest* request,
                                            v1::OpenFindings* response) override;

  // What every service has: validation_report_service.cc
  grpc::ServerUnaryReactor* ListChanges(grpc::CallbackServerContext* context,
                                        const v1::ListChangesRequest* request,
                                        v1::ListChangesResponse* response) override;
  grpc::ServerUnaryReactor* ListAuditRecords(grpc::CallbackServerContext* context,
                                             const v1::ListAuditRecordsRequest* request,
                                             v1::ListAuditRecordsResponse* response) override;

 private:
  // A rule whose texts are checked, with the datasets that it reads.
  struct CheckedRule {
    CompiledRule rule;
    Definitions definitions;
  };
  // What is to be made: all but the versions, which are read when it is accepted.
  struct NewReport {
    Report report;
    std::vector<std::string> datasets;  // ids
  };

  // A report, and what the caller may do about it.
  struct SeenReport {
    Report report;
    access::Access access;
  };

  // rule_service.cc
  absl::StatusOr<CheckedRule> Compile(const std::string& id, int version,
                                      const RuleContent& content, const ValuesByName& values = {});
  absl::StatusOr<std::vector<FixtureResult>> RunFixtures(rpc::Call& call, const Rule& rule);
  // FIXTURE_FAILED unless there is a fixture and all pass.
  absl::Status CheckFixtures(rpc::Call& call, const Rule& rule);
  // Writes the next version of a rule, unless the content is that of its newest.
  absl::StatusOr<Rule> WriteVersion(rpc::Call& call, pg::Transaction& tx, const Rule& rule,
                                    const RuleContent& content);
  // Activates the version of `rule`, or notes that a second person is awaited.
  absl::StatusOr<Rule> AskOrActivate(rpc::Call& call, pg::Transaction& tx, const Rule& rule);
  // A verb that only changes the state of a rule.
  template <typename Request>
  grpc::ServerUnaryReactor* Move(grpc::CallbackServerContext* context, const Request* request,
                                 v1::Rule* response, RuleAction action, std::string_view told);

  // preview_service.cc
  // Where a rule is tried.
  struct PreviewPlace {
    std::string organization;  // resource name
    std::string display_name;
    std::string district;  // resource name
    LastYear last_year;
  };
  absl::StatusOr<CheckedRule> RuleToPreview(rpc::Call& call, const Preview& asked);
  // What the rule compares with, by organisation.
  absl::StatusOr<std::map<std::string, LastYear>> LastYearsOf(rpc::Call& call, const Preview& asked,
                                                              const RuleContent& rule);
  // The organisations, each of which the caller may see.
  absl::StatusOr<std::vector<PreviewPlace>> PlacesOf(rpc::Call& call, const Preview& asked,
                                                     const RuleContent& rule);
  absl::StatusOr<v1::PreviewRuleResponse::Organization> PreviewAt(rpc::Call& call,
                                                                  const Preview& asked,
                                                                  const CheckedRule& checked,
                                                                  const PreviewPlace& place);

  // rule_text_service.cc
  // The first error of all, with the place of its rule.
  absl::Status CompileAll(const std::vector<RuleContent>& contents);
  // Says what becomes of each rule and, in a transaction, makes it so.
  absl::Status Import(rpc::Call& call, pg::Querier& db, pg::Transaction* tx,
                      const std::vector<RuleContent>& contents, v1::ImportRulesResponse* response);

  // rule_group_service.cc
  // Whether the rules compile with the values that the group sets.
  absl::Status CheckValuesOf(rpc::Call& call, const RuleGroup& group);
  // The rules that become FATAL when `group` takes the place of the version in use.
  absl::StatusOr<std::vector<v1::RuleGroup::FatalAgain>> FatalAgainIn(rpc::Call& call,
                                                                      pg::Transaction& tx,
                                                                      const RuleGroup& group);

  // report_service.cc
  // What is to be made, or why not; asks event_registry and, for its kind, snapshot.
  absl::StatusOr<NewReport> Prepare(rpc::Call& call, const v1::CreateReportRequest& request);
  // The group that the report runs, in use (or when the event was published) and of its level.
  absl::StatusOr<RuleGroup> GroupFor(rpc::Call& call, const Report& report,
                                     const std::optional<access::EventFacts>& event);
  // Takes over the versions of the report's snapshot. SNAPSHOT_MISMATCH.
  absl::Status TakeSnapshot(rpc::Call& call, Report& report);
  // The versions of these datasets in the snapshot that is last year's, if one is named.
  absl::Status TakeLastYear(rpc::Call& call, const std::vector<std::string>& datasets,
                            Report& report);
  // Takes the versions that the district has now.
  absl::Status TakeVersions(pg::Transaction& tx, const std::vector<std::string>& datasets,
                            Report& report);
  absl::Status CheckQuota(pg::Transaction& tx, const std::string& organization);
  // Accepts the report's job, or finds an equal one that waits. `job` is the accepted one.
  absl::StatusOr<Report> Accept(rpc::Call& call, pg::Transaction& tx, const NewReport& asked,
                                jobs::NewJob& job);
  absl::StatusOr<Report> Requeue(rpc::Call& call, pg::Transaction& tx, const Report& report);
  // Restricts a list to what the caller may see.
  absl::Status Narrow(rpc::Call& call, ReportFilter& filter);
  // A report that the caller may see, as its requester or by a role; NOT_FOUND else.
  absl::StatusOr<SeenReport> SeeReport(rpc::Call& call, std::string_view name);
  absl::StatusOr<Report> FindReport(rpc::Call& call, std::string_view name);
  // The same, COMPLETED, or EXPIRED, which was.
  absl::StatusOr<SeenReport> SeeCompletedReport(rpc::Call& call, std::string_view name);
  absl::StatusOr<Report> FindCompletedReport(rpc::Call& call, std::string_view name);

  // finding_service.cc
  // A waiver that the caller may revoke. NOT_FOUND, NOT_PERMITTED, SELF_APPROVAL.
  absl::StatusOr<Waiver> FindWaiver(rpc::Call& call, const std::string& id);

  // Rules have no owner: they are the state's, and its people alone change them. NOT_PERMITTED.
  absl::Status CheckAuthor(rpc::Call& call);
  // Tells the feed of a change of `subject`, and gives it.
  std::string Tell(rpc::Call& call, pg::Transaction& tx, const std::string& subject,
                   std::string_view change);

  const Parts parts_;
  rpc::Runtime& runtime_;
  access::Resolver& access_;
  RuleStore rules_;
  RuleGroupStore groups_;
  ReportStore reports_;
  FindingStore findings_;
  ExplanationStore explanations_;
  WaiverStore waivers_;
  BackgroundStore background_;
  Evaluator evaluator_;
  Evaluator previewer_;  // counts only
  std::mutex previewing_;
};

}  // namespace edcert::validation_report
