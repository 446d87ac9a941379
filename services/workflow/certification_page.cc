#include "services/workflow/certification_page.h"

#include <span>

#include "common/fsm/fsm.h"

namespace edcert::workflow {
namespace {

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
    "table, then run `tools/dev golden`.\n\n"
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
    case Condition::kWarningsExplained:
      return "special warnings are explained";
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
  for (const Guard guard : kGuards) {
    const std::span<const Condition> conditions = ConditionsOf(guard);
    text += "| ";
    text += NameOf(guard);
    text += " | ";
    text += conditions.empty() ? "none"
                               : fsm::Join(conditions, [](Condition c) { return NameOf(c); }, "; ");
    text += " |\n";
  }
  text += "\n";
  text += fsm::Markdown(kTransitions, Words{});
  return text;
}

}  // namespace

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
