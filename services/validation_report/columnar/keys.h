// Keys of rows: the values of some columns as one number, equal exactly when the values are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "services/validation_report/columnar/table.h"

namespace edcert::validation_report::columnar {

// Of a row without a key: one of its values is NULL, or the other side has no such value.
inline constexpr uint64_t kNoKey = ~uint64_t{0};

// Numbers for keys, from 0 on in the order in which they come.
class KeyNumbers {
 public:
  explicit KeyNumbers(std::size_t expected);
  // Replaces each key by its number. `add`: a key that is new gets the next one; else kNoKey.
  void Number(std::vector<uint64_t>& keys, bool add);
  uint64_t count() const { return count_; }

 private:
  struct Slot {
    uint64_t key = kNoKey;
    uint64_t number = 0;
  };
  void Grow();
  std::vector<Slot> slots_;
  uint64_t count_ = 0;
};

// For each word of one column its place in another, or kNoKey.
using Translation = std::vector<uint64_t>;

// The translations of one evaluation, each made once.
class Translations {
 public:
  const Translation& Get(const Column& from, const Column& to);

 private:
  std::map<std::pair<const Column*, const Column*>, Translation> made_;
};

// How the values of some columns become keys, and those of other columns with the same meaning.
class KeySpace {
 public:
  // Nothing when a column has values that this cannot number (quotients).
  static std::optional<KeySpace> Of(std::vector<const Column*> columns, std::size_t rows,
                                    bool null_is_value);

  // The keys of all rows, below 2^bits().
  const std::vector<uint64_t>& keys() const { return keys_; }
  int bits() const { return bits_; }
  // The keys of rows of other columns, one for each of these. Nothing when the types do not fit.
  std::optional<std::vector<uint64_t>> KeysOf(const std::vector<const Column*>& others,
                                              std::size_t rows, Translations& translations);

 private:
  struct Part {
    const Column* column;
    int64_t base = 0;
    int bits = 0;
    // What came before was numbered anew, to make place for this one.
    std::optional<KeyNumbers> renumbered;
  };
  std::vector<Part> parts_;
  std::vector<uint64_t> keys_;
  int bits_ = 0;
};

// The rows whose key another row has too, in ascending order.
std::vector<uint32_t> RepeatedRows(const std::vector<uint64_t>& keys);

}  // namespace edcert::validation_report::columnar
