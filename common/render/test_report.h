// A small report for the tests: one FATAL rule with two findings, one that could not run, a cut
// WARNING, a pass.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/render/report.h"
#include "common/render/writer.h"

namespace edcert::render {

// Collects the file and remembers the longest chunk.
class StringSink final : public Sink {
 public:
  absl::Status Write(std::string_view chunk) override {
    text.append(chunk);
    longest = std::max(longest, chunk.size());
    ++chunks;
    return absl::OkStatus();
  }

  std::string text;
  size_t longest = 0;
  int chunks = 0;
};

inline RuleResult Rule(std::string code, Severity severity, int64_t findings, int64_t stored) {
  RuleResult rule;
  rule.code = std::move(code);
  rule.dataset = "enrollment";
  rule.title = "Title of " + rule.code;
  rule.meaning = "What " + rule.code + " means.";
  rule.severity = severity;
  rule.outcome = findings > 0 ? Outcome::kFail : Outcome::kPass;
  rule.tested = 1240;
  rule.findings = findings;
  rule.stored = stored;
  rule.truncated = stored < findings;
  return rule;
}

inline ReportHeader EmptyReport() {
  ReportHeader header;
  header.report = "reports/0199f2c4-5a00-7000-8000-000000000001";
  header.organization_display_name = "North Valley Unified";
  header.organization = "organizations/0191";
  header.event = "events/fall-enrollment-2026";
  header.event_title = "Fall Enrollment 2025–26";
  header.kind = "District data";
  header.requested_by = "Maria Okafor";
  header.generated_at = absl::FromUnixSeconds(1'760'978'105);
  header.time_zone = absl::UTCTimeZone();
  header.time_zone_text = "UTC";
  header.data_versions = {{"enrollment", "District copy", 41, 1240}};
  header.rule_group = "ruleGroups/fall-checks";
  header.rule_group_title = "Fall checks";
  header.rule_group_version = 3;
  return header;
}

inline ReportHeader ClearReport() {
  ReportHeader header = EmptyReport();
  header.rules = {Rule("ENR-001", Severity::kFatal, 0, 0), Rule("ENR-002", Severity::kInfo, 0, 0)};
  return header;
}

inline ReportHeader SmallReport() {
  ReportHeader header = EmptyReport();
  RuleResult overlap = Rule("ENR-014", Severity::kFatal, 2, 2);
  overlap.suggested_fix = "End one of the two enrollments.";
  overlap.new_findings = 0;
  overlap.regressed_findings = 1;
  overlap.fixed_findings = 3;
  RuleResult broken = Rule("ATT-110", Severity::kFatal, 0, 0);
  broken.outcome = Outcome::kError;
  broken.error_reason = "time limit exceeded";
  RuleResult cut = Rule("ENR-040", Severity::kWarning, 15873, 1);
  header.rules = {overlap, broken, cut, Rule("ENR-001", Severity::kFatal, 0, 0)};
  header.schools = {{"1001", "Lincoln High", {2, 0, 15000, 0}},
                    {"1008", "Pine Ridge Elementary", {0, 0, 873, 0}}};
  header.records[0] = 2;
  header.previous = {"reports/0199f2c4-5a00-7000-8000-000000000000",
                     absl::FromUnixSeconds(1'760'360'705)};
  return header;
}

inline std::vector<Finding> SmallFindings() {
  Finding first;
  first.rule_code = "ENR-014";
  first.severity = Severity::kFatal;
  first.dataset = "enrollment";
  first.record_key = "S204417/1001/2025-08-18";
  first.school_id = "1001";
  first.school_name = "Lincoln High";
  first.message = "Also enrolled at Pine Ridge Elementary.";
  first.fields = {{"entry_date", "2025-08-18"}, {"exit_date", ""}, {"service_type", " P"}};
  first.change = Change::kRegressed;
  Finding second = first;
  second.record_key = "S204999/1001/2025-08-18";
  second.change = Change::kOpen;
  Finding third = second;
  third.rule_code = "ENR-040";
  third.severity = Severity::kWarning;
  third.change = Change::kUnknown;
  third.message = "Born 2001-01-01, grade 09.";
  return {first, second, third};
}

inline absl::Status WriteReport(Format format, const ReportHeader& header,
                                const std::vector<Finding>& findings, Sink& sink) {
  const std::unique_ptr<ReportWriter> writer = MakeWriter(format, sink);
  absl::Status status = writer->Begin(header);
  for (const Finding& finding : findings) {
    if (status.ok()) status = writer->Add(finding);
  }
  return status.ok() ? writer->End() : status;
}

}  // namespace edcert::render
