// Runs a server: command line, start-up, health, reflection, metrics, drain on SIGTERM.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/migrate.h"
#include "common/rpc/runtime.h"
#include "google/protobuf/message.h"

namespace edcert::rpc {

// What makes one service differ from another, for Main.
struct ServiceMain {
  // A document that the binary prints instead of serving, `--NAME FORMAT`.
  struct Document {
    std::string name;
    std::string help;
    std::vector<std::string> formats;
    std::function<std::string(std::string_view format)> print;
  };

  std::string name;          // folder name, for example `event_registry`
  std::string schema;        // PostgreSQL schema and role
  std::string service_name;  // full name of the gRPC service; Main registers its methods
  google::protobuf::Message* config = nullptr;  // the service's config message, filled by Main
  const config::Server* server = nullptr;       // its `server` field
  // The services that it calls, by folder name: each needs an address in the configuration.
  std::vector<std::string> peers = {};
  std::vector<pg::Component> migrations = {};  // after the foundation
  // What else the configuration must have, looked at before anything starts. May be empty.
  std::function<absl::Status()> check = nullptr;
  // More to do after the migrations, as the owner (tables made from definitions). May be empty.
  std::function<absl::Status(pg::Connection& owner)> after_migrate = nullptr;
  // The processes of `--mode=worker|all`; called before any thread exists. May be empty.
  // Returns when SIGTERM came and its workers have ended.
  std::function<int()> run_workers = nullptr;
  std::vector<Document> documents = {};
  // Makes the service (and what runs beside it); the result lives until the server has drained.
  struct Running {
    grpc::Service* service = nullptr;
    std::shared_ptr<void> keep;  // service, stores, consumers
  };
  std::function<absl::StatusOr<Running>(Runtime&)> make;
};

// What `make` returns for an `App` whose member `service` is served.
template <typename App>
ServiceMain::Running Run(std::shared_ptr<App> app) {
  grpc::Service* service = &app->service;
  return {.service = service, .keep = std::move(app)};
}

// The whole of main(): parses `--config FILE [--mode=api|worker|all] [--migrate]
// [--validate_config]`, checks the configuration, and serves until SIGTERM. Returns the exit code:
// 0 after SIGTERM, 2 for a configuration that is not valid, 1 for any other failure (workers that
// ended by themselves are one).
int Main(int argc, char** argv, const ServiceMain& service);

}  // namespace edcert::rpc
