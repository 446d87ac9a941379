// The workflow server: certifications, step by step.
#include <memory>
#include <string>

#include "common/access/registry_access.h"
#include "common/feed/feed.h"
#include "common/rpc/server.h"
#include "common/status/macros.h"
#include "services/workflow/certification_page.h"
#include "services/workflow/config.pb.h"
#include "services/workflow/dataset_client.h"
#include "services/workflow/input_relay.h"
#include "services/workflow/migrations/migrations.h"
#include "services/workflow/registry_follower.h"
#include "services/workflow/roster_keeper.h"
#include "services/workflow/snapshot_client.h"
#include "services/workflow/validation_report_client.h"
#include "services/workflow/workflow_service.h"

namespace edcert::workflow {
namespace {

// The service with everything that it works with, in the order in which they are needed.
struct App {
  explicit App(rpc::Runtime& runtime)
      : registry(runtime),
        store(runtime.ids(), runtime.zone()),
        reports(runtime),
        snapshots(runtime),
        datasets(runtime),
        wizard(store, reports, snapshots, datasets),
        service({.runtime = runtime,
                 .access = registry,
                 .store = store,
                 .reports = reports,
                 .snapshots = snapshots,
                 .wizard = wizard,
                 .zone = runtime.zone()}),
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
             .committed = [&runtime] { runtime.Poke(); }}),
        keeper(
            runtime.pool(), runtime.clock(), store, follower,
            {.members =
                 [this](const std::string& category) { return AskMembers(registry, category, ""); },
             .committed = [&runtime] { runtime.Poke(); }}) {}

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
  RosterKeeper keeper;
};

int Main(int argc, char** argv) {
  config::Config config;
  return rpc::Main(
      argc, argv,
      {.name = "workflow",
       .schema = "workflow",
       .service_name = v1::Workflow::service_full_name(),
       .config = &config,
       .server = config.mutable_server(),
       .peers = {"event_registry", "dataset", "validation_report", "snapshot"},
       .migrations = {{"workflow", sql::kMigrations}},
       .documents = {{.name = "print_state_machine",
                      .help = "Print the table of states and moves, then exit",
                      .formats = {"markdown", "mermaid", "dot"},
                      .print = PrintStateMachine}},
       .make = [](rpc::Runtime& runtime) { return rpc::Run(std::make_shared<App>(runtime)); }});
}

}  // namespace
}  // namespace edcert::workflow

int main(int argc, char** argv) { return edcert::workflow::Main(argc, argv); }
