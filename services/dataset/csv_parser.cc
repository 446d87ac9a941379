#include "services/dataset/csv_parser.h"

#include <fmt/format.h>

#include <array>

#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::dataset {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// Bytes that UTF-8 never has and that a text in UTF-16 begins with.
constexpr std::string_view kOtherMarks = "\xFE\xFF";

// Whether a byte ends a run of plain bytes outside quotes.
constexpr std::array<bool, 256> kStops = [] {
  std::array<bool, 256> stops{};
  stops[','] = stops['\n'] = stops['\r'] = stops['"'] = stops['\0'] = true;
  return stops;
}();

// Whether a byte needs a look inside quotes.
constexpr std::array<bool, 256> kQuotedStops = [] {
  std::array<bool, 256> stops{};
  stops['"'] = stops['\n'] = stops['\0'] = true;
  return stops;
}();

const char* Skip(const char* at, const char* end, const std::array<bool, 256>& stops) {
  while (at != end && !stops[static_cast<unsigned char>(*at)]) ++at;
  return at;
}

}  // namespace

absl::Status CsvParser::Error(std::string_view what) const {
  return status::FieldInvalid("csv", fmt::format("line {}: {}", line_, what));
}

absl::Status CsvParser::Grow(std::string_view bytes) {
  if (bytes_.size() + bytes.size() > kMaxRecordBytes) {
    return Error("the record is longer than 1 MiB");
  }
  bytes_.append(bytes);
  return absl::OkStatus();
}

absl::Status CsvParser::EndField() {
  if (ends_.size() == kMaxFields) return Error("the record has more than 1000 fields");
  ends_.push_back(bytes_.size());
  return absl::OkStatus();
}

absl::Status CsvParser::EndRecord(Each each) {
  RETURN_IF_ERROR(EndField());
  fields_.clear();
  std::size_t begin = 0;
  for (const std::size_t end : ends_) {
    fields_.emplace_back(bytes_.data() + begin, end - begin);
    begin = end;
  }
  const absl::Status taken = each(first_line_, fields_);
  bytes_.clear();
  ends_.clear();
  state_ = State::kFieldStart;
  return taken;
}

absl::StatusOr<bool> CsvParser::TakePlain(const char*& at, const char* end, Each each) {
  fields_.clear();
  const char* begin = at;
  while (true) {
    const char* stop = Skip(begin, end, kStops);
    const bool too_much =
        fields_.size() == kMaxFields || static_cast<std::size_t>(stop - at) > kMaxRecordBytes;
    if (stop == end || too_much || *stop == '"' || *stop == '\0') return false;
    fields_.emplace_back(begin, static_cast<std::size_t>(stop - begin));
    begin = stop + 1;
    if (*stop == ',') continue;
    if (*stop == '\r') {
      if (begin == end || *begin != '\n') return false;
      ++begin;
    }
    at = begin;
    RETURN_IF_ERROR(each(line_, fields_));
    first_line_ = ++line_;
    return true;
  }
}

absl::Status CsvParser::Take(const char*& at, const char* end, Each each) {
  switch (state_) {
    case State::kMark:
      if (*at == kByteOrderMark[mark_bytes_]) {
        ++at;
        if (++mark_bytes_ == kByteOrderMark.size()) state_ = State::kFieldStart;
        return absl::OkStatus();
      }
      if (mark_bytes_ == 0 && kOtherMarks.find(*at) != std::string_view::npos) {
        return Error("the text is not UTF-8; it begins as UTF-16 does");
      }
      state_ = mark_bytes_ == 0 ? State::kFieldStart : State::kPlain;
      return Grow(kByteOrderMark.substr(0, mark_bytes_));
    case State::kFieldStart:
      if (*at == '"') {
        ++at;
        state_ = State::kQuoted;
        return absl::OkStatus();
      }
      state_ = State::kPlain;
      return absl::OkStatus();
    case State::kPlain: {
      const char* stop = Skip(at, end, kStops);
      RETURN_IF_ERROR(Grow({at, static_cast<std::size_t>(stop - at)}));
      at = stop;
      if (at == end) return absl::OkStatus();
      if (*at == '"') return Error("a quote stands inside a field without quotes");
      break;
    }
    case State::kQuoted: {
      const char* stop = Skip(at, end, kQuotedStops);
      RETURN_IF_ERROR(Grow({at, static_cast<std::size_t>(stop - at)}));
      at = stop;
      if (at == end) return absl::OkStatus();
      if (*at == '\0') return Error("a NUL byte");
      if (*at++ == '"') {
        state_ = State::kQuoteInQuoted;
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(Grow("\n"));
      ++line_;
      return absl::OkStatus();
    }
    case State::kQuoteInQuoted:
      if (*at == '"') {
        ++at;
        state_ = State::kQuoted;
        return Grow("\"");
      }
      if (*at != ',' && *at != '\n' && *at != '\r' && *at != '\0') {
        return Error("text stands behind a closing quote");
      }
      break;
    case State::kCarriageReturn:
      if (*at != '\n') return Error("a carriage return without a line feed");
      break;
  }
  // A separator ends the field.
  switch (*at++) {
    case ',':
      state_ = State::kFieldStart;
      return EndField();
    case '\n':
      RETURN_IF_ERROR(EndRecord(each));
      first_line_ = ++line_;
      return absl::OkStatus();
    case '\r':
      state_ = State::kCarriageReturn;
      return absl::OkStatus();
    default:
      return Error("a NUL byte");
  }
}

absl::Status CsvParser::Parse(std::string_view chunk, Each each) {
  const char* at = chunk.data();
  const char* end = at + chunk.size();
  while (at != end) {
    if (state_ == State::kFieldStart && ends_.empty()) {
      ASSIGN_OR_RETURN(const bool taken, TakePlain(at, end, each));
      if (taken) continue;
    }
    RETURN_IF_ERROR(Take(at, end, each));
  }
  return absl::OkStatus();
}

absl::Status CsvParser::Finish(Each each) {
  if (state_ == State::kQuoted) return Error("the text ends inside quotes");
  if (state_ == State::kCarriageReturn) return Error("a carriage return without a line feed");
  if (state_ == State::kMark && mark_bytes_ == 0) return absl::OkStatus();
  if (state_ == State::kMark) {
    RETURN_IF_ERROR(Grow(kByteOrderMark.substr(0, mark_bytes_)));
    return EndRecord(each);
  }
  if (state_ == State::kFieldStart && ends_.empty()) return absl::OkStatus();
  return EndRecord(each);
}

}  // namespace edcert::dataset
