#include "services/workflow/certification_table.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/workflow/certification_page.h"
#include "services/workflow/errors.h"

namespace edcert::workflow {
namespace {

constexpr std::array kActors = {Actor::kSystem, Actor::kCertifier, Actor::kRequester,
                                Actor::kApprover, Actor::kEventManager};
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

// What signing asks for. The snapshot's identity and seal go before what is said about its content.
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
    Condition::kWarningsExplained,
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
      // By person, whatever roles he has today: he may have changed sides since he signed.
      return Unless(action != Action::kApprove || (!facts.belongs_here && !facts.own_signature),
                    SelfApproval());
    case Actor::kEventManager:
      return Unless(facts.event_manager, status::NotPermitted("the management of events"));
  }
  return status::Internal("actor");
}

absl::Status CheckAllowed(State state, Action action, const std::string& certification) {
  const auto actions = fsm::AllowedActions(kTransitions, state);
  if (std::find(actions.begin(), actions.end(), action) != actions.end()) return absl::OkStatus();
  return status::TransitionNotAllowed(certification, NameOf(state), NameOf(action),
                                      AllowedIn(state));
}

std::span<const Condition> ConditionsOf(Guard guard) { return InfoOf(guard).conditions; }

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
      return Unless(facts.event_started, status::WindowNotOpen(facts.event, facts.starts));
    case Condition::kEventNotClosed:
      return Unless(!facts.event_closed, status::WindowClosed(facts.event));
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
    case Condition::kWarningsExplained:
      return Unless(facts.unexplained_rules.empty(), ExplanationMissing(facts.unexplained_rules));
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

}  // namespace edcert::workflow
