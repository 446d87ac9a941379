#include "common/render/report.h"

#include "common/render/test_report.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace edcert::render {
namespace {

Verdict VerdictFor(std::vector<RuleResult> rules) {
  ReportHeader header;
  header.rules = std::move(rules);
  return VerdictOf(TotalsOf(header));
}

RuleResult Broken(Severity severity) {
  RuleResult rule = Rule("X", severity, 0, 0);
  rule.outcome = Outcome::kError;
  return rule;
}

TEST(VerdictTest, TheGravestDecides) {
  EXPECT_EQ(VerdictFor({}), Verdict::kNothingTested);
  EXPECT_EQ(VerdictFor({Rule("A", Severity::kFatal, 0, 0)}), Verdict::kClear);
  EXPECT_EQ(VerdictFor({Rule("A", Severity::kInfo, 1, 1)}), Verdict::kReview);
  EXPECT_EQ(VerdictFor({Rule("A", Severity::kWarning, 1, 1)}), Verdict::kReview);
  EXPECT_EQ(
      VerdictFor({Rule("A", Severity::kWarning, 1, 1), Rule("B", Severity::kSpecialWarning, 1, 1)}),
      Verdict::kAcknowledge);
  EXPECT_EQ(
      VerdictFor({Rule("A", Severity::kSpecialWarning, 1, 1), Rule("B", Severity::kFatal, 1, 1)}),
      Verdict::kBlocked);
}

TEST(VerdictTest, ARuleThatCouldNotRunNeverPasses) {
  EXPECT_EQ(VerdictFor({Broken(Severity::kFatal)}), Verdict::kBlocked);
  EXPECT_EQ(VerdictFor({Broken(Severity::kSpecialWarning)}), Verdict::kReview);
  EXPECT_EQ(VerdictFor({Broken(Severity::kInfo)}), Verdict::kReview);
}

TEST(TotalsTest, CountsPerSeverity) {
  const SeverityTotals totals = TotalsOf(SmallReport());
  EXPECT_EQ(totals[0].rules_tested, 3);
  EXPECT_EQ(totals[0].rules_failed, 1);
  EXPECT_EQ(totals[0].rules_errored, 1);
  EXPECT_EQ(totals[0].findings, 2);
  EXPECT_EQ(totals[2].findings, 15873);
}

TEST(TotalsTest, WhatIsWaivedDoesNotCount) {
  ReportHeader header;
  header.rules = {Rule("A", Severity::kFatal, 3, 3), Rule("B", Severity::kFatal, 2, 2)};
  header.rules[0].waived = 3;
  header.rules[1].waived = 1;
  SeverityTotals totals = TotalsOf(header);
  EXPECT_EQ(totals[0].findings, 1);
  EXPECT_EQ(totals[0].rules_failed, 1);
  EXPECT_EQ(VerdictOf(totals), Verdict::kBlocked);
  header.rules[1].waived = 2;
  totals = TotalsOf(header);
  EXPECT_EQ(totals[0].rules_failed, 0);
  EXPECT_EQ(VerdictOf(totals), Verdict::kClear);
}

TEST(SortRulesTest, WhatBlocksComesFirst) {
  RuleResult broken = Broken(Severity::kFatal);
  broken.code = "broken";
  std::vector<RuleResult> rules = {Rule("pass", Severity::kFatal, 0, 0),
                                   Rule("warning", Severity::kWarning, 9000, 9000),
                                   broken,
                                   Rule("few", Severity::kFatal, 1, 1),
                                   Rule("many", Severity::kFatal, 7, 7),
                                   Rule("special", Severity::kSpecialWarning, 1, 1)};
  SortRules(rules);
  std::vector<std::string> codes;
  for (const RuleResult& rule : rules) codes.push_back(rule.code);
  EXPECT_THAT(codes, testing::ElementsAre("many", "few", "broken", "special", "warning", "pass"));
}

}  // namespace
}  // namespace edcert::render
