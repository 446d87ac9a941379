// Groups of rules: what events pin and reports run.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/validation_report/enum_text.h"
#include "services/validation_report/rule.h"

namespace edcert::validation_report {

enum class GroupLevel { kUnspecified = 0, kDistrict = 1, kSchool = 2 };
inline constexpr EnumText<GroupLevel, 2> kGroupLevelText{"level of a rule group",
                                                         {"DISTRICT", "SCHOOL"}};

enum class GroupState { kDraft = 1, kActive = 2, kInactive = 3 };
inline constexpr EnumText<GroupState, 3> kGroupStateText{"state of a rule group",
                                                         {"DRAFT", "ACTIVE", "INACTIVE"}};

enum class GroupAction { kActivate = 1 };
inline constexpr EnumText<GroupAction, 1> kGroupActionText{"action on a rule group", {"ACTIVATE"}};

struct GroupTransition {
  using Action = GroupAction;
  GroupState from;
  GroupAction action;
  GroupState to;
};

// The whole life of a group; nothing leads to INACTIVE yet. What is not here is refused.
// clang-format off
inline constexpr std::array kGroupLifecycle = {
  GroupTransition{GroupState::kDraft, GroupAction::kActivate, GroupState::kActive},
};
// clang-format on

// One rule of a group.
struct GroupMember {
  std::string rule;                            // id
  int version = 0;                             // 0 until resolved
  Severity severity = Severity::kUnspecified;  // unspecified: the rule's own
};

struct RuleGroup {
  std::string id = {};
  std::string title = {};
  GroupLevel level = GroupLevel::kUnspecified;
  std::vector<GroupMember> members = {};
  int version = 1;
  GroupState state = GroupState::kDraft;
  std::vector<std::string> datasets = {};  // ids, sorted
  std::string etag = {};
  absl::Time create_time = {};
  absl::Time update_time = {};

  std::string name() const { return "ruleGroups/" + id; }
};

// The state after an action; TRANSITION_NOT_ALLOWED when the table has no such step.
absl::StatusOr<GroupState> Next(const RuleGroup& group, GroupAction action);

// FIELD_INVALID for the first field that breaks its rule.
absl::Status CheckGroup(const RuleGroup& group);

}  // namespace edcert::validation_report
