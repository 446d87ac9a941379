// What a rule would find, before it is in use.
#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "common/names/names.h"
#include "common/rpc/download.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/report_builder.h"
#include "services/validation_report/request_convert.h"
#include "services/validation_report/snapshot_client.h"
#include "services/validation_report/validation_report_service.h"

namespace edcert::validation_report {
namespace {

using Message = v1::PreviewRuleResponse;

constexpr absl::Duration kLongest = absl::Minutes(5);

void Add(const Message::Organization& organization, Message::Summary& summary) {
  summary.set_organizations(summary.organizations() + 1);
  summary.set_findings(summary.findings() + organization.findings());
  if (organization.findings() > 0) summary.set_with_findings(summary.with_findings() + 1);
  if (organization.blocked()) summary.set_blocked(summary.blocked() + 1);
  if (organization.outcome() == Message::ERROR) summary.set_errors(summary.errors() + 1);
}

// The datasets of a rule but those of last year.
std::vector<std::string> ThisYear(const RuleContent& rule) {
  std::vector<std::string> datasets = rule.datasets;
  std::erase_if(datasets, [](const std::string& dataset) { return IsLastYear(dataset); });
  return datasets;
}

Message::Outcome ToProto(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return Message::PASS;
    case Outcome::kFail:
      return Message::FAIL;
    case Outcome::kError:
      break;
  }
  return Message::ERROR;
}

}  // namespace

absl::StatusOr<ValidationReportService::CheckedRule> ValidationReportService::RuleToPreview(
    rpc::Call& call, const Preview& asked) {
  if (asked.content.has_value()) return Compile("", 0, *asked.content, asked.values);
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(const Rule rule, rules_.Get(db, asked.rule, asked.version));
  return Compile(rule.id, rule.version, rule.content, asked.values);
}

absl::StatusOr<std::map<std::string, LastYear>> ValidationReportService::LastYearsOf(
    rpc::Call& call, const Preview& asked, const RuleContent& rule) {
  if (asked.previous_event.empty()) return std::map<std::string, LastYear>();
  RETURN_IF_ERROR(access_.Resolve(call, {.event = asked.previous_event}).status());
  if (ThisYear(rule).size() == rule.datasets.size()) return std::map<std::string, LastYear>();
  return parts_.snapshots.ListLastYear(call, asked.previous_event);
}

absl::StatusOr<std::vector<ValidationReportService::PreviewPlace>>
ValidationReportService::PlacesOf(rpc::Call& call, const Preview& asked, const RuleContent& rule) {
  std::vector<std::string> names = asked.organizations;
  if (!asked.event.empty()) {
    RETURN_IF_ERROR(access_.Resolve(call, {.event = asked.event}).status());
    ASSIGN_OR_RETURN(const access::EventFacts event, parts_.find_event(asked.event));
    names = event.participants;
  }
  ASSIGN_OR_RETURN(const auto last_years, LastYearsOf(call, asked, rule));
  // All before anything is told of one.
  std::vector<PreviewPlace> places;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {.organization = name}));
    RETURN_IF_ERROR(access::CheckStateUser(access));
    if (access.organization_kind != access::OrganizationKind::kDistrict &&
        access.organization_kind != access::OrganizationKind::kSchool) {
      return status::FieldInvalid("organizations", name + " is no district or school");
    }
    places.push_back({name, access.organization_display_name, access::DistrictOf(access, name)});
    const auto last_year = last_years.find(name);
    if (last_year != last_years.end()) places.back().last_year = last_year->second;
  }
  return places;
}

absl::StatusOr<v1::PreviewRuleResponse::Organization> ValidationReportService::PreviewAt(
    rpc::Call& call, const Preview& asked, const CheckedRule& checked, const PreviewPlace& place) {
  ASSIGN_OR_RETURN(const auto district,
                   names::OrganizationName::Parse(place.district, "organizations"));
  Report report{.organization = place.organization,
                .district = place.district,
                .kind = asked.kind,
                .last_year = place.last_year};
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(
      report.data_versions,
      reports_.ReadVersions(db, CopyOf(asked.kind), district.id(), ThisYear(checked.rule.content)));
  const EvaluationRequest request{.organization = place.organization,
                                  .district = district.id(),
                                  .rules = {{std::make_shared<const CompiledRule>(checked.rule)}},
                                  .definitions = checked.definitions,
                                  .sources = SourcesOf(report, checked.definitions),
                                  .progress = nullptr,
                                  .counts_only = true};
  Message::Organization out;
  for (const ReportDataVersion& version : report.data_versions) {
    if (version.dataset == checked.rule.dataset()) out.set_version(version.version);
  }
  ASSIGN_OR_RETURN(const Evaluation evaluation, previewer_.Evaluate(request, call.deadline()));
  const RuleResult& result = evaluation.results.front();
  const auto rows = evaluation.rows.find(checked.rule.dataset());
  out.set_name(place.organization);
  out.set_display_name(place.display_name);
  out.set_rows(rows == evaluation.rows.end() ? 0 : rows->second);
  out.set_outcome(ToProto(result.outcome));
  out.set_findings(result.findings);
  out.set_error(result.error);
  out.set_blocked(checked.rule.content.severity == Severity::kFatal &&
                  result.outcome != Outcome::kPass);
  out.set_previous_snapshot(place.last_year.snapshot);
  return out;
}

grpc::ServerWriteReactor<v1::PreviewRuleResponse>* ValidationReportService::PreviewRule(
    grpc::CallbackServerContext* context, const v1::PreviewRuleRequest* request) {
  using Writer = rpc::DownloadWriter<Message>;
  return rpc::Download<v1::PreviewRuleRequest, Message>(
      runtime_, context, request, [=, this](rpc::Call& call, Writer& writer) -> absl::Status {
        ASSIGN_OR_RETURN(const Preview asked, FromProto(*request));
        RETURN_IF_ERROR(CheckAuthor(call));
        ASSIGN_OR_RETURN(const CheckedRule checked, RuleToPreview(call, asked));
        ASSIGN_OR_RETURN(const std::vector<PreviewPlace> places,
                         PlacesOf(call, asked, checked.rule.content));
        const std::unique_lock lock(previewing_, std::try_to_lock);
        if (!lock.owns_lock()) return status::Overloaded("previews");
        const absl::Time end = runtime_.clock().Now() + kLongest;
        Message::Summary summary;
        for (const PreviewPlace& place : places) {
          if (runtime_.clock().Now() > end) break;
          Message message;
          ASSIGN_OR_RETURN(*message.mutable_organization(), PreviewAt(call, asked, checked, place));
          Add(message.organization(), summary);
          RETURN_IF_ERROR(writer.Write(message));
        }
        summary.set_left_out(static_cast<int32_t>(places.size()) - summary.organizations());
        Message message;
        *message.mutable_summary() = std::move(summary);
        return writer.Write(message);
      });
}

}  // namespace edcert::validation_report
