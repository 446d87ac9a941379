#include "common/paging/paging.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
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

constexpr int kVersion = 1;
// About the years 1 to 3938, which PostgreSQL can store.
constexpr int64_t kMaxMicros = int64_t{62'135'596'800} * 1'000'000;

const FieldDescriptor* Field(const Message& request, const char* name) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName(name);
  CHECK(field != nullptr);
  return field;
}

uint64_t HashOf(const Message& request) {
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
  bytes += request.GetDescriptor()->full_name();
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace

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
      decoded.version() != kVersion || decoded.parameters() != HashOf(request) ||
      static_cast<std::size_t>(decoded.key_size()) != key_columns) {
    return status::PageTokenInvalid();
  }
  page.key.assign(decoded.key().begin(), decoded.key().end());
  return page;
}

std::string NextToken(const Message& request, const std::vector<std::string>& key) {
  Token token;
  token.set_version(kVersion);
  token.set_parameters(HashOf(request));
  for (const std::string& column : key) token.add_key(column);
  return absl::WebSafeBase64Escape(token.SerializeAsString());
}

}  // namespace edcert::paging
