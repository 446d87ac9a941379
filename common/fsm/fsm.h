// A state machine as one constexpr table: what may be checked when it is compiled, and printed.
//
// A service writes its enums and one `constexpr std::array` of rows, asserts the checks below over
// it, and decides with FindRow and its own guards. Rows of one (from, action) have guards of which
// exactly one holds; that is shown by a test of the service, since guards read run-time facts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace edcert::fsm {

// One row: in `from`, when `role` does `action` and `guard` holds, go to `to` with `effect`.
template <typename StateT, typename ActionT, typename RoleT, typename GuardT, typename EffectT>
struct Transition {
  using State = StateT;
  using Action = ActionT;
  using Role = RoleT;
  using Guard = GuardT;
  using Effect = EffectT;

  State from;
  Action action;
  State to;
  Role role;
  Guard guard;
  Effect effect;
};

// --- Checks, for static_assert. `states` and `values` list every enumerator. ---

// Whether no two rows have the same (from, action, guard).
template <typename Table>
constexpr bool UniqueRows(const Table& table) {
  for (std::size_t i = 0; i < std::size(table); ++i) {
    for (std::size_t j = i + 1; j < std::size(table); ++j) {
      if (table[i].from == table[j].from && table[i].action == table[j].action &&
          table[i].guard == table[j].guard) {
        return false;
      }
    }
  }
  return true;
}

// Whether every state can be reached from `initial`.
template <typename Table, typename States, typename State>
constexpr bool AllReachable(const Table& table, const States& states, State initial) {
  constexpr std::size_t kMax = 64;
  State reached[kMax] = {initial};
  std::size_t count = 1;
  const auto has = [&](State state) {
    return std::find(reached, reached + count, state) != reached + count;
  };
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& row : table) {
      if (has(row.from) && !has(row.to)) {
        reached[count++] = row.to;
        grown = true;
      }
    }
  }
  return std::all_of(std::begin(states), std::end(states), has);
}

// Whether exactly the terminal states have no row that leaves them.
template <typename Table, typename States, typename Terminals>
constexpr bool OnlyTerminalsEnd(const Table& table, const States& states,
                                const Terminals& terminals) {
  for (const auto state : states) {
    const bool terminal =
        std::find(std::begin(terminals), std::end(terminals), state) != std::end(terminals);
    const bool leaves = std::any_of(std::begin(table), std::end(table),
                                    [state](const auto& row) { return row.from == state; });
    if (terminal == leaves) return false;
  }
  return true;
}

// Whether the column uses every value of `values`, and nothing else.
template <typename Table, typename Column, typename Values>
constexpr bool UsesExactly(const Table& table, Column column, const Values& values) {
  const auto listed = [&values](const auto value) {
    return std::find(std::begin(values), std::end(values), value) != std::end(values);
  };
  for (const auto& row : table) {
    if (!listed(row.*column)) return false;
  }
  for (const auto value : values) {
    if (std::none_of(std::begin(table), std::end(table),
                     [&](const auto& row) { return row.*column == value; })) {
      return false;
    }
  }
  return true;
}

// Whether each action belongs to one role, so that permission can be judged before the state.
template <typename Table>
constexpr bool OneRolePerAction(const Table& table) {
  for (const auto& a : table) {
    for (const auto& b : table) {
      if (a.action == b.action && a.role != b.role) return false;
    }
  }
  return true;
}

// --- Reading the table. ---

// The first row of (from, action) that `chooses`; null when there is none.
template <typename Table, typename State, typename Action, typename Chooses>
constexpr const typename Table::value_type* FindRow(const Table& table, State from, Action action,
                                                    Chooses chooses) {
  for (const auto& row : table) {
    if (row.from == from && row.action == action && chooses(row)) return &row;
  }
  return nullptr;
}

// The actions that lead out of `from` (or back to it), each once, in the order of the table.
template <typename Table, typename State>
std::vector<typename Table::value_type::Action> AllowedActions(const Table& table, State from) {
  std::vector<typename Table::value_type::Action> actions;
  for (const auto& row : table) {
    if (row.from == from &&
        std::find(actions.begin(), actions.end(), row.action) == actions.end()) {
      actions.push_back(row.action);
    }
  }
  return actions;
}

// The words of `values` that `name` gives, joined: for messages.
template <typename Values, typename Name>
std::string Join(const Values& values, Name name, std::string_view separator = ", ") {
  std::string text;
  for (const auto value : values) {
    if (!text.empty()) text += separator;
    text += name(value);
  }
  return text;
}

// --- Printing. `words` has state(), action(), role(), guard() and effect(), each giving text. ---

// A table of all rows.
template <typename Table, typename Words>
std::string Markdown(const Table& table, const Words& words) {
  std::string text = "| from | action | to | role | guard | effect |\n|---|---|---|---|---|---|\n";
  for (const auto& row : table) {
    for (const std::string& cell :
         {std::string(words.state(row.from)), std::string(words.action(row.action)),
          std::string(words.state(row.to)), std::string(words.role(row.role)),
          std::string(words.guard(row.guard)), std::string(words.effect(row.effect))}) {
      text += text.ends_with('\n') ? "| " : " | ";
      text += cell;
    }
    text += " |\n";
  }
  return text;
}

// A Mermaid state diagram; `initial` is drawn as the start, terminal states as the end.
template <typename Table, typename Words, typename State, typename Terminals>
std::string Mermaid(const Table& table, const Words& words, State initial,
                    const Terminals& terminals) {
  std::string text = "stateDiagram-v2\n";
  for (const auto& row : table) {
    text += "  ";
    text += row.from == initial ? std::string_view("[*]") : std::string_view(words.state(row.from));
    text += " --> ";
    text += words.state(row.to);
    text += ": ";
    text += words.action(row.action);
    text += " [";
    text += words.guard(row.guard);
    text += "]\n";
  }
  for (const auto state : terminals) {
    text += "  ";
    text += words.state(state);
    text += " --> [*]\n";
  }
  return text;
}

// A Graphviz digraph.
template <typename Table, typename Words, typename Terminals>
std::string Dot(const Table& table, const Words& words, const Terminals& terminals) {
  std::string text = "digraph states {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n";
  for (const auto state : terminals) {
    text += "  \"";
    text += words.state(state);
    text += "\" [peripheries=2];\n";
  }
  for (const auto& row : table) {
    text += "  \"";
    text += words.state(row.from);
    text += "\" -> \"";
    text += words.state(row.to);
    text += "\" [label=\"";
    text += words.action(row.action);
    text += "\\n";
    text += words.guard(row.guard);
    text += "\"];\n";
  }
  return text + "}\n";
}

}  // namespace edcert::fsm
