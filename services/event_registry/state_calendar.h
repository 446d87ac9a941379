// Days and instants of the state: dates are kept without a zone and mean days of the state's one.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace edcert::event_registry {

// A day that never comes before, or after, any other: an interval that is open to one side.
inline constexpr absl::CivilDay kAlways = absl::CivilDay::min();
inline constexpr absl::CivilDay kForever = absl::CivilDay::max();

// Thread-safe.
class StateCalendar {
 public:
  explicit StateCalendar(absl::TimeZone zone) : zone_(zone) {}

  absl::CivilDay DayOf(absl::Time time) const { return absl::ToCivilDay(time, zone_); }
  // The first instant of a day, also where a change of the clock skips or repeats midnight.
  absl::Time StartOf(absl::CivilDay day) const { return absl::FromCivil(day, zone_); }
  // The last millisecond of a day: 23:59:59.999 of the local clock.
  absl::Time EndOf(absl::CivilDay day) const {
    return absl::FromCivil(day + 1, zone_) - absl::Milliseconds(1);
  }

 private:
  absl::TimeZone zone_;
};

// `2026-09-01`, and `-infinity` or `infinity` for the open ends: the form of the database.
std::string ToText(absl::CivilDay day);
absl::CivilDay DayFromText(std::string_view text);
// Whether a text from outside has the form of a day of ours: `2026-09-01`, a day that exists.
bool IsDayText(std::string_view text);

}  // namespace edcert::event_registry
