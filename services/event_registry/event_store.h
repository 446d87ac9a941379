// Events in PostgreSQL.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "common/pg/pg.h"
#include "services/event_registry/event.h"
#include "services/event_registry/scope.h"
#include "services/event_registry/state_calendar.h"

namespace edcert::event_registry {

struct EventFilter {
  std::vector<EventStatus> statuses;  // empty for all
  std::string category;               // id; empty for all
  int reporting_year = 0;             // 0 for all
  std::string organization;           // id of a participant; empty for all
  std::optional<Level> level;
  std::string title_contains;
};

// A place in the list of events.
struct EventKey {
  absl::CivilDay due_date = kAlways;
  std::string event;
};

// Thread-safe: holds nothing.
class EventStore {
 public:
  // NOT_FOUND when a participant or an event of depends_on does not exist; FIELD_INVALID when a
  // participant is of another kind than the level's; ALREADY_EXISTS when the id is taken.
  absl::StatusOr<Event> Insert(pg::Transaction& tx, const Event& event) const;

  // One event without its participants. NOT_FOUND. Who may see it was decided before.
  absl::StatusOr<Event> Get(pg::Querier& db, const names::EventName& name) const;
  // The same with the participants in a scope.
  absl::StatusOr<Event> GetWithParticipants(pg::Querier& db, const names::EventName& name,
                                            const Scope& scope) const;
  // The same with all participants; nobody else changes it until the transaction ends. NOT_FOUND,
  // ETAG_MISMATCH.
  absl::StatusOr<Event> Lock(pg::Transaction& tx, const names::EventName& name,
                             const std::string& etag) const;

  // Writes the fields that a request may change from `before`, which is locked and UNPUBLISHED, to
  // `after`. NOT_FOUND and FIELD_INVALID as Insert, and FIELD_INVALID when its dependencies would
  // go round in a circle.
  absl::StatusOr<Event> Update(pg::Transaction& tx, const Event& before, const Event& after) const;

  // Writes a step of the lifecycle from `before`, which is locked, to `after`.
  absl::StatusOr<Event> Save(pg::Transaction& tx, const Event& before, const Event& after) const;

  // IN_USE when another event depends on it.
  absl::Status Delete(pg::Transaction& tx, const names::EventName& name) const;

  // At most `limit` events after the place `after`, by due date and id, that `user` may see.
  absl::StatusOr<std::vector<Event>> List(pg::Querier& db, const Scope& scope,
                                          const std::string& user, const EventFilter& filter,
                                          absl::CivilDay today, const EventKey& after,
                                          int limit) const;
};

// The event in a row with the columns of registry.event_detail.
Event ReadEvent(const pg::Row& row);

}  // namespace edcert::event_registry
