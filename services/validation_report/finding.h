// What running rules over records gives.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace edcert::validation_report {

// Findings kept per rule; what is found beyond is counted only.
inline constexpr int64_t kMaxStoredPerRule = 10'000;
// Findings kept per report: with more than twenty rules each keeps its share.
inline constexpr int64_t kMaxStoredPerReport = 200'000;

// One bad record, or group of records.
struct Finding {
  std::string record_key = {};
  std::string school = {};                         // id; empty when it has none
  std::map<std::string, std::string> fields = {};  // the rule's fields
  std::string message = {};
  std::string fingerprint = {};  // hex
};

enum class Outcome { kPass, kFail, kError };
std::string_view ToString(Outcome outcome);

// What one rule gave.
struct RuleResult {
  Outcome outcome = Outcome::kPass;
  int64_t findings = 0;  // exact
  std::vector<Finding> stored = {};
  std::map<std::string, int64_t> schools = {};  // findings by school id, exact
  std::string error = {};                       // for a person, without data; only of kError

  bool truncated() const { return findings > static_cast<int64_t>(stored.size()); }
};

// The identity of a finding across runs: SHA-256, hex, over the rule's code, the organisation, the
// record and the names of the fields. Values are no part of it: a figure that is still wrong is
// still the same finding.
std::string FingerprintOf(std::string_view rule_code, std::string_view organization,
                          std::string_view record_key, const std::vector<std::string>& fields);

// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  void Add(std::string_view bytes);
  // Once, at the end.
  std::string Hex();

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace edcert::validation_report
