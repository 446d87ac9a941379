#include "services/validation_report/columnar/text.h"

#include <algorithm>
#include <limits>

namespace edcert::validation_report::columnar {
namespace {

bool IsFirstByte(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }

// The byte at which the character with so many before it begins.
std::size_t OffsetOf(std::string_view text, int64_t characters) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (IsFirstByte(text[at]) && characters-- <= 0) break;
    ++at;
  }
  return at;
}

}  // namespace

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string ToUpper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

int64_t LengthOf(std::string_view text) {
  return std::count_if(text.begin(), text.end(), IsFirstByte);
}

std::string_view TrimLeft(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text;
}

std::string_view TrimRight(std::string_view text) {
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

std::string_view Left(std::string_view text, int64_t count) {
  if (count < 0) count = std::max(int64_t{0}, LengthOf(text) + count);
  return text.substr(0, OffsetOf(text, count));
}

std::string_view Right(std::string_view text, int64_t count) {
  const int64_t length = LengthOf(text);
  const int64_t skipped =
      count < 0 ? std::min(length, -count) : std::max(int64_t{0}, length - count);
  return text.substr(OffsetOf(text, skipped));
}

std::string_view Substring(std::string_view text, int64_t from, std::optional<int64_t> count) {
  const int64_t end = count.has_value() ? from + *count : std::numeric_limits<int64_t>::max();
  const int64_t begin = std::max(from, int64_t{1});
  if (end <= begin) return {};
  text.remove_prefix(OffsetOf(text, begin - 1));
  return text.substr(0, OffsetOf(text, end - begin));
}

int64_t PositionOf(std::string_view text, std::string_view part) {
  const std::size_t at = text.find(part);
  return at == std::string_view::npos ? 0 : LengthOf(text.substr(0, at)) + 1;
}

std::string Replace(std::string_view text, std::string_view from, std::string_view to) {
  if (from.empty()) return std::string(text);
  std::string out;
  while (true) {
    const std::size_t at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

bool IsLike(std::string_view text, std::string_view pattern) {
  std::size_t at = 0;
  std::size_t p = 0;
  // Where to go on when what follows the last `%` does not match.
  std::size_t star = std::string_view::npos;
  std::size_t from = 0;
  while (true) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = ++p;
      from = at;
      continue;
    }
    bool match = false;
    if (p == pattern.size()) {
      if (at == text.size()) return true;
    } else if (at < text.size()) {
      if (pattern[p] == '_') {
        match = true;
        while (at + 1 < text.size() && !IsFirstByte(text[at + 1])) ++at;
      } else {
        const std::size_t literal = pattern[p] == '\\' ? p + 1 : p;
        match = literal < pattern.size() && pattern[literal] == text[at];
        if (match) p = literal;
      }
    }
    if (match) {
      ++at;
      ++p;
      continue;
    }
    if (star == std::string_view::npos || from >= text.size()) return false;
    ++from;
    while (from < text.size() && !IsFirstByte(text[from])) ++from;
    at = from;
    p = star;
  }
}

bool HasElement(std::string_view text, std::string_view separator, std::string_view element) {
  if (text.empty()) return false;
  while (true) {
    const std::size_t at = text.find(separator);
    if (text.substr(0, at) == element) return true;
    if (at == std::string_view::npos) return false;
    text.remove_prefix(at + separator.size());
  }
}

int64_t CountElements(std::string_view text, std::string_view separator) {
  if (text.empty()) return 0;
  int64_t count = 1;
  for (std::size_t at = text.find(separator); at != std::string_view::npos;
       at = text.find(separator, at + separator.size())) {
    ++count;
  }
  return count;
}

}  // namespace edcert::validation_report::columnar
