// Who may do what, for the handlers of the registry itself: from its own tables.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/access/access.h"
#include "common/clock/clock.h"
#include "services/event_registry/access_store.h"
#include "services/event_registry/event_store.h"
#include "services/event_registry/organization_store.h"
#include "services/event_registry/scope.h"
#include "services/event_registry/state_calendar.h"

namespace edcert::event_registry {

// Thread-safe.
class LocalAccess final : public access::Resolver {
 public:
  LocalAccess(const StateCalendar& calendar, const clock::Clock& clock)
      : calendar_(calendar), clock_(clock) {}

  // Resolve, and NOT_PERMITTED for people outside the state.
  absl::StatusOr<access::Access> ResolveStateUser(const rpc::Call& call,
                                                  const access::Query& query);

 protected:
  absl::StatusOr<access::Access> Ask(const rpc::Call& call, const access::Query& query) override;
  absl::StatusOr<access::Access> AskForService(const rpc::Call& call,
                                               const access::Query& query) override;

 private:
  const StateCalendar& calendar_;
  const clock::Clock& clock_;
  AccessStore store_;
  OrganizationStore organizations_;
  EventStore events_;
};

// What the stores may show to somebody with this access.
Scope ScopeOf(const access::Access& access);

}  // namespace edcert::event_registry
