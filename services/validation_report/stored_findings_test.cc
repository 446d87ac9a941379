// Which findings are stored, against the level computed anew from all that was found.
#include "services/validation_report/stored_findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace edcert::validation_report {
namespace {

using ::testing::ElementsAre;

Finding MakeFinding(int number, std::size_t bytes = 1) {
  return {.record_key = std::to_string(number), .message = std::string(bytes, 'm')};
}

// Adds this rule's next findings, as far as they are wanted.
void Add(StoredFindings& stored, std::size_t rule, int first, int count) {
  for (int i = first; i < first + count && stored.Wants(rule); ++i) {
    stored.Add(rule, MakeFinding(i));
  }
}

std::vector<int64_t> Sizes(StoredFindings& stored, std::size_t rules) {
  std::vector<int64_t> sizes;
  for (std::size_t rule = 0; rule < rules; ++rule) {
    const std::vector<Finding> findings = stored.Release(rule);
    for (std::size_t i = 0; i < findings.size(); ++i) {
      EXPECT_EQ(findings[i].record_key, std::to_string(i));
    }
    sizes.push_back(static_cast<int64_t>(findings.size()));
  }
  return sizes;
}

// What each rule keeps by the definition.
std::vector<int64_t> Expected(std::vector<int64_t> found, int64_t most) {
  const auto fits = [&](int64_t level) {
    int64_t sum = 0;
    for (const int64_t each : found) sum += std::min(each, level);
    return sum <= most;
  };
  int64_t level = 0;
  while (level < most && fits(level + 1)) ++level;
  for (int64_t& each : found) each = std::min(each, level);
  return found;
}

TEST(StoredFindingsTest, RulesWithMostAreCutToOneLevel) {
  StoredFindings stored(4, 20);
  Add(stored, 0, 0, 3);
  Add(stored, 1, 0, 19);
  Add(stored, 2, 0, 7);
  EXPECT_THAT(Sizes(stored, 4), ElementsAre(3, 10, 7, 0));
}

TEST(StoredFindingsTest, NothingIsWantedWhereNothingIsStored) {
  const StoredFindings stored(2, 0);
  EXPECT_FALSE(stored.Wants(0));
}

TEST(StoredFindingsTest, OneRuleKeepsSoMany) {
  StoredFindings stored(1, kMaxStoredPerReport);
  Add(stored, 0, 0, 10'050);
  EXPECT_THAT(Sizes(stored, 1), ElementsAre(10'000));
}

// Rules find in turns, alone or in groups that are taken when they have ended: the same is stored,
// and never more is kept than may be.
TEST(StoredFindingsTest, OrderChangesNothing) {
  std::mt19937 random(7);
  const auto below = [&](std::size_t bound) { return random() % bound; };
  for (int round = 0; round < 300; ++round) {
    const std::size_t rules = 1 + below(12);
    const auto most = static_cast<int64_t>(below(120));
    std::vector<int64_t> found;
    for (std::size_t i = 0; i < rules; ++i) {
      found.push_back(static_cast<int64_t>(below(below(2) == 0 ? 5 : 60)));
    }
    StoredFindings stored(rules, most);
    std::vector<std::size_t> order(rules);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), random);
    while (!order.empty()) {
      // A group of rules, each of which has some left.
      const std::size_t size = 1 + below(order.size());
      std::vector<std::size_t> group(order.end() - static_cast<std::ptrdiff_t>(size), order.end());
      order.resize(order.size() - size);
      const bool alone = below(2) == 0;
      StoredFindings others(rules, most);
      StoredFindings& target = alone ? others : stored;
      std::vector<int> next(rules);
      while (!group.empty()) {
        const std::size_t place = below(group.size());
        const std::size_t rule = group[place];
        if (next[rule] == found[rule]) {
          group.erase(group.begin() + static_cast<std::ptrdiff_t>(place));
          continue;
        }
        Add(target, rule, next[rule]++, 1);
        ASSERT_LE(target.kept(), most);
      }
      if (alone) stored.Take(std::move(others));
      ASSERT_LE(stored.kept(), most);
    }
    ASSERT_EQ(Sizes(stored, rules), Expected(found, most)) << round;
  }
}

TEST(StoredFindingsTest, LongOnesCountAsSeveral) {
  EXPECT_EQ(WeightOf(MakeFinding(1, kBytesPerStored - 1)), 1);
  EXPECT_EQ(WeightOf(MakeFinding(1, kBytesPerStored)), 2);
  StoredFindings stored(2, 20);
  for (int i = 0; i < 50 && stored.Wants(0); ++i) stored.Add(0, MakeFinding(i, 2'000));
  Add(stored, 1, 0, 9);
  // Five of the first are ten, and six would be more than the level.
  EXPECT_THAT(Sizes(stored, 2), ElementsAre(5, 9));
}

}  // namespace
}  // namespace edcert::validation_report
