#include "services/validation_report/report_worker.h"

#include <utility>
#include <vector>

#include "common/clock/clock.h"
#include "common/config/config.h"
#include "common/feed/feed.h"
#include "common/status/macros.h"
#include "services/validation_report/sql_cage.h"

namespace edcert::validation_report {
namespace {

constexpr char kActor[] = "services/validation_report";
// 1 MiB of a file is written at a time.
constexpr std::size_t kChunksPerWrite = 16;
// After it a background run that was given up is tried again.
constexpr absl::Duration kFailedRunPause = absl::Hours(1);

// Takes a report's file and stores it as it grows, under the attempt of the running job. A write of
// an attempt that is not the current one any more changes nothing and ends the run. What is left at
// the end goes into the transaction that completes the job, so a small report costs one.
class StoredFile final : public render::Sink {
 public:
  StoredFile(jobs::Running& running, const ReportStore& store, const Report& report)
      : running_(running), store_(store), report_(report) {}

  absl::Status Write(std::string_view chunk) override {
    if (waiting_.size() == kChunksPerWrite) {
      RETURN_IF_ERROR(running_.Write([&](pg::Transaction& tx) {
        AddRest(tx);
        return absl::OkStatus();
      }));
      stored_ += static_cast<int64_t>(waiting_.size());
      waiting_.clear();
    }
    waiting_.emplace_back(chunk);
    return absl::OkStatus();
  }

  // Stores what is not stored yet.
  void AddRest(pg::Transaction& tx) const { store_.AddChunks(tx, report_, stored_, waiting_); }

 private:
  jobs::Running& running_;
  const ReportStore& store_;
  const Report& report_;
  int64_t stored_ = 0;
  std::vector<std::string> waiting_;
};

}  // namespace

ReportRunner::ReportRunner(const std::string& rules_conninfo, std::size_t column_bytes,
                           absl::TimeZone time_zone, const ids::IdSource& ids)
    : rules_pool_({.conninfo = rules_conninfo, .size = Evaluator::kConnections}),
      builder_(rules_pool_, column_bytes, time_zone),
      time_zone_(time_zone),
      ids_(ids) {}

absl::Status ReportRunner::Run(jobs::Running& running) {
  if (running.job().priority == jobs::Priority::kBackground) return Count(running);
  Report report;
  RETURN_IF_ERROR(running.Write([&](pg::Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(report, store_.Get(tx, running.job().id, /*viewer=*/""));
    store_.DropChunks(tx, report.id, running.job().attempt);
    AppendReportChange(tx, ids_, kActor, report, "report_running");
    return absl::OkStatus();
  }));
  report.attempt = running.job().attempt;
  StoredFile file(running, store_, report);
  ASSIGN_OR_RETURN(const BuiltReport built, builder_.Build(
                                                running.db(), report, clock::Clock::Real().Now(),
                                                [&](int64_t done, int64_t total) {
                                                  return running.Progress(done, total,
                                                                          "running rules");
                                                },
                                                file));
  // A report that is made long after it was asked for may find that its records are gone.
  pg::Database db = running.db();
  RETURN_IF_ERROR(store_.CheckKept(db, built.report));
  return running.Complete([&](pg::Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(findings_.Write(tx, built.report, built.rules, built.comparison));
    file.AddRest(tx);
    store_.Complete(tx, built.report, built.result);
    AppendReportChange(tx, ids_, kActor, built.report, "report_completed");
    return absl::OkStatus();
  });
}

absl::Status ReportRunner::Count(jobs::Running& running) {
  BackgroundTarget target;
  Report report;
  RETURN_IF_ERROR(running.Write([&](pg::Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(target, background_.TargetOf(tx, running.job().id));
    ASSIGN_OR_RETURN(const BackgroundRun run, background_.Get(tx, target));
    report = {.id = running.job().id,
              .organization = target.organization,
              .district = target.district,
              .kind = target.kind,
              .rule_group = target.rule_group,
              .rule_group_version = run.version_in_use,
              .severity_day = absl::ToCivilDay(clock::Clock::Real().Now(), time_zone_)};
    ASSIGN_OR_RETURN(report.data_versions, store_.ReadVersions(tx, CopyOf(target.kind),
                                                               target.district_id(), run.datasets));
    return absl::OkStatus();
  }));
  ASSIGN_OR_RETURN(
      const BackgroundCounts counts,
      builder_.Count(running.db(), report, [&](int64_t done, int64_t total) -> absl::Status {
        if (done < total) RETURN_IF_ERROR(running.GiveWay());
        return running.Progress(done, total, "counting");
      }));
  pg::Database db = running.db();
  RETURN_IF_ERROR(store_.CheckKept(db, report));
  return running.Complete([&](pg::Transaction& tx) -> absl::Status {
    background_.SetCounts(tx, target, counts);
    return absl::OkStatus();
  });
}

absl::Status ReportRunner::Failed(pg::Transaction& tx, const jobs::Job& job) {
  if (job.priority == jobs::Priority::kBackground) {
    background_.SetFailed(tx, job.id, kFailedRunPause);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Report report, store_.Get(tx, job.id, /*viewer=*/""));
  store_.DropChunks(tx, report.id, /*but_attempt=*/0);
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
