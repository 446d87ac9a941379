#include "services/notification/registry_client.h"

#include "common/rpc/status.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::notification {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(5);
constexpr int kPageSize = 1000;

MemberRole ToRole(access::Role role) {
  switch (role) {
    case access::Role::kApprover:
      return MemberRole::kApprover;
    case access::Role::kStateReviewer:
      return MemberRole::kStateReviewer;
    case access::Role::kCertifier:
      return MemberRole::kCertifier;
    case access::Role::kReviewer:
      return MemberRole::kReviewer;
  }
  return MemberRole::kReviewer;
}

}  // namespace

RegistryClient::RegistryClient(rpc::Runtime& runtime, access::RegistryAccess& registry)
    : runtime_(runtime),
      registry_(registry),
      stub_(registry::v1::EventRegistry::NewStub(runtime.ChannelTo("event_registry"))) {}

absl::StatusOr<Directory::Event> RegistryClient::GetEvent(const std::string& event) {
  ASSIGN_OR_RETURN(const access::EventFacts facts, registry_.GetEvent(event));
  return Event{.category = facts.category,
               .participants = {facts.participants.begin(), facts.participants.end()},
               .of_schools = facts.level == access::Level::kSchool,
               .starts_at = facts.starts_at,
               .opens_at = facts.opens_at,
               .due_at = facts.due_at};
}

absl::StatusOr<std::vector<Directory::OpenEvent>> RegistryClient::ListOpenEvents(
    const std::string& rule_group, const std::string& organization) {
  std::vector<OpenEvent> events;
  registry::v1::ListEventsRequest request;
  request.add_statuses(registry::v1::Event::STATUS_PUBLISHED);
  request.add_statuses(registry::v1::Event::STATUS_UNPUBLISHED_CHANGES);
  request.set_organization(organization);
  request.set_page_size(kPageSize);
  do {
    grpc::ClientContext context;
    RETURN_IF_ERROR(runtime_.Prepare(context, kTimeout));
    registry::v1::ListEventsResponse response;
    RETURN_IF_ERROR(rpc::FromGrpc(stub_->ListEvents(&context, request, &response)));
    for (const registry::v1::Event& event : response.events()) {
      const bool open = event.phase() == registry::v1::Event::PHASE_REVIEW ||
                        event.phase() == registry::v1::Event::PHASE_CERTIFYING ||
                        event.phase() == registry::v1::Event::PHASE_LATE;
      if (open && event.rule_group() == rule_group) {
        events.push_back({event.name(), event.title(), event.category()});
      }
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return events;
}

absl::StatusOr<std::vector<Member>> RegistryClient::ListMembers(const std::string& category,
                                                                const std::string& organization,
                                                                absl::Time at) {
  ASSIGN_OR_RETURN(const std::vector<access::RegistryAccess::Member> answer,
                   registry_.ListMembers(category, organization, /*active_only=*/true, at));
  std::vector<Member> members;
  members.reserve(answer.size());
  for (const access::RegistryAccess::Member& member : answer) {
    // Whoever does not see the organisation hears nothing of it.
    if (member.in_scope) {
      members.push_back(
          {member.user, member.organization, ToRole(member.role), member.all_schools});
    }
    // Who acts in his place must know what there is to do.
    if (member.delegate_in_scope) {
      members.push_back({member.delegate, member.organization, ToRole(member.role),
                         member.all_schools && member.delegate_all_schools});
    }
  }
  return members;
}

absl::StatusOr<std::vector<Member>> RegistryClient::ListStateMembers(const std::string& category,
                                                                     absl::Time at) {
  ASSIGN_OR_RETURN(const std::string organization, StateOrganization());
  return ListMembers(category, organization, at);
}

absl::StatusOr<std::string> RegistryClient::GetDistrict(const std::string& organization) {
  ASSIGN_OR_RETURN(const access::RegistryAccess::Organization found,
                   registry_.GetOrganization(organization));
  return found.kind == access::OrganizationKind::kSchool ? found.parent : "";
}

absl::StatusOr<Districts> RegistryClient::ListSchools() {
  Districts districts;
  registry::v1::ListOrganizationsRequest request;
  request.set_kind(registry::v1::Organization::KIND_SCHOOL);
  request.set_page_size(kPageSize);
  do {
    grpc::ClientContext context;
    RETURN_IF_ERROR(runtime_.Prepare(context, kTimeout));
    registry::v1::ListOrganizationsResponse response;
    RETURN_IF_ERROR(rpc::FromGrpc(stub_->ListOrganizations(&context, request, &response)));
    for (const registry::v1::Organization& school : response.organizations()) {
      districts.emplace(school.name(), school.parent());
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return districts;
}

absl::StatusOr<std::string> RegistryClient::StateOrganization() {
  {
    const absl::MutexLock lock(&mutex_);
    if (!state_organization_.empty()) return state_organization_;
  }
  grpc::ClientContext context;
  RETURN_IF_ERROR(runtime_.Prepare(context, kTimeout));
  registry::v1::ListOrganizationsRequest request;
  request.set_kind(registry::v1::Organization::KIND_SEA);
  registry::v1::ListOrganizationsResponse response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->ListOrganizations(&context, request, &response)));
  if (response.organizations().empty()) return status::Unavailable("the state's organization");
  const absl::MutexLock lock(&mutex_);
  state_organization_ = response.organizations(0).name();
  return state_organization_;
}

}  // namespace edcert::notification
