// The pages of a PDF report: what stands where. Used twice: first to count the pages, then, when
// "page 3 of 12" can be said, to draw them.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/render/pdf_canvas.h"
#include "common/render/report.h"

namespace edcert::render {

class PdfPages {
 public:
  // `pages`: how many there will be; 0 while they are counted.
  PdfPages(PdfCanvas& canvas, const ReportHeader& header, int pages);

  void Front();
  void BeginRule(const RuleResult& rule);
  void AddFinding(const Finding& finding, const RuleResult& rule);
  void End(int64_t listed);

 private:
  // One cell of a row: what stands in it, and in which style.
  struct Cell {
    RichText text;
    TextStyle style;
  };
  struct Column {
    const char* title;
    double width;
    Align align = Align::kLeft;
  };

  void Title();
  void VerdictPanel();
  void SeverityCards();
  void Charts();
  double RuleChart(double x, double y, double width, bool draws);
  double SchoolChart(double x, double y, double width, bool draws);
  void DataTable();
  void RuleTable();
  void WaiverTable();
  void CauseTable();

  void Heading(std::string_view text, double room);
  void Paragraph(const RichText& text, double size, double indent = 0);
  void Panel(const RichText& text, Color background);

  // A table: its head is drawn with the first row and again on each new page.
  void StartTable(std::span<const Column> columns, std::string caption);
  // Returns its height.
  double TableHead(bool draws);
  void TableRow(std::span<const Cell> cells);

  // Begins a new page unless this much room is left; true when it did.
  bool Need(double height);
  void NewPage();
  void Footer();

  PdfCanvas& canvas_;
  const ReportHeader& header_;
  const int pages_;
  double y_ = 0;
  std::span<const Column> columns_;
  std::string caption_;  // Of the open table: said again on its next pages.
  bool head_waits_ = false;
};

}  // namespace edcert::render
