// Functions of texts in UTF-8, with PostgreSQL's meaning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace edcert::validation_report::columnar {

bool IsAscii(std::string_view text);
// Of ASCII texts only: what other letters become is the database's to say.
std::string ToLower(std::string_view text);
std::string ToUpper(std::string_view text);

// Characters.
int64_t LengthOf(std::string_view text);
// Of blanks.
std::string_view TrimLeft(std::string_view text);
std::string_view TrimRight(std::string_view text);
// The first or last characters; a negative count leaves so many out at the other end.
std::string_view Left(std::string_view text, int64_t count);
std::string_view Right(std::string_view text, int64_t count);
// From the character at `from`, 1 for the first; places before the first count, but hold nothing.
std::string_view Substring(std::string_view text, int64_t from, std::optional<int64_t> count);
// The character at which `part` begins, 1 for the first; 0 when it is not in `text`.
int64_t PositionOf(std::string_view text, std::string_view part);
std::string Replace(std::string_view text, std::string_view from, std::string_view to);

// LIKE with `\` as the escape; a pattern that ends in it matches nothing.
bool IsLike(std::string_view text, std::string_view pattern);

// `element = ANY (string_to_array(text, separator))`; an empty text has no elements.
bool HasElement(std::string_view text, std::string_view separator, std::string_view element);
int64_t CountElements(std::string_view text, std::string_view separator);

}  // namespace edcert::validation_report::columnar
