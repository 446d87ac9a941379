// Records as typed columns: what the columnar evaluator reads. Immutable once built.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace edcert::validation_report::columnar {

// PostgreSQL's types, as far as this evaluator knows them. kMidnight is a timestamp without a time
// of day: what a date and an interval of days and months give.
enum class Type { kBool, kInt4, kInt8, kNumeric, kFloat8, kText, kDate, kMidnight };

// Texts one after the other, by place.
class Words {
 public:
  // The bytes of all words together stay below this.
  static constexpr std::size_t kMaxBytes = 0xFFFF'0000;

  uint32_t size() const { return static_cast<uint32_t>(ends_.size()); }
  std::string_view operator[](std::size_t place) const {
    const std::size_t begin = place == 0 ? 0 : ends_[place - 1];
    return std::string_view(bytes_).substr(begin, ends_[place] - begin);
  }
  // False when it would be too much.
  bool Append(std::string_view word);
  std::size_t bytes() const { return bytes_.capacity() + ends_.capacity() * sizeof(uint32_t); }

 private:
  std::string bytes_;
  std::vector<uint32_t> ends_;
};

// Whole numbers, each as narrow as the widest of them needs.
class Numbers {
 public:
  Numbers() = default;
  explicit Numbers(const std::vector<int64_t>& values);

  int64_t operator[](std::size_t place) const {
    return std::visit([place](const auto& v) { return static_cast<int64_t>(v[place]); }, values_);
  }
  // `count` numbers from `begin` on.
  void Load(std::size_t begin, std::size_t count, int64_t* out) const;
  // The numbers at these places.
  void Gather(const uint32_t* places, std::size_t count, int64_t* out) const;
  // The vector of the narrow type, for loops that are worth one version a type.
  template <typename Visitor>
  decltype(auto) Visit(Visitor visitor) const {
    return std::visit(visitor, values_);
  }
  // 0 and 0 when there are none.
  int64_t min() const { return min_; }
  int64_t max() const { return max_; }
  std::size_t bytes() const;

 private:
  std::variant<std::vector<int8_t>, std::vector<int16_t>, std::vector<int32_t>,
               std::vector<int64_t>>
      values_;
  int64_t min_ = 0;
  int64_t max_ = 0;
};

// A number with a decimal point: `digits` / 10^scale, as PostgreSQL's numeric prints it.
struct Decimal {
  __int128 digits = 0;
  int scale = 0;
};

// One column. The value of a row that is NULL is 0; of a text it is the place behind the last word.
struct Column {
  Type type = Type::kText;
  // kNumeric: the numbers are values * 10^scale.
  int scale = 0;
  // kNumeric: not all values were written with `scale` digits, so their texts are not known.
  bool mixed_scales = false;
  // kText: places of `words`. Else the value: a truth as 0 or 1, a date as days since 2000-01-01.
  Numbers values;
  std::vector<uint8_t> nulls;  // 1 for NULL; empty when nothing is; never for kText
  Words words;                 // each once
  // kNumeric of quotients only: these are the values, each with its own scale.
  std::vector<Decimal> decimals;

  bool IsNull(std::size_t row) const {
    if (type == Type::kText) return values[row] == words.size();
    return !nulls.empty() && nulls[row] != 0;
  }
  // As PostgreSQL casts it to text; empty for NULL.
  std::string TextAt(std::size_t row) const;
  std::size_t bytes() const;
};

struct Table {
  std::size_t rows = 0;
  std::map<std::string, Column, std::less<>> columns;
  Words keys;     // record_key
  Column school;  // the id of the record's school
  // Whether the database orders texts by their bytes.
  bool bytewise_order = false;

  const Column* Find(std::string_view name) const {
    const auto it = columns.find(name);
    return it == columns.end() ? nullptr : &it->second;
  }
  std::size_t bytes() const;
};

// Collects the values of one column.
class ColumnBuilder {
 public:
  explicit ColumnBuilder(Type type);

  void AddNull();
  // kBool, kInt4, kInt8, kDate, kMidnight.
  void AddNumber(int64_t value);
  // False when the digits do not fit.
  bool AddDecimal(const Decimal& value);
  // False when the words are too many.
  bool AddText(std::string_view word);
  // An estimate of what it holds, for limits while it grows.
  std::size_t bytes() const;
  // Once, at the end. Not when AddDecimal or AddText said false.
  Column Finish() &&;

 private:
  uint32_t PlaceOf(std::string_view word);
  void Grow();

  Column column_;
  std::vector<int64_t> values_;
  bool any_null_ = false;
  std::vector<uint32_t> slots_;  // kText: hash table of places + 1
};

// A whole number with its decimal point, such as "-1.50".
std::string TextOf(const Decimal& value);
// ISO 8601, such as "2026-02-28", of days since 2000-01-01.
std::string DateText(int64_t days);

// 10^0 to 10^18.
inline constexpr std::array<int64_t, 19> kPowersOfTen = [] {
  std::array<int64_t, 19> powers{};
  int64_t power = 1;
  for (std::size_t i = 0; i < powers.size(); ++i) {
    powers[i] = power;
    if (i + 1 < powers.size()) power *= 10;
  }
  return powers;
}();

}  // namespace edcert::validation_report::columnar
