#include "services/event_registry/state_calendar.h"

#include <fmt/format.h>

#include <charconv>

#include "common/status/macros.h"

namespace edcert::event_registry {
namespace {

constexpr std::string_view kPast = "-infinity";
constexpr std::string_view kFuture = "infinity";

// Reads digits and steps over the hyphen after them.
int TakeNumber(std::string_view& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  CHECK(error == std::errc());
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.empty()) text.remove_prefix(1);
  return number;
}

}  // namespace

std::string ToText(absl::CivilDay day) {
  if (day == kAlways) return std::string(kPast);
  if (day == kForever) return std::string(kFuture);
  return fmt::format("{:04}-{:02}-{:02}", day.year(), day.month(), day.day());
}

absl::CivilDay DayFromText(std::string_view text) {
  if (text == kPast) return kAlways;
  if (text == kFuture) return kForever;
  const int year = TakeNumber(text);
  const int month = TakeNumber(text);
  const int day = TakeNumber(text);
  return absl::CivilDay(year, month, day);
}

bool IsDayText(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-dd";
  if (text.size() != kForm.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (digit != (kForm[i] == 'd') || (!digit && text[i] != '-')) return false;
  }
  return ToText(DayFromText(text)) == text;
}

}  // namespace edcert::event_registry
