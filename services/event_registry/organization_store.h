// Organisations in PostgreSQL.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/pg.h"
#include "services/event_registry/organization.h"
#include "services/event_registry/scope.h"

namespace edcert::event_registry {

struct OrganizationFilter {
  std::string parent;  // id; empty for all
  std::optional<OrganizationKind> kind;
  std::string display_name_contains;
};

// Thread-safe: holds nothing.
class OrganizationStore {
 public:
  // NOT_FOUND when the parent does not exist; FIELD_INVALID when it is of a wrong kind or a second
  // SEA is made; ALREADY_EXISTS when the id is taken.
  absl::StatusOr<Organization> Insert(pg::Transaction& tx, const Organization& organization) const;

  // NOT_FOUND outside the scope too.
  absl::StatusOr<Organization> Get(pg::Querier& db, const names::OrganizationName& name,
                                   const Scope& scope) const;

  // At most `limit` organisations after the id `after`, by id.
  absl::StatusOr<std::vector<Organization>> List(pg::Querier& db, const Scope& scope,
                                                 const OrganizationFilter& filter,
                                                 const std::string& after, int limit) const;

  // The kind of each organisation. NOT_FOUND when one does not exist.
  absl::StatusOr<std::map<names::OrganizationName, OrganizationKind>> Kinds(
      pg::Querier& db, const std::vector<names::OrganizationName>& names) const;
};

}  // namespace edcert::event_registry
