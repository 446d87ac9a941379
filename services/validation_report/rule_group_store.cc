#include "services/validation_report/rule_group_store.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "absl/strings/escaping.h"
#include "common/names/names.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/errors.h"
#include "services/validation_report/rule_compiler.h"
#include "services/validation_report/sql/rule.sql.h"
#include "services/validation_report/sql/rule_group.sql.h"

namespace edcert::validation_report {
namespace {

std::string NameOf(const std::string& id) { return names::RuleGroupName::FromId(id).ToString(); }
std::string RuleNameOf(const std::string& id) { return names::RuleName::FromId(id).ToString(); }

absl::StatusOr<RuleGroup> GroupOfRow(const pg::Row& row) {
  ASSIGN_OR_RETURN(const GroupLevel level, kGroupLevelText.From(row.View("level")));
  ASSIGN_OR_RETURN(const GroupState state, kGroupStateText.From(row.View("state")));
  return RuleGroup{.id = row.Text("rule_group_id"),
                   .title = row.Text("title"),
                   .level = level,
                   .version = static_cast<int>(row.Int("version")),
                   .active_version = static_cast<int>(row.Int("active_version")),
                   .newest_version = static_cast<int>(row.Int("newest_version")),
                   .was_active = row.Bool("was_active"),
                   .state = state,
                   .deactivate_time = row.OptionalTime("deactivated_at"),
                   .datasets = row.TextArray("datasets"),
                   .last_year_datasets = row.TextArray("last_year_datasets"),
                   .etag = row.Text("row_version"),
                   .create_time = row.Time("created_at"),
                   .update_time = row.Time("updated_at")};
}

absl::StatusOr<GroupMember> MemberOf(const pg::Row& row) {
  GroupMember member{row.Text("rule_id"), static_cast<int>(row.Int("rule_version")),
                     static_cast<Severity>(row.Int("severity"))};
  RETURN_IF_ERROR(DecodeSettings(row.Binary("settings"), member));
  return member;
}

absl::StatusOr<std::vector<RuleGroup>> WithMembers(pg::Querier& db, const pg::Result& rows) {
  std::vector<RuleGroup> groups;
  std::map<std::pair<std::string, int64_t>, std::size_t> places;
  std::vector<std::string> ids;
  std::vector<int64_t> versions;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(RuleGroup group, GroupOfRow(row));
    groups.push_back(std::move(group));
    ids.push_back(groups.back().id);
    versions.push_back(groups.back().version);
    places[{ids.back(), versions.back()}] = groups.size() - 1;
  }
  if (groups.empty()) return groups;
  ASSIGN_OR_RETURN(const pg::Result members, db.Run(sql::kListMembers, ids, versions));
  for (const pg::Row row : members) {
    ASSIGN_OR_RETURN(GroupMember member, MemberOf(row));
    groups[places.at({row.Text("rule_group_id"), row.Int("version")})].members.push_back(
        std::move(member));
  }
  return groups;
}

// What the author left open of one member, from its rule.
absl::Status ResolveOne(const RuleContent& content, int version, const std::string& field,
                        GroupMember& member) {
  member.version = version;
  if (member.severity == Severity::kUnspecified) member.severity = content.severity;
  if (member.severity < content.severity) {
    return status::FieldInvalid(field + ".severity", "must not be below the rule's own");
  }
  return CheckValues(content.parameters, member.parameter_values, field + ".parameter_values");
}

void InsertVersion(pg::Transaction& tx, const RuleGroup& group, int version) {
  std::vector<std::string> rules;
  std::vector<int64_t> versions;
  std::vector<int64_t> severities;
  std::vector<std::string> settings;
  for (const GroupMember& member : group.members) {
    rules.push_back(member.rule);
    versions.push_back(member.version);
    severities.push_back(static_cast<int>(member.severity));
    settings.push_back(absl::BytesToHexString(EncodeSettings(member)));
  }
  std::vector<std::string> changes;
  for (const absl::CivilDay day : SeverityChangesOf(group.members)) {
    changes.push_back(absl::FormatCivilTime(day));
  }
  tx.Defer(sql::kInsertGroupVersion, group.id, version, group.title, group.datasets, changes,
           group.last_year_datasets);
  tx.Defer(sql::kInsertGroupMembers, group.id, version, rules, versions, severities, settings);
}

}  // namespace

absl::StatusOr<std::vector<MemberContent>> RuleGroupStore::Resolve(pg::Querier& db,
                                                                   RuleGroup& group) const {
  std::vector<std::string> ids;
  std::vector<int64_t> versions;
  for (const GroupMember& member : group.members) {
    ids.push_back(member.rule);
    versions.push_back(member.version);
  }
  ASSIGN_OR_RETURN(const pg::Result rules, db.Run(sql::kFindRules, ids, versions));
  std::map<std::string, int> rows;
  for (int i = 0; i < rules.size(); ++i) rows[rules[i].Text("rule_id")] = i;
  std::vector<MemberContent> contents;
  std::set<std::string> datasets;
  std::set<std::string> last_year;
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    GroupMember& member = group.members[i];
    const auto it = rows.find(member.rule);
    if (it == rows.end()) return RuleInactive(RuleNameOf(member.rule));
    const pg::Row row = rules[it->second];
    if (row.View("state") != "ACTIVE") return RuleInactive(RuleNameOf(member.rule));
    ASSIGN_OR_RETURN(RuleContent content, DecodeContent(row.Binary("content")));
    RETURN_IF_ERROR(ResolveOne(content, static_cast<int>(row.Int("version")),
                               fmt::format("rule_group.rules[{}]", i), member));
    for (const std::string& dataset : content.datasets) {
      (IsLastYear(dataset) ? last_year : datasets).emplace(DatasetOf(dataset));
    }
    contents.push_back({member, std::move(content)});
  }
  group.datasets.assign(datasets.begin(), datasets.end());
  group.last_year_datasets.assign(last_year.begin(), last_year.end());
  return contents;
}

absl::StatusOr<RuleGroup> RuleGroupStore::Changed(pg::Transaction& tx, const RuleGroup& before,
                                                  const pg::Result& updated, int version) const {
  ASSIGN_OR_RETURN(RuleGroup now, Get(tx, before.id, version));
  if (updated.affected() == 0) return status::EtagMismatch(NameOf(before.id), now.etag);
  return now;
}

absl::StatusOr<RuleGroup> RuleGroupStore::Create(pg::Transaction& tx,
                                                 const RuleGroup& asked) const {
  RuleGroup group = asked;
  RETURN_IF_ERROR(Resolve(tx, group).status());
  ASSIGN_OR_RETURN(const pg::Result inserted, tx.Run(sql::kInsertGroup, group.id,
                                                     kGroupLevelText.Of(group.level), group.title));
  if (inserted.affected() == 0) return status::AlreadyExists(NameOf(group.id));
  InsertVersion(tx, group, 1);
  return Get(tx, group.id, kNewestVersion);
}

absl::StatusOr<RuleGroup> RuleGroupStore::AddVersion(pg::Transaction& tx, const RuleGroup& group,
                                                     const RuleGroup& asked) const {
  RuleGroup next = asked;
  next.id = group.id;
  RETURN_IF_ERROR(Resolve(tx, next).status());
  const int version = group.newest_version + 1;
  ASSIGN_OR_RETURN(const pg::Result updated,
                   tx.Run(sql::kSetNewestGroupVersion, group.id, group.etag, version, next.title));
  if (updated.affected() > 0) InsertVersion(tx, next, version);
  return Changed(tx, group, updated, kNewestVersion);
}

absl::StatusOr<RuleGroup> RuleGroupStore::Get(pg::Querier& db, const std::string& id,
                                              int version) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetGroup, id, version));
  if (rows.empty()) return status::NotFound(NameOf(id));
  ASSIGN_OR_RETURN(std::vector<RuleGroup> groups, WithMembers(db, rows));
  return std::move(groups.front());
}

absl::StatusOr<RuleGroup> RuleGroupStore::GetUnchanged(pg::Querier& db, const std::string& id,
                                                       const std::string& etag, int version) const {
  ASSIGN_OR_RETURN(RuleGroup group, Get(db, id, version));
  if (group.etag != etag) return status::EtagMismatch(group.name(), group.etag);
  return group;
}

absl::StatusOr<std::vector<RuleGroup>> RuleGroupStore::List(pg::Querier& db,
                                                            const GroupFilter& filter,
                                                            const std::string& after_title,
                                                            const std::string& after_id,
                                                            int limit) const {
  std::vector<std::string> states;
  for (const GroupState state : filter.states) states.emplace_back(kGroupStateText.Of(state));
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kListGroups, states, kGroupLevelText.Of(filter.level), after_title,
                          after_id, limit));
  return WithMembers(db, rows);
}

absl::StatusOr<RuleGroup> RuleGroupStore::Activate(pg::Transaction& tx, const RuleGroup& group,
                                                   const std::string& user) const {
  ASSIGN_OR_RETURN(const pg::Result inactive,
                   tx.Run(sql::kFindInactiveMember, group.id, group.version));
  if (!inactive.empty()) return RuleInactive(RuleNameOf(inactive[0].Text("rule_id")));
  tx.Defer(sql::kRecordGroupVersionInUse, group.id);
  ASSIGN_OR_RETURN(const pg::Result updated, tx.Run(sql::kActivateGroupVersion, group.id,
                                                    group.etag, group.version, group.title));
  tx.Defer(sql::kRecordGroupActivation, group.id, group.version, user);
  return Changed(tx, group, updated, group.version);
}

absl::StatusOr<RuleGroup> RuleGroupStore::Deactivate(pg::Transaction& tx,
                                                     const RuleGroup& group) const {
  tx.Defer(sql::kRecordGroupVersionInUse, group.id);
  ASSIGN_OR_RETURN(const pg::Result updated, tx.Run(sql::kDeactivateGroup, group.id, group.etag));
  return Changed(tx, group, updated, kNewestVersion);
}

absl::StatusOr<std::vector<MemberContent>> RuleGroupStore::Contents(pg::Querier& db,
                                                                    const std::string& id,
                                                                    int version) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kListMemberContents, id, version));
  std::vector<MemberContent> contents;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(RuleContent content, DecodeContent(row.Binary("content")));
    ASSIGN_OR_RETURN(GroupMember member, MemberOf(row));
    contents.push_back({std::move(member), std::move(content)});
  }
  return contents;
}

}  // namespace edcert::validation_report
