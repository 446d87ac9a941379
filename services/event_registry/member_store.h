// Members of categories in PostgreSQL.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "services/event_registry/member.h"
#include "services/event_registry/scope.h"

namespace edcert::event_registry {

struct MemberFilter {
  std::string category;  // ids; empty for all
  std::string organization;
  std::string user;
  bool active_only = false;
  std::optional<absl::Time> at = std::nullopt;  // members of this instant; of now without it
};

// A place in the list of members.
struct MemberKey {
  std::string category;
  std::string member;
};

// Thread-safe: holds nothing.
class MemberStore {
 public:
  // ALREADY_EXISTS when the user has this role there on one of these days. The caller has raised
  // the membership version in this transaction, so no twin comes between.
  absl::StatusOr<Member> Insert(pg::Transaction& tx, const Member& member) const;

  // Outside the state only of published categories. NOT_FOUND.
  absl::StatusOr<Member> Get(pg::Querier& db, const names::MemberName& name,
                             const Scope& scope) const;

  // At most `limit` members after the place `after`, by category and id; `today` is the day of the
  // instant that the filter names.
  absl::StatusOr<std::vector<Member>> List(pg::Querier& db, const Scope& scope,
                                           const MemberFilter& filter, absl::CivilDay today,
                                           const MemberKey& after, int limit) const;

  // Takes a member away; a list at an earlier instant still has him.
  void Delete(pg::Transaction& tx, const names::MemberName& name) const;
};

}  // namespace edcert::event_registry
