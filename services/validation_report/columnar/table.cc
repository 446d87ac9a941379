#include "services/validation_report/columnar/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "absl/time/civil_time.h"

namespace edcert::validation_report::columnar {
namespace {

template <typename T>
std::vector<T> Narrow(const std::vector<int64_t>& values) {
  std::vector<T> narrow(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) narrow[i] = static_cast<T>(values[i]);
  return narrow;
}

template <typename T>
bool Fits(int64_t min, int64_t max) {
  return min >= std::numeric_limits<T>::min() && max <= std::numeric_limits<T>::max();
}

}  // namespace

bool Words::Append(std::string_view word) {
  if (bytes_.size() + word.size() > kMaxBytes) return false;
  bytes_ += word;
  ends_.push_back(static_cast<uint32_t>(bytes_.size()));
  return true;
}

Numbers::Numbers(const std::vector<int64_t>& values) {
  if (!values.empty()) {
    const auto [min, max] = std::minmax_element(values.begin(), values.end());
    min_ = *min;
    max_ = *max;
  }
  if (Fits<int8_t>(min_, max_)) {
    values_ = Narrow<int8_t>(values);
  } else if (Fits<int16_t>(min_, max_)) {
    values_ = Narrow<int16_t>(values);
  } else if (Fits<int32_t>(min_, max_)) {
    values_ = Narrow<int32_t>(values);
  } else {
    values_ = values;
  }
}

void Numbers::Load(std::size_t begin, std::size_t count, int64_t* out) const {
  std::visit(
      [=](const auto& values) {
        for (std::size_t i = 0; i < count; ++i) out[i] = values[begin + i];
      },
      values_);
}

void Numbers::Gather(const uint32_t* places, std::size_t count, int64_t* out) const {
  std::visit(
      [=](const auto& values) {
        for (std::size_t i = 0; i < count; ++i) out[i] = values[places[i]];
      },
      values_);
}

std::size_t Numbers::bytes() const {
  return std::visit([](const auto& v) { return v.capacity() * sizeof(v[0]); }, values_);
}

std::string Column::TextAt(std::size_t row) const {
  if (IsNull(row)) return "";
  const int64_t value = values[row];
  switch (type) {
    case Type::kBool:
      return value != 0 ? "true" : "false";
    case Type::kNumeric:
      return TextOf(decimals.empty() ? Decimal{value, scale} : decimals[row]);
    case Type::kText:
      return std::string(words[static_cast<std::size_t>(value)]);
    case Type::kDate:
      return DateText(value);
    case Type::kMidnight:
      return DateText(value) + " 00:00:00";
    case Type::kInt4:
    case Type::kInt8:
    case Type::kFloat8:
      break;
  }
  return std::to_string(value);
}

std::size_t Column::bytes() const {
  return values.bytes() + nulls.capacity() + words.bytes() + decimals.capacity() * sizeof(Decimal);
}

std::size_t Table::bytes() const {
  std::size_t sum = keys.bytes() + school.bytes();
  for (const auto& [name, column] : columns) sum += column.bytes();
  return sum;
}

ColumnBuilder::ColumnBuilder(Type type) {
  column_.type = type;
  if (type == Type::kText) slots_.resize(64);
}

void ColumnBuilder::AddNull() {
  any_null_ = true;
  if (column_.type == Type::kText) {
    values_.push_back(-1);  // the place behind the last word is not known yet
    return;
  }
  values_.push_back(0);
  column_.nulls.resize(values_.size() - 1);
  column_.nulls.push_back(1);
}

void ColumnBuilder::AddNumber(int64_t value) { values_.push_back(value); }

bool ColumnBuilder::AddDecimal(const Decimal& value) {
  constexpr int kMaxScale = 18;
  Decimal number = value;
  if (number.scale > kMaxScale) return false;
  if (number.scale > column_.scale) {
    // All that came before move to the longer scale.
    const int64_t factor = kPowersOfTen[static_cast<std::size_t>(number.scale - column_.scale)];
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (__builtin_mul_overflow(values_[i], factor, &values_[i])) return false;
      const bool null = i < column_.nulls.size() && column_.nulls[i] != 0;
      column_.mixed_scales |= !null;
    }
    column_.scale = number.scale;
  } else if (number.scale < column_.scale) {
    number.digits *= kPowersOfTen[static_cast<std::size_t>(column_.scale - number.scale)];
    column_.mixed_scales = true;
  }
  if (number.digits > std::numeric_limits<int64_t>::max() ||
      number.digits < -std::numeric_limits<int64_t>::max()) {
    return false;
  }
  values_.push_back(static_cast<int64_t>(number.digits));
  return true;
}

bool ColumnBuilder::AddText(std::string_view word) {
  const uint32_t place = PlaceOf(word);
  values_.push_back(place);
  return place != std::numeric_limits<uint32_t>::max();
}

uint32_t ColumnBuilder::PlaceOf(std::string_view word) {
  Words& words = column_.words;
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = XXH3_64bits(word.data(), word.size()) & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    if (words[slots_[slot] - 1] == word) return slots_[slot] - 1;
  }
  if (!words.Append(word)) return std::numeric_limits<uint32_t>::max();
  slots_[slot] = words.size();
  if (std::size_t{words.size()} * 2 > slots_.size()) Grow();
  return words.size() - 1;
}

void ColumnBuilder::Grow() {
  std::vector<uint32_t> slots(slots_.size() * 2);
  const std::size_t mask = slots.size() - 1;
  for (uint32_t place = 0; place < column_.words.size(); ++place) {
    const std::string_view word = column_.words[place];
    std::size_t slot = XXH3_64bits(word.data(), word.size()) & mask;
    while (slots[slot] != 0) slot = (slot + 1) & mask;
    slots[slot] = place + 1;
  }
  slots_ = std::move(slots);
}

std::size_t ColumnBuilder::bytes() const {
  // Rows that are not NULL get their place in `nulls` at the end.
  const std::size_t nulls = any_null_ && column_.type != Type::kText ? values_.size() : 0;
  return values_.capacity() * sizeof(int64_t) + slots_.capacity() * sizeof(uint32_t) + nulls +
         column_.bytes();
}

Column ColumnBuilder::Finish() && {
  if (column_.type == Type::kText) {
    std::replace(values_.begin(), values_.end(), int64_t{-1}, int64_t{column_.words.size()});
  } else if (any_null_) {
    column_.nulls.reserve(values_.size());
    column_.nulls.resize(values_.size());
  }
  column_.values = Numbers(values_);
  return std::move(column_);
}

std::string TextOf(const Decimal& value) {
  const bool negative = value.digits < 0;
  auto rest = static_cast<unsigned __int128>(negative ? -value.digits : value.digits);
  std::string digits;  // the last first
  for (int place = 0; rest != 0 || place <= value.scale; ++place) {
    if (place == value.scale && place != 0) digits += '.';
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string DateText(int64_t days) {
  const absl::CivilDay day = absl::CivilDay(2000, 1, 1) + days;
  return fmt::format("{:04}-{:02}-{:02}", day.year(), day.month(), day.day());
}

}  // namespace edcert::validation_report::columnar
