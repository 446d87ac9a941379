// The table of certification_table.h in words: the names of the wire and of the database, the
// labels that people read, and the page of the documentation.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "services/workflow/certification_table.h"

namespace edcert::workflow {

// Names as on the wire and in the database, for example RECERT_IN_PROGRESS; NONE for kNone.
std::string_view NameOf(State state);
std::string_view NameOf(Action action);
std::optional<State> ParseState(std::string_view name);
std::optional<Action> ParseAction(std::string_view name);

// Names for the page.
std::string_view NameOf(Actor actor);
std::string_view NameOf(Guard guard);
std::string_view NameOf(Effect effect);

// The state in the users' words, for one side.
enum class Side { kLocal, kState };
std::string_view LabelOf(State state, Side side, bool administrative);

// The table as `markdown` (the page docs/state_machine.md), `mermaid` or `dot`; empty for another
// format.
std::string PrintStateMachine(std::string_view format);

}  // namespace edcert::workflow
