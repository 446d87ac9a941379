#include "common/ids/ids.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cctype>

#include "common/status/macros.h"

namespace edcert::ids {
namespace {

std::string Format(const std::array<unsigned char, 16>& bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[bytes[i] >> 4];
    text += kHex[bytes[i] & 15];
  }
  return text;
}

void SetVersion(std::array<unsigned char, 16>& bytes, unsigned version) {
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | (version << 4));
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
}

class RealIdSource final : public IdSource {
 public:
  std::string NewId() const override {
    std::array<unsigned char, 16> bytes;
    CHECK(RAND_bytes(bytes.data(), bytes.size()) == 1);
    const auto millis = absl::ToUnixMillis(clock::Clock::Real().Now());
    for (int i = 0; i < 6; ++i) {
      bytes[static_cast<std::size_t>(i)] = static_cast<unsigned char>(millis >> (8 * (5 - i)));
    }
    SetVersion(bytes, 7);
    return Format(bytes);
  }
};

}  // namespace

const IdSource& IdSource::Real() {
  static const RealIdSource source;
  return source;
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0)
      return false;
  }
  return true;
}

std::string DerivedId(std::string_view seed, std::string_view purpose) {
  const std::string input = std::string(seed) + '\0' + std::string(purpose);
  std::array<unsigned char, 32> hash;
  CHECK(EVP_Digest(input.data(), input.size(), hash.data(), nullptr, EVP_sha256(), nullptr) == 1);
  std::array<unsigned char, 16> bytes;
  std::copy_n(hash.begin(), bytes.size(), bytes.begin());
  SetVersion(bytes, 8);
  return Format(bytes);
}

}  // namespace edcert::ids
