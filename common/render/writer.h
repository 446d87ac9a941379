// Streaming report writers. The caller gives the header once and then the findings one by one,
// grouped by rule in the order of `ReportHeader::rules`; the file goes to a sink in chunks. Memory
// does not grow with the number of findings.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/render/report.h"

namespace edcert::render {

// No chunk that a sink sees is larger; all but the last are exactly this long.
inline constexpr size_t kChunkBytes = size_t{64} * 1024;

// Where the bytes of a report go. A failed write ends the report: the writer returns that status
// from then on and writes nothing more.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual absl::Status Write(std::string_view chunk) = 0;
};

class FunctionSink final : public Sink {
 public:
  explicit FunctionSink(std::function<absl::Status(std::string_view)> write)
      : write_(std::move(write)) {}
  absl::Status Write(std::string_view chunk) override { return write_(chunk); }

 private:
  std::function<absl::Status(std::string_view)> write_;
};

// Cuts what is appended into chunks for the sink and remembers the first failure.
class ChunkedOutput {
 public:
  explicit ChunkedOutput(Sink& sink);

  void Append(std::string_view bytes);
  absl::Status Flush();
  const absl::Status& status() const { return status_; }
  size_t buffered() const { return buffer_.size(); }

 private:
  Sink& sink_;
  std::string buffer_;
  absl::Status status_;
};

// Writes one report: Begin, any number of Add, End. Not thread-safe. Status codes besides the
// sink's:
//   FAILED_PRECONDITION  called out of that order;
//   INVALID_ARGUMENT     a header that contradicts itself (stored > findings, a cut that is not
//   marked
//                        as truncated, a code twice), or a finding of an unknown or already
//                        finished rule;
//   UNAVAILABLE          the disk for what a workbook or a PDF needs beside is not to be had;
//   DATA_LOSS            from End (or the next rule's first Add): a rule got fewer or more findings
//   than
//                        its `stored` announces. The file is then not a report and must be thrown
//                        away.
class ReportWriter {
 public:
  virtual ~ReportWriter() = default;

  absl::Status Begin(const ReportHeader& header);
  absl::Status Add(const Finding& finding);
  absl::Status End();

  // Bytes waiting for the sink; at most kChunkBytes.
  size_t buffered() const { return output_.buffered(); }

 protected:
  explicit ReportWriter(Sink& sink) : output_(sink) {}

  virtual void WriteHeader() = 0;
  // Called once per rule of the header, in order, also for rules without findings.
  virtual void BeginRule(const RuleResult& rule, size_t index) = 0;
  virtual void WriteFinding(const Finding& finding, const RuleResult& rule) = 0;
  virtual void EndRule(const RuleResult& rule) = 0;
  virtual void WriteFooter() = 0;

  const ReportHeader& header() const { return header_; }
  ChunkedOutput& output() { return output_; }
  // Ends the report with this status, unless it has failed already.
  void Fail(absl::Status status) { broken_.Update(std::move(status)); }

 private:
  enum class State { kNew, kOpen, kEnded };

  absl::Status FinishRule();
  void StartRule(size_t index);

  ChunkedOutput output_;
  ReportHeader header_;
  State state_ = State::kNew;
  absl::Status broken_;     // The first error that is not the sink's.
  size_t rule_ = 0;         // The open rule.
  int64_t rule_added_ = 0;  // Its findings so far.
};

enum class Format {
  kHtml,
  kCsv,       // For people: no cell can be taken for a formula.
  kCsvExact,  // For programs: every value byte for byte.
  kJson,      // For programs: all that the page tells.
  kXlsx,      // For people: a workbook.
  kPdf,       // For people: pages to print and to file.
};

std::unique_ptr<ReportWriter> MakeWriter(Format format, Sink& sink);

std::string_view MediaType(Format format);

// A file name of lower-case letters, digits and hyphens, whatever the parts hold, at most 120
// characters: FileName(kHtml, {"Fall Enrollment", "North Valley"}) is
// "edcert-fall-enrollment-north-valley.html".
std::string FileName(Format format, const std::vector<std::string>& parts);

}  // namespace edcert::render
