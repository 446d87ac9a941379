// validation_report: rules, runs and reports.
#include <memory>

#include "common/access/registry_access.h"
#include "common/jobs/jobs.h"
#include "common/rpc/server.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/artifact_keeper.h"
#include "services/validation_report/background_keeper.h"
#include "services/validation_report/config.pb.h"
#include "services/validation_report/dataset_client.h"
#include "services/validation_report/migrations/migrations.h"
#include "services/validation_report/report_worker.h"
#include "services/validation_report/snapshot_client.h"
#include "services/validation_report/sql_cage.h"
#include "services/validation_report/validation_report_service.h"

namespace edcert::validation_report {
namespace {

constexpr const char* kSchema = "validation";
constexpr int kDefaultMaxWaiting = 20;
constexpr int kDefaultActivationPeople = 2;
constexpr int kFixturePoolSize = 4;
constexpr std::size_t kDefaultColumnMegabytes = 512;

// Everything that lives as long as the server.
struct App {
  App(rpc::Runtime& runtime, const config::Config& config)
      : access(runtime),
        definitions(runtime),
        snapshots(runtime),
        rules_pool(
            {.conninfo = config.server().database().rules_conninfo(), .size = kFixturePoolSize}),
        dispatcher(runtime.pool(), config.server().redis(), kSchema),
        service({.runtime = runtime,
                 .access = access,
                 .definitions = definitions,
                 .snapshots = snapshots,
                 .dispatcher = dispatcher,
                 .rules_pool = rules_pool,
                 .max_waiting_reports = config.max_waiting_reports() > 0
                                            ? config.max_waiting_reports()
                                            : kDefaultMaxWaiting,
                 .rule_activation_people = config.rule_activation_people() > 0
                                               ? config.rule_activation_people()
                                               : kDefaultActivationPeople,
                 .background_delay = absl::Seconds(config.background_delay_seconds()),
                 .find_event = [this](const std::string& name) { return access.GetEvent(name); }}),
        keeper(runtime.pool(), runtime.clock(), runtime.ids(),
               absl::Hours(24) * config.keep_artifacts_days()),
        background(runtime.pool(), runtime.ids(),
                   {.delay = absl::Seconds(config.background_delay_seconds()),
                    .fetch = [this](int64_t after,
                                    int limit) { return definitions.ListChanges(after, limit); },
                    .zone = runtime.zone(),
                    .accepted = [this](const jobs::NewJob& job) { dispatcher.Hint(job); }}) {}

  access::RegistryAccess access;
  DatasetClient definitions;
  SnapshotClient snapshots;
  pg::Pool rules_pool;
  jobs::Dispatcher dispatcher;
  ValidationReportService service;
  ArtifactKeeper keeper;
  BackgroundKeeper background;
};

std::size_t ColumnBytesOf(const config::Config& config) {
  const auto megabytes = config.column_cache_mb() > 0
                             ? static_cast<std::size_t>(config.column_cache_mb())
                             : kDefaultColumnMegabytes;
  return megabytes << 20U;
}

absl::Status Check(const config::Config& config) {
  if (config.server().database().rules_conninfo().empty()) {
    return status::FieldInvalid("server.database.rules_conninfo", "required");
  }
  if (config.rule_activation_people() < 0 || config.rule_activation_people() > 2) {
    return status::FieldInvalid("rule_activation_people", "1 or 2");
  }
  if (config.keep_artifacts_days() < 0) {
    return status::FieldInvalid("keep_artifacts_days", "must not be negative");
  }
  if (config.background_delay_seconds() < 0) {
    return status::FieldInvalid("background_delay_seconds", "must not be negative");
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  config::Config config;
  return rpc::Main(
      argc, argv,
      {.name = "validation_report",
       .schema = kSchema,
       .service_name = v1::ValidationReports::service_full_name(),
       .config = &config,
       .server = config.mutable_server(),
       .peers = {"event_registry", "dataset", "snapshot"},
       .migrations = {jobs::Migrations(), {"validation", sql::kMigrations}},
       .check = [&config] { return Check(config); },
       .run_workers =
           [&config] {
             return jobs::RunWorkers(
                 {.queue = kSchema,
                  .server = config.server(),
                  .make_runner = [&config](const edcert::config::Server& server) {
                    return MakeReportRunner(server, ColumnBytesOf(config));
                  }});
           },
       .make = [&config](rpc::Runtime& runtime) -> absl::StatusOr<rpc::ServiceMain::Running> {
         RETURN_IF_ERROR(CheckCage(config.server().database().rules_conninfo()));
         return rpc::Run(std::make_shared<App>(runtime, config));
       }});
}

}  // namespace
}  // namespace edcert::validation_report

int main(int argc, char** argv) { return edcert::validation_report::Main(argc, argv); }
