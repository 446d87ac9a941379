#include "services/validation_report/sql_words.h"

#include <cctype>

#include "common/status/macros.h"
#include "services/validation_report/sql_guard.h"
#include "services/validation_report/sql_parse.h"
#include "services/validation_report/sql_vocabulary.h"

namespace edcert::validation_report {
namespace {

// A text literal is '...' or, as PostgreSQL prints a backslash, E'...' with \\ only.
bool IsPlainText(std::string_view word) {
  if (word.empty()) return false;
  if (word[0] == '\'') return true;
  if ((word[0] != 'E' && word[0] != 'e') || word.size() < 2 || word[1] != '\'') return false;
  for (size_t i = 2; i < word.size(); ++i) {
    if (word[i] != '\\') continue;
    if (i + 1 >= word.size() || word[i + 1] != '\\') return false;
    ++i;
  }
  return true;
}

const char* RefusedWord(int number, std::string_view word) {
  switch (number) {
    case token::kSemicolon:
      return "a second statement";
    case token::kUnicodeIdentifier:
    case token::kUnicodeText:
      return "a Unicode escape";
    case token::kBits:
    case token::kHexBits:
      return "a bit string";
    case token::kParameter:
      return "a parameter";
    case token::kLineComment:
    case token::kBlockComment:
      return "a comment";
    case token::kText:
      return IsPlainText(word) ? nullptr : "a text literal with escapes or dollar quotes";
    case token::kIdentifier: {
      if (word[0] == '"') word.remove_prefix(1);
      const bool system = word.size() >= 3 && std::tolower(word[0]) == 'p' &&
                          std::tolower(word[1]) == 'g' && word[2] == '_';
      return system ? "a system name" : nullptr;
    }
    default:
      return nullptr;
  }
}

}  // namespace

absl::Status CheckBytes(std::string_view text) {
  if (text.size() > kMaxSqlBytes) return Refuse("a text longer than 8 KiB", 0);
  size_t i = 0;
  while (i < text.size()) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') {
      return Refuse("a control character", CharacterAt(text, static_cast<int>(i)));
    }
    const size_t length = byte < 0x80                    ? 1
                          : byte >= 0xC2 && byte <= 0xDF ? 2
                          : (byte & 0xF0U) == 0xE0U      ? 3
                          : byte >= 0xF0 && byte <= 0xF4 ? 4
                                                         : 0;
    bool good = length > 0 && i + length <= text.size();
    for (size_t k = 1; good && k < length; ++k) {
      good = (static_cast<unsigned char>(text[i + k]) & 0xC0U) == 0x80U;
    }
    if (!good) return Refuse("a text that is not UTF-8", CharacterAt(text, static_cast<int>(i)));
    i += length;
  }
  return absl::OkStatus();
}

absl::Status CheckWords(const std::string& text) {
  ASSIGN_OR_RETURN(const tree::ScanResult scan, ScanSql(text));
  for (const tree::ScanToken& each : scan.tokens()) {
    const auto start = static_cast<size_t>(each.start());
    const std::string_view word =
        std::string_view(text).substr(start, static_cast<size_t>(each.end()) - start);
    if (const char* what = RefusedWord(each.token(), word)) {
      return Refuse(what, CharacterAt(text, each.start()));
    }
  }
  return absl::OkStatus();
}

}  // namespace edcert::validation_report
