// A streaming parser of CSV (RFC 4180): bytes in, cut anywhere; records out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace edcert::dataset {

inline constexpr std::size_t kMaxRecordBytes = 1 << 20;
inline constexpr std::size_t kMaxFields = 1000;

// Takes UTF-8 with or without a byte order mark, LF or CRLF, quoted fields with line breaks in
// them. Memory is bounded by one record. After an error it takes nothing more.
//
// Errors are FIELD_INVALID for `csv` and name the line: the mark of UTF-16, a quote out of place, a
// NUL byte, a lone carriage return, more than kMaxFields fields, a record longer than
// kMaxRecordBytes, an end inside quotes.
class CsvParser {
 public:
  // The fields of one record and the line on which it begins, from 1. Valid during the call.
  using Each = absl::FunctionRef<absl::Status(int64_t line, const std::vector<std::string_view>&)>;

  absl::Status Parse(std::string_view chunk, Each each);
  // The end of the text: gives the last record when no line break ends it.
  absl::Status Finish(Each each);

 private:
  enum class State { kMark, kFieldStart, kPlain, kQuoted, kQuoteInQuoted, kCarriageReturn };

  // Takes a record that lies whole in the chunk and has no quotes, as most do, without copying its
  // fields; false when the next one is not of that kind.
  absl::StatusOr<bool> TakePlain(const char*& at, const char* end, Each each);
  absl::Status Take(const char*& at, const char* end, Each each);
  absl::Status EndField();
  absl::Status EndRecord(Each each);
  absl::Status Grow(std::string_view bytes);
  absl::Status Error(std::string_view what) const;

  State state_ = State::kMark;
  std::size_t mark_bytes_ = 0;     // of the byte order mark, seen so far
  std::string bytes_;              // of the record, unquoted, without separators
  std::vector<std::size_t> ends_;  // of its fields, in bytes_
  std::vector<std::string_view> fields_;
  int64_t line_ = 1;
  int64_t first_line_ = 1;
};

}  // namespace edcert::dataset
