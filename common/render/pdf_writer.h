// A report as a PDF: pages of US Letter with a summary, charts, and a table for each rule. Findings
// wait in a temporary file until all pages are counted, so memory stays flat. No links, forms or
// scripts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/render/pdf_canvas.h"
#include "common/render/pdf_pages.h"
#include "common/render/temp_file.h"
#include "common/render/writer.h"

namespace edcert::render {

class PdfWriter final : public ReportWriter {
 public:
  explicit PdfWriter(Sink& sink);

 private:
  void WriteHeader() override;
  void BeginRule(const RuleResult& rule, size_t index) override;
  void WriteFinding(const Finding& finding, const RuleResult& rule) override;
  void EndRule(const RuleResult& rule) override;
  void WriteFooter() override;

  std::unique_ptr<PdfCanvas> MakeCanvas(ChunkedOutput* sink);
  absl::Status Draw();

  TempFile findings_;
  int64_t listed_ = 0;
  std::string bytes_;
  // The first run over the pages, which counts them.
  std::unique_ptr<PdfCanvas> counted_;
  std::unique_ptr<PdfPages> counter_;
};

}  // namespace edcert::render
