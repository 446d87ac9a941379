#include "common/render/words.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <numeric>
#include <optional>

#include "absl/time/civil_time.h"
#include "fmt/format.h"

namespace edcert::render {
namespace {

constexpr std::string_view kRunAgain =
    "A rule that could not run never counts as passed. Run the validation again; if it happens "
    "again, contact your state education agency.";

std::string Changes(std::optional<int64_t> added, std::optional<int64_t> regressed,
                    std::optional<int64_t> fixed, std::string_view between) {
  std::string words;
  const auto add = [&](int64_t count, std::string_view what) {
    fmt::format_to(std::back_inserter(words), "{}{} {}", words.empty() ? "" : between,
                   Grouped(count), what);
  };
  if (added) add(*added, "new");
  if (regressed.value_or(0) > 0) add(*regressed, "came back");
  if (fixed.value_or(0) > 0) add(*fixed, "fixed");
  return words;
}

std::string Rules(int64_t count) { return Counted(count, "rule", "rules"); }

VerdictWords Blocked(const SeverityTotal& fatal, int64_t tested) {
  const std::string findings = Counted(fatal.findings, "FATAL finding", "FATAL findings");
  const std::string errors = Counted(fatal.rules_errored, "FATAL rule", "FATAL rules");
  const std::string where = fmt::format(
      "The findings come from {} of the {} tested. Correct the records in your student information "
      "system, wait until the data has arrived, then run the validation again.",
      Grouped(fatal.rules_failed), Rules(tested));
  if (fatal.rules_errored == 0) {
    return {fmt::format("{} must be corrected before you can continue.", findings), where};
  }
  if (fatal.rules_failed == 0) {
    return {fmt::format("{} could not be run, so you cannot continue yet.", errors),
            std::string(kRunAgain)};
  }
  return {fmt::format("{} must be corrected and {} must run before you can continue.", findings,
                      errors),
          fmt::format("{} {}", where, kRunAgain)};
}

VerdictWords Review(const SeverityTotals& totals, int64_t errored) {
  const SeverityTotal& warning = totals[static_cast<size_t>(Severity::kWarning)];
  const SeverityTotal& info = totals[static_cast<size_t>(Severity::kInfo)];
  VerdictWords words = {"", "Nothing in this report stops you."};
  if (warning.rules_failed > 0) {
    words.sentence = fmt::format("You can continue. Please review {} first.",
                                 Counted(warning.findings, "WARNING", "WARNINGS"));
  } else if (info.rules_failed > 0) {
    words.sentence =
        fmt::format("You can continue. {} for your information.",
                    Counted(info.findings, "finding is listed", "findings are listed"));
  } else {
    words.sentence = fmt::format("You can continue, but {} could not be run.", Rules(errored));
  }
  if (errored > 0) {
    words.advice = fmt::format("{} could not be run. {}", Rules(errored), kRunAgain);
  }
  return words;
}

VerdictWords Clear(const ReportHeader& header, int64_t tested) {
  const int64_t rows = RowsTested(header);
  if (rows == 0) {
    return {"Nothing was found, because there were no records to test.",
            "The data versions below hold no records. If that is not what you expect, check that "
            "your data has arrived."};
  }
  const bool waived = std::any_of(header.rules.begin(), header.rules.end(),
                                  [](const RuleResult& rule) { return rule.waived > 0; });
  if (waived) {
    return {"You can continue. What was found is waived by the state.",
            "The waivers are listed below, with their last days and who gave them."};
  }
  return {
      tested == 1 ? "The one rule passed. You can continue."
                  : fmt::format("All {} passed. You can continue.", Rules(tested)),
      fmt::format("{} tested against {} and nothing was found.",
                  Counted(tested, "rule was", "rules were"), Counted(rows, "record", "records"))};
}

}  // namespace

std::string Grouped(int64_t number) {
  std::string digits = fmt::to_string(number);
  const size_t first = digits.front() == '-' ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string Counted(int64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", Grouped(count), count == 1 ? one : many);
}

std::string Share(int64_t part, int64_t whole) {
  if (whole <= 0 || part > whole) return "–";
  if (part == 0) return "0%";
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  if (percent < 0.1) return "under 0.1%";
  return percent < 10 ? fmt::format("{:.1f}%", percent) : fmt::format("{:.0f}%", percent);
}

std::string LongTime(absl::Time time, const absl::TimeZone& zone) {
  constexpr std::array<std::string_view, 12> kMonths = {
      "January", "February", "March",     "April",   "May",      "June",
      "July",    "August",   "September", "October", "November", "December"};
  const absl::CivilSecond civil = absl::ToCivilSecond(time, zone);
  const int hour = civil.hour() % 12 == 0 ? 12 : civil.hour() % 12;
  return fmt::format("{} {}, {}, {}:{:02} {}", kMonths[static_cast<size_t>(civil.month() - 1)],
                     civil.day(), civil.year(), hour, civil.minute(),
                     civil.hour() < 12 ? "a.m." : "p.m.");
}

bool HasFindings(const RuleResult& rule) {
  return rule.findings > 0 || rule.outcome == Outcome::kFail;
}

bool NeedsAttention(const RuleResult& rule) {
  return HasFindings(rule) || rule.outcome == Outcome::kError;
}

std::string_view ResultWord(const RuleResult& rule) {
  if (rule.outcome == Outcome::kError) return "Not run";
  return HasFindings(rule) ? "Failed" : "Passed";
}

int64_t RowsTested(const ReportHeader& header) {
  return std::accumulate(
      header.data_versions.begin(), header.data_versions.end(), int64_t{0},
      [](int64_t sum, const DataVersion& data) { return data.tested ? sum + data.rows : sum; });
}

int64_t TotalOf(const SchoolCount& school) {
  return std::accumulate(school.findings.begin(), school.findings.end(), int64_t{0});
}

std::string_view WhatToDo(Severity severity) {
  switch (severity) {
    case Severity::kFatal:
      return "Must be corrected before you can continue.";
    case Severity::kSpecialWarning:
      return "Somebody must explain them before anybody signs.";
    case Severity::kWarning:
      return "Review them. You acknowledge them when you sign.";
    case Severity::kInfo:
      return "For your information only.";
  }
  return "";
}

VerdictWords WordsOf(const ReportHeader& header) {
  const SeverityTotals totals = TotalsOf(header);
  const auto tested = static_cast<int64_t>(header.rules.size());
  int64_t errored = 0;
  for (const SeverityTotal& total : totals) errored += total.rules_errored;
  switch (VerdictOf(totals)) {
    case Verdict::kNothingTested:
      return {"No rules were tested.",
              "The rule group holds no rules, so this report says nothing about the quality of the "
              "data."};
    case Verdict::kBlocked:
      return Blocked(totals[static_cast<size_t>(Severity::kFatal)], tested);
    case Verdict::kAcknowledge: {
      const SeverityTotal& special = totals[static_cast<size_t>(Severity::kSpecialWarning)];
      return {
          fmt::format("You can continue. {} must be explained before anybody signs.",
                      Counted(special.findings, "SPECIAL WARNING", "SPECIAL WARNINGS")),
          fmt::format("There are no FATAL findings. The findings to look at come from {} of the {} "
                      "tested: correct the records, or explain why they are right.",
                      Grouped(special.rules_failed), Rules(tested))};
    }
    case Verdict::kReview:
      return Review(totals, errored);
    case Verdict::kClear:
      return Clear(header, tested);
  }
  return {};
}

std::string NotRunWords(const RuleResult& rule) {
  return fmt::format("{}{}{}",
                     rule.severity == Severity::kFatal
                         ? "It does not count as passed, and because it is FATAL it stops you like "
                           "a finding."
                         : "It does not count as passed.",
                     rule.error_reason.empty() ? "" : " Reason: ", rule.error_reason);
}

std::string CutWords(const RuleResult& rule) {
  return fmt::format(
      "This rule has exactly {}; only {} of them {} kept and listed here. Correct these and run "
      "the validation again to see the rest.",
      Counted(rule.findings, "finding", "findings"), Grouped(rule.stored),
      rule.stored == 1 ? "is" : "are");
}

std::string SaidBy(const Cause& cause) {
  return fmt::format("{}, {}", cause.author, cause.explained_on);
}

int64_t NotListed(const RuleResult& rule) { return rule.findings - rule.stored; }

std::string_view ChangeWord(Change change) {
  switch (change) {
    case Change::kUnknown:
      break;
    case Change::kNew:
      return "New";
    case Change::kRegressed:
      return "Came back";
    case Change::kOpen:
      return "Open";
  }
  return "";
}

std::string ChangesInWords(const RuleResult& rule, std::string_view between) {
  return Changes(rule.new_findings, rule.regressed_findings, rule.fixed_findings, between);
}

std::string ChangesInWords(const SeverityTotal& total) {
  return Changes(total.new_findings, total.regressed_findings, total.fixed_findings, ", ");
}

std::string PreviousWords(const PreviousRun& previous, const ReportHeader& header) {
  return fmt::format("{}, which ended on {} {}", previous.report,
                     LongTime(previous.ended_at, header.time_zone), header.time_zone_text);
}

}  // namespace edcert::render
