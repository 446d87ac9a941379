#include "services/dataset/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace edcert::dataset {
namespace {

// The canonical text, or nothing when the value is refused.
std::optional<std::string> Canonical(const Column& column, std::string_view text,
                                     ValueError* error = nullptr) {
  ValueParser parser;
  std::string canonical;
  std::string binary;
  const ValueError result = parser.Parse(column, text, canonical, binary);
  if (error != nullptr) *error = result;
  if (result != ValueError::kNone) {
    EXPECT_TRUE(canonical.empty() && binary.empty()) << text;
    EXPECT_NE(ReasonOf(result), "");
    return std::nullopt;
  }
  return canonical;
}

ValueError ErrorOf(const Column& column, std::string_view text) {
  ValueError error = ValueError::kNone;
  Canonical(column, text, &error);
  return error;
}

Column Of(ColumnType type) { return {.name = "c", .type = type, .length = 4}; }
Column Decimal(int precision, int scale) {
  return {.name = "c", .type = ColumnType::kDecimal, .precision = precision, .scale = scale};
}

TEST(ValueTest, TextIsBoundInCharacters) {
  const Column column = Of(ColumnType::kString);
  EXPECT_EQ(Canonical(column, " äöü"), " äöü");
  EXPECT_EQ(Canonical(column,
                      "\xF0\x9F\x8E\x93"
                      "abc"),
            "\xF0\x9F\x8E\x93"
            "abc");
  EXPECT_EQ(ErrorOf(column, "abcde"), ValueError::kTooLong);
}

TEST(ValueTest, TextIsUtf8WithoutNul) {
  const Column column = Of(ColumnType::kString);
  for (const std::string_view bad :
       {std::string_view("\xFF"), std::string_view("\xC0\x80"), std::string_view("\xED\xA0\x80"),
        std::string_view("\xF4\x90\x80\x80"), std::string_view("\xE2\x82"),
        std::string_view("a\0b", 3), std::string_view("\xE0\x80\x80"), std::string_view("\x80")}) {
    EXPECT_EQ(ErrorOf(column, bad), ValueError::kNotUtf8);
  }
}

TEST(ValueTest, WholeNumbers) {
  const Column column = Of(ColumnType::kInt64);
  EXPECT_EQ(Canonical(column, "-012"), "-12");
  EXPECT_EQ(Canonical(column, "9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(Canonical(column, "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(ErrorOf(column, "9223372036854775808"), ValueError::kOutOfRange);
  for (const char* bad : {"+1", "1.0", "1 ", " 1", "1e3", "-", "0x1", "１"}) {
    EXPECT_EQ(ErrorOf(column, bad), ValueError::kNotANumber) << bad;
  }
}

TEST(ValueTest, DecimalsHaveTheScaleOfTheColumn) {
  EXPECT_EQ(Canonical(Decimal(5, 1), "0170"), "170.0");
  EXPECT_EQ(Canonical(Decimal(5, 1), "-0.00"), "0.0");
  EXPECT_EQ(Canonical(Decimal(5, 1), ".5"), "0.5");
  EXPECT_EQ(Canonical(Decimal(5, 1), "9999.90"), "9999.9");
  EXPECT_EQ(Canonical(Decimal(3, 0), "-999"), "-999");
  EXPECT_EQ(ErrorOf(Decimal(5, 1), "10000"), ValueError::kOutOfRange);
  EXPECT_EQ(ErrorOf(Decimal(5, 1), "0.25"), ValueError::kOutOfRange);
  for (const char* bad : {"1.", ".", "-", "1e1", "NaN", "--1", "1,5", "1.2.3", "+1"}) {
    EXPECT_EQ(ErrorOf(Decimal(5, 1), bad), ValueError::kNotANumber) << bad;
  }
}

TEST(ValueTest, DatesExist) {
  const Column column = Of(ColumnType::kDate);
  EXPECT_EQ(Canonical(column, "2024-02-29"), "2024-02-29");
  for (const char* bad : {"2023-02-29", "2025-13-01", "2025-00-10", "2025-1-1", "0000-01-01",
                          "2025-10-01 ", "01/10/2025", "20251001", "2025-10-32", "-025-10-01"}) {
    EXPECT_EQ(ErrorOf(column, bad), ValueError::kNotADate) << bad;
  }
}

TEST(ValueTest, BoolsInTheUsualForms) {
  const Column column = Of(ColumnType::kBool);
  for (const char* yes : {"true", "TRUE", "1", "Y", "yes", "t"}) {
    EXPECT_EQ(Canonical(column, yes), "true");
  }
  for (const char* no : {"false", "0", "No", "n", "F"}) EXPECT_EQ(Canonical(column, no), "false");
  for (const char* bad : {"2", "truee", "on", "falsefalse"}) {
    EXPECT_EQ(ErrorOf(column, bad), ValueError::kNotABool);
  }
}

TEST(ValueTest, InstantsAreUtc) {
  const Column column = Of(ColumnType::kTimestamp);
  EXPECT_EQ(Canonical(column, "2025-10-01T08:00:00Z"), "2025-10-01T08:00:00Z");
  EXPECT_EQ(Canonical(column, "2025-10-01T00:30:00.120+02:00"), "2025-09-30T22:30:00.12Z");
  EXPECT_EQ(Canonical(column, "1969-12-31T23:59:59.5-00:00"), "1969-12-31T23:59:59.5Z");
  for (const char* bad :
       {"2025-10-01T08:00:00", "2025-10-01", "2025-10-01T24:00:00Z", "2025-10-01T08:60:00Z",
        "2025-10-01T08:00:00.Z", "2025-10-01T08:00:00+2:00", "2025-02-30T08:00:00Z",
        "0001-01-01T00:00:00+01:00", "2025-10-01T08:00:00.1234567Z"}) {
    EXPECT_EQ(ErrorOf(column, bad), ValueError::kNotATimestamp) << bad;
  }
}

TEST(ValueTest, TheMessageNeverRepeatsTheValue) {
  ValueParser parser;
  std::string canonical;
  std::string binary;
  for (int type = 1; type <= 8; ++type) {
    const Column column{.name = "c",
                        .type = static_cast<ColumnType>(type),
                        .length = 3,
                        .precision = 3,
                        .scale = 1};
    const ValueError error = parser.Parse(column, ";Jones;", canonical, binary);
    ASSERT_NE(error, ValueError::kNone);
    EXPECT_EQ(MessageOf(error, column).find("Jones"), std::string::npos);
  }
}

TEST(ValueTest, CodesAreSortedAndStandOnce) {
  const Column column{.name = "c", .type = ColumnType::kCodes, .length = 20};
  EXPECT_EQ(Canonical(column, "WHITE;ASIAN;WHITE"), "ASIAN;WHITE");
  for (const char* bad : {";", "A;", ";A", "A;;B"}) {
    EXPECT_EQ(ErrorOf(column, bad), ValueError::kNotCodes) << bad;
  }
}

TEST(ValueTest, ReadsBackWhatPostgresGives) {
  EXPECT_EQ(FromDatabase(Of(ColumnType::kBool), "t"), "true");
  EXPECT_EQ(FromDatabase(Of(ColumnType::kTimestamp), "2025-09-30 22:30:00.12+00"),
            "2025-09-30T22:30:00.12Z");
  EXPECT_EQ(FromDatabase(Decimal(5, 1), "170.0"), "170.0");
}

}  // namespace
}  // namespace edcert::dataset
