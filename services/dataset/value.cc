#include "services/dataset/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "absl/time/civil_time.h"

namespace edcert::dataset {
namespace {

constexpr int64_t kMicros = 1'000'000;
constexpr int kDaysTo2000 = 10957;  // from 1970-01-01, where PostgreSQL counts from
constexpr int kDigitsOfGroup = 4;   // PostgreSQL's numeric counts in 10,000s
constexpr uint16_t kPositive = 0;
constexpr uint16_t kNegative = 0x4000;

template <typename T>
char* StoreBigEndian(char* at, T value) {
  for (std::size_t i = sizeof(T); i > 0; --i) *at++ = static_cast<char>(value >> (8 * (i - 1)));
  return at;
}

// Appends them at once: values come in millions, and each append is a call.
template <typename... T>
void PutBigEndian(std::string& out, T... values) {
  std::array<char, (sizeof(T) + ...)> bytes;
  char* at = bytes.data();
  ((at = StoreBigEndian(at, values)), ...);
  out.append(bytes.data(), bytes.size());
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The number in `width` digits at `at`; -1 when one is not a digit.
int Digits(std::string_view text, std::size_t at, std::size_t width) {
  if (at + width > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + width; ++i) {
    if (!IsDigit(text[i])) return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

void PutText(std::string_view text, std::string& canonical, std::string& binary) {
  canonical.append(text);
  PutInt32(binary, static_cast<int32_t>(text.size()));
  binary.append(text);
}

ValueError ParseText(const Column& column, std::string_view text, std::string& canonical,
                     std::string& binary) {
  std::size_t characters = 0;
  if (!IsText(text, characters)) return ValueError::kNotUtf8;
  if (characters > static_cast<std::size_t>(column.length)) return ValueError::kTooLong;
  PutText(text, canonical, binary);
  return ValueError::kNone;
}

ValueError ParseInt(std::string_view text, std::string& canonical, std::string& binary) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range && stop == end) return ValueError::kOutOfRange;
  if (error != std::errc() || stop != end) return ValueError::kNotANumber;
  std::array<char, 24> digits;
  const auto printed = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  canonical.append(digits.data(), printed.ptr);
  PutBigEndian(binary, uint32_t{8}, static_cast<uint64_t>(value));
  return ValueError::kNone;
}

// PostgreSQL's numeric: groups of four decimal digits around the point.
void PutNumeric(bool negative, std::string_view whole, std::string_view fraction, int scale,
                std::string& binary) {
  std::array<int16_t, 32> groups;
  std::size_t count = 0;
  const std::size_t lead = whole.size() % kDigitsOfGroup;
  int weight = static_cast<int>((whole.size() + kDigitsOfGroup - 1) / kDigitsOfGroup) - 1;
  const auto number = [](std::string_view digits) {
    int value = 0;
    for (std::size_t i = 0; i < kDigitsOfGroup; ++i) {
      value = value * 10 + (i < digits.size() ? digits[i] - '0' : 0);
    }
    return static_cast<int16_t>(value);
  };
  if (lead > 0) {
    int value = 0;
    for (const char c : whole.substr(0, lead)) value = value * 10 + (c - '0');
    groups[count++] = static_cast<int16_t>(value);
  }
  for (std::size_t i = lead; i < whole.size(); i += kDigitsOfGroup) {
    groups[count++] = number(whole.substr(i, kDigitsOfGroup));
  }
  for (std::size_t i = 0; i < fraction.size(); i += kDigitsOfGroup) {
    groups[count++] = number(fraction.substr(i, kDigitsOfGroup));
  }
  std::size_t first = 0;
  while (first < count && groups[first] == 0) {
    ++first;
    --weight;
  }
  while (count > first && groups[count - 1] == 0) --count;
  const std::size_t used = count - first;
  PutBigEndian(binary, static_cast<uint32_t>(8 + 2 * used), static_cast<uint16_t>(used),
               static_cast<uint16_t>(used == 0 ? 0 : weight), negative ? kNegative : kPositive,
               static_cast<uint16_t>(scale));
  for (std::size_t i = first; i < count; ++i) PutInt16(binary, groups[i]);
}

ValueError ParseDecimal(const Column& column, std::string_view text, std::string& canonical,
                        std::string& binary) {
  bool negative = false;
  if (text.front() == '-') {
    negative = true;
    text.remove_prefix(1);
  }
  const std::size_t point = text.find('.');
  std::string_view whole = text.substr(0, point);
  std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  const auto all_digits = [](std::string_view part) {
    return std::all_of(part.begin(), part.end(), IsDigit);
  };
  if (!all_digits(whole) || !all_digits(fraction) || (whole.empty() && fraction.empty()) ||
      (point != std::string_view::npos && fraction.empty())) {
    return ValueError::kNotANumber;
  }
  while (!whole.empty() && whole.front() == '0') whole.remove_prefix(1);
  while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
  if (whole.size() > static_cast<std::size_t>(column.precision - column.scale) ||
      fraction.size() > static_cast<std::size_t>(column.scale)) {
    return ValueError::kOutOfRange;
  }
  if (whole.empty() && fraction.empty()) negative = false;
  if (negative) canonical += '-';
  if (whole.empty()) {
    canonical += '0';
  } else {
    canonical.append(whole);
  }
  if (column.scale > 0) {
    canonical += '.';
    canonical.append(fraction);
    canonical.append(static_cast<std::size_t>(column.scale) - fraction.size(), '0');
  }
  PutNumeric(negative, whole, fraction, column.scale, binary);
  return ValueError::kNone;
}

// The day in `YYYY-MM-DD` at the start of the text.
std::optional<absl::CivilDay> ReadDay(std::string_view text) {
  const int year = Digits(text, 0, 4);
  const int month = Digits(text, 5, 2);
  const int day = Digits(text, 8, 2);
  if (year < 1 || month < 1 || day < 1 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const absl::CivilDay civil(year, month, day);
  if (civil.month() != month || civil.day() != day) return std::nullopt;
  return civil;
}

ValueError ParseDate(std::string_view text, std::string& canonical, std::string& binary) {
  const std::optional<absl::CivilDay> day =
      text.size() == 10 ? ReadDay(text) : std::optional<absl::CivilDay>();
  if (!day.has_value()) return ValueError::kNotADate;
  canonical.append(text);
  PutBigEndian(binary, uint32_t{4}, static_cast<uint32_t>(*day - absl::CivilDay(2000, 1, 1)));
  return ValueError::kNone;
}

ValueError ParseBool(std::string_view text, std::string& canonical, std::string& binary) {
  std::array<char, 5> lower;
  if (text.size() > lower.size()) return ValueError::kNotABool;
  std::transform(text.begin(), text.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const std::string_view word(lower.data(), text.size());
  const bool yes = word == "true" || word == "1" || word == "yes" || word == "y" || word == "t";
  const bool no = word == "false" || word == "0" || word == "no" || word == "n" || word == "f";
  if (!yes && !no) return ValueError::kNotABool;
  canonical.append(yes ? "true" : "false");
  PutBigEndian(binary, uint32_t{1}, static_cast<uint8_t>(yes ? 1 : 0));
  return ValueError::kNone;
}

// The offset in minutes of `Z` or `+HH:MM`.
std::optional<int> ReadOffset(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const int hours = Digits(text, 1, 2);
  const int minutes = Digits(text, 4, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  return (text[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
}

// Microseconds since 1970-01-01T00:00:00Z.
std::optional<int64_t> ReadTimestamp(std::string_view text) {
  constexpr std::size_t kSecondsEnd = 19;  // of YYYY-MM-DDTHH:MM:SS
  constexpr std::size_t kMaxFraction = 6;
  if (text.size() <= kSecondsEnd) return std::nullopt;
  const std::optional<absl::CivilDay> day = ReadDay(text);
  const int hour = Digits(text, 11, 2);
  const int minute = Digits(text, 14, 2);
  const int second = Digits(text, 17, 2);
  if (!day.has_value() || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
      text[16] != ':' || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 59) {
    return std::nullopt;
  }
  std::size_t at = kSecondsEnd;
  int64_t micros = 0;
  if (text[at] == '.') {
    const std::size_t begin = ++at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    if (at == begin || at - begin > kMaxFraction) return std::nullopt;
    micros = Digits(text, begin, at - begin);
    for (std::size_t i = at - begin; i < kMaxFraction; ++i) micros *= 10;
  }
  const std::optional<int> offset = ReadOffset(text.substr(at));
  if (!offset.has_value()) return std::nullopt;
  const int64_t days = *day - absl::CivilDay(1970, 1, 1);
  const int64_t seconds = ((days * 24 + hour) * 60 + minute - *offset) * 60 + second;
  return seconds * kMicros + micros;
}

ValueError ParseTimestamp(std::string_view text, std::string& canonical, std::string& binary) {
  const std::optional<int64_t> micros = ReadTimestamp(text);
  if (!micros.has_value()) return ValueError::kNotATimestamp;
  int64_t fraction = *micros % kMicros;
  if (fraction < 0) fraction += kMicros;
  const absl::CivilSecond second = absl::CivilSecond(1970, 1, 1) + (*micros - fraction) / kMicros;
  if (second.year() < 1 || second.year() > 9999) return ValueError::kNotATimestamp;
  fmt::format_to(std::back_inserter(canonical), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
                 second.year(), second.month(), second.day(), second.hour(), second.minute(),
                 second.second());
  if (fraction > 0) {
    std::string digits = fmt::format("{:06}", fraction);
    digits.erase(digits.find_last_not_of('0') + 1);
    canonical += '.';
    canonical += digits;
  }
  canonical += 'Z';
  PutBigEndian(binary, uint32_t{8},
               static_cast<uint64_t>(*micros - int64_t{kDaysTo2000} * 24 * 3600 * kMicros));
  return ValueError::kNone;
}

}  // namespace

void PutInt16(std::string& out, int16_t value) { PutBigEndian(out, static_cast<uint16_t>(value)); }
void PutInt32(std::string& out, int32_t value) { PutBigEndian(out, static_cast<uint32_t>(value)); }
void PutInt64(std::string& out, int64_t value) { PutBigEndian(out, static_cast<uint64_t>(value)); }

std::string_view ReasonOf(ValueError error) {
  switch (error) {
    case ValueError::kNone:
      return "";
    case ValueError::kMissing:
      return "REQUIRED_MISSING";
    case ValueError::kNotUtf8:
      return "TEXT_INVALID";
    case ValueError::kTooLong:
      return "TEXT_TOO_LONG";
    case ValueError::kNotANumber:
      return "NUMBER_INVALID";
    case ValueError::kOutOfRange:
      return "NUMBER_OUT_OF_RANGE";
    case ValueError::kNotADate:
      return "DATE_INVALID";
    case ValueError::kNotABool:
      return "BOOL_INVALID";
    case ValueError::kNotATimestamp:
      return "TIMESTAMP_INVALID";
    case ValueError::kNotCodes:
      return "CODES_INVALID";
  }
  return "";
}

std::string MessageOf(ValueError error, const Column& column) {
  switch (error) {
    case ValueError::kNone:
      return "";
    case ValueError::kMissing:
      return fmt::format("{} is required", column.name);
    case ValueError::kNotUtf8:
      return fmt::format("{} is not UTF-8 text without NUL", column.name);
    case ValueError::kTooLong:
      return fmt::format("{} has more than {} characters", column.name, column.length);
    case ValueError::kNotANumber:
      return column.type == ColumnType::kInt64
                 ? fmt::format("{} is not a whole number", column.name)
                 : fmt::format("{} is not a decimal number such as 0.50", column.name);
    case ValueError::kOutOfRange:
      return column.type == ColumnType::kInt64
                 ? fmt::format("{} does not fit into 64 bits", column.name)
                 : fmt::format("{} has more than {} digits, {} of them after the point",
                               column.name, column.precision, column.scale);
    case ValueError::kNotADate:
      return fmt::format("{} is not a date of the calendar, YYYY-MM-DD", column.name);
    case ValueError::kNotABool:
      return fmt::format("{} is not true or false", column.name);
    case ValueError::kNotATimestamp:
      return fmt::format("{} is not an instant of RFC 3339 with an offset", column.name);
    case ValueError::kNotCodes:
      return fmt::format("{} has an empty code", column.name);
  }
  return "";
}

bool IsText(std::string_view text, std::size_t& characters) {
  characters = 0;
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = at + text.size();
  while (at != end) {
    ++characters;
    const unsigned char lead = *at++;
    if (lead == 0) return false;
    if (lead < 0x80) continue;
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || end - at < more) return false;
    const unsigned char second = *at;
    // Overlong forms, surrogates, and what lies above U+10FFFF.
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
      return false;
    }
    for (int i = 0; i < more; ++i) {
      if ((*at++ & 0xC0) != 0x80) return false;
    }
  }
  return true;
}

ValueError ValueParser::Parse(const Column& column, std::string_view text, std::string& canonical,
                              std::string& binary) {
  switch (column.type) {
    case ColumnType::kString:
    case ColumnType::kCode:
      return ParseText(column, text, canonical, binary);
    case ColumnType::kInt64:
      return ParseInt(text, canonical, binary);
    case ColumnType::kDecimal:
      return ParseDecimal(column, text, canonical, binary);
    case ColumnType::kDate:
      return ParseDate(text, canonical, binary);
    case ColumnType::kBool:
      return ParseBool(text, canonical, binary);
    case ColumnType::kTimestamp:
      return ParseTimestamp(text, canonical, binary);
    case ColumnType::kCodes:
      return ParseCodes(column, text, canonical, binary);
  }
  return ValueError::kNotUtf8;
}

ValueError ValueParser::ParseCodes(const Column& column, std::string_view text,
                                   std::string& canonical, std::string& binary) {
  std::size_t characters = 0;
  if (!IsText(text, characters)) return ValueError::kNotUtf8;
  if (characters > static_cast<std::size_t>(column.length)) return ValueError::kTooLong;
  codes_.clear();
  while (true) {
    const std::size_t end = text.find(';');
    const std::string_view code = text.substr(0, end);
    if (code.empty()) return ValueError::kNotCodes;
    codes_.push_back(code);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  std::sort(codes_.begin(), codes_.end());
  codes_.erase(std::unique(codes_.begin(), codes_.end()), codes_.end());
  const std::size_t begin = canonical.size();
  for (const std::string_view code : codes_) {
    if (canonical.size() > begin) canonical += ';';
    canonical.append(code);
  }
  PutInt32(binary, static_cast<int32_t>(canonical.size() - begin));
  binary.append(canonical, begin);
  return ValueError::kNone;
}

std::string FromDatabase(const Column& column, std::string_view text) {
  if (column.type == ColumnType::kBool) return text == "t" ? "true" : "false";
  if (column.type != ColumnType::kTimestamp) return std::string(text);
  // `2025-10-01 08:00:00.5+00`: the session's zone is UTC.
  std::string out(text.substr(0, text.rfind('+')));
  out[10] = 'T';
  return out + "Z";
}

}  // namespace edcert::dataset
