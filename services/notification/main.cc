// The notification server: the message center, fed by the change feeds of the other services.
#include <memory>
#include <utility>

#include "common/access/registry_access.h"
#include "common/feed/feed.h"
#include "common/rpc/server.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/notification/config.pb.h"
#include "services/notification/convert.h"
#include "services/notification/fan_out.h"
#include "services/notification/message_store.h"
#include "services/notification/migrations/migrations.h"
#include "services/notification/notification_service.h"
#include "services/notification/registry_client.h"
#include "services/notification/workflow_client.h"

namespace edcert::notification {
namespace {

absl::StatusOr<absl::TimeZone> TimeZoneOf(const config::Config& config) {
  absl::TimeZone zone = absl::UTCTimeZone();
  if (!config.time_zone().empty() && !absl::LoadTimeZone(config.time_zone(), &zone)) {
    return status::FieldInvalid("time_zone", "is not an IANA time zone");
  }
  return zone;
}

// Everything that lives as long as the server.
class App {
 public:
  App(rpc::Runtime& runtime, absl::TimeZone time_zone)
      : runtime_(runtime),
        time_zone_(time_zone),
        registry_(runtime),
        workflow_(runtime),
        directory_(runtime, registry_),
        store_(runtime.ids()),
        service_(runtime, store_, time_zone),
        registry_feed_(runtime.pool(), Options(Feed::kEventRegistry,
                                               [this](int64_t after, int limit) {
                                                 return registry_.ListChanges(after, limit);
                                               })),
        workflow_feed_(runtime.pool(), Options(Feed::kWorkflow, [this](int64_t after, int limit) {
                         return workflow_.ListChanges(after, limit);
                       })) {}

  grpc::Service* service() { return &service_; }

 private:
  feed::Consumer::Options Options(Feed feed, feed::Fetch fetch) {
    return {.feed = std::string(ToString(feed)),
            .fetch = std::move(fetch),
            .prepare = [this,
                        feed](const type::Change& change) -> absl::StatusOr<std::shared_ptr<void>> {
              return Prepare(feed, FromProto(change), directory_, time_zone_);
            },
            .apply = [this, feed](pg::Transaction& tx, const type::Change& change,
                                  void* prepared) -> absl::Status {
              return Apply(tx, store_, runtime_.ids(), feed, FromProto(change),
                           static_cast<const Prepared*>(prepared));
            },
            .committed = [this] { runtime_.Poke(); }};
  }

  rpc::Runtime& runtime_;
  const absl::TimeZone time_zone_;
  access::RegistryAccess registry_;
  WorkflowClient workflow_;
  RegistryClient directory_;
  MessageStore store_;
  NotificationService service_;
  // Last: their threads use everything above.
  feed::Consumer registry_feed_;
  feed::Consumer workflow_feed_;
};

absl::StatusOr<rpc::ServiceMain::Running> Make(rpc::Runtime& runtime,
                                               const config::Config& config) {
  ASSIGN_OR_RETURN(const absl::TimeZone zone, TimeZoneOf(config));
  runtime.AddService(v1::Message::descriptor()->file()->service(0));
  auto app = std::make_shared<App>(runtime, zone);
  grpc::Service* service = app->service();
  return rpc::ServiceMain::Running{.service = service, .keep = std::move(app)};
}

}  // namespace
}  // namespace edcert::notification

int main(int argc, char** argv) {
  namespace n = edcert::notification;
  n::config::Config config;
  return edcert::rpc::Main(
      argc, argv,
      {.name = "notification",
       .schema = "notification",
       .config = &config,
       .server = config.mutable_server(),
       .migrations = {{.name = "notification", .migrations = n::sql::kMigrations}},
       .after_migrate = nullptr,
       .run_workers = nullptr,
       .make = [&config](edcert::rpc::Runtime& runtime) { return n::Make(runtime, config); }});
}
