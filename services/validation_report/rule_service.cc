// Rules: how they are written, tested and put into use.
#include <algorithm>

#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/errors.h"
#include "services/validation_report/request_convert.h"
#include "services/validation_report/rule_compiler.h"
#include "services/validation_report/validation_report_service.h"

namespace edcert::validation_report {

absl::StatusOr<ValidationReportService::CheckedRule> ValidationReportService::Compile(
    const std::string& id, int version, const RuleContent& content) {
  ASSIGN_OR_RETURN(Definitions definitions, parts_.definitions.Get(content.datasets));
  ASSIGN_OR_RETURN(CompiledRule compiled, CompileRule(id, version, content, definitions));
  return CheckedRule{std::move(compiled), std::move(definitions)};
}

absl::StatusOr<std::vector<FixtureResult>> ValidationReportService::RunFixtures(rpc::Call& call,
                                                                                const Rule& rule) {
  ASSIGN_OR_RETURN(const CheckedRule checked, Compile(rule.id, rule.version, rule.content));
  return evaluator_.RunFixtures(checked.rule, checked.definitions, call.deadline());
}

absl::Status ValidationReportService::CheckFixtures(rpc::Call& call, const Rule& rule) {
  ASSIGN_OR_RETURN(const std::vector<FixtureResult> results, RunFixtures(call, rule));
  if (results.empty()) return FixtureFailed(rule.name(), -1);
  const auto failed = std::find_if(results.begin(), results.end(),
                                   [](const FixtureResult& each) { return !each.passed(); });
  if (failed == results.end()) return absl::OkStatus();
  return FixtureFailed(rule.name(), static_cast<int>(failed - results.begin()));
}

grpc::ServerUnaryReactor* ValidationReportService::CreateRule(grpc::CallbackServerContext* context,
                                                              const v1::CreateRuleRequest* request,
                                                              v1::Rule* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const NewRule rule, FromProto(*request));
    RETURN_IF_ERROR(CheckAuthor(call));
    RETURN_IF_ERROR(Compile(rule.id, 1, rule.content).status());
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const Rule draft, rules_.Create(tx, rule.id, rule.content));
          *response = ToProto(draft);
          return Tell(call, tx, draft.name(), "rule_created");
        });
  });
}

grpc::ServerUnaryReactor* ValidationReportService::GetRule(grpc::CallbackServerContext* context,
                                                           const v1::GetRuleRequest* request,
                                                           v1::Rule* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const AtVersion asked, FromProto(*request));
    RETURN_IF_ERROR(access_.Resolve(call, {}).status());
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const Rule rule, rules_.Get(db, asked.id, asked.version));
    *response = ToProto(rule);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ValidationReportService::ListRules(grpc::CallbackServerContext* context,
                                                             const v1::ListRulesRequest* request,
                                                             v1::ListRulesResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const RuleFilter filter, FromProto(*request));
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
    RETURN_IF_ERROR(access_.Resolve(call, {}).status());
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(auto rules, rules_.List(db, filter, page.Key(0), page.limit()));
    response->set_next_page_token(paging::Cut(
        *request, page, rules, [](const Rule& rule) { return std::vector{rule.content.code}; }));
    for (const Rule& rule : rules) *response->add_rules() = ToProto(rule);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ValidationReportService::ActivateRule(
    grpc::CallbackServerContext* context, const v1::ActivateRuleRequest* request,
    v1::Rule* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request));
    RETURN_IF_ERROR(CheckAuthor(call));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const Rule rule, rules_.GetUnchanged(db, verb.id, verb.etag));
    ASSIGN_OR_RETURN(const RuleState next, Next(rule, RuleAction::kActivate));
    RETURN_IF_ERROR(CheckFixtures(call, rule));
    return rpc::Command(call, *request, response,
                        [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                          ASSIGN_OR_RETURN(const Rule active, rules_.SetState(tx, rule, next));
                          *response = ToProto(active);
                          return Tell(call, tx, active.name(), "rule_activated");
                        });
  });
}

grpc::ServerUnaryReactor* ValidationReportService::ArchiveRule(
    grpc::CallbackServerContext* context, const v1::ArchiveRuleRequest* request,
    v1::Rule* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request));
    RETURN_IF_ERROR(CheckAuthor(call));
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const Rule rule, rules_.GetUnchanged(tx, verb.id, verb.etag));
          ASSIGN_OR_RETURN(const RuleState next, Next(rule, RuleAction::kArchive));
          ASSIGN_OR_RETURN(const Rule archived, rules_.SetState(tx, rule, next));
          *response = ToProto(archived);
          return Tell(call, tx, archived.name(), "rule_archived");
        });
  });
}

grpc::ServerUnaryReactor* ValidationReportService::TestRule(grpc::CallbackServerContext* context,
                                                            const v1::TestRuleRequest* request,
                                                            v1::TestRuleResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const AtVersion asked, FromProto(*request));
    RETURN_IF_ERROR(access_.Resolve(call, {}).status());
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const Rule rule, rules_.Get(db, asked.id, asked.version));
    ASSIGN_OR_RETURN(const std::vector<FixtureResult> results, RunFixtures(call, rule));
    *response = ToProto(rule, results);
    return absl::OkStatus();
  });
}

}  // namespace edcert::validation_report
