// Users, their assignments and their rights in PostgreSQL.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "common/pg/pg.h"
#include "services/event_registry/scope.h"
#include "services/event_registry/user.h"

namespace edcert::event_registry {

struct UserFilter {
  std::string organization;  // id; empty for all
  std::string display_name_contains;
  bool active_only = false;
};

// Thread-safe: holds nothing.
class UserStore {
 public:
  // Makes the administrator of a new installation; does nothing when the user exists.
  absl::Status InsertAdministrator(pg::Transaction& tx, const User& user) const;

  // NOT_FOUND when an organisation does not exist; FIELD_INVALID when an assignment with all
  // schools is not at a district; ALREADY_EXISTS when the id or staff id is taken.
  absl::StatusOr<User> Insert(pg::Transaction& tx, const User& user) const;

  // Replaces all rights. NOT_FOUND, ETAG_MISMATCH.
  absl::StatusOr<User> SetGrants(pg::Transaction& tx, const names::UserName& name,
                                 const std::string& etag,
                                 const std::vector<ToolGrant>& grants) const;

  // A user who has, or had, an assignment in the scope; NOT_FOUND otherwise.
  absl::StatusOr<User> Get(pg::Querier& db, const names::UserName& name, const Scope& scope) const;

  // At most `limit` users after the id `after`, by id, whose assignment has not ended on `today`.
  absl::StatusOr<std::vector<User>> List(pg::Querier& db, const Scope& scope,
                                         const UserFilter& filter, absl::CivilDay today,
                                         const std::string& after, int limit) const;

  // Whether a user works at an organisation, or in all schools of its district, on some day of an
  // interval.
  absl::StatusOr<bool> IsAssigned(pg::Querier& db, const names::UserName& user,
                                  const names::OrganizationName& organization, absl::CivilDay from,
                                  absl::CivilDay to) const;

 private:
  absl::StatusOr<bool> InsertRow(pg::Transaction& tx, const User& user,
                                 bool is_administrator) const;
};

// Raises the membership version; waits for another change of members, assignments or rights.
absl::Status RaiseMembershipVersion(pg::Transaction& tx);

}  // namespace edcert::event_registry
