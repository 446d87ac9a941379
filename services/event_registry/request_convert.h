// Requests to domain values. Pure. Every rule that a field obeys by itself is checked here, and
// only here: FIELD_INVALID names the first field that breaks one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/ids/ids.h"
#include "edcert/registry/v1/event_registry.pb.h"
#include "services/event_registry/access_store.h"
#include "services/event_registry/category_store.h"
#include "services/event_registry/event_store.h"
#include "services/event_registry/member_store.h"
#include "services/event_registry/organization_store.h"
#include "services/event_registry/user_store.h"

namespace edcert::event_registry {

// New resources. Where the id may be left out, or is always ours, it comes from `ids`.
absl::StatusOr<Organization> FromProto(const registry::v1::CreateOrganizationRequest& request);
absl::StatusOr<User> FromProto(const registry::v1::CreateUserRequest& request);
absl::StatusOr<Category> FromProto(const registry::v1::CreateCategoryRequest& request,
                                   const ids::IdSource& ids);
absl::StatusOr<Member> FromProto(const registry::v1::AddMemberRequest& request,
                                 const ids::IdSource& ids);
absl::StatusOr<Event> FromProto(const registry::v1::CreateEventRequest& request,
                                const ids::IdSource& ids);

// Commands on resources that exist.
struct SetToolRights {
  names::UserName name;
  std::string etag;
  std::vector<ToolGrant> grants;
};
absl::StatusOr<SetToolRights> FromProto(const registry::v1::SetToolRightsRequest& request);

struct PublishCategory {
  names::CategoryName name;
  std::string etag;
};
absl::StatusOr<PublishCategory> FromProto(const registry::v1::PublishCategoryRequest& request);

struct UpdateEvent {
  names::EventName name;
  std::string etag;
  // Writes the fields of the mask, which are checked one by one already.
  std::function<absl::Status(EventDraft&)> change;
};
absl::StatusOr<UpdateEvent> FromProto(const registry::v1::UpdateEventRequest& request);

struct PublishEvent {
  names::EventName name;
  std::string etag;
  int rule_group_version;
};
absl::StatusOr<PublishEvent> FromProto(const registry::v1::PublishEventRequest& request);

struct CloseEvent {
  names::EventName name;
  std::string etag;
  std::string reason;
};
absl::StatusOr<CloseEvent> FromProto(const registry::v1::CloseEventRequest& request);

struct DeleteEvent {
  names::EventName name;
  std::string etag;
};
absl::StatusOr<DeleteEvent> FromProto(const registry::v1::DeleteEventRequest& request);

// Lists.
absl::StatusOr<OrganizationFilter> FromProto(const registry::v1::ListOrganizationsRequest& request);
absl::StatusOr<UserFilter> FromProto(const registry::v1::ListUsersRequest& request);
absl::StatusOr<CategoryFilter> FromProto(const registry::v1::ListCategoriesRequest& request);
absl::StatusOr<MemberFilter> FromProto(const registry::v1::ListMembersRequest& request);
absl::StatusOr<EventFilter> FromProto(const registry::v1::ListEventsRequest& request);

struct ResolveAccess {
  names::UserName user;
  Subject subject;
};
absl::StatusOr<ResolveAccess> FromProto(const registry::v1::ResolveAccessRequest& request);

}  // namespace edcert::event_registry
