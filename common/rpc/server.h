// Runs a server: command line, start-up, health, reflection, metrics, drain on SIGTERM.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/migrate.h"
#include "common/rpc/runtime.h"
#include "google/protobuf/message.h"

namespace edcert::rpc {

// What makes one service differ from another, for Main.
struct ServiceMain {
  std::string name;                       // folder name, for example `event_registry`
  std::string schema;                     // PostgreSQL schema and role
  google::protobuf::Message* config;      // the service's config message, filled by Main
  const config::Server* server;           // its `server` field
  std::vector<pg::Component> migrations;  // after the foundation
  // More to do after the migrations, as the owner (tables made from definitions); may be empty.
  std::function<absl::Status(pg::Connection& owner)> after_migrate;
  // The processes of `--mode=worker|all`; called before any thread exists. May be empty.
  // Returns when SIGTERM came and its workers have ended.
  std::function<int()> run_workers;
  // Makes the service (and what runs beside it); the result lives until the server has drained.
  struct Running {
    grpc::Service* service = nullptr;
    std::shared_ptr<void> keep;  // service, stores, consumers
  };
  std::function<absl::StatusOr<Running>(Runtime&)> make;
};

// The whole of main(): parses `--config FILE [--mode=api|worker|all] [--migrate]
// [--validate_config]`, and serves until SIGTERM. Returns the exit code.
int Main(int argc, char** argv, const ServiceMain& service);

}  // namespace edcert::rpc
