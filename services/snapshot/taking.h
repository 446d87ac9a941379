// Who may take a snapshot of what, and when: pure.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/snapshot/snapshot.h"

namespace edcert::snapshot {

// What is known about a request to take a snapshot.
struct TakingFacts {
  std::string event;
  std::string organization;
  bool has_user = false;
  // The service that calls, for a user or by itself; empty when a user calls directly.
  std::string service;
  bool state_user = false;
  bool approver = false;               // of the event's category
  bool certifier_or_reviewer = false;  // at the organisation
  bool participates = false;           // known to take part in the event
  bool retake = false;
  bool event_published = false;
  bool event_closed = false;
  bool event_ended = false;
  absl::Time snapshots_from;
  absl::Time now;
};

// Whether workflow calls for somebody: it has a certification only for those who take part, and it
// decides whether one that the event's end has passed may go on.
bool ThroughWorkflow(const TakingFacts& facts);

// The origin of the snapshot, or why it is refused: NOT_FOUND, NOT_PERMITTED, WINDOW_NOT_OPEN or
// WINDOW_CLOSED, in this order.
absl::StatusOr<Origin> DecideTaking(const TakingFacts& facts);

}  // namespace edcert::snapshot
