#include "services/validation_report/rule_store.h"

#include "common/names/names.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/sql/rule.sql.h"

namespace edcert::validation_report {
namespace {

std::string NameOf(const std::string& id) { return names::RuleName::FromId(id).ToString(); }

absl::StatusOr<Rule> RuleOf(const pg::Row& row) {
  ASSIGN_OR_RETURN(const RuleState state, kRuleStateText.From(row.View("state")));
  ASSIGN_OR_RETURN(RuleContent content, DecodeContent(row.Binary("content")));
  std::optional<PendingActivation> pending;
  if (row.Has("asked_version")) {
    pending = {static_cast<int>(row.Int("asked_version")), row.Text("asked_by"),
               row.Time("asked_at")};
  }
  return Rule{.id = row.Text("rule_id"),
              .state = state,
              .version = static_cast<int>(row.Int("version")),
              .active_version = static_cast<int>(row.Int("active_version")),
              .newest_version = static_cast<int>(row.Int("newest_version")),
              .author = row.Text("author"),
              .pending = std::move(pending),
              .etag = row.Text("row_version"),
              .create_time = row.Time("created_at"),
              .update_time = row.Time("updated_at"),
              .content = std::move(content)};
}

}  // namespace

absl::StatusOr<Rule> RuleStore::Changed(pg::Transaction& tx, const Rule& before,
                                        const pg::Result& updated, int version) const {
  ASSIGN_OR_RETURN(Rule now, Get(tx, before.id, version));
  if (updated.affected() == 0) return status::EtagMismatch(NameOf(before.id), now.etag);
  return now;
}

absl::StatusOr<Rule> RuleStore::Create(pg::Transaction& tx, const std::string& id,
                                       const RuleContent& content,
                                       const std::string& author) const {
  ASSIGN_OR_RETURN(const pg::Result inserted,
                   tx.Run(sql::kInsertRule, id, content.code, static_cast<int>(content.severity),
                          content.datasets, content.tags));
  if (inserted.affected() == 0) return status::AlreadyExists(NameOf(id));
  tx.Defer(sql::kInsertRuleVersion, id, 1, pg::Bytes{EncodeContent(content)}, author);
  return Get(tx, id, 0);
}

absl::StatusOr<Rule> RuleStore::Get(pg::Querier& db, const std::string& id, int version) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetRule, id, version));
  if (rows.empty()) return status::NotFound(NameOf(id));
  return RuleOf(rows[0]);
}

absl::StatusOr<Rule> RuleStore::GetUnchanged(pg::Querier& db, const std::string& id,
                                             const std::string& etag, int version) const {
  ASSIGN_OR_RETURN(Rule rule, Get(db, id, version));
  if (rule.etag != etag) return status::EtagMismatch(rule.name(), rule.etag);
  return rule;
}

absl::StatusOr<std::vector<Rule>> RuleStore::List(pg::Querier& db, const RuleFilter& filter,
                                                  const std::string& after, int limit) const {
  std::vector<std::string> states;
  for (const RuleState state : filter.states) states.emplace_back(kRuleStateText.Of(state));
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kListRules, states, filter.dataset,
                          static_cast<int>(filter.severity), filter.tag, after, limit));
  std::vector<Rule> rules;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(Rule rule, RuleOf(row));
    rules.push_back(std::move(rule));
  }
  return rules;
}

absl::StatusOr<std::vector<RuleContent>> RuleStore::Export(pg::Querier& db,
                                                           const std::string& dataset,
                                                           const std::string& tag,
                                                           bool newest) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kExportRules, newest, dataset, tag));
  std::vector<RuleContent> contents;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(RuleContent content, DecodeContent(row.Binary("content")));
    contents.push_back(std::move(content));
  }
  return contents;
}

absl::StatusOr<std::map<std::string, Rule>> RuleStore::FindByCode(
    pg::Querier& db, const std::vector<std::string>& codes) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kLockRules, codes));
  std::map<std::string, Rule> rules;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(rules[row.Text("code")], Get(db, row.Text("rule_id"), 0));
  }
  return rules;
}

absl::StatusOr<Rule> RuleStore::SetState(pg::Transaction& tx, const Rule& rule,
                                         RuleState state) const {
  ASSIGN_OR_RETURN(const pg::Result updated,
                   tx.Run(sql::kSetRuleState, rule.id, rule.etag, kRuleStateText.Of(state)));
  return Changed(tx, rule, updated, 0);
}

absl::StatusOr<Rule> RuleStore::AddVersion(pg::Transaction& tx, const Rule& rule,
                                           const RuleContent& content,
                                           const std::string& author) const {
  const int next = rule.newest_version + 1;
  ASSIGN_OR_RETURN(const pg::Result updated,
                   tx.Run(sql::kSetNewestVersion, rule.id, rule.etag, next,
                          static_cast<int>(content.severity), content.datasets, content.tags));
  if (updated.affected() > 0) {
    tx.Defer(sql::kInsertRuleVersion, rule.id, next, pg::Bytes{EncodeContent(content)}, author);
  }
  return Changed(tx, rule, updated, 0);
}

absl::StatusOr<Rule> RuleStore::Ask(pg::Transaction& tx, const Rule& rule,
                                    const std::string& user) const {
  ASSIGN_OR_RETURN(const pg::Result updated,
                   tx.Run(sql::kAskForActivation, rule.id, rule.etag, rule.version, user));
  return Changed(tx, rule, updated, rule.version);
}

absl::StatusOr<Rule> RuleStore::Activate(pg::Transaction& tx, const Rule& rule,
                                         const std::string& user) const {
  tx.Defer(sql::kRecordVersionInUse, rule.id);
  ASSIGN_OR_RETURN(
      const pg::Result updated,
      tx.Run(sql::kActivateVersion, rule.id, rule.etag, rule.version,
             static_cast<int>(rule.content.severity), rule.content.datasets, rule.content.tags));
  tx.Defer(sql::kRecordActivation, rule.id, rule.version,
           rule.pending.has_value() ? rule.pending->user : user, user);
  return Changed(tx, rule, updated, rule.version);
}

}  // namespace edcert::validation_report
