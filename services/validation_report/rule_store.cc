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
  return Rule{.id = row.Text("rule_id"),
              .state = state,
              .version = static_cast<int>(row.Int("version")),
              .etag = row.Text("row_version"),
              .create_time = row.Time("created_at"),
              .update_time = row.Time("updated_at"),
              .content = std::move(content)};
}

}  // namespace

absl::StatusOr<Rule> RuleStore::Create(pg::Transaction& tx, const std::string& id,
                                       const RuleContent& content) const {
  ASSIGN_OR_RETURN(const pg::Result inserted,
                   tx.Run(sql::kInsertRule, id, content.code, static_cast<int>(content.severity),
                          content.datasets));
  if (inserted.affected() == 0) return status::AlreadyExists(NameOf(id));
  tx.Defer(sql::kInsertRuleVersion, id, 1, pg::Bytes{EncodeContent(content)});
  return Get(tx, id, 0);
}

absl::StatusOr<Rule> RuleStore::Get(pg::Querier& db, const std::string& id, int version) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetRule, id, version));
  if (rows.empty()) return status::NotFound(NameOf(id));
  return RuleOf(rows[0]);
}

absl::StatusOr<Rule> RuleStore::GetUnchanged(pg::Querier& db, const std::string& id,
                                             const std::string& etag) const {
  ASSIGN_OR_RETURN(Rule rule, Get(db, id, 0));
  if (rule.etag != etag) return status::EtagMismatch(rule.name(), rule.etag);
  return rule;
}

absl::StatusOr<std::vector<Rule>> RuleStore::List(pg::Querier& db, const RuleFilter& filter,
                                                  const std::string& after, int limit) const {
  std::vector<std::string> states;
  for (const RuleState state : filter.states) states.emplace_back(kRuleStateText.Of(state));
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kListRules, states, filter.dataset,
                                                 static_cast<int>(filter.severity), after, limit));
  std::vector<Rule> rules;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(Rule rule, RuleOf(row));
    rules.push_back(std::move(rule));
  }
  return rules;
}

absl::StatusOr<Rule> RuleStore::SetState(pg::Transaction& tx, const Rule& rule,
                                         RuleState state) const {
  ASSIGN_OR_RETURN(const pg::Result updated,
                   tx.Run(sql::kSetRuleState, rule.id, rule.etag, kRuleStateText.Of(state)));
  ASSIGN_OR_RETURN(Rule now, Get(tx, rule.id, 0));
  if (updated.affected() == 0) return status::EtagMismatch(NameOf(rule.id), now.etag);
  return now;
}

}  // namespace edcert::validation_report
