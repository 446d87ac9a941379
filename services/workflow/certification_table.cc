#include "services/workflow/certification_table.h"

#include <algorithm>
#include <initializer_list>
#include <span>
#include <utility>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/workflow/errors.h"

namespace edcert::workflow {
namespace {

constexpr std::array kStatesWithNone = {
    State::kNone,     State::kInProgress,      State::kSent,
    State::kApproved, State::kRecertRequested, State::kRecertInProgress,
    State::kExempt,   State::kWithdrawn,
};
constexpr std::array kActors = {Actor::kSystem, Actor::kCertifier, Actor::kRequester,
                                Actor::kApprover, Actor::kEventManager};
constexpr std::array kGuards = {
    Guard::kAlways,           Guard::kOthersOutstanding, Guard::kLastOutstanding,
    Guard::kNoneOutstanding,  Guard::kSentSnapshot,      Guard::kAdministrative,
    Guard::kEventNotClosed,   Guard::kAllSigned,         Guard::kCameFromSent,
    Guard::kCameFromApproved, Guard::kRoundAfterSent,    Guard::kRoundAfterApproved,
};
constexpr std::array kEffects = {
    Effect::kCreate,        Effect::kSign,
    Effect::kSignAndSend,   Effect::kSend,
    Effect::kApprove,       Effect::kApproveAdministratively,
    Effect::kStartRound,    Effect::kAskState,
    Effect::kDeny,          Effect::kWithdrawRequest,
    Effect::kExpireRequest, Effect::kReinstate,
    Effect::kExcuse,
};

static_assert(fsm::UniqueRows(kTransitions));
static_assert(fsm::AllReachable(kTransitions, kStates, State::kNone));
static_assert(fsm::OnlyTerminalsEnd(kTransitions, kStatesWithNone, kTerminalStates));
static_assert(fsm::OneRolePerAction(kTransitions));
static_assert(fsm::UsesExactly(kTransitions, &Transition::action, kActions));
static_assert(fsm::UsesExactly(kTransitions, &Transition::role, kActors));
static_assert(fsm::UsesExactly(kTransitions, &Transition::guard, kGuards));
static_assert(fsm::UsesExactly(kTransitions, &Transition::effect, kEffects));
// Nothing leads back to not existing.
static_assert(std::none_of(kTransitions.begin(), kTransitions.end(),
                           [](const Transition& row) { return row.to == State::kNone; }));

// G-SUBMIT, in the order of the specification; the snapshot's identity and seal go before what is
// said about its content.
constexpr std::array kSubmitConditions = {
    Condition::kEventStarted,
    Condition::kEventNotClosed,
    Condition::kSigningOpened,
    Condition::kSigningNotEnded,
    Condition::kNotSigned,
    Condition::kStepsMade,
    Condition::kReportsViewed,
    Condition::kNoFatalFindings,
    Condition::kSnapshotMatches,
    Condition::kSnapshotSealed,
    Condition::kWarningsAcknowledged,
    Condition::kDependenciesCertified,
    Condition::kSnapshotNotEmpty,
    Condition::kAttestationCurrent,
};
constexpr std::array kApproveConditions = {
    Condition::kEventStarted,
    Condition::kEventNotClosed,
    Condition::kCertifyingOpened,
    Condition::kSnapshotMatches,
};
constexpr std::array kAdministrativeConditions = {
    Condition::kReasonGiven,     Condition::kEventStarted,   Condition::kEventNotClosed,
    Condition::kSnapshotMatches, Condition::kSnapshotSealed, Condition::kSnapshotClear,
};
constexpr std::array kNotClosedConditions = {Condition::kEventNotClosed};
constexpr std::array kAllSignedConditions = {Condition::kEventNotClosed, Condition::kAllSigned};

struct GuardInfo {
  Guard guard;
  // Whether this row of its (state, action) is the one; rows of one pair exclude each other.
  bool (*applies)(const Facts&);
  std::span<const Condition> conditions;
};

bool Always(const Facts&) { return true; }
bool CameFromSent(const Facts& facts) { return facts.came_from != State::kApproved; }
bool CameFromApproved(const Facts& facts) { return facts.came_from == State::kApproved; }

// Indexed by Guard.
constexpr GuardInfo kGuardInfos[] = {
    {Guard::kAlways, Always, {}},
    {Guard::kOthersOutstanding, [](const Facts& facts) { return facts.others_outstanding > 0; },
     kSubmitConditions},
    {Guard::kLastOutstanding, [](const Facts& facts) { return facts.others_outstanding == 0; },
     kSubmitConditions},
    {Guard::kNoneOutstanding,
     [](const Facts& facts) { return facts.signatures > 0 && facts.all_signed; },
     {}},
    {Guard::kSentSnapshot, Always, kApproveConditions},
    {Guard::kAdministrative, Always, kAdministrativeConditions},
    {Guard::kEventNotClosed, Always, kNotClosedConditions},
    {Guard::kAllSigned, Always, kAllSignedConditions},
    {Guard::kCameFromSent, CameFromSent, {}},
    {Guard::kCameFromApproved, CameFromApproved, {}},
    {Guard::kRoundAfterSent, CameFromSent, kNotClosedConditions},
    {Guard::kRoundAfterApproved, CameFromApproved, kNotClosedConditions},
};
static_assert([] {
  for (std::size_t i = 0; i < std::size(kGuardInfos); ++i) {
    if (static_cast<std::size_t>(kGuardInfos[i].guard) != i) return false;
  }
  return std::size(kGuardInfos) == kGuards.size();
}());

const GuardInfo& InfoOf(Guard guard) { return kGuardInfos[static_cast<std::size_t>(guard)]; }

Actor ActorOf(Action action) {
  for (const Transition& row : kTransitions) {
    if (row.action == action) return row.role;
  }
  return Actor::kSystem;
}

std::string AllowedIn(State state) {
  return fsm::Join(
      fsm::AllowedActions(kTransitions, state), [](Action action) { return NameOf(action); }, ",");
}

// The first refusal among the steps that `asks` about.
absl::Status CheckSteps(const Facts& facts, std::initializer_list<StepState> asked) {
  for (std::size_t i = 0; i < facts.steps.size(); ++i) {
    const StepFact& step = facts.steps[i];
    if (std::find(asked.begin(), asked.end(), step.state) != asked.end()) {
      return CheckCompleted(static_cast<int>(i) + 1, step.state, step.report);
    }
  }
  return absl::OkStatus();
}

absl::Status Unless(bool holds, absl::Status refusal) {
  return holds ? absl::OkStatus() : std::move(refusal);
}

// Names of the enumerators, for printing; the page explains them.
struct Words {
  static std::string_view state(State state) { return NameOf(state); }
  static std::string_view action(Action action) { return NameOf(action); }
  static std::string_view role(Actor actor) { return NameOf(actor); }
  static std::string_view guard(Guard guard) { return NameOf(guard); }
  static std::string_view effect(Effect effect) { return NameOf(effect); }
};

constexpr std::string_view kPageTop =
    "# The state machine of a certification\n\n"
    "Printed by `workflow_server --print_state_machine=markdown` from the table in\n"
    "[certification_table.h](../services/workflow/certification_table.h). Do not edit: change the\n"
    "table, then run its test with `UPDATE_GOLDENS=1`.\n\n"
    "A move that is not here is refused with `TRANSITION_NOT_ALLOWED`. `NONE` means that the\n"
    "certification does not exist yet.\n\n```mermaid\n";
constexpr std::string_view kPageMiddle =
    "```\n\nA guard chooses the row; then its conditions are asked in this order, and the first "
    "that\n"
    "does not hold gives the reason of the refusal.\n\n";

std::string_view NameOf(Condition condition) {
  switch (condition) {
    case Condition::kReasonGiven:
      return "a reason is given";
    case Condition::kEventStarted:
      return "the event has started";
    case Condition::kEventNotClosed:
      return "the event is not closed";
    case Condition::kCertifyingOpened:
      return "certification has opened";
    case Condition::kSigningOpened:
      return "signing has opened";
    case Condition::kSigningNotEnded:
      return "signing has not ended here";
    case Condition::kNotSigned:
      return "the user has not signed in this round";
    case Condition::kStepsMade:
      return "no step is missing or stale";
    case Condition::kReportsViewed:
      return "the user has viewed the three reports";
    case Condition::kNoFatalFindings:
      return "no fatal findings";
    case Condition::kSnapshotMatches:
      return "the snapshot is the one in question";
    case Condition::kSnapshotSealed:
      return "the snapshot is sealed";
    case Condition::kWarningsAcknowledged:
      return "warnings are acknowledged";
    case Condition::kDependenciesCertified:
      return "the events it depends on are certified";
    case Condition::kSnapshotNotEmpty:
      return "the snapshot has records, or zero is attested and allowed";
    case Condition::kAttestationCurrent:
      return "the attestation text is the current one";
    case Condition::kAllSigned:
      return "every required certifier has signed";
    case Condition::kSnapshotClear:
      return "the snapshot's report is completed without fatal findings";
  }
  return "";
}

std::string Page() {
  std::string text(kPageTop);
  text += fsm::Mermaid(kTransitions, Words{}, State::kNone, kTerminalStates);
  text += kPageMiddle;
  text += "| guard | conditions |\n|---|---|\n";
  for (const GuardInfo& info : kGuardInfos) {
    text += "| ";
    text += NameOf(info.guard);
    text += " | ";
    text += info.conditions.empty()
                ? "none"
                : fsm::Join(info.conditions, [](Condition c) { return NameOf(c); }, "; ");
    text += " |\n";
  }
  text += "\n";
  text += fsm::Markdown(kTransitions, Words{});
  return text;
}

}  // namespace

absl::Status CheckActor(Action action, const Facts& facts) {
  switch (ActorOf(action)) {
    case Actor::kSystem:
      return Unless(facts.system, status::NotPermitted("this is done by the service alone"));
    case Actor::kCertifier:
      return Unless(facts.certifier,
                    status::NotPermitted("the role of an effective certifier here"));
    case Actor::kRequester:
      // Without a pending request the state refuses, not the permission.
      return Unless(!facts.has_request || facts.own_request,
                    status::NotPermitted("the pending request is another user's"));
    case Actor::kApprover:
      if (!facts.approver) return status::NotPermitted("the role of an approver of the category");
      return Unless(action != Action::kApprove || !facts.belongs_here, SelfApproval());
    case Actor::kEventManager:
      return Unless(facts.event_manager, status::NotPermitted("the management of events"));
  }
  return status::Internal("actor");
}

absl::StatusOr<Decision> Decide(State state, Action action, const Facts& facts) {
  RETURN_IF_ERROR(CheckActor(action, facts));
  const Transition* row = fsm::FindRow(
      kTransitions, state, action,
      [&](const Transition& candidate) { return InfoOf(candidate.guard).applies(facts); });
  if (row == nullptr) {
    return status::TransitionNotAllowed(facts.certification, NameOf(state), NameOf(action),
                                        AllowedIn(state));
  }
  for (const Condition condition : InfoOf(row->guard).conditions) {
    RETURN_IF_ERROR(Check(condition, facts));
  }
  return Decision{row->to, row->effect};
}

absl::Status CheckCall(WizardCall call, State state, const std::string& certification) {
  if (std::find(kWizardStates.begin(), kWizardStates.end(), state) != kWizardStates.end()) {
    return absl::OkStatus();
  }
  constexpr std::string_view kNames[] = {"START", "GENERATE_REPORT", "TAKE_SNAPSHOT",
                                         "RETAKE_SNAPSHOT"};
  return status::TransitionNotAllowed(certification, NameOf(state),
                                      kNames[static_cast<std::size_t>(call)], AllowedIn(state));
}

absl::Status Check(Condition condition, const Facts& facts) {
  switch (condition) {
    case Condition::kReasonGiven:
      return Unless(facts.reason_given, status::ReasonRequired());
    case Condition::kEventStarted:
      return Unless(facts.event_started, status::WindowNotOpen(facts.certification, facts.starts));
    case Condition::kEventNotClosed:
      return Unless(!facts.event_closed, status::WindowClosed(facts.certification));
    case Condition::kCertifyingOpened:
      return Unless(facts.certifying_opened,
                    status::WindowNotOpen(facts.certification, facts.opens));
    case Condition::kSigningOpened:
      return Unless(facts.signing != Window::kBefore,
                    status::WindowNotOpen(facts.certification, facts.opens));
    case Condition::kSigningNotEnded:
      return Unless(facts.signing != Window::kEnded,
                    status::WindowClosed(facts.certification, facts.ends));
    case Condition::kNotSigned:
      return Unless(!facts.signed_already, AlreadySigned("you have signed in this round"));
    case Condition::kStepsMade:
      return CheckSteps(facts, {StepState::kNotStarted, StepState::kQueued, StepState::kRunning,
                                StepState::kStale});
    case Condition::kReportsViewed:
      return CheckSteps(facts, {StepState::kReadyToView});
    case Condition::kNoFatalFindings:
      return CheckSteps(facts, {StepState::kFatalFound});
    case Condition::kSnapshotMatches:
      return Unless(facts.snapshot_matches,
                    SnapshotMismatch("the snapshot is not the one in question"));
    case Condition::kSnapshotSealed:
      return Unless(facts.snapshot_sealed, SnapshotNotSealed("the snapshot"));
    case Condition::kWarningsAcknowledged:
      return Unless(!facts.warnings || facts.warnings_acknowledged, WarningsNotAcknowledged());
    case Condition::kDependenciesCertified:
      return Unless(facts.uncertified_dependency.empty(),
                    DependencyNotCertified(facts.uncertified_dependency));
    case Condition::kSnapshotNotEmpty:
      return Unless(!facts.snapshot_empty || facts.zero_attested, SnapshotEmpty());
    case Condition::kAttestationCurrent:
      return Unless(facts.attestation_current, AttestationOutdated());
    case Condition::kAllSigned:
      return Unless(facts.all_signed, NotAllSigned());
    case Condition::kSnapshotClear:
      return Unless(facts.snapshot_clear, FatalFindingsOpen(3, facts.steps[2].report));
  }
  return status::Internal("condition");
}

std::string_view NameOf(State state) {
  switch (state) {
    case State::kNone:
      return "NONE";
    case State::kInProgress:
      return "IN_PROGRESS";
    case State::kSent:
      return "SENT";
    case State::kApproved:
      return "APPROVED";
    case State::kRecertRequested:
      return "RECERT_REQUESTED";
    case State::kRecertInProgress:
      return "RECERT_IN_PROGRESS";
    case State::kExempt:
      return "EXEMPT";
    case State::kWithdrawn:
      return "WITHDRAWN";
  }
  return "";
}

std::string_view NameOf(Action action) {
  switch (action) {
    case Action::kOpen:
      return "OPEN";
    case Action::kSubmit:
      return "SUBMIT";
    case Action::kRosterChange:
      return "ROSTER_CHANGE";
    case Action::kApprove:
      return "APPROVE";
    case Action::kReturn:
      return "RETURN";
    case Action::kRequestRecertification:
      return "REQUEST_RECERTIFICATION";
    case Action::kDenyRequest:
      return "DENY_REQUEST";
    case Action::kWithdrawRequest:
      return "WITHDRAW_REQUEST";
    case Action::kExpireRequest:
      return "EXPIRE_REQUEST";
    case Action::kCancelRecertification:
      return "CANCEL_RECERTIFICATION";
    case Action::kExempt:
      return "EXEMPT";
    case Action::kWithdraw:
      return "WITHDRAW";
  }
  return "";
}

std::string_view NameOf(Actor actor) {
  switch (actor) {
    case Actor::kSystem:
      return "system";
    case Actor::kCertifier:
      return "certifier";
    case Actor::kRequester:
      return "requester";
    case Actor::kApprover:
      return "approver";
    case Actor::kEventManager:
      return "event manager";
  }
  return "";
}

std::string_view NameOf(Guard guard) {
  switch (guard) {
    case Guard::kAlways:
      return "always";
    case Guard::kOthersOutstanding:
      return "others outstanding";
    case Guard::kLastOutstanding:
      return "last outstanding";
    case Guard::kNoneOutstanding:
      return "none outstanding";
    case Guard::kSentSnapshot:
      return "sent snapshot";
    case Guard::kAdministrative:
      return "administrative";
    case Guard::kEventNotClosed:
      return "event not closed";
    case Guard::kAllSigned:
      return "all signed";
    case Guard::kCameFromSent:
      return "came from SENT";
    case Guard::kCameFromApproved:
      return "came from APPROVED";
    case Guard::kRoundAfterSent:
      return "round after SENT";
    case Guard::kRoundAfterApproved:
      return "round after APPROVED";
  }
  return "";
}

std::string_view NameOf(Effect effect) {
  switch (effect) {
    case Effect::kCreate:
      return "create, alert members";
    case Effect::kSign:
      return "store the signature";
    case Effect::kSignAndSend:
      return "store the signature, certify the candidate, alert approvers";
    case Effect::kSend:
      return "certify the candidate, alert approvers";
    case Effect::kApprove:
      return "approve, alert members";
    case Effect::kApproveAdministratively:
      return "approve without certification, end a pending request";
    case Effect::kStartRound:
      return "next round, void signatures, set a due date, alert members";
    case Effect::kAskState:
      return "store the request, alert approvers";
    case Effect::kDeny:
      return "deny the request, alert certifiers";
    case Effect::kWithdrawRequest:
      return "withdraw the request, alert approvers";
    case Effect::kExpireRequest:
      return "expire the request";
    case Effect::kReinstate:
      return "void this round's signatures, reinstate those before";
    case Effect::kExcuse:
      return "keep what was signed, end a pending request";
  }
  return "";
}

std::optional<State> ParseState(std::string_view name) {
  for (const State state : kStatesWithNone) {
    if (NameOf(state) == name) return state;
  }
  return std::nullopt;
}

std::optional<Action> ParseAction(std::string_view name) {
  for (const Action action : kActions) {
    if (NameOf(action) == name) return action;
  }
  return std::nullopt;
}

std::string_view LabelOf(State state, Side side, bool administrative) {
  switch (state) {
    case State::kNone:
      return "";
    case State::kInProgress:
      return "In Progress";
    case State::kSent:
      return side == Side::kState ? "Certified" : "Certification Sent to State";
    case State::kApproved:
      return administrative ? "Approved by State without Certification"
                            : "Certification Approved by State";
    case State::kRecertRequested:
      return "Recertification Request Sent";
    case State::kRecertInProgress:
      return "Recertification In Progress";
    case State::kExempt:
      return "Exempt";
    case State::kWithdrawn:
      return "Withdrawn";
  }
  return "";
}

std::string PrintStateMachine(std::string_view format) {
  if (format == "markdown") return Page();
  if (format == "mermaid") {
    return fsm::Mermaid(kTransitions, Words{}, State::kNone, kTerminalStates);
  }
  if (format == "dot") return fsm::Dot(kTransitions, Words{}, kTerminalStates);
  return "";
}

}  // namespace edcert::workflow
