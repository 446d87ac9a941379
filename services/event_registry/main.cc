// The event_registry server.
#include <memory>

#include "common/names/names.h"
#include "common/rpc/server.h"
#include "common/status/macros.h"
#include "services/event_registry/config.pb.h"
#include "services/event_registry/event_registry_service.h"
#include "services/event_registry/migrations/migrations.h"
#include "services/event_registry/state_calendar.h"

namespace edcert::event_registry {
namespace {

// Everything that lives as long as the server.
struct App {
  explicit App(rpc::Runtime& runtime)
      : service(runtime, StateCalendar(runtime.zone()), runtime.clock()) {}

  EventRegistryService service;
};

absl::StatusOr<rpc::ServiceMain::Running> Make(rpc::Runtime& runtime,
                                               const config::Config& config) {
  RETURN_IF_ERROR(EnsureAdministrator(runtime.Db(absl::Seconds(30)), config.first_administrator()));
  return rpc::Run(std::make_shared<App>(runtime));
}

int Main(int argc, char** argv) {
  config::Config config;
  return rpc::Main(argc, argv,
                   {.name = "event_registry",
                    .schema = "registry",
                    .service_name = registry::v1::EventRegistry::service_full_name(),
                    .config = &config,
                    .server = config.mutable_server(),
                    .migrations = {{"event_registry", sql::kMigrations}},
                    .check =
                        [&config] {
                          return names::UserName::Parse(config.first_administrator(),
                                                        "first_administrator")
                              .status();
                        },
                    .make = [&config](rpc::Runtime& runtime) { return Make(runtime, config); }});
}

}  // namespace
}  // namespace edcert::event_registry

int main(int argc, char** argv) { return edcert::event_registry::Main(argc, argv); }
