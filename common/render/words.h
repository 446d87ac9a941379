// The words and figures of a report for people, as plain text: what the HTML page, the workbook and
// the PDF say alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/render/report.h"

namespace edcert::render {

// 12,408
std::string Grouped(int64_t number);

// "1 finding", "12,408 findings".
std::string Counted(int64_t count, std::string_view one, std::string_view many);

// "0%", "under 0.1%", "2.4%", "31%"; an en dash when there is no whole to speak of.
std::string Share(int64_t part, int64_t whole);

// "October 20, 2025, 4:35 p.m."
std::string LongTime(absl::Time time, const absl::TimeZone& zone);

bool HasFindings(const RuleResult& rule);
// Whether somebody must look at the rule: it found something or could not run.
bool NeedsAttention(const RuleResult& rule);
// "Failed", "Not run", "Passed".
std::string_view ResultWord(const RuleResult& rule);

int64_t RowsTested(const ReportHeader& header);
int64_t TotalOf(const SchoolCount& school);

// What to do about findings of this severity.
std::string_view WhatToDo(Severity severity);

struct VerdictWords {
  std::string sentence;
  std::string advice;
};
VerdictWords WordsOf(const ReportHeader& header);

// Why a rule counts as not passed, for one that could not run.
std::string NotRunWords(const RuleResult& rule);
// What waivers are, above a list of them.
inline constexpr std::string_view kWaivedWords =
    "Waivers in force: the state has said that these FATAL findings do not block. They are not "
    "counted above.";
// Beside a waiver that has none.
inline constexpr std::string_view kMatchesNothing = "matches no finding that is listed now";
// What causes are, above a list of them.
inline constexpr std::string_view kCausesWords =
    "Findings that have so much in common probably have one cause: look at them together. Beside "
    "them is what was said to them when this report was made.";
// "users/ava, 2026-03-01", under an explanation.
std::string SaidBy(const Cause& cause);
// That not all findings are listed, for a rule whose list is cut.
std::string CutWords(const RuleResult& rule);
// How many more findings a rule has than are listed.
int64_t NotListed(const RuleResult& rule);

// "New", "Came back", "Open"; empty when it is not known.
std::string_view ChangeWord(Change change);
// "12 new, 3 came back, 40 fixed"; only what is known, nothing of what came back or was fixed when
// that is none, and empty when nothing is known.
std::string ChangesInWords(const RuleResult& rule, std::string_view between = ", ");
std::string ChangesInWords(const SeverityTotal& total);
// The run that this one was compared with: "reports/1, which ended on October 13, 2025, 4:35 p.m.
// America/Chicago".
std::string PreviousWords(const PreviousRun& previous, const ReportHeader& header);

}  // namespace edcert::render
