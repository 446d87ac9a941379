#include "common/render/writer.h"

#include <malloc.h>

#include <cstdlib>
#include <string>

#include "common/render/test_report.h"
#include "fmt/format.h"
#include "gtest/gtest.h"

namespace edcert::render {
namespace {

constexpr Format kFormats[] = {Format::kHtml, Format::kCsvExact, Format::kCsv,
                               Format::kJson, Format::kXlsx,     Format::kPdf};
// Those that come out while findings go in. The others wait for the end in a temporary file; how
// much memory they take is looked at from outside, in render_memory_*_test.
constexpr Format kAtOnce[] = {Format::kHtml, Format::kCsvExact, Format::kCsv, Format::kJson};

// Forgets what it gets.
class CountingSink final : public Sink {
 public:
  absl::Status Write(std::string_view chunk) override {
    bytes += chunk.size();
    full_chunks += chunk.size() == kChunkBytes ? 1 : 0;
    ++chunks;
    longest = std::max(longest, chunk.size());
    return absl::OkStatus();
  }

  size_t bytes = 0;
  size_t longest = 0;
  int chunks = 0;
  int full_chunks = 0;
};

TEST(WriterTest, MemoryStaysFlat) {
  constexpr int64_t kFindings = 200'000;
  for (const Format format : kAtOnce) {
    ReportHeader header = EmptyReport();
    header.rules = {Rule("ENR-014", Severity::kFatal, kFindings, kFindings)};
    CountingSink sink;
    const std::unique_ptr<ReportWriter> writer = MakeWriter(format, sink);
    ASSERT_TRUE(writer->Begin(header).ok());
    Finding finding = SmallFindings().front();
    size_t heap_early = 0;
    for (int64_t i = 0; i < kFindings; ++i) {
      finding.record_key = fmt::format("S{:09}/1001/2025-08-18", i);
      ASSERT_TRUE(writer->Add(finding).ok());
      ASSERT_LT(writer->buffered(), kChunkBytes);
      if (i == 1000) heap_early = mallinfo2().uordblks;
    }
    // Under a sanitizer both figures are 0; the chunk sizes still tell.
    EXPECT_LE(mallinfo2().uordblks, heap_early + 4096);
    ASSERT_TRUE(writer->End().ok());
    EXPECT_EQ(sink.longest, kChunkBytes);
    EXPECT_GE(sink.full_chunks, sink.chunks - 1);
    EXPECT_GT(sink.bytes, size_t{20} * 1000 * 1000);
  }
}

TEST(WriterTest, OneHugeValueIsCutIntoChunks) {
  ReportHeader header = EmptyReport();
  header.rules = {Rule("ENR-014", Severity::kFatal, 1, 1)};
  Finding finding = SmallFindings().front();
  finding.message.assign(1'000'000, 'x');
  for (const Format format : kAtOnce) {
    CountingSink sink;
    ASSERT_TRUE(WriteReport(format, header, {finding}, sink).ok());
    EXPECT_EQ(sink.longest, kChunkBytes);
    EXPECT_GT(sink.bytes, size_t{1'000'000});
  }
}

TEST(WriterTest, StopsAtTheFirstFailedWrite) {
  int calls = 0;
  FunctionSink sink([&](std::string_view) {
    ++calls;
    return absl::UnavailableError("gone");
  });
  ReportHeader header = EmptyReport();
  header.rules = {Rule("ENR-014", Severity::kFatal, 5000, 5000)};
  const std::unique_ptr<ReportWriter> writer = MakeWriter(Format::kHtml, sink);
  absl::Status status = writer->Begin(header);
  for (int i = 0; i < 5000; ++i) status = writer->Add(SmallFindings().front());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(writer->End().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(calls, 1);
}

TEST(WriterTest, EveryFormatReportsAFailedWrite) {
  ReportHeader header = EmptyReport();
  header.rules = {Rule("ENR-014", Severity::kFatal, 1, 1)};
  for (const Format format : kFormats) {
    FunctionSink sink([](std::string_view) { return absl::CancelledError("not mine any more"); });
    EXPECT_EQ(WriteReport(format, header, {SmallFindings().front()}, sink).code(),
              absl::StatusCode::kCancelled);
  }
}

TEST(WriterTest, EveryFormatCanBeGivenUp) {
  ReportHeader header = EmptyReport();
  header.rules = {Rule("ENR-014", Severity::kFatal, 2, 2)};
  for (const Format format : kFormats) {
    StringSink sink;
    const std::unique_ptr<ReportWriter> writer = MakeWriter(format, sink);
    ASSERT_TRUE(writer->Begin(header).ok());
    ASSERT_TRUE(writer->Add(SmallFindings().front()).ok());
  }
}

TEST(WriterTest, SaysThatThereIsNoRoomForTemporaryFiles) {
  const char* const before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  setenv("TMPDIR", "/nonexistent", 1);
  for (const Format format : {Format::kXlsx, Format::kPdf}) {
    StringSink sink;
    EXPECT_EQ(WriteReport(format, SmallReport(), SmallFindings(), sink).code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(sink.text, "");
  }
  if (before == nullptr) {
    unsetenv("TMPDIR");
  } else {
    setenv("TMPDIR", kept.c_str(), 1);
  }
}

TEST(WriterTest, RefusesCallsOutOfOrder) {
  StringSink sink;
  const std::unique_ptr<ReportWriter> writer = MakeWriter(Format::kCsvExact, sink);
  EXPECT_EQ(writer->Add({}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(writer->End().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(writer->Begin(ClearReport()).ok());
  EXPECT_EQ(writer->Begin(ClearReport()).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(writer->End().ok());
  EXPECT_EQ(writer->Add({}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(writer->End().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(WriterTest, RefusesAHeaderThatContradictsItself) {
  StringSink sink;
  ReportHeader twice = EmptyReport();
  twice.rules = {Rule("A", Severity::kInfo, 0, 0), Rule("A", Severity::kInfo, 0, 0)};
  EXPECT_EQ(MakeWriter(Format::kHtml, sink)->Begin(twice).code(),
            absl::StatusCode::kInvalidArgument);
  ReportHeader more = EmptyReport();
  more.rules = {Rule("A", Severity::kInfo, 1, 2)};
  EXPECT_EQ(MakeWriter(Format::kHtml, sink)->Begin(more).code(),
            absl::StatusCode::kInvalidArgument);
  ReportHeader silent = EmptyReport();
  silent.rules = {Rule("A", Severity::kInfo, 5, 2)};
  silent.rules.front().truncated = false;
  EXPECT_EQ(MakeWriter(Format::kHtml, sink)->Begin(silent).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(WriterTest, RefusesFindingsOfAnUnknownOrFinishedRule) {
  StringSink sink;
  ReportHeader header = EmptyReport();
  header.rules = {Rule("A", Severity::kFatal, 1, 1), Rule("B", Severity::kFatal, 1, 1)};
  Finding a;
  a.rule_code = "A";
  Finding b;
  b.rule_code = "B";
  Finding other;
  other.rule_code = "C";
  {
    const auto writer = MakeWriter(Format::kCsvExact, sink);
    ASSERT_TRUE(writer->Begin(header).ok());
    EXPECT_EQ(writer->Add(other).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(writer->End().code(), absl::StatusCode::kInvalidArgument);
  }
  {
    const auto writer = MakeWriter(Format::kCsvExact, sink);
    ASSERT_TRUE(writer->Begin(header).ok());
    ASSERT_TRUE(writer->Add(a).ok());
    ASSERT_TRUE(writer->Add(b).ok());
    EXPECT_EQ(writer->Add(a).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(WriterTest, NeverEndsShortOfWhatItAnnounced) {
  ReportHeader header = EmptyReport();
  header.rules = {Rule("A", Severity::kFatal, 2, 2), Rule("B", Severity::kFatal, 1, 1)};
  Finding a;
  a.rule_code = "A";
  Finding b;
  b.rule_code = "B";
  for (const std::vector<Finding>& findings :
       {std::vector<Finding>{}, {a}, {a, b}, {a, a}, {a, a, a, b}, {a, a, b, b}}) {
    StringSink sink;
    EXPECT_EQ(WriteReport(Format::kHtml, header, findings, sink).code(),
              absl::StatusCode::kDataLoss);
  }
  StringSink sink;
  EXPECT_TRUE(WriteReport(Format::kHtml, header, {a, a, b}, sink).ok());
}

TEST(FormatTest, NamesAndTypes) {
  EXPECT_EQ(MediaType(Format::kHtml), "text/html; charset=utf-8");
  EXPECT_EQ(MediaType(Format::kCsv), "text/csv; charset=utf-8; header=present");
  EXPECT_EQ(MediaType(Format::kJson), "application/json");
  EXPECT_EQ(MediaType(Format::kPdf), "application/pdf");
  EXPECT_EQ(FileName(Format::kXlsx, {"Fall"}), "edcert-fall.xlsx");
  EXPECT_EQ(FileName(Format::kPdf, {"Fall"}), "edcert-fall.pdf");
  EXPECT_EQ(FileName(Format::kJson, {"Fall"}), "edcert-fall.json");
  EXPECT_EQ(FileName(Format::kHtml, {"Fall Enrollment 2025–26", "North Valley", "20251020"}),
            "edcert-fall-enrollment-2025-26-north-valley-20251020.html");
}

TEST(FormatTest, FileNamesHoldNothingButTheAlphabet) {
  EXPECT_EQ(FileName(Format::kCsvExact, {}), "edcert.csv");
  EXPECT_EQ(FileName(Format::kCsvExact, {"", "---", "\r\n\"", "日本"}), "edcert.csv");
  EXPECT_EQ(FileName(Format::kCsvExact, {"../../etc/passwd", "x.html"}),
            "edcert-etc-passwd-x-html.csv");
  std::string every;
  for (int c = 0; c < 256; ++c) every.push_back(static_cast<char>(c));
  const std::string name = FileName(Format::kHtml, {every, std::string(5000, 'A'), every});
  EXPECT_LE(name.size(), 120U);
  EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), name.size() - 5);
}

}  // namespace
}  // namespace edcert::render
