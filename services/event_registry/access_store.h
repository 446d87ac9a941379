// Who may do what, read from the tables in one round trip.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "common/names/names.h"
#include "common/pg/pg.h"
#include "services/event_registry/event.h"
#include "services/event_registry/member.h"
#include "services/event_registry/organization.h"
#include "services/event_registry/scope.h"
#include "services/event_registry/user.h"

namespace edcert::event_registry {

// A role that counts today, held by himself or as a delegate.
struct ResolvedRole {
  names::MemberName member;
  names::OrganizationName organization;
  MemberRole role;
  MemberRank rank;  // in which he acts
};

// The organisation that was asked about, when it is in scope.
struct AskedOrganization {
  names::OrganizationName name;
  OrganizationKind kind;
  std::optional<names::OrganizationName> parent;
  std::string display_name;
};

struct Resolution {
  names::UserName user;
  bool active = false;
  bool is_state_user = false;
  std::vector<ToolGrant> grants;
  Scope scope;
  int64_t membership_version = 0;
  std::vector<ResolvedRole> roles;
  std::optional<AskedOrganization> organization;
  std::optional<Event> event;  // without its participants; absent when he may not see it
  bool participates = false;   // the asked organisation in this event
  std::vector<names::EventName> visible_events;  // when asked for; none for a state user
};

// What a decision is about; both may be absent.
struct Subject {
  std::optional<names::EventName> event;
  std::optional<names::OrganizationName> organization;
  bool visible_events = false;  // whether they are asked for
};

// Thread-safe: holds nothing.
class AccessStore {
 public:
  // What a user may do on a day. NOT_FOUND when there is no such user.
  absl::StatusOr<Resolution> Resolve(pg::Querier& db, const names::UserName& user,
                                     const Subject& subject, absl::CivilDay today) const;
};

}  // namespace edcert::event_registry
