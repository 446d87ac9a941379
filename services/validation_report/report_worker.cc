#include "services/validation_report/report_worker.h"

#include <utility>

#include "common/clock/clock.h"
#include "common/config/config.h"
#include "common/feed/feed.h"
#include "common/status/macros.h"
#include "services/validation_report/sql_cage.h"

namespace edcert::validation_report {
namespace {

constexpr char kActor[] = "services/validation_report";

}  // namespace

ReportRunner::ReportRunner(const std::string& rules_conninfo, std::size_t column_bytes,
                           absl::TimeZone time_zone, const ids::IdSource& ids)
    : rules_pool_({.conninfo = rules_conninfo, .size = Evaluator::kConnections}),
      builder_(rules_pool_, column_bytes, time_zone),
      ids_(ids) {}

absl::Status ReportRunner::Run(jobs::Running& running) {
  Report report;
  RETURN_IF_ERROR(running.Write([&](pg::Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(report, store_.Get(tx, running.job().id, /*viewer=*/""));
    AppendReportChange(tx, ids_, kActor, report, "report_running");
    return absl::OkStatus();
  }));
  report.attempt = running.job().attempt;
  ASSIGN_OR_RETURN(const BuiltReport built,
                   builder_.Build(running.db(), report, clock::Clock::Real().Now(),
                                  [&](int64_t done, int64_t total) {
                                    return running.Progress(done, total, "running rules");
                                  }));
  return running.Complete([&](pg::Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(findings_.Write(tx, built.report, built.rules, built.comparison));
    store_.Complete(tx, built.report, built.result, built.chunks);
    AppendReportChange(tx, ids_, kActor, built.report, "report_completed");
    return absl::OkStatus();
  });
}

absl::Status ReportRunner::Failed(pg::Transaction& tx, const jobs::Job& job) {
  ASSIGN_OR_RETURN(const Report report, store_.Get(tx, job.id, /*viewer=*/""));
  AppendReportChange(tx, ids_, kActor, report, "report_failed");
  return absl::OkStatus();
}

void AppendReportChange(pg::Transaction& tx, const ids::IdSource& ids, const std::string& actor,
                        const Report& report, std::string_view type) {
  feed::Append(tx, ids.NewId(), actor,
               {.subject = report.name(),
                .type = std::string(type),
                .attributes = {{"event", report.event},
                               {"organization", report.organization},
                               {"kind", std::string(ToString(report.kind))},
                               {"requester", report.requester}}});
}

absl::StatusOr<std::unique_ptr<jobs::Runner>> MakeReportRunner(const edcert::config::Server& server,
                                                               std::size_t column_bytes) {
  ASSIGN_OR_RETURN(const absl::TimeZone zone, edcert::config::ZoneOf(server));
  RETURN_IF_ERROR(CheckCage(server.database().rules_conninfo()));
  return std::make_unique<ReportRunner>(server.database().rules_conninfo(), column_bytes, zone,
                                        ids::IdSource::Real());
}

}  // namespace edcert::validation_report
