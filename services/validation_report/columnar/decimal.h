// PostgreSQL's numeric, as far as 38 digits go: the same digits and the same scale of each result.
// Each operation gives nothing when its result does not fit; whoever asked then asks PostgreSQL.
#pragma once

#include <optional>

#include "services/validation_report/columnar/table.h"

namespace edcert::validation_report::columnar {

std::optional<Decimal> Add(const Decimal& a, const Decimal& b);
std::optional<Decimal> Subtract(const Decimal& a, const Decimal& b);
std::optional<Decimal> Multiply(const Decimal& a, const Decimal& b);
// Nothing for a divisor of 0 too. At least 16 significant digits, rounded half away from zero.
std::optional<Decimal> Divide(const Decimal& a, const Decimal& b);
std::optional<Decimal> Modulo(const Decimal& a, const Decimal& b);
// Less than 0, 0 or more than 0, whatever the scales.
std::optional<int> Compare(const Decimal& a, const Decimal& b);
// With `scale` digits behind the point: rounded half away from zero, or longer by zeros.
std::optional<Decimal> Round(const Decimal& value, int scale);
std::optional<Decimal> Truncate(const Decimal& value, int scale);
std::optional<Decimal> Floor(const Decimal& value);
std::optional<Decimal> Ceiling(const Decimal& value);

// A literal such as "12.50"; nothing for one with an exponent or too many digits.
std::optional<Decimal> ParseDecimal(std::string_view text);

}  // namespace edcert::validation_report::columnar
