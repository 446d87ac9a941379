// The command line of every RPC, made from its descriptor: `edcertctl workflow get-certification
// --name certifications/...`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace edcert::edcertctl {

// The options that every command has.
struct Global {
  std::string cluster;  // cluster.json of a development cluster
  std::string address;  // host:port; overrides the cluster
  std::string token;    // a user's JWT
  std::string user;     // signs a token for this user with the cluster's development key
  int replica = 0;      // which replica of the cluster's service
  double timeout_seconds = 30;
};

// Adds one command per service and one subcommand per RPC. A command that was called has set
// `exit_code`.
void AddServices(CLI::App& app, const Global& global, int& exit_code);

// Adds `health`, `token`.
void AddTools(CLI::App& app, const Global& global, int& exit_code);

}  // namespace edcert::edcertctl
