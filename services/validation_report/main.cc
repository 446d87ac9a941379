// validation_report: rules, runs and reports.
#include <memory>

#include "common/access/registry_access.h"
#include "common/jobs/jobs.h"
#include "common/rpc/server.h"
#include "common/status/macros.h"
#include "services/validation_report/config.pb.h"
#include "services/validation_report/dataset_client.h"
#include "services/validation_report/migrations/migrations.h"
#include "services/validation_report/report_worker.h"
#include "services/validation_report/validation_report_service.h"

namespace edcert::validation_report {
namespace {

constexpr int kDefaultMaxWaiting = 20;
constexpr int kFixturePoolSize = 4;

// Everything that lives as long as the server.
struct Application {
  Application(rpc::Runtime& runtime, const config::Config& config)
      : access(runtime),
        definitions(runtime),
        snapshots(runtime),
        rules_pool(
            {.conninfo = config.server().database().rules_conninfo(), .size = kFixturePoolSize}),
        dispatcher(runtime.pool(), config.server().redis(), "validation"),
        service({.runtime = runtime,
                 .access = access,
                 .definitions = definitions,
                 .snapshots = snapshots,
                 .dispatcher = dispatcher,
                 .rules_pool = rules_pool,
                 .max_waiting_reports = config.max_waiting_reports() > 0
                                            ? config.max_waiting_reports()
                                            : kDefaultMaxWaiting}) {}

  access::RegistryAccess access;
  DatasetClient definitions;
  SnapshotClient snapshots;
  pg::Pool rules_pool;
  jobs::Dispatcher dispatcher;
  ValidationReportService service;
};

absl::StatusOr<rpc::ServiceMain::Running> Make(rpc::Runtime& runtime,
                                               const config::Config& config) {
  RETURN_IF_ERROR(LoadTimeZone(config.time_zone()).status());
  runtime.AddService(v1::Rule::descriptor()->file()->service(0));
  auto application = std::make_shared<Application>(runtime, config);
  return rpc::ServiceMain::Running{.service = &application->service, .keep = application};
}

}  // namespace
}  // namespace edcert::validation_report

int main(int argc, char** argv) {
  namespace service = edcert::validation_report;
  service::config::Config config;
  return edcert::rpc::Main(
      argc, argv,
      {.name = "validation_report",
       .schema = "validation",
       .config = &config,
       .server = config.mutable_server(),
       .migrations = {edcert::jobs::Migrations(), {"validation", service::sql::kMigrations}},
       .after_migrate = nullptr,
       .run_workers = [&config] { return service::RunReportWorkers(config); },
       .make =
           [&config](edcert::rpc::Runtime& runtime) { return service::Make(runtime, config); }});
}
