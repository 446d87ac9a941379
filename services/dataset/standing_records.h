// Which records stand in a copy, by their hashes: what a batch brings again need not be staged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace edcert::dataset {

class StandingRecords {
 public:
  // Of so many records the memory is 58 MiB, and 6 MiB for what a batch brought before they were
  // known; a copy with more is not known.
  static constexpr int64_t kMost = (int64_t{1} << 21) / 8 * 7;

  // Until it is known what stands, what the batch brings is staged; it is remembered as long as
  // that may still be known.
  void Forget();
  // All records that stood at the version, but for those that went while they were read, are added.
  void Know(int64_t version, int64_t records);
  static constexpr std::size_t kPlace = 6;  // bytes
  // The place is where the row lies: a tid as a binary COPY gives it.
  void Add(std::string_view place, std::string_view row_hash);
  // After the last one: what was staged and stands is brought by it. See staged_lines.
  void BringStaged();

  // Says that the record is asked for soon: its place in memory is far from all others.
  void Prefetch(std::string_view row_hash) const { records_.prefetch(KeyOf(row_hash)); }
  // Whether the record stands and the batch did not bring it yet: then the line brings it.
  bool Bring(std::string_view row_hash, int64_t line);
  // Takes that back, because the record must be staged after all: the line that brought it, if any.
  std::optional<int64_t> TakeBack(std::string_view row_hash);

  bool known() const { return version_ != kUnknown; }
  // The version at which they were read; before all versions when nothing is known.
  int64_t version() const { return version_; }
  // How many the batch brought.
  int64_t brought() const { return brought_; }
  // The lines that brought some of them after they had been staged.
  const std::vector<int64_t>& staged_lines() const { return staged_lines_; }
  // Those that it did not bring, if any: where they lay, and the beginnings (16 bytes, hexadecimal)
  // of their hashes.
  struct Rest {
    std::vector<std::string> places;
    std::vector<std::string> prefixes;
  };
  Rest NotBrought() const;

 private:
  static constexpr std::size_t kPrefix = 16;
  // The beginning of a SHA-256, so much of it that nobody makes two records with the same one.
  struct Key {
    uint32_t parts[kPrefix / sizeof(uint32_t)];
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H state, const Key& key) {
      return H::combine(std::move(state), key.parts[0], key.parts[1]);
    }
  };
  static constexpr uint32_t kNotBrought = 0;
  struct Record {
    uint32_t block = 0;  // as it came: the first byte is the highest
    uint16_t item = 0;
    uint32_t line = kNotBrought;
  };
  static constexpr int64_t kUnknown = -1;
  static Key KeyOf(std::string_view row_hash);
  bool Bring(const Key& key, int64_t line);

  absl::flat_hash_map<Key, Record> records_;
  bool remembers_ = true;
  std::vector<std::pair<Key, int64_t>> remembered_;
  std::vector<int64_t> staged_lines_;
  int64_t version_ = kUnknown;
  int64_t brought_ = 0;
};

}  // namespace edcert::dataset
