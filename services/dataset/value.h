// Values: from the text of a source to the canonical text, and to PostgreSQL's binary form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/dataset/dataset.h"

namespace edcert::dataset {

// Why a value is not taken. The name on the wire and the words for people are beside it.
enum class ValueError {
  kNone,
  kMissing,
  kNotUtf8,
  kTooLong,
  kNotANumber,
  kOutOfRange,
  kNotADate,
  kNotABool,
  kNotATimestamp,
  kNotCodes,
};
// UPPER_SNAKE_CASE, for example `DATE_INVALID`.
std::string_view ReasonOf(ValueError error);
// In words; `column` gives the bounds. Never the value.
std::string MessageOf(ValueError error, const Column& column);

// Parses values of one record after the other without allocating for each.
class ValueParser {
 public:
  // Appends the canonical text of `text` to `canonical`, and to `binary` the value in the form of
  // binary COPY: its length as 32 bits and its bytes. `text` is not empty.
  ValueError Parse(const Column& column, std::string_view text, std::string& canonical,
                   std::string& binary);

 private:
  ValueError ParseCodes(const Column& column, std::string_view text, std::string& canonical,
                        std::string& binary);

  std::vector<std::string_view> codes_;
};

// The canonical text of a value that PostgreSQL gave as text.
std::string FromDatabase(const Column& column, std::string_view text);

// Whether the text is UTF-8 without NUL. `characters` is how many code points it has.
bool IsText(std::string_view text, std::size_t& characters);

// Big-endian numbers, as in binary COPY.
void PutInt16(std::string& out, int16_t value);
void PutInt32(std::string& out, int32_t value);
void PutInt64(std::string& out, int64_t value);

}  // namespace edcert::dataset
