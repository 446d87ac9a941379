#include "services/event_registry/organization_store.h"

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/event_registry/sql/organization.sql.h"
#include "services/event_registry/store_text.h"

namespace edcert::event_registry {
namespace {

Organization Read(const pg::Row& row) {
  return {.name = names::OrganizationName::FromId(row.View("organization_id")),
          .kind = kOrganizationKindText.From(row.View("kind")),
          .display_name = row.Text("display_name"),
          .parent = OptionalName<names::OrganizationName>(row, "parent_id"),
          .nces_id = row.Text("nces_id"),
          .open_date = OptionalDay(row, "open_date"),
          .close_date = OptionalDay(row, "close_date"),
          .grades_offered = row.TextArray("grades_offered"),
          .row_version = row.Int("row_version"),
          .create_time = row.Time("created_at"),
          .update_time = row.Time("updated_at")};
}

}  // namespace

absl::StatusOr<Organization> OrganizationStore::Insert(pg::Transaction& tx,
                                                       const Organization& organization) const {
  if (organization.parent.has_value()) {
    ASSIGN_OR_RETURN(const auto kinds, Kinds(tx, {*organization.parent}));
    if (!MayBeParent(kinds.at(*organization.parent), organization.kind)) {
      return status::FieldInvalid("organization.parent", "is of a kind that may not be the parent");
    }
  }
  ASSIGN_OR_RETURN(
      const pg::Result inserted,
      tx.Run(sql::kInsertOrganization, organization.name.id(),
             kOrganizationKindText.Of(organization.kind), organization.display_name,
             IdOf(organization.parent), organization.nces_id, OptionalText(organization.open_date),
             OptionalText(organization.close_date), organization.grades_offered));
  if (!inserted.empty()) return Read(inserted[0]);
  ASSIGN_OR_RETURN(const pg::Result taken,
                   tx.Run(sql::kGetKinds, std::vector{organization.name.id()}));
  if (!taken.empty()) return status::AlreadyExists(organization.name.ToString());
  return status::FieldInvalid("organization.kind", "the state education agency exists");
}

absl::StatusOr<Organization> OrganizationStore::Get(pg::Querier& db,
                                                    const names::OrganizationName& name,
                                                    const Scope& scope) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetOrganization, name.id(), scope.everything,
                                                 scope.organizations, scope.districts));
  if (rows.empty()) return status::NotFound(name.ToString());
  return Read(rows[0]);
}

absl::StatusOr<std::vector<Organization>> OrganizationStore::List(pg::Querier& db,
                                                                  const Scope& scope,
                                                                  const OrganizationFilter& filter,
                                                                  const std::string& after,
                                                                  int limit) const {
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      db.Run(sql::kListOrganizations, scope.everything, scope.organizations, scope.districts,
             filter.parent, filter.kind.has_value() ? kOrganizationKindText.Of(*filter.kind) : "",
             filter.display_name_contains, after, limit));
  std::vector<Organization> organizations;
  for (const pg::Row row : rows) organizations.push_back(Read(row));
  return organizations;
}

absl::StatusOr<std::map<names::OrganizationName, OrganizationKind>> OrganizationStore::Kinds(
    pg::Querier& db, const std::vector<names::OrganizationName>& names) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetKinds, IdsOf(names)));
  std::map<names::OrganizationName, OrganizationKind> kinds;
  for (const pg::Row row : rows) {
    kinds.emplace(names::OrganizationName::FromId(row.View("organization_id")),
                  kOrganizationKindText.From(row.View("kind")));
  }
  for (const names::OrganizationName& name : names) {
    if (!kinds.contains(name)) return status::NotFound(name.ToString());
  }
  return kinds;
}

}  // namespace edcert::event_registry
