// Groups of rules: what events pin and reports run.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
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

enum class GroupAction { kUpdate = 1, kActivate = 2, kDeactivate = 3 };
inline constexpr EnumText<GroupAction, 3> kGroupActionText{"action on a rule group",
                                                           {"UPDATE", "ACTIVATE", "DEACTIVATE"}};

struct GroupTransition {
  using Action = GroupAction;
  GroupState from;
  GroupAction action;
  VersionGuard guard;
  GroupState to;
};

// The whole life of a group. What is not here is refused. To write a version changes no state.
// clang-format off
inline constexpr std::array kGroupLifecycle = {
  GroupTransition{GroupState::kDraft,    GroupAction::kUpdate,     VersionGuard::kNone,  GroupState::kDraft},
  GroupTransition{GroupState::kDraft,    GroupAction::kActivate,   VersionGuard::kNone,  GroupState::kActive},
  GroupTransition{GroupState::kActive,   GroupAction::kUpdate,     VersionGuard::kNone,  GroupState::kActive},
  GroupTransition{GroupState::kActive,   GroupAction::kActivate,   VersionGuard::kOther, GroupState::kActive},
  GroupTransition{GroupState::kActive,   GroupAction::kDeactivate, VersionGuard::kNone,  GroupState::kInactive},
  GroupTransition{GroupState::kInactive, GroupAction::kUpdate,     VersionGuard::kNone,  GroupState::kInactive},
  GroupTransition{GroupState::kInactive, GroupAction::kActivate,   VersionGuard::kNone,  GroupState::kActive},
};
// clang-format on

// For how long a rule has another severity.
struct SeverityPeriod {
  absl::CivilDay from;
  absl::CivilDay to;  // inclusive
  Severity severity = Severity::kUnspecified;
  std::string reason;
};

// One rule of a group.
struct GroupMember {
  std::string rule;                            // id
  int version = 0;                             // 0 until resolved
  Severity severity = Severity::kUnspecified;  // unspecified: the rule's own
  ValuesByName parameter_values = {};
  std::vector<SeverityPeriod> schedule = {};
};

// The severity on a day; without one, that of days on which the schedule says nothing.
Severity SeverityOn(const GroupMember& member, std::optional<absl::CivilDay> day);
// The days on which the severity of some member becomes another, sorted.
std::vector<absl::CivilDay> SeverityChangesOf(const std::vector<GroupMember>& members);
// A rule that becomes FATAL on a day.
struct FatalAgain {
  std::string rule;  // id
  absl::CivilDay from;
};
// What becomes FATAL today, when `members` take the place of `former`, or is to by its schedule; of
// each rule the first day.
std::vector<FatalAgain> FatalAgainOf(const std::vector<GroupMember>& former,
                                     const std::vector<GroupMember>& members, absl::CivilDay today);

struct RuleGroup {
  std::string id = {};
  std::string title = {};
  GroupLevel level = GroupLevel::kUnspecified;
  std::vector<GroupMember> members = {};
  int version = 1;         // of title and members
  int active_version = 0;  // in use, or last in use; 0 while it is a draft
  int newest_version = 1;
  bool was_active = false;  // whether the version is or was in use
  GroupState state = GroupState::kDraft;
  std::optional<absl::Time> deactivate_time = {};    // while it is INACTIVE
  std::vector<std::string> datasets = {};            // ids, sorted
  std::vector<std::string> last_year_datasets = {};  // those read of last year: ids, sorted
  std::string etag = {};
  absl::Time create_time = {};
  absl::Time update_time = {};

  std::string name() const { return "ruleGroups/" + id; }
};

// The state after an action; TRANSITION_NOT_ALLOWED when the table has no such step. To activate
// means the version of the members.
absl::StatusOr<GroupState> Next(const RuleGroup& group, GroupAction action);

// Whether a report may run the version: one that was in use, of a group that is, or was when the
// event that pins it was published.
bool IsRunnable(const RuleGroup& group, std::optional<absl::Time> publish_time);

// FIELD_INVALID for the first field that breaks its rule.
absl::Status CheckGroup(const RuleGroup& group);

}  // namespace edcert::validation_report
