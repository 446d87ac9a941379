// The dataset server.
#include <memory>
#include <string>
#include <utility>

#include "common/access/registry_access.h"
#include "common/jobs/jobs.h"
#include "common/rpc/server.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/builtin_definitions.h"
#include "services/dataset/config.pb.h"
#include "services/dataset/dataset_service.h"
#include "services/dataset/history_keeper.h"
#include "services/dataset/migrations/migrations.h"
#include "services/dataset/organization_feed.h"
#include "services/dataset/schema.h"
#include "services/dataset/sync_worker.h"

namespace edcert::dataset {
namespace {

constexpr const char* kSchema = "dataset";

PushOptions OptionsOf(const config::Config& config) {
  PushOptions options{.automatic_sync = !config.manual_sync()};
  if (config.pushes_per_district() > 0) options.per_district = config.pushes_per_district();
  return options;
}

// Everything that lives as long as the server; the last made ends first.
struct App {
  App(rpc::Runtime& runtime, const PushOptions& options, const Catalogue& builtin,
      absl::Duration keep_history)
      : access(runtime),
        dispatcher(runtime.pool(), runtime.config().redis(), kSchema),
        service(runtime, access, &dispatcher, options),
        consumer(FollowRegistry(runtime, access, builtin, options.automatic_sync)),
        keeper(runtime.pool(), runtime.clock(), keep_history) {}

  access::RegistryAccess access;
  jobs::Dispatcher dispatcher;
  DatasetService service;
  std::unique_ptr<feed::Consumer> consumer;
  HistoryKeeper keeper;
};

absl::Status InstallBuiltins(pg::Connection& owner) {
  ASSIGN_OR_RETURN(const Catalogue catalogue, BuiltinCatalogue());
  ASSIGN_OR_RETURN(const std::vector<Code> codes, BuiltinCodes());
  return Install(owner, catalogue, codes);
}

absl::StatusOr<rpc::ServiceMain::Running> Make(rpc::Runtime& runtime,
                                               const config::Config& config) {
  ASSIGN_OR_RETURN(const Catalogue builtin, BuiltinCatalogue());
  return rpc::Run(std::make_shared<App>(runtime, OptionsOf(config), builtin,
                                        absl::Hours(24) * config.keep_history_days()));
}

absl::Status Check(const config::Config& config) {
  if (config.keep_history_days() < 0) {
    return status::FieldInvalid("keep_history_days", "must not be negative");
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  config::Config config;
  return rpc::Main(
      argc, argv,
      {.name = "dataset",
       .schema = kSchema,
       .service_name = v1::Datasets::service_full_name(),
       .config = &config,
       .server = config.mutable_server(),
       .peers = {"event_registry"},
       .migrations = {jobs::Migrations(), {"dataset", sql::kMigrations}},
       .check = [&config] { return Check(config); },
       .after_migrate = InstallBuiltins,
       .run_workers =
           [&config] {
             return jobs::RunWorkers(
                 {.queue = kSchema, .server = config.server(), .make_runner = MakeSyncRunner});
           },
       .make = [&config](rpc::Runtime& runtime) { return Make(runtime, config); }});
}

}  // namespace
}  // namespace edcert::dataset

int main(int argc, char** argv) { return edcert::dataset::Main(argc, argv); }
