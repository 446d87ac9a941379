#include "services/validation_report/rule_group_store.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "common/names/names.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/errors.h"
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
                   .state = state,
                   .datasets = row.TextArray("datasets"),
                   .etag = row.Text("row_version"),
                   .create_time = row.Time("created_at"),
                   .update_time = row.Time("updated_at")};
}

GroupMember MemberOf(const pg::Row& row) {
  return {row.Text("rule_id"), static_cast<int>(row.Int("rule_version")),
          static_cast<Severity>(row.Int("severity"))};
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
    groups[places.at({row.Text("rule_group_id"), row.Int("version")})].members.push_back(
        MemberOf(row));
  }
  return groups;
}

// Fills in what the author left open, from the rules as they are now.
absl::Status Resolve(const pg::Result& rules, RuleGroup& group) {
  std::map<std::string, int> rows;
  for (int i = 0; i < rules.size(); ++i) rows[rules[i].Text("rule_id")] = i;
  std::set<std::string> datasets;
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    GroupMember& member = group.members[i];
    const auto it = rows.find(member.rule);
    if (it == rows.end()) return RuleInactive(RuleNameOf(member.rule));
    const pg::Row row = rules[it->second];
    if (row.View("state") != "ACTIVE" || member.version > row.Int("version")) {
      return RuleInactive(RuleNameOf(member.rule));
    }
    if (member.version == 0) member.version = static_cast<int>(row.Int("version"));
    const auto own = static_cast<Severity>(row.Int("severity"));
    if (member.severity == Severity::kUnspecified) member.severity = own;
    if (member.severity < own) {
      return status::FieldInvalid(fmt::format("rule_group.rules[{}].severity", i),
                                  "must not be below the rule's own");
    }
    for (const std::string& dataset : row.TextArray("datasets")) datasets.insert(dataset);
  }
  group.datasets.assign(datasets.begin(), datasets.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RuleGroup> RuleGroupStore::Create(pg::Transaction& tx,
                                                 const RuleGroup& asked) const {
  RuleGroup group = asked;
  std::vector<std::string> rules;
  for (const GroupMember& member : group.members) rules.push_back(member.rule);
  ASSIGN_OR_RETURN(const pg::Result found, tx.Run(sql::kFindRules, rules));
  RETURN_IF_ERROR(Resolve(found, group));
  ASSIGN_OR_RETURN(const pg::Result inserted, tx.Run(sql::kInsertGroup, group.id,
                                                     kGroupLevelText.Of(group.level), group.title));
  if (inserted.affected() == 0) return status::AlreadyExists(NameOf(group.id));
  std::vector<int64_t> versions;
  std::vector<int64_t> severities;
  for (const GroupMember& member : group.members) {
    versions.push_back(member.version);
    severities.push_back(static_cast<int>(member.severity));
  }
  tx.Defer(sql::kInsertGroupVersion, group.id, 1, group.title, group.datasets);
  tx.Defer(sql::kInsertGroupMembers, group.id, 1, rules, versions, severities);
  return Get(tx, group.id, 0);
}

absl::StatusOr<RuleGroup> RuleGroupStore::Get(pg::Querier& db, const std::string& id,
                                              int version) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetGroup, id, version));
  if (rows.empty()) return status::NotFound(NameOf(id));
  ASSIGN_OR_RETURN(std::vector<RuleGroup> groups, WithMembers(db, rows));
  return std::move(groups.front());
}

absl::StatusOr<RuleGroup> RuleGroupStore::GetUnchanged(pg::Querier& db, const std::string& id,
                                                       const std::string& etag) const {
  ASSIGN_OR_RETURN(RuleGroup group, Get(db, id, 0));
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

absl::StatusOr<RuleGroup> RuleGroupStore::Activate(pg::Transaction& tx,
                                                   const RuleGroup& group) const {
  ASSIGN_OR_RETURN(const pg::Result archived,
                   tx.Run(sql::kFindArchivedMember, group.id, group.version));
  if (!archived.empty()) return RuleInactive(RuleNameOf(archived[0].Text("rule_id")));
  ASSIGN_OR_RETURN(const pg::Result updated, tx.Run(sql::kSetGroupState, group.id, group.etag,
                                                    kGroupStateText.Of(GroupState::kActive)));
  ASSIGN_OR_RETURN(RuleGroup now, Get(tx, group.id, 0));
  if (updated.affected() == 0) return status::EtagMismatch(NameOf(group.id), now.etag);
  return now;
}

absl::StatusOr<std::vector<MemberContent>> RuleGroupStore::Contents(pg::Querier& db,
                                                                    const std::string& id,
                                                                    int version) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kListMemberContents, id, version));
  std::vector<MemberContent> contents;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(RuleContent content, DecodeContent(row.Binary("content")));
    contents.push_back({MemberOf(row), std::move(content)});
  }
  return contents;
}

}  // namespace edcert::validation_report
