#include "services/event_registry/event.h"

#include "common/fsm/fsm.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/event_registry/errors.h"

namespace edcert::event_registry {
namespace {

constexpr EnumText<EventAction, 4> kActionText{{{
    {EventAction::kUpdate, "update"},
    {EventAction::kPublish, "publish"},
    {EventAction::kClose, "close"},
    {EventAction::kDelete, "delete"},
}}};

constexpr bool StepsAreUnique() {
  for (std::size_t i = 0; i < kEventLifecycle.size(); ++i) {
    for (std::size_t j = i + 1; j < kEventLifecycle.size(); ++j) {
      if (kEventLifecycle[i].from == kEventLifecycle[j].from &&
          kEventLifecycle[i].action == kEventLifecycle[j].action) {
        return false;
      }
    }
  }
  return true;
}
static_assert(StepsAreUnique());

}  // namespace

absl::StatusOr<EventWindow> MakeWindow(const RequestedWindow& requested) {
  EventWindow window;
  window.start_date = requested.start_date;
  window.end_date = requested.end_date;
  window.certification_opens = requested.certification_opens.value_or(window.start_date);
  window.due_date = requested.due_date.value_or(window.end_date);
  window.snapshot_available = requested.snapshot_available.value_or(window.certification_opens);
  if (window.certification_opens < window.start_date) {
    return status::FieldInvalid("event.certification_opens", "must not be before start_date");
  }
  if (window.due_date < window.certification_opens) {
    return status::FieldInvalid(
        requested.due_date.has_value() ? "event.due_date" : "event.end_date",
        "must not be before certification_opens");
  }
  if (window.end_date < window.due_date) {
    return status::FieldInvalid("event.end_date", "must not be before due_date");
  }
  if (window.snapshot_available < window.start_date ||
      window.snapshot_available > window.end_date) {
    return status::FieldInvalid("event.snapshot_available", "must be in the event's window");
  }
  return window;
}

Phase PhaseOn(const Event& event, absl::CivilDay today) {
  const EventWindow& window = event.window;
  if (event.status == EventStatus::kClosed) return Phase::kClosed;
  if (today < window.start_date) return Phase::kBeforeStart;
  if (today < window.certification_opens) return Phase::kReview;
  if (today <= window.due_date) return Phase::kCertifying;
  if (today <= window.end_date) return Phase::kLate;
  return Phase::kEnded;
}

absl::StatusOr<std::optional<EventStatus>> Next(const Event& event, EventAction action) {
  const EventTransition* step = fsm::FindRow(kEventLifecycle, event.status, action,
                                             [](const EventTransition&) { return true; });
  if (step != nullptr) return step->to;
  const auto word = [](EventAction allowed) { return kActionText.Of(allowed); };
  return status::TransitionNotAllowed(
      event.name.ToString(), kEventStatusText.Of(event.status), word(action),
      fsm::Join(fsm::AllowedActions(kEventLifecycle, event.status), word));
}

absl::StatusOr<Event> Update(const Event& event,
                             absl::FunctionRef<absl::Status(EventDraft&)> change) {
  RETURN_IF_ERROR(Next(event, EventAction::kUpdate).status());
  const EventWindow& window = event.window;
  EventDraft draft = {event,
                      {.start_date = window.start_date,
                       .certification_opens = window.certification_opens,
                       .due_date = window.due_date,
                       .end_date = window.end_date,
                       .snapshot_available = window.snapshot_available}};
  RETURN_IF_ERROR(change(draft));
  ASSIGN_OR_RETURN(draft.event.window, MakeWindow(draft.window));
  if (draft.event.attestation_text != event.attestation_text) ++draft.event.attestation_version;
  return draft.event;
}

absl::StatusOr<Event> Publish(const Event& event, const Category& category, int rule_group_version,
                              absl::CivilDay today) {
  ASSIGN_OR_RETURN(const std::optional<EventStatus> next, Next(event, EventAction::kPublish));
  if (category.state() != CategoryState::kPublished) return CategoryInactive(category.name);
  if (event.participant_count == 0) return NoParticipants(event.name);
  if (event.window.end_date < today) {
    return status::FieldInvalid("end_date", "is past; an event that has ended is not published");
  }
  Event published = event;
  published.status = *next;
  published.live_version = event.draft_version;
  published.draft_version = 0;
  published.rule_group_version = rule_group_version;
  return published;
}

absl::StatusOr<Event> Close(const Event& event, const std::string& reason) {
  ASSIGN_OR_RETURN(const std::optional<EventStatus> next, Next(event, EventAction::kClose));
  Event closed = event;
  closed.status = *next;
  closed.close_reason = reason;
  return closed;
}

}  // namespace edcert::event_registry
