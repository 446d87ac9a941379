#include "services/validation_report/sql_literal.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <vector>

#include "services/validation_report/sql_vocabulary.h"

namespace edcert::validation_report {
namespace {

// The runs of letters and the runs of digits, in lower case.
std::vector<std::string> Words(std::string_view value) {
  std::vector<std::string> words;
  int last = 0;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    const int kind = std::isalpha(byte) != 0 ? 1 : std::isdigit(byte) != 0 ? 2 : 0;
    if (kind != 0 && kind != last) words.emplace_back();
    if (kind != 0) words.back() += static_cast<char>(std::tolower(byte));
    last = kind;
  }
  return words;
}

bool IsNumber(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
  });
}

}  // namespace

bool MatchesShape(std::string_view value, std::string_view shape) {
  return value.size() == shape.size() &&
         std::equal(value.begin(), value.end(), shape.begin(), [](char c, char s) {
           return s == '9' ? std::isdigit(static_cast<unsigned char>(c)) != 0 : c == s;
         });
}

bool IsMovingDay(std::string_view value) {
  const std::vector<std::string> words = Words(value);
  return std::any_of(words.begin(), words.end(),
                     [](const std::string& word) { return Contains(kMovingDays, word); });
}

bool IsInterval(std::string_view value) {
  static constexpr auto kIntervalUnits = std::to_array<std::string_view>(
      {"day", "days", "hour", "hours", "minute", "minutes", "mon", "mons", "month", "months",
       "week", "weeks", "year", "years"});
  for (const char c : value) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != ' ' && c != '-') return false;
  }
  const std::vector<std::string> words = Words(value);
  if (words.empty() || words.size() % 2 != 0) return false;
  for (size_t i = 0; i < words.size(); i += 2) {
    if (!IsNumber(words[i]) || words[i].size() > 5) return false;
    if (!Contains(kIntervalUnits, words[i + 1])) return false;
  }
  return true;
}

bool IsBoundedPattern(std::string_view pattern) {
  if (pattern.size() > kMaxPattern) return false;
  for (size_t i = 0; i + 1 < pattern.size(); ++i) {
    if (pattern[i] != '\\') continue;
    if (pattern[i + 1] >= '1' && pattern[i + 1] <= '9') return false;
    ++i;
  }
  return true;
}

}  // namespace edcert::validation_report
