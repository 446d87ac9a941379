// The gRPC adapter: parse, authorise, call a store, convert. One class in four files, by noun.
#pragma once

#include <string>

#include "common/clock/clock.h"
#include "common/feed/feed.h"
#include "common/rpc/call.h"
#include "common/rpc/runtime.h"
#include "edcert/registry/v1/event_registry.grpc.pb.h"
#include "services/event_registry/access_store.h"
#include "services/event_registry/category_store.h"
#include "services/event_registry/event_store.h"
#include "services/event_registry/local_access.h"
#include "services/event_registry/member_store.h"
#include "services/event_registry/organization_store.h"
#include "services/event_registry/state_calendar.h"
#include "services/event_registry/user_store.h"

namespace edcert::event_registry {

// What the RPCs do, and which errors they answer, is said in the proto. Thread-safe.
class EventRegistryService final : public registry::v1::EventRegistry::CallbackService {
 public:
  // `clock` decides which day it is in the state.
  EventRegistryService(rpc::Runtime& runtime, const StateCalendar& calendar,
                       const clock::Clock& clock);
  ~EventRegistryService() override;

  // organization_service.cc
  grpc::ServerUnaryReactor* CreateOrganization(
      grpc::CallbackServerContext* context, const registry::v1::CreateOrganizationRequest* request,
      registry::v1::Organization* response) override;
  grpc::ServerUnaryReactor* GetOrganization(grpc::CallbackServerContext* context,
                                            const registry::v1::GetOrganizationRequest* request,
                                            registry::v1::Organization* response) override;
  grpc::ServerUnaryReactor* ListOrganizations(
      grpc::CallbackServerContext* context, const registry::v1::ListOrganizationsRequest* request,
      registry::v1::ListOrganizationsResponse* response) override;

  // user_service.cc
  grpc::ServerUnaryReactor* CreateUser(grpc::CallbackServerContext* context,
                                       const registry::v1::CreateUserRequest* request,
                                       registry::v1::User* response) override;
  grpc::ServerUnaryReactor* GetUser(grpc::CallbackServerContext* context,
                                    const registry::v1::GetUserRequest* request,
                                    registry::v1::User* response) override;
  grpc::ServerUnaryReactor* ListUsers(grpc::CallbackServerContext* context,
                                      const registry::v1::ListUsersRequest* request,
                                      registry::v1::ListUsersResponse* response) override;
  grpc::ServerUnaryReactor* SetToolRights(grpc::CallbackServerContext* context,
                                          const registry::v1::SetToolRightsRequest* request,
                                          registry::v1::User* response) override;
  grpc::ServerUnaryReactor* ResolveAccess(grpc::CallbackServerContext* context,
                                          const registry::v1::ResolveAccessRequest* request,
                                          registry::v1::ResolveAccessResponse* response) override;

  // category_service.cc
  grpc::ServerUnaryReactor* CreateCategory(grpc::CallbackServerContext* context,
                                           const registry::v1::CreateCategoryRequest* request,
                                           registry::v1::Category* response) override;
  grpc::ServerUnaryReactor* GetCategory(grpc::CallbackServerContext* context,
                                        const registry::v1::GetCategoryRequest* request,
                                        registry::v1::Category* response) override;
  grpc::ServerUnaryReactor* ListCategories(grpc::CallbackServerContext* context,
                                           const registry::v1::ListCategoriesRequest* request,
                                           registry::v1::ListCategoriesResponse* response) override;
  grpc::ServerUnaryReactor* PublishCategory(grpc::CallbackServerContext* context,
                                            const registry::v1::PublishCategoryRequest* request,
                                            registry::v1::Category* response) override;
  grpc::ServerUnaryReactor* AddMember(grpc::CallbackServerContext* context,
                                      const registry::v1::AddMemberRequest* request,
                                      registry::v1::Member* response) override;
  grpc::ServerUnaryReactor* RemoveMember(grpc::CallbackServerContext* context,
                                         const registry::v1::RemoveMemberRequest* request,
                                         registry::v1::RemoveMemberResponse* response) override;
  grpc::ServerUnaryReactor* ListMembers(grpc::CallbackServerContext* context,
                                        const registry::v1::ListMembersRequest* request,
                                        registry::v1::ListMembersResponse* response) override;

  // event_registry_service.cc
  grpc::ServerUnaryReactor* CreateEvent(grpc::CallbackServerContext* context,
                                        const registry::v1::CreateEventRequest* request,
                                        registry::v1::Event* response) override;
  grpc::ServerUnaryReactor* GetEvent(grpc::CallbackServerContext* context,
                                     const registry::v1::GetEventRequest* request,
                                     registry::v1::Event* response) override;
  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext* context,
                                       const registry::v1::ListEventsRequest* request,
                                       registry::v1::ListEventsResponse* response) override;
  grpc::ServerUnaryReactor* UpdateEvent(grpc::CallbackServerContext* context,
                                        const registry::v1::UpdateEventRequest* request,
                                        registry::v1::Event* response) override;
  grpc::ServerUnaryReactor* PublishEvent(grpc::CallbackServerContext* context,
                                         const registry::v1::PublishEventRequest* request,
                                         registry::v1::Event* response) override;
  grpc::ServerUnaryReactor* CloseEvent(grpc::CallbackServerContext* context,
                                       const registry::v1::CloseEventRequest* request,
                                       registry::v1::Event* response) override;
  grpc::ServerUnaryReactor* DeleteEvent(grpc::CallbackServerContext* context,
                                        const registry::v1::DeleteEventRequest* request,
                                        registry::v1::DeleteEventResponse* response) override;
  grpc::ServerUnaryReactor* ListChanges(grpc::CallbackServerContext* context,
                                        const registry::v1::ListChangesRequest* request,
                                        registry::v1::ListChangesResponse* response) override;
  grpc::ServerUnaryReactor* ListAuditRecords(
      grpc::CallbackServerContext* context, const registry::v1::ListAuditRecordsRequest* request,
      registry::v1::ListAuditRecordsResponse* response) override;

 private:
  absl::CivilDay Today() const { return calendar_.DayOf(clock_.Now()); }
  registry::v1::Event ToProto(const Event& event) const;
  // Reports a fact, in the transaction that makes it one.
  void Report(const rpc::Call& call, pg::Transaction& tx, const feed::Event& event) const;
  // Whether the event's category exists and is of the event's level. NOT_FOUND, FIELD_INVALID.
  absl::Status CheckCategory(pg::Querier& db, const Event& event) const;
  // Whether the caller may change the members at an organisation that he sees: the state, and
  // people who work there. NOT_PERMITTED.
  absl::Status CheckManagesMembers(pg::Querier& db, const access::Access& access,
                                   const names::OrganizationName& organization) const;
  // Whether the people of a new member exist in the caller's scope and work where they should.
  absl::Status CheckPeople(pg::Querier& db, const Scope& scope, const Member& member) const;

  rpc::Runtime& runtime_;
  const StateCalendar calendar_;
  const clock::Clock& clock_;
  LocalAccess access_;
  AccessStore access_store_;
  OrganizationStore organizations_;
  UserStore users_;
  CategoryStore categories_;
  MemberStore members_;
  EventStore events_;
};

// Makes the administrator of a new installation, as the configuration names him. Called at the
// start. FIELD_INVALID when the name is malformed.
absl::Status EnsureAdministrator(pg::Database db, const std::string& name);

}  // namespace edcert::event_registry
