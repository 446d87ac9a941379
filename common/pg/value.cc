#include "common/pg/value.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "common/status/macros.h"

namespace edcert::pg {
namespace {

std::string QuoteArray(const std::vector<std::string>& texts) {
  std::string out = "{";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ',';
    out += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

}  // namespace

Param::Param(double value) : value_(fmt::format("{}", value)) {}

Param::Param(absl::Time time) {
  const absl::CivilYear year(absl::ToCivilSecond(time, absl::UTCTimeZone()));
  if (year > absl::CivilYear(9999)) {
    value_ = "infinity";
  } else if (year < absl::CivilYear(1)) {
    value_ = "-infinity";
  } else {
    value_ = absl::FormatTime("%E4Y-%m-%d %H:%M:%E6S+00", time, absl::UTCTimeZone());
  }
}

Param::Param(const std::vector<std::string>& texts) : value_(QuoteArray(texts)) {}

Param::Param(const std::vector<int64_t>& numbers)
    : value_(fmt::format("{{{}}}", fmt::join(numbers, ","))) {}

int Row::Index(std::string_view column) const {
  for (int i = 0; i < PQnfields(result_); ++i) {
    // Without the length of each name on the way.
    const char* name = PQfname(result_, i);
    if (std::strncmp(name, column.data(), column.size()) == 0 && name[column.size()] == '\0') {
      return i;
    }
  }
  std::fprintf(stderr, "no column %.*s in the result\n", static_cast<int>(column.size()),
               column.data());
  std::abort();
}

std::string_view Row::ViewAt(int column) const {
  return {PQgetvalue(result_, row_, column),
          static_cast<std::size_t>(PQgetlength(result_, row_, column))};
}

bool Row::Has(std::string_view column) const { return HasAt(Index(column)); }

std::string_view Row::View(std::string_view column) const { return ViewAt(Index(column)); }

int64_t Row::Int(std::string_view column) const {
  const std::string_view text = View(column);
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

double Row::Double(std::string_view column) const {
  const std::string_view text = View(column);
  return text.empty() ? 0 : std::strtod(text.data(), nullptr);
}

bool Row::Bool(std::string_view column) const { return View(column) == "t"; }

absl::Time Row::Time(std::string_view column) const {
  const std::string_view text = View(column);
  if (text.empty() || text == "-infinity") return absl::InfinitePast();
  if (text == "infinity") return absl::InfiniteFuture();
  // The session's zone is UTC: `2026-11-23 23:10:31.123456+00`.
  absl::Time time;
  std::string error;
  CHECK(absl::ParseTime("%Y-%m-%d %H:%M:%E*S+00", absl::string_view(text.data(), text.size()),
                        absl::UTCTimeZone(), &time, &error));
  return time;
}

std::optional<absl::Time> Row::OptionalTime(std::string_view column) const {
  if (!Has(column)) return std::nullopt;
  return Time(column);
}

std::string Row::Binary(std::string_view column) const {
  const std::string_view text = View(column);
  if (text.empty()) return "";
  CHECK(text.starts_with("\\x"));
  const auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 2; i + 1 < text.size(); i += 2) {
    out += static_cast<char>((nibble(text[i]) << 4) | nibble(text[i + 1]));
  }
  return out;
}

std::vector<std::string> Row::TextArray(std::string_view column) const {
  const std::string_view text = View(column);
  std::vector<std::string> out;
  if (text.size() < 2) return out;
  std::string item;
  bool quoted = false;
  bool any = false;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    const char c = text[i];
    any = true;
    if (c == '\\') {
      item += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      out.push_back(std::move(item));
      item.clear();
    } else {
      item += c;
    }
  }
  if (any) out.push_back(std::move(item));
  return out;
}

int64_t Result::affected() const { return std::strtoll(PQcmdTuples(result_.get()), nullptr, 10); }

}  // namespace edcert::pg
