#include "common/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/config/server.pb.h"
#include "common/ids/ids.h"
#include "common/status/error.h"
#include "common/testing/matchers.h"

namespace edcert::config {
namespace {

using testing::HasReason;
using ::testing::HasSubstr;
using testing::IsOk;

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest()
      : path_(std::filesystem::temp_directory_path() /
              ("config_" + ids::IdSource::Real().NewId() + ".textproto")) {}
  ~ConfigTest() override { std::filesystem::remove(path_); }

  absl::Status LoadText(std::string_view text) {
    std::ofstream(path_) << text;
    server_.Clear();
    return Load(path_.string(), server_);
  }

  const std::filesystem::path path_;
  Server server_;
};

TEST_F(ConfigTest, Loads) {
  ASSERT_THAT(LoadText("# A comment.\nlisten_address: \"127.0.0.1:1\"\nlimits { threads: 3 }\n"),
              IsOk());
  EXPECT_EQ(server_.listen_address(), "127.0.0.1:1");
  EXPECT_EQ(server_.limits().threads(), 3);
}

// Callers keep references to the parts of their configuration.
TEST_F(ConfigTest, KeepsItsPartsWhereTheyAre) {
  const Limits& limits = *server_.mutable_limits();
  std::ofstream(path_) << "limits { threads: 3 }";
  ASSERT_THAT(Load(path_.string(), server_), IsOk());
  EXPECT_EQ(&limits, &server_.limits());
  EXPECT_EQ(limits.threads(), 3);
}

TEST_F(ConfigTest, RefusesWhatItDoesNotKnowWithThePlace) {
  const absl::Status unknown = LoadText("log_level: \"info\"\n  listen_adress: \"x\"\n");
  EXPECT_THAT(unknown, HasReason("FIELD_INVALID"));
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("line 2"));
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("listen_adress"));
  EXPECT_THAT(std::string(unknown.message()), HasSubstr(path_.string()));
  EXPECT_THAT(LoadText("limits { threads: \"many\" }"), HasReason("FIELD_INVALID"));
  EXPECT_THAT(LoadText("limits { threads: 99999999999 }"), HasReason("FIELD_INVALID"));
  EXPECT_THAT(LoadText("limits { threads: 1"), HasReason("FIELD_INVALID"));
  EXPECT_THAT(LoadText("log_level: \"a\" log_level: \"b\""), HasReason("FIELD_INVALID"));
}

TEST_F(ConfigTest, ChecksWhatEveryServerNeeds) {
  // A file that is there; what is in it is for others to judge.
  std::ofstream(path_) << std::string(32, 'k');
  Server good;
  good.set_listen_address("127.0.0.1:1");
  good.set_metrics_address("127.0.0.1:2");
  good.set_time_zone("America/Chicago");
  good.set_page_token_key_file(path_.string());
  good.mutable_database()->set_conninfo("dbname=edcert");
  good.mutable_auth()->set_issuer("https://issuer.invalid");
  good.mutable_auth()->set_audience("edcert");
  good.mutable_auth()->set_user_keys_file(path_.string());
  good.mutable_auth()->set_service_keys_file(path_.string());
  good.mutable_auth()->set_service_key_file(path_.string());
  good.mutable_auth()->set_service_name("services/dataset");
  Peer* peer = good.add_peers();
  peer->set_service("event_registry");
  peer->set_address("127.0.0.1:3");
  const std::vector<std::string> peers = {"event_registry"};
  ASSERT_THAT(Check(good, peers), IsOk());

  const std::vector<std::pair<std::string, std::function<void(Server&)>>> faults = {
      {"server.listen_address", [](Server& s) { s.clear_listen_address(); }},
      {"server.metrics_address", [](Server& s) { s.clear_metrics_address(); }},
      {"server.database.conninfo", [](Server& s) { s.clear_database(); }},
      {"server.time_zone", [](Server& s) { s.clear_time_zone(); }},
      {"server.time_zone", [](Server& s) { s.set_time_zone("America/Gotham"); }},
      {"server.page_token_key_file", [](Server& s) { s.clear_page_token_key_file(); }},
      {"server.page_token_key_file", [](Server& s) { s.set_page_token_key_file("/nowhere"); }},
      {"server.page_token_key_file", [](Server& s) { s.set_page_token_key_file("/dev/null"); }},
      {"server.redis.password_file", [](Server& s) { s.mutable_redis()->set_user("edcert"); }},
      {"server.redis.password_file",
       [](Server& s) { s.mutable_redis()->set_password_file("/nowhere"); }},
      {"server.auth.issuer", [](Server& s) { s.mutable_auth()->clear_issuer(); }},
      {"server.auth.audience", [](Server& s) { s.mutable_auth()->clear_audience(); }},
      {"server.auth.user_keys_file", [](Server& s) { s.mutable_auth()->clear_user_keys_file(); }},
      {"server.auth.service_keys_file",
       [](Server& s) { s.mutable_auth()->set_service_keys_file("/nowhere"); }},
      {"server.auth.service_key_file",
       [](Server& s) { s.mutable_auth()->clear_service_key_file(); }},
      {"server.auth.service_name", [](Server& s) { s.mutable_auth()->clear_service_name(); }},
      {"server.limits.threads", [](Server& s) { s.mutable_limits()->set_threads(257); }},
      {"server.limits.workers", [](Server& s) { s.mutable_limits()->set_workers(-1); }},
      {"server.limits.uploads_per_caller",
       [](Server& s) { s.mutable_limits()->set_uploads_per_caller(65); }},
      {"server.peers", [](Server& s) { s.clear_peers(); }},
      {"server.peers", [](Server& s) { s.mutable_peers(0)->clear_address(); }},
  };
  for (const auto& [field, spoil] : faults) {
    Server bad = good;
    spoil(bad);
    const absl::Status refused = Check(bad, peers);
    EXPECT_THAT(refused, HasReason("FIELD_INVALID")) << field;
    EXPECT_EQ(status::MetadataOf(refused, "field"), field);
  }
}

TEST_F(ConfigTest, RefusesWhatCannotBeRead) {
  EXPECT_THAT(Load("/nowhere/at/all", server_), HasReason("FIELD_INVALID"));
  EXPECT_THAT(Load(std::filesystem::temp_directory_path().string(), server_),
              HasReason("FIELD_INVALID"));
}

TEST_F(ConfigTest, ReadsSecretsWithoutTheirNewline) {
  std::ofstream(path_) << "  se\ncret \r\n\n";
  EXPECT_EQ(*ReadFile(path_.string()), "  se\ncret ");
  std::ofstream(path_) << "";
  EXPECT_EQ(*ReadFile(path_.string()), "");
}

}  // namespace
}  // namespace edcert::config
