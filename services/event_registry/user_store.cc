#include "services/event_registry/user_store.h"

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/event_registry/errors.h"
#include "services/event_registry/organization_store.h"
#include "services/event_registry/sql/user.sql.h"
#include "services/event_registry/store_text.h"

namespace edcert::event_registry {
namespace {

User Read(const pg::Row& row) {
  User user{.name = names::UserName::FromId(row.View("user_id")),
            .display_name = row.Text("display_name"),
            .email = row.Text("email"),
            .staff_id = row.Text("staff_id"),
            .active = row.Bool("active"),
            .assignments = {},
            .grants = ReadGrants(row),
            .row_version = row.Int("row_version"),
            .create_time = row.Time("created_at"),
            .update_time = row.Time("updated_at")};
  const std::vector<std::string> organizations = row.TextArray("organizations");
  const std::vector<std::string> all_schools = row.TextArray("all_schools");
  const std::vector<std::string> valid_from = row.TextArray("valid_from");
  const std::vector<std::string> valid_to = row.TextArray("valid_to");
  for (std::size_t i = 0; i < organizations.size(); ++i) {
    user.assignments.push_back({.organization = names::OrganizationName::FromId(organizations[i]),
                                .all_schools = all_schools[i] == "t",
                                .valid_from = DayFromText(valid_from[i]),
                                .valid_to = DayFromText(valid_to[i])});
  }
  return user;
}

void InsertAssignments(pg::Transaction& tx, const User& user) {
  std::vector<std::string> organizations;
  std::vector<std::string> all_schools;
  std::vector<std::string> valid_from;
  std::vector<std::string> valid_to;
  for (const Assignment& assignment : user.assignments) {
    organizations.push_back(assignment.organization.id());
    all_schools.emplace_back(assignment.all_schools ? "t" : "f");
    valid_from.push_back(ToText(assignment.valid_from));
    valid_to.push_back(ToText(assignment.valid_to));
  }
  tx.Defer(sql::kInsertAssignments, user.name.id(), organizations, all_schools, valid_from,
           valid_to);
}

void InsertGrants(pg::Transaction& tx, const names::UserName& user,
                  const std::vector<ToolGrant>& grants) {
  std::vector<int64_t> tools;
  std::vector<int64_t> rights;
  for (const ToolGrant& grant : grants) {
    tools.push_back(grant.tool);
    rights.push_back(grant.rights);
  }
  tx.Defer(sql::kInsertGrants, user.id(), tools, rights);
}

absl::Status CheckAllSchools(pg::Querier& db, const std::vector<Assignment>& assignments) {
  std::vector<names::OrganizationName> names;
  for (const Assignment& assignment : assignments) names.push_back(assignment.organization);
  ASSIGN_OR_RETURN(const auto kinds, OrganizationStore().Kinds(db, names));
  for (const Assignment& assignment : assignments) {
    if (assignment.all_schools &&
        kinds.at(assignment.organization) != OrganizationKind::kDistrict) {
      return status::FieldInvalid("user.assignments.all_schools", "only at a district");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> UserStore::InsertRow(pg::Transaction& tx, const User& user,
                                          bool is_administrator) const {
  const std::optional<std::string> staff_id =
      user.staff_id.empty() ? std::nullopt : std::optional(user.staff_id);
  ASSIGN_OR_RETURN(const pg::Result inserted,
                   tx.Run(sql::kInsertUser, user.name.id(), user.display_name, user.email, staff_id,
                          user.active, is_administrator));
  return !inserted.empty();
}

absl::Status UserStore::InsertAdministrator(pg::Transaction& tx, const User& user) const {
  ASSIGN_OR_RETURN(const bool fresh, InsertRow(tx, user, /*is_administrator=*/true));
  if (!fresh) return absl::OkStatus();
  InsertGrants(tx, user.name, user.grants);
  return RaiseMembershipVersion(tx);
}

absl::StatusOr<User> UserStore::Insert(pg::Transaction& tx, const User& user) const {
  RETURN_IF_ERROR(CheckAllSchools(tx, user.assignments));
  ASSIGN_OR_RETURN(const bool fresh, InsertRow(tx, user, /*is_administrator=*/false));
  if (!fresh) {
    const bool id_taken = Get(tx, user.name, Scope::Everything()).ok();
    return id_taken ? status::AlreadyExists(user.name.ToString()) : StaffIdTaken(user.staff_id);
  }
  InsertAssignments(tx, user);
  InsertGrants(tx, user.name, user.grants);
  RETURN_IF_ERROR(RaiseMembershipVersion(tx));
  return Get(tx, user.name, Scope::Everything());
}

absl::StatusOr<User> UserStore::SetGrants(pg::Transaction& tx, const names::UserName& name,
                                          const std::string& etag,
                                          const std::vector<ToolGrant>& grants) const {
  tx.Defer(sql::kLockUser, name.id());
  ASSIGN_OR_RETURN(const User before, Get(tx, name, Scope::Everything()));
  RETURN_IF_ERROR(CheckEtag(name.ToString(), before.row_version, etag));
  tx.Defer(sql::kDeleteGrants, name.id());
  InsertGrants(tx, name, grants);
  tx.Defer(sql::kTouchUser, name.id());
  RETURN_IF_ERROR(RaiseMembershipVersion(tx));
  return Get(tx, name, Scope::Everything());
}

absl::StatusOr<User> UserStore::Get(pg::Querier& db, const names::UserName& name,
                                    const Scope& scope) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetUser, name.id(), scope.everything,
                                                 scope.organizations, scope.districts));
  if (rows.empty()) return status::NotFound(name.ToString());
  return Read(rows[0]);
}

absl::StatusOr<std::vector<User>> UserStore::List(pg::Querier& db, const Scope& scope,
                                                  const UserFilter& filter, absl::CivilDay today,
                                                  const std::string& after, int limit) const {
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      db.Run(sql::kListUsers, scope.everything, scope.organizations, scope.districts, ToText(today),
             filter.organization, filter.display_name_contains, filter.active_only, after, limit));
  std::vector<User> users;
  for (const pg::Row row : rows) users.push_back(Read(row));
  return users;
}

absl::StatusOr<bool> UserStore::IsAssigned(pg::Querier& db, const names::UserName& user,
                                           const names::OrganizationName& organization,
                                           absl::CivilDay from, absl::CivilDay to) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kIsAssigned, user.id(), organization.id(),
                                                 ToText(from), ToText(to)));
  return rows[0].Bool("assigned");
}

absl::Status RaiseMembershipVersion(pg::Transaction& tx) {
  return tx.Run(sql::kRaiseMembershipVersion).status();
}

}  // namespace edcert::event_registry
