#include "services/dataset/growth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status/error.h"

namespace edcert::dataset {
namespace {

using ::testing::ElementsAre;

Column Text(std::string name, int length = 10) {
  return {.name = std::move(name), .length = length};
}

// A dataset of the product.
Dataset Lunches() {
  Dataset dataset{
      .id = "lunches",
      .columns = {Text("student"),
                  Text("school"),
                  {.name = "price", .type = ColumnType::kDecimal, .precision = 5, .scale = 2}},
      .key = {0},
      .school = 1,
      .builtin = true};
  dataset.columns[0].required = true;
  return dataset;
}

std::vector<std::string> Names(const absl::StatusOr<Dataset>& dataset) {
  std::vector<std::string> names;
  if (!dataset.ok()) return {std::string(dataset.status().message())};
  for (const Column& column : dataset->columns) names.push_back(column.name);
  return names;
}

TEST(GrowthTest, WhatTheStateAddedStaysWhereItIs) {
  const auto extended = Extended(Lunches(), {Text("state_line"), Text("state_meal")});
  EXPECT_THAT(Names(extended),
              ElementsAre("student", "school", "price", "state_line", "state_meal"));
  Dataset newer = Lunches();
  newer.columns.push_back(Text("vendor"));
  const auto upgraded = Upgraded(*extended, newer);
  EXPECT_THAT(Names(upgraded),
              ElementsAre("student", "school", "price", "state_line", "state_meal", "vendor"));
  EXPECT_EQ(upgraded->key, Lunches().key);
  EXPECT_EQ(upgraded->school, 1);
  // And once more, whether a column came or not.
  EXPECT_EQ(*Upgraded(*upgraded, newer), *upgraded);
  newer.columns.push_back(Text("cook"));
  EXPECT_EQ(Names(Upgraded(*upgraded, newer)).back(), "cook");
}

TEST(GrowthTest, AVersionOfTheProductOnlyAdds) {
  const auto refused = [](void (*change)(Dataset&)) {
    Dataset newer = Lunches();
    change(newer);
    return status::ReasonOf(Upgraded(Lunches(), newer).status()) == "INTERNAL";
  };
  EXPECT_FALSE(refused([](Dataset&) {}));
  EXPECT_FALSE(refused([](Dataset& it) { it.columns[1].length = 11; }));
  EXPECT_FALSE(refused([](Dataset& it) { it.columns[2].precision = 6; }));
  EXPECT_TRUE(refused([](Dataset& it) { it.columns[1].length = 9; }));
  EXPECT_TRUE(refused([](Dataset& it) { it.columns[2].scale = 1; }));
  EXPECT_TRUE(refused([](Dataset& it) { it.columns[2].precision = 4; }));
  EXPECT_TRUE(refused([](Dataset& it) { it.columns[2].type = ColumnType::kInt64; }));
  EXPECT_TRUE(refused([](Dataset& it) { it.columns.pop_back(); }));
  EXPECT_TRUE(refused([](Dataset& it) { std::swap(it.columns[1], it.columns[2]); }));
  EXPECT_TRUE(refused([](Dataset& it) { it.columns.insert(it.columns.begin() + 1, Text("x")); }));
  EXPECT_TRUE(refused([](Dataset& it) { it.key = {0, 1}; }));
}

TEST(GrowthTest, TheStateAddsAndLengthensItsOwn) {
  const Dataset known = *Extended(Lunches(), {Text("state_line")});
  const auto reason = [&known](Column column) {
    return status::ReasonOf(Extended(known, {std::move(column)}).status());
  };
  EXPECT_EQ(reason(Text("state_line", 20)), "");
  EXPECT_EQ(reason(Text("state_line", 9)), "FIELD_INVALID");
  EXPECT_EQ(reason(Text("menu")), "FIELD_INVALID");        // may come with the product
  EXPECT_EQ(reason(Text("school", 20)), "FIELD_INVALID");  // is the product's
  EXPECT_EQ(reason({.name = "state_line", .type = ColumnType::kDate}), "FIELD_INVALID");
  EXPECT_EQ(reason({.name = "state_new", .length = 5, .required = true}), "FIELD_INVALID");
  EXPECT_EQ(
      reason({.name = "state_line", .length = 10, .personal_data = PersonalData::kRestricted}),
      "FIELD_INVALID");
  // A dataset of its own has names of its own, but for those of every table.
  Dataset own = Lunches();
  own.builtin = false;
  EXPECT_THAT(Names(Extended(own, {Text("menu"), Text("school", 20)})),
              ElementsAre("student", "school", "price", "menu"));
  EXPECT_EQ(status::ReasonOf(Extended(own, {Text("school_id")}).status()), "FIELD_INVALID");
  std::vector<Column> many;
  for (int i = 0; i < 298; ++i) many.push_back(Text("c" + std::to_string(i)));
  EXPECT_EQ(status::ReasonOf(Extended(own, many).status()), "FIELD_INVALID");
}

}  // namespace
}  // namespace edcert::dataset
