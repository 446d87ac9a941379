// Groups of rules: what events pin and reports run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/validation_report/rule.h"

namespace edcert::validation_report {

enum class GroupLevel { kUnspecified = 0, kDistrict = 1, kSchool = 2 };
std::string_view ToString(GroupLevel level);
GroupLevel GroupLevelFromString(std::string_view text);

enum class GroupState { kDraft = 1, kActive = 2, kInactive = 3 };
std::string_view ToString(GroupState state);
GroupState GroupStateFromString(std::string_view text);

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
};

// FIELD_INVALID for the first field that breaks its rule.
absl::Status CheckGroup(const RuleGroup& group);

}  // namespace edcert::validation_report
