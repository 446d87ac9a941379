#include "common/paging/paging.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "common/ids/ids.h"
#include "common/paging/page.pb.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace edcert::paging {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kVersion = 2;
constexpr std::size_t kMacSize = 16;
// About the years 1 to 3938, which PostgreSQL can store.
constexpr int64_t kMaxMicros = int64_t{62'135'596'800} * 1'000'000;

const FieldDescriptor* Field(const Message& request, const char* name) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName(name);
  CHECK(field != nullptr);
  return field;
}

thread_local std::string_view scope_secret;
thread_local std::string_view scope_caller;

// So that no two lists of parts have the same bytes.
void AppendPart(std::string& bytes, std::string_view part) {
  bytes += std::to_string(part.size());
  bytes += ':';
  bytes += part;
}

std::string CanonicalRequest(const Message& request) {
  const std::unique_ptr<Message> copy(request.New());
  copy->CopyFrom(request);
  copy->GetReflection()->ClearField(copy.get(), Field(request, "page_size"));
  copy->GetReflection()->ClearField(copy.get(), Field(request, "page_token"));
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    copy->SerializeToCodedStream(&coded);
  }
  return bytes;
}

std::string MacOf(const Message& request, const Token& token) {
  CHECK(!scope_secret.empty() && !scope_caller.empty());
  std::string bytes;
  AppendPart(bytes, scope_caller);
  AppendPart(bytes, request.GetDescriptor()->full_name());
  AppendPart(bytes, CanonicalRequest(request));
  for (const std::string& column : token.key()) AppendPart(bytes, column);
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac;
  unsigned int size = 0;
  CHECK(HMAC(EVP_sha256(), scope_secret.data(), static_cast<int>(scope_secret.size()),
             reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), mac.data(),
             &size) != nullptr);
  CHECK(size >= kMacSize);
  return {mac.begin(), mac.begin() + kMacSize};
}

bool IsOurs(const Message& request, const Token& token) {
  const std::string mac = MacOf(request, token);
  return token.mac().size() == mac.size() &&
         CRYPTO_memcmp(token.mac().data(), mac.data(), mac.size()) == 0;
}

}  // namespace

CallerScope::CallerScope(std::string_view secret, std::string_view caller) {
  scope_secret = secret;
  scope_caller = caller;
}

CallerScope::~CallerScope() {
  scope_secret = {};
  scope_caller = {};
}

absl::StatusOr<int64_t> Page::IntKey(std::size_t i) const {
  int64_t value = 0;
  if (i < key.size() && (!absl::SimpleAtoi(key[i], &value) || value < 0)) {
    return status::PageTokenInvalid();
  }
  return value;
}

absl::StatusOr<std::string> Page::UuidKey(std::size_t i) const {
  if (i < key.size() && !ids::IsUuid(key[i])) return status::PageTokenInvalid();
  return Key(i);
}

absl::StatusOr<std::optional<absl::Time>> Page::TimeKey(std::size_t i) const {
  if (i >= key.size()) return std::nullopt;
  int64_t micros = 0;
  if (!absl::SimpleAtoi(key[i], &micros) || micros < -kMaxMicros || micros > kMaxMicros) {
    return status::PageTokenInvalid();
  }
  return absl::FromUnixMicros(micros);
}

std::string TimeText(absl::Time time) { return std::to_string(absl::ToUnixMicros(time)); }

absl::StatusOr<Page> Read(const Message& request, std::size_t key_columns) {
  const auto* reflection = request.GetReflection();
  Page page;
  const int32_t size = reflection->GetInt32(request, Field(request, "page_size"));
  if (size < 0) return status::FieldInvalid("page_size", "must not be negative");
  if (size > 0) page.size = std::min(size, kMaxPageSize);
  const std::string token = reflection->GetString(request, Field(request, "page_token"));
  if (token.empty()) return page;
  std::string bytes;
  Token decoded;
  if (!absl::WebSafeBase64Unescape(token, &bytes) || !decoded.ParseFromString(bytes) ||
      decoded.version() != kVersion ||
      static_cast<std::size_t>(decoded.key_size()) != key_columns || !IsOurs(request, decoded)) {
    return status::PageTokenInvalid();
  }
  page.key.assign(decoded.key().begin(), decoded.key().end());
  return page;
}

std::string NextToken(const Message& request, const std::vector<std::string>& key) {
  Token token;
  token.set_version(kVersion);
  for (const std::string& column : key) token.add_key(column);
  token.set_mac(MacOf(request, token));
  return absl::WebSafeBase64Escape(token.SerializeAsString());
}

}  // namespace edcert::paging
