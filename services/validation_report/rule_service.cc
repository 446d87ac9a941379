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
    const std::string& id, int version, const RuleContent& content, const ValuesByName& values) {
  ASSIGN_OR_RETURN(Definitions definitions, parts_.definitions.Get(content.datasets));
  ASSIGN_OR_RETURN(CompiledRule compiled, CompileRule(id, version, content, definitions, values));
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
          ASSIGN_OR_RETURN(const Rule draft,
                           rules_.Create(tx, rule.id, rule.content, call.principal().user));
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

absl::StatusOr<Rule> ValidationReportService::WriteVersion(rpc::Call& call, pg::Transaction& tx,
                                                           const Rule& rule,
                                                           const RuleContent& content) {
  RETURN_IF_ERROR(Next(rule, RuleAction::kUpdate).status());
  if (content.code != rule.content.code) {
    return status::FieldInvalid("rule.code", "must stay as it is");
  }
  if (EncodeContent(content) == EncodeContent(rule.content)) return rule;
  ASSIGN_OR_RETURN(Rule updated, rules_.AddVersion(tx, rule, content, call.principal().user));
  Tell(call, tx, updated.name(), "rule_updated");
  return updated;
}

grpc::ServerUnaryReactor* ValidationReportService::UpdateRule(grpc::CallbackServerContext* context,
                                                              const v1::UpdateRuleRequest* request,
                                                              v1::Rule* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const ChangedRule asked, FromProto(*request));
    RETURN_IF_ERROR(CheckAuthor(call));
    RETURN_IF_ERROR(Compile(asked.id, 0, asked.content).status());
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const Rule rule, rules_.GetUnchanged(tx, asked.id, asked.etag));
          ASSIGN_OR_RETURN(const Rule updated, WriteVersion(call, tx, rule, asked.content));
          *response = ToProto(updated);
          return updated.name();
        });
  });
}

absl::StatusOr<Rule> ValidationReportService::AskOrActivate(rpc::Call& call, pg::Transaction& tx,
                                                            const Rule& rule) {
  const std::string& user = call.principal().user;
  if (IsActivatedBy(rule, user, parts_.rule_activation_people)) {
    ASSIGN_OR_RETURN(Rule active, rules_.Activate(tx, rule, user));
    Tell(call, tx, active.name(), "rule_activated");
    return active;
  }
  if (rule.pending.has_value() && rule.pending->version == rule.version) return rule;
  ASSIGN_OR_RETURN(Rule asked, rules_.Ask(tx, rule, user));
  Tell(call, tx, asked.name(), "rule_activation_requested");
  return asked;
}

grpc::ServerUnaryReactor* ValidationReportService::ActivateRule(
    grpc::CallbackServerContext* context, const v1::ActivateRuleRequest* request,
    v1::Rule* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request));
    RETURN_IF_ERROR(CheckAuthor(call));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const Rule rule, rules_.GetUnchanged(db, verb.id, verb.etag, verb.version));
    RETURN_IF_ERROR(Next(rule, RuleAction::kActivate).status());
    RETURN_IF_ERROR(CheckFixtures(call, rule));
    return rpc::Command(call, *request, response,
                        [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                          ASSIGN_OR_RETURN(const Rule now, AskOrActivate(call, tx, rule));
                          *response = ToProto(now);
                          return now.name();
                        });
  });
}

template <typename Request>
grpc::ServerUnaryReactor* ValidationReportService::Move(grpc::CallbackServerContext* context,
                                                        const Request* request, v1::Rule* response,
                                                        RuleAction action, std::string_view told) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request));
    RETURN_IF_ERROR(CheckAuthor(call));
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const Rule rule, rules_.GetUnchanged(tx, verb.id, verb.etag));
          ASSIGN_OR_RETURN(const RuleState next, Next(rule, action));
          ASSIGN_OR_RETURN(const Rule moved, rules_.SetState(tx, rule, next));
          *response = ToProto(moved);
          return Tell(call, tx, moved.name(), told);
        });
  });
}

grpc::ServerUnaryReactor* ValidationReportService::DeactivateRule(
    grpc::CallbackServerContext* context, const v1::DeactivateRuleRequest* request,
    v1::Rule* response) {
  return Move(context, request, response, RuleAction::kDeactivate, "rule_deactivated");
}

grpc::ServerUnaryReactor* ValidationReportService::ArchiveRule(
    grpc::CallbackServerContext* context, const v1::ArchiveRuleRequest* request,
    v1::Rule* response) {
  return Move(context, request, response, RuleAction::kArchive, "rule_archived");
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
