// What running rules over records gives.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace edcert::validation_report {

// Findings kept per rule; what is found beyond is counted only.
inline constexpr int64_t kMaxStoredPerRule = 10'000;
// Findings kept per report; where there are more, the rules that found most keep fewer.
inline constexpr int64_t kMaxStoredPerReport = 200'000;

// What became of a finding since the run before; the numbers are those of the wire.
enum class FindingChange { kNew = 1, kOpen, kRegressed, kFixed, kUnknown };
inline constexpr std::size_t kChangeCount = 5;

// How many findings are what; FIXED ones are none of this run's.
class ChangeCounts {
 public:
  int64_t& operator[](FindingChange change) {
    return counts_.at(static_cast<std::size_t>(change) - 1);
  }
  int64_t operator[](FindingChange change) const {
    return counts_.at(static_cast<std::size_t>(change) - 1);
  }
  ChangeCounts& operator+=(const ChangeCounts& other) {
    for (std::size_t i = 0; i < kChangeCount; ++i) counts_.at(i) += other.counts_.at(i);
    return *this;
  }
  // In the order of the numbers.
  const std::array<int64_t, kChangeCount>& numbers() const { return counts_; }

 private:
  std::array<int64_t, kChangeCount> counts_ = {};
};

// Hex digits of the id of a group of findings.
inline constexpr std::size_t kGroupIdSize = 32;

// One bad record, or group of records.
struct Finding {
  std::string record_key = {};
  std::string school = {};                         // id; empty when it has none
  std::map<std::string, std::string> fields = {};  // the rule's fields
  std::string message = {};
  std::string fingerprint = {};  // hex
  FindingChange change = FindingChange::kUnknown;
  std::size_t group = 0;  // place among the groups of its rule
};

// Findings of a rule that probably have one cause.
struct FindingGroup {
  std::string id = {};                            // hex, the same in every run
  std::map<std::string, std::string> cause = {};  // values by column; empty when there is none
  std::string description = {};                   // the same for a person
  int64_t size = 0;                               // stored findings
  ChangeCounts changes = {};
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
  std::vector<FindingGroup> groups = {};        // each stored finding is in one
  ChangeCounts changes = {};                    // what is not stored is UNKNOWN

  bool truncated() const { return findings > static_cast<int64_t>(stored.size()); }
};

// The identity of a finding across runs: SHA-256, hex, over the rule's code, the organisation, the
// record and the names of the fields. Values are no part of it: a figure that is still wrong is
// still the same finding.
std::string FingerprintOf(std::string_view rule_code, std::string_view organization,
                          std::string_view record_key, const std::vector<std::string>& fields);

// The same for a rule that could not be run: of its group, hex.
std::string FingerprintOfError(std::string_view group_id);

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
