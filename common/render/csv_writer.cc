#include "common/render/csv_writer.h"

#include "common/render/escape.h"
#include "common/render/words.h"
#include "fmt/format.h"

namespace edcert::render {
namespace {

void AppendEscaped(std::string_view value, std::string_view special, std::string& out) {
  for (const char c : value) {
    if (special.find(c) != std::string_view::npos) out.push_back('\\');
    out.push_back(c);
  }
}

}  // namespace

CsvWriter::CsvWriter(Sink& sink, CsvCells cells) : ReportWriter(sink), cells_(cells) {}

void CsvWriter::WriteHeader() {
  output().Append(
      "rule_code,severity,dataset,school_id,record_key,message,fields,suggested_fix,change,"
      "waived_until,row,findings,school_name,data_version,report,previous_report\r\n");
  for (const DataVersion& data : header().data_versions) {
    versions_[data.dataset] = fmt::to_string(data.version);
  }
}

void CsvWriter::BeginRule(const RuleResult& /*rule*/, size_t /*index*/) {}

void CsvWriter::WriteFinding(const Finding& finding, const RuleResult& rule) {
  WriteRow(finding, rule.suggested_fix, "FINDING", "1");
}

void CsvWriter::WriteRow(const Finding& finding, std::string_view suggested_fix,
                         std::string_view row, std::string_view findings) {
  fields_.clear();
  for (const Field& field : finding.fields) {
    if (!fields_.empty()) fields_.append("; ");
    AppendEscaped(field.name, "\\;=", fields_);
    fields_.push_back('=');
    AppendEscaped(field.value, "\\;", fields_);
  }
  row_.clear();
  first_cell_ = true;
  Cell(finding.rule_code);
  Cell(SeverityCode(finding.severity));
  Cell(finding.dataset);
  Cell(finding.school_id);
  Cell(finding.record_key);
  Cell(finding.message);
  Cell(fields_);
  Cell(suggested_fix);
  Cell(ChangeCode(finding.change));
  Cell(finding.waived_until);
  Cell(row);
  Cell(findings);
  Cell(finding.school_name);
  const auto version = versions_.find(finding.dataset);
  Cell(version == versions_.end() ? "" : version->second);
  Cell(header().report);
  Cell(header().previous ? header().previous->report : "");
  row_.append("\r\n");
  output().Append(row_);
}

void CsvWriter::EndRule(const RuleResult& rule) {
  Finding note;
  note.rule_code = rule.code;
  note.severity = rule.severity;
  note.dataset = rule.dataset;
  if (rule.outcome == Outcome::kError) {
    note.message = fmt::format("This rule could not be run. {}", NotRunWords(rule));
    WriteRow(note, rule.suggested_fix, "NOT_RUN", "");
  }
  if (rule.truncated) {
    note.message = fmt::format(
        "{} listed. {}", Counted(NotListed(rule), "more finding is not", "more findings are not"),
        CutWords(rule));
    WriteRow(note, rule.suggested_fix, "NOT_LISTED", fmt::to_string(NotListed(rule)));
  }
}

// A waiver is seen at its findings; one that has none would not be seen.
void CsvWriter::WriteFooter() {
  for (const Waiver& waiver : header().waivers) {
    if (waiver.findings > 0) continue;
    Finding note;
    note.rule_code = waiver.rule_code;
    note.severity = Severity::kFatal;
    note.message = fmt::format("The waiver of {} {}. Its reason: {}", waiver.people,
                               kMatchesNothing, waiver.reason);
    note.waived_until = waiver.until;
    WriteRow(note, "", "WAIVER", "0");
  }
}

void CsvWriter::Cell(std::string_view value) {
  if (!first_cell_) row_.push_back(',');
  first_cell_ = false;
  switch (cells_) {
    case CsvCells::kExact:
      AppendCsvCell(value, row_);
      break;
    case CsvCells::kSpreadsheetSafe:
      AppendSpreadsheetCell(value, row_);
      break;
  }
}

}  // namespace edcert::render
