#include "services/dataset/standing_records.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "absl/strings/escaping.h"
#include "common/status/macros.h"

namespace edcert::dataset {

StandingRecords::Key StandingRecords::KeyOf(std::string_view row_hash) {
  CHECK(row_hash.size() >= kPrefix);
  Key key;
  std::memcpy(key.parts, row_hash.data(), kPrefix);
  return key;
}

void StandingRecords::Forget() {
  *this = StandingRecords();
  remembers_ = false;
}

void StandingRecords::Know(int64_t version, int64_t records) {
  version_ = version;
  lines_.clear();
  lines_.reserve(static_cast<std::size_t>(records));
}

void StandingRecords::BringStaged() {
  remembers_ = false;
  for (const auto& [key, line] : std::exchange(remembered_, {})) {
    if (Bring(key, line)) staged_lines_.push_back(line);
  }
}

bool StandingRecords::Bring(std::string_view row_hash, int64_t line) {
  const Key key = KeyOf(row_hash);
  if (remembers_) remembered_.emplace_back(key, line);
  return Bring(key, line);
}

bool StandingRecords::Bring(const Key& key, int64_t line) {
  const auto found = lines_.find(key);
  if (found == lines_.end() || found->second != kNotBrought) return false;
  constexpr int64_t kLast = std::numeric_limits<uint32_t>::max();
  found->second = static_cast<uint32_t>(std::min(line, kLast));
  ++brought_;
  return true;
}

std::optional<int64_t> StandingRecords::TakeBack(std::string_view row_hash) {
  const auto found = lines_.find(KeyOf(row_hash));
  if (found == lines_.end() || found->second == kNotBrought) return std::nullopt;
  const int64_t line = found->second;
  found->second = kNotBrought;
  --brought_;
  return line;
}

std::vector<std::string> StandingRecords::NotBrought() const {
  std::vector<std::string> prefixes;
  for (const auto& [key, line] : lines_) {
    if (line != kNotBrought) continue;
    prefixes.push_back(absl::BytesToHexString({reinterpret_cast<const char*>(key.parts), kPrefix}));
  }
  return prefixes;
}

}  // namespace edcert::dataset
