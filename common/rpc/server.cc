#include "common/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/synchronization/mutex.h"
#include "common/config/config.h"
#include "common/log/log.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/telemetry/metrics.h"

namespace edcert::rpc {
namespace {

constexpr int kMaxMessageBytes = (1 << 20) + (64 << 10);  // 1 MiB of content and its frame
constexpr int kMaxMetadataBytes = 16 << 10;
constexpr int kMaxStreamsPerConnection = 256;
constexpr absl::Duration kDrainLimit = absl::Seconds(10);
constexpr int kBadConfig = 2;

struct Flags {
  std::string config;
  std::string mode = "all";
  bool migrate = false;
  bool validate_config = false;
};

// Blocks the signals that end us, in this thread and all that it starts.
sigset_t BlockEndSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return set;
}

std::vector<pg::Component> AllComponents(const ServiceMain& service) {
  std::vector<pg::Component> components = {pg::Foundation()};
  components.insert(components.end(), service.migrations.begin(), service.migrations.end());
  return components;
}

// Waits until somebody ends us (OK), or until the workers have ended, which they do not by
// themselves: then the jobs that the API accepts would be run by nobody. `workers` becomes 0.
absl::Status WaitForTheEnd(const sigset_t& signals, pid_t& workers) {
  while (true) {
    int number = 0;
    sigwait(&signals, &number);
    if (number != SIGCHLD) return absl::OkStatus();
    if (workers == 0 || waitpid(workers, nullptr, WNOHANG) != workers) continue;
    workers = 0;
    return status::Internal("the workers ended");
  }
}

absl::Status Check(const ServiceMain& service) {
  RETURN_IF_ERROR(config::Check(*service.server, service.peers));
  RETURN_IF_ERROR(auth::Verifier::Make(service.server->auth(), clock::Clock::Real()).status());
  ASSIGN_OR_RETURN(const std::unique_ptr<auth::OwnToken> own,
                   auth::OwnToken::Make(service.server->auth(), clock::Clock::Real()));
  RETURN_IF_ERROR(own->Header().status());
  return service.check ? service.check() : absl::OkStatus();
}

absl::Status Migrate(const ServiceMain& service) {
  if (service.server->database().owner_conninfo().empty()) {
    return status::FieldInvalid("server.database.owner_conninfo", "required to migrate");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<pg::Connection> owner,
                   pg::Connection::Open(service.server->database().owner_conninfo()));
  const std::vector<pg::Component> components = AllComponents(service);
  RETURN_IF_ERROR(pg::Migrate(*owner, service.schema, components));
  return service.after_migrate ? service.after_migrate(*owner) : absl::OkStatus();
}

absl::Status Serve(const ServiceMain& service, const sigset_t& signals, pid_t& workers) {
  ASSIGN_OR_RETURN(const std::unique_ptr<telemetry::Exposer> metrics,
                   telemetry::Exposer::Start(service.server->metrics_address()));
  ASSIGN_OR_RETURN(const std::unique_ptr<Runtime> runtime,
                   Runtime::Make(*service.server, clock::Clock::Real(), ids::IdSource::Real()));
  pg::Database db = runtime->Db(absl::Seconds(30));
  const std::vector<pg::Component> components = AllComponents(service);
  RETURN_IF_ERROR(pg::CheckMigrated(db, service.schema, components));
  const google::protobuf::ServiceDescriptor* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service.service_name);
  CHECK(descriptor != nullptr);
  runtime->AddService(descriptor);
  ASSIGN_OR_RETURN(ServiceMain::Running running, service.make(*runtime));

  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(service.server->listen_address(), grpc::InsecureServerCredentials(),
                           &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 30'000);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.RegisterService(running.service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return status::Internal("cannot listen on " + service.server->listen_address());
  }
  log::Info("serving", {{"address", service.server->listen_address()}});

  const absl::Status ended = WaitForTheEnd(signals, workers);
  log::Info("draining", {{"because", ended.ok() ? "of a signal" : std::string(ended.message())}});
  server->GetHealthCheckService()->Shutdown();
  server->Shutdown(absl::ToChronoTime(clock::Clock::Real().Now() + kDrainLimit));
  server->Wait();
  running.keep.reset();
  log::Info("stopped", {});
  return ended;
}

int Fail(const absl::Status& status, int code = 1) {
  log::Error("cannot go on", {{"error", std::string(status.message())}});
  return code;
}

}  // namespace

int Main(int argc, char** argv, const ServiceMain& service) {
#ifdef NDEBUG
  // Debian builds Abseil for debugging: every lock of gRPC would look for cycles, under one spin
  // lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  Flags flags;
  CLI::App app("edcert " + service.name + " server");
  app.add_option("--config", flags.config, "Configuration file, text format")->required();
  app.add_option("--mode", flags.mode, "What this process runs: api, worker or all")
      ->check(CLI::IsMember({"api", "worker", "all"}))
      ->capture_default_str();
  app.add_flag("--migrate", flags.migrate, "Bring the schema up to date, then exit");
  app.add_flag("--validate_config", flags.validate_config, "Check the configuration, then exit");
  for (const ServiceMain::Document& document : service.documents) {
    const auto print = [&document](const std::string& format) {
      std::fputs(document.print(format).c_str(), stdout);
      throw CLI::Success();
    };
    app.add_option_function<std::string>("--" + document.name, print, document.help)
        ->check(CLI::IsMember(document.formats))
        ->trigger_on_parse();
  }
  CLI11_PARSE(app, argc, argv);

  log::Start(service.name, "");
  const absl::Status loaded = config::Load(flags.config, *service.config);
  if (!loaded.ok()) return Fail(loaded, kBadConfig);
  log::Start(service.name, service.server->log_level());
  if (const absl::Status checked = Check(service); !checked.ok()) return Fail(checked, kBadConfig);
  if (flags.validate_config) return 0;
  if (flags.migrate) {
    const absl::Status migrated = Migrate(service);
    return migrated.ok() ? 0 : Fail(migrated);
  }

  const sigset_t signals = BlockEndSignals();
  const bool has_workers = service.run_workers != nullptr && flags.mode != "api";
  if (has_workers && flags.mode == "worker") return service.run_workers();
  pid_t workers = 0;
  if (has_workers) {
    // Before any thread exists; the workers end when this process does.
    const pid_t parent = getpid();
    workers = fork();
    if (workers < 0) return Fail(status::Internal("fork"));
    if (workers == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (getppid() != parent) return 1;
      return service.run_workers();
    }
  }
  const absl::Status served = Serve(service, signals, workers);
  if (workers > 0) {
    kill(workers, SIGTERM);
    waitpid(workers, nullptr, 0);
  }
  return served.ok() ? 0 : Fail(served);
}

}  // namespace edcert::rpc
