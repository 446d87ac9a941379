#include "common/render/pdf_canvas.h"

#include <cairo-pdf.h>
#include <pango/pangocairo.h>

#include <algorithm>
#include <numbers>

#include "common/render/escape.h"
#include "fmt/format.h"

namespace edcert::render {
namespace {

// A text longer than this would fill pages by itself; the other formats have all of it.
constexpr size_t kMaxUnits = 2'000;
// The first that is there; for characters that it lacks Pango looks in all that are installed.
constexpr char kFamilies[] = "Liberation Sans,DejaVu Sans,sans-serif";
// Leading, as a part of the font's own line height.
constexpr float kLineSpacing = 1.08F;

cairo_status_t WriteTo(void* closure, const unsigned char* data, unsigned length) {
  auto* const output = static_cast<ChunkedOutput*>(closure);
  output->Append({reinterpret_cast<const char*>(data), length});
  return output->status().ok() ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

double Part(Color color, int shift) { return ((color.rgb >> shift) & 0xFF) / 255.0; }

uint16_t Part16(Color color, int shift) {
  return static_cast<uint16_t>(((color.rgb >> shift) & 0xFF) * 0x101);
}

}  // namespace

RichText& RichText::Add(std::string_view text, Color color, bool bold) {
  const size_t begin = text_.size();
  AppendVisibleText(text, kMaxUnits, text_);
  // Line ends stay within the paragraph, so that the bound on lines is one for all of them.
  for (size_t at = begin; (at = text_.find('\n', at)) != std::string::npos; at += 3) {
    text_.replace(at, 1, "\xE2\x80\xA8");
  }
  runs_.push_back({.begin = begin, .end = text_.size(), .color = color, .bold = bold});
  return *this;
}

void RichText::Clear() {
  text_.clear();
  runs_.clear();
}

struct PdfCanvas::Handles {
  cairo_surface_t* surface = nullptr;
  cairo_t* cairo = nullptr;
  std::array<PangoLayout*, kSlots> slots = {};
  PangoFontDescription* font = nullptr;
};

PdfCanvas::PdfCanvas(ChunkedOutput* sink, std::string_view title, std::string_view author,
                     absl::Time moment)
    : handles_(std::make_unique<Handles>()), draws_(sink != nullptr) {
  Handles& h = *handles_;
  h.surface = cairo_pdf_surface_create_for_stream(draws_ ? &WriteTo : nullptr, sink, kPageWidth,
                                                  kPageHeight);
  std::string text;
  AppendVisibleText(title, kMaxUnits, text);
  cairo_pdf_surface_set_metadata(h.surface, CAIRO_PDF_METADATA_TITLE, text.c_str());
  text.clear();
  AppendVisibleText(author, kMaxUnits, text);
  cairo_pdf_surface_set_metadata(h.surface, CAIRO_PDF_METADATA_AUTHOR, text.c_str());
  cairo_pdf_surface_set_metadata(h.surface, CAIRO_PDF_METADATA_CREATOR, "edcert");
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", moment, absl::UTCTimeZone());
  cairo_pdf_surface_set_metadata(h.surface, CAIRO_PDF_METADATA_CREATE_DATE, time.c_str());
  cairo_pdf_surface_set_metadata(h.surface, CAIRO_PDF_METADATA_MOD_DATE, time.c_str());
  h.cairo = cairo_create(h.surface);
  cairo_set_line_width(h.cairo, 0.6);
  h.font = pango_font_description_from_string(kFamilies);
  for (PangoLayout*& layout : h.slots) {
    layout = pango_cairo_create_layout(h.cairo);
    // A printed page has no pixels to round to.
    pango_context_set_round_glyph_positions(pango_layout_get_context(layout), FALSE);
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_line_spacing(layout, kLineSpacing);
  }
}

PdfCanvas::~PdfCanvas() {
  pango_font_description_free(handles_->font);
  for (PangoLayout* const layout : handles_->slots) g_object_unref(layout);
  cairo_destroy(handles_->cairo);
  cairo_surface_destroy(handles_->surface);
}

double PdfCanvas::Measure(size_t slot, const RichText& text, const TextStyle& style, double width) {
  PangoLayout* const layout = handles_->slots.at(slot);
  pango_font_description_set_absolute_size(handles_->font, style.size * PANGO_SCALE);
  pango_layout_set_font_description(layout, handles_->font);
  pango_layout_set_width(layout, static_cast<int>(width * PANGO_SCALE));
  pango_layout_set_ellipsize(layout,
                             style.max_lines > 0 ? PANGO_ELLIPSIZE_END : PANGO_ELLIPSIZE_NONE);
  pango_layout_set_height(layout, style.max_lines > 0 ? -style.max_lines : -1);
  pango_layout_set_alignment(layout,
                             style.align == Align::kRight ? PANGO_ALIGN_RIGHT : PANGO_ALIGN_LEFT);
  pango_layout_set_auto_dir(layout, style.sentence ? TRUE : FALSE);
  PangoAttrList* const attributes = pango_attr_list_new();
  for (const RichText::Run& run : text.runs_) {
    const auto add = [&](PangoAttribute* attribute) {
      attribute->start_index = static_cast<guint>(run.begin);
      attribute->end_index = static_cast<guint>(run.end);
      pango_attr_list_insert(attributes, attribute);
    };
    add(pango_attr_foreground_new(Part16(run.color, 16), Part16(run.color, 8),
                                  Part16(run.color, 0)));
    if (run.bold) add(pango_attr_weight_new(PANGO_WEIGHT_BOLD));
  }
  pango_layout_set_attributes(layout, attributes);
  pango_attr_list_unref(attributes);
  pango_layout_set_text(layout, text.text_.data(), static_cast<int>(text.text_.size()));
  PangoRectangle extents;
  pango_layout_get_extents(layout, nullptr, &extents);
  return static_cast<double>(extents.height) / PANGO_SCALE;
}

void PdfCanvas::DrawText(size_t slot, double x, double y) {
  if (!draws_) return;
  cairo_move_to(handles_->cairo, x, y);
  pango_cairo_show_layout(handles_->cairo, handles_->slots.at(slot));
}

double PdfCanvas::Text(const RichText& text, const TextStyle& style, double x, double y,
                       double width) {
  const double height = Measure(0, text, style, width);
  DrawText(0, x, y);
  return height;
}

void PdfCanvas::Path(const Box& box, double radius) {
  cairo_t* const cairo = handles_->cairo;
  cairo_new_path(cairo);
  if (radius <= 0) {
    cairo_rectangle(cairo, box.x, box.y, box.width, box.height);
    return;
  }
  const double right = box.x + box.width - radius;
  const double bottom = box.y + box.height - radius;
  constexpr double kQuarter = std::numbers::pi / 2;
  cairo_arc(cairo, right, box.y + radius, radius, -kQuarter, 0);
  cairo_arc(cairo, right, bottom, radius, 0, kQuarter);
  cairo_arc(cairo, box.x + radius, bottom, radius, kQuarter, 2 * kQuarter);
  cairo_arc(cairo, box.x + radius, box.y + radius, radius, 2 * kQuarter, 3 * kQuarter);
  cairo_close_path(cairo);
}

void PdfCanvas::SetColor(Color color) {
  cairo_set_source_rgb(handles_->cairo, Part(color, 16), Part(color, 8), Part(color, 0));
}

void PdfCanvas::Fill(const Box& box, Color color, double radius) {
  if (!draws_) return;
  Path(box, radius);
  SetColor(color);
  cairo_fill(handles_->cairo);
}

void PdfCanvas::Stroke(const Box& box, Color color, double radius) {
  if (!draws_) return;
  Path(box, radius);
  SetColor(color);
  cairo_stroke(handles_->cairo);
}

void PdfCanvas::HorizontalLine(double x, double y, double width, Color color) {
  if (!draws_) return;
  cairo_new_path(handles_->cairo);
  cairo_move_to(handles_->cairo, x, y);
  cairo_rel_line_to(handles_->cairo, width, 0);
  SetColor(color);
  cairo_stroke(handles_->cairo);
}

void PdfCanvas::EndPage() {
  if (draws_) cairo_show_page(handles_->cairo);
  ++page_;
}

void PdfCanvas::AddOutline(std::string_view title, int level, double y) {
  if (!draws_) return;
  std::string text;
  AppendVisibleText(title, 200, text);
  std::replace(text.begin(), text.end(), '\n', ' ');
  const std::string target = fmt::format("page={} pos=[0 {:.0f}]", page_, std::max(0.0, y - 12));
  const int id = cairo_pdf_surface_add_outline(
      handles_->surface, level == 0 ? CAIRO_PDF_OUTLINE_ROOT : outline_parent_, text.c_str(),
      target.c_str(), level == 0 ? CAIRO_PDF_OUTLINE_FLAG_OPEN : cairo_pdf_outline_flags_t{});
  if (level == 0) outline_parent_ = id;
}

absl::Status PdfCanvas::Finish() {
  cairo_surface_finish(handles_->surface);
  const bool ok = cairo_surface_status(handles_->surface) == CAIRO_STATUS_SUCCESS &&
                  cairo_status(handles_->cairo) == CAIRO_STATUS_SUCCESS;
  return ok ? absl::OkStatus() : absl::UnavailableError("report: the PDF cannot be drawn");
}

}  // namespace edcert::render
