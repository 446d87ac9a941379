// Users and their rights, and what follows from them.
#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/status/macros.h"
#include "services/event_registry/convert.h"
#include "services/event_registry/event_registry_service.h"
#include "services/event_registry/request_convert.h"

namespace edcert::event_registry {

namespace v1 = ::edcert::registry::v1;

grpc::ServerUnaryReactor* EventRegistryService::CreateUser(grpc::CallbackServerContext* context,
                                                           const v1::CreateUserRequest* request,
                                                           v1::User* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const User user, FromProto(*request));
    RETURN_IF_ERROR(access_.ResolveStateUser(call, {}).status());
    return rpc::Command(call, *request, response,
                        [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                          ASSIGN_OR_RETURN(const User created, users_.Insert(tx, user));
                          *response = event_registry::ToProto(created);
                          return created.name.ToString();
                        });
  });
}

grpc::ServerUnaryReactor* EventRegistryService::GetUser(grpc::CallbackServerContext* context,
                                                        const v1::GetUserRequest* request,
                                                        v1::User* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto name, names::UserName::Parse(request->name(), "name"));
    ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const User user, users_.Get(db, name, ScopeOf(access)));
    *response = event_registry::ToProto(user);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EventRegistryService::ListUsers(grpc::CallbackServerContext* context,
                                                          const v1::ListUsersRequest* request,
                                                          v1::ListUsersResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const UserFilter filter, FromProto(*request));
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
    ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(auto users,
                     users_.List(db, ScopeOf(access), filter, Today(), page.Key(0), page.limit()));
    response->set_next_page_token(paging::Cut(
        *request, page, users, [](const User& last) { return std::vector{last.name.id()}; }));
    for (const User& user : users) *response->add_users() = event_registry::ToProto(user);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EventRegistryService::SetToolRights(
    grpc::CallbackServerContext* context, const v1::SetToolRightsRequest* request,
    v1::User* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto command, FromProto(*request));
    RETURN_IF_ERROR(access_.ResolveStateUser(call, {}).status());
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const User user,
                           users_.SetGrants(tx, command.name, command.etag, command.grants));
          *response = event_registry::ToProto(user);
          return user.name.ToString();
        });
  });
}

grpc::ServerUnaryReactor* EventRegistryService::ResolveAccess(
    grpc::CallbackServerContext* context, const v1::ResolveAccessRequest* request,
    v1::ResolveAccessResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto query, FromProto(*request));
    const absl::Time now = clock_.Now();
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const Resolution resolution,
                     access_store_.Resolve(db, query.user, query.subject, calendar_.DayOf(now)));
    *response = event_registry::ToProto(resolution, calendar_, now);
    return absl::OkStatus();
  });
}

}  // namespace edcert::event_registry
