// The life of a certification as one table, and the pure function that decides a move.
//
// docs/state_machine.md is printed from this table (certification_page.h). From, action and guard
// tell a row; whatever is not here is refused.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/fsm/fsm.h"
#include "services/workflow/steps.h"

namespace edcert::workflow {

// What an organisation has reached. The numbers are those of the wire (convert.cc asserts it).
enum class State {
  kNone = 0,  // does not exist yet
  kInProgress = 1,
  kSent = 2,
  kApproved = 3,
  kRecertRequested = 4,
  kRecertInProgress = 5,
  kExempt = 6,
  kWithdrawn = 7,
};

enum class Action {
  kOpen = 1,
  kSubmit = 2,
  kRosterChange = 3,
  kApprove = 4,
  kReturn = 5,
  kRequestRecertification = 6,
  kDenyRequest = 7,
  kWithdrawRequest = 8,
  kExpireRequest = 9,
  kCancelRecertification = 10,
  kExempt = 11,
  kWithdraw = 12,
};

// Who may do an action.
enum class Actor {
  kSystem,        // this service, because the registry changed
  kCertifier,     // an effective certifier of the organisation
  kRequester,     // the user whose request is pending
  kApprover,      // an approver of the category, at the state
  kEventManager,  // a person of the state who manages events
};

// A guard chooses the row of a (state, action) by its case, then asks its conditions, in order.
enum class Guard {
  kAlways,
  kOthersOutstanding,  // what signing asks for, and somebody else has still to sign
  kLastOutstanding,    // what signing asks for, and nobody else has to sign
  kNoneOutstanding,    // at least one signature, and nobody has to sign any more
  kSentSnapshot,       // the approver reviewed what was sent
  kAdministrative,     // reason, sealed snapshot without fatal findings
  kEventNotClosed,
  kAllSigned,           // every required certifier has signed
  kCameFromSent,        // it was SENT before the request
  kCameFromApproved,    // it was APPROVED before the request
  kRoundAfterSent,      // it was SENT before the round
  kRoundAfterApproved,  // it was APPROVED before the round
};

// What happens with the move; certification.h performs it.
enum class Effect {
  kCreate,
  kSign,         // store the signature
  kSignAndSend,  // and make the candidate the certified snapshot
  kSend,         // the same without a new signature
  kApprove,
  kApproveAdministratively,  // mark it; a pending request ends
  kStartRound,               // next round, void its signatures, a due date of its own
  kAskState,                 // store the request
  kDeny,
  kWithdrawRequest,
  kExpireRequest,
  kReinstate,  // the signatures of the round before count again
  kExcuse,
};

using Transition = fsm::Transition<State, Action, Actor, Guard, Effect>;

inline constexpr std::array kStates = {
    State::kInProgress,       State::kSent,   State::kApproved,  State::kRecertRequested,
    State::kRecertInProgress, State::kExempt, State::kWithdrawn,
};
inline constexpr std::array kStatesWithNone = {
    State::kNone,     State::kInProgress,      State::kSent,
    State::kApproved, State::kRecertRequested, State::kRecertInProgress,
    State::kExempt,   State::kWithdrawn,
};
inline constexpr std::array kTerminalStates = {State::kExempt, State::kWithdrawn};
inline constexpr std::array kActions = {
    Action::kOpen,          Action::kSubmit,
    Action::kRosterChange,  Action::kApprove,
    Action::kReturn,        Action::kRequestRecertification,
    Action::kDenyRequest,   Action::kWithdrawRequest,
    Action::kExpireRequest, Action::kCancelRecertification,
    Action::kExempt,        Action::kWithdraw,
};

inline constexpr std::array kGuards = {
    Guard::kAlways,           Guard::kOthersOutstanding, Guard::kLastOutstanding,
    Guard::kNoneOutstanding,  Guard::kSentSnapshot,      Guard::kAdministrative,
    Guard::kEventNotClosed,   Guard::kAllSigned,         Guard::kCameFromSent,
    Guard::kCameFromApproved, Guard::kRoundAfterSent,    Guard::kRoundAfterApproved,
};

// clang-format off
inline constexpr std::array kTransitions = {
  //         from                      action                           to                        who                   guard                       effect
  Transition{State::kNone,             Action::kOpen,                   State::kInProgress,       Actor::kSystem,       Guard::kAlways,             Effect::kCreate},
  Transition{State::kInProgress,       Action::kSubmit,                 State::kInProgress,       Actor::kCertifier,    Guard::kOthersOutstanding,  Effect::kSign},
  Transition{State::kInProgress,       Action::kSubmit,                 State::kSent,             Actor::kCertifier,    Guard::kLastOutstanding,    Effect::kSignAndSend},
  Transition{State::kInProgress,       Action::kRosterChange,           State::kSent,             Actor::kSystem,       Guard::kNoneOutstanding,    Effect::kSend},
  Transition{State::kSent,             Action::kApprove,                State::kApproved,         Actor::kApprover,     Guard::kSentSnapshot,       Effect::kApprove},
  Transition{State::kInProgress,       Action::kApprove,                State::kApproved,         Actor::kApprover,     Guard::kAdministrative,     Effect::kApproveAdministratively},
  Transition{State::kRecertInProgress, Action::kApprove,                State::kApproved,         Actor::kApprover,     Guard::kAdministrative,     Effect::kApproveAdministratively},
  Transition{State::kRecertRequested,  Action::kApprove,                State::kApproved,         Actor::kApprover,     Guard::kAdministrative,     Effect::kApproveAdministratively},
  Transition{State::kSent,             Action::kReturn,                 State::kRecertInProgress, Actor::kApprover,     Guard::kEventNotClosed,     Effect::kStartRound},
  Transition{State::kApproved,         Action::kReturn,                 State::kRecertInProgress, Actor::kApprover,     Guard::kEventNotClosed,     Effect::kStartRound},
  Transition{State::kSent,             Action::kRequestRecertification, State::kRecertRequested,  Actor::kCertifier,    Guard::kAllSigned,          Effect::kAskState},
  Transition{State::kApproved,         Action::kRequestRecertification, State::kRecertRequested,  Actor::kCertifier,    Guard::kAllSigned,          Effect::kAskState},
  Transition{State::kRecertRequested,  Action::kReturn,                 State::kRecertInProgress, Actor::kApprover,     Guard::kEventNotClosed,     Effect::kStartRound},
  Transition{State::kRecertRequested,  Action::kDenyRequest,            State::kSent,             Actor::kApprover,     Guard::kCameFromSent,       Effect::kDeny},
  Transition{State::kRecertRequested,  Action::kDenyRequest,            State::kApproved,         Actor::kApprover,     Guard::kCameFromApproved,   Effect::kDeny},
  Transition{State::kRecertRequested,  Action::kWithdrawRequest,        State::kSent,             Actor::kRequester,    Guard::kCameFromSent,       Effect::kWithdrawRequest},
  Transition{State::kRecertRequested,  Action::kWithdrawRequest,        State::kApproved,         Actor::kRequester,    Guard::kCameFromApproved,   Effect::kWithdrawRequest},
  Transition{State::kRecertRequested,  Action::kExpireRequest,          State::kSent,             Actor::kSystem,       Guard::kCameFromSent,       Effect::kExpireRequest},
  Transition{State::kRecertRequested,  Action::kExpireRequest,          State::kApproved,         Actor::kSystem,       Guard::kCameFromApproved,   Effect::kExpireRequest},
  Transition{State::kRecertInProgress, Action::kSubmit,                 State::kRecertInProgress, Actor::kCertifier,    Guard::kOthersOutstanding,  Effect::kSign},
  Transition{State::kRecertInProgress, Action::kSubmit,                 State::kSent,             Actor::kCertifier,    Guard::kLastOutstanding,    Effect::kSignAndSend},
  Transition{State::kRecertInProgress, Action::kCancelRecertification,  State::kSent,             Actor::kApprover,     Guard::kRoundAfterSent,     Effect::kReinstate},
  Transition{State::kRecertInProgress, Action::kCancelRecertification,  State::kApproved,         Actor::kApprover,     Guard::kRoundAfterApproved, Effect::kReinstate},
  Transition{State::kInProgress,       Action::kExempt,                 State::kExempt,           Actor::kEventManager, Guard::kEventNotClosed,     Effect::kExcuse},
  Transition{State::kSent,             Action::kExempt,                 State::kExempt,           Actor::kEventManager, Guard::kEventNotClosed,     Effect::kExcuse},
  Transition{State::kApproved,         Action::kExempt,                 State::kExempt,           Actor::kEventManager, Guard::kEventNotClosed,     Effect::kExcuse},
  Transition{State::kRecertRequested,  Action::kExempt,                 State::kExempt,           Actor::kEventManager, Guard::kEventNotClosed,     Effect::kExcuse},
  Transition{State::kRecertInProgress, Action::kExempt,                 State::kExempt,           Actor::kEventManager, Guard::kEventNotClosed,     Effect::kExcuse},
  Transition{State::kInProgress,       Action::kWithdraw,               State::kWithdrawn,        Actor::kSystem,       Guard::kAlways,             Effect::kExcuse},
  Transition{State::kSent,             Action::kWithdraw,               State::kWithdrawn,        Actor::kSystem,       Guard::kAlways,             Effect::kExcuse},
  Transition{State::kApproved,         Action::kWithdraw,               State::kWithdrawn,        Actor::kSystem,       Guard::kAlways,             Effect::kExcuse},
  Transition{State::kRecertRequested,  Action::kWithdraw,               State::kWithdrawn,        Actor::kSystem,       Guard::kAlways,             Effect::kExcuse},
  Transition{State::kRecertInProgress, Action::kWithdraw,               State::kWithdrawn,        Actor::kSystem,       Guard::kAlways,             Effect::kExcuse},
};
// clang-format on

// Calls of the wizard that change no state, and in which states they are allowed.
enum class WizardCall { kStart, kGenerateReport, kTakeSnapshot, kRetakeSnapshot };
inline constexpr std::array kWizardStates = {State::kInProgress, State::kRecertInProgress};

// Where `now` is in a window.
enum class Window { kBefore, kOpen, kEnded };

// Everything a decision depends on, as it was seen: who acts, the event, the steps, the snapshot.
struct Facts {
  std::string certification;  // resource names, for messages
  std::string event;

  // Who acts.
  bool system = false;
  bool certifier = false;
  bool approver = false;
  bool event_manager = false;
  bool has_request = false;    // a request is pending
  bool own_request = false;    // and it is the actor's
  bool belongs_here = false;   // an approver with a role or assignment at this organisation
  bool own_signature = false;  // a signature that counts is the actor's

  // What was given.
  bool reason_given = true;

  // The event.
  bool event_started = true;
  bool event_closed = false;
  bool certifying_opened = true;   // for the state: not before certification opens
  Window signing = Window::kOpen;  // of the event, or of the round
  absl::Time starts, opens, ends;  // for messages; the end is that of signing

  // The roster and its signatures.
  bool signed_already = false;
  int others_outstanding = 0;
  int signatures = 0;
  bool all_signed = false;
  State came_from = State::kNone;  // before the pending request or the present round

  // The wizard, as the actor sees it.
  std::array<StepFact, 3> steps;

  // The snapshot.
  bool snapshot_matches = true;  // it is the candidate (to approve: what was sent, the newest)
  bool snapshot_sealed = true;
  bool snapshot_empty = false;
  bool zero_attested = false;  // the signer attests it and the event allows it
  bool snapshot_clear = true;  // to approve: its report is completed without fatal findings
  std::vector<std::string> unexplained_rules;  // with special warnings that nobody explained
  bool warnings = false;
  bool warnings_acknowledged = false;
  bool attestation_current = true;
  std::string uncertified_dependency;  // an event that must be certified first; empty when none
};

// What a guard asks, each with its own reason.
enum class Condition {
  kReasonGiven,
  kEventStarted,
  kEventNotClosed,
  kCertifyingOpened,
  kSigningOpened,
  kSigningNotEnded,
  kNotSigned,
  kStepsMade,
  kReportsViewed,
  kNoFatalFindings,
  kSnapshotMatches,
  kSnapshotSealed,
  kWarningsExplained,
  kWarningsAcknowledged,
  kDependenciesCertified,
  kSnapshotNotEmpty,
  kAttestationCurrent,
  kAllSigned,
  kSnapshotClear,
};

// A move that may be made.
struct Decision {
  State to;
  Effect effect;
};

// Whether the actor may do the action at all, whatever the state: NOT_PERMITTED, SELF_APPROVAL.
absl::Status CheckActor(Action action, const Facts& facts);

// Whether the table has the action in a state, under any guard; TRANSITION_NOT_ALLOWED when not.
absl::Status CheckAllowed(State state, Action action, const std::string& certification);

// The conditions of a guard, in the order in which they are asked.
std::span<const Condition> ConditionsOf(Guard guard);

// Decides a move: permission, then whether the table has it (TRANSITION_NOT_ALLOWED), then the
// guard's conditions in their order, each with its own reason. Pure.
absl::StatusOr<Decision> Decide(State state, Action action, const Facts& facts);

// Whether a call of the wizard is allowed in a state; TRANSITION_NOT_ALLOWED when not.
absl::Status CheckCall(WizardCall call, State state, const std::string& certification);

// The refusal of a condition that does not hold; OK when it does.
absl::Status Check(Condition condition, const Facts& facts);

}  // namespace edcert::workflow
