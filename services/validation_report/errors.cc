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
                   {{"resource", std::string(rule)}, {"fixture", std::to_string(fixture)}});
}

absl::Status RuleInactive(std::string_view rule) {
  return MakeError(Reason::kRuleInactive, fmt::format("{} is not active", rule),
                   {{"resource", std::string(rule)}});
}

absl::Status RuleGroupInactive(std::string_view group) {
  return MakeError(Reason::kRuleGroupInactive, fmt::format("{} is not active", group),
                   {{"resource", std::string(group)}, {"why", "INACTIVE"}});
}

absl::Status RuleGroupOfOtherLevel(std::string_view group, std::string_view level) {
  return MakeError(Reason::kRuleGroupInactive,
                   fmt::format("{} is for events of level {} only", group, level),
                   {{"resource", std::string(group)}, {"why", "LEVEL"}});
}

absl::Status SnapshotMismatch(std::string_view snapshot) {
  return MakeError(Reason::kSnapshotMismatch,
                   fmt::format("{} is of another event or organisation", snapshot),
                   {{"resource", std::string(snapshot)}});
}

absl::Status PreviousSnapshotMismatch(std::string_view snapshot) {
  return MakeError(Reason::kSnapshotMismatch,
                   fmt::format("{} is not sealed or of another organisation", snapshot),
                   {{"resource", std::string(snapshot)}});
}

absl::Status ReportNotReady(std::string_view report, std::string_view state) {
  return MakeError(Reason::kReportNotReady, fmt::format("{} is {}", report, state),
                   {{"resource", std::string(report)}, {"state", std::string(state)}});
}

absl::Status ReportExpired(std::string_view report) {
  return MakeError(Reason::kReportExpired, fmt::format("the file of {} was deleted", report),
                   {{"resource", std::string(report)}});
}

absl::Status VersionPurged(std::string_view dataset, int64_t version) {
  return MakeError(Reason::kVersionPurged,
                   fmt::format("version {} of {} is purged", version, dataset),
                   {{"resource", std::string(dataset)}, {"version", std::to_string(version)}});
}

absl::Status SecondPersonRequired(std::string_view resource) {
  return MakeError(Reason::kSecondPersonRequired,
                   fmt::format("{} awaits a second person", resource),
                   {{"resource", std::string(resource)}});
}

absl::Status SelfApproval() {
  return MakeError(Reason::kSelfApproval, "you belong to the organisation");
}

absl::Status TooManyReports() {
  return status::QuotaExceeded("waiting reports of the organisation", absl::Seconds(10));
}

}  // namespace edcert::validation_report
