// The event_registry server.
#include <memory>

#include "common/rpc/server.h"
#include "common/status/macros.h"
#include "services/event_registry/config.pb.h"
#include "services/event_registry/event_registry_service.h"
#include "services/event_registry/migrations/migrations.h"
#include "services/event_registry/state_calendar.h"

namespace edcert::event_registry {
namespace {

absl::StatusOr<rpc::ServiceMain::Running> Make(rpc::Runtime& runtime,
                                               const config::Config& config) {
  ASSIGN_OR_RETURN(const StateCalendar calendar, StateCalendar::Make(config.time_zone()));
  RETURN_IF_ERROR(EnsureAdministrator(runtime.Db(absl::Seconds(30)), config.first_administrator()));
  runtime.AddService(
      registry::v1::CreateEventRequest::descriptor()->file()->FindServiceByName("EventRegistry"));
  const auto service = std::make_shared<EventRegistryService>(runtime, calendar, runtime.clock());
  return rpc::ServiceMain::Running{.service = service.get(), .keep = service};
}

}  // namespace
}  // namespace edcert::event_registry

int main(int argc, char** argv) {
  namespace service = edcert::event_registry;
  service::config::Config config;
  return edcert::rpc::Main(argc, argv,
                           {.name = "event_registry",
                            .schema = "registry",
                            .config = &config,
                            .server = config.mutable_server(),
                            .migrations = {{"event_registry", service::sql::kMigrations}},
                            .after_migrate = {},
                            .run_workers = {},
                            .make = [&config](edcert::rpc::Runtime& runtime) {
                              return service::Make(runtime, config);
                            }});
}
