// A report as a workbook: the sheets Summary, Rules, Schools and Findings. Rows go to temporary
// files and from there to the sink when the report ends, so memory stays flat. Texts are cells of
// type string whatever they begin with, and counts are numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/render/temp_file.h"
#include "common/render/writer.h"

struct lxw_workbook;
struct lxw_worksheet;

namespace edcert::render {

class XlsxWriter final : public ReportWriter {
 public:
  // Rows of findings on one sheet; the rest goes on to the next. The workbook's own limit, less in
  // tests.
  static constexpr uint32_t kMaxRows = 1'048'576;

  explicit XlsxWriter(Sink& sink, uint32_t max_rows = kMaxRows);
  ~XlsxWriter() override;

 private:
  struct Styles;

  void WriteHeader() override;
  void BeginRule(const RuleResult& rule, size_t index) override;
  void WriteFinding(const Finding& finding, const RuleResult& rule) override;
  void EndRule(const RuleResult& rule) override;
  void WriteFooter() override;

  void SummarySheet();
  void RuleSheet();
  void SchoolSheet();
  void StartFindings();
  void FinishFindings();
  lxw_worksheet* AddSheet(const std::string& name);
  // A string cell: visible text, at most what a cell may hold.
  void Text(lxw_worksheet* sheet, uint32_t row, uint16_t column, std::string_view value,
            void* style);

  const uint32_t max_rows_;
  TempFile file_;
  lxw_workbook* workbook_ = nullptr;
  std::unique_ptr<Styles> styles_;
  lxw_worksheet* findings_ = nullptr;
  uint32_t row_ = 0;  // The next one of `findings_`.
  int findings_sheets_ = 0;
  std::string cell_;
  std::string values_;
};

}  // namespace edcert::render
