// Which findings are put together, and under which name.
#include "services/validation_report/root_cause.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace edcert::validation_report {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Fields = std::map<std::string, std::string>;

RuleContent RowRuleWith(std::vector<std::string> fields) {
  return {.code = "T-1", .fields = std::move(fields), .kind = RowRule{}};
}

RuleContent Orphans(std::vector<std::string> fields) {
  return {.code = "T-2",
          .fields = std::move(fields),
          .kind = ReferenceRule{.dataset = "organization",
                                .columns = {"school_id"},
                                .other_columns = {"organization_id"},
                                .mode = ReferenceRule::Mode::kMustExist}};
}

RuleResult Group(const RuleContent& rule, const std::vector<Fields>& findings,
                 const std::string& organization = "organizations/north") {
  RuleResult result;
  for (const Fields& fields : findings) {
    Finding& finding = result.stored.emplace_back();
    finding.fields = fields;
  }
  GroupByCause(rule, organization, result);
  return result;
}

std::vector<int64_t> Sizes(const RuleResult& result) {
  std::vector<int64_t> sizes;
  for (const FindingGroup& group : result.groups) sizes.push_back(group.size);
  return sizes;
}

std::vector<std::size_t> Places(const RuleResult& result) {
  std::vector<std::size_t> places;
  for (const Finding& finding : result.stored) places.push_back(finding.group);
  return places;
}

TEST(RootCauseTest, OrphansAreGroupedByWhatTheyLack) {
  const RuleResult result =
      Group(Orphans({"student_uid", "school_id"}), {{{"student_uid", "1"}, {"school_id", "A"}},
                                                    {{"student_uid", "2"}, {"school_id", "B"}},
                                                    {{"student_uid", "3"}, {"school_id", "B"}}});
  EXPECT_THAT(Sizes(result), ElementsAre(2, 1));
  EXPECT_THAT(Places(result), ElementsAre(1, 0, 0));
  EXPECT_THAT(result.groups.front().cause, ElementsAre(Pair("school_id", "B")));
  EXPECT_EQ(result.groups.front().description,
            "no matching record in datasets/organization: school_id = B");
}

TEST(RootCauseTest, OrphansWhoseKeyIsNotShownAreLikeOtherFindings) {
  const RuleResult result =
      Group(Orphans({"student_uid"}), {{{"student_uid", "1"}}, {{"student_uid", "2"}}});
  ASSERT_EQ(result.groups.size(), 1U);
  EXPECT_THAT(result.groups.front().cause, IsEmpty());
}

TEST(RootCauseTest, ValuesOfMoreThanHalfAreTheCause) {
  const RuleContent rule = RowRuleWith({"student_uid", "grade", "exit_type"});
  std::vector<Fields> findings;
  for (int i = 0; i < 6; ++i) {
    findings.push_back({{"student_uid", std::to_string(i)},
                        {"grade", i < 4 ? "12" : std::to_string(i)},
                        {"exit_type", i < 5 ? "" : "MOVED"}});
  }
  const RuleResult result = Group(rule, findings);
  EXPECT_THAT(Sizes(result), ElementsAre(4, 2));
  EXPECT_THAT(result.groups.front().cause, ElementsAre(Pair("exit_type", ""), Pair("grade", "12")));
  EXPECT_EQ(result.groups.front().description, "exit_type = (empty), grade = 12");
  EXPECT_THAT(result.groups.back().cause, IsEmpty());
  EXPECT_EQ(result.groups.back().description, "no common cause");
}

TEST(RootCauseTest, ValuesThatAreNotTogetherAreNoCommonCause) {
  // Each value has three of five, both together one: the first field says it.
  const RuleResult result = Group(RowRuleWith({"a", "b"}), {{{"a", "x"}, {"b", "1"}},
                                                            {{"a", "x"}, {"b", "2"}},
                                                            {{"a", "x"}, {"b", "y"}},
                                                            {{"a", "3"}, {"b", "y"}},
                                                            {{"a", "4"}, {"b", "y"}}});
  EXPECT_THAT(Sizes(result), ElementsAre(3, 2));
  EXPECT_THAT(result.groups.front().cause, ElementsAre(Pair("a", "x")));
}

TEST(RootCauseTest, HalfIsNotEnoughAndOneFindingHasNoCause) {
  const RuleContent rule = RowRuleWith({"a"});
  const RuleResult half = Group(rule, {{{"a", "x"}}, {{"a", "x"}}, {{"a", "1"}}, {{"a", "2"}}});
  EXPECT_THAT(Sizes(half), ElementsAre(4));
  EXPECT_THAT(half.groups.front().cause, IsEmpty());
  const RuleResult one = Group(rule, {{{"a", "x"}}});
  EXPECT_THAT(one.groups.front().cause, IsEmpty());
  EXPECT_THAT(Group(rule, {}).groups, IsEmpty());
}

TEST(RootCauseTest, RuleThatCouldNotBeRunIsAGroup) {
  RuleResult result{.outcome = Outcome::kError, .error = "took too long (57014)"};
  GroupByCause(RowRuleWith({"a"}), "organizations/north", result);
  ASSERT_EQ(result.groups.size(), 1U);
  EXPECT_EQ(result.groups.front().size, 0);
  EXPECT_EQ(result.groups.front().description, "the rule took too long (57014)");
  EXPECT_NE(result.groups.front().id, Group(RowRuleWith({"a"}), {{{"a", "x"}}}).groups[0].id);
}

TEST(RootCauseTest, IdIsOfRuleOrganisationAndCause) {
  const std::vector<Fields> findings = {{{"school_id", "A"}}, {{"school_id", "B"}}};
  const RuleContent rule = Orphans({"school_id"});
  const RuleResult result = Group(rule, findings);
  std::set<std::string> ids = {result.groups[0].id, result.groups[1].id};
  EXPECT_EQ(Group(rule, {findings[1]}).groups[0].id, result.groups[1].id);
  ids.insert(Group(rule, findings, "organizations/south").groups[0].id);
  RuleContent other = rule;
  other.code = "T-3";
  ids.insert(Group(other, findings).groups[0].id);
  EXPECT_EQ(ids.size(), 4U);
  EXPECT_EQ(ids.begin()->size(), kGroupIdSize);
}

}  // namespace
}  // namespace edcert::validation_report
