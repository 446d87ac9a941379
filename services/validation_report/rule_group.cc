#include "services/validation_report/rule_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "common/fsm/fsm.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::validation_report {

static_assert(fsm::UniqueRows(kGroupLifecycle));
static_assert(fsm::AllReachable(kGroupLifecycle,
                                std::array{GroupState::kDraft, GroupState::kActive,
                                           GroupState::kInactive},
                                GroupState::kDraft));

namespace {

absl::Status CheckSchedule(std::vector<SeverityPeriod> schedule, const std::string& field) {
  if (schedule.size() > 20) return status::FieldInvalid(field, "at most 20");
  for (const SeverityPeriod& period : schedule) {
    if (period.severity == Severity::kUnspecified) {
      return status::FieldInvalid(field + ".severity", "required");
    }
    if (period.to < period.from) {
      return status::FieldInvalid(field + ".to_date", "must not be before `from_date`");
    }
    if (period.reason.empty() || period.reason.size() > 1000) {
      return status::FieldInvalid(field + ".reason", "1 to 1000 characters");
    }
  }
  std::sort(schedule.begin(), schedule.end(),
            [](const auto& a, const auto& b) { return a.from < b.from; });
  for (std::size_t i = 1; i < schedule.size(); ++i) {
    if (schedule[i].from <= schedule[i - 1].to) {
      return status::FieldInvalid(field, "two periods overlap");
    }
  }
  return absl::OkStatus();
}

}  // namespace

Severity SeverityOn(const GroupMember& member, std::optional<absl::CivilDay> day) {
  if (!day.has_value()) return member.severity;
  for (const SeverityPeriod& period : member.schedule) {
    if (period.from <= *day && *day <= period.to) return period.severity;
  }
  return member.severity;
}

std::vector<absl::CivilDay> SeverityChangesOf(const std::vector<GroupMember>& members) {
  std::set<absl::CivilDay> days;
  for (const GroupMember& member : members) {
    for (const SeverityPeriod& period : member.schedule) {
      for (const absl::CivilDay day : {period.from, period.to + 1}) {
        if (SeverityOn(member, day) != SeverityOn(member, day - 1)) days.insert(day);
      }
    }
  }
  return {days.begin(), days.end()};
}

std::vector<FatalAgain> FatalAgainOf(const std::vector<GroupMember>& former,
                                     const std::vector<GroupMember>& members,
                                     absl::CivilDay today) {
  std::set<std::string_view> less_grave;
  for (const GroupMember& member : former) {
    if (SeverityOn(member, today) != Severity::kFatal) less_grave.insert(member.rule);
  }
  std::vector<FatalAgain> again;
  for (const GroupMember& member : members) {
    std::vector<absl::CivilDay> days = SeverityChangesOf({member});
    std::erase_if(days, [&](absl::CivilDay day) { return day <= today; });
    if (less_grave.contains(member.rule)) days.insert(days.begin(), today);
    const auto day = std::find_if(days.begin(), days.end(), [&](absl::CivilDay each) {
      return SeverityOn(member, each) == Severity::kFatal;
    });
    if (day != days.end()) again.push_back({member.rule, *day});
  }
  return again;
}

absl::StatusOr<GroupState> Next(const RuleGroup& group, GroupAction action) {
  const GroupTransition* step =
      fsm::FindRow(kGroupLifecycle, group.state, action, [&group](const GroupTransition& row) {
        return row.guard == VersionGuard::kNone || group.version != group.active_version;
      });
  if (step != nullptr) return step->to;
  const auto word = [](GroupAction allowed) { return kGroupActionText.Of(allowed); };
  std::vector<GroupAction> allowed = fsm::AllowedActions(kGroupLifecycle, group.state);
  // Of the one version there is nothing else to activate.
  if (group.state == GroupState::kActive && group.newest_version == 1) {
    std::erase(allowed, GroupAction::kActivate);
  }
  return status::TransitionNotAllowed(group.name(), kGroupStateText.Of(group.state), word(action),
                                      fsm::Join(allowed, word));
}

bool IsRunnable(const RuleGroup& group, std::optional<absl::Time> publish_time) {
  if (!group.was_active) return false;
  if (group.state == GroupState::kActive) return true;
  return publish_time.has_value() && group.deactivate_time.has_value() &&
         *publish_time <= *group.deactivate_time;
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
    RETURN_IF_ERROR(
        CheckSchedule(member.schedule, fmt::format("rule_group.rules[{}].severity_schedule", i)));
  }
  return absl::OkStatus();
}

}  // namespace edcert::validation_report
