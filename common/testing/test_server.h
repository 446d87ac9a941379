// A real gRPC server in the test's process: keys, tokens, a database, a channel.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/config/server.pb.h"
#include "common/ids/ids.h"
#include "common/rpc/runtime.h"
#include "common/testing/database.h"

namespace edcert::testing {

// A clock that stands until it is set. Thread-safe.
class FakeClock final : public clock::Clock {
 public:
  explicit FakeClock(absl::Time now) : now_(now) {}
  absl::Time Now() const override { return now_.load(); }
  void Set(absl::Time now) { now_.store(now); }

 private:
  std::atomic<absl::Time> now_;
};

// A folder of its own under the system's temporary one; removed at the end with all that is in it.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  std::string Path(std::string_view file) const;
  // Writes a file and returns its path.
  std::string Write(std::string_view file, std::string_view content) const;

 private:
  std::string path_;
};

// A key of ES256 (P-256) made for the test.
class TestKey {
 public:
  explicit TestKey(std::string kid);
  const std::string& kid() const { return kid_; }
  const std::string& private_pem() const { return private_pem_; }
  // The public half as a JSON Web Key.
  std::string Jwk() const;

 private:
  std::string kid_;
  std::string private_pem_;
  std::string x_;  // base64url
  std::string y_;
};

// The keys of a test's issuer and of its services, the files of them, and the tokens they sign.
class TestKeys {
 public:
  // `service` is the one under test; `services/caller` is known too, to call it.
  explicit TestKeys(std::string_view service);

  // For `Server.auth` of the service under test.
  config::Auth Auth() const;

  // Values of the `authorization` header: `users/ada`.
  std::string UserToken(std::string_view user, absl::Duration lifetime = absl::Minutes(10)) const;
  // A token whose signature is by a key that nobody knows.
  std::string ForgedToken(std::string_view user) const;
  // A file with a secret for page tokens.
  const std::string& page_token_key_file() const { return page_token_key_file_; }
  // A value of the `x-service-authorization` header, of `services/caller`.
  std::string ServiceToken() const;

 private:
  std::string Sign(const TestKey& key, std::string_view subject, std::string_view issuer,
                   absl::Duration lifetime) const;

  TestFolder folder_;
  TestKey issuer_;
  TestKey caller_;
  TestKey own_;
  TestKey stranger_;
  config::Auth auth_;
  std::string page_token_key_file_;
};

// A migrated database and a runtime on it, and, after Serve, a server on a free port.
//
//   TestServer server({.service = "event_registry", .schema = "registry", .migrations = {...}});
//   EventRegistryService service(server.runtime(), ...);
//   server.Serve(service, v1::EventRegistry::service_full_name());
//   const auto stub = v1::EventRegistry::NewStub(server.channel());
//   ...
//   server.Stop();
class TestServer {
 public:
  struct Options {
    std::string service;  // folder name
    std::string schema;
    std::vector<pg::Component> migrations;
    int threads = 8;
    int queue_length = 0;  // zero: the default
    int transfer_threads = 8;
    std::string time_zone = "America/Chicago";
    const clock::Clock& clock = clock::Clock::Real();  // outlives the server
    // Services that stand for others, by folder name, each with its host:port.
    std::map<std::string, std::string> peers = {};
  };
  explicit TestServer(const Options& options);
  ~TestServer();

  void Serve(grpc::Service& service, const std::string& full_name);
  // Ends the server; to be called before the service ends.
  void Stop();

  rpc::Runtime& runtime() { return *runtime_; }
  TestDatabase& database() { return database_; }
  const TestKeys& keys() const { return keys_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // Sets the headers of a call; an empty user sends no user token.
  void CallAs(grpc::ClientContext& context, std::string_view user) const;
  // The same for `services/caller`, which acts by itself.
  void CallAsService(grpc::ClientContext& context) const;

  // How many rows a table of the service has; `table` is one of the schema.
  int64_t CountRows(std::string_view table);

 private:
  const Options options_;
  TestKeys keys_;
  TestDatabase database_;
  std::unique_ptr<rpc::Runtime> runtime_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace edcert::testing
