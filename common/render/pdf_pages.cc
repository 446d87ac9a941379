#include "common/render/pdf_pages.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "common/render/words.h"
#include "fmt/format.h"

namespace edcert::render {
namespace {

constexpr double kLeft = 46;
constexpr double kWidth = kPageWidth - 2 * kLeft;
constexpr double kTop = 46;
constexpr double kBottom = kPageHeight - 58;
constexpr double kCellPadding = 5;
// Lines of one cell: a row is never longer than a page.
constexpr int kMaxCellLines = 40;
constexpr size_t kMaxBars = 12;

constexpr Color kInk{0x1B2430};
constexpr Color kSoft{0x566070};
constexpr Color kRule{0xDDE1E7};
constexpr Color kFaint{0xF1F3F6};
constexpr Color kBrand{0x17365D};
constexpr Color kPaper{0xFFFFFF};
constexpr Color kPass{0x1B6337};

struct Shades {
  Color ink;
  Color paper;
  Color bar;
};
// By severity. The bars differ in lightness too, so that they are told apart in grey.
constexpr std::array<Shades, kSeverities.size()> kShades = {{{{0xA8201A}, {0xFDF0EF}, {0xA8201A}},
                                                             {{0x8F4300}, {0xFDF3E8}, {0xD47212}},
                                                             {{0x6B5600}, {0xFBF6DD}, {0xD9BC4A}},
                                                             {{0x1C5288}, {0xEDF4FB}, {0xAFCBE8}}}};

const Shades& ShadesOf(Severity severity) { return kShades.at(static_cast<size_t>(severity)); }

Shades ShadesOf(const ReportHeader& header) {
  constexpr Shades kClear = {{0x1B6337}, {0xEEF7F1}, {0x1B6337}};
  switch (VerdictOf(TotalsOf(header))) {
    case Verdict::kBlocked:
      return ShadesOf(Severity::kFatal);
    case Verdict::kAcknowledge:
      return ShadesOf(Severity::kSpecialWarning);
    case Verdict::kReview:
      return ShadesOf(Severity::kWarning);
    case Verdict::kClear:
      return RowsTested(header) == 0 ? ShadesOf(Severity::kInfo) : kClear;
    case Verdict::kNothingTested:
      break;
  }
  return ShadesOf(Severity::kInfo);
}

std::string SchoolLabel(std::string_view id, std::string_view name) {
  return name.empty() ? std::string(id) : fmt::format("{} ({})", name, id);
}

}  // namespace

PdfPages::PdfPages(PdfCanvas& canvas, const ReportHeader& header, int pages)
    : canvas_(canvas), header_(header), pages_(pages), y_(kTop) {}

// Pages.

void PdfPages::Footer() {
  const double y = kPageHeight - 40;
  canvas_.HorizontalLine(kLeft, y - 8, kWidth, kRule);
  const std::string where = fmt::format("{} – {} – {}", header_.organization_display_name,
                                        header_.event_title, header_.kind);
  canvas_.Text({where, kSoft}, {.size = 7.5, .max_lines = 1}, kLeft, y, kWidth - 110);
  canvas_.Text({fmt::format("Page {} of {}", canvas_.page(), pages_), kSoft},
               {.size = 7.5, .max_lines = 1, .align = Align::kRight}, kLeft + kWidth - 100, y, 100);
}

void PdfPages::NewPage() {
  Footer();
  canvas_.EndPage();
  y_ = kTop;
}

bool PdfPages::Need(double height) {
  if (y_ + height <= kBottom) return false;
  NewPage();
  return true;
}

void PdfPages::Heading(std::string_view text, double room) {
  Need(44 + room);
  if (y_ > kTop) y_ += 20;
  canvas_.AddOutline(text, 0, y_);
  y_ += canvas_.Text({text, kBrand, true}, {.size = 13.5}, kLeft, y_, kWidth) + 7;
}

void PdfPages::Paragraph(const RichText& text, double size, double indent) {
  const double width = kWidth - indent;
  const double height =
      canvas_.Measure(0, text, {.size = size, .max_lines = kMaxCellLines, .sentence = true}, width);
  Need(height);
  // Laid out again: a new page has drawn its own texts meanwhile.
  y_ += canvas_.Text(text, {.size = size, .max_lines = kMaxCellLines, .sentence = true},
                     kLeft + indent, y_, width);
}

void PdfPages::Panel(const RichText& text, Color background) {
  constexpr double kPadding = 7;
  const TextStyle style = {.size = 8.5, .max_lines = kMaxCellLines, .sentence = true};
  const double width = kWidth - 2 * kPadding - 4;
  const double height = canvas_.Measure(0, text, style, width) + 2 * kPadding - 2;
  Need(height + 4);
  canvas_.Fill({kLeft, y_, kWidth, height}, background, 3);
  canvas_.Text(text, style, kLeft + kPadding + 2, y_ + kPadding - 1, width);
  y_ += height + 5;
}

// Tables.

void PdfPages::StartTable(std::span<const Column> columns, std::string caption) {
  columns_ = columns;
  caption_ = std::move(caption);
  head_waits_ = true;
}

double PdfPages::TableHead(bool draws) {
  double height = 0;
  size_t slot = 0;
  for (const Column& column : columns_) {
    const TextStyle style = {.size = 7.5, .align = column.align};
    height = std::max(height, canvas_.Measure(slot++, {column.title, kSoft, true}, style,
                                              column.width - 2 * kCellPadding));
  }
  height += 2 * kCellPadding - 1;
  if (!draws) return height;
  canvas_.Fill({kLeft, y_, kWidth, height}, kFaint);
  canvas_.HorizontalLine(kLeft, y_ + height, kWidth, kRule);
  double x = kLeft;
  slot = 0;
  for (const Column& column : columns_) {
    canvas_.DrawText(slot++, x + kCellPadding, y_ + kCellPadding - 0.5);
    x += column.width;
  }
  y_ += height;
  return height;
}

void PdfPages::TableRow(std::span<const Cell> cells) {
  const auto measure = [&] {
    double height = 0;
    for (size_t i = 0; i < cells.size(); ++i) {
      height = std::max(height, canvas_.Measure(i, cells[i].text, cells[i].style,
                                                columns_[i].width - 2 * kCellPadding));
    }
    return height + 2 * kCellPadding;
  };
  // The head comes with the first row: alone at the foot of a page it says nothing.
  const double head = head_waits_ ? TableHead(false) : 0;
  const double height = measure();
  const bool turned = Need(head + height);
  if (turned || head_waits_) {
    if (!head_waits_ && !caption_.empty()) {
      y_ += canvas_.Text(RichText(caption_, kInk, true).Add(" – continued", kSoft),
                         {.size = 8, .max_lines = 1}, kLeft, y_, kWidth) +
            4;
    }
    head_waits_ = false;
    TableHead(true);
    measure();
  }
  double x = kLeft;
  for (size_t i = 0; i < cells.size(); ++i) {
    canvas_.DrawText(i, x + kCellPadding, y_ + kCellPadding);
    x += columns_[i].width;
  }
  y_ += height;
  canvas_.HorizontalLine(kLeft, y_, kWidth, kRule);
}

// The first pages.

void PdfPages::Front() {
  Title();
  VerdictPanel();
  SeverityCards();
  Charts();
  DataTable();
  RuleTable();
  WaiverTable();
  CauseTable();
  const bool any = std::any_of(header_.rules.begin(), header_.rules.end(), NeedsAttention);
  Heading("Records to look at", any ? 120 : 0);
  if (!any) Paragraph({"There are none.", kSoft}, 9);
}

void PdfPages::Title() {
  canvas_.Fill({0, 0, kPageWidth, 7}, kBrand);
  canvas_.AddOutline("Validation report", 0, 0);
  const TextStyle org = {.size = 10.5, .max_lines = 2};
  y_ += canvas_.Text({header_.organization_display_name, kBrand, true}, org, kLeft, y_, kWidth) + 3;
  y_ += canvas_.Text({header_.event_title, kInk, true}, {.size = 21, .max_lines = 3}, kLeft, y_,
                     kWidth) +
        10;
  canvas_.HorizontalLine(kLeft, y_, kWidth, kRule);
  y_ += 9;
  const std::array<std::pair<std::string_view, std::string>, 4> facts = {
      {{"Validation of", header_.kind},
       {"Rules", fmt::format("{}, version {}", header_.rule_group_title,
                             Grouped(header_.rule_group_version))},
       {"Generated", fmt::format("{} {}", LongTime(header_.generated_at, header_.time_zone),
                                 header_.time_zone_text)},
       {"Requested by", fmt::format("{} for {}", header_.requested_by, header_.organization)}}};
  constexpr double kGap = 14;
  const double width = (kWidth - 3 * kGap) / 4;
  double height = 0;
  for (size_t i = 0; i < facts.size(); ++i) {
    const double x = kLeft + static_cast<double>(i) * (width + kGap);
    const double label = canvas_.Text({facts.at(i).first, kSoft}, {.size = 7.5}, x, y_, width) + 1;
    height =
        std::max(height, label + canvas_.Text({facts.at(i).second, kInk},
                                              {.size = 8.5, .max_lines = 4}, x, y_ + label, width));
  }
  y_ += height + 14;
}

void PdfPages::VerdictPanel() {
  constexpr double kPadding = 12;
  const VerdictWords words = WordsOf(header_);
  const Shades shades = ShadesOf(header_);
  const double width = kWidth - 2 * kPadding - 5;
  const RichText sentence(words.sentence, shades.ink, true);
  const RichText advice(words.advice, kInk);
  const double first = canvas_.Measure(0, sentence, {.size = 13}, width);
  const double second = canvas_.Measure(1, advice, {.size = 9}, width);
  const double height = first + second + 2 * kPadding + 2;
  canvas_.Fill({kLeft, y_, kWidth, height}, shades.ink, 4);
  canvas_.Fill({kLeft + 4, y_ + 0.6, kWidth - 4.6, height - 1.2}, shades.paper, 3.4);
  canvas_.DrawText(0, kLeft + kPadding + 4, y_ + kPadding - 1);
  canvas_.DrawText(1, kLeft + kPadding + 4, y_ + kPadding + first + 3);
  y_ += height;
}

void PdfPages::SeverityCards() {
  constexpr double kGap = 9;
  constexpr double kHeight = 112;
  Heading("Summary by severity", kHeight + 16);
  if (header_.previous) {
    Paragraph(
        {fmt::format("Compared with the last run, {}.", PreviousWords(*header_.previous, header_)),
         kSoft},
        8.5);
    y_ += 6;
  }
  const double width = (kWidth - 3 * kGap) / 4;
  const SeverityTotals totals = TotalsOf(header_);
  double x = kLeft;
  for (const Severity severity : kSeverities) {
    const SeverityTotal& total = totals.at(static_cast<size_t>(severity));
    const bool zero = total.rules_failed == 0 && total.rules_errored == 0;
    const Shades& shades = ShadesOf(severity);
    const Box card = {x, y_, width, kHeight};
    canvas_.Fill(card, zero ? kRule : shades.bar, 4);
    canvas_.Fill({x + 0.6, y_ + 3, width - 1.2, kHeight - 3.6}, kPaper, 3);
    canvas_.Stroke({x + 0.3, y_ + 0.3, width - 0.6, kHeight - 0.6}, kRule, 4);
    canvas_.Fill({x + 3, y_, width - 6, 3}, zero ? kRule : shades.bar);
    const double inner = width - 18;
    double y = y_ + 10;
    y += canvas_.Text({SeverityWords(severity), zero ? kSoft : shades.ink, true},
                      {.size = 7.5, .max_lines = 1}, x + 9, y, inner) +
         1;
    y += canvas_.Text(RichText(Grouped(total.findings), zero ? kSoft : kInk, true),
                      {.size = 20, .max_lines = 1}, x + 9, y, inner);
    std::string where =
        total.rules_tested == 0
            ? "no rules of this severity"
            : fmt::format("{} in {} of {}", total.findings == 1 ? "finding" : "findings",
                          Grouped(total.rules_failed),
                          Counted(total.rules_tested, "rule", "rules"));
    if (const auto& records = header_.records.at(static_cast<size_t>(severity)); records && !zero) {
      where += fmt::format(", {}", Counted(*records, "record", "records"));
    }
    if (total.rules_errored > 0) {
      where += fmt::format("; {} not run", Grouped(total.rules_errored));
    }
    y += canvas_.Text({where, zero ? kSoft : kInk}, {.size = 7.5, .max_lines = 3}, x + 9, y, inner);
    if (const std::string changes = ChangesInWords(total); !changes.empty()) {
      y += canvas_.Text({changes, zero ? kSoft : kInk}, {.size = 7.5, .max_lines = 2}, x + 9, y,
                        inner);
    }
    y += 3;
    canvas_.Text({WhatToDo(severity), kSoft}, {.size = 7, .max_lines = 3}, x + 9, y, inner);
    x += width + kGap;
  }
  y_ += kHeight + 2;
}

void PdfPages::Charts() {
  constexpr double kGap = 10;
  const bool any = std::any_of(header_.rules.begin(), header_.rules.end(),
                               [](const RuleResult& rule) { return rule.findings > 0; });
  if (!any) return;
  const bool schools = std::any_of(header_.schools.begin(), header_.schools.end(),
                                   [](const SchoolCount& school) { return TotalOf(school) > 0; });
  const double width = schools ? (kWidth - kGap) / 2 : kWidth;
  const double second = kLeft + width + kGap;
  const double height = std::max(RuleChart(kLeft, 0, width, false),
                                 schools ? SchoolChart(second, 0, width, false) : 0.0);
  y_ += 10;
  Need(height);
  for (const double x : {kLeft, second}) {
    if (x == second && !schools) break;
    canvas_.Stroke({x, y_, width, height}, kRule, 4);
  }
  RuleChart(kLeft, y_, width, true);
  if (schools) SchoolChart(second, y_, width, true);
  y_ += height;
}

// Draws a chart into a column and returns its height, or only returns it.
double PdfPages::RuleChart(double x, double y, double width, bool draws) {
  std::vector<const RuleResult*> rules;
  int64_t most = 0;
  for (const RuleResult& rule : header_.rules) {
    if (rule.findings > 0) rules.push_back(&rule);
    most = std::max(most, rule.findings);
  }
  std::stable_sort(rules.begin(), rules.end(),
                   [](const auto* a, const auto* b) { return ReadsBefore(*a, *b); });
  const size_t shown = std::min(rules.size(), kMaxBars);
  const double top = y;
  const double inner = width - 22;
  y += 10;
  if (draws) canvas_.Text({"Findings by rule", kInk, true}, {.size = 9.5}, x + 11, y, inner);
  y += 18;
  for (size_t i = 0; i < shown; ++i, y += 22) {
    if (!draws) continue;
    const RuleResult& rule = *rules[i];
    const Shades& shades = ShadesOf(rule.severity);
    canvas_.Text(RichText(rule.code, shades.ink, true).Add("  ", kSoft).Add(rule.title, kSoft),
                 {.size = 7.5, .max_lines = 1}, x + 11, y, inner - 48);
    canvas_.Text({Grouped(rule.findings), kInk, true},
                 {.size = 7.5, .max_lines = 1, .align = Align::kRight}, x + width - 57, y, 46);
    const double part = static_cast<double>(rule.findings) / static_cast<double>(most);
    canvas_.Fill({x + 11, y + 11.5, inner, 5}, kFaint, 1.5);
    canvas_.Fill({x + 11, y + 11.5, std::max(3.0, inner * part), 5}, shades.bar, 1.5);
  }
  if (rules.size() > shown) {
    const auto more = static_cast<int64_t>(rules.size() - shown);
    if (draws) {
      canvas_.Text(
          {fmt::format("and {}, in the table below", Counted(more, "more rule", "more rules")),
           kSoft},
          {.size = 7.5}, x + 11, y, inner);
    }
    y += 14;
  }
  return y + 6 - top;
}

double PdfPages::SchoolChart(double x, double y, double width, bool draws) {
  std::vector<const SchoolCount*> schools;
  std::array<bool, kSeverities.size()> used = {};
  for (const SchoolCount& school : header_.schools) {
    if (TotalOf(school) > 0) schools.push_back(&school);
    for (size_t i = 0; i < used.size(); ++i) used.at(i) |= school.findings.at(i) > 0;
  }
  std::stable_sort(schools.begin(), schools.end(),
                   [](const auto* a, const auto* b) { return TotalOf(*a) > TotalOf(*b); });
  const size_t shown = std::min(schools.size(), kMaxBars);
  const double top = y;
  const double inner = width - 22;
  y += 10;
  if (draws) canvas_.Text({"Findings by school", kInk, true}, {.size = 9.5}, x + 11, y, inner);
  y += 18;
  for (size_t i = 0; i < shown; ++i, y += 22) {
    if (!draws) continue;
    const SchoolCount& school = *schools[i];
    const std::string_view name =
        school.school_name.empty() ? school.school_id : school.school_name;
    canvas_.Text(RichText(name, kInk, true)
                     .Add(school.school_name.empty() ? "" : "  " + school.school_id, kSoft),
                 {.size = 7.5, .max_lines = 1}, x + 11, y, inner - 48);
    canvas_.Text({Grouped(TotalOf(school)), kInk, true},
                 {.size = 7.5, .max_lines = 1, .align = Align::kRight}, x + width - 57, y, 46);
    canvas_.Fill({x + 11, y + 11.5, inner, 5}, kFaint, 1.5);
    double at = x + 11;
    for (size_t s = 0; s < kSeverities.size(); ++s) {
      if (school.findings.at(s) == 0) continue;
      const double part = static_cast<double>(school.findings.at(s)) /
                          static_cast<double>(TotalOf(*schools.front()));
      const double length = std::min(std::max(2.0, inner * part), x + 11 + inner - at);
      canvas_.Fill({at, y + 11.5, std::max(0.5, length - 0.5), 5}, kShades.at(s).bar);
      at += length;
    }
  }
  if (schools.size() > shown) {
    const auto more = static_cast<int64_t>(schools.size() - shown);
    if (draws) {
      canvas_.Text(
          {fmt::format("and {} with fewer findings", Counted(more, "more school", "more schools")),
           kSoft},
          {.size = 7.5}, x + 11, y, inner);
    }
    y += 14;
  }
  double key = x + 11;
  for (const Severity severity : kSeverities) {
    if (!used.at(static_cast<size_t>(severity))) continue;
    if (draws) {
      canvas_.Fill({key, y + 2, 6, 6}, ShadesOf(severity).bar);
      canvas_.Text({SeverityWords(severity), kSoft}, {.size = 6.5, .max_lines = 1}, key + 9, y + 1,
                   80);
    }
    key += severity == Severity::kSpecialWarning ? 86 : 48;
  }
  return y + 18 - top;
}

void PdfPages::DataTable() {
  static constexpr std::array<Column, 4> kColumns = {{{"Dataset", 220},
                                                      {"Copy", 140},
                                                      {"Version", 70, Align::kRight},
                                                      {"Records", 90, Align::kRight}}};
  Heading("What was tested", 70);
  Paragraph({"A data version is the data as it stood at one moment. It does not change: the same "
             "rules on the same versions give this report again.",
             kSoft},
            8.5);
  y_ += 6;
  StartTable(kColumns, "");
  for (const DataVersion& data : header_.data_versions) {
    const TextStyle left = {.size = 8.5, .max_lines = 3};
    const TextStyle right = {.size = 8.5, .max_lines = 1, .align = Align::kRight};
    const std::array<Cell, 4> row = {{{{data.dataset, kInk, true}, left},
                                      {{data.copy, kInk}, left},
                                      {{Grouped(data.version), kInk}, right},
                                      {{Grouped(data.rows), kInk}, right}}};
    TableRow(row);
  }
}

void PdfPages::RuleTable() {
  static constexpr std::array<Column, 7> kColumns = {{{"Result", 52},
                                                      {"Rule", 146},
                                                      {"Severity", 90},
                                                      {"Records tested", 54, Align::kRight},
                                                      {"Findings", 48, Align::kRight},
                                                      {"Share", 62, Align::kRight},
                                                      {"Since last run", 68, Align::kRight}}};
  Heading("Rules", 80);
  if (header_.rules.empty()) return Paragraph({"No rules were tested.", kSoft}, 9);
  Paragraph({fmt::format("{}, version {}. What blocks comes first.", header_.rule_group_title,
                         Grouped(header_.rule_group_version)),
             kSoft},
            8.5);
  y_ += 6;
  StartTable(kColumns, "Rules");
  std::vector<const RuleResult*> rules;
  for (const RuleResult& rule : header_.rules) rules.push_back(&rule);
  std::stable_sort(rules.begin(), rules.end(),
                   [](const auto* a, const auto* b) { return ReadsBefore(*a, *b); });
  for (const RuleResult* const each : rules) {
    const RuleResult& rule = *each;
    const bool unknown = rule.outcome == Outcome::kError && rule.findings == 0;
    const TextStyle left = {.size = 8, .max_lines = 6};
    const TextStyle right = {.size = 8, .max_lines = 4, .align = Align::kRight};
    const std::string changes = ChangesInWords(rule, "\n");
    const auto figure = [&](const std::string& text) {
      return Cell{{unknown ? "–" : text, kInk}, right};
    };
    const Color ink = ShadesOf(rule.severity).ink;
    const std::array<Cell, 7> row = {
        {{{ResultWord(rule), NeedsAttention(rule) ? ink : kPass, true}, left},
         {RichText(rule.code, kInk, true).Add("  ", kInk).Add(rule.title, kInk), left},
         {{SeverityWords(rule.severity), ink}, left},
         figure(Grouped(rule.tested)),
         unknown ? Cell{{"unknown", kInk}, right} : figure(Grouped(rule.findings)),
         figure(Share(rule.findings, rule.tested)),
         figure(changes.empty() ? "–" : changes)}};
    TableRow(row);
  }
}

void PdfPages::WaiverTable() {
  static constexpr std::array<Column, 5> kColumns = {
      {{"Rule", 90}, {"Findings", 56, Align::kRight}, {"Until", 74}, {"Reason", 180}, {"By", 120}}};
  if (header_.waivers.empty()) return;
  Heading("Waived", 80);
  Paragraph({kWaivedWords, kSoft}, 8.5);
  y_ += 6;
  StartTable(kColumns, "Waived");
  for (const Waiver& waiver : header_.waivers) {
    const TextStyle left = {.size = 8, .max_lines = kMaxCellLines};
    const std::array<Cell, 5> row = {
        {{{waiver.rule_code, kInk, true}, left},
         {{Grouped(waiver.findings), kInk}, {.size = 8, .max_lines = 1, .align = Align::kRight}},
         {{waiver.until, kInk}, left},
         {RichText(waiver.reason, kInk)
              .Add(waiver.findings == 0 ? fmt::format(" ({})", kMatchesNothing) : "", kSoft),
          {.size = 8, .max_lines = kMaxCellLines, .sentence = true}},
         {{waiver.people, kInk}, left}}};
    TableRow(row);
  }
}

void PdfPages::CauseTable() {
  static constexpr std::array<Column, 4> kColumns = {
      {{"Rule", 90}, {"Findings", 56, Align::kRight}, {"In common", 187}, {"Explanation", 187}}};
  static_assert(90 + 56 + 187 + 187 == kWidth);
  if (header_.causes.empty()) return;
  Heading("Likely causes", 80);
  Paragraph({kCausesWords, kSoft}, 8.5);
  y_ += 6;
  StartTable(kColumns, "Likely causes");
  for (const Cause& cause : header_.causes) {
    const TextStyle left = {.size = 8, .max_lines = kMaxCellLines};
    const std::string explanation =
        cause.explanation.empty() ? "" : fmt::format("{} ({})", cause.explanation, SaidBy(cause));
    const std::array<Cell, 4> row = {
        {{{cause.rule_code, kInk, true}, left},
         {{Grouped(cause.findings), kInk}, {.size = 8, .max_lines = 1, .align = Align::kRight}},
         {{cause.description, kInk}, left},
         {{explanation, kInk}, {.size = 8, .max_lines = kMaxCellLines, .sentence = true}}}};
    TableRow(row);
  }
}

// The records.

void PdfPages::BeginRule(const RuleResult& rule) {
  static constexpr std::array<Column, 4> kColumns = {
      {{"Record", 128}, {"School", 90}, {"What is wrong", 152}, {"Values", 150}}};
  static_assert(128 + 90 + 152 + 150 == kWidth);
  if (!NeedsAttention(rule)) return;
  const Shades& shades = ShadesOf(rule.severity);
  const bool unknown = rule.outcome == Outcome::kError && rule.findings == 0;
  Need(rule.stored > 0 ? 170 : 80);
  if (y_ > kTop) y_ += 14;
  canvas_.AddOutline(fmt::format("{} {}", rule.code, rule.title), 1, y_);
  const RichText title =
      RichText(rule.code, shades.ink, true).Add("   ", kInk).Add(rule.title, kInk, true);
  const double height = canvas_.Measure(0, title, {.size = 11, .max_lines = 4}, kWidth - 150);
  canvas_.Fill({kLeft, y_, 3, std::max(height, 14.0)}, shades.bar);
  canvas_.DrawText(0, kLeft + 10, y_);
  canvas_.Text(
      RichText(SeverityWords(rule.severity), shades.ink, true)
          .Add("   ", kInk)
          .Add(unknown ? "could not be run" : Counted(rule.findings, "finding", "findings"), kInk),
      {.size = 8, .max_lines = 2, .align = Align::kRight}, kLeft + kWidth - 138, y_ + 2.5, 138);
  y_ += std::max(height, 14.0) + 5;
  Paragraph({rule.meaning, kInk}, 8.5, 10);
  y_ += 5;
  if (rule.outcome == Outcome::kError) {
    Panel(RichText("This rule could not be run. ", kInk, true).Add(NotRunWords(rule), kInk),
          ShadesOf(Severity::kWarning).paper);
  }
  if (!rule.suggested_fix.empty()) {
    Panel(RichText("How to fix it: ", kInk, true).Add(rule.suggested_fix, kInk),
          ShadesOf(Severity::kInfo).paper);
  }
  if (rule.truncated) {
    Panel(RichText("Not all records are listed. ", kInk, true).Add(CutWords(rule), kInk),
          ShadesOf(Severity::kWarning).paper);
  }
  if (rule.stored == 0) return;
  y_ += 2;
  StartTable(kColumns, fmt::format("{} {}", rule.code, rule.title));
}

void PdfPages::AddFinding(const Finding& finding, const RuleResult& /*rule*/) {
  const TextStyle style = {.size = 8, .max_lines = kMaxCellLines};
  std::array<Cell, 4> row;
  for (Cell& cell : row) cell.style = style;
  row[0].text.Add(finding.record_key, kInk, true);
  if (finding.change == Change::kNew || finding.change == Change::kRegressed) {
    row[0].text.Add(finding.change == Change::kNew ? "  NEW" : "  CAME BACK",
                    ShadesOf(Severity::kInfo).ink, true);
  }
  row[0].text.Add("\n" + finding.dataset, kSoft);
  row[1].text.Add(SchoolLabel(finding.school_id, finding.school_name), kInk);
  row[2].text.Add(finding.message, kInk);
  if (!finding.waived_until.empty()) {
    row[2].text.Add(fmt::format("\nwaived until {}", finding.waived_until), kSoft);
  }
  row[2].style.sentence = true;
  for (const Field& field : finding.fields) {
    if (!row[3].text.empty()) row[3].text.Add("\n", kSoft);
    row[3].text.Add(field.name, kSoft).Add("  ", kSoft);
    if (field.value.empty()) {
      row[3].text.Add("empty", kSoft);
    } else {
      row[3].text.Add(field.value, kInk);
    }
  }
  TableRow(row);
}

void PdfPages::End(int64_t listed) {
  y_ += 18;
  const RichText text = RichText(fmt::format("End of the report: {}. If this line is missing, the "
                                             "file is incomplete.",
                                             Counted(listed, "record listed", "records listed")),
                                 kSoft)
                            .Add(
                                "\nThis report may hold personal information from education "
                                "records. Keep it and share it only as your privacy rules allow.",
                                kSoft);
  Paragraph(text, 8);
  Footer();
  canvas_.EndPage();
}

}  // namespace edcert::render
