#include "services/dataset/standing_records.h"

#include <endian.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

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
  records_.clear();
  records_.reserve(static_cast<std::size_t>(records));
}

void StandingRecords::Add(std::string_view place, std::string_view row_hash) {
  CHECK(place.size() == kPlace);
  Record record;
  std::memcpy(&record.block, place.data(), sizeof(record.block));
  std::memcpy(&record.item, place.data() + sizeof(record.block), sizeof(record.item));
  records_.try_emplace(KeyOf(row_hash), record);
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
  const auto found = records_.find(key);
  if (found == records_.end() || found->second.line != kNotBrought) return false;
  constexpr int64_t kLast = std::numeric_limits<uint32_t>::max();
  found->second.line = static_cast<uint32_t>(std::min(line, kLast));
  ++brought_;
  return true;
}

std::optional<int64_t> StandingRecords::TakeBack(std::string_view row_hash) {
  const auto found = records_.find(KeyOf(row_hash));
  if (found == records_.end() || found->second.line == kNotBrought) return std::nullopt;
  --brought_;
  return std::exchange(found->second.line, kNotBrought);
}

StandingRecords::Rest StandingRecords::NotBrought() const {
  Rest rest;
  for (const auto& [key, record] : records_) {
    if (record.line != kNotBrought) continue;
    rest.places.push_back(fmt::format("({},{})", be32toh(record.block), be16toh(record.item)));
    rest.prefixes.push_back(
        absl::BytesToHexString({reinterpret_cast<const char*>(key.parts), kPrefix}));
  }
  return rest;
}

}  // namespace edcert::dataset
