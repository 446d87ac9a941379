#include "services/event_registry/access_store.h"

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/event_registry/event_store.h"
#include "services/event_registry/sql/access.sql.h"
#include "services/event_registry/store_text.h"

namespace edcert::event_registry {
namespace {

std::vector<ResolvedRole> ReadRoles(const pg::Row& row, const names::CategoryName& category) {
  std::vector<ResolvedRole> resolved;
  const std::vector<std::string> members = row.TextArray("role_members");
  const std::vector<std::string> organizations = row.TextArray("role_organizations");
  const std::vector<std::string> roles = row.TextArray("role_roles");
  const std::vector<std::string> ranks = row.TextArray("role_ranks");
  for (std::size_t i = 0; i < members.size(); ++i) {
    resolved.push_back({.member = names::MemberName::FromIds(category.id(), members[i]),
                        .organization = names::OrganizationName::FromId(organizations[i]),
                        .role = kMemberRoleText.From(roles[i]),
                        .rank = kMemberRankText.From(ranks[i])});
  }
  return resolved;
}

AskedOrganization ReadOrganization(const pg::Row& row) {
  return {.name = names::OrganizationName::FromId(row.View("organization_id")),
          .kind = kOrganizationKindText.From(row.View("organization_kind")),
          .parent = OptionalName<names::OrganizationName>(row, "organization_parent"),
          .display_name = row.Text("organization_display_name")};
}

// The events that the list of events shows to somebody outside the state.
absl::StatusOr<std::vector<names::EventName>> VisibleEvents(pg::Querier& db,
                                                            const Resolution& resolution,
                                                            absl::CivilDay today) {
  constexpr int kPageSize = 1000;
  std::vector<names::EventName> visible;
  EventKey after;
  std::vector<Event> page;
  do {
    ASSIGN_OR_RETURN(page, EventStore().List(db, resolution.scope, resolution.user.id(), {}, today,
                                             after, kPageSize));
    for (const Event& event : page) {
      visible.push_back(event.name);
      after = {event.window.due_date, event.name.id()};
    }
  } while (page.size() == kPageSize);
  return visible;
}

}  // namespace

absl::StatusOr<Resolution> AccessStore::Resolve(pg::Querier& db, const names::UserName& user,
                                                const Subject& subject,
                                                absl::CivilDay today) const {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kResolve, user.id(), IdOf(subject.event).value_or(""),
                          IdOf(subject.organization).value_or(""), ToText(today)));
  if (rows.empty()) return status::NotFound(user.ToString());
  const pg::Row row = rows[0];
  Resolution resolution{.user = user,
                        .active = row.Bool("active"),
                        .is_state_user = row.Bool("is_state_user"),
                        .grants = ReadGrants(row),
                        .scope = {.everything = row.Bool("is_state_user"),
                                  .organizations = row.TextArray("scope_organizations"),
                                  .districts = row.TextArray("scope_districts")},
                        .membership_version = row.Int("membership_version"),
                        .roles = {},
                        .organization = std::nullopt,
                        .event = std::nullopt,
                        .participates = row.Bool("participates"),
                        .visible_events = {}};
  if (row.Has("organization_id")) resolution.organization = ReadOrganization(row);
  if (row.Has("event_id")) {
    resolution.event = ReadEvent(row);
    resolution.roles = ReadRoles(row, resolution.event->category);
  }
  if (subject.visible_events && resolution.active && !resolution.is_state_user) {
    ASSIGN_OR_RETURN(resolution.visible_events, VisibleEvents(db, resolution, today));
  }
  return resolution;
}

}  // namespace edcert::event_registry
