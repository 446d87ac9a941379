#include "common/render/csv_writer.h"

#include "common/render/escape.h"

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
      "rule_code,severity,dataset,school_id,record_key,message,fields,suggested_fix\r\n");
}

void CsvWriter::BeginRule(const RuleResult& /*rule*/, size_t /*index*/) {}

void CsvWriter::WriteFinding(const Finding& finding, const RuleResult& rule) {
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
  Cell(rule.suggested_fix);
  row_.append("\r\n");
  output().Append(row_);
}

void CsvWriter::EndRule(const RuleResult& /*rule*/) {}

void CsvWriter::WriteFooter() {}

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
