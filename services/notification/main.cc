// The notification server: the message center, fed by the change feeds of the other services.
#include <memory>
#include <utility>

#include "common/access/registry_access.h"
#include "common/feed/feed.h"
#include "common/rpc/server.h"
#include "services/notification/config.pb.h"
#include "services/notification/convert.h"
#include "services/notification/fan_out.h"
#include "services/notification/message_store.h"
#include "services/notification/migrations/migrations.h"
#include "services/notification/notification_service.h"
#include "services/notification/registry_client.h"
#include "services/notification/validation_report_client.h"
#include "services/notification/workflow_client.h"

namespace edcert::notification {
namespace {

// Everything that lives as long as the server.
struct App {
  explicit App(rpc::Runtime& runtime)
      : server(runtime),
        registry(runtime),
        workflow(runtime),
        reports(runtime),
        directory(runtime, registry),
        store(runtime.ids()),
        service(runtime, store, runtime.zone()),
        registry_feed(runtime.pool(), Options(Feed::kEventRegistry,
                                              [this](int64_t after, int limit) {
                                                return registry.ListChanges(after, limit);
                                              })),
        workflow_feed(runtime.pool(), Options(Feed::kWorkflow,
                                              [this](int64_t after, int limit) {
                                                return workflow.ListChanges(after, limit);
                                              })),
        reports_feed(runtime.pool(),
                     Options(Feed::kValidationReport, [this](int64_t after, int limit) {
                       return reports.ListChanges(after, limit);
                     })) {}

  feed::Consumer::Options Options(Feed feed, feed::Fetch fetch) {
    return {.feed = std::string(ToString(feed)),
            .fetch = std::move(fetch),
            .prepare = [this,
                        feed](const type::Change& change) -> absl::StatusOr<std::shared_ptr<void>> {
              return Prepare(feed, FromProto(change), directory, server.zone());
            },
            .apply = [this, feed](pg::Transaction& tx, const type::Change& change,
                                  void* prepared) -> absl::Status {
              return Apply(tx, store, server.ids(), feed, FromProto(change),
                           static_cast<const Prepared*>(prepared));
            },
            .committed = [this] { server.Poke(); }};
  }

  rpc::Runtime& server;
  access::RegistryAccess registry;
  WorkflowClient workflow;
  ValidationReportClient reports;
  RegistryClient directory;
  MessageStore store;
  NotificationService service;
  // Last: their threads use everything above.
  feed::Consumer registry_feed;
  feed::Consumer workflow_feed;
  feed::Consumer reports_feed;
};

int Main(int argc, char** argv) {
  config::Config config;
  return rpc::Main(
      argc, argv,
      {.name = "notification",
       .schema = "notification",
       .service_name = v1::Notifications::service_full_name(),
       .config = &config,
       .server = config.mutable_server(),
       .peers = {"event_registry", "validation_report", "workflow"},
       .migrations = {{"notification", sql::kMigrations}},
       .make = [](rpc::Runtime& runtime) { return rpc::Run(std::make_shared<App>(runtime)); }});
}

}  // namespace
}  // namespace edcert::notification

int main(int argc, char** argv) { return edcert::notification::Main(argc, argv); }
