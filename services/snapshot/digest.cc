#include "services/snapshot/digest.h"

#include <array>

#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::snapshot {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kDatasetPrefix =
    "\x02"
    "edcert dataset v1"sv;
constexpr std::string_view kRootPrefix =
    "\x03"
    "edcert snapshot v1"sv;
constexpr std::size_t kHashLength = 32;

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  CHECK(context_ != nullptr);
  CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256::Add(std::string_view bytes) {
  CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

void Sha256::AddUint32(uint32_t value) {
  std::array<char, 4> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(value >> (8 * (bytes.size() - 1 - i)));
  }
  Add({bytes.data(), bytes.size()});
}

void Sha256::AddUint64(uint64_t value) {
  AddUint32(static_cast<uint32_t>(value >> 32));
  AddUint32(static_cast<uint32_t>(value));
}

std::string Sha256::Finish() {
  std::string out(kHashLength, '\0');
  CHECK(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) ==
        1);
  return out;
}

DatasetDigest::DatasetDigest() { hash_.Add(kDatasetPrefix); }

absl::Status DatasetDigest::Add(std::string_view record_key, std::string_view row_hash) {
  if (rows_ > 0 && record_key <= last_key_) return status::Internal("record keys out of order");
  if (row_hash.size() != kHashLength) return status::Internal("row hash");
  hash_.AddUint32(static_cast<uint32_t>(record_key.size()));
  hash_.Add(record_key);
  hash_.Add(row_hash);
  last_key_.assign(record_key);
  ++rows_;
  return absl::OkStatus();
}

std::string RootOf(const std::vector<DataVersion>& versions) {
  Sha256 hash;
  hash.Add(kRootPrefix);
  hash.AddUint32(static_cast<uint32_t>(versions.size()));
  for (const DataVersion& version : versions) {
    hash.AddUint32(static_cast<uint32_t>(version.dataset.size()));
    hash.Add(version.dataset);
    hash.AddUint64(static_cast<uint64_t>(version.version));
    hash.AddUint64(static_cast<uint64_t>(version.rows));
    hash.Add(version.digest);
  }
  return hash.Finish();
}

}  // namespace edcert::snapshot
