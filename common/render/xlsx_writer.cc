#include "common/render/xlsx_writer.h"

#include <xlsxwriter.h>

#include <algorithm>
#include <array>
#include <optional>

#include "common/render/escape.h"
#include "common/render/words.h"
#include "common/status/macros.h"
#include "fmt/format.h"

namespace edcert::render {
namespace {

// What a cell may hold is 32,767 UTF-16 units; a unit is kept for each _x that is escaped.
constexpr size_t kMaxCellUnits = 32'000;

constexpr lxw_color_t kBrand = 0x17365D;
constexpr lxw_color_t kSoft = 0x566070;
constexpr lxw_color_t kLine = 0xC9CFD8;
constexpr lxw_color_t kFaint = 0xEEF1F5;
// By severity: text and bar.
constexpr std::array<lxw_color_t, kSeverities.size()> kInk = {0xA8201A, 0x8F4300, 0x6B5600,
                                                              0x1C5288};
constexpr lxw_color_t kPass = 0x1B6337;
constexpr lxw_color_t kBar = 0x9DB7D5;

struct Column {
  const char* title;
  double width;
};
constexpr Column kRuleColumns[] = {{"Result", 10},
                                   {"Rule", 14},
                                   {"Title", 38},
                                   {"Severity", 18},
                                   {"Records tested", 14},
                                   {"Findings", 12},
                                   {"Listed", 12},
                                   {"Share of records", 12},
                                   {"New since last run", 12},
                                   {"Came back", 12},
                                   {"Fixed since last run", 12},
                                   {"What it means", 60},
                                   {"How to fix it", 50},
                                   {"Why it could not be run", 40}};
constexpr Column kFindingColumns[] = {{"Rule", 14},          {"Severity", 18},    {"Dataset", 22},
                                      {"School", 14},        {"School name", 28}, {"Record", 34},
                                      {"What is wrong", 60}, {"Values", 44},      {"Change", 12},
                                      {"How to fix it", 50}, {"Waived until", 14}};

// A reader of the format takes _xHHHH_ for one character, so what looks like that is written as the
// escape of an underscore and the rest.
void EscapeHexRuns(std::string& text) {
  const auto hex = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  for (size_t at = text.find("_x"); at != std::string::npos; at = text.find("_x", at + 1)) {
    if (at + 6 >= text.size() || text[at + 6] != '_') continue;
    if (!std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at) + 2,
                     text.begin() + static_cast<std::ptrdiff_t>(at) + 6, hex)) {
      continue;
    }
    text.insert(at, "_x005F");
    at += 6;
  }
}

}  // namespace

struct XlsxWriter::Styles {
  explicit Styles(lxw_workbook* workbook) : book(workbook) {
    organization = Make(11);
    format_set_bold(organization);
    format_set_font_color(organization, kBrand);
    title = Make(18);
    format_set_bold(title);
    verdict = Make(13);
    format_set_bold(verdict);
    label = Make(11);
    format_set_font_color(label, kSoft);
    heading = Make(13);
    format_set_bold(heading);
    format_set_font_color(heading, kBrand);
    head = Head();
    head_number = Head();
    format_set_align(head_number, LXW_ALIGN_RIGHT);
    text = Make(11);
    wrapped = Make(11);
    format_set_text_wrap(wrapped);
    number = Make(11);
    format_set_num_format(number, "#,##0");
    share = Make(11);
    format_set_num_format(share, "0.0%");
    plain_number = Make(11);
    format_set_num_format(plain_number, "0");
    pass = Make(11);
    format_set_font_color(pass, kPass);
    for (size_t i = 0; i < severity.size(); ++i) {
      severity.at(i) = Make(11);
      format_set_bold(severity.at(i));
      format_set_font_color(severity.at(i), kInk.at(i));
    }
  }

  lxw_format* Make(double size) const {
    lxw_format* const format = workbook_add_format(book);
    format_set_font_size(format, size);
    format_set_align(format, LXW_ALIGN_VERTICAL_TOP);
    return format;
  }
  lxw_format* Head() const {
    lxw_format* const format = Make(11);
    format_set_bold(format);
    format_set_text_wrap(format);
    format_set_bg_color(format, kFaint);
    format_set_bottom(format, LXW_BORDER_THIN);
    format_set_bottom_color(format, kLine);
    return format;
  }

  lxw_workbook* book;
  lxw_format* organization = nullptr;
  lxw_format* title = nullptr;
  lxw_format* verdict = nullptr;
  lxw_format* label = nullptr;
  lxw_format* heading = nullptr;
  lxw_format* head = nullptr;
  lxw_format* head_number = nullptr;
  lxw_format* text = nullptr;
  lxw_format* wrapped = nullptr;
  lxw_format* number = nullptr;
  lxw_format* share = nullptr;
  lxw_format* plain_number = nullptr;
  lxw_format* pass = nullptr;
  std::array<lxw_format*, kSeverities.size()> severity = {};
};

XlsxWriter::XlsxWriter(Sink& sink, uint32_t max_rows) : ReportWriter(sink), max_rows_(max_rows) {}

// A report that was given up is closed all the same: that is how the library frees what it has.
XlsxWriter::~XlsxWriter() {
  if (workbook_ != nullptr) workbook_close(workbook_);
}

lxw_worksheet* XlsxWriter::AddSheet(const std::string& name) {
  lxw_worksheet* const sheet = workbook_add_worksheet(workbook_, name.c_str());
  worksheet_set_landscape(sheet);
  worksheet_fit_to_pages(sheet, 1, 0);
  worksheet_set_footer(sheet, "&L&A&RPage &P of &N");
  return sheet;
}

void XlsxWriter::Text(lxw_worksheet* sheet, uint32_t row, uint16_t column, std::string_view value,
                      void* style) {
  cell_.clear();
  AppendVisibleText(value, kMaxCellUnits, cell_);
  EscapeHexRuns(cell_);
  worksheet_write_string(sheet, row, column, cell_.c_str(), static_cast<lxw_format*>(style));
}

void XlsxWriter::WriteHeader() {
  absl::StatusOr<TempFile> file = TempFile::Make();
  if (!file.ok()) return Fail(file.status());
  file_ = *std::move(file);
  const std::string path = file_.Path();
  lxw_workbook_options options = {};
  options.constant_memory = LXW_TRUE;
  workbook_ = workbook_new_opt(path.c_str(), &options);
  if (workbook_ == nullptr) return Fail(absl::UnavailableError("report: no memory for a workbook"));
  std::string title;
  AppendVisibleText(header().event_title, 200, title);
  std::string company;
  AppendVisibleText(header().organization_display_name, 200, company);
  lxw_doc_properties properties = {};
  properties.title = title.data();
  properties.company = company.data();
  properties.created = absl::ToTimeT(header().generated_at);
  workbook_set_properties(workbook_, &properties);
  styles_ = std::make_unique<Styles>(workbook_);
  SummarySheet();
  RuleSheet();
  SchoolSheet();
  StartFindings();
}

void XlsxWriter::SummarySheet() {
  lxw_worksheet* const sheet = AddSheet("Summary");
  worksheet_gridlines(sheet, LXW_HIDE_ALL_GRIDLINES);
  worksheet_set_column(sheet, 0, 0, 26, nullptr);
  worksheet_set_column(sheet, 1, 8, 18, nullptr);
  const Styles& style = *styles_;
  const VerdictWords words = WordsOf(header());
  uint32_t row = 0;
  Text(sheet, row++, 0, header().organization_display_name, style.organization);
  worksheet_set_row(sheet, row, 28, nullptr);
  Text(sheet, row++, 0, header().event_title, style.title);
  ++row;
  worksheet_set_row(sheet, row, 20, nullptr);
  Text(sheet, row++, 0, words.sentence, style.verdict);
  Text(sheet, row++, 0, words.advice, style.text);
  ++row;
  const auto fact = [&](std::string_view label, std::string_view value) {
    Text(sheet, row, 0, label, style.label);
    Text(sheet, row++, 1, value, style.text);
  };
  fact("Validation of", header().kind);
  fact("Organization", header().organization);
  fact("Rules", fmt::format("{}, version {}", header().rule_group_title,
                            Grouped(header().rule_group_version)));
  fact("Generated", fmt::format("{} {}", LongTime(header().generated_at, header().time_zone),
                                header().time_zone_text));
  fact("Requested by", header().requested_by);
  fact("Report", header().report);
  if (const auto& previous = header().previous) {
    fact("Compared with", PreviousWords(*previous, header()));
  }
  ++row;

  const auto head = [&](std::initializer_list<std::string_view> titles, uint16_t first_number) {
    uint16_t column = 0;
    for (const std::string_view title : titles) {
      Text(sheet, row, column, title, column >= first_number ? style.head_number : style.head);
      ++column;
    }
    ++row;
  };
  Text(sheet, row++, 0, "Summary by severity", style.heading);
  head({"Severity", "Findings", "Rules failed", "Rules not run", "Rules tested", "Records",
        "New since last run", "Came back", "Fixed since last run"},
       1);
  const SeverityTotals totals = TotalsOf(header());
  for (const Severity severity : kSeverities) {
    const auto index = static_cast<size_t>(severity);
    const SeverityTotal& total = totals.at(index);
    Text(sheet, row, 0, SeverityWords(severity), style.severity.at(index));
    uint16_t column = 1;
    for (const int64_t count :
         {total.findings, total.rules_failed, total.rules_errored, total.rules_tested}) {
      worksheet_write_number(sheet, row, column++, static_cast<double>(count), style.number);
    }
    for (const std::optional<int64_t>& count : {header().records.at(index), total.new_findings,
                                                total.regressed_findings, total.fixed_findings}) {
      if (count) {
        worksheet_write_number(sheet, row, column, static_cast<double>(*count), style.number);
      }
      ++column;
    }
    ++row;
  }
  ++row;
  Text(sheet, row++, 0, "What was tested", style.heading);
  head({"Dataset", "Copy", "Version", "Records"}, 2);
  for (const DataVersion& data : header().data_versions) {
    Text(sheet, row, 0, data.dataset, style.text);
    Text(sheet, row, 1, data.copy, style.text);
    worksheet_write_number(sheet, row, 2, static_cast<double>(data.version), style.number);
    worksheet_write_number(sheet, row++, 3, static_cast<double>(data.rows), style.number);
  }
  ++row;
  if (!header().waivers.empty()) {
    Text(sheet, row++, 0, "Waived", style.heading);
    Text(sheet, row++, 0, kWaivedWords, style.label);
    head({"Rule", "Findings", "Until", "By", "", "Reason"}, 6);
    for (const Waiver& waiver : header().waivers) {
      Text(sheet, row, 0, waiver.rule_code, style.text);
      worksheet_write_number(sheet, row, 1, static_cast<double>(waiver.findings), style.number);
      Text(sheet, row, 2, waiver.until, style.text);
      Text(sheet, row, 3, waiver.people, style.text);
      if (waiver.findings == 0) Text(sheet, row, 4, kMatchesNothing, style.text);
      Text(sheet, row++, 5, waiver.reason, style.text);
    }
    ++row;
  }
  if (!header().causes.empty()) {
    Text(sheet, row++, 0, "Likely causes", style.heading);
    Text(sheet, row++, 0, kCausesWords, style.label);
    head({"Rule", "Findings", "By", "", "In common", "Explanation"}, 6);
    for (const Cause& cause : header().causes) {
      Text(sheet, row, 0, cause.rule_code, style.text);
      worksheet_write_number(sheet, row, 1, static_cast<double>(cause.findings), style.number);
      if (!cause.explanation.empty()) Text(sheet, row, 2, SaidBy(cause), style.text);
      Text(sheet, row, 4, cause.description, style.text);
      Text(sheet, row++, 5, cause.explanation, style.text);
    }
    ++row;
  }
  int64_t findings = 0;
  int64_t listed = 0;
  for (const RuleResult& rule : header().rules) {
    findings += rule.findings;
    listed += rule.stored;
  }
  Text(sheet, row++, 0,
       listed == findings
           ? fmt::format("The sheet Findings lists all {}.",
                         Counted(findings, "finding", "findings"))
           : fmt::format("The sheet Findings lists {} of {}: the sheet Rules says which rules have "
                         "more than are kept.",
                         Grouped(listed), Counted(findings, "finding", "findings")),
       style.label);
  Text(
      sheet, row, 0,
      "This report may hold personal information from education records. Keep it and share it only "
      "as your privacy rules allow.",
      style.label);
}

void XlsxWriter::RuleSheet() {
  lxw_worksheet* const sheet = AddSheet("Rules");
  const Styles& style = *styles_;
  uint16_t columns = 0;
  for (const Column& column : kRuleColumns) {
    worksheet_set_column(sheet, columns, columns, column.width, nullptr);
    Text(sheet, 0, columns, column.title,
         columns >= 4 && columns <= 10 ? style.head_number : style.head);
    ++columns;
  }
  uint32_t row = 1;
  for (const RuleResult& rule : header().rules) {
    const auto index = static_cast<size_t>(rule.severity);
    const auto number = [&](uint16_t column, int64_t count) {
      worksheet_write_number(sheet, row, column, static_cast<double>(count), style.number);
    };
    Text(sheet, row, 0, ResultWord(rule),
         NeedsAttention(rule) ? style.severity.at(index) : style.pass);
    Text(sheet, row, 1, rule.code, style.text);
    Text(sheet, row, 2, rule.title, style.wrapped);
    Text(sheet, row, 3, SeverityWords(rule.severity), style.severity.at(index));
    // What a rule that could not run would have found is unknown, which is not 0.
    if (rule.outcome != Outcome::kError || rule.findings > 0) {
      number(4, rule.tested);
      number(5, rule.findings);
      number(6, rule.stored);
      if (rule.tested > 0 && rule.findings <= rule.tested) {
        worksheet_write_number(
            sheet, row, 7, static_cast<double>(rule.findings) / static_cast<double>(rule.tested),
            style.share);
      }
      if (rule.new_findings) number(8, *rule.new_findings);
      if (rule.regressed_findings) number(9, *rule.regressed_findings);
      if (rule.fixed_findings) number(10, *rule.fixed_findings);
    }
    Text(sheet, row, 11, rule.meaning, style.wrapped);
    Text(sheet, row, 12, rule.suggested_fix, style.wrapped);
    Text(sheet, row, 13, rule.error_reason, style.wrapped);
    ++row;
  }
  worksheet_freeze_panes(sheet, 1, 2);
  worksheet_repeat_rows(sheet, 0, 0);
  worksheet_autofilter(sheet, 0, 0, std::max(row, 2U) - 1, columns - 1);
  lxw_conditional_format bars = {};
  bars.type = LXW_CONDITIONAL_DATA_BAR;
  bars.bar_color = kBar;
  if (row > 1) worksheet_conditional_format_range(sheet, 1, 5, row - 1, 5, &bars);
}

void XlsxWriter::SchoolSheet() {
  lxw_worksheet* const sheet = AddSheet("Schools");
  const Styles& style = *styles_;
  worksheet_set_column(sheet, 0, 0, 18, nullptr);
  worksheet_set_column(sheet, 1, 1, 36, nullptr);
  worksheet_set_column(sheet, 2, 6, 14, nullptr);
  Text(sheet, 0, 0, "School", style.head);
  Text(sheet, 0, 1, "School name", style.head);
  uint16_t column = 2;
  for (const Severity severity : kSeverities) {
    Text(sheet, 0, column++, SeverityWords(severity), style.head_number);
  }
  Text(sheet, 0, column, "All findings", style.head_number);
  uint32_t row = 1;
  for (const SchoolCount& school : header().schools) {
    Text(sheet, row, 0, school.school_id, style.text);
    Text(sheet, row, 1, school.school_name, style.text);
    for (size_t i = 0; i < school.findings.size(); ++i) {
      worksheet_write_number(sheet, row, static_cast<uint16_t>(2 + i),
                             static_cast<double>(school.findings.at(i)), style.number);
    }
    worksheet_write_number(sheet, row++, column, static_cast<double>(TotalOf(school)),
                           style.number);
  }
  worksheet_freeze_panes(sheet, 1, 1);
  worksheet_repeat_rows(sheet, 0, 0);
  worksheet_autofilter(sheet, 0, 0, std::max(row, 2U) - 1, column);
  lxw_conditional_format bars = {};
  bars.type = LXW_CONDITIONAL_DATA_BAR;
  bars.bar_color = kBar;
  if (row > 1) worksheet_conditional_format_range(sheet, 1, column, row - 1, column, &bars);
}

void XlsxWriter::StartFindings() {
  ++findings_sheets_;
  findings_ =
      AddSheet(findings_sheets_ == 1 ? "Findings" : fmt::format("Findings {}", findings_sheets_));
  uint16_t columns = 0;
  for (const Column& column : kFindingColumns) {
    worksheet_set_column(findings_, columns, columns, column.width, nullptr);
    Text(findings_, 0, columns, column.title, styles_->head);
    ++columns;
  }
  worksheet_freeze_panes(findings_, 1, 0);
  worksheet_repeat_rows(findings_, 0, 0);
  row_ = 1;
}

void XlsxWriter::FinishFindings() {
  worksheet_autofilter(findings_, 0, 0, std::max(row_, 2U) - 1, std::size(kFindingColumns) - 1);
}

void XlsxWriter::BeginRule(const RuleResult& /*rule*/, size_t /*index*/) {}

void XlsxWriter::WriteFinding(const Finding& finding, const RuleResult& rule) {
  if (workbook_ == nullptr) return;
  if (row_ == max_rows_) {
    FinishFindings();
    StartFindings();
  }
  values_.clear();
  for (const Field& field : finding.fields) {
    if (!values_.empty()) values_.push_back('\n');
    values_.append(field.name).append(" = ").append(field.value);
  }
  const Styles& style = *styles_;
  Text(findings_, row_, 0, finding.rule_code, style.text);
  Text(findings_, row_, 1, SeverityWords(finding.severity),
       style.severity.at(static_cast<size_t>(finding.severity)));
  Text(findings_, row_, 2, finding.dataset, style.text);
  Text(findings_, row_, 3, finding.school_id, style.text);
  Text(findings_, row_, 4, finding.school_name, style.text);
  Text(findings_, row_, 5, finding.record_key, style.text);
  Text(findings_, row_, 6, finding.message, style.wrapped);
  Text(findings_, row_, 7, values_, style.wrapped);
  Text(findings_, row_, 8, ChangeWord(finding.change), style.text);
  Text(findings_, row_, 9, rule.suggested_fix, style.wrapped);
  Text(findings_, row_, 10, finding.waived_until, style.text);
  ++row_;
}

void XlsxWriter::EndRule(const RuleResult& /*rule*/) {}

void XlsxWriter::WriteFooter() {
  if (workbook_ == nullptr) return;
  FinishFindings();
  lxw_workbook* const workbook = workbook_;
  workbook_ = nullptr;
  if (workbook_close(workbook) != LXW_NO_ERROR) {
    return Fail(absl::UnavailableError("report: the workbook cannot be assembled"));
  }
  const absl::Status sent = file_.ReadAll(kChunkBytes, [&](std::string_view bytes) {
    output().Append(bytes);
    return output().status();
  });
  // The sink's own failure is reported as such.
  if (!sent.ok() && output().status().ok()) Fail(sent);
}

}  // namespace edcert::render
