#include "services/validation_report/columnar/decimal.h"

#include <algorithm>

namespace edcert::validation_report::columnar {
namespace {

constexpr int kMaxScale = 36;
// Of PostgreSQL's numeric: digits of a quotient that count, and decimal digits of one of its
// digits.
constexpr int kSignificantDigits = 16;
constexpr int kDigitsPerPlace = 4;
constexpr int kPlace = 10'000;

std::optional<__int128> Times(__int128 value, int power_of_ten) {
  while (power_of_ten > 0) {
    const int step = std::min(power_of_ten, 18);
    if (__builtin_mul_overflow(
            value, static_cast<__int128>(kPowersOfTen[static_cast<std::size_t>(step)]), &value)) {
      return std::nullopt;
    }
    power_of_ten -= step;
  }
  return value;
}

__int128 PowerOfTen(int power) { return *Times(1, power); }

// Both at the longer scale.
std::optional<std::pair<__int128, __int128>> Align(const Decimal& a, const Decimal& b) {
  const std::optional<__int128> left = Times(a.digits, std::max(b.scale - a.scale, 0));
  const std::optional<__int128> right = Times(b.digits, std::max(a.scale - b.scale, 0));
  if (!left.has_value() || !right.has_value()) return std::nullopt;
  return std::pair(*left, *right);
}

// Where the number's first digit to the base of 10,000 stands, 0 for the units, and that digit.
struct Head {
  int weight = 0;
  int digit = 0;
};

std::optional<Head> HeadOf(const Decimal& value) {
  if (value.digits == 0) return Head{};
  const int padding = (kDigitsPerPlace - value.scale % kDigitsPerPlace) % kDigitsPerPlace;
  std::optional<__int128> digits = Times(value.digits < 0 ? -value.digits : value.digits, padding);
  if (!digits.has_value()) return std::nullopt;
  Head head{.weight = -(value.scale + padding) / kDigitsPerPlace};
  for (; *digits >= kPlace; *digits /= kPlace) ++head.weight;
  head.digit = static_cast<int>(*digits);
  return head;
}

// `digits` / `divisor`, rounded half away from zero.
__int128 DivideRounded(__int128 digits, __int128 divisor) {
  const __int128 quotient = digits / divisor;
  const __int128 rest = digits % divisor;
  const __int128 twice = rest < 0 ? -rest : rest;
  const __int128 whole = divisor < 0 ? -divisor : divisor;
  // Not 2 * rest, which may not fit.
  if (twice < whole - twice) return quotient;
  return (digits < 0) != (divisor < 0) ? quotient - 1 : quotient + 1;
}

}  // namespace

std::optional<Decimal> Add(const Decimal& a, const Decimal& b) {
  const auto aligned = Align(a, b);
  Decimal sum{0, std::max(a.scale, b.scale)};
  if (!aligned.has_value() ||
      __builtin_add_overflow(aligned->first, aligned->second, &sum.digits)) {
    return std::nullopt;
  }
  return sum;
}

std::optional<Decimal> Subtract(const Decimal& a, const Decimal& b) {
  return Add(a, {-b.digits, b.scale});
}

std::optional<Decimal> Multiply(const Decimal& a, const Decimal& b) {
  Decimal product{0, a.scale + b.scale};
  if (product.scale > kMaxScale || __builtin_mul_overflow(a.digits, b.digits, &product.digits)) {
    return std::nullopt;
  }
  return product;
}

std::optional<Decimal> Divide(const Decimal& a, const Decimal& b) {
  if (b.digits == 0) return std::nullopt;
  const std::optional<Head> dividend = HeadOf(a);
  const std::optional<Head> divisor = HeadOf(b);
  if (!dividend.has_value() || !divisor.has_value()) return std::nullopt;
  int weight = dividend->weight - divisor->weight;
  if (dividend->digit <= divisor->digit) --weight;
  const int scale = std::max({kSignificantDigits - weight * kDigitsPerPlace, a.scale, b.scale, 0});
  // digits of a / 10^a.scale * 10^scale / (digits of b / 10^b.scale)
  const int power = scale + b.scale - a.scale;
  const std::optional<__int128> digits = Times(a.digits, std::max(power, 0));
  const std::optional<__int128> by = Times(b.digits, std::max(-power, 0));
  if (scale > kMaxScale || !digits.has_value() || !by.has_value()) return std::nullopt;
  return Decimal{DivideRounded(*digits, *by), scale};
}

std::optional<Decimal> Modulo(const Decimal& a, const Decimal& b) {
  const auto aligned = Align(a, b);
  if (!aligned.has_value() || aligned->second == 0) return std::nullopt;
  return Decimal{aligned->first % aligned->second, std::max(a.scale, b.scale)};
}

std::optional<int> Compare(const Decimal& a, const Decimal& b) {
  const auto aligned = Align(a, b);
  if (!aligned.has_value()) return std::nullopt;
  return (aligned->first > aligned->second) - (aligned->first < aligned->second);
}

std::optional<Decimal> Round(const Decimal& value, int scale) {
  if (scale < 0 || scale > kMaxScale) return std::nullopt;
  if (scale >= value.scale) {
    const std::optional<__int128> digits = Times(value.digits, scale - value.scale);
    if (!digits.has_value()) return std::nullopt;
    return Decimal{*digits, scale};
  }
  return Decimal{DivideRounded(value.digits, PowerOfTen(value.scale - scale)), scale};
}

std::optional<Decimal> Truncate(const Decimal& value, int scale) {
  if (scale >= value.scale) return Round(value, scale);
  if (scale < 0) return std::nullopt;
  return Decimal{value.digits / PowerOfTen(value.scale - scale), scale};
}

std::optional<Decimal> Floor(const Decimal& value) {
  const __int128 unit = PowerOfTen(value.scale);
  return Decimal{value.digits / unit - (value.digits % unit < 0 ? 1 : 0), 0};
}

std::optional<Decimal> Ceiling(const Decimal& value) {
  const __int128 unit = PowerOfTen(value.scale);
  return Decimal{value.digits / unit + (value.digits % unit > 0 ? 1 : 0), 0};
}

std::optional<Decimal> ParseDecimal(std::string_view text) {
  constexpr std::size_t kMaxDigits = 36;
  Decimal value;
  bool point = false;
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9' || ++digits > kMaxDigits) return std::nullopt;
    value.digits = value.digits * 10 + (c - '0');
    if (point) ++value.scale;
  }
  if (digits == 0) return std::nullopt;
  return value;
}

}  // namespace edcert::validation_report::columnar
