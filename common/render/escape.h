// Turning untrusted values into cells: one function per context, all of them append.
#pragma once

#include <string>
#include <string_view>

namespace edcert::render {

// HTML element content. The result is always valid UTF-8 and displays what is there: broken bytes
// become U+FFFD, control characters their pictures (U+2400..), characters that reorder or hide text
// their code ("[U+202E]").
void AppendHtmlText(std::string_view value, std::string& out);

// A double-quoted HTML attribute value; as above, and quotes and line ends are character
// references.
void AppendHtmlAttribute(std::string_view value, std::string& out);

// Text for a file that is no markup of ours, with the same promises as HTML content; nothing is
// escaped. Of more than `max_units` UTF-16 units the rest is cut, and an ellipsis says so.
void AppendVisibleText(std::string_view value, size_t max_units, std::string& out);

// A JSON string with its quotes, valid UTF-8 whatever the value holds: broken bytes become U+FFFD.
// What would end a script element or reorders or hides text is there as \u escape, so that the file
// shows what it holds wherever it is pasted; a parser gives the value back.
void AppendJsonString(std::string_view value, std::string& out);

// One CSV cell after RFC 4180, every byte kept.
void AppendCsvCell(std::string_view value, std::string& out);

// One CSV cell that no spreadsheet takes for a formula. A value whose first visible character is
// one of = + - @ | % TAB CR LF, or a full-width form of one, gets a leading apostrophe. The same
// holds after each ; TAB CR LF inside the value, because there a program that was told another
// delimiter begins a new cell.
void AppendSpreadsheetCell(std::string_view value, std::string& out);

}  // namespace edcert::render
