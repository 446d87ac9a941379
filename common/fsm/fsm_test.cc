#include "common/fsm/fsm.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace edcert::fsm {
namespace {

enum class State { kNone, kWaiting, kDone, kLost };
enum class Action { kAccept, kFinish };
enum class Role { kClient, kWorker };
enum class Guard { kAlways, kLate };
enum class Effect { kNothing, kTell };
using Row = Transition<State, Action, Role, Guard, Effect>;

constexpr std::array kStates = {State::kNone, State::kWaiting, State::kDone};
constexpr std::array kTerminals = {State::kDone};
// clang-format off
constexpr std::array kTable = {
  Row{State::kNone,    Action::kAccept, State::kWaiting, Role::kClient, Guard::kAlways, Effect::kNothing},
  Row{State::kWaiting, Action::kFinish, State::kDone,    Role::kWorker, Guard::kAlways, Effect::kTell},
  Row{State::kWaiting, Action::kFinish, State::kWaiting, Role::kWorker, Guard::kLate,   Effect::kTell},
};
// clang-format on

static_assert(UniqueRows(kTable));
static_assert(!UniqueRows(std::array{kTable[0], kTable[0]}));
static_assert(AllReachable(kTable, kStates, State::kNone));
static_assert(!AllReachable(kTable, std::array{State::kLost}, State::kNone));
static_assert(OnlyTerminalsEnd(kTable, kStates, kTerminals));
static_assert(!OnlyTerminalsEnd(kTable, kStates, std::array{State::kWaiting, State::kDone}));
static_assert(!OnlyTerminalsEnd(kTable, kStates, std::array{State::kLost}));
static_assert(UsesExactly(kTable, &Row::guard, std::array{Guard::kAlways, Guard::kLate}));
static_assert(!UsesExactly(kTable, &Row::guard, std::array{Guard::kAlways}));
static_assert(!UsesExactly(std::array{kTable[0]}, &Row::effect,
                           std::array{Effect::kNothing, Effect::kTell}));
static_assert(OneRolePerAction(kTable));
static_assert(!OneRolePerAction(std::array{
    kTable[0], Row{State::kWaiting, Action::kAccept, State::kWaiting, Role::kWorker, Guard::kLate,
                   Effect::kNothing}}));

struct Words {
  static std::string state(State state) { return std::to_string(static_cast<int>(state)); }
  static std::string action(Action action) {
    return action == Action::kAccept ? "accept" : "finish";
  }
  static std::string role(Role role) { return role == Role::kClient ? "client" : "worker"; }
  static std::string guard(Guard guard) { return guard == Guard::kAlways ? "always" : "late"; }
  static std::string effect(Effect effect) { return effect == Effect::kTell ? "tell" : "-"; }
};

TEST(FsmTest, FindsTheRowThatIsChosen) {
  const Row* row = FindRow(kTable, State::kWaiting, Action::kFinish,
                           [](const Row& candidate) { return candidate.guard == Guard::kLate; });
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->to, State::kWaiting);
  EXPECT_EQ(FindRow(kTable, State::kDone, Action::kFinish, [](const Row&) { return true; }),
            nullptr);
}

TEST(FsmTest, ListsEachAllowedActionOnce) {
  EXPECT_EQ(Join(AllowedActions(kTable, State::kWaiting), &Words::action), "finish");
  EXPECT_EQ(Join(AllowedActions(kTable, State::kDone), &Words::action), "");
}

TEST(FsmTest, PrintsMarkdown) {
  EXPECT_EQ(Markdown(std::array{kTable[1]}, Words{}),
            "| from | action | to | role | guard | effect |\n|---|---|---|---|---|---|\n"
            "| 1 | finish | 2 | worker | always | tell |\n");
}

TEST(FsmTest, PrintsMermaid) {
  EXPECT_EQ(Mermaid(kTable, Words{}, State::kNone, kTerminals),
            "stateDiagram-v2\n"
            "  [*] --> 1: accept [always]\n"
            "  1 --> 2: finish [always]\n"
            "  1 --> 1: finish [late]\n"
            "  2 --> [*]\n");
}

TEST(FsmTest, PrintsDot) {
  EXPECT_EQ(Dot(std::array{kTable[0]}, Words{}, kTerminals),
            "digraph states {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n"
            "  \"2\" [peripheries=2];\n"
            "  \"0\" -> \"1\" [label=\"accept\\nalways\"];\n}\n");
}

}  // namespace
}  // namespace edcert::fsm
