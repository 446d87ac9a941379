#include "common/render/report.h"

#include <algorithm>
#include <tuple>

namespace edcert::render {
namespace {

// 0: has findings, 1: could not run, 2: passed.
int Rank(const RuleResult& rule) {
  if (rule.findings > 0 || rule.outcome == Outcome::kFail) return 0;
  return rule.outcome == Outcome::kError ? 1 : 2;
}

void AddKnown(const std::optional<int64_t>& count, std::optional<int64_t>& total) {
  if (count) total = total.value_or(0) + *count;
}

}  // namespace

std::string_view SeverityCode(Severity severity) {
  switch (severity) {
    case Severity::kFatal:
      return "FATAL";
    case Severity::kSpecialWarning:
      return "SPECIAL_WARNING";
    case Severity::kWarning:
      return "WARNING";
    case Severity::kInfo:
      return "INFO";
  }
  return "";
}

std::string_view SeverityWords(Severity severity) {
  return severity == Severity::kSpecialWarning ? "SPECIAL WARNING" : SeverityCode(severity);
}

std::string_view OutcomeCode(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "PASS";
    case Outcome::kFail:
      return "FAIL";
    case Outcome::kError:
      return "ERROR";
  }
  return "";
}

std::string_view ChangeCode(Change change) {
  switch (change) {
    case Change::kUnknown:
      break;
    case Change::kNew:
      return "NEW";
    case Change::kRegressed:
      return "REGRESSED";
    case Change::kOpen:
      return "OPEN";
  }
  return "";
}

std::string_view VerdictCode(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNothingTested:
      return "NOTHING_TESTED";
    case Verdict::kBlocked:
      return "BLOCKED";
    case Verdict::kAcknowledge:
      return "ACKNOWLEDGE";
    case Verdict::kReview:
      return "REVIEW";
    case Verdict::kClear:
      return "CLEAR";
  }
  return "";
}

SeverityTotals TotalsOf(const ReportHeader& header) {
  SeverityTotals totals = {};
  for (const RuleResult& rule : header.rules) {
    SeverityTotal& total = totals[static_cast<size_t>(rule.severity)];
    total.rules_tested += 1;
    total.findings += rule.findings - rule.waived;
    AddKnown(rule.new_findings, total.new_findings);
    AddKnown(rule.regressed_findings, total.regressed_findings);
    AddKnown(rule.fixed_findings, total.fixed_findings);
    const bool all_waived = rule.waived > 0 && rule.waived == rule.findings;
    if (Rank(rule) == 0 && !all_waived) total.rules_failed += 1;
    if (rule.outcome == Outcome::kError) total.rules_errored += 1;
  }
  return totals;
}

Verdict VerdictOf(const SeverityTotals& totals) {
  const auto failed = [&](Severity severity) {
    return totals[static_cast<size_t>(severity)].rules_failed > 0;
  };
  const SeverityTotal& fatal = totals[static_cast<size_t>(Severity::kFatal)];
  if (fatal.rules_failed > 0 || fatal.rules_errored > 0) return Verdict::kBlocked;
  if (failed(Severity::kSpecialWarning)) return Verdict::kAcknowledge;
  int64_t tested = 0;
  int64_t errored = 0;
  for (const SeverityTotal& total : totals) {
    tested += total.rules_tested;
    errored += total.rules_errored;
  }
  if (failed(Severity::kWarning) || failed(Severity::kInfo) || errored > 0) return Verdict::kReview;
  return tested == 0 ? Verdict::kNothingTested : Verdict::kClear;
}

bool ReadsBefore(const RuleResult& a, const RuleResult& b) {
  const int rank_a = Rank(a);
  const int rank_b = Rank(b);
  const bool passed_a = rank_a == 2;
  const bool passed_b = rank_b == 2;
  return std::tie(passed_a, a.severity, rank_a, b.findings, a.code) <
         std::tie(passed_b, b.severity, rank_b, a.findings, b.code);
}

void SortRules(std::vector<RuleResult>& rules) {
  std::stable_sort(rules.begin(), rules.end(), ReadsBefore);
}

}  // namespace edcert::render
