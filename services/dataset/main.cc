// The dataset server.
#include <memory>

#include "common/access/registry_access.h"
#include "common/jobs/jobs.h"
#include "common/rpc/server.h"
#include "common/status/macros.h"
#include "services/dataset/builtin_definitions.h"
#include "services/dataset/config.pb.h"
#include "services/dataset/dataset_service.h"
#include "services/dataset/definition_store.h"
#include "services/dataset/migrations/migrations.h"
#include "services/dataset/organization_feed.h"
#include "services/dataset/schema.h"
#include "services/dataset/sync_worker.h"

namespace edcert::dataset {
namespace {

// What runs until the server has drained; the last made ends first.
struct Parts {
  std::unique_ptr<access::RegistryAccess> registry;
  std::unique_ptr<jobs::Dispatcher> dispatcher;
  std::unique_ptr<DatasetService> service;
  std::unique_ptr<feed::Consumer> consumer;
};

absl::Status InstallBuiltins(pg::Connection& owner) {
  ASSIGN_OR_RETURN(const Catalogue catalogue, BuiltinCatalogue());
  ASSIGN_OR_RETURN(const std::vector<Code> codes, BuiltinCodes());
  return Install(owner, catalogue, codes);
}

absl::StatusOr<rpc::ServiceMain::Running> Make(rpc::Runtime& runtime,
                                               const config::Config& config) {
  runtime.AddService(v1::GetDatasetRequest::descriptor()->file()->service(0));
  ASSIGN_OR_RETURN(Catalogue catalogue, BuiltinCatalogue());
  pg::Database db = runtime.Db(absl::Seconds(30));
  ASSIGN_OR_RETURN(auto times, ReadDefinitionTimes(db));
  PushOptions options{.automatic_sync = !config.manual_sync()};
  if (config.pushes_per_district() > 0) options.per_district = config.pushes_per_district();
  const auto parts = std::make_shared<Parts>();
  parts->registry = std::make_unique<access::RegistryAccess>(runtime);
  parts->dispatcher =
      std::make_unique<jobs::Dispatcher>(runtime.pool(), config.server().redis(), "dataset");
  parts->service =
      std::make_unique<DatasetService>(runtime, *parts->registry, parts->dispatcher.get(),
                                       std::move(catalogue), std::move(times), options);
  parts->consumer = FollowRegistry(runtime, *parts->registry, options.automatic_sync);
  return rpc::ServiceMain::Running{.service = parts->service.get(), .keep = parts};
}

int Run(int argc, char** argv) {
  config::Config config;
  const edcert::config::Server* server = config.mutable_server();
  return rpc::Main(argc, argv,
                   {.name = "dataset",
                    .schema = "dataset",
                    .config = &config,
                    .server = server,
                    .migrations = {jobs::Migrations(), {"dataset", sql::kMigrations}},
                    .after_migrate = InstallBuiltins,
                    .run_workers =
                        [server] {
                          const int workers = server->limits().workers();
                          return jobs::RunWorkers({.queue = "dataset",
                                                   .server = *server,
                                                   .processes = workers > 0 ? workers : 1,
                                                   .make_runner = MakeSyncRunner});
                        },
                    .make = [&config](rpc::Runtime& runtime) { return Make(runtime, config); }});
}

}  // namespace
}  // namespace edcert::dataset

int main(int argc, char** argv) { return edcert::dataset::Run(argc, argv); }
