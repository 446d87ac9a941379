// Keys of rows: the values of some columns as one number, equal exactly when the values are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
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
  // Makes the keys of all rows. Nothing when a column has values that this cannot number
  // (quotients).
  static std::optional<KeySpace> Of(const std::vector<const Column*>& columns, std::size_t rows,
                                    bool null_is_value, std::vector<uint64_t>& keys);

  // Makes the keys of rows of other columns, one for each of these. False when the types do not
  // fit.
  bool KeysOf(const std::vector<const Column*>& others, std::size_t rows,
              Translations& translations, std::vector<uint64_t>& keys);

 private:
  struct Part {
    const Column* column;
    int64_t base = 0;
    int bits = 0;
    // What came before was numbered anew, to make place for this one.
    std::optional<KeyNumbers> renumbered;
  };
  std::vector<Part> parts_;
  int bits_ = 0;  // keys are below 2^bits_
};

// Compares the keys of many rows. Keeps its memory from one call to the next: to touch new pages
// takes longer than all the rest.
class KeyMatcher {
 public:
  KeyMatcher();
  ~KeyMatcher();
  KeyMatcher(const KeyMatcher&) = delete;
  KeyMatcher& operator=(const KeyMatcher&) = delete;

  // The rows whose key another row has too, in ascending order.
  std::vector<uint32_t> RepeatedRows(const std::vector<uint64_t>& keys);
  // For each of `keys` 1 when it is among `others`, else 0. kNoKey never is.
  void Find(const std::vector<uint64_t>& keys, const std::vector<uint64_t>& others,
            std::vector<uint8_t>& found);

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
};

}  // namespace edcert::validation_report::columnar
