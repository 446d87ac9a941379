// The snapshot server: freezes records at the call, seals them in its workers.
#include <memory>

#include "common/access/registry_access.h"
#include "common/jobs/jobs.h"
#include "common/rpc/server.h"
#include "services/snapshot/config.pb.h"
#include "services/snapshot/migrations/migrations.h"
#include "services/snapshot/sealer.h"
#include "services/snapshot/snapshot_service.h"

namespace edcert::snapshot {
namespace {

constexpr const char* kSchema = "snapshot";
constexpr int kLocalPerHour = 6;

// Everything that lives as long as the server.
struct App {
  App(rpc::Runtime& runtime, const config::Config& config)
      : access(runtime),
        dispatcher(runtime.pool(), runtime.config().redis(), kSchema),
        service(runtime, access, store, dispatcher,
                {.local_per_hour = config.local_snapshots_per_hour() > 0
                                       ? config.local_snapshots_per_hour()
                                       : kLocalPerHour}) {}

  access::RegistryAccess access;
  SnapshotStore store;
  jobs::Dispatcher dispatcher;
  SnapshotService service;
};

absl::StatusOr<std::unique_ptr<jobs::Runner>> MakeSealer(const edcert::config::Server& /*server*/) {
  return std::make_unique<Sealer>();
}

int Main(int argc, char** argv) {
  config::Config config;
  return rpc::Main(
      argc, argv,
      {.name = "snapshot",
       .schema = kSchema,
       .service_name = v1::Snapshots::service_full_name(),
       .config = &config,
       .server = config.mutable_server(),
       .peers = {"event_registry"},
       .migrations = {jobs::Migrations(), {"snapshot", sql::kMigrations}},
       .run_workers =
           [&config] {
             return jobs::RunWorkers(
                 {.queue = kSchema, .server = config.server(), .make_runner = MakeSealer});
           },
       .make =
           [&config](rpc::Runtime& runtime) {
             return rpc::Run(std::make_shared<App>(runtime, config));
           }});
}

}  // namespace
}  // namespace edcert::snapshot

int main(int argc, char** argv) { return edcert::snapshot::Main(argc, argv); }
