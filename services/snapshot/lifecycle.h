// The states of a snapshot as one table; README.md shows it.
#pragma once

#include <array>
#include <string_view>

#include "common/fsm/fsm.h"
#include "services/snapshot/snapshot.h"

namespace edcert::snapshot {

enum class Action {
  kSeal,       // the seal job is done
  kFail,       // the seal job has failed for good
  kSupersede,  // the next generation is taken
};
std::string_view ToString(Action action);

enum class Guard {
  kAlways,
  kNewest,     // no newer generation was taken
  kNotNewest,  // one was taken while this one was being sealed
};
std::string_view ToString(Guard guard);

struct Step {
  using Action = snapshot::Action;
  State from;
  snapshot::Action action;
  State to;
  Guard guard;
};

// The whole machine: whatever is not here leaves the state as it is.
// clang-format off
inline constexpr std::array kLifecycle = {
  Step{State::kSealing, Action::kSeal,      State::kSealed,     Guard::kNewest},
  Step{State::kSealing, Action::kSeal,      State::kSuperseded, Guard::kNotNewest},
  Step{State::kSealing, Action::kFail,      State::kFailed,     Guard::kAlways},
  Step{State::kSealed,  Action::kSupersede, State::kSuperseded, Guard::kAlways},
};
// clang-format on

inline constexpr std::array kAllStates = {State::kSealing, State::kSealed, State::kFailed,
                                          State::kSuperseded};
inline constexpr std::array kAllActions = {Action::kSeal, Action::kFail, Action::kSupersede};

static_assert(fsm::UniqueRows(kLifecycle));
static_assert(fsm::AllReachable(kLifecycle, kAllStates, State::kSealing));
static_assert(fsm::OnlyTerminalsEnd(kLifecycle, kAllStates,
                                    std::array{State::kFailed, State::kSuperseded}));
static_assert(fsm::UsesExactly(kLifecycle, &Step::action, kAllActions));
static_assert(fsm::UsesExactly(kLifecycle, &Step::guard,
                               std::array{Guard::kAlways, Guard::kNewest, Guard::kNotNewest}));

// What the action makes of a snapshot, of which `newest` says that no newer generation was taken.
// The same state when the machine has no such step.
State After(State from, Action action, bool newest);

}  // namespace edcert::snapshot
