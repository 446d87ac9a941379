#include "services/event_registry/convert.h"

#include "common/rpc/standard.h"
#include "services/event_registry/errors.h"

namespace edcert::event_registry {
namespace {

namespace v1 = ::edcert::registry::v1;

// A value of the domain has the number of its namesake on the wire, so a cast converts it.
template <typename Proto, typename Domain>
constexpr bool Same(Domain value, Proto proto) {
  return static_cast<int>(value) == static_cast<int>(proto);
}
static_assert(Same(OrganizationKind::kSea, v1::Organization::KIND_SEA));
static_assert(Same(OrganizationKind::kServiceAgency, v1::Organization::KIND_SERVICE_AGENCY));
static_assert(Same(OrganizationKind::kDistrict, v1::Organization::KIND_DISTRICT));
static_assert(Same(OrganizationKind::kSchool, v1::Organization::KIND_SCHOOL));
static_assert(Same(Level::kDistrict, type::LEVEL_DISTRICT));
static_assert(Same(Level::kSchool, type::LEVEL_SCHOOL));
static_assert(Same(CategoryState::kDraft, v1::Category::DRAFT));
static_assert(Same(CategoryState::kPublished, v1::Category::PUBLISHED));
static_assert(Same(CategoryState::kInactive, v1::Category::INACTIVE));
static_assert(Same(MemberRole::kApprover, v1::Member::ROLE_APPROVER));
static_assert(Same(MemberRole::kStateReviewer, v1::Member::ROLE_STATE_REVIEWER));
static_assert(Same(MemberRole::kCertifier, v1::Member::ROLE_CERTIFIER));
static_assert(Same(MemberRole::kReviewer, v1::Member::ROLE_REVIEWER));
static_assert(Same(MemberRank::kNone, v1::Member::RANK_UNSPECIFIED));
static_assert(Same(MemberRank::kPrimary, v1::Member::RANK_PRIMARY));
static_assert(Same(MemberRank::kSecondary, v1::Member::RANK_SECONDARY));
static_assert(Same(EventStatus::kUnpublished, v1::Event::STATUS_UNPUBLISHED));
static_assert(Same(EventStatus::kPublished, v1::Event::STATUS_PUBLISHED));
static_assert(Same(EventStatus::kUnpublishedChanges, v1::Event::STATUS_UNPUBLISHED_CHANGES));
static_assert(Same(EventStatus::kClosed, v1::Event::STATUS_CLOSED));
static_assert(Same(Phase::kBeforeStart, v1::Event::PHASE_BEFORE_START));
static_assert(Same(Phase::kReview, v1::Event::PHASE_REVIEW));
static_assert(Same(Phase::kCertifying, v1::Event::PHASE_CERTIFYING));
static_assert(Same(Phase::kLate, v1::Event::PHASE_LATE));
static_assert(Same(Phase::kEnded, v1::Event::PHASE_ENDED));
static_assert(Same(Phase::kClosed, v1::Event::PHASE_CLOSED));
static_assert(kTools == type::Tool_MAX && kToolRights == type::ToolRight_MAX);

// Writes the ends of an interval that are not open.
template <typename Message>
void SetDays(absl::CivilDay from, absl::CivilDay to, Message& out) {
  if (from != kAlways) *out.mutable_valid_from() = rpc::ToProto(from);
  if (to != kForever) *out.mutable_valid_to() = rpc::ToProto(to);
}

v1::ToolGrant ToProto(const ToolGrant& grant) {
  v1::ToolGrant out;
  out.set_tool(static_cast<type::Tool>(grant.tool));
  for (int right = 1; right <= kToolRights; ++right) {
    if ((grant.rights & RightBit(right)) != 0) out.add_rights(static_cast<type::ToolRight>(right));
  }
  return out;
}

void SetInstants(const EventWindow& window, const StateCalendar& calendar, v1::Event& out) {
  *out.mutable_starts_at() = rpc::ToProto(calendar.StartOf(window.start_date));
  *out.mutable_opens_at() = rpc::ToProto(calendar.StartOf(window.certification_opens));
  *out.mutable_due_at() = rpc::ToProto(calendar.EndOf(window.due_date));
  *out.mutable_ends_at() = rpc::ToProto(calendar.EndOf(window.end_date));
  *out.mutable_snapshots_from() = rpc::ToProto(calendar.StartOf(window.snapshot_available));
}

}  // namespace

v1::Organization ToProto(const Organization& organization) {
  v1::Organization out;
  out.set_name(organization.name.ToString());
  out.set_kind(static_cast<v1::Organization::Kind>(organization.kind));
  out.set_display_name(organization.display_name);
  if (organization.parent.has_value()) out.set_parent(organization.parent->ToString());
  out.set_nces_id(organization.nces_id);
  if (organization.open_date.has_value()) {
    *out.mutable_open_date() = rpc::ToProto(*organization.open_date);
  }
  if (organization.close_date.has_value()) {
    *out.mutable_close_date() = rpc::ToProto(*organization.close_date);
  }
  for (const std::string& grade : organization.grades_offered) out.add_grades_offered(grade);
  out.set_etag(Etag(organization.row_version));
  *out.mutable_create_time() = rpc::ToProto(organization.create_time);
  *out.mutable_update_time() = rpc::ToProto(organization.update_time);
  return out;
}

v1::User ToProto(const User& user) {
  v1::User out;
  out.set_name(user.name.ToString());
  out.set_display_name(user.display_name);
  out.set_email(user.email);
  out.set_staff_id(user.staff_id);
  for (const Assignment& assignment : user.assignments) {
    v1::User::Assignment& to = *out.add_assignments();
    to.set_organization(assignment.organization.ToString());
    to.set_all_schools(assignment.all_schools);
    SetDays(assignment.valid_from, assignment.valid_to, to);
  }
  for (const ToolGrant& grant : user.grants) *out.add_tool_grants() = ToProto(grant);
  out.set_active(user.active);
  out.set_etag(Etag(user.row_version));
  *out.mutable_create_time() = rpc::ToProto(user.create_time);
  *out.mutable_update_time() = rpc::ToProto(user.update_time);
  return out;
}

v1::Category ToProto(const Category& category) {
  v1::Category out;
  out.set_name(category.name.ToString());
  out.set_title(category.title);
  out.set_description(category.description);
  out.set_level(static_cast<type::Level>(category.level));
  out.set_active(category.active);
  out.set_state(static_cast<v1::Category::State>(category.state()));
  out.set_restricted(category.restricted);
  out.set_etag(Etag(category.row_version));
  *out.mutable_create_time() = rpc::ToProto(category.create_time);
  *out.mutable_update_time() = rpc::ToProto(category.update_time);
  if (category.publish_time.has_value()) {
    *out.mutable_publish_time() = rpc::ToProto(*category.publish_time);
  }
  return out;
}

v1::Member ToProto(const Member& member) {
  v1::Member out;
  out.set_name(member.name.ToString());
  out.set_category(member.category().ToString());
  out.set_organization(member.organization.ToString());
  out.set_user(member.user.ToString());
  out.set_role(static_cast<v1::Member::Role>(member.role));
  out.set_rank(static_cast<v1::Member::Rank>(member.rank));
  out.set_title(member.title);
  SetDays(member.valid_from, member.valid_to, out);
  if (member.delegate.has_value()) out.set_delegate(member.delegate->ToString());
  *out.mutable_create_time() = rpc::ToProto(member.create_time);
  *out.mutable_update_time() = rpc::ToProto(member.create_time);  // never edited
  if (member.standing.has_value()) {
    out.set_user_active(member.standing->user_active);
    out.set_in_scope(member.standing->in_scope);
    out.set_all_schools(member.standing->all_schools);
    out.set_delegate_in_scope(member.standing->delegate_in_scope);
    out.set_delegate_all_schools(member.standing->delegate_all_schools);
  }
  return out;
}

v1::Event ToProto(const Event& event, const StateCalendar& calendar, absl::Time now) {
  v1::Event out;
  out.set_name(event.name.ToString());
  out.set_title(event.title);
  out.set_description(event.description);
  out.set_reporting_year(event.reporting_year);
  for (const names::DatasetName& dataset : event.datasets) out.add_datasets(dataset.ToString());
  out.set_category(event.category.ToString());
  out.set_level(static_cast<type::Level>(event.level));
  out.set_rule_group(event.rule_group.ToString());
  *out.mutable_start_date() = rpc::ToProto(event.window.start_date);
  *out.mutable_certification_opens() = rpc::ToProto(event.window.certification_opens);
  *out.mutable_due_date() = rpc::ToProto(event.window.due_date);
  *out.mutable_end_date() = rpc::ToProto(event.window.end_date);
  *out.mutable_snapshot_available() = rpc::ToProto(event.window.snapshot_available);
  for (const auto& participant : event.participants) out.add_participants(participant.ToString());
  out.set_participant_count(event.participant_count);
  out.set_attestation_text(event.attestation_text);
  out.set_attestation_version(event.attestation_version);
  out.set_allows_zero_attestation(event.allows_zero_attestation);
  for (const names::EventName& other : event.depends_on) out.add_depends_on(other.ToString());
  out.set_status(static_cast<v1::Event::Status>(event.status));
  out.set_phase(static_cast<v1::Event::Phase>(PhaseOn(event, calendar.DayOf(now))));
  out.set_live_version(event.live_version);
  out.set_draft_version(event.draft_version);
  out.set_rule_group_version(event.rule_group_version);
  out.set_etag(Etag(event.row_version));
  *out.mutable_create_time() = rpc::ToProto(event.create_time);
  *out.mutable_update_time() = rpc::ToProto(event.update_time);
  if (event.publish_time.has_value()) {
    *out.mutable_publish_time() = rpc::ToProto(*event.publish_time);
  }
  if (event.close_time.has_value()) *out.mutable_close_time() = rpc::ToProto(*event.close_time);
  out.set_close_reason(event.close_reason);
  SetInstants(event.window, calendar, out);
  return out;
}

v1::ResolveAccessResponse ToProto(const Resolution& resolution, const StateCalendar& calendar,
                                  absl::Time now) {
  v1::ResolveAccessResponse out;
  out.set_user(resolution.user.ToString());
  out.set_active(resolution.active);
  for (const ToolGrant& grant : resolution.grants) *out.add_tool_grants() = ToProto(grant);
  out.set_is_state_user(resolution.is_state_user);
  for (const std::string& id : resolution.scope.organizations) {
    out.add_scope_organizations(names::OrganizationName::FromId(id).ToString());
  }
  for (const std::string& id : resolution.scope.districts) {
    out.add_scope_districts(names::OrganizationName::FromId(id).ToString());
  }
  out.set_membership_version(resolution.membership_version);
  for (const ResolvedRole& role : resolution.roles) {
    auto& to = *out.add_roles();
    to.set_role(static_cast<v1::Member::Role>(role.role));
    to.set_rank(static_cast<v1::Member::Rank>(role.rank));
    to.set_organization(role.organization.ToString());
    to.set_member(role.member.ToString());
  }
  if (const auto& asked = resolution.organization; asked.has_value()) {
    out.set_in_scope(true);
    out.set_organization_kind(static_cast<v1::Organization::Kind>(asked->kind));
    if (asked->parent.has_value()) out.set_organization_parent(asked->parent->ToString());
    out.set_organization_display_name(asked->display_name);
  }
  if (resolution.event.has_value()) {
    *out.mutable_event() = ToProto(*resolution.event, calendar, now);
    out.set_participates(resolution.participates);
  }
  for (const names::EventName& event : resolution.visible_events) {
    out.add_visible_events(event.ToString());
  }
  return out;
}

}  // namespace edcert::event_registry
