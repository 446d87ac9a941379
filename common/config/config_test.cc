#include "common/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/config/server.pb.h"
#include "common/ids/ids.h"
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
