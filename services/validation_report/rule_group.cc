#include "services/validation_report/rule_group.h"

#include <fmt/format.h>

#include <array>
#include <set>

#include "common/fsm/fsm.h"
#include "common/status/errors.h"

namespace edcert::validation_report {

static_assert(fsm::OnlyTerminalsEnd(kGroupLifecycle,
                                    std::array{GroupState::kDraft, GroupState::kActive},
                                    std::array{GroupState::kActive}));

absl::StatusOr<GroupState> Next(const RuleGroup& group, GroupAction action) {
  const GroupTransition* step = fsm::FindRow(kGroupLifecycle, group.state, action,
                                             [](const GroupTransition&) { return true; });
  if (step != nullptr) return step->to;
  const auto word = [](GroupAction allowed) { return kGroupActionText.Of(allowed); };
  return status::TransitionNotAllowed(
      group.name(), kGroupStateText.Of(group.state), word(action),
      fsm::Join(fsm::AllowedActions(kGroupLifecycle, group.state), word));
}

absl::Status CheckGroup(const RuleGroup& group) {
  if (group.title.empty() || group.title.size() > 200) {
    return status::FieldInvalid("rule_group.title", "1 to 200 characters");
  }
  if (group.title.find('\0') != std::string::npos) {
    return status::FieldInvalid("rule_group.title", "must not hold a NUL character");
  }
  if (group.level == GroupLevel::kUnspecified) {
    return status::FieldInvalid("rule_group.level", "required");
  }
  if (group.members.empty() || group.members.size() > 2000) {
    return status::FieldInvalid("rule_group.rules", "1 to 2000");
  }
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    const GroupMember& member = group.members[i];
    if (!seen.insert(member.rule).second) {
      return status::FieldInvalid(fmt::format("rule_group.rules[{}].rule", i), "listed twice");
    }
    if (member.version < 0) {
      return status::FieldInvalid(fmt::format("rule_group.rules[{}].version", i),
                                  "must not be negative");
    }
  }
  return absl::OkStatus();
}

}  // namespace edcert::validation_report
