#include "services/dataset/record_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status/error.h"

namespace edcert::dataset {
namespace {

using ::testing::HasSubstr;

Dataset Lunches() {
  return {.id = "lunches",
          .columns = {{.name = "student", .length = 10, .required = true},
                      {.name = "day", .type = ColumnType::kDate, .required = true},
                      {.name = "price", .type = ColumnType::kDecimal, .precision = 5, .scale = 2},
                      {.name = "school", .length = 10}},
          .key = {0, 1},
          .school = 3};
}

class RecordEncoderTest : public ::testing::Test {
 protected:
  std::string Encode(const std::vector<std::string_view>& fields) {
    std::string copy;
    encoder_.Encode(2, fields, copy);
    return copy;
  }

  const Dataset dataset_ = Lunches();
  RecordEncoder encoder_{dataset_, /*keys_only=*/false};
};

TEST_F(RecordEncoderTest, TheDefinitionIsUsable) { EXPECT_TRUE(Check(dataset_).ok()); }

TEST_F(RecordEncoderTest, TheHashDoesNotDependOnTheOrderOrTheFormOfTheSource) {
  ASSERT_TRUE(encoder_.SetHeader({"student", "day", "price", "school"}, "csv").ok());
  const std::string one = Encode({"7", "2025-10-01", "1.5", "42"});
  ASSERT_TRUE(encoder_.SetHeader({"school", "price", "day", "student"}, "csv").ok());
  EXPECT_EQ(Encode({"42", "01.50", "2025-10-01", "7"}), one);
  EXPECT_EQ(encoder_.rejected(), 0);
}

TEST_F(RecordEncoderTest, NoValueIsNotTheEmptyTextOfANeighbour) {
  const std::string ab = "ab";
  const std::string a = "a";
  const std::string b = "b";
  EXPECT_NE(RowHash({&ab, nullptr}), RowHash({&a, &b}));
  EXPECT_NE(RowHash({nullptr, &ab}), RowHash({&ab, nullptr}));
  EXPECT_EQ(RowHash({&ab}).size(), 32U);
  // A column that came later.
  EXPECT_EQ(RowHash({&ab, nullptr}), RowHash({&ab}));
}

TEST_F(RecordEncoderTest, TheRowHoldsTheKeyAndTheHash) {
  ASSERT_TRUE(encoder_.SetHeader({"student", "day"}, "csv").ok());
  const std::string row = Encode({"a|b\\c", "2025-10-01"});
  EXPECT_THAT(row, HasSubstr("a\\|b\\\\c|2025-10-01"));
  const std::string student = "a|b\\c";
  const std::string day = "2025-10-01";
  EXPECT_TRUE(row.ends_with(RowHash({&student, &day, nullptr, nullptr})));
}

TEST_F(RecordEncoderTest, ARejectedRecordKeepsItsKey) {
  ASSERT_TRUE(encoder_.SetHeader({"student", "day", "price"}, "csv").ok());
  const std::string row = Encode({"7", "2025-10-01", "cheap"});
  EXPECT_EQ(encoder_.rejected(), 1);
  EXPECT_THAT(row, HasSubstr("NUMBER_INVALID"));
  EXPECT_THAT(row, HasSubstr("7|2025-10-01"));
  EXPECT_EQ(row.find("cheap"), std::string::npos);
}

TEST_F(RecordEncoderTest, KnowsWhetherKeysMayRepeat) {
  ASSERT_TRUE(encoder_.SetHeader({"student", "day", "price"}, "csv").ok());
  for (const char* student : {"8", "7", "9"}) Encode({student, "2025-10-01", "1.5"});
  // A rejected record takes no key away from another.
  Encode({"7", "2025-10-01", "cheap"});
  EXPECT_FALSE(encoder_.MayRepeatKeys());
  Encode({"7", "2025-10-01", "2.5"});
  EXPECT_TRUE(encoder_.MayRepeatKeys());
}

TEST_F(RecordEncoderTest, LeavesOutWhatStandsOnce) {
  ASSERT_TRUE(encoder_.SetHeader({"student", "day"}, "csv").ok());
  const std::vector<std::string_view> seven = {"7", "2025-10-01"};
  const std::vector<std::string_view> eight = {"8", "2025-10-01"};
  const std::string row_of_eight = Encode(eight);
  StandingRecords standing;
  standing.Know(/*version=*/1, /*records=*/1);
  const std::string student = "7";
  const std::string day = "2025-10-01";
  standing.Add(std::string(StandingRecords::kPlace, '\0'), RowHash({&student, &day}));
  encoder_.LeaveOut(&standing);
  std::string copy;
  for (const auto& fields : {seven, eight, seven}) encoder_.Encode(2, fields, copy);
  EXPECT_EQ(copy, row_of_eight) << "the last one waits";
  encoder_.Finish(copy);
  EXPECT_TRUE(copy.starts_with(row_of_eight) && copy.size() == 2 * row_of_eight.size());
  encoder_.Finish(copy);
  EXPECT_EQ(copy.size(), 2 * row_of_eight.size());
  EXPECT_EQ(standing.brought(), 1);
}

TEST_F(RecordEncoderTest, RejectsMissingValuesAndFields) {
  ASSERT_TRUE(encoder_.SetHeader({"student", "day"}, "csv").ok());
  EXPECT_THAT(Encode({"7", ""}), HasSubstr("REQUIRED_MISSING"));
  EXPECT_THAT(Encode({"7"}), HasSubstr("FIELD_COUNT"));
  EXPECT_THAT(Encode({"7", "2025-10-01", "x"}), HasSubstr("FIELD_COUNT"));
  EXPECT_EQ(encoder_.records(), 3);
  EXPECT_EQ(encoder_.rejected(), 3);
}

TEST_F(RecordEncoderTest, RefusesAHeaderThatDoesNotFit) {
  for (const std::vector<std::string_view>& header : std::vector<std::vector<std::string_view>>{
           {"student"}, {"student", "day", "day"}, {"student", "day", "colour"}, {""}}) {
    EXPECT_EQ(status::ReasonOf(encoder_.SetHeader(header, "csv")), "FIELD_INVALID");
  }
}

TEST_F(RecordEncoderTest, DeletingReadsKeysOnly) {
  RecordEncoder keys(dataset_, /*keys_only=*/true);
  ASSERT_TRUE(keys.SetHeader({"day", "student", "price"}, "csv").ok());
  std::string copy;
  keys.Encode(2, {"2025-10-01", "7", "cheap"}, copy);
  EXPECT_EQ(keys.rejected(), 0);
}

TEST(CatalogueTest, RefusesNamesThatEveryTableHas) {
  for (const char* name : {"row_hash", "Upper", "", "1st", "record_key", "a-b", "a\"b"}) {
    Dataset dataset = Lunches();
    dataset.columns[2].name = name;
    EXPECT_FALSE(Catalogue::Make({dataset}).ok()) << name;
  }
}

}  // namespace
}  // namespace edcert::dataset
