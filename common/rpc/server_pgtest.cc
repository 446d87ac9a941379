// Whole server processes: how they start, and how they end.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "common/clock/clock.h"
#include "common/rpc/server.h"
#include "common/rpc/testdata/test.grpc.pb.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/testing/test_server.h"

namespace edcert::rpc {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLimit = absl::Seconds(30);

absl::Time Now() { return clock::Clock::Real().Now(); }

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  CHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0);
  CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  close(fd);
  return ntohs(address.sin_port);
}

bool IsOpen(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(port);
  const bool open = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return open;
}

// A service whose workers tell their parent's process id and wait. This process has no thread, so
// that it may fork.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    CHECK(pipe(told_) == 0);
    config_.set_listen_address(fmt::format("127.0.0.1:{}", port_));
    config_.set_metrics_address(fmt::format("127.0.0.1:{}", FreePort()));
    config_.set_time_zone("America/Chicago");
    config_.set_page_token_key_file(keys_.page_token_key_file());
    config_.mutable_database()->set_conninfo(database_.conninfo());
    *config_.mutable_auth() = keys_.Auth();
  }
  ~ServerTest() override {
    if (server_ > 0) {
      kill(server_, SIGKILL);
      waitpid(server_, nullptr, 0);
    }
    for (const int fd : told_) close(fd);
  }

  // Main with the configuration as it is, and the exit code.
  int RunMain(std::vector<std::string> flags) {
    std::string text;
    CHECK(google::protobuf::TextFormat::PrintToString(config_, &text));
    std::vector<std::string> words = {"server", "--config", folder_.Write("config", text)};
    words.insert(words.end(), flags.begin(), flags.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    config::Server loaded;
    return Main(static_cast<int>(argv.size()), argv.data(),
                {.name = "event_registry",
                 .schema = "registry",
                 .service_name = rpctest::Shapes::service_full_name(),
                 .config = &loaded,
                 .server = &loaded,
                 .peers = peers_,
                 .check = [this] { return check_; },
                 .run_workers =
                     [this] {
                       const pid_t self = getpid();
                       CHECK(write(told_[1], &self, sizeof(self)) == sizeof(self));
                       sigset_t term;
                       sigemptyset(&term);
                       sigaddset(&term, SIGTERM);
                       int number = 0;
                       return sigwait(&term, &number);
                     },
                 .make = [](Runtime&) -> absl::StatusOr<ServiceMain::Running> {
                   struct App {
                     rpctest::Shapes::CallbackService service;
                   };
                   return rpc::Run(std::make_shared<App>());
                 }});
  }

  // Starts a server; returns once it listens and its workers run.
  void Start() {
    server_ = fork();
    CHECK(server_ >= 0);
    if (server_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      _exit(RunMain({"--mode=all"}));
    }
    pollfd fd{told_[0], POLLIN, 0};
    ASSERT_EQ(poll(&fd, 1, static_cast<int>(absl::ToInt64Milliseconds(kLimit))), 1);
    ASSERT_EQ(read(told_[0], &workers_, sizeof(workers_)), static_cast<ssize_t>(sizeof(workers_)));
    const absl::Time until = Now() + kLimit;
    while (!IsOpen(port_)) ASSERT_LT(Now(), until);
  }

  // Waits for the server; minus the signal that killed it.
  int ExitCode() {
    int status = 0;
    waitpid(server_, &status, 0);
    server_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  // The exit code of --validate_config, and what it says.
  std::pair<int, std::string> Validate() {
    ::testing::internal::CaptureStderr();
    const absl::Time began = Now();
    const int code = RunMain({"--validate_config"});
    EXPECT_LT(Now() - began, absl::Seconds(1));
    return {code, ::testing::internal::GetCapturedStderr()};
  }

  const int port_ = FreePort();
  testing::TestFolder folder_;
  testing::TestKeys keys_{"event_registry"};
  testing::TestDatabase database_{"registry", {}};
  config::Server config_;
  std::vector<std::string> peers_;
  absl::Status check_ = absl::OkStatus();
  int told_[2];
  pid_t server_ = 0;
  pid_t workers_ = 0;
};

TEST_F(ServerTest, EndsWithZeroWhenItIsAsked) {
  Start();
  kill(server_, SIGTERM);
  EXPECT_EQ(ExitCode(), 0);
  EXPECT_EQ(kill(workers_, 0), -1) << "the workers go on";
}

// Or it would accept jobs that nobody runs.
TEST_F(ServerTest, EndsWhenItsWorkersEnd) {
  Start();
  kill(workers_, SIGKILL);
  EXPECT_EQ(ExitCode(), 1);
  EXPECT_FALSE(IsOpen(port_));
}

TEST_F(ServerTest, ValidatesItsConfiguration) {
  EXPECT_EQ(Validate().first, 0);
  peers_ = {"dataset"};
  auto [code, text] = Validate();
  EXPECT_EQ(code, 2);
  EXPECT_THAT(text, HasSubstr("server.peers: no address of dataset"));
  peers_.clear();
  check_ = status::FieldInvalid("server.database.rules_conninfo", "required");
  std::tie(code, text) = Validate();
  EXPECT_EQ(code, 2);
  EXPECT_THAT(text, HasSubstr("server.database.rules_conninfo: required"));
  check_ = absl::OkStatus();
  config_.mutable_auth()->set_service_key_file(config_.auth().user_keys_file());
  EXPECT_EQ(Validate().first, 2) << "a key file that holds no key";
}

// The same checks, when it is to serve.
TEST_F(ServerTest, DoesNotServeWithoutAPeer) {
  peers_ = {"dataset"};
  EXPECT_EQ(RunMain({"--mode=api"}), 2);
}

}  // namespace
}  // namespace edcert::rpc
