#include "services/validation_report/finding.h"

#include <fmt/format.h>

#include <array>

#include "absl/strings/escaping.h"

namespace edcert::validation_report {
namespace {

// Length first, so that no two lists of parts read alike.
void AppendPart(std::string& bytes, std::string_view part) {
  bytes += fmt::format("{}:", part.size());
  bytes += part;
}

}  // namespace

std::string_view ToString(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "PASS";
    case Outcome::kFail:
      return "FAIL";
    case Outcome::kError:
      break;
  }
  return "ERROR";
}

Sha256::Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}

void Sha256::Add(std::string_view bytes) {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string Sha256::Hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int length = 0;
  EVP_DigestFinal_ex(context_.get(), digest.data(), &length);
  return fmt::format("{:02x}", fmt::join(digest.begin(), digest.begin() + length, ""));
}

std::string FingerprintOf(std::string_view rule_code, std::string_view organization,
                          std::string_view record_key, const std::vector<std::string>& fields) {
  std::string bytes;
  AppendPart(bytes, rule_code);
  AppendPart(bytes, organization);
  AppendPart(bytes, record_key);
  for (const std::string& field : fields) AppendPart(bytes, field);
  Sha256 digest;
  digest.Add(bytes);
  return digest.Hex();
}

std::string FingerprintOfError(std::string_view group_id) {
  Sha256 digest;
  digest.Add(absl::HexStringToBytes(absl::string_view(group_id.data(), group_id.size())));
  return digest.Hex();
}

}  // namespace edcert::validation_report
