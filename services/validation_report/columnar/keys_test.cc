#include "services/validation_report/columnar/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace edcert::validation_report::columnar {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<uint64_t> RandomKeys(std::mt19937_64& random, std::size_t count, uint64_t most) {
  std::vector<uint64_t> keys;
  for (std::size_t i = 0; i < count; ++i) {
    keys.push_back(random() % 10 == 0 ? kNoKey : random() % most);
  }
  return keys;
}

// Below, at and far above what one table of a matcher holds.
class KeyMatcherTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  KeyMatcher matcher_;
  std::mt19937_64 random_{7};
};

TEST_P(KeyMatcherTest, RepeatedRowsAreThoseOfKeysThatComeTwice) {
  // The second time with the memory of the first.
  for (const std::size_t count : {GetParam(), GetParam() / 2}) {
    const std::vector<uint64_t> keys = RandomKeys(random_, count, count * 4 + 1);
    std::map<uint64_t, int> times;
    for (const uint64_t key : keys) ++times[key];
    std::vector<uint32_t> expected;
    for (std::size_t i = 0; i < count; ++i) {
      if (keys[i] != kNoKey && times[keys[i]] > 1) expected.push_back(static_cast<uint32_t>(i));
    }
    EXPECT_EQ(matcher_.RepeatedRows(keys), expected);
  }
}

TEST_P(KeyMatcherTest, FindsKeysAmongOthers) {
  for (const std::size_t count : {GetParam(), GetParam() / 2}) {
    const std::vector<uint64_t> keys = RandomKeys(random_, 50'000, 100'000);
    const std::vector<uint64_t> others = RandomKeys(random_, count, 100'000);
    std::map<uint64_t, int> times;
    for (const uint64_t key : others) ++times[key];
    std::vector<uint8_t> expected;
    for (const uint64_t key : keys) {
      expected.push_back(key != kNoKey && times.contains(key) ? 1 : 0);
    }
    std::vector<uint8_t> found;
    matcher_.Find(keys, others, found);
    EXPECT_EQ(found, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, KeyMatcherTest,
                         ::testing::Values(0, 1, 1'000, 16'383, 16'384, 200'000));

TEST(KeyMatcher, RowsWithoutAKeyAreLikeNoOther) {
  KeyMatcher matcher;
  EXPECT_THAT(matcher.RepeatedRows({kNoKey, kNoKey, 5}), IsEmpty());
  std::vector<uint8_t> found;
  matcher.Find({kNoKey, 5}, {kNoKey, 5}, found);
  EXPECT_THAT(found, ElementsAre(0, 1));
}

}  // namespace
}  // namespace edcert::validation_report::columnar
