#include "services/event_registry/state_calendar.h"

#include <gtest/gtest.h>

namespace edcert::event_registry {
namespace {

StateCalendar Calendar(const std::string& zone) {
  absl::TimeZone loaded;
  EXPECT_TRUE(absl::LoadTimeZone(zone, &loaded));
  return StateCalendar(loaded);
}

absl::Time Utc(int year, int month, int day, int hour, int minute) {
  return absl::FromCivil(absl::CivilMinute(year, month, day, hour, minute), absl::UTCTimeZone());
}

TEST(StateCalendarTest, ADayBeginsAtLocalMidnight) {
  const StateCalendar calendar = Calendar("America/Chicago");
  EXPECT_EQ(calendar.StartOf(absl::CivilDay(2026, 1, 15)), Utc(2026, 1, 15, 6, 0));
  EXPECT_EQ(calendar.StartOf(absl::CivilDay(2026, 7, 15)), Utc(2026, 7, 15, 5, 0));
}

TEST(StateCalendarTest, ADayEndsWithItsLastMillisecond) {
  const StateCalendar calendar = Calendar("America/Chicago");
  const absl::CivilDay day(2026, 10, 12);
  const absl::Time end = calendar.EndOf(day);
  EXPECT_EQ(calendar.DayOf(end), day);
  EXPECT_EQ(calendar.DayOf(end + absl::Milliseconds(1)), day + 1);
  EXPECT_EQ(absl::FormatTime("%H:%M:%E3S", end, absl::UTCTimeZone()), "04:59:59.999");
}

TEST(StateCalendarTest, DaysWithAChangeOfTheClockHave23And25Hours) {
  const StateCalendar calendar = Calendar("America/Chicago");
  const auto length = [&calendar](absl::CivilDay day) {
    return calendar.EndOf(day) - calendar.StartOf(day) + absl::Milliseconds(1);
  };
  EXPECT_EQ(length(absl::CivilDay(2026, 3, 8)), absl::Hours(23));
  EXPECT_EQ(length(absl::CivilDay(2026, 11, 1)), absl::Hours(25));
  EXPECT_EQ(length(absl::CivilDay(2026, 11, 2)), absl::Hours(24));
}

TEST(StateCalendarTest, ADayWithoutMidnightBeginsWithItsFirstInstant) {
  // In 2018 clocks in Brazil went from 00:00 to 01:00 on November 4.
  const StateCalendar calendar = Calendar("America/Sao_Paulo");
  const absl::CivilDay day(2018, 11, 4);
  EXPECT_EQ(calendar.StartOf(day), Utc(2018, 11, 4, 3, 0));
  EXPECT_EQ(calendar.DayOf(calendar.StartOf(day)), day);
  EXPECT_EQ(calendar.DayOf(calendar.StartOf(day) - absl::Milliseconds(1)), day - 1);
  EXPECT_EQ(calendar.EndOf(day - 1), calendar.StartOf(day) - absl::Milliseconds(1));
}

TEST(DayTextTest, GoesThereAndBack) {
  for (const absl::CivilDay day : {absl::CivilDay(1, 1, 1), absl::CivilDay(987, 6, 5),
                                   absl::CivilDay(2026, 12, 31), kAlways, kForever}) {
    EXPECT_EQ(DayFromText(ToText(day)), day);
  }
  EXPECT_EQ(ToText(absl::CivilDay(987, 6, 5)), "0987-06-05");
  EXPECT_EQ(ToText(kAlways), "-infinity");
}

TEST(DayTextTest, KnowsAForeignText) {
  EXPECT_TRUE(IsDayText("2026-11-30"));
  for (const char* text : {"", "2026-11-31", "2026-1-1", "2026/11/30", "infinity", "20261-11-3",
                           "2026-11-30 ", "aaaa-bb-cc", "-026-11-30"}) {
    EXPECT_FALSE(IsDayText(text)) << text;
  }
}

}  // namespace
}  // namespace edcert::event_registry
