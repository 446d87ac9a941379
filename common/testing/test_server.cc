#include "common/testing/test_server.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/escaping.h"
#include "common/auth/auth.h"
#include "common/status/macros.h"

namespace edcert::testing {
namespace {

constexpr char kIssuer[] = "https://test.edcert.invalid";
constexpr char kAudience[] = "edcert";
constexpr char kCaller[] = "services/caller";

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

std::string Base64Url(std::string_view bytes) {
  return absl::WebSafeBase64Escape(absl::string_view(bytes.data(), bytes.size()));
}

std::string PrivatePem(EVP_PKEY* key) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  CHECK(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string JwkSet(const std::vector<const TestKey*>& keys) {
  std::string set;
  for (const TestKey* key : keys) set += (set.empty() ? "" : ",") + key->Jwk();
  return fmt::format(R"({{"keys":[{}]}})", set);
}

template <typename T>
T ValueOrDie(absl::StatusOr<T> value) {
  if (!value.ok()) std::fprintf(stderr, "%s\n", value.status().ToString().c_str());
  CHECK(value.ok());
  return *std::move(value);
}

}  // namespace

TestFolder::TestFolder() {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("edcert_test_" + ids::IdSource::Real().NewId());
  CHECK(std::filesystem::create_directory(path));
  path_ = path.string();
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TestFolder::Path(std::string_view file) const {
  return (std::filesystem::path(path_) / file).string();
}

std::string TestFolder::Write(std::string_view file, std::string_view content) const {
  const std::string path = Path(file);
  std::ofstream(path) << content;
  return path;
}

TestKey::TestKey(std::string kid) : kid_(std::move(kid)) {
  const KeyPtr key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  CHECK(key != nullptr);
  private_pem_ = PrivatePem(key.get());
  std::array<unsigned char, 65> point;  // 04 || x || y
  std::size_t size = 0;
  CHECK(EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                        point.size(), &size) == 1);
  CHECK(size == point.size() && point[0] == 4);
  const std::string bytes(point.begin(), point.end());
  x_ = Base64Url(bytes.substr(1, 32));
  y_ = Base64Url(bytes.substr(33, 32));
}

std::string TestKey::Jwk() const {
  return fmt::format(R"({{"kty":"EC","crv":"P-256","alg":"ES256","kid":"{}","x":"{}","y":"{}"}})",
                     kid_, x_, y_);
}

TestKeys::TestKeys(std::string_view service)
    : issuer_("users/test"),
      caller_(kCaller),
      own_(fmt::format("services/{}", service)),
      stranger_("users/test") {
  auth_.set_issuer(kIssuer);
  auth_.set_audience(kAudience);
  auth_.set_user_keys_file(folder_.Write("users.jwks", JwkSet({&issuer_})));
  auth_.set_service_keys_file(folder_.Write("services.jwks", JwkSet({&caller_, &own_})));
  auth_.set_service_key_file(folder_.Write("own.pem", own_.private_pem()));
  auth_.set_service_name(own_.kid());
  page_token_key_file_ = folder_.Write("page_tokens.key", std::string(32, 'k'));
}

config::Auth TestKeys::Auth() const { return auth_; }

std::string TestKeys::Sign(const TestKey& key, std::string_view subject, std::string_view issuer,
                           absl::Duration lifetime) const {
  const auth::Claims claims{.subject = std::string(subject),
                            .issuer = std::string(issuer),
                            .audience = kAudience,
                            .kid = key.kid(),
                            .lifetime = lifetime};
  return "Bearer " +
         ValueOrDie(auth::SignToken(claims, key.private_pem(), clock::Clock::Real().Now()));
}

std::string TestKeys::UserToken(std::string_view user, absl::Duration lifetime) const {
  return Sign(issuer_, user, kIssuer, lifetime);
}

std::string TestKeys::ForgedToken(std::string_view user) const {
  return Sign(stranger_, user, kIssuer, absl::Minutes(10));
}

std::string TestKeys::ServiceToken() const {
  return Sign(caller_, kCaller, kCaller, absl::Minutes(10));
}

TestServer::TestServer(const Options& options)
    : options_(options), keys_(options.service), database_(options.schema, options.migrations) {
  config::Server config;
  config.set_listen_address("127.0.0.1:0");
  config.mutable_database()->set_conninfo(database_.conninfo());
  *config.mutable_auth() = keys_.Auth();
  config.mutable_limits()->set_threads(options.threads);
  config.mutable_limits()->set_queue_length(options.queue_length);
  config.mutable_limits()->set_transfer_threads(options.transfer_threads);
  config.set_time_zone(options.time_zone);
  config.set_page_token_key_file(keys_.page_token_key_file());
  for (const auto& [service, address] : options.peers) {
    config::Peer& peer = *config.add_peers();
    peer.set_service(service);
    peer.set_address(address);
  }
  runtime_ = ValueOrDie(rpc::Runtime::Make(config, options.clock, ids::IdSource::Real()));
}

TestServer::~TestServer() { Stop(); }

void TestServer::Stop() {
  channel_.reset();
  if (server_ != nullptr) server_->Shutdown();
  server_.reset();
}

void TestServer::Serve(grpc::Service& service, const std::string& full_name) {
  const auto* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(full_name);
  CHECK(descriptor != nullptr);
  runtime_->AddService(descriptor);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  server_ = builder.BuildAndStart();
  CHECK(server_ != nullptr && port != 0);
  channel_ =
      grpc::CreateChannel(fmt::format("127.0.0.1:{}", port), grpc::InsecureChannelCredentials());
}

void TestServer::CallAs(grpc::ClientContext& context, std::string_view user) const {
  if (!user.empty()) context.AddMetadata("authorization", keys_.UserToken(user));
  context.set_deadline(absl::ToChronoTime(clock::Clock::Real().Now() + absl::Seconds(20)));
}

void TestServer::CallAsService(grpc::ClientContext& context) const {
  CallAs(context, "");
  context.AddMetadata("x-service-authorization", keys_.ServiceToken());
}

int64_t TestServer::CountRows(std::string_view table) {
  pg::Database db = database_.db();
  return ValueOrDie(
             db.RunText(fmt::format("SELECT count(*) AS n FROM {}.{}", options_.schema, table)))[0]
      .Int("n");
}

}  // namespace edcert::testing
