#include "common/render/html_writer.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "common/render/html_style.h"
#include "common/render/test_report.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace edcert::render {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Html(const ReportHeader& header, const std::vector<Finding>& findings) {
  StringSink sink;
  const absl::Status status = WriteReport(Format::kHtml, header, findings, sink);
  EXPECT_TRUE(status.ok()) << status;
  return sink.text;
}

// Tests run in the root of the source tree. UPDATE_GOLDENS=1 rewrites instead of comparing.
void ExpectGolden(const std::string& name, const std::string& actual) {
  const std::string path = "common/render/testdata/" + name;
  if (std::getenv("UPDATE_GOLDENS") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  std::ostringstream expected;
  expected << std::ifstream(path, std::ios::binary).rdbuf();
  EXPECT_EQ(actual, expected.str()) << path;
}

// The names of all start and end tags, in order, and every attribute name: what a browser would
// build.
std::vector<std::string> Structure(std::string_view html) {
  std::vector<std::string> tags;
  for (size_t at = html.find('<'); at != std::string_view::npos; at = html.find('<', at)) {
    std::string tag;
    bool quoted = false;
    for (; at < html.size() && (quoted || html[at] != '>'); ++at) {
      if (html[at] == '"') quoted = !quoted;
      if (!quoted) tag.push_back(html[at]);
    }
    tags.push_back(tag);
  }
  return tags;
}

TEST(HtmlWriterTest, GoldenFindings) {
  ExpectGolden("findings.html", Html(SmallReport(), SmallFindings()));
}

TEST(HtmlWriterTest, GoldenClear) { ExpectGolden("clear.html", Html(ClearReport(), {})); }

TEST(HtmlWriterTest, PolicyAdmitsExactlyTheStyleSheet) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest = {};
  unsigned int size = 0;
  ASSERT_EQ(EVP_Digest(kStyle.data(), kStyle.size(), digest.data(), &size, EVP_sha256(), nullptr),
            1);
  std::array<unsigned char, 64> base64 = {};
  EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(size));
  EXPECT_EQ(kStyleHash, std::string("sha256-") + reinterpret_cast<const char*>(base64.data()));
}

TEST(HtmlWriterTest, NeedsNothingFromOutside) {
  const std::string html = Html(SmallReport(), SmallFindings());
  EXPECT_THAT(html, HasSubstr("content=\"default-src 'none'; style-src 'sha256-"));
  for (const char* const bad : {"<script", "<link", "<img", "<iframe", "url(", "@import",
                                " style=", " src=", " onclick", "javascript:"}) {
    EXPECT_THAT(html, Not(HasSubstr(bad)));
  }
}

TEST(HtmlWriterTest, HostileValuesDoNotChangeTheStructure) {
  const auto report_with = [](const std::string& value) {
    ReportHeader header = SmallReport();
    for (std::string* const text :
         {&header.organization_display_name, &header.organization, &header.event_title,
          &header.kind, &header.requested_by, &header.time_zone_text, &header.rule_group_title,
          &header.language}) {
      *text = value;
    }
    for (DataVersion& data : header.data_versions) data.dataset = data.copy = value;
    for (SchoolCount& school : header.schools) school.school_id = school.school_name = value;
    for (RuleResult& rule : header.rules) {
      rule.code += value;
      rule.title = rule.meaning = rule.suggested_fix = rule.error_reason = value;
    }
    header.previous->report = value;
    header.waivers = {{value, 1, value, value, value}, {value, 0, value, value, value}};
    std::vector<Finding> findings = SmallFindings();
    for (Finding& finding : findings) {
      finding.rule_code += value;
      finding.dataset = finding.record_key = finding.school_id = finding.school_name = value;
      finding.message = value;
      finding.waived_until = value;
      for (Field& field : finding.fields) field = {value, value};
    }
    return Html(header, findings);
  };
  const std::vector<std::string> plain = Structure(report_with("plain"));
  for (const std::string& hostile :
       {std::string("<script>alert(1)</script>"), std::string("\"><img src=x onerror=alert(1)>"),
        std::string("' onmouseover='x"), std::string("</style><svg onload=x>"),
        std::string("-->]]>"), std::string("</title></td></table>"), std::string("\xC3<b>"),
        std::string("&lt;b&gt;{}{{"), std::string("<\0b>", 4)}) {
    const std::string html = report_with(hostile);
    EXPECT_EQ(Structure(html), plain) << hostile;
  }
}

TEST(HtmlWriterTest, SaysWhatBecameOfFindings) {
  const std::string html = Html(SmallReport(), SmallFindings());
  EXPECT_THAT(html, HasSubstr("Compared with the last run, "
                              "reports/0199f2c4-5a00-7000-8000-000000000000, which ended on "
                              "October 13, 2025, 1:05 p.m. UTC."));
  EXPECT_THAT(html, HasSubstr("<p class=\"what\">0 new, 1 came back, 3 fixed since the last run"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n\">0 new<br>1 came back<br>3 fixed</td>"));
  EXPECT_THAT(html, HasSubstr("2025-08-18</bdi><span class=\"new\">Came back</span>"));
  // What was fixed is said where nothing is left, too.
  ReportHeader clear = ClearReport();
  EXPECT_THAT(Html(clear, {}), Not(HasSubstr("last run,")));
  clear.rules.front().fixed_findings = 2;
  EXPECT_THAT(Html(clear, {}), HasSubstr("<p class=\"what\">2 fixed since the last run"));
}

TEST(HtmlWriterTest, VerdictSentences) {
  const auto verdict = [](std::vector<RuleResult> rules) {
    ReportHeader header = EmptyReport();
    header.rules = std::move(rules);
    std::vector<Finding> findings;
    for (const RuleResult& rule : header.rules) {
      for (int64_t i = 0; i < rule.stored; ++i) {
        findings.emplace_back().rule_code = rule.code;
      }
    }
    const std::string html = Html(header, findings);
    const std::string_view start = "<h2 id=\"verdict\">";
    const size_t at = html.find(start) + start.size();
    return html.substr(at, html.find("</h2>") - at);
  };
  RuleResult broken = Rule("E", Severity::kFatal, 0, 0);
  broken.outcome = Outcome::kError;
  RuleResult broken_warning = broken;
  broken_warning.severity = Severity::kWarning;
  EXPECT_EQ(verdict({}), "No rules were tested.");
  EXPECT_EQ(verdict({Rule("A", Severity::kFatal, 0, 0), Rule("B", Severity::kInfo, 0, 0)}),
            "All 2 rules passed. You can continue.");
  EXPECT_EQ(verdict({Rule("A", Severity::kFatal, 3, 3)}),
            "3 FATAL findings must be corrected before you can continue.");
  EXPECT_EQ(verdict({Rule("A", Severity::kFatal, 1, 1)}),
            "1 FATAL finding must be corrected before you can continue.");
  EXPECT_EQ(verdict({broken}), "1 FATAL rule could not be run, so you cannot continue yet.");
  EXPECT_EQ(verdict({Rule("A", Severity::kFatal, 1, 1), broken}),
            "1 FATAL finding must be corrected and 1 FATAL rule must run before you can continue.");
  EXPECT_EQ(verdict({Rule("A", Severity::kSpecialWarning, 1, 1)}),
            "You can continue. 1 SPECIAL WARNING must be explained before anybody signs.");
  EXPECT_EQ(verdict({Rule("A", Severity::kWarning, 1234, 0)}),
            "You can continue. Please review 1,234 WARNINGS first.");
  EXPECT_EQ(verdict({Rule("A", Severity::kInfo, 2, 0)}),
            "You can continue. 2 findings are listed for your information.");
  EXPECT_EQ(verdict({broken_warning}), "You can continue, but 1 rule could not be run.");
}

TEST(HtmlWriterTest, WhatIsWaivedIsNotCalledPassed) {
  ReportHeader header = EmptyReport();
  header.rules = {Rule("A", Severity::kFatal, 1, 1)};
  header.rules.front().waived = 1;
  header.waivers = {{"A", 1, "2026-06-30", "<why>", "users/ava, users/ben"},
                    {"B", 0, "2026-07-31", "gone", "users/ava, users/ben"}};
  Finding finding;
  finding.rule_code = "A";
  finding.waived_until = "2026-06-30";
  const std::string html = Html(header, {finding});
  EXPECT_THAT(html, HasSubstr("What was found is waived by the state."));
  EXPECT_THAT(html, Not(HasSubstr("passed. You can continue")));
  EXPECT_THAT(html, HasSubstr("&lt;why&gt;</td>"));
  EXPECT_THAT(html, HasSubstr("<span class=\"sub\">waived until 2026-06-30</span>"));
  EXPECT_THAT(html, HasSubstr("<td>2026-07-31</td><td>gone <span class=\"sub\">matches no finding "
                              "that is listed now</span></td>"));
}

TEST(HtmlWriterTest, CausesStandWithTheirExplanations) {
  ReportHeader header = EmptyReport();
  header.rules = {Rule("A", Severity::kSpecialWarning, 4000, 0)};
  EXPECT_THAT(Html(header, {}), Not(HasSubstr("Likely causes")));
  header.causes = {
      {"A", 4000, "school_id = <77>", "It opened & moved.", "users/maria", "2026-03-01"},
      {"A", 2, "grade = 09", "", "", ""}};
  const std::string html = Html(header, {});
  EXPECT_THAT(html, HasSubstr("<td class=\"n\">4,000</td><td>school_id = &lt;77&gt;</td>"
                              "<td>It opened &amp; moved. <span class=\"sub\">users/maria, "
                              "2026-03-01</span></td>"));
  EXPECT_THAT(html, HasSubstr("<td>grade = 09</td><td></td>"));
}

TEST(HtmlWriterTest, AnEmptyDatasetIsNoSuccess) {
  ReportHeader header = ClearReport();
  header.data_versions.front().rows = 0;
  // Nor is it one that there were records a year ago.
  header.data_versions.push_back(
      {.dataset = "last_year_enrollment", .copy = "snapshots/s", .rows = 9, .tested = false});
  const std::string html = Html(header, {});
  EXPECT_THAT(html, HasSubstr("Nothing was found, because there were no records to test."));
  EXPECT_THAT(html, Not(HasSubstr("class=\"verdict clear\"")));
}

TEST(HtmlWriterTest, SaysThatTheListIsCut) {
  const std::string html = Html(SmallReport(), SmallFindings());
  EXPECT_THAT(
      html, HasSubstr("This rule has exactly 15,873 findings; only 1 of them is kept and listed"));
  EXPECT_THAT(html, HasSubstr("not all listed"));
}

TEST(HtmlWriterTest, SaysThatARuleCouldNotRun) {
  const std::string html = Html(SmallReport(), SmallFindings());
  EXPECT_THAT(html, HasSubstr("because it is FATAL it stops you like a finding. Reason: time limit "
                              "exceeded"));
}

}  // namespace
}  // namespace edcert::render
