#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "common/access/registry_access.h"
#include "common/feed/feed.h"
#include "common/rpc/server.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "services/workflow/config.pb.h"
#include "services/workflow/input_relay.h"
#include "services/workflow/migrations/migrations.h"
#include "services/workflow/registry_follower.h"
#include "services/workflow/workflow_service.h"

namespace edcert::workflow {
namespace {

constexpr std::string_view kPrintFlag = "--print_state_machine=";

// The service with everything that it works with, in the order in which they are needed.
struct Server {
  Server(rpc::Runtime& runtime, absl::TimeZone time_zone)
      : zone(time_zone),
        registry(runtime),
        store(runtime.ids(), zone),
        reports(runtime),
        snapshots(runtime),
        datasets(runtime),
        wizard(reports, snapshots, datasets),
        service({.runtime = runtime,
                 .access = registry,
                 .store = store,
                 .reports = reports,
                 .snapshots = snapshots,
                 .wizard = wizard,
                 .zone = zone}),
        relay(runtime, store, reports, snapshots, datasets),
        follower(store, runtime.clock()),
        consumer(
            runtime.pool(),
            {.feed = "event_registry",
             .fetch = [this](int64_t after,
                             int limit) { return registry.ListChanges(after, limit); },
             .prepare = [this](const type::Change& change)
                 -> absl::StatusOr<std::shared_ptr<void>> { return AskRegistry(registry, change); },
             .apply =
                 [this](pg::Transaction& tx, const type::Change& change, void* prepared) {
                   return follower.Apply(tx, change, *static_cast<const RegistryFacts*>(prepared));
                 },
             .committed = [&runtime] { runtime.Poke(); }}) {}

  const absl::TimeZone zone;
  access::RegistryAccess registry;
  const CertificationStore store;
  const ValidationReportClient reports;
  const SnapshotClient snapshots;
  const DatasetClient datasets;
  const Wizard wizard;
  WorkflowService service;
  const InputRelay relay;
  const RegistryFollower follower;
  feed::Consumer consumer;
};

absl::StatusOr<rpc::ServiceMain::Running> Make(rpc::Runtime& runtime, const std::string& zone) {
  absl::TimeZone time_zone = absl::UTCTimeZone();
  if (!zone.empty() && !absl::LoadTimeZone(zone, &time_zone)) {
    return status::FieldInvalid("time_zone", "is not a time zone of this machine");
  }
  runtime.AddService(google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
      "edcert.workflow.v1.Workflow"));
  const auto server = std::make_shared<Server>(runtime, time_zone);
  return rpc::ServiceMain::Running{&server->service, server};
}

int Print(std::string_view format) {
  const std::string text = PrintStateMachine(format);
  if (text.empty()) {
    std::fprintf(stderr, "--print_state_machine: markdown, mermaid or dot\n");
    return 1;
  }
  return std::fputs(text.c_str(), stdout) < 0 ? 1 : 0;
}

}  // namespace
}  // namespace edcert::workflow

int main(int argc, char** argv) {
  using edcert::workflow::kPrintFlag;
  if (argc == 2 && std::string_view(argv[1]).starts_with(kPrintFlag)) {
    return edcert::workflow::Print(std::string_view(argv[1]).substr(kPrintFlag.size()));
  }
  edcert::workflow::config::Config config;
  return edcert::rpc::Main(argc, argv,
                           {.name = "workflow",
                            .schema = "workflow",
                            .config = &config,
                            .server = config.mutable_server(),
                            .migrations = {{"workflow", edcert::workflow::sql::kMigrations}},
                            .after_migrate = {},
                            .run_workers = {},
                            .make = [&config](edcert::rpc::Runtime& runtime) {
                              return edcert::workflow::Make(runtime, config.time_zone());
                            }});
}
