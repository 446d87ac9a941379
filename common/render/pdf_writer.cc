#include "common/render/pdf_writer.h"

#include <cstring>

#include "common/status/macros.h"
#include "fmt/format.h"

namespace edcert::render {
namespace {

// A finding in the temporary file: its length, then its texts, each after its length.

void AppendLength(size_t length, std::string& bytes) {
  const auto value = static_cast<uint32_t>(length);
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendText(std::string_view text, std::string& bytes) {
  AppendLength(text.size(), bytes);
  bytes.append(text);
}

void Encode(const Finding& finding, std::string& bytes) {
  bytes.clear();
  for (const std::string* const text :
       {&finding.dataset, &finding.record_key, &finding.school_id, &finding.school_name,
        &finding.message, &finding.waived_until}) {
    AppendText(*text, bytes);
  }
  AppendLength(static_cast<size_t>(finding.change), bytes);
  AppendLength(finding.fields.size(), bytes);
  for (const Field& field : finding.fields) {
    AppendText(field.name, bytes);
    AppendText(field.value, bytes);
  }
}

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : bytes_(bytes) {}
  uint32_t Length() {
    uint32_t value = 0;
    std::memcpy(&value, bytes_.data(), sizeof(value));
    bytes_.remove_prefix(sizeof(value));
    return value;
  }
  std::string Text() {
    const uint32_t length = Length();
    std::string text(bytes_.substr(0, length));
    bytes_.remove_prefix(length);
    return text;
  }

 private:
  std::string_view bytes_;
};

// The bytes are those that Encode wrote in this process.
void Decode(std::string_view bytes, Finding& finding) {
  Decoder decoder(bytes);
  finding.dataset = decoder.Text();
  finding.record_key = decoder.Text();
  finding.school_id = decoder.Text();
  finding.school_name = decoder.Text();
  finding.message = decoder.Text();
  finding.waived_until = decoder.Text();
  finding.change = static_cast<Change>(decoder.Length());
  finding.fields.resize(decoder.Length());
  for (Field& field : finding.fields) {
    field.name = decoder.Text();
    field.value = decoder.Text();
  }
}

}  // namespace

PdfWriter::PdfWriter(Sink& sink) : ReportWriter(sink) {}

std::unique_ptr<PdfCanvas> PdfWriter::MakeCanvas(ChunkedOutput* sink) {
  return std::make_unique<PdfCanvas>(
      sink, fmt::format("{} – {} – validation report", header().event_title, header().kind),
      header().organization_display_name, header().generated_at);
}

void PdfWriter::WriteHeader() {
  absl::StatusOr<TempFile> file = TempFile::Make();
  if (!file.ok()) return Fail(file.status());
  findings_ = *std::move(file);
  counted_ = MakeCanvas(nullptr);
  counter_ = std::make_unique<PdfPages>(*counted_, header(), 0);
  counter_->Front();
}

void PdfWriter::BeginRule(const RuleResult& rule, size_t /*index*/) {
  if (counter_ != nullptr) counter_->BeginRule(rule);
}

void PdfWriter::WriteFinding(const Finding& finding, const RuleResult& rule) {
  if (counter_ == nullptr) return;
  counter_->AddFinding(finding, rule);
  Encode(finding, bytes_);
  std::string length;
  AppendLength(bytes_.size(), length);
  const absl::Status first = findings_.Append(length);
  const absl::Status second = findings_.Append(bytes_);
  if (!first.ok() || !second.ok()) Fail(first.ok() ? second : first);
  ++listed_;
}

void PdfWriter::EndRule(const RuleResult& /*rule*/) {}

void PdfWriter::WriteFooter() {
  if (counter_ == nullptr) return;
  counter_->End(listed_);
  const absl::Status drawn = Draw();
  // The sink's own failure is reported as such.
  if (!drawn.ok() && output().status().ok()) Fail(drawn);
}

absl::Status PdfWriter::Draw() {
  const int pages = counted_->page() - 1;
  counter_.reset();
  counted_.reset();
  RETURN_IF_ERROR(findings_.Rewind());
  const std::unique_ptr<PdfCanvas> canvas = MakeCanvas(&output());
  PdfPages drawer(*canvas, header(), pages);
  drawer.Front();
  Finding finding;
  for (const RuleResult& rule : header().rules) {
    drawer.BeginRule(rule);
    for (int64_t i = 0; i < rule.stored; ++i) {
      RETURN_IF_ERROR(findings_.Read(sizeof(uint32_t), bytes_));
      const uint32_t length = Decoder(bytes_).Length();
      RETURN_IF_ERROR(findings_.Read(length, bytes_));
      Decode(bytes_, finding);
      finding.severity = rule.severity;
      drawer.AddFinding(finding, rule);
    }
    RETURN_IF_ERROR(output().status());
  }
  drawer.End(listed_);
  return canvas->Finish();
}

}  // namespace edcert::render
