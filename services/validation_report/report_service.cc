// Reports: asking for them, following them, downloading them.
#include <algorithm>
#include <utility>

#include "common/names/names.h"
#include "common/paging/paging.h"
#include "common/rpc/download.h"
#include "common/rpc/handle.h"
#include "common/rpc/standard.h"
#include "common/rpc/watch.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/errors.h"
#include "services/validation_report/report_access.h"
#include "services/validation_report/report_worker.h"
#include "services/validation_report/request_convert.h"
#include "services/validation_report/snapshot_client.h"
#include "services/validation_report/validation_report_service.h"

namespace edcert::validation_report {
namespace {

absl::Status CancelNotAllowed(const Report& report) {
  return status::TransitionNotAllowed(report.name(), kReportStateText.Of(report.state), "CANCEL",
                                      report.state == ReportState::kFailed ? "RETRY" : "");
}

absl::Status RetryNotAllowed(const Report& report) {
  return status::TransitionNotAllowed(report.name(), kReportStateText.Of(report.state), "RETRY",
                                      IsFinal(report.state) ? "" : "CANCEL");
}

v1::DownloadReportResponse HeaderOf(const ReportResult& result) {
  v1::DownloadReportResponse message;
  message.mutable_header()->set_sha256(result.sha256);
  message.mutable_header()->set_size(result.size);
  message.mutable_header()->set_media_type(result.media_type);
  message.mutable_header()->set_file_name(result.file_name);
  return message;
}

// The event says which group at which version.
absl::Status TakeEvent(const access::EventFacts& event, Report& report) {
  ASSIGN_OR_RETURN(const auto group,
                   names::RuleGroupName::Parse(event.rule_group, "event.rule_group"));
  report.event_title = event.title;
  report.rule_group = group.id();
  report.rule_group_version = event.rule_group_version;
  return absl::OkStatus();
}

GroupLevel LevelOf(const access::EventFacts& event) {
  return event.level == access::Level::kSchool ? GroupLevel::kSchool : GroupLevel::kDistrict;
}

jobs::NewJob JobOf(const Report& report) {
  int64_t cost = 1;
  for (const ReportDataVersion& version : report.data_versions) cost += version.rows;
  for (const ReportDataVersion& version : report.last_year.data_versions) cost += version.rows;
  return {.id = report.id,
          .organization = report.district,
          .dedupe_key = DedupeKeyOf(report),
          .priority = jobs::Priority::kInteractive,
          .cost = cost};
}

}  // namespace

// Making.

absl::StatusOr<RuleGroup> ValidationReportService::GroupFor(
    rpc::Call& call, const Report& report, const std::optional<access::EventFacts>& event) {
  pg::Database db = call.db();
  // Without an event there is no version that somebody pinned.
  const int version = event.has_value() ? report.rule_group_version : RuleGroupStore::kVersionInUse;
  ASSIGN_OR_RETURN(RuleGroup group, groups_.Get(db, report.rule_group, version));
  if (!IsRunnable(group, event.has_value() ? std::optional(event->published_at) : std::nullopt)) {
    return RuleGroupInactive(group.name());
  }
  if (event.has_value() && LevelOf(*event) != group.level) {
    return RuleGroupOfOtherLevel(group.name(), kGroupLevelText.Of(group.level));
  }
  return group;
}

absl::Status ValidationReportService::TakeSnapshot(rpc::Call& call, Report& report) {
  ASSIGN_OR_RETURN(SnapshotFacts snapshot, parts_.snapshots.Get(call, report.snapshot));
  if (snapshot.failed || snapshot.organization != report.organization ||
      (!report.event.empty() && snapshot.event != report.event)) {
    return SnapshotMismatch(report.snapshot);
  }
  report.data_versions = std::move(snapshot.data_versions);
  return absl::OkStatus();
}

absl::Status ValidationReportService::TakeLastYear(rpc::Call& call,
                                                   const std::vector<std::string>& datasets,
                                                   Report& report) {
  LastYear& last_year = report.last_year;
  if (last_year.snapshot.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const SnapshotFacts snapshot,
                   parts_.snapshots.GetLastYear(call, last_year.snapshot));
  if (!snapshot.sealed || snapshot.organization != report.organization) {
    return PreviousSnapshotMismatch(last_year.snapshot);
  }
  // A school may have belonged to another district. Servers of the release before do not say it.
  last_year.district = snapshot.district.empty() ? report.district : snapshot.district;
  for (const ReportDataVersion& version : snapshot.data_versions) {
    if (std::find(datasets.begin(), datasets.end(), version.dataset) != datasets.end()) {
      last_year.data_versions.push_back(version);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ValidationReportService::NewReport> ValidationReportService::Prepare(
    rpc::Call& call, const v1::CreateReportRequest& request) {
  ASSIGN_OR_RETURN(Report report, FromProto(request));
  ASSIGN_OR_RETURN(
      const access::Access access,
      access_.Resolve(call, {.event = report.event, .organization = report.organization}));
  RETURN_IF_ERROR(CheckMayAsk(access, report));
  if (access.event.has_value()) RETURN_IF_ERROR(TakeEvent(*access.event, report));
  ASSIGN_OR_RETURN(RuleGroup group, GroupFor(call, report, access.event));
  if (report.kind == ReportKind::kSnapshot) RETURN_IF_ERROR(TakeSnapshot(call, report));
  report.id = runtime_.ids().NewId();
  report.requester = call.principal().name();
  report.rule_group_version = group.version;
  report.severity_day = absl::ToCivilDay(call.arrival(), runtime_.zone());
  report.organization_display_name = access.organization_display_name;
  report.district = access::DistrictOf(access, report.organization);
  RETURN_IF_ERROR(TakeLastYear(call, group.last_year_datasets, report));
  report.title = TitleOf(report.kind, report.event_title, report.organization_display_name);
  return NewReport{std::move(report), std::move(group.datasets)};
}

absl::Status ValidationReportService::TakeVersions(pg::Transaction& tx,
                                                   const std::vector<std::string>& datasets,
                                                   Report& report) {
  ASSIGN_OR_RETURN(const auto district,
                   names::OrganizationName::Parse(report.district, "organization"));
  ASSIGN_OR_RETURN(report.data_versions,
                   reports_.ReadVersions(tx, CopyOf(report.kind), district.id(), datasets));
  return absl::OkStatus();
}

absl::Status ValidationReportService::CheckQuota(pg::Transaction& tx,
                                                 const std::string& organization) {
  ASSIGN_OR_RETURN(const int64_t waiting, reports_.CountWaiting(tx, organization));
  return waiting >= parts_.max_waiting_reports ? TooManyReports() : absl::OkStatus();
}

absl::StatusOr<Report> ValidationReportService::Accept(rpc::Call& call, pg::Transaction& tx,
                                                       const NewReport& asked, jobs::NewJob& job) {
  Report report = asked.report;
  if (report.kind != ReportKind::kSnapshot) {
    RETURN_IF_ERROR(TakeVersions(tx, asked.datasets, report));
  }
  job = JobOf(report);
  ASSIGN_OR_RETURN(job.id, jobs::Accept(tx, job));
  if (job.id == report.id) {
    RETURN_IF_ERROR(CheckQuota(tx, report.organization));
    reports_.Insert(tx, report);
    AppendReportChange(tx, runtime_.ids(), call.principal().name(), report, "report_queued");
  }
  return reports_.Get(tx, job.id, call.principal().user);
}

grpc::ServerUnaryReactor* ValidationReportService::CreateReport(
    grpc::CallbackServerContext* context, const v1::CreateReportRequest* request,
    v1::Report* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const NewReport asked, Prepare(call, *request));
        jobs::NewJob job;
        RETURN_IF_ERROR(rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              ASSIGN_OR_RETURN(const Report accepted, Accept(call, tx, asked, job));
              *response = ToProto(accepted);
              return accepted.name();
            }));
        if (job.id == asked.report.id) parts_.dispatcher.Hint(job);
        return absl::OkStatus();
      });
}

// Following.

absl::StatusOr<ValidationReportService::SeenReport> ValidationReportService::SeeReport(
    rpc::Call& call, std::string_view name) {
  ASSIGN_OR_RETURN(const auto parsed, names::ReportName::Parse(name, "name"));
  if (!ids::IsUuid(parsed.id())) return status::NotFound(name);
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(Report report, reports_.Get(db, parsed.id(), call.principal().user));
  absl::StatusOr<access::Access> access =
      access_.Resolve(call, {.event = report.event, .organization = report.organization});
  if (access.status().code() == absl::StatusCode::kNotFound) return status::NotFound(name);
  RETURN_IF_ERROR(access.status());
  if (!MaySee(*access, report)) return status::NotFound(name);
  return SeenReport{std::move(report), *std::move(access)};
}

absl::StatusOr<Report> ValidationReportService::FindReport(rpc::Call& call, std::string_view name) {
  ASSIGN_OR_RETURN(SeenReport seen, SeeReport(call, name));
  return std::move(seen.report);
}

absl::StatusOr<ValidationReportService::SeenReport> ValidationReportService::SeeCompletedReport(
    rpc::Call& call, std::string_view name) {
  ASSIGN_OR_RETURN(SeenReport seen, SeeReport(call, name));
  const Report& report = seen.report;
  const bool has_run =
      report.state == ReportState::kCompleted || report.state == ReportState::kExpired;
  if (!has_run || !report.result.has_value()) {
    return ReportNotReady(name, kReportStateText.Of(report.state));
  }
  return seen;
}

absl::StatusOr<Report> ValidationReportService::FindCompletedReport(rpc::Call& call,
                                                                    std::string_view name) {
  ASSIGN_OR_RETURN(SeenReport seen, SeeCompletedReport(call, name));
  return std::move(seen.report);
}

grpc::ServerUnaryReactor* ValidationReportService::GetReport(grpc::CallbackServerContext* context,
                                                             const v1::GetReportRequest* request,
                                                             v1::Report* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Report report, FindReport(call, request->name()));
    *response = ToProto(report);
    return absl::OkStatus();
  });
}

absl::Status ValidationReportService::Narrow(rpc::Call& call, ReportFilter& filter) {
  const bool one_event = !filter.event.empty() && !call.principal().user.empty();
  const access::Query query =
      one_event ? access::Query{.event = filter.event, .organization = filter.organization}
                : access::Query{.event = "", .organization = "", .visible_events = true};
  const absl::StatusOr<access::Access> access = access_.Resolve(call, query);
  // A list has nothing of what the caller does not see.
  if (access.status().code() == absl::StatusCode::kNotFound) return absl::OkStatus();
  RETURN_IF_ERROR(access.status());
  filter.scope = ScopeOf(*access);
  if (one_event && !access->roles.empty()) filter.scope.events.push_back(filter.event);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ValidationReportService::ListReports(
    grpc::CallbackServerContext* context, const v1::ListReportsRequest* request,
    v1::ListReportsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(ReportFilter filter, FromProto(*request));
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 2));
    RETURN_IF_ERROR(Narrow(call, filter));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const std::optional<absl::Time> after, page.TimeKey(0));
    ASSIGN_OR_RETURN(const std::string after_id, page.UuidKey(1));
    ASSIGN_OR_RETURN(auto reports, reports_.List(db, filter, call.principal().user, after, after_id,
                                                 page.limit()));
    response->set_next_page_token(paging::Cut(*request, page, reports, [](const Report& report) {
      return std::vector{paging::TimeText(report.create_time), report.id};
    }));
    for (const Report& report : reports) *response->add_reports() = ToProto(report);
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::Report>* ValidationReportService::WatchReport(
    grpc::CallbackServerContext* context, const v1::WatchReportRequest* request) {
  return rpc::Watch<v1::WatchReportRequest, v1::Report>(
      runtime_, context, request, {.subject = request->name()},
      [this,
       name = request->name()](rpc::Call& call) -> absl::StatusOr<rpc::WatchStep<v1::Report>> {
        ASSIGN_OR_RETURN(const Report report, FindReport(call, name));
        return rpc::WatchStep<v1::Report>{{ToProto(report)}, IsFinal(report.state)};
      });
}

grpc::ServerUnaryReactor* ValidationReportService::CancelReport(
    grpc::CallbackServerContext* context, const v1::CancelReportRequest* request,
    v1::Report* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Report report, FindReport(call, request->name()));
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const bool cancelled, jobs::Cancel(tx, report.id));
          ASSIGN_OR_RETURN(const Report now, reports_.Get(tx, report.id, call.principal().user));
          if (!cancelled) return CancelNotAllowed(now);
          reports_.DropChunks(tx, report.id, /*but_attempt=*/0);
          AppendReportChange(tx, runtime_.ids(), call.principal().name(), now, "report_cancelled");
          *response = ToProto(now);
          return now.name();
        });
  });
}

absl::StatusOr<Report> ValidationReportService::Requeue(rpc::Call& call, pg::Transaction& tx,
                                                        const Report& report) {
  RETURN_IF_ERROR(CheckQuota(tx, report.organization));
  ASSIGN_OR_RETURN(const bool queued, jobs::Retry(tx, report.id));
  ASSIGN_OR_RETURN(Report now, reports_.Get(tx, report.id, call.principal().user));
  if (!queued) return RetryNotAllowed(now);
  AppendReportChange(tx, runtime_.ids(), call.principal().name(), now, "report_queued");
  return now;
}

grpc::ServerUnaryReactor* ValidationReportService::RetryReport(
    grpc::CallbackServerContext* context, const v1::RetryReportRequest* request,
    v1::Report* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Report report, FindReport(call, request->name()));
    const absl::Status done = rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const Report now, Requeue(call, tx, report));
          *response = ToProto(now);
          return now.name();
        });
    // An equal report was asked for since, and waits or runs: that one is to be followed.
    if (status::ReasonOf(done) == "ALREADY_EXISTS") return RetryNotAllowed(report);
    if (done.ok()) {
      parts_.dispatcher.Hint({.id = report.id, .organization = report.district, .dedupe_key = ""});
    }
    return done;
  });
}

// Reading.

grpc::ServerWriteReactor<v1::DownloadReportResponse>* ValidationReportService::DownloadReport(
    grpc::CallbackServerContext* context, const v1::DownloadReportRequest* request) {
  using Writer = rpc::DownloadWriter<v1::DownloadReportResponse>;
  return rpc::Download<v1::DownloadReportRequest, v1::DownloadReportResponse>(
      runtime_, context, request, [=, this](rpc::Call& call, Writer& writer) -> absl::Status {
        ASSIGN_OR_RETURN(const Report report, FindCompletedReport(call, request->name()));
        if (report.state == ReportState::kExpired) return ReportExpired(report.name());
        v1::DownloadReportResponse message = HeaderOf(*report.result);
        RETURN_IF_ERROR(writer.Write(message));
        pg::Database db = call.db();
        RETURN_IF_ERROR(reports_.ReadFile(db, report.id, [&](const std::string& chunk) {
          message.set_chunk(chunk);
          return writer.Write(message);
        }));
        // Only who took the last byte has viewed it.
        if (call.principal().user.empty()) return absl::OkStatus();
        return reports_.RecordView(db, report.id, call.principal().user);
      });
}

}  // namespace edcert::validation_report
