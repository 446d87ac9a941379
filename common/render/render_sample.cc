// Writes sample reports, for the tests that read them back with other programs, look at them in a
// browser, or watch the memory.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/render/test_report.h"
#include "common/render/writer.h"
#include "common/render/xlsx_writer.h"
#include "fmt/format.h"

namespace edcert::render {
namespace {

const std::map<std::string, Format> kFormats = {
    {"html", Format::kHtml}, {"csv", Format::kCsv},   {"csv_exact", Format::kCsvExact},
    {"json", Format::kJson}, {"xlsx", Format::kXlsx}, {"pdf", Format::kPdf}};

class FileSink final : public Sink {
 public:
  explicit FileSink(const std::string& path) : file_(path, std::ios::binary) {}
  absl::Status Write(std::string_view chunk) override {
    bytes += static_cast<int64_t>(chunk.size());
    file_.write(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    return file_ ? absl::OkStatus() : absl::UnavailableError("the file cannot be written");
  }

  int64_t bytes = 0;

 private:
  std::ofstream file_;
};

// The bytes of a value of hostile.txt.
std::string Unescaped(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes.push_back(text[i]);
    } else if (text[i + 1] == 'x') {
      bytes.push_back(
          static_cast<char>(std::stoi(std::string(text.substr(i + 2, 2)), nullptr, 16)));
      i += 3;
    } else {
      bytes.push_back(text[++i]);
    }
  }
  return bytes;
}

struct Sample {
  ReportHeader header;
  // Gives the findings of the rules, one after the other.
  std::function<absl::Status(ReportWriter&)> add;
};

Sample Hostile(const std::string& path, const std::string& everywhere) {
  std::vector<std::string> values;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    const size_t blank = line.find(' ');
    values.push_back(blank == std::string::npos ? "" : Unescaped(line.substr(blank + 1)));
  }
  Sample sample;
  ReportHeader& header = sample.header;
  header = EmptyReport();
  for (std::string* const text :
       {&header.report, &header.organization, &header.organization_display_name, &header.event,
        &header.event_title, &header.kind, &header.requested_by, &header.rule_group,
        &header.rule_group_title, &header.time_zone_text}) {
    *text = everywhere;
  }
  header.data_versions = {{everywhere, everywhere, 1, 1000}};
  header.previous = {everywhere, header.generated_at};
  header.schools = {{everywhere, everywhere, {1, 2, 3, 4}}};
  const auto count = static_cast<int64_t>(values.size());
  RuleResult rule = Rule("R-" + everywhere, Severity::kFatal, count, count);
  rule.title = rule.meaning = rule.suggested_fix = everywhere;
  rule.dataset = everywhere;
  rule.new_findings = count;
  RuleResult broken = Rule("E-" + everywhere, Severity::kWarning, 0, 0);
  broken.dataset = everywhere;
  broken.outcome = Outcome::kError;
  broken.error_reason = everywhere;
  header.rules = {rule, broken};
  header.waivers = {{everywhere, 1, everywhere, everywhere, everywhere},
                    {everywhere, 0, everywhere, everywhere, everywhere}};
  header.causes = {{everywhere, 1, everywhere, everywhere, everywhere, everywhere}};
  sample.add = [values, code = rule.code](ReportWriter& writer) {
    absl::Status status = absl::OkStatus();
    for (const std::string& value : values) {
      Finding finding;
      finding.rule_code = code;
      finding.severity = Severity::kFatal;
      finding.dataset = finding.record_key = finding.school_id = finding.school_name = value;
      finding.message = finding.waived_until = value;
      finding.fields = {{"value", value}, {"name " + value, "x"}};
      finding.change = Change::kNew;
      if (status.ok()) status = writer.Add(finding);
    }
    return status;
  };
  return sample;
}

// The first findings of a rule are new, the next came back.
Change ChangeOf(const RuleResult& rule, int64_t i) {
  if (!rule.new_findings) return Change::kUnknown;
  if (i < *rule.new_findings) return Change::kNew;
  return i < *rule.new_findings + rule.regressed_findings.value_or(0) ? Change::kRegressed
                                                                      : Change::kOpen;
}

// A report of a district as they are, with this many findings.
Sample District(int64_t findings) {
  struct Kind {
    const char* code;
    Severity severity;
    int64_t share;  // of 100 findings
    const char* title;
    const char* meaning;
    const char* fix;
    const char* message;
  };
  static const std::vector<Kind> kKinds = {
      {"ENR-014", Severity::kFatal, 12, "Enrollments of one student overlap",
       "A student is enrolled at two schools on the same day. Funding counts each student once a "
       "day, "
       "so overlapping enrollments cannot be certified.",
       "End one of the two enrollments the day before the other begins, or correct the entry date.",
       "Also enrolled at Pine Ridge Elementary from 2025-08-18 to 2025-10-03."},
      {"ENR-020", Severity::kFatal, 8, "Exit date before entry date",
       "The student left before he came.", "Correct whichever of the two dates is wrong.",
       "Left on 2025-08-10, eight days before the entry on 2025-08-18."},
      {"ATT-031", Severity::kSpecialWarning, 20, "More days present than the school was open",
       "Days present and absent together are more than the instructional days of the calendar in "
       "the "
       "period of the enrollment.",
       "Compare the attendance summary with the calendar of the school.",
       "97 days present, 3 absent; the calendar has 95 instructional days in this period."},
      {"ENR-040", Severity::kWarning, 45, "Age unusual for the grade",
       "The student is more than three years older or younger than usual in this grade. That "
       "happens, "
       "and is more often a typing error.",
       "Check birth date and grade. If both are right, nothing has to be done.",
       "Born 2001-01-01, grade 09."},
      {"ENR-055", Severity::kInfo, 15, "No middle name", "The middle name is empty.", "",
       "The middle name is empty."}};
  static const std::vector<std::pair<std::string, std::string>> kSchools = {
      {"1001", "Lincoln High"},          {"1004", "Martin Luther King Jr. Middle School"},
      {"1008", "Pine Ridge Elementary"}, {"1011", "Escuela José Martí"},
      {"1012", "مدرسة النور"},           {"1015", "北谷小学"}};
  Sample sample;
  ReportHeader& header = sample.header;
  header = EmptyReport();
  header.requested_by = "users/maria.okafor";
  header.time_zone_text = "America/Chicago";
  header.data_versions = {{"enrollment", "District copy", 41, 124'030},
                          {"attendance_summary", "District copy", 17, 118'422}};
  std::vector<int64_t> counts;
  int64_t left = findings;
  for (size_t i = 0; i < kKinds.size(); ++i) {
    const Kind& kind = kKinds[i];
    const int64_t count = i + 1 == kKinds.size() ? left : findings * kind.share / 100;
    left -= count;
    RuleResult rule = Rule(kind.code, kind.severity, count, count);
    rule.title = kind.title;
    rule.meaning = kind.meaning;
    rule.suggested_fix = kind.fix;
    rule.tested = std::max<int64_t>(124'030, count);
    rule.new_findings = count / 3 - count / 12;
    rule.regressed_findings = count / 12;
    rule.fixed_findings = count / 2;
    header.rules.push_back(rule);
  }
  RuleResult broken = Rule("ATT-110", Severity::kWarning, 0, 0);
  broken.title = "Days absent without a reason";
  broken.outcome = Outcome::kError;
  broken.error_reason = "time limit exceeded";
  header.rules.push_back(broken);
  for (int i = 1; i <= 9; ++i) {
    RuleResult pass = Rule(fmt::format("ENR-{:03}", 100 + i), Severity::kFatal, 0, 0);
    pass.title = "A required field is empty";
    pass.tested = 124'030;
    header.rules.push_back(pass);
  }
  header.rules[3].findings += 4711;
  header.rules[3].truncated = true;
  header.rules[3].new_findings.reset();
  header.rules[3].regressed_findings.reset();
  header.rules[3].fixed_findings.reset();
  header.previous = {"reports/0199f2c4-5a00-7000-8000-000000000000",
                     header.generated_at - absl::Hours(7 * 24)};
  if (findings > 0) {
    header.rules[1].waived = 1;
    header.waivers = {{header.rules[1].code, 1, "2026-06-30",
                       "The student changed schools during the flood; both schools confirmed it.",
                       "users/ava, users/ben"},
                      {"ENR-101", 0, "2026-06-30", "The state has no code yet for this program.",
                       "users/ava, users/ben"}};
    header.causes = {{header.rules[1].code,
                      header.rules[1].stored,
                      "service_type = P, grade_level = 09",
                      {},
                      {},
                      {}},
                     {header.rules[3].code, header.rules[3].stored / 2,
                      "no matching record in datasets/organization: school_id = 255901077",
                      "The school opened in August; its record comes with the next sync.",
                      "users/maria", "2025-10-19"}};
  }
  for (const Severity severity : {Severity::kFatal, Severity::kSpecialWarning, Severity::kInfo}) {
    int64_t& records = header.records[static_cast<size_t>(severity)].emplace(0);
    for (const RuleResult& rule : header.rules) {
      if (rule.severity == severity) records += rule.findings - rule.waived;
    }
  }
  SortRules(header.rules);
  for (size_t i = 0; i < kSchools.size(); ++i) {
    SchoolCount school = {kSchools[i].first, kSchools[i].second, {}};
    for (const RuleResult& rule : header.rules) {
      school.findings.at(static_cast<size_t>(rule.severity)) +=
          rule.findings / static_cast<int64_t>(i + 2);
    }
    header.schools.push_back(school);
  }
  sample.add = [header](ReportWriter& writer) {
    int64_t number = 0;
    Finding finding;
    for (const RuleResult& rule : header.rules) {
      for (int64_t i = 0; i < rule.stored; ++i, ++number) {
        const auto& [id, name] = kSchools[static_cast<size_t>(number) % kSchools.size()];
        finding.rule_code = rule.code;
        finding.severity = rule.severity;
        finding.dataset = "enrollment";
        finding.school_id = id;
        finding.school_name = name;
        finding.record_key = fmt::format("S{:07}/{}/2025-08-18", 200'000 + number, id);
        for (const Kind& kind : kKinds) {
          if (rule.code == kind.code) finding.message = kind.message;
        }
        finding.fields = {{"entry_date", "2025-08-18"},
                          {"exit_date", number % 3 == 0 ? "" : "2025-10-03"},
                          {"student_uid", fmt::format("S{:07}", 200'000 + number)},
                          {"grade_level", "09"}};
        finding.change = ChangeOf(rule, i);
        finding.waived_until = i < rule.waived ? header.waivers.front().until : "";
        if (absl::Status status = writer.Add(finding); !status.ok()) return status;
      }
    }
    return absl::OkStatus();
  };
  return sample;
}

int Main(int argc, char** argv) {
  CLI::App app("Writes a sample report and says how much memory that took");
  std::string format;
  std::string out = "/dev/null";
  std::string hostile;
  std::string everywhere = "plain";
  int64_t findings = 200;
  int64_t max_rss_mib = 0;
  uint32_t max_rows = XlsxWriter::kMaxRows;
  app.add_option("format", format, "Which format")->required()->check(CLI::IsMember(kFormats));
  app.add_option("--out", out, "File to write");
  app.add_option("--findings", findings, "How many, in the report of a district");
  app.add_option("--hostile", hostile, "File of values: the report has one finding with each");
  app.add_option("--everywhere", everywhere, "With --hostile: all other texts of the report");
  app.add_option("--max-rows", max_rows, "Rows of a sheet of the workbook");
  app.add_option("--max-rss-mib", max_rss_mib, "Fail when the process needed more memory");
  CLI11_PARSE(app, argc, argv);

  const Sample sample = hostile.empty() ? District(findings) : Hostile(hostile, everywhere);
  FileSink sink(out);
  std::unique_ptr<ReportWriter> writer = MakeWriter(kFormats.at(format), sink);
  if (format == "xlsx") writer = std::make_unique<XlsxWriter>(sink, max_rows);
  absl::Status status = writer->Begin(sample.header);
  if (status.ok()) status = sample.add(*writer);
  if (status.ok()) status = writer->End();
  if (!status.ok()) {
    fmt::print(stderr, "{}\n", std::string(status.message()));
    return 1;
  }
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const int64_t rss_mib = usage.ru_maxrss / 1024;
  const double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  fmt::print("{}: {:.1f} MB, {:.2f} s of CPU, peak RSS {} MiB\n", format,
             static_cast<double>(sink.bytes) / 1e6, cpu, rss_mib);
  return max_rss_mib > 0 && rss_mib > max_rss_mib ? 1 : 0;
}

}  // namespace
}  // namespace edcert::render

int main(int argc, char** argv) { return edcert::render::Main(argc, argv); }
