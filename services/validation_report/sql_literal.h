// What may stand in a text literal. Pure.
#pragma once

#include <string_view>

namespace edcert::validation_report {

// Whether each character is a digit where `shape` has a 9, else that of `shape`.
bool MatchesShape(std::string_view value, std::string_view shape);

// A text that PostgreSQL may read as a date, but another one each day. It may be compared with a
// date without any cast, and PostgreSQL ignores much of what stands around such a word, so every
// literal is checked and any that has the word is refused.
bool IsMovingDay(std::string_view value);

// '30 days', '1 year 6 months', '-2 weeks'.
bool IsInterval(std::string_view value);

// A pattern of bounded work: PostgreSQL's engine is fast unless a pattern refers back.
bool IsBoundedPattern(std::string_view pattern);

}  // namespace edcert::validation_report
