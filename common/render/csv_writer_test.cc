#include "common/render/csv_writer.h"

#include <map>
#include <string>
#include <vector>

#include "common/render/test_report.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace edcert::render {
namespace {

using Row = std::vector<std::string>;

// A strict reader of RFC 4180: CRLF only, quotes only around whole cells. A violation ends in a row
// that holds only "?".
std::vector<Row> ReadCsv(std::string_view text) {
  std::vector<Row> rows;
  size_t at = 0;
  while (at < text.size()) {
    Row row;
    for (;;) {
      std::string cell;
      if (at < text.size() && text[at] == '"') {
        ++at;
        while (at < text.size()) {
          if (text[at] != '"') {
            cell.push_back(text[at++]);
          } else if (text.substr(at, 2) == "\"\"") {
            cell.push_back('"');
            at += 2;
          } else {
            break;
          }
        }
        ++at;
      } else {
        while (at < text.size() &&
               std::string_view("\",\r\n").find(text[at]) == std::string_view::npos) {
          cell.push_back(text[at++]);
        }
      }
      row.push_back(cell);
      if (at < text.size() && text[at] == ',') {
        ++at;
        continue;
      }
      break;
    }
    if (text.substr(at, 2) != "\r\n") return {{"?"}};
    at += 2;
    rows.push_back(row);
  }
  return rows;
}

std::vector<Field> ReadFields(std::string_view text) {
  std::vector<Field> fields;
  if (text.empty()) return fields;
  fields.emplace_back();
  bool in_name = true;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string& part = in_name ? fields.back().name : fields.back().value;
    if (text[i] == '\\') {
      part.push_back(text[++i]);
    } else if (in_name && text[i] == '=') {
      in_name = false;
    } else if (text[i] == ';') {
      ++i;  // The blank after it.
      fields.emplace_back();
      in_name = true;
    } else {
      part.push_back(text[i]);
    }
  }
  return fields;
}

const Row kHeaderRow = {"rule_code",   "severity",     "dataset", "school_id",
                        "record_key",  "message",      "fields",  "suggested_fix",
                        "change",      "waived_until", "row",     "findings",
                        "school_name", "data_version", "report",  "previous_report"};
constexpr size_t kKey = 4;
constexpr size_t kMessage = 5;
constexpr size_t kWaivedUntil = 9;
constexpr size_t kRow = 10;
constexpr size_t kFindings = 11;

std::vector<Row> Rows(const ReportHeader& header, const std::vector<Finding>& findings) {
  StringSink sink;
  EXPECT_TRUE(WriteReport(Format::kCsvExact, header, findings, sink).ok());
  std::vector<Row> rows = ReadCsv(sink.text);
  for (const Row& row : rows) EXPECT_EQ(row.size(), kHeaderRow.size());
  return rows;
}

TEST(CsvWriterTest, OneRowPerFinding) {
  ReportHeader header = SmallReport();
  header.report = "reports/2";
  header.previous->report = "reports/1";
  header.rules = {header.rules[0], Rule("ENR-040", Severity::kWarning, 1, 1)};
  StringSink sink;
  ASSERT_TRUE(WriteReport(Format::kCsvExact, header, SmallFindings(), sink).ok());
  EXPECT_EQ(sink.text,
            "rule_code,severity,dataset,school_id,record_key,message,fields,suggested_fix,change,"
            "waived_until,row,findings,school_name,data_version,report,previous_report\r\n"
            "ENR-014,FATAL,enrollment,1001,S204417/1001/2025-08-18,"
            "Also enrolled at Pine Ridge Elementary.,"
            "entry_date=2025-08-18; exit_date=; service_type= P,End one of the two enrollments.,"
            "REGRESSED,,FINDING,1,Lincoln High,41,reports/2,reports/1\r\n"
            "ENR-014,FATAL,enrollment,1001,S204999/1001/2025-08-18,"
            "Also enrolled at Pine Ridge Elementary.,"
            "entry_date=2025-08-18; exit_date=; service_type= P,End one of the two enrollments.,"
            "OPEN,,FINDING,1,Lincoln High,41,reports/2,reports/1\r\n"
            "ENR-040,WARNING,enrollment,1001,S204999/1001/2025-08-18,"
            "\"Born 2001-01-01, grade 09.\",entry_date=2025-08-18; exit_date=; service_type= P,,"
            ",,FINDING,1,Lincoln High,41,reports/2,reports/1\r\n");
}

TEST(CsvWriterTest, WhatIsNotListedLeavesARow) {
  ReportHeader header = SmallReport();
  header.waivers = {{"ENR-014", 1, "2026-06-30", "why", "users/ava, users/ben"},
                    {"ENR-099", 0, "2026-07-31", "=why", "users/ava, users/ben"}};
  std::vector<Finding> findings = SmallFindings();
  findings[1].waived_until = "2026-06-30";
  const std::vector<Row> rows = Rows(header, findings);
  ASSERT_EQ(rows.size(), 7U);
  EXPECT_EQ(rows[2][kWaivedUntil], "2026-06-30");
  const Row& broken = rows[3];
  EXPECT_EQ(broken,
            (Row{"ATT-110", "FATAL", "enrollment", "", "",
                 "This rule could not be run. It does not count as passed, and because it "
                 "is FATAL it stops you like a finding. Reason: time limit exceeded",
                 "", "", "", "", "NOT_RUN", "", "", "41", header.report, header.previous->report}));
  const Row& cut = rows[5];
  EXPECT_EQ(cut[0], "ENR-040");
  EXPECT_EQ(cut[kRow], "NOT_LISTED");
  EXPECT_EQ(cut[kKey], "");
  EXPECT_EQ(cut[kFindings], "15872");
  EXPECT_THAT(cut[kMessage], testing::StartsWith("15,872 more findings are not listed. "));
  const Row& waiver = rows[6];
  EXPECT_EQ(waiver[0], "ENR-099");
  EXPECT_EQ(waiver[kKey], "");
  EXPECT_EQ(waiver[kRow], "WAIVER");
  EXPECT_EQ(waiver[kFindings], "0");
  EXPECT_EQ(waiver[kWaivedUntil], "2026-07-31");
  EXPECT_EQ(waiver[kMessage],
            "The waiver of users/ava, users/ben matches no finding that is listed now. Its reason: "
            "=why");
}

TEST(CsvWriterTest, FindingsOfRowsAddUpToThoseOfTheRules) {
  const ReportHeader header = SmallReport();
  std::map<std::string, int64_t> sums;
  for (const Row& row : Rows(header, SmallFindings())) {
    if (row != kHeaderRow && !row[kFindings].empty()) sums[row[0]] += std::stoll(row[kFindings]);
  }
  for (const RuleResult& rule : header.rules) EXPECT_EQ(sums[rule.code], rule.findings);
}

TEST(CsvWriterTest, WithoutFindingsOnlyTheHeaderRow) {
  StringSink sink;
  ASSERT_TRUE(WriteReport(Format::kCsvExact, ClearReport(), {}, sink).ok());
  EXPECT_THAT(ReadCsv(sink.text), testing::ElementsAre(kHeaderRow));
}

TEST(CsvWriterTest, HostileCellsComeBackByteForByte) {
  const std::vector<std::string> hostile = {"",
                                            "=1+2",
                                            "a,b",
                                            "\"",
                                            "\"\"",
                                            "\r\n",
                                            "\n",
                                            " padded ",
                                            "a;b=c\\d",
                                            "\\",
                                            "; ",
                                            "=",
                                            "'",
                                            ",,,",
                                            "\xFF\xFE",
                                            "＝1",
                                            "<b>&amp;</b>",
                                            "x\ty",
                                            "\"a\",\"b\"",
                                            "\r",
                                            std::string("nul\0byte", 8)};
  ReportHeader header = EmptyReport();
  const auto count = static_cast<int64_t>(hostile.size());
  header.rules = {Rule("A,\"1\"", Severity::kSpecialWarning, count, count)};
  header.rules.front().suggested_fix = "line 1\r\nline 2, \"quoted\"";
  std::vector<Finding> findings;
  for (const std::string& value : hostile) {
    Finding finding;
    finding.rule_code = header.rules.front().code;
    finding.severity = Severity::kSpecialWarning;
    finding.dataset = value;
    finding.school_id = value;
    finding.record_key = value;
    finding.message = value;
    finding.fields = {{"first", value}, {"n=" + value, "x"}, {"last", value}};
    findings.push_back(finding);
  }
  StringSink sink;
  ASSERT_TRUE(WriteReport(Format::kCsvExact, header, findings, sink).ok());
  const std::vector<Row> rows = ReadCsv(sink.text);
  ASSERT_EQ(rows.size(), hostile.size() + 1);
  EXPECT_EQ(rows[0], kHeaderRow);
  for (size_t i = 0; i < hostile.size(); ++i) {
    const Row& row = rows[i + 1];
    ASSERT_EQ(row.size(), kHeaderRow.size());
    EXPECT_EQ(row[0], "A,\"1\"");
    EXPECT_EQ(row[1], "SPECIAL_WARNING");
    for (const size_t column : {2U, 3U, 4U, 5U}) EXPECT_EQ(row[column], hostile[i]);
    EXPECT_EQ(row[7], header.rules.front().suggested_fix);
    const std::vector<Field> fields = ReadFields(row[6]);
    ASSERT_EQ(fields.size(), 3U) << row[6];
    EXPECT_EQ(fields[0].name, "first");
    EXPECT_EQ(fields[0].value, hostile[i]);
    EXPECT_EQ(fields[1].name, "n=" + hostile[i]);
    EXPECT_EQ(fields[2].value, hostile[i]);
  }
}

TEST(CsvWriterTest, SpreadsheetCellsCannotStartAFormula) {
  ReportHeader header = EmptyReport();
  header.report = "=report";
  header.previous = {"=before", header.generated_at};
  header.rules = {Rule("=R", Severity::kInfo, 1, 1)};
  header.rules.front().suggested_fix = "-2+3";
  Finding finding;
  finding.rule_code = "=R";
  finding.dataset = "@SUM(A1)";
  finding.school_id = "+1";
  finding.record_key = " =HYPERLINK(\"https://x\",\"y\")";
  finding.message = "％";
  finding.waived_until = "=until";
  finding.school_name = "=name";
  finding.fields = {{"=f", "1"}, {"g", ";=2"}};
  StringSink sink;
  ASSERT_TRUE(WriteReport(Format::kCsv, header, {finding}, sink).ok());
  const std::vector<Row> rows = ReadCsv(sink.text);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_THAT(rows[1], testing::ElementsAre("'=R", "WARNING", "'@SUM(A1)", "'+1",
                                            "' =HYPERLINK(\"https://x\",\"y\")", "'％",
                                            "\\=f=1; g=\\;'=2", "'-2+3", "", "'=until", "FINDING",
                                            "1", "'=name", "", "'=report", "'=before"));
}

}  // namespace
}  // namespace edcert::render
