#include "common/rpc/standard.h"

#include <fmt/format.h>

namespace edcert::rpc {
namespace {

constexpr int kFirstYear = 1900;
constexpr int kLastYear = 2200;

}  // namespace

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp out;
  const int64_t micros = absl::ToUnixMicros(time);
  out.set_seconds(micros / 1'000'000);
  out.set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
  return out;
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::StatusOr<absl::CivilDay> ParseDate(const type::Date& date, std::string_view field) {
  const absl::CivilDay day(date.year(), date.month(), date.day());
  if (day.year() != date.year() || day.month() != date.month() || day.day() != date.day()) {
    return status::FieldInvalid(field, "must be a date of the calendar");
  }
  if (date.year() < kFirstYear || date.year() > kLastYear) {
    return status::FieldInvalid(
        field, fmt::format("must be of the years {} to {}", kFirstYear, kLastYear));
  }
  return day;
}

type::Date ToProto(absl::CivilDay day) {
  type::Date out;
  out.set_year(static_cast<int32_t>(day.year()));
  out.set_month(day.month());
  out.set_day(day.day());
  return out;
}

absl::Status CheckText(std::string_view text, std::string_view field, std::size_t min,
                       std::size_t max) {
  if (text.size() < min) {
    return status::FieldInvalid(
        field, text.empty() ? "required" : fmt::format("must have at least {} characters", min));
  }
  if (text.size() > max) {
    return status::FieldInvalid(field, fmt::format("must have at most {} characters", max));
  }
  if (text.find('\0') != std::string_view::npos) {
    return status::FieldInvalid(field, "must not hold a NUL character");
  }
  return absl::OkStatus();
}

}  // namespace edcert::rpc
