// A report as one self-contained HTML file: no script, nothing loaded from elsewhere, and a content
// security policy that would refuse both.
#pragma once

#include <string>
#include <string_view>

#include "common/render/writer.h"

namespace edcert::render {

class HtmlWriter final : public ReportWriter {
 public:
  explicit HtmlWriter(Sink& sink);

 private:
  void WriteHeader() override;
  void BeginRule(const RuleResult& rule, size_t index) override;
  void WriteFinding(const Finding& finding, const RuleResult& rule) override;
  void EndRule(const RuleResult& rule) override;
  void WriteFooter() override;

  // The parts of the page, in their order. Each appends to `page_`.
  void Head();
  void Masthead();
  void VerdictPanel();
  void SeverityCards();
  void Charts();
  void ChartHead(std::string_view what, std::string_view caption);
  void RuleChart();
  void SchoolChart();
  void SchoolTable();
  void RuleTable();
  void RuleRow(const RuleResult& rule, size_t index);
  void WaiverTable();
  void CauseTable();
  void DataTable();

  void Send();  // Hands `page_` to the output and clears it.

  std::string page_;
  int64_t listed_ = 0;  // Findings written.
};

}  // namespace edcert::render
