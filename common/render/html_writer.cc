#include "common/render/html_writer.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/render/escape.h"
#include "common/render/html_style.h"
#include "common/render/words.h"
#include "fmt/format.h"

// What may be formatted into the page: a number, or a value that says in which context it stands. A
// bare string does not compile, so nothing reaches the page unescaped by oversight.
namespace edcert::render {
namespace {

struct Text {
  std::string_view value;
};
struct Attribute {
  std::string_view value;
};
// A literal of this file, or a page fragment made by `Print`.
struct Markup {
  std::string_view value;
};
// 12,408
struct Number {
  int64_t value;
};
// 12,408 findings
struct Plural {
  int64_t count;
  std::string_view one;
  std::string_view many;
};

template <typename T>
inline constexpr bool kPrintable =
    std::is_same_v<T, Text> || std::is_same_v<T, Attribute> || std::is_same_v<T, Markup> ||
    std::is_same_v<T, Number> || std::is_same_v<T, Plural> || std::is_same_v<T, size_t>;

}  // namespace
}  // namespace edcert::render

namespace fmt {

template <typename T>
struct PlainFormatter {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
};

template <>
struct formatter<edcert::render::Text> : PlainFormatter<edcert::render::Text> {
  auto format(const edcert::render::Text& text, format_context& context) const {
    std::string escaped;
    edcert::render::AppendHtmlText(text.value, escaped);
    return std::copy(escaped.begin(), escaped.end(), context.out());
  }
};

template <>
struct formatter<edcert::render::Attribute> : PlainFormatter<edcert::render::Attribute> {
  auto format(const edcert::render::Attribute& attribute, format_context& context) const {
    std::string escaped;
    edcert::render::AppendHtmlAttribute(attribute.value, escaped);
    return std::copy(escaped.begin(), escaped.end(), context.out());
  }
};

template <>
struct formatter<edcert::render::Markup> : PlainFormatter<edcert::render::Markup> {
  auto format(const edcert::render::Markup& markup, format_context& context) const {
    return std::copy(markup.value.begin(), markup.value.end(), context.out());
  }
};

template <>
struct formatter<edcert::render::Number> : PlainFormatter<edcert::render::Number> {
  auto format(const edcert::render::Number& number, format_context& context) const {
    const std::string digits = edcert::render::Grouped(number.value);
    return std::copy(digits.begin(), digits.end(), context.out());
  }
};

template <>
struct formatter<edcert::render::Plural> : PlainFormatter<edcert::render::Plural> {
  auto format(const edcert::render::Plural& plural, format_context& context) const {
    return fmt::format_to(context.out(), "{} {}", edcert::render::Number{plural.count},
                          edcert::render::Markup{plural.count == 1 ? plural.one : plural.many});
  }
};

}  // namespace fmt

namespace edcert::render {
namespace {

// Bars of a chart, and how many listed findings a blocking rule may have to start unfolded.
constexpr size_t kMaxBars = 12;
constexpr int64_t kUnfoldedFindings = 20;

template <typename... Args>
void Print(std::string& page, fmt::format_string<Args...> format, Args&&... args) {
  static_assert((kPrintable<std::remove_cvref_t<Args>> && ...), "say how the value is escaped");
  fmt::format_to(std::back_inserter(page), format, std::forward<Args>(args)...);
}

// The suffix of the style classes.
Markup Key(Severity severity) {
  switch (severity) {
    case Severity::kFatal:
      return {"fatal"};
    case Severity::kSpecialWarning:
      return {"special"};
    case Severity::kWarning:
      return {"warning"};
    case Severity::kInfo:
      return {"info"};
  }
  return {""};
}

Plural Findings(int64_t count) { return {count, "finding", "findings"}; }
Plural Rules(int64_t count) { return {count, "rule", "rules"}; }

size_t Index(Severity severity) { return static_cast<size_t>(severity); }

// One horizontal bar; `parts` are (severity, count), `most` fills the width.
void Bar(std::string& page, const std::vector<std::pair<Severity, int64_t>>& parts, int64_t most) {
  constexpr size_t kWidth = 1000;
  constexpr size_t kGap = 4;
  constexpr size_t kLeast = 12;
  page.append(
      "<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" "
      "aria-hidden=\"true\">");
  size_t x = 0;
  for (const auto& [severity, count] : parts) {
    if (count <= 0 || x >= kWidth) continue;
    const auto exact = static_cast<size_t>(static_cast<double>(kWidth) *
                                           static_cast<double>(count) / static_cast<double>(most));
    const size_t width = std::min(std::max(exact, kLeast + kGap) - kGap, kWidth - x);
    Print(page, "<rect class=\"f-{}\" x=\"{}\" width=\"{}\" height=\"10\"/>", Key(severity), x,
          width);
    x += width + kGap;
  }
  page.append("</svg>");
}

// The look of a verdict; the icon is inside a 24 x 24 view box.
struct VerdictLook {
  Markup style;
  Markup icon;
};

constexpr std::string_view kStop =
    R"(<path d="M8 2.5h8L21.5 8v8L16 21.5H8L2.5 16V8z"/><path d="M12 7v6M12 16.5v.01"/>)";
constexpr std::string_view kPen =
    R"(<path d="M4 20l1-4.5L16.5 4a2 2 0 0 1 3 0l.5.5a2 2 0 0 1 0 3L8.500 19z"/><path d="M14.500 6.500l3 3"/>)";
constexpr std::string_view kEye =
    R"(<path d="M2 12q4-7 10-7t10 7q-4 7-10 7T2 12z"/><circle cx="12" cy="12" r="3"/>)";
constexpr std::string_view kTick =
    R"(<circle cx="12" cy="12" r="9.5"/><path d="M7.500 12.500l3 3 6-6.500"/>)";
constexpr std::string_view kQuestion =
    R"(<circle cx="12" cy="12" r="9.5"/><path d="M12 11v6M12 7.500v.01"/>)";

VerdictLook LookOf(const ReportHeader& header) {
  switch (VerdictOf(TotalsOf(header))) {
    case Verdict::kNothingTested:
      return {{"nothing"}, {kQuestion}};
    case Verdict::kBlocked:
      return {{"blocked"}, {kStop}};
    case Verdict::kAcknowledge:
      return {{"acknowledge"}, {kPen}};
    case Verdict::kReview:
      return {{"review"}, {kEye}};
    case Verdict::kClear:
      if (RowsTested(header) == 0) return {{"nothing"}, {kQuestion}};
      return {{"clear"}, {kTick}};
  }
  return {};
}

}  // namespace

HtmlWriter::HtmlWriter(Sink& sink) : ReportWriter(sink) {}

void HtmlWriter::Send() {
  output().Append(page_);
  page_.clear();
}

void HtmlWriter::WriteHeader() {
  Head();
  Masthead();
  page_.append("<main id=\"main\" tabindex=\"-1\"><div class=\"wrap\">\n");
  VerdictPanel();
  SeverityCards();
  Charts();
  RuleTable();
  WaiverTable();
  CauseTable();
  DataTable();
  page_.append(
      "<section id=\"records\" aria-labelledby=\"records-title\">\n"
      "<h2 id=\"records-title\">Records to look at</h2>\n");
  const bool any = std::any_of(header().rules.begin(), header().rules.end(), NeedsAttention);
  page_.append(any ? "<p class=\"note\">Open a rule to see its records.</p>\n"
                   : "<p class=\"note\">There are none.</p>\n");
  Send();
}

void HtmlWriter::Head() {
  Print(page_,
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
        "style-src '{}'; base-uri 'none'; form-action 'none'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<meta name=\"referrer\" content=\"no-referrer\">\n"
        "<meta name=\"robots\" content=\"noindex, nofollow, noarchive\">\n"
        "<title>{} – {} – {} validation report</title>\n<style>{}</style>\n</head>\n",
        Attribute{header().language}, Markup{kStyleHash}, Text{header().organization_display_name},
        Text{header().event_title}, Text{header().kind}, Markup{kStyle});
}

void HtmlWriter::Masthead() {
  const std::string moment = LongTime(header().generated_at, header().time_zone);
  const std::string machine =
      absl::FormatTime(absl::RFC3339_sec, header().generated_at, header().time_zone);
  Print(page_,
        "<body>\n<a class=\"skip\" href=\"#main\">Skip to the report</a>\n"
        "<header class=\"top\"><div class=\"wrap\">\n<p class=\"org\">{}</p>\n<h1>{}</h1>\n"
        "<dl class=\"facts\">\n<div><dt>Validation of</dt><dd>{}</dd></div>\n"
        "<div><dt>Rules</dt><dd>{}, version {}</dd></div>\n"
        "<div><dt>Generated</dt><dd><time datetime=\"{}\">{}</time> <span "
        "class=\"sub\">{}</span></dd></div>\n"
        "<div><dt>Requested by</dt><dd>{} <span class=\"sub\">for {}</span></dd></div>\n</dl>\n"
        "</div></header>\n",
        Text{header().organization_display_name}, Text{header().event_title}, Text{header().kind},
        Text{header().rule_group_title}, Number{header().rule_group_version}, Attribute{machine},
        Text{moment}, Text{header().time_zone_text}, Text{header().requested_by},
        Text{header().organization});
}

void HtmlWriter::VerdictPanel() {
  const VerdictWords words = WordsOf(header());
  const VerdictLook look = LookOf(header());
  Print(page_,
        "<section class=\"verdict {}\" aria-labelledby=\"verdict\">\n"
        "<svg viewBox=\"0 0 24 24\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" "
        "stroke-linecap=\"round\" stroke-linejoin=\"round\" aria-hidden=\"true\">{}</svg>\n"
        "<div><h2 id=\"verdict\">{}</h2>\n<p>{}</p></div>\n</section>\n"
        "<nav class=\"toc\" aria-label=\"In this report\"><ul>\n"
        "<li><a href=\"#summary\">Summary</a></li>\n<li><a href=\"#rules\">Rules</a></li>\n"
        "<li><a href=\"#data\">What was tested</a></li>\n"
        "<li><a href=\"#records\">Records to look at</a></li>\n</ul></nav>\n",
        look.style, look.icon, Text{words.sentence}, Text{words.advice});
}

void HtmlWriter::SeverityCards() {
  page_.append(
      "<section id=\"summary\" aria-labelledby=\"summary-title\">\n"
      "<h2 id=\"summary-title\">Summary by severity</h2>\n");
  if (const auto& previous = header().previous) {
    Print(page_, "<p class=\"note\">Compared with the last run, {}.</p>\n",
          Text{PreviousWords(*previous, header())});
  }
  page_.append("<ul class=\"cards\">\n");
  const SeverityTotals totals = TotalsOf(header());
  for (const Severity severity : kSeverities) {
    const SeverityTotal& total = totals[Index(severity)];
    const bool zero = total.rules_failed == 0 && total.rules_errored == 0;
    Print(page_,
          "<li class=\"card k-{}{}\"><p class=\"sev\">{}</p>\n<p><span class=\"num\">{}</span> "
          "<span class=\"what\">{}</span></p>\n<p class=\"what\">",
          Key(severity), Markup{zero ? " zero" : ""}, Text{SeverityWords(severity)},
          Number{total.findings}, Markup{total.findings == 1 ? "finding" : "findings"});
    if (total.rules_tested == 0) {
      page_.append("no rules of this severity");
    } else {
      Print(page_, "in {} of {}", Number{total.rules_failed}, Rules(total.rules_tested));
    }
    if (const auto& records = header().records[Index(severity)]; records && !zero) {
      Print(page_, ", {}", Plural{*records, "record", "records"});
    }
    page_.append("</p>\n");
    if (const std::string changes = ChangesInWords(total); !changes.empty()) {
      Print(page_, "<p class=\"what\">{} since the last run</p>\n", Text{changes});
    }
    if (total.rules_errored > 0) {
      Print(page_, "<p class=\"what\"><strong>{} could not be run</strong></p>\n",
            Rules(total.rules_errored));
    }
    Print(page_, "<p class=\"act\">{}</p></li>\n", Text{WhatToDo(severity)});
  }
  page_.append("</ul>\n");
}

void HtmlWriter::Charts() {
  const bool any = std::any_of(header().rules.begin(), header().rules.end(),
                               [](const RuleResult& rule) { return rule.findings > 0; });
  if (any) {
    page_.append("<div class=\"charts\">\n");
    RuleChart();
    SchoolChart();
    page_.append("</div>\n");
    SchoolTable();
  }
  page_.append("</section>\n");
}

void HtmlWriter::ChartHead(std::string_view what, std::string_view caption) {
  Print(page_,
        "<div class=\"panel\"><table class=\"chart\"><caption>{}</caption>\n"
        "<colgroup><col class=\"w1\"><col><col class=\"w3\"></colgroup>\n<thead><tr>"
        "<th scope=\"col\"><span class=\"vh\">{}</span></th><td></td>"
        "<th scope=\"col\"><span class=\"vh\">Findings</span></th></tr></thead>\n<tbody>\n",
        Markup{caption}, Markup{what});
}

void HtmlWriter::RuleChart() {
  std::vector<const RuleResult*> rules;
  for (const RuleResult& rule : header().rules) {
    if (rule.findings > 0) rules.push_back(&rule);
  }
  std::stable_sort(rules.begin(), rules.end(),
                   [](const auto* a, const auto* b) { return ReadsBefore(*a, *b); });
  int64_t most = 0;
  for (const RuleResult* rule : rules) most = std::max(most, rule->findings);
  ChartHead("Rule", "Findings by rule");
  const size_t shown = std::min(rules.size(), kMaxBars);
  for (size_t i = 0; i < shown; ++i) {
    const RuleResult& rule = *rules[i];
    Print(page_, "<tr><th scope=\"row\"><b class=\"code k-{}\">{}</b> <span>{}</span></th><td>",
          Key(rule.severity), Text{rule.code}, Text{rule.title});
    Bar(page_, {{rule.severity, rule.findings}}, most);
    Print(page_, "</td><td class=\"n\">{}</td></tr>\n", Number{rule.findings});
  }
  page_.append("</tbody></table>\n");
  if (rules.size() > shown) {
    Print(page_, "<p class=\"note\">and {}, in the table below</p>\n",
          Plural{static_cast<int64_t>(rules.size() - shown), "more rule", "more rules"});
  }
  page_.append("</div>\n");
}

void HtmlWriter::SchoolChart() {
  std::vector<const SchoolCount*> schools;
  std::array<bool, kSeverities.size()> used = {};
  for (const SchoolCount& school : header().schools) {
    if (TotalOf(school) > 0) schools.push_back(&school);
    for (const Severity severity : kSeverities) {
      used[Index(severity)] = used[Index(severity)] || school.findings[Index(severity)] > 0;
    }
  }
  if (schools.empty()) return;
  std::stable_sort(schools.begin(), schools.end(),
                   [](const auto* a, const auto* b) { return TotalOf(*a) > TotalOf(*b); });
  ChartHead("School", "Findings by school");
  const size_t shown = std::min(schools.size(), kMaxBars);
  for (size_t i = 0; i < shown; ++i) {
    const SchoolCount& school = *schools[i];
    Print(page_, "<tr><th scope=\"row\">{} <span>{}</span></th><td>", Text{school.school_name},
          Text{school.school_id});
    std::vector<std::pair<Severity, int64_t>> parts;
    for (const Severity severity : kSeverities) {
      parts.emplace_back(severity, school.findings[Index(severity)]);
    }
    Bar(page_, parts, TotalOf(*schools.front()));
    Print(page_, "</td><td class=\"n\">{}</td></tr>\n", Number{TotalOf(school)});
  }
  page_.append("</tbody></table>\n<ul class=\"key\">\n");
  for (const Severity severity : kSeverities) {
    if (!used[Index(severity)]) continue;
    Print(page_,
          "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"f-{}\" width=\"10\" "
          "height=\"10\" rx=\"2\"/></svg>{}</li>\n",
          Key(severity), Text{SeverityWords(severity)});
  }
  page_.append("</ul>\n");
  if (schools.size() > shown) {
    Print(page_, "<p class=\"note\">and {} with fewer findings, listed below</p>\n",
          Plural{static_cast<int64_t>(schools.size() - shown), "more school", "more schools"});
  }
  page_.append("</div>\n");
}

void HtmlWriter::SchoolTable() {
  if (header().schools.empty()) return;
  Print(page_,
        "<details class=\"more\"><summary>{} in numbers</summary>\n"
        "<div class=\"scroll panel\" role=\"region\" tabindex=\"0\" "
        "aria-labelledby=\"schools-caption\">"
        "<table class=\"grid\"><caption id=\"schools-caption\">Findings by school and "
        "severity</caption>\n"
        "<thead><tr><th scope=\"col\">School</th>",
        Plural{static_cast<int64_t>(header().schools.size()), "school", "schools"});
  for (const Severity severity : kSeverities) {
    Print(page_, "<th scope=\"col\" class=\"n\">{}</th>", Text{SeverityWords(severity)});
  }
  page_.append("<th scope=\"col\" class=\"n\">All</th></tr></thead>\n<tbody>\n");
  for (const SchoolCount& school : header().schools) {
    Print(page_, "<tr><th scope=\"row\">{} <span class=\"sub\">{}</span></th>",
          Text{school.school_name}, Text{school.school_id});
    for (const Severity severity : kSeverities) {
      Print(page_, "<td class=\"n\">{}</td>", Number{school.findings[Index(severity)]});
    }
    Print(page_, "<td class=\"n\">{}</td></tr>\n", Number{TotalOf(school)});
  }
  page_.append("</tbody></table></div></details>\n");
}

void HtmlWriter::RuleTable() {
  Print(
      page_,
      "<section id=\"rules\" aria-labelledby=\"rules-title\">\n<h2 id=\"rules-title\">Rules</h2>\n"
      "<p class=\"note\">{}, version {}.</p>\n",
      Text{header().rule_group_title}, Number{header().rule_group_version});
  if (header().rules.empty()) {
    page_.append("<p>No rules were tested.</p>\n</section>\n");
    return;
  }
  std::vector<size_t> order(header().rules.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return ReadsBefore(header().rules[a], header().rules[b]);
  });
  const auto passed = std::find_if(order.begin(), order.end(),
                                   [&](size_t i) { return !NeedsAttention(header().rules[i]); });
  page_.append(
      "<div class=\"scroll panel\" role=\"region\" tabindex=\"0\" "
      "aria-labelledby=\"rules-caption\">"
      "<table class=\"grid\"><caption id=\"rules-caption\">Every rule that was tested, what blocks "
      "first.</caption>\n<thead><tr><th scope=\"col\">Result</th><th scope=\"col\" "
      "class=\"wide\">Rule</th>"
      "<th scope=\"col\">Severity</th><th scope=\"col\" class=\"n\">Records tested</th>"
      "<th scope=\"col\" class=\"n\">Findings</th><th scope=\"col\" class=\"n\">Share</th>"
      "<th scope=\"col\" class=\"n\">Since last run</th></tr></thead>\n");
  const auto group = [&](auto first, auto last, std::string_view title) {
    if (first == last) return;
    Print(page_, "<tbody>\n<tr><th scope=\"rowgroup\" colspan=\"7\">{} ({})</th></tr>\n",
          Markup{title}, Number{static_cast<int64_t>(last - first)});
    for (auto it = first; it != last; ++it) RuleRow(header().rules[*it], *it);
    page_.append("</tbody>\n");
  };
  group(order.begin(), passed, "Need attention");
  group(passed, order.end(), "Passed");
  page_.append("</table></div>\n</section>\n");
}

void HtmlWriter::RuleRow(const RuleResult& rule, size_t index) {
  const bool error = rule.outcome == Outcome::kError;
  const bool open = NeedsAttention(rule);
  Print(page_, "<tr><td><span class=\"out k-{}\">{}</span></td><th scope=\"row\">",
        open ? Key(rule.severity) : Markup{"pass"}, Text{ResultWord(rule)});
  if (open) {
    Print(page_, "<a class=\"code\" href=\"#rule-{}\">{}</a>", index + 1, Text{rule.code});
  } else {
    Print(page_, "<span class=\"code\">{}</span>", Text{rule.code});
  }
  Print(page_, " <span class=\"rt\">{}</span> <span class=\"sub\">{}</span>", Text{rule.title},
        Text{rule.meaning});
  Print(page_, "</th><td><span class=\"sev k-{}\">{}</span></td>", Key(rule.severity),
        Text{SeverityWords(rule.severity)});
  if (error && rule.findings == 0) {
    page_.append(
        "<td class=\"n\">–</td><td class=\"n\">unknown</td><td class=\"n\">–</td>"
        "<td class=\"n\">–</td></tr>\n");
    return;
  }
  Print(page_, "<td class=\"n\">{}</td><td class=\"n\">{}{}</td><td class=\"n\">{}</td>",
        Number{rule.tested}, Number{rule.findings},
        Markup{rule.truncated ? "<span class=\"sub\">not all listed</span>" : ""},
        Text{Share(rule.findings, rule.tested)});
  const std::string changes = ChangesInWords(rule, "<br>");  // Figures and words of ours.
  Print(page_, "<td class=\"n\">{}</td></tr>\n", Markup{changes.empty() ? "–" : changes});
}

void HtmlWriter::WaiverTable() {
  if (header().waivers.empty()) return;
  page_.append(
      "<section id=\"waived\" aria-labelledby=\"waived-title\">\n"
      "<h2 id=\"waived-title\">Waived</h2>\n"
      "<p class=\"note\">");
  Print(page_, "{}", Text{kWaivedWords});
  page_.append(
      "</p>\n<div class=\"scroll panel\" role=\"region\" tabindex=\"0\" "
      "aria-labelledby=\"waived-caption\"><table class=\"grid\">"
      "<caption id=\"waived-caption\">Waivers in force, and how many of the listed findings each "
      "is about.</caption>\n"
      "<thead><tr><th scope=\"col\">Rule</th><th scope=\"col\" class=\"n\">Findings</th>"
      "<th scope=\"col\">Until</th><th scope=\"col\">Reason</th><th scope=\"col\">By</th></tr>"
      "</thead>\n<tbody>\n");
  for (const Waiver& waiver : header().waivers) {
    Print(page_,
          "<tr><th scope=\"row\"><span class=\"code\">{}</span></th><td class=\"n\">{}</td>"
          "<td>{}</td><td>{}",
          Text{waiver.rule_code}, Number{waiver.findings}, Text{waiver.until}, Text{waiver.reason});
    if (waiver.findings == 0) {
      Print(page_, " <span class=\"sub\">{}</span>", Text{kMatchesNothing});
    }
    Print(page_, "</td><td>{}</td></tr>\n", Text{waiver.people});
  }
  page_.append("</tbody></table></div>\n</section>\n");
}

void HtmlWriter::CauseTable() {
  if (header().causes.empty()) return;
  Print(page_,
        "<section id=\"causes\" aria-labelledby=\"causes-title\">\n"
        "<h2 id=\"causes-title\">Likely causes</h2>\n<p class=\"note\">{}</p>\n",
        Text{kCausesWords});
  page_.append(
      "<div class=\"scroll panel\" role=\"region\" tabindex=\"0\" "
      "aria-labelledby=\"causes-caption\"><table class=\"grid\">"
      "<caption id=\"causes-caption\">The largest groups of findings with one likely "
      "cause.</caption>\n"
      "<thead><tr><th scope=\"col\">Rule</th><th scope=\"col\" class=\"n\">Findings</th>"
      "<th scope=\"col\">In common</th><th scope=\"col\">Explanation</th></tr></thead>\n<tbody>\n");
  for (const Cause& cause : header().causes) {
    Print(page_,
          "<tr><th scope=\"row\"><span class=\"code\">{}</span></th><td class=\"n\">{}</td>"
          "<td>{}</td><td>",
          Text{cause.rule_code}, Number{cause.findings}, Text{cause.description});
    if (!cause.explanation.empty()) {
      Print(page_, "{} <span class=\"sub\">{}</span>", Text{cause.explanation},
            Text{SaidBy(cause)});
    }
    page_.append("</td></tr>\n");
  }
  page_.append("</tbody></table></div>\n</section>\n");
}

void HtmlWriter::DataTable() {
  page_.append(
      "<section id=\"data\" aria-labelledby=\"data-title\">\n"
      "<h2 id=\"data-title\">What was tested</h2>\n"
      "<p class=\"note\">A data version is the data as it stood at one moment. It does not change: "
      "the "
      "same rules on the same versions give this report again.</p>\n"
      "<div class=\"scroll panel\" role=\"region\" tabindex=\"0\" aria-labelledby=\"data-caption\">"
      "<table class=\"grid\"><caption id=\"data-caption\">Data versions read by this "
      "run.</caption>\n"
      "<thead><tr><th scope=\"col\">Dataset</th><th scope=\"col\">Copy</th>"
      "<th scope=\"col\" class=\"n\">Version</th><th scope=\"col\" "
      "class=\"n\">Records</th></tr></thead>\n"
      "<tbody>\n");
  for (const DataVersion& data : header().data_versions) {
    Print(page_,
          "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td><td "
          "class=\"n\">{}</td></tr>\n",
          Text{data.dataset}, Text{data.copy}, Number{data.version}, Number{data.rows});
  }
  page_.append("</tbody></table></div>\n</section>\n");
}

void HtmlWriter::BeginRule(const RuleResult& rule, size_t index) {
  const bool error = rule.outcome == Outcome::kError;
  if (!NeedsAttention(rule)) return;
  const bool open = rule.severity == Severity::kFatal && rule.stored <= kUnfoldedFindings;
  Print(page_,
        "<details class=\"panel rule k-{}\"{}><summary><h3><span class=\"code\">{}</span> {}</h3> "
        "<span class=\"cnt\"><span class=\"sev k-{}\">{}</span> ",
        Key(rule.severity), Markup{open ? " open" : ""}, Text{rule.code}, Text{rule.title},
        Key(rule.severity), Text{SeverityWords(rule.severity)});
  if (error && rule.findings == 0) {
    page_.append("could not be run");
  } else {
    Print(page_, "{}", Findings(rule.findings));
  }
  Print(page_, "</span></summary>\n<div class=\"about\" id=\"rule-{}\">\n<p>{}</p>\n", index + 1,
        Text{rule.meaning});
  if (error) {
    Print(page_, "<p class=\"cut\"><b>This rule could not be run.</b> {}</p>\n",
          Text{NotRunWords(rule)});
  }
  if (!rule.suggested_fix.empty()) {
    Print(page_, "<p class=\"fix\"><b>How to fix it:</b> {}</p>\n", Text{rule.suggested_fix});
  }
  if (rule.truncated) {
    Print(page_, "<p class=\"cut\"><b>Not all records are listed.</b> {}</p>\n",
          Text{CutWords(rule)});
  }
  page_.append("</div>\n");
  if (rule.stored > 0) {
    Print(page_,
          "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"records-{}\">"
          "<table class=\"grid rec\"><caption id=\"records-{}\"><span class=\"vh\">{}: </span>{}"
          "</caption>\n<thead><tr><th scope=\"col\" class=\"c1\">Record</th>"
          "<th scope=\"col\" class=\"c2\">Severity</th><th scope=\"col\" class=\"c3\">School</th>"
          "<th scope=\"col\" class=\"c4\">What is wrong</th><th "
          "scope=\"col\">Values</th></tr></thead>\n"
          "<tbody>\n",
          index + 1, index + 1, Text{rule.code},
          Plural{rule.stored, "record listed", "records listed"});
  }
  Send();
}

void HtmlWriter::WriteFinding(const Finding& finding, const RuleResult& /*rule*/) {
  ++listed_;
  Print(page_, "<tr><th scope=\"row\"><bdi class=\"key1\">{}</bdi>", Text{finding.record_key});
  if (finding.change == Change::kNew || finding.change == Change::kRegressed) {
    Print(page_, "<span class=\"new\">{}</span>", Text{ChangeWord(finding.change)});
  }
  Print(page_,
        "<span class=\"sub\">{}</span></th><td><span class=\"sev k-{}\">{}</span></td>"
        "<td>{} <span class=\"sub\">{}</span></td><td class=\"msg\">{}",
        Text{finding.dataset}, Key(finding.severity), Text{SeverityWords(finding.severity)},
        Text{finding.school_name}, Text{finding.school_id}, Text{finding.message});
  if (!finding.waived_until.empty()) {
    Print(page_, " <span class=\"sub\">waived until {}</span>", Text{finding.waived_until});
  }
  page_.append("</td><td>");
  if (!finding.fields.empty()) {
    page_.append("<dl class=\"fv\">");
    for (const Field& field : finding.fields) {
      Print(page_, "<div><dt>{}</dt> ", Text{field.name});
      if (field.value.empty()) {
        page_.append("<dd class=\"none\">empty</dd></div>");
      } else {
        Print(page_, "<dd><bdi>{}</bdi></dd></div>", Text{field.value});
      }
    }
    page_.append("</dl>");
  }
  page_.append("</td></tr>\n");
  Send();
}

void HtmlWriter::EndRule(const RuleResult& rule) {
  if (!NeedsAttention(rule)) return;
  if (rule.stored > 0) page_.append("</tbody></table></div>\n");
  page_.append("</details>\n");
  Send();
}

void HtmlWriter::WriteFooter() {
  Print(page_,
        "</section>\n</div></main>\n<footer><div class=\"wrap\">\n"
        "<p>End of the report: {}. If this line is missing, the file is incomplete.</p>\n"
        "<p>This report may hold personal information from education records. Keep it and share it "
        "only "
        "as your privacy rules allow.</p>\n</div></footer>\n</body>\n</html>\n",
        Plural{listed_, "record listed", "records listed"});
  Send();
}

}  // namespace edcert::render
