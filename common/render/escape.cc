#include "common/render/escape.h"

#include <array>
#include <cstdint>
#include <iterator>

#include "fmt/format.h"

namespace edcert::render {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;

struct CodePoint {
  uint32_t value = kReplacement;
  size_t length = 1;  // Bytes taken; a broken sequence is taken byte by byte.
};

// Decodes one code point as strictly as RFC 3629: no overlong forms, no surrogates.
CodePoint Decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {.value = lead, .length = 1};
  size_t length = 0;
  uint32_t value = 0;
  uint32_t least = 0;
  if ((lead & 0xE0) == 0xC0) {
    length = 2, value = lead & 0x1F, least = 0x80;
  } else if ((lead & 0xF0) == 0xE0) {
    length = 3, value = lead & 0x0F, least = 0x800;
  } else if ((lead & 0xF8) == 0xF0) {
    length = 4, value = lead & 0x07, least = 0x10000;
  } else {
    return {};
  }
  if (text.size() < length) return {};
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3F);
  }
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < least || value > 0x10FFFF || surrogate) return {};
  return {.value = value, .length = length};
}

// Characters that change the order of others or take no room: they would let one value pass for
// another.
bool ReordersOrHides(uint32_t c) {
  return c == 0x061C || c == 0x00AD || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
         (c >= 0xE0000 && c <= 0xE007F);
}

// Code points that are no characters: U+FFFE, U+FFFF and their like. XML does not admit them.
bool IsNoCharacter(uint32_t c) { return (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF); }

enum class Context { kText, kAttribute };

void AppendHtml(std::string_view value, Context context, std::string& out) {
  while (!value.empty()) {
    const CodePoint point = Decode(value);
    const uint32_t c = point.value;
    const bool line_end = c == '\n' || c == '\t';
    if (c == '&') {
      out.append("&amp;");
    } else if (c == '<') {
      out.append("&lt;");
    } else if (c == '>') {
      out.append("&gt;");
    } else if (context == Context::kAttribute && (c == '"' || c == '\'' || c == '`' || line_end)) {
      fmt::format_to(std::back_inserter(out), "&#{};", c);
    } else if (c < 0x20 && !line_end) {
      fmt::format_to(std::back_inserter(out), "&#{};", 0x2400 + c);
    } else if (c == 0x7F) {
      out.append("&#9249;");  // U+2421, the picture of DEL.
    } else if ((c > 0x7F && c < 0xA0) || ReordersOrHides(c) || IsNoCharacter(c)) {
      fmt::format_to(std::back_inserter(out), "[U+{:04X}]", c);
    } else if (c == kReplacement) {
      out.append("\xEF\xBF\xBD");
    } else {
      out.append(value.substr(0, point.length));
    }
    value.remove_prefix(point.length);
  }
}

// The picture of a control character below U+0020, or of DEL: U+2400 to U+2421.
void AppendPicture(uint32_t control, std::string& out) {
  out.append("\xE2\x90");
  out.push_back(static_cast<char>(control == 0x7F ? 0xA1 : 0x80 + control));
}

constexpr std::string_view kEllipsis = "\xE2\x80\xA6";

bool IsBlank(uint32_t c) {
  return c == ' ' || c == 0xA0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200B) || c == 0xFEFF;
}

bool StartsFormula(uint32_t c) {
  // U+FF01..U+FF5E are the full-width forms of U+0021..U+007E.
  if (c >= 0xFF01 && c <= 0xFF5E) c = c - 0xFF01 + 0x21;
  constexpr std::string_view kStarts = "=+-@|%\t\r\n";
  return c < 0x80 && kStarts.find(static_cast<char>(c)) != std::string_view::npos;
}

bool FirstVisibleStartsFormula(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = Decode(text);
    if (!IsBlank(point.value)) return StartsFormula(point.value);
    text.remove_prefix(point.length);
  }
  return false;
}

}  // namespace

void AppendHtmlText(std::string_view value, std::string& out) {
  AppendHtml(value, Context::kText, out);
}

void AppendHtmlAttribute(std::string_view value, std::string& out) {
  AppendHtml(value, Context::kAttribute, out);
}

void AppendVisibleText(std::string_view value, size_t max_units, std::string& out) {
  size_t units = 0;
  while (!value.empty()) {
    const CodePoint point = Decode(value);
    const uint32_t c = point.value;
    const bool hidden = (c > 0x7F && c < 0xA0) || ReordersOrHides(c) || IsNoCharacter(c);
    const std::string shown = hidden ? fmt::format("[U+{:04X}]", c) : std::string();
    units += hidden ? shown.size() : c > 0xFFFF ? 2 : 1;
    // The ellipsis needs the last place, unless this is the end.
    if (units > max_units || (units == max_units && value.size() > point.length)) {
      out.append(kEllipsis);
      return;
    }
    if (hidden) {
      out.append(shown);
    } else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) {
      AppendPicture(c, out);
    } else if (c == kReplacement) {
      out.append("\xEF\xBF\xBD");
    } else {
      out.append(value.substr(0, point.length));
    }
    value.remove_prefix(point.length);
  }
}

void AppendJsonString(std::string_view value, std::string& out) {
  out.push_back('"');
  while (!value.empty()) {
    const CodePoint point = Decode(value);
    const uint32_t c = point.value;
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == '<' || c == '>' || c == '&' ||
               ReordersOrHides(c) || IsNoCharacter(c)) {
      if (c > 0xFFFF) {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}\\u{:04x}",
                       0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
      } else {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
      }
    } else if (c == kReplacement) {
      out.append("\xEF\xBF\xBD");
    } else {
      out.append(value.substr(0, point.length));
    }
    value.remove_prefix(point.length);
  }
  out.push_back('"');
}

void AppendCsvCell(std::string_view value, std::string& out) {
  const bool edge_space = !value.empty() && (value.front() == ' ' || value.back() == ' ');
  if (!edge_space && value.find_first_of("\",\r\n") == std::string_view::npos) {
    out.append(value);
    return;
  }
  out.push_back('"');
  for (const char c : value) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
}

void AppendSpreadsheetCell(std::string_view value, std::string& out) {
  constexpr std::string_view kBreaks = ";\t\r\n";
  std::string safe;
  safe.reserve(value.size() + 8);
  if (FirstVisibleStartsFormula(value)) safe.push_back('\'');
  for (size_t i = 0; i < value.size(); ++i) {
    safe.push_back(value[i]);
    if (kBreaks.find(value[i]) != std::string_view::npos &&
        FirstVisibleStartsFormula(value.substr(i + 1))) {
      safe.push_back('\'');
    }
  }
  AppendCsvCell(safe, out);
}

}  // namespace edcert::render
