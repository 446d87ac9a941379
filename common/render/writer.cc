#include "common/render/writer.h"

#include <algorithm>
#include <set>

#include "common/render/csv_writer.h"
#include "common/render/html_writer.h"
#include "common/render/json_writer.h"
#include "common/render/pdf_writer.h"
#include "common/render/xlsx_writer.h"
#include "common/status/macros.h"

namespace edcert::render {
namespace {

constexpr size_t kMaxFileStem = 110;

absl::Status CheckHeader(const ReportHeader& header) {
  std::set<std::string_view> codes;
  for (const RuleResult& rule : header.rules) {
    if (!codes.insert(rule.code).second) {
      return absl::InvalidArgumentError("report: a rule code is there twice");
    }
    if (rule.stored < 0 || rule.tested < 0 || rule.stored > rule.findings) {
      return absl::InvalidArgumentError("report: a rule has impossible counts");
    }
    if ((rule.stored < rule.findings) != rule.truncated) {
      return absl::InvalidArgumentError("report: a rule's truncation mark contradicts its counts");
    }
  }
  return absl::OkStatus();
}

std::string_view Extension(Format format) {
  switch (format) {
    case Format::kHtml:
      return ".html";
    case Format::kCsvExact:
    case Format::kCsv:
      return ".csv";
    case Format::kJson:
      return ".json";
    case Format::kXlsx:
      return ".xlsx";
    case Format::kPdf:
      return ".pdf";
  }
  return "";
}

}  // namespace

ChunkedOutput::ChunkedOutput(Sink& sink) : sink_(sink) { buffer_.reserve(kChunkBytes); }

void ChunkedOutput::Append(std::string_view bytes) {
  while (!bytes.empty() && status_.ok()) {
    const size_t room = std::min(bytes.size(), kChunkBytes - buffer_.size());
    buffer_.append(bytes.substr(0, room));
    bytes.remove_prefix(room);
    if (buffer_.size() == kChunkBytes) {
      status_ = sink_.Write(buffer_);
      buffer_.clear();
    }
  }
}

absl::Status ChunkedOutput::Flush() {
  if (status_.ok() && !buffer_.empty()) {
    status_ = sink_.Write(buffer_);
    buffer_.clear();
  }
  return status_;
}

absl::Status ReportWriter::Begin(const ReportHeader& header) {
  if (state_ != State::kNew) return absl::FailedPreconditionError("report: begun twice");
  RETURN_IF_ERROR(CheckHeader(header));
  header_ = header;
  state_ = State::kOpen;
  WriteHeader();
  if (!header_.rules.empty()) StartRule(0);
  RETURN_IF_ERROR(broken_);
  return output_.status();
}

absl::Status ReportWriter::Add(const Finding& finding) {
  if (state_ != State::kOpen) return absl::FailedPreconditionError("report: not open");
  RETURN_IF_ERROR(broken_);
  RETURN_IF_ERROR(output_.status());
  size_t index = rule_;
  while (index < header_.rules.size() && header_.rules[index].code != finding.rule_code) ++index;
  if (index == header_.rules.size()) {
    broken_ = absl::InvalidArgumentError("report: a finding of an unknown or finished rule");
    return broken_;
  }
  while (rule_ < index) {
    RETURN_IF_ERROR(FinishRule());
    StartRule(rule_ + 1);
  }
  ++rule_added_;
  WriteFinding(finding, header_.rules[rule_]);
  RETURN_IF_ERROR(broken_);
  return output_.status();
}

absl::Status ReportWriter::End() {
  if (state_ != State::kOpen) return absl::FailedPreconditionError("report: not open");
  state_ = State::kEnded;
  RETURN_IF_ERROR(broken_);
  RETURN_IF_ERROR(output_.status());
  if (!header_.rules.empty()) {
    for (;;) {
      RETURN_IF_ERROR(FinishRule());
      if (rule_ + 1 == header_.rules.size()) break;
      StartRule(rule_ + 1);
    }
  }
  WriteFooter();
  RETURN_IF_ERROR(broken_);
  return output_.Flush();
}

absl::Status ReportWriter::FinishRule() {
  if (rule_added_ != header_.rules[rule_].stored) {
    broken_ = absl::DataLossError("report: a rule's findings are not as many as announced");
    return broken_;
  }
  EndRule(header_.rules[rule_]);
  return absl::OkStatus();
}

void ReportWriter::StartRule(size_t index) {
  rule_ = index;
  rule_added_ = 0;
  BeginRule(header_.rules[index], index);
}

std::unique_ptr<ReportWriter> MakeWriter(Format format, Sink& sink) {
  switch (format) {
    case Format::kHtml:
      return std::make_unique<HtmlWriter>(sink);
    case Format::kCsvExact:
      return std::make_unique<CsvWriter>(sink, CsvCells::kExact);
    case Format::kCsv:
      return std::make_unique<CsvWriter>(sink, CsvCells::kSpreadsheetSafe);
    case Format::kJson:
      return std::make_unique<JsonWriter>(sink);
    case Format::kXlsx:
      return std::make_unique<XlsxWriter>(sink);
    case Format::kPdf:
      return std::make_unique<PdfWriter>(sink);
  }
  return nullptr;
}

std::string_view MediaType(Format format) {
  switch (format) {
    case Format::kHtml:
      return "text/html; charset=utf-8";
    case Format::kCsvExact:
    case Format::kCsv:
      return "text/csv; charset=utf-8; header=present";
    case Format::kJson:
      return "application/json";
    case Format::kXlsx:
      return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    case Format::kPdf:
      return "application/pdf";
  }
  return "";
}

std::string FileName(Format format, const std::vector<std::string>& parts) {
  // The constant first word also keeps clear of names that an operating system reserves.
  std::string stem = "edcert";
  for (const std::string& part : parts) {
    bool gap = true;
    for (const char c : part) {
      const bool upper = c >= 'A' && c <= 'Z';
      const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
      if (!upper && !plain) {
        gap = true;
        continue;
      }
      if (stem.size() + 2 > kMaxFileStem) break;
      if (gap) stem.push_back('-');
      gap = false;
      stem.push_back(upper ? static_cast<char>(c - 'A' + 'a') : c);
    }
  }
  return stem.append(Extension(format));
}

}  // namespace edcert::render
