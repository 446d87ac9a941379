// Certification events: what is certified, by whom and when; and their life.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/names/names.h"
#include "services/event_registry/category.h"
#include "services/event_registry/enum_text.h"

namespace edcert::event_registry {

// kUnpublishedChanges is for a later version: nothing makes it.
enum class EventStatus { kUnpublished = 1, kPublished, kUnpublishedChanges, kClosed };

inline constexpr EnumText<EventStatus, 4> kEventStatusText{{{
    {EventStatus::kUnpublished, "UNPUBLISHED"},
    {EventStatus::kPublished, "PUBLISHED"},
    {EventStatus::kUnpublishedChanges, "UNPUBLISHED_CHANGES"},
    {EventStatus::kClosed, "CLOSED"},
}}};

enum class EventAction { kUpdate, kPublish, kClose, kDelete };

// One step in the life of an event; without `to` the event is gone.
struct EventTransition {
  using Action = EventAction;
  EventStatus from;
  EventAction action;
  std::optional<EventStatus> to;
};

// The whole machine. What is not here is refused.
// clang-format off
inline constexpr std::array kEventLifecycle = {
  EventTransition{EventStatus::kUnpublished, EventAction::kUpdate,  EventStatus::kUnpublished},
  EventTransition{EventStatus::kUnpublished, EventAction::kPublish, EventStatus::kPublished},
  EventTransition{EventStatus::kPublished,   EventAction::kClose,   EventStatus::kClosed},
  EventTransition{EventStatus::kUnpublished, EventAction::kDelete,  std::nullopt},
};
// clang-format on

enum class Phase { kBeforeStart = 1, kReview, kCertifying, kLate, kEnded, kClosed };

// The days of an event, in the state's time zone.
struct EventWindow {
  absl::CivilDay start_date;
  absl::CivilDay certification_opens;
  absl::CivilDay due_date;
  absl::CivilDay end_date;
  absl::CivilDay snapshot_available;
};

struct Event {
  names::EventName name;
  std::string title;
  std::string description;
  int reporting_year = 0;
  std::vector<names::DatasetName> datasets;
  names::CategoryName category;
  Level level = Level::kDistrict;
  names::RuleGroupName rule_group;
  EventWindow window;
  std::vector<names::OrganizationName> participants;  // only where asked for
  int participant_count = 0;
  std::string attestation_text;
  int attestation_version = 1;
  bool allows_zero_attestation = false;
  std::vector<names::EventName> depends_on;
  EventStatus status = EventStatus::kUnpublished;
  int live_version = 0;   // what participants see; 0 before the first publishing
  int draft_version = 1;  // what waits for publishing; 0 when there is none
  int rule_group_version = 0;
  std::string close_reason;
  // Set by the store.
  int64_t row_version = 0;
  absl::Time create_time;
  absl::Time update_time;
  std::optional<absl::Time> publish_time;
  std::optional<absl::Time> close_time;
};

// The days of a window as a request gives them: some may be left open.
struct RequestedWindow {
  absl::CivilDay start_date;
  std::optional<absl::CivilDay> certification_opens;
  std::optional<absl::CivilDay> due_date;
  absl::CivilDay end_date;
  std::optional<absl::CivilDay> snapshot_available;
};

// Fills in the defaults; FIELD_INVALID below `event` unless start <= opens <= due <= end and the
// snapshot is available inside.
absl::StatusOr<EventWindow> MakeWindow(const RequestedWindow& requested);

// An event that is being written: its days are judged together, when all are known.
struct EventDraft {
  Event event;
  RequestedWindow window;
};

// The event after `change` has written into its draft; the text's version rises with the text.
// TRANSITION_NOT_ALLOWED, FIELD_INVALID, or what `change` answers.
absl::StatusOr<Event> Update(const Event& event,
                             absl::FunctionRef<absl::Status(EventDraft&)> change);

// Where `today` is in the event's window.
Phase PhaseOn(const Event& event, absl::CivilDay today);

// The status after an action; TRANSITION_NOT_ALLOWED when the table has no such step.
absl::StatusOr<std::optional<EventStatus>> Next(const Event& event, EventAction action);

// The event after publishing it: the draft is live and the version of the rule group is pinned.
// TRANSITION_NOT_ALLOWED, CATEGORY_INACTIVE, NO_PARTICIPANTS, or FIELD_INVALID when the end date is
// past.
absl::StatusOr<Event> Publish(const Event& event, const Category& category, int rule_group_version,
                              absl::CivilDay today);

// The event after closing it. TRANSITION_NOT_ALLOWED.
absl::StatusOr<Event> Close(const Event& event, const std::string& reason);

}  // namespace edcert::event_registry
