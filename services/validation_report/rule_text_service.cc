// Rules as a text: import and export.
#include <algorithm>
#include <map>
#include <set>

#include "common/rpc/download.h"
#include "common/rpc/handle.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/request_convert.h"
#include "services/validation_report/rule_text.h"
#include "services/validation_report/validation_report_service.h"

namespace edcert::validation_report {
namespace {

constexpr std::size_t kChunkBytes = 64 << 10;

using Change = v1::ImportRulesResponse::Change;

void AddEntry(const Rule& rule, Change change, v1::ImportRulesResponse& response) {
  v1::ImportRulesResponse::Entry* entry = response.add_entries();
  entry->set_name(rule.name());
  entry->set_code(rule.content.code);
  entry->set_change(change);
  entry->set_version(rule.newest_version);
  entry->set_active_version(rule.active_version);
  entry->set_etag(rule.etag);
  if (change == v1::ImportRulesResponse::CREATED) response.set_created(response.created() + 1);
  if (change == v1::ImportRulesResponse::UPDATED) response.set_updated(response.updated() + 1);
  if (change == v1::ImportRulesResponse::UNCHANGED) {
    response.set_unchanged(response.unchanged() + 1);
  }
}

}  // namespace

absl::Status ValidationReportService::CompileAll(const std::vector<RuleContent>& contents) {
  std::set<std::string> datasets;
  for (const RuleContent& each : contents) {
    datasets.insert(each.datasets.begin(), each.datasets.end());
  }
  ASSIGN_OR_RETURN(const Definitions definitions,
                   parts_.definitions.Get({datasets.begin(), datasets.end()}));
  for (std::size_t i = 0; i < contents.size(); ++i) {
    const absl::Status status = CompileRule("", 0, contents[i], definitions).status();
    if (!status.ok()) return AtRule(status, i);
  }
  return absl::OkStatus();
}

absl::Status ValidationReportService::Import(rpc::Call& call, pg::Querier& db, pg::Transaction* tx,
                                             const std::vector<RuleContent>& contents,
                                             v1::ImportRulesResponse* response) {
  std::vector<std::string> codes;
  for (const RuleContent& each : contents) codes.push_back(each.code);
  ASSIGN_OR_RETURN(auto known, rules_.FindByCode(db, codes));
  for (const RuleContent& content : contents) {
    const auto it = known.find(content.code);
    if (it == known.end()) {
      Rule rule{.id = IdOfCode(content.code), .etag = "", .content = content};
      if (tx != nullptr) {
        ASSIGN_OR_RETURN(rule, rules_.Create(*tx, rule.id, content, call.principal().user));
        Tell(call, *tx, rule.name(), "rule_created");
      }
      AddEntry(rule, v1::ImportRulesResponse::CREATED, *response);
      continue;
    }
    Rule& rule = it->second;
    const bool same = EncodeContent(rule.content) == EncodeContent(content);
    if (!same && tx != nullptr) {
      ASSIGN_OR_RETURN(rule, WriteVersion(call, *tx, rule, content));
    } else if (!same) {
      RETURN_IF_ERROR(Next(rule, RuleAction::kUpdate).status());
      ++rule.newest_version;
      rule.etag.clear();
    }
    AddEntry(rule, same ? v1::ImportRulesResponse::UNCHANGED : v1::ImportRulesResponse::UPDATED,
             *response);
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ValidationReportService::ImportRules(
    grpc::CallbackServerContext* context, const v1::ImportRulesRequest* request,
    v1::ImportRulesResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const std::vector<RuleContent> contents,
                         ParseRules(request->rules_json()));
        RETURN_IF_ERROR(CheckAuthor(call));
        RETURN_IF_ERROR(CompileAll(contents));
        if (request->dry_run()) {
          pg::Database db = call.db();
          return Import(call, db, nullptr, contents, response);
        }
        return rpc::Command(call, *request, response,
                            [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                              response->Clear();
                              RETURN_IF_ERROR(Import(call, tx, &tx, contents, response));
                              return response->entries(0).name();
                            });
      });
}

grpc::ServerWriteReactor<v1::ExportRulesResponse>* ValidationReportService::ExportRules(
    grpc::CallbackServerContext* context, const v1::ExportRulesRequest* request) {
  using Writer = rpc::DownloadWriter<v1::ExportRulesResponse>;
  return rpc::Download<v1::ExportRulesRequest, v1::ExportRulesResponse>(
      runtime_, context, request, [=, this](rpc::Call& call, Writer& writer) -> absl::Status {
        ASSIGN_OR_RETURN(const RuleFilter filter, FromProto(*request));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(const std::vector<RuleContent> contents,
                         rules_.Export(db, filter.dataset, filter.tag, request->newest()));
        ASSIGN_OR_RETURN(const std::string text, PrintRules(contents));
        Sha256 digest;
        digest.Add(text);
        v1::ExportRulesResponse message;
        message.mutable_header()->set_sha256(digest.Hex());
        message.mutable_header()->set_size(static_cast<int64_t>(text.size()));
        message.mutable_header()->set_rules(static_cast<int32_t>(contents.size()));
        RETURN_IF_ERROR(writer.Write(message));
        for (std::size_t at = 0; at < text.size(); at += kChunkBytes) {
          message.set_chunk(text.substr(at, kChunkBytes));
          RETURN_IF_ERROR(writer.Write(message));
        }
        return absl::OkStatus();
      });
}

}  // namespace edcert::validation_report
