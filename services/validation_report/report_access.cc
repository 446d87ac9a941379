#include "services/validation_report/report_access.h"

#include <algorithm>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/errors.h"

namespace edcert::validation_report {
namespace {

// Who plans events at the state, and sees every report.
bool IsEventManager(const access::Access& access) {
  return access.state_user && access.HasRight(type::TOOL_EVENT_MANAGEMENT, type::TOOL_RIGHT_ADD);
}

bool ReadsGroups(const access::Access& access) {
  return access.HasRight(type::TOOL_VALIDATION_GROUPS, type::TOOL_RIGHT_READ);
}

absl::Status CheckWindow(const access::EventFacts& event) {
  if (event.status == access::EventStatus::kClosed || event.phase == access::Phase::kClosed) {
    return status::WindowClosed(event.name);
  }
  if (event.live_version == 0 || event.phase == access::Phase::kBeforeStart) {
    return status::WindowNotOpen(event.name, event.starts_at);
  }
  return absl::OkStatus();
}

}  // namespace

bool MayRun(const access::Access& access, const Report& report) {
  if (access.is_service() || IsEventManager(access)) return true;
  return report.event.empty() ? ReadsGroups(access) : !access.roles.empty();
}

bool MaySee(const access::Access& access, const Report& report) {
  return MayRun(access, report) || report.requester == access.user;
}

ReportScope ScopeOf(const access::Access& access) {
  ReportScope scope{.every_organization = access.is_service() || access.state_user,
                    .organizations = access.scope_organizations,
                    .districts = access.scope_districts,
                    .every_event = access.is_service() || IsEventManager(access),
                    .events = access.visible_events};
  // Those of no event.
  if (ReadsGroups(access)) scope.events.emplace_back();
  return scope;
}

absl::Status CheckMayAsk(const access::Access& access, const Report& report) {
  if (access.organization_kind != access::OrganizationKind::kDistrict &&
      access.organization_kind != access::OrganizationKind::kSchool) {
    return status::FieldInvalid("organization", "must be a district or a school");
  }
  if (!MayRun(access, report)) {
    return status::NotPermitted(report.event.empty() ? "the right to read rule groups"
                                                     : "a role in the event's category");
  }
  return access.event.has_value() ? CheckWindow(*access.event) : absl::OkStatus();
}

absl::Status CheckMayWaive(const access::Access& access, const std::string& organization) {
  if (!access.Has(access::Role::kApprover)) {
    return status::NotPermitted("the role of an approver of the category");
  }
  const auto is_assigned_to = [&](const std::string& name) {
    const auto& scope = access.scope_organizations;
    return std::find(scope.begin(), scope.end(), name) != scope.end();
  };
  const bool belongs = access.Has(access::Role::kCertifier) ||
                       access.Has(access::Role::kReviewer) || is_assigned_to(organization) ||
                       is_assigned_to(access::DistrictOf(access, organization));
  return belongs ? SelfApproval() : absl::OkStatus();
}

absl::Status CheckMayExplain(const access::Access& access, const Report& report) {
  const bool is_member =
      access.Has(access::Role::kCertifier) || access.Has(access::Role::kReviewer);
  if (report.event.empty() || !is_member) {
    return status::NotPermitted("the role of a certifier or reviewer of the organisation");
  }
  return access.event.has_value() ? CheckWindow(*access.event) : absl::OkStatus();
}

}  // namespace edcert::validation_report
