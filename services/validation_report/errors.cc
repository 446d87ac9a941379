#include "services/validation_report/errors.h"

#include <fmt/format.h>

#include <string>

#include "common/status/error.h"
#include "common/status/errors.h"

namespace edcert::validation_report {

using status::MakeError;
using status::Reason;

absl::Status RuleNotAllowed(std::string_view field, std::string_view what, int position) {
  return MakeError(Reason::kRuleNotAllowed, fmt::format("{}: not allowed: {}", field, what),
                   {{"field", std::string(field)},
                    {"what", std::string(what)},
                    {"position", std::to_string(position)}});
}

absl::Status FixtureFailed(std::string_view rule, int fixture) {
  const std::string message =
      fixture < 0 ? fmt::format("{} has no fixture", rule)
                  : fmt::format("fixture {} of {} does not give what it promises", fixture, rule);
  return MakeError(Reason::kFixtureFailed, message,
                   {{"rule", std::string(rule)}, {"fixture", std::to_string(fixture)}});
}

absl::Status RuleInactive(std::string_view rule) {
  return MakeError(Reason::kRuleInactive, fmt::format("{} is not active", rule),
                   {{"rule", std::string(rule)}});
}

absl::Status RuleGroupInactive(std::string_view group) {
  return MakeError(Reason::kRuleGroupInactive, fmt::format("{} is not active", group),
                   {{"rule_group", std::string(group)}});
}

absl::Status WindowNotOpen(std::string_view event, absl::Time opens) {
  return MakeError(Reason::kWindowNotOpen, fmt::format("{} has not started", event),
                   {{"event", std::string(event)},
                    {"opens", absl::FormatTime(absl::RFC3339_sec, opens, absl::UTCTimeZone())}});
}

absl::Status WindowClosed(std::string_view event) {
  return MakeError(Reason::kWindowClosed, fmt::format("{} is closed", event),
                   {{"event", std::string(event)}});
}

absl::Status SnapshotMismatch(std::string_view snapshot) {
  return MakeError(Reason::kSnapshotMismatch,
                   fmt::format("{} is of another event or organisation", snapshot),
                   {{"snapshot", std::string(snapshot)}});
}

absl::Status ReportNotReady(std::string_view report, std::string_view state) {
  return MakeError(Reason::kReportNotReady, fmt::format("{} is {}", report, state),
                   {{"report", std::string(report)}, {"state", std::string(state)}});
}

absl::Status TooManyReports() {
  return status::QuotaExceeded("waiting reports of the organisation", absl::Seconds(10));
}

}  // namespace edcert::validation_report
