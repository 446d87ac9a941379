#include "common/config/config.h"

#include <fmt/format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::config {
namespace {

class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    if (text_.empty()) text_ = fmt::format("line {}, column {}: {}", line + 1, column + 1, message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

constexpr std::size_t kMinSecret = 32;

absl::Status Required(std::string_view field, const std::string& value) {
  return value.empty() ? status::FieldInvalid(field, "required") : absl::OkStatus();
}

absl::Status Between(std::string_view field, int value, int max) {
  if (value >= 0 && value <= max) return absl::OkStatus();
  return status::FieldInvalid(field, fmt::format("must be 0 to {}", max));
}

absl::Status CheckFile(std::string_view field, const std::string& path) {
  RETURN_IF_ERROR(Required(field, path));
  const absl::StatusOr<std::string> content = ReadFile(path);
  if (content.ok()) return absl::OkStatus();
  return status::FieldInvalid(field, std::string(content.status().message()));
}

absl::Status CheckAuth(const Auth& auth) {
  RETURN_IF_ERROR(Required("server.auth.issuer", auth.issuer()));
  RETURN_IF_ERROR(Required("server.auth.audience", auth.audience()));
  RETURN_IF_ERROR(Required("server.auth.service_name", auth.service_name()));
  RETURN_IF_ERROR(CheckFile("server.auth.user_keys_file", auth.user_keys_file()));
  RETURN_IF_ERROR(CheckFile("server.auth.service_keys_file", auth.service_keys_file()));
  return CheckFile("server.auth.service_key_file", auth.service_key_file());
}

absl::Status CheckLimits(const Limits& limits) {
  RETURN_IF_ERROR(Between("server.limits.threads", limits.threads(), 256));
  RETURN_IF_ERROR(Between("server.limits.transfer_threads", limits.transfer_threads(), 64));
  RETURN_IF_ERROR(Between("server.limits.queue_length", limits.queue_length(), 1'000'000));
  RETURN_IF_ERROR(Between("server.limits.workers", limits.workers(), 64));
  return Between("server.limits.uploads_per_caller", limits.uploads_per_caller(), 64);
}

absl::Status CheckPeers(const Server& server, std::span<const std::string> peers) {
  for (const std::string& name : peers) {
    const auto is_it = [&name](const Peer& peer) {
      return peer.service() == name && !peer.address().empty();
    };
    if (std::none_of(server.peers().begin(), server.peers().end(), is_it)) {
      return status::FieldInvalid("server.peers", fmt::format("no address of {}", name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return status::FieldInvalid(path, "is a directory");
  }
  std::ifstream file(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return status::FieldInvalid(path, "cannot be read");
  while (!content.empty() && (content.back() == '\n' || content.back() == '\r')) content.pop_back();
  return content;
}

absl::Status Load(const std::string& path, google::protobuf::Message& config) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  const std::unique_ptr<google::protobuf::Message> parsed(config.New());
  if (!parser.ParseFromString(text, parsed.get())) return status::FieldInvalid(path, error.text());
  // Merging keeps the sub-messages where they are; parsing would free what callers point at. Not
  // merging of text, which takes a field that is given twice.
  config.MergeFrom(*parsed);
  return absl::OkStatus();
}

absl::StatusOr<absl::TimeZone> ZoneOf(const Server& server) {
  RETURN_IF_ERROR(Required("server.time_zone", server.time_zone()));
  absl::TimeZone zone;
  if (absl::LoadTimeZone(server.time_zone(), &zone)) return zone;
  return status::FieldInvalid("server.time_zone",
                              fmt::format("this machine knows no {}", server.time_zone()));
}

absl::Status Check(const Server& server, std::span<const std::string> peers) {
  RETURN_IF_ERROR(Required("server.listen_address", server.listen_address()));
  RETURN_IF_ERROR(Required("server.metrics_address", server.metrics_address()));
  RETURN_IF_ERROR(Required("server.database.conninfo", server.database().conninfo()));
  RETURN_IF_ERROR(ZoneOf(server).status());
  RETURN_IF_ERROR(CheckFile("server.page_token_key_file", server.page_token_key_file()));
  ASSIGN_OR_RETURN(const std::string secret, ReadFile(server.page_token_key_file()));
  if (secret.size() < kMinSecret) {
    return status::FieldInvalid("server.page_token_key_file",
                                fmt::format("must hold at least {} bytes", kMinSecret));
  }
  if (!server.redis().password_file().empty()) {
    RETURN_IF_ERROR(CheckFile("server.redis.password_file", server.redis().password_file()));
  }
  if (!server.redis().user().empty() && server.redis().password_file().empty()) {
    return status::FieldInvalid("server.redis.password_file", "required with a user");
  }
  RETURN_IF_ERROR(CheckAuth(server.auth()));
  RETURN_IF_ERROR(CheckLimits(server.limits()));
  return CheckPeers(server, peers);
}

}  // namespace edcert::config
