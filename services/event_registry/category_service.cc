// Categories and their members.
#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/event_registry/convert.h"
#include "services/event_registry/errors.h"
#include "services/event_registry/event_registry_service.h"
#include "services/event_registry/request_convert.h"

namespace edcert::event_registry {
namespace {

namespace v1 = ::edcert::registry::v1;

Viewer ViewerOf(const access::Access& access) {
  return access.state_user ? Viewer::kState : Viewer::kLocal;
}

feed::Event CategoryPublished(const Category& category) {
  return {.subject = category.name.ToString(),
          .type = "category_published",
          .attributes = {{"category", category.name.ToString()}, {"title", category.title}}};
}

feed::Event MemberChanged(const Member& member, std::string_view type) {
  return {.subject = member.category().ToString(),
          .type = std::string(type),
          .attributes = {{"category", member.category().ToString()},
                         {"member", member.name.ToString()},
                         {"user", member.user.ToString()},
                         {"organization", member.organization.ToString()},
                         {"role", std::string(kMemberRoleText.Of(member.role))}}};
}

}  // namespace

grpc::ServerUnaryReactor* EventRegistryService::CreateCategory(
    grpc::CallbackServerContext* context, const v1::CreateCategoryRequest* request,
    v1::Category* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Category category, FromProto(*request, runtime_.ids()));
    RETURN_IF_ERROR(access_.ResolveStateUser(call, {}).status());
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const Category created, categories_.Insert(tx, category));
          *response = event_registry::ToProto(created);
          return created.name.ToString();
        });
  });
}

grpc::ServerUnaryReactor* EventRegistryService::GetCategory(grpc::CallbackServerContext* context,
                                                            const v1::GetCategoryRequest* request,
                                                            v1::Category* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto name, names::CategoryName::Parse(request->name(), "name"));
    ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const Category category, categories_.Get(db, name, ViewerOf(access)));
    *response = event_registry::ToProto(category);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EventRegistryService::ListCategories(
    grpc::CallbackServerContext* context, const v1::ListCategoriesRequest* request,
    v1::ListCategoriesResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const CategoryFilter filter, FromProto(*request));
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
    ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(auto categories,
                     categories_.List(db, ViewerOf(access), filter, page.Key(0), page.limit()));
    response->set_next_page_token(paging::Cut(*request, page, categories, [](const Category& last) {
      return std::vector{last.name.id()};
    }));
    for (const Category& category : categories) {
      *response->add_categories() = event_registry::ToProto(category);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EventRegistryService::PublishCategory(
    grpc::CallbackServerContext* context, const v1::PublishCategoryRequest* request,
    v1::Category* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto command, FromProto(*request));
    RETURN_IF_ERROR(access_.ResolveStateUser(call, {}).status());
    return rpc::Command(call, *request, response,
                        [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                          ASSIGN_OR_RETURN(const Category category,
                                           categories_.Publish(tx, command.name, command.etag));
                          Report(call, tx, CategoryPublished(category));
                          *response = event_registry::ToProto(category);
                          return category.name.ToString();
                        });
  });
}

absl::Status EventRegistryService::CheckManagesMembers(
    pg::Querier& db, const access::Access& access,
    const names::OrganizationName& organization) const {
  if (access.state_user) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto user, names::UserName::Parse(access.user, "sub"));
  ASSIGN_OR_RETURN(const bool works_there,
                   users_.IsAssigned(db, user, organization, Today(), Today()));
  // A service agency sees the districts below it and no more.
  return works_there ? absl::OkStatus() : status::NotPermitted("an assignment there");
}

absl::Status EventRegistryService::CheckPeople(pg::Querier& db, const Scope& scope,
                                               const Member& member) const {
  RETURN_IF_ERROR(users_.Get(db, member.user, scope).status());
  if (member.delegate.has_value()) {
    RETURN_IF_ERROR(users_.Get(db, *member.delegate, scope).status());
  }
  ASSIGN_OR_RETURN(const bool works_there, users_.IsAssigned(db, member.user, member.organization,
                                                             member.valid_from, member.valid_to));
  return works_there ? absl::OkStatus()
                     : status::FieldInvalid("member.user", "is not assigned to the organisation");
}

grpc::ServerUnaryReactor* EventRegistryService::AddMember(grpc::CallbackServerContext* context,
                                                          const v1::AddMemberRequest* request,
                                                          v1::Member* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Member member, FromProto(*request, runtime_.ids()));
    ASSIGN_OR_RETURN(const access::Access access,
                     access_.Resolve(call, {.organization = member.organization.ToString()}));
    if (!IsHeldAt(member.role, static_cast<OrganizationKind>(access.organization_kind))) {
      return status::FieldInvalid("member.role", "is not held at this kind of organisation");
    }
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          RETURN_IF_ERROR(RaiseMembershipVersion(tx));
          ASSIGN_OR_RETURN(const Category category,
                           categories_.GetShared(tx, member.category(), ViewerOf(access)));
          RETURN_IF_ERROR(CheckManagesMembers(tx, access, member.organization));
          RETURN_IF_ERROR(CheckPeople(tx, ScopeOf(access), member));
          if (!category.active) return CategoryInactive(category.name);
          ASSIGN_OR_RETURN(const Member added, members_.Insert(tx, member));
          Report(call, tx, MemberChanged(added, "member_added"));
          *response = event_registry::ToProto(added);
          return added.name.ToString();
        });
  });
}

grpc::ServerUnaryReactor* EventRegistryService::RemoveMember(grpc::CallbackServerContext* context,
                                                             const v1::RemoveMemberRequest* request,
                                                             v1::RemoveMemberResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto name, names::MemberName::Parse(request->name(), "name"));
    ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          RETURN_IF_ERROR(RaiseMembershipVersion(tx));
          ASSIGN_OR_RETURN(const Member member, members_.Get(tx, name, ScopeOf(access)));
          RETURN_IF_ERROR(CheckManagesMembers(tx, access, member.organization));
          members_.Delete(tx, name);
          Report(call, tx, MemberChanged(member, "member_removed"));
          return name.ToString();
        });
  });
}

grpc::ServerUnaryReactor* EventRegistryService::ListMembers(grpc::CallbackServerContext* context,
                                                            const v1::ListMembersRequest* request,
                                                            v1::ListMembersResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const MemberFilter filter, FromProto(*request));
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 2));
    ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
    pg::Database db = call.db();
    const absl::CivilDay day = filter.at.has_value() ? calendar_.DayOf(*filter.at) : Today();
    ASSIGN_OR_RETURN(auto members, members_.List(db, ScopeOf(access), filter, day,
                                                 {page.Key(0), page.Key(1)}, page.limit()));
    response->set_next_page_token(paging::Cut(*request, page, members, [](const Member& last) {
      return std::vector{last.name.parent_id(), last.name.id()};
    }));
    for (const Member& member : members) {
      *response->add_members() = event_registry::ToProto(member);
    }
    return absl::OkStatus();
  });
}

}  // namespace edcert::event_registry
