// Rule groups.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/errors.h"
#include "services/validation_report/request_convert.h"
#include "services/validation_report/validation_report_service.h"

namespace edcert::validation_report {
namespace {

constexpr int kMaxListedHits = 1000;

}  // namespace

absl::Status ValidationReportService::CheckValuesOf(rpc::Call& call, const RuleGroup& group) {
  if (std::all_of(group.members.begin(), group.members.end(),
                  [](const GroupMember& each) { return each.parameter_values.empty(); })) {
    return absl::OkStatus();
  }
  pg::Database db = call.db();
  RuleGroup resolved = group;
  ASSIGN_OR_RETURN(const std::vector<MemberContent> contents, groups_.Resolve(db, resolved));
  for (const MemberContent& each : contents) {
    const ValuesByName& values = each.member.parameter_values;
    if (values.empty()) continue;
    RETURN_IF_ERROR(Compile(each.member.rule, each.member.version, each.content, values).status());
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ValidationReportService::CreateRuleGroup(
    grpc::CallbackServerContext* context, const v1::CreateRuleGroupRequest* request,
    v1::RuleGroup* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const RuleGroup group, FromProto(*request, runtime_.ids()));
    RETURN_IF_ERROR(CheckAuthor(call));
    RETURN_IF_ERROR(CheckValuesOf(call, group));
    return rpc::Command(call, *request, response,
                        [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                          ASSIGN_OR_RETURN(const RuleGroup draft, groups_.Create(tx, group));
                          *response = ToProto(draft);
                          return Tell(call, tx, draft.name(), "rule_group_created");
                        });
  });
}

grpc::ServerUnaryReactor* ValidationReportService::GetRuleGroup(
    grpc::CallbackServerContext* context, const v1::GetRuleGroupRequest* request,
    v1::RuleGroup* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const AtVersion asked, FromProto(*request));
    RETURN_IF_ERROR(access_.Resolve(call, {}).status());
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const RuleGroup group, groups_.Get(db, asked.id, asked.version));
    *response = ToProto(group);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ValidationReportService::UpdateRuleGroup(
    grpc::CallbackServerContext* context, const v1::UpdateRuleGroupRequest* request,
    v1::RuleGroup* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const RuleGroup asked, FromProto(*request));
    RETURN_IF_ERROR(CheckAuthor(call));
    RETURN_IF_ERROR(CheckValuesOf(call, asked));
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const RuleGroup group, groups_.GetUnchanged(tx, asked.id, asked.etag));
          RETURN_IF_ERROR(Next(group, GroupAction::kUpdate).status());
          if (asked.level != group.level) {
            return status::FieldInvalid("rule_group.level", "must stay as it is");
          }
          ASSIGN_OR_RETURN(const RuleGroup updated, groups_.AddVersion(tx, group, asked));
          *response = ToProto(updated);
          return Tell(call, tx, updated.name(), "rule_group_updated");
        });
  });
}

grpc::ServerUnaryReactor* ValidationReportService::ListRuleGroups(
    grpc::CallbackServerContext* context, const v1::ListRuleGroupsRequest* request,
    v1::ListRuleGroupsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const GroupFilter filter, FromProto(*request));
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 2));
    RETURN_IF_ERROR(access_.Resolve(call, {}).status());
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(auto groups, groups_.List(db, filter, page.Key(0), page.Key(1), page.limit()));
    response->set_next_page_token(paging::Cut(*request, page, groups, [](const RuleGroup& group) {
      return std::vector{group.title, group.id};
    }));
    for (const RuleGroup& group : groups) *response->add_rule_groups() = ToProto(group);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<v1::RuleGroup::FatalAgain>> ValidationReportService::FatalAgainIn(
    rpc::Call& call, pg::Transaction& tx, const RuleGroup& group) {
  std::vector<GroupMember> former;
  if (group.active_version > 0) {
    ASSIGN_OR_RETURN(RuleGroup in_use, groups_.Get(tx, group.id, RuleGroupStore::kVersionInUse));
    former = std::move(in_use.members);
  }
  const std::vector<FatalAgain> again =
      FatalAgainOf(former, group.members, absl::ToCivilDay(call.arrival(), runtime_.zone()));
  std::vector<std::string> rules;
  for (const FatalAgain& each : again) rules.push_back(each.rule);
  ASSIGN_OR_RETURN(auto hits, background_.ListHits(tx, group.id, rules, kMaxListedHits));
  std::vector<v1::RuleGroup::FatalAgain> out;
  for (const FatalAgain& each : again) out.push_back(ToProto(each, hits[each.rule]));
  return out;
}

grpc::ServerUnaryReactor* ValidationReportService::ActivateRuleGroup(
    grpc::CallbackServerContext* context, const v1::ActivateRuleGroupRequest* request,
    v1::RuleGroup* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request));
    RETURN_IF_ERROR(CheckAuthor(call));
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const RuleGroup group,
                           groups_.GetUnchanged(tx, verb.id, verb.etag, verb.version));
          RETURN_IF_ERROR(Next(group, GroupAction::kActivate).status());
          ASSIGN_OR_RETURN(const auto fatal_again, FatalAgainIn(call, tx, group));
          ASSIGN_OR_RETURN(const RuleGroup active,
                           groups_.Activate(tx, group, call.principal().user));
          if (parts_.background_delay > absl::ZeroDuration()) {
            background_.MarkGroup(tx, active.id, parts_.background_delay);
          }
          *response = ToProto(active);
          response->mutable_fatal_again()->Assign(fatal_again.begin(), fatal_again.end());
          return Tell(call, tx, active.name(), "rule_group_activated");
        });
  });
}

grpc::ServerUnaryReactor* ValidationReportService::DeactivateRuleGroup(
    grpc::CallbackServerContext* context, const v1::DeactivateRuleGroupRequest* request,
    v1::RuleGroup* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request));
    RETURN_IF_ERROR(CheckAuthor(call));
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const RuleGroup group, groups_.GetUnchanged(tx, verb.id, verb.etag));
          RETURN_IF_ERROR(Next(group, GroupAction::kDeactivate).status());
          ASSIGN_OR_RETURN(const RuleGroup inactive, groups_.Deactivate(tx, group));
          *response = ToProto(inactive);
          return Tell(call, tx, inactive.name(), "rule_group_deactivated");
        });
  });
}

}  // namespace edcert::validation_report
