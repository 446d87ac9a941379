#include "common/rpc/standard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/matchers.h"

namespace edcert::rpc {
namespace {

using testing::HasReason;
using testing::IsOk;

type::Date Date(int year, int month, int day) {
  type::Date date;
  date.set_year(year);
  date.set_month(month);
  date.set_day(day);
  return date;
}

TEST(ParseDateTest, TakesDaysOfTheCalendar) {
  EXPECT_EQ(*ParseDate(Date(2024, 2, 29), "due"), absl::CivilDay(2024, 2, 29));
  for (const type::Date& bad :
       {type::Date(), Date(2023, 2, 29), Date(2023, 13, 1), Date(2023, 1, 0)}) {
    EXPECT_THAT(ParseDate(bad, "due"), HasReason("FIELD_INVALID"));
  }
}

TEST(ParseDateTest, TakesYearsWhoseInstantsCanBeStored) {
  EXPECT_THAT(ParseDate(Date(1900, 1, 1), "due"), IsOk());
  EXPECT_THAT(ParseDate(Date(2200, 12, 31), "due"), IsOk());
  EXPECT_THAT(ParseDate(Date(1899, 12, 31), "due"), HasReason("FIELD_INVALID"));
  EXPECT_THAT(ParseDate(Date(2201, 1, 1), "due"), HasReason("FIELD_INVALID"));
  EXPECT_THAT(ParseDate(Date(9999, 12, 31), "due"), HasReason("FIELD_INVALID"));
}

}  // namespace
}  // namespace edcert::rpc
