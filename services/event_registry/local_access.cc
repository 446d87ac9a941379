#include "services/event_registry/local_access.h"

#include "common/access/registry_access.h"
#include "common/status/macros.h"
#include "services/event_registry/convert.h"
#include "services/event_registry/errors.h"

namespace edcert::event_registry {
namespace {

absl::StatusOr<Subject> SubjectOf(const access::Query& query) {
  Subject subject;
  subject.visible_events = query.visible_events;
  if (!query.event.empty()) {
    ASSIGN_OR_RETURN(subject.event, names::EventName::Parse(query.event, "event"));
  }
  if (!query.organization.empty()) {
    ASSIGN_OR_RETURN(subject.organization,
                     names::OrganizationName::Parse(query.organization, "organization"));
  }
  return subject;
}

std::vector<std::string> Ids(const std::vector<std::string>& organizations) {
  std::vector<std::string> ids;
  for (const std::string& name : organizations) ids.push_back(name.substr(name.find('/') + 1));
  return ids;
}

}  // namespace

absl::StatusOr<access::Access> LocalAccess::ResolveStateUser(const rpc::Call& call,
                                                             const access::Query& query) {
  ASSIGN_OR_RETURN(access::Access access, Resolve(call, query));
  if (!access.state_user) return StateUsersOnly();
  return access;
}

absl::StatusOr<access::Access> LocalAccess::Ask(const rpc::Call& call, const access::Query& query) {
  ASSIGN_OR_RETURN(const auto user, names::UserName::Parse(call.principal().user, "sub"));
  ASSIGN_OR_RETURN(const Subject subject, SubjectOf(query));
  const absl::Time now = clock_.Now();
  pg::Database db = call.db();
  const absl::StatusOr<Resolution> resolution =
      store_.Resolve(db, user, subject, calendar_.DayOf(now));
  if (resolution.status().code() == absl::StatusCode::kNotFound) {
    return UnknownCaller(user.ToString());
  }
  RETURN_IF_ERROR(resolution.status());
  // The same conversion as for everybody else who asks, so that the answers cannot differ.
  return access::AccessOf(ToProto(*resolution, calendar_, now));
}

absl::StatusOr<access::Access> LocalAccess::AskForService(const rpc::Call& call,
                                                          const access::Query& query) {
  ASSIGN_OR_RETURN(const Subject subject, SubjectOf(query));
  pg::Database db = call.db();
  access::Access access;
  access.state_user = true;
  access.in_scope = true;
  if (subject.organization.has_value()) {
    ASSIGN_OR_RETURN(const Organization organization,
                     organizations_.Get(db, *subject.organization, Scope::Everything()));
    access.organization_kind = static_cast<access::OrganizationKind>(organization.kind);
    if (organization.parent.has_value()) {
      access.organization_parent = organization.parent->ToString();
    }
    access.organization_display_name = organization.display_name;
  }
  if (subject.event.has_value()) {
    ASSIGN_OR_RETURN(const Event event, events_.Get(db, *subject.event));
    access.event = access::FactsOf(ToProto(event, calendar_, clock_.Now()));
    access.participates = access.event->Includes(query.organization);
  }
  return access;
}

Scope ScopeOf(const access::Access& access) {
  return {.everything = access.state_user,
          .organizations = Ids(access.scope_organizations),
          .districts = Ids(access.scope_districts)};
}

}  // namespace edcert::event_registry
