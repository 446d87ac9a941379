#include "services/validation_report/rule_group.h"

#include <fmt/format.h>

#include <array>
#include <set>

#include "common/status/errors.h"

namespace edcert::validation_report {

std::string_view ToString(GroupLevel level) {
  static constexpr std::array<std::string_view, 3> kNames = {"", "DISTRICT", "SCHOOL"};
  return kNames[static_cast<std::size_t>(level)];
}

GroupLevel GroupLevelFromString(std::string_view text) {
  return text == "SCHOOL" ? GroupLevel::kSchool : GroupLevel::kDistrict;
}

std::string_view ToString(GroupState state) {
  static constexpr std::array<std::string_view, 4> kNames = {"", "DRAFT", "ACTIVE", "INACTIVE"};
  return kNames[static_cast<std::size_t>(state)];
}

GroupState GroupStateFromString(std::string_view text) {
  if (text == "ACTIVE") return GroupState::kActive;
  return text == "INACTIVE" ? GroupState::kInactive : GroupState::kDraft;
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
