// A report as CSV: a header row, then one row per finding; CRLF line ends. A rule that could not be
// run has a row that says so, a rule whose list is cut one for the rest, and a waiver that matches
// nothing one at the end; rules without findings do not appear.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/render/writer.h"

namespace edcert::render {

enum class CsvCells { kExact, kSpreadsheetSafe };

// Columns: rule_code,severity,dataset,school_id,record_key,message,fields,suggested_fix,change,
// waived_until,row,findings,school_name,data_version,report,previous_report. New ones come last.
//
// `fields` is "name=value; name=value"; a backslash or semicolon in either, or an equals sign in a
// name, has a backslash before it. `row` says what a row is: FINDING, NOT_RUN, NOT_LISTED or
// WAIVER. `findings` is how many findings it stands for, so that they add up to what the rules
// found: empty where that is unknown. `data_version` is that of the row's dataset.
class CsvWriter final : public ReportWriter {
 public:
  CsvWriter(Sink& sink, CsvCells cells);

 private:
  void WriteHeader() override;
  void BeginRule(const RuleResult& rule, size_t index) override;
  void WriteFinding(const Finding& finding, const RuleResult& rule) override;
  void EndRule(const RuleResult& rule) override;
  void WriteFooter() override;

  void WriteRow(const Finding& finding, std::string_view suggested_fix, std::string_view row,
                std::string_view findings);
  void Cell(std::string_view value);

  const CsvCells cells_;
  std::map<std::string, std::string, std::less<>> versions_;  // by dataset
  std::string row_;
  bool first_cell_ = true;
  std::string fields_;
};

}  // namespace edcert::render
