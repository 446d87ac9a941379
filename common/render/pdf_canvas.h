// What a PDF is drawn with: text that is shaped and wrapped by Pango, rectangles, and pages. A
// canvas without a sink measures and draws nothing, with the same results.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/render/writer.h"

namespace edcert::render {

// Lengths are points, 72 to the inch. US Letter, upright.
inline constexpr double kPageWidth = 612;
inline constexpr double kPageHeight = 792;

struct Color {
  unsigned rgb = 0;
};

// Text with runs of weight and colour. What is added is cut and made visible (escape.h).
class RichText {
 public:
  RichText() = default;
  RichText(std::string_view text, Color color, bool bold = false) { Add(text, color, bold); }
  RichText& Add(std::string_view text, Color color, bool bold = false);
  void Clear();
  bool empty() const { return text_.empty(); }

 private:
  friend class PdfCanvas;
  struct Run {
    size_t begin = 0;
    size_t end = 0;
    Color color;
    bool bold = false;
  };
  std::string text_;
  std::vector<Run> runs_;
};

struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

enum class Align { kLeft, kRight };

struct TextStyle {
  double size = 8;
  int max_lines = 0;  // 0: as many as it takes; more is cut with an ellipsis.
  Align align = Align::kLeft;
  // Whether a text that begins in a script written from right to left stands at the right:
  // sentences do, names in a column of names do not.
  bool sentence = false;
};

class PdfCanvas {
 public:
  // Texts that can be measured before one of them is drawn.
  static constexpr size_t kSlots = 8;

  // `sink` null: only measures. The moment is that of the report, so that equal reports are equal
  // files.
  PdfCanvas(ChunkedOutput* sink, std::string_view title, std::string_view author,
            absl::Time moment);
  ~PdfCanvas();
  PdfCanvas(const PdfCanvas&) = delete;
  PdfCanvas& operator=(const PdfCanvas&) = delete;

  // Lays a text out and returns its height; DrawText shows what was laid out in the slot last.
  double Measure(size_t slot, const RichText& text, const TextStyle& style, double width);
  void DrawText(size_t slot, double x, double y);
  // Both; returns the height.
  double Text(const RichText& text, const TextStyle& style, double x, double y, double width);

  void Fill(const Box& box, Color color, double radius = 0);
  void Stroke(const Box& box, Color color, double radius = 0);
  void HorizontalLine(double x, double y, double width, Color color);

  void EndPage();
  // An entry of the outline that leads to this height of the current page; `level` 0 or 1.
  void AddOutline(std::string_view title, int level, double y);

  int page() const { return page_; }  // The current one, from 1.
  // Writes the end of the file. UNAVAILABLE when the library could not go on.
  absl::Status Finish();

 private:
  struct Handles;

  void Path(const Box& box, double radius);
  void SetColor(Color color);

  std::unique_ptr<Handles> handles_;
  const bool draws_;
  int page_ = 1;
  int outline_parent_ = 0;
};

}  // namespace edcert::render
