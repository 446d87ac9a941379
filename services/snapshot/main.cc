// The snapshot server: freezes records at the call, seals them in its workers.
#include <algorithm>
#include <memory>
#include <utility>

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
                {.get_event = [this](const std::string& event) { return access.GetEvent(event); },
                 .local_per_hour = config.local_snapshots_per_hour() > 0
                                       ? config.local_snapshots_per_hour()
                                       : kLocalPerHour}) {}

  access::RegistryAccess access;
  SnapshotStore store;
  jobs::Dispatcher dispatcher;
  SnapshotService service;
};

rpc::ServiceMain::Running Make(rpc::Runtime& runtime, const config::Config& config) {
  runtime.AddService(v1::Snapshot::descriptor()->file()->service(0));
  auto app = std::make_shared<App>(runtime, config);
  grpc::Service* service = &app->service;
  return {.service = service, .keep = std::move(app)};
}

int RunWorkers(const config::Config& config) {
  return jobs::RunWorkers({.queue = kSchema,
                           .server = config.server(),
                           .processes = std::max(config.server().limits().workers(), 1),
                           .make_runner = [](const edcert::config::Server&)
                               -> absl::StatusOr<std::unique_ptr<jobs::Runner>> {
                             return std::make_unique<Sealer>();
                           }});
}

}  // namespace
}  // namespace edcert::snapshot

int main(int argc, char** argv) {
  namespace s = edcert::snapshot;
  s::config::Config config;
  return edcert::rpc::Main(argc, argv,
                           {.name = "snapshot",
                            .schema = s::kSchema,
                            .config = &config,
                            .server = config.mutable_server(),
                            .migrations = {edcert::jobs::Migrations(),
                                           {.name = "snapshot", .migrations = s::sql::kMigrations}},
                            .after_migrate = nullptr,
                            .run_workers = [&config] { return s::RunWorkers(config); },
                            .make = [&config](edcert::rpc::Runtime& runtime)
                                -> absl::StatusOr<edcert::rpc::ServiceMain::Running> {
                              return s::Make(runtime, config);
                            }});
}
