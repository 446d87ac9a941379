#include "common/access/registry_access.h"

#include "common/rpc/standard.h"
#include "common/rpc/status.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::access {
namespace {

namespace v1 = registry::v1;

constexpr absl::Duration kTimeout = absl::Seconds(5);
constexpr int kPageSize = 1000;

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

Role ToRole(v1::Member::Role role) {
  switch (static_cast<int>(role)) {
    case v1::Member::ROLE_APPROVER:
      return Role::kApprover;
    case v1::Member::ROLE_STATE_REVIEWER:
      return Role::kStateReviewer;
    case v1::Member::ROLE_CERTIFIER:
      return Role::kCertifier;
    default:
      return Role::kReviewer;
  }
}

Rank ToRank(v1::Member::Rank rank) {
  switch (static_cast<int>(rank)) {
    case v1::Member::RANK_PRIMARY:
      return Rank::kPrimary;
    case v1::Member::RANK_SECONDARY:
      return Rank::kSecondary;
    default:
      return Rank::kNone;
  }
}

// The registry's enums have the same order as ours, after the unspecified zero.
OrganizationKind ToKind(v1::Organization::Kind kind) { return static_cast<OrganizationKind>(kind); }
static_assert(static_cast<int>(OrganizationKind::kSea) == v1::Organization::KIND_SEA);
static_assert(static_cast<int>(OrganizationKind::kServiceAgency) ==
              v1::Organization::KIND_SERVICE_AGENCY);
static_assert(static_cast<int>(OrganizationKind::kDistrict) == v1::Organization::KIND_DISTRICT);
static_assert(static_cast<int>(OrganizationKind::kSchool) == v1::Organization::KIND_SCHOOL);
static_assert(static_cast<int>(EventStatus::kClosed) + 1 == v1::Event::STATUS_CLOSED);
static_assert(static_cast<int>(Phase::kClosed) + 1 == v1::Event::PHASE_CLOSED);

absl::CivilDay ToDay(const type::Date& date) {
  return absl::CivilDay(date.year(), date.month(), date.day());
}

RegistryAccess::Member ToMember(const v1::Member& member) {
  return {
      .user = member.user(),
      .organization = member.organization(),
      .role = ToRole(member.role()),
      .rank = ToRank(member.rank()),
      .delegate = member.delegate(),
      .title = member.title(),
      .valid_from = member.has_valid_from() ? ToDay(member.valid_from()) : absl::CivilDay::min(),
      .valid_to = member.has_valid_to() ? ToDay(member.valid_to()) : absl::CivilDay::max(),
      .user_active = member.user_active(),
      .in_scope = member.in_scope(),
      .all_schools = member.all_schools(),
      .delegate_in_scope = member.delegate_in_scope(),
      .delegate_all_schools = member.delegate_all_schools()};
}

}  // namespace

EventFacts FactsOf(const v1::Event& event) {
  EventFacts facts;
  facts.name = event.name();
  facts.title = event.title();
  facts.reporting_year = event.reporting_year();
  facts.datasets.assign(event.datasets().begin(), event.datasets().end());
  facts.category = event.category();
  facts.level = event.level() == type::LEVEL_SCHOOL ? Level::kSchool : Level::kDistrict;
  facts.rule_group = event.rule_group();
  facts.rule_group_version = event.rule_group_version();
  facts.status = static_cast<EventStatus>(event.status() - 1);
  facts.phase = static_cast<Phase>(event.phase() - 1);
  facts.live_version = event.live_version();
  facts.attestation_text = event.attestation_text();
  facts.attestation_version = event.attestation_version();
  facts.allows_zero_attestation = event.allows_zero_attestation();
  facts.depends_on.assign(event.depends_on().begin(), event.depends_on().end());
  facts.participants.assign(event.participants().begin(), event.participants().end());
  facts.starts_at = ToTime(event.starts_at());
  facts.opens_at = ToTime(event.opens_at());
  facts.due_at = ToTime(event.due_at());
  facts.ends_at = ToTime(event.ends_at());
  facts.snapshots_from = ToTime(event.snapshots_from());
  facts.published_at = ToTime(event.publish_time());
  return facts;
}

Access AccessOf(const v1::ResolveAccessResponse& response) {
  Access access;
  access.user = response.user();
  access.state_user = response.is_state_user();
  access.in_scope = response.in_scope();
  for (const auto& role : response.roles()) {
    access.roles.push_back({ToRole(role.role()), ToRank(role.rank()), role.organization()});
  }
  access.scope_organizations.assign(response.scope_organizations().begin(),
                                    response.scope_organizations().end());
  access.scope_districts.assign(response.scope_districts().begin(),
                                response.scope_districts().end());
  access.visible_events.assign(response.visible_events().begin(), response.visible_events().end());
  access.membership_version = response.membership_version();
  access.organization_kind = ToKind(response.organization_kind());
  access.organization_parent = response.organization_parent();
  access.organization_display_name = response.organization_display_name();
  if (response.has_event()) access.event = FactsOf(response.event());
  access.participates = response.participates();
  access.rights.resize(16 * 8);
  for (const auto& grant : response.tool_grants()) {
    for (const int right : grant.rights()) {
      access.rights[static_cast<std::size_t>(grant.tool() * 8 + right)] = true;
    }
  }
  return access;
}

RegistryAccess::RegistryAccess(rpc::Runtime& runtime)
    : runtime_(runtime), stub_(v1::EventRegistry::NewStub(runtime.ChannelTo("event_registry"))) {}

absl::StatusOr<Access> RegistryAccess::Ask(const rpc::Call& call, const Query& query) {
  grpc::ClientContext context;
  RETURN_IF_ERROR(call.Forward(context));
  v1::ResolveAccessRequest request;
  request.set_user(call.principal().user);
  request.set_event(query.event);
  request.set_organization(query.organization);
  request.set_with_visible_events(query.visible_events);
  v1::ResolveAccessResponse response;
  const absl::Status status = rpc::FromGrpc(stub_->ResolveAccess(&context, request, &response));
  // The caller's own account is no resource that he asked for.
  if (status.code() == absl::StatusCode::kNotFound) {
    return status::NotPermitted("an account: " + request.user() + " is not known here");
  }
  RETURN_IF_ERROR(status);
  return AccessOf(response);
}

absl::StatusOr<Access> RegistryAccess::AskForService(const rpc::Call& /*call*/,
                                                     const Query& query) {
  Access access;
  access.state_user = true;
  access.in_scope = true;
  if (!query.organization.empty()) {
    ASSIGN_OR_RETURN(const Organization organization, GetOrganization(query.organization));
    access.organization_kind = organization.kind;
    access.organization_parent = organization.parent;
    access.organization_display_name = organization.display_name;
  }
  if (!query.event.empty()) {
    ASSIGN_OR_RETURN(access.event, GetEvent(query.event));
    access.participates = access.event->Includes(query.organization);
  }
  return access;
}

absl::StatusOr<EventFacts> RegistryAccess::GetEvent(const std::string& name) {
  grpc::ClientContext context;
  RETURN_IF_ERROR(runtime_.Prepare(context, kTimeout));
  v1::GetEventRequest request;
  request.set_name(name);
  v1::Event response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->GetEvent(&context, request, &response)));
  return FactsOf(response);
}

absl::StatusOr<std::vector<RegistryAccess::Member>> RegistryAccess::ListMembers(
    const std::string& category, const std::string& organization, bool active_only,
    std::optional<absl::Time> at) {
  std::vector<Member> members;
  v1::ListMembersRequest request;
  request.set_category(category);
  request.set_organization(organization);
  request.set_active_only(active_only);
  if (at.has_value()) *request.mutable_at() = rpc::ToProto(*at);
  request.set_page_size(kPageSize);
  do {
    grpc::ClientContext context;
    RETURN_IF_ERROR(runtime_.Prepare(context, kTimeout));
    v1::ListMembersResponse response;
    RETURN_IF_ERROR(rpc::FromGrpc(stub_->ListMembers(&context, request, &response)));
    for (const v1::Member& member : response.members()) members.push_back(ToMember(member));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return members;
}

absl::StatusOr<RegistryAccess::Organization> RegistryAccess::GetOrganization(
    const std::string& name) {
  grpc::ClientContext context;
  RETURN_IF_ERROR(runtime_.Prepare(context, kTimeout));
  v1::GetOrganizationRequest request;
  request.set_name(name);
  v1::Organization response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->GetOrganization(&context, request, &response)));
  return Organization{response.name(), response.display_name(), ToKind(response.kind()),
                      response.parent()};
}

absl::StatusOr<feed::Page> RegistryAccess::ListChanges(int64_t after, int limit) {
  return rpc::FetchChanges<v1::ListChangesRequest, v1::ListChangesResponse>(runtime_, *stub_, after,
                                                                            limit);
}

}  // namespace edcert::access
