// A report as CSV: a header row, then one row per finding; CRLF line ends. Rules without findings
// do not appear.
#pragma once

#include <string>

#include "common/render/writer.h"

namespace edcert::render {

enum class CsvCells { kExact, kSpreadsheetSafe };

// Columns: rule_code,severity,dataset,school_id,record_key,message,fields,suggested_fix. `fields`
// is "name=value; name=value"; a backslash or semicolon in either, or an equals sign in a name, has
// a backslash before it.
class CsvWriter final : public ReportWriter {
 public:
  CsvWriter(Sink& sink, CsvCells cells);

 private:
  void WriteHeader() override;
  void BeginRule(const RuleResult& rule, size_t index) override;
  void WriteFinding(const Finding& finding, const RuleResult& rule) override;
  void EndRule(const RuleResult& rule) override;
  void WriteFooter() override;

  void Cell(std::string_view value);

  const CsvCells cells_;
  std::string row_;
  bool first_cell_ = true;
  std::string fields_;
};

}  // namespace edcert::render
