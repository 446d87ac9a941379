#include "services/validation_report/finding_store.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/sql/finding.sql.h"
#include "services/validation_report/store_text.h"

namespace edcert::validation_report {
namespace {

constexpr std::size_t kFindingsPerInsert = 1000;

using Values = std::map<std::string, std::string>;

std::string JsonOf(const Values& values) {
  return nlohmann::json(values).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Values ValuesOf(std::string_view json) {
  Values values;
  const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, false);
  for (const auto& [column, value] : parsed.items()) {
    values[column] = value.is_string() ? value.get<std::string>() : "";
  }
  return values;
}

// The columns of some findings of a report, for one insert.
struct FindingColumns {
  std::vector<int64_t> rule_places;
  std::vector<std::string> keys;
  std::vector<std::string> schools;
  std::vector<std::string> fields;
  std::vector<std::string> messages;
  std::vector<std::string> fingerprints;
  std::vector<int64_t> changes;
  std::vector<int64_t> groups;

  void Add(int64_t rule_place, int64_t group_place, const Finding& finding) {
    rule_places.push_back(rule_place);
    keys.push_back(finding.record_key);
    schools.push_back(finding.school);
    fields.push_back(JsonOf(finding.fields));
    messages.push_back(finding.message);
    fingerprints.push_back(finding.fingerprint);
    changes.push_back(static_cast<int64_t>(finding.change));
    groups.push_back(group_place);
  }
};

// Returns how many it wrote.
int64_t InsertFindings(pg::Transaction& tx, const std::string& id,
                       const std::vector<RanRule>& rules) {
  FindingColumns columns;
  int64_t written = 0;
  const auto flush = [&] {
    if (columns.keys.empty()) return;
    tx.Defer(sql::kInsertFindings, id, written, columns.rule_places, columns.keys, columns.schools,
             columns.fields, columns.messages, columns.fingerprints, columns.changes,
             columns.groups);
    written += static_cast<int64_t>(columns.keys.size());
    columns = {};
  };
  std::size_t groups = 0;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const RuleResult& result = rules[i].result;
    for (const Finding& finding : result.stored) {
      columns.Add(static_cast<int64_t>(i) + 1, static_cast<int64_t>(groups + finding.group) + 1,
                  finding);
      if (columns.keys.size() == kFindingsPerInsert) flush();
    }
    groups += result.groups.size();
  }
  flush();
  return written;
}

void InsertGroups(pg::Transaction& tx, const std::string& id, const std::vector<RanRule>& rules) {
  std::vector<int64_t> rule_places;
  std::vector<std::string> ids;
  std::vector<std::string> causes;
  std::vector<std::string> descriptions;
  std::vector<int64_t> sizes;
  std::vector<int64_t> fresh;
  std::vector<int64_t> back;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    for (const FindingGroup& group : rules[i].result.groups) {
      rule_places.push_back(static_cast<int64_t>(i) + 1);
      ids.push_back(group.id);
      causes.push_back(JsonOf(group.cause));
      descriptions.push_back(group.description);
      sizes.push_back(group.size);
      fresh.push_back(group.changes[FindingChange::kNew]);
      back.push_back(group.changes[FindingChange::kRegressed]);
    }
  }
  if (ids.empty()) return;
  tx.Defer(sql::kInsertGroups, id, rule_places, ids, causes, descriptions, sizes, fresh, back);
}

void InsertRules(pg::Transaction& tx, const std::string& id, const std::vector<RanRule>& rules) {
  const RuleColumns columns(rules);
  std::vector<int64_t> stored;
  std::vector<std::string> changes;
  for (const RanRule& rule : rules) {
    stored.push_back(static_cast<int64_t>(rule.result.stored.size()));
    changes.push_back(fmt::format("{}", fmt::join(rule.result.changes.numbers(), " ")));
  }
  tx.Defer(sql::kInsertRules, id, columns.ids, columns.versions, columns.codes, columns.severities,
           columns.datasets, columns.outcomes, columns.findings, columns.errors, stored, changes);
}

// How many findings of the run are what.
ChangeCounts SumOf(const std::vector<RanRule>& rules) {
  ChangeCounts sum;
  for (const RanRule& rule : rules) sum += rule.result.changes;
  return sum;
}

void RepeatFixed(pg::Transaction& tx, const Report& report, const std::string& of,
                 const std::vector<RanRule>& rules, int64_t written) {
  if (SumOf(rules)[FindingChange::kFixed] == 0) return;
  tx.Defer(sql::kRepeatFixed, report.id, of, written);
}

// Makes a run the last of its locked chain. `number`: which run of the chain it is.
void Advance(pg::Transaction& tx, const Report& report, const std::vector<RanRule>& rules,
             const std::optional<FindingChain>& before, int64_t chain, int64_t number,
             int64_t written) {
  const ChangeCounts sum = SumOf(rules);
  std::vector<std::string> codes;
  std::vector<int64_t> known;
  std::vector<int64_t> cut;
  std::vector<std::string> in_full;
  for (const auto& [code, rule] : JudgedRules(before, rules)) {
    codes.push_back(code);
    known.push_back(rule.known);
    cut.push_back(rule.cut ? 1 : 0);
    if (!rule.cut) in_full.push_back(code);
  }
  if (sum[FindingChange::kFixed] > 0) {
    tx.Defer(sql::kJoinRowsAtOnce);
    tx.Defer(sql::kMarkGone, chain, number, report.id, in_full);
    tx.Defer(sql::kInsertFixed, report.id, chain, number, written);
  }
  if (sum[FindingChange::kRegressed] > 0) tx.Defer(sql::kMarkBack, chain, number, report.id);
  if (sum[FindingChange::kNew] + sum[FindingChange::kUnknown] > 0) {
    tx.Defer(sql::kInsertKnown, chain, number, report.id);
  }
  tx.Defer(sql::kSetChainRules, chain, codes, known, cut);
  tx.Defer(sql::kSetChain, chain, number, report.id);
}

void ReadFinding(const pg::Row& row, Finding& finding) {
  finding.record_key = row.Text("record_key");
  finding.school = row.Text("school");
  finding.fields = ValuesOf(row.View("fields"));
  finding.message = row.Text("message");
  finding.fingerprint = row.Text("fingerprint");
  finding.change = static_cast<FindingChange>(row.Int("change"));
}

std::optional<Explanation> ExplanationOf(const pg::Row& row) {
  if (!row.Has("explanation")) return std::nullopt;
  return Explanation{row.Text("explanation"), row.Text("explained_by"), row.Time("explained_at")};
}

}  // namespace

std::string Comparison::previous_report() const {
  if (!chain.has_value() || relation == Relation::kOlder) return "";
  return relation == Relation::kRepeat ? chain->previous_report : chain->last_report;
}

absl::StatusOr<std::optional<FindingChain>> FindingStore::ReadChain(pg::Querier& db,
                                                                    const Report& report) const {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kReadChain, report.organization, kReportKindText.Of(report.kind),
                          report.rule_group));
  if (rows.empty()) return std::nullopt;
  const pg::Row first = rows[0];
  FindingChain chain{.id = first.Int("chain_id"),
                     .run = first.Int("run"),
                     .last_report = first.Text("report_id"),
                     .previous_report = first.Text("previous_report_id"),
                     .rule_group_version = static_cast<int>(first.Int("rule_group_version")),
                     .last_year = first.Text("previous_snapshot"),
                     .errored = first.Bool("errored")};
  const std::vector<std::string> datasets = first.TextArray("datasets");
  const std::vector<std::string> versions = first.TextArray("versions");
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    chain.data_versions.push_back({datasets[i], std::stoll(versions.at(i)), 0});
  }
  for (const pg::Row row : rows) {
    if (!row.Has("code")) continue;
    chain.rules[row.Text("code")] = {
        .known = row.Int("known"), .cut = row.Bool("cut"), .fixed = row.Int("fixed")};
  }
  return chain;
}

absl::StatusOr<Comparison> FindingStore::Compare(pg::Querier& db, const Report& report,
                                                 std::vector<RanRule>& rules) const {
  Comparison comparison;
  ASSIGN_OR_RETURN(comparison.chain, ReadChain(db, report));
  comparison.relation = RelationOf(report, comparison.chain);
  if (comparison.relation == Relation::kFirst || comparison.relation == Relation::kOlder) {
    SetAllChanges(
        comparison.relation == Relation::kFirst ? FindingChange::kNew : FindingChange::kUnknown,
        rules);
    return comparison;
  }
  std::vector<std::string> fingerprints;
  for (const RanRule& rule : rules) {
    for (const Finding& finding : rule.result.stored) fingerprints.push_back(finding.fingerprint);
  }
  std::vector<KnownFinding> known;
  if (!fingerprints.empty()) {
    const FindingChain& chain = *comparison.chain;
    const int64_t repeated = comparison.relation == Relation::kRepeat ? chain.run : 0;
    ASSIGN_OR_RETURN(const pg::Result rows,
                     db.Run(sql::kCompareFindings, chain.id, fingerprints, repeated));
    for (const pg::Row row : rows) {
      KnownFinding& each = known.emplace_back();
      each.place = static_cast<std::size_t>(row.Int("place")) - 1;
      if (row.Has("change")) each.change = static_cast<FindingChange>(row.Int("change"));
    }
  }
  CompareWithChain(*comparison.chain, comparison.relation, known, rules);
  return comparison;
}

absl::Status FindingStore::Write(pg::Transaction& tx, const Report& report,
                                 const std::vector<RanRule>& rules,
                                 const Comparison& comparison) const {
  const std::optional<FindingChain>& chain = comparison.chain;
  const bool advances =
      comparison.relation == Relation::kFirst || comparison.relation == Relation::kNext;
  InsertRules(tx, report.id, rules);
  InsertGroups(tx, report.id, rules);
  const int64_t written = InsertFindings(tx, report.id, rules);
  if (!advances) {
    tx.Defer(sql::kSetReportChain, report.id, chain->id);
    if (comparison.relation == Relation::kRepeat) {
      RepeatFixed(tx, report, chain->last_report, rules, written);
    }
    return absl::OkStatus();
  }
  const std::string_view kind = kReportKindText.Of(report.kind);
  if (!chain.has_value()) {
    tx.Defer(sql::kMakeChain, report.organization, kind, report.rule_group, report.id);
  }
  ASSIGN_OR_RETURN(const pg::Result locked,
                   tx.Run(sql::kLockChain, report.organization, kind, report.rule_group));
  if (locked.empty()) return status::Internal("chain of runs");
  const int64_t id = locked[0].Int("chain_id");
  const int64_t run = locked[0].Int("run");
  tx.Defer(sql::kSetReportChain, report.id, id);
  if (run == (chain.has_value() ? chain->run : 0)) {
    Advance(tx, report, rules, chain, id, run + 1, written);
    return absl::OkStatus();
  }
  // Another run came between. An equal one was compared with the same run as this.
  ASSIGN_OR_RETURN(const std::optional<FindingChain> now, ReadChain(tx, report));
  if (RelationOf(report, now) != Relation::kRepeat ||
      now->previous_report != comparison.previous_report()) {
    return status::Unavailable("the run before");
  }
  RepeatFixed(tx, report, now->last_report, rules, written);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ListedFinding>> FindingStore::List(pg::Querier& db,
                                                              const std::string& id,
                                                              const FindingQuery& query,
                                                              int64_t after, int limit) const {
  std::vector<int64_t> changes;
  for (const FindingChange change : query.changes) changes.push_back(static_cast<int64_t>(change));
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kListFindings, id, query.rule, after, limit, changes, query.group));
  std::vector<ListedFinding> findings;
  for (const pg::Row row : rows) {
    ListedFinding listed{.place = row.Int("place"),
                         .rule = row.Text("rule_id"),
                         .rule_version = static_cast<int>(row.Int("rule_version")),
                         .rule_code = row.Text("code"),
                         .severity = static_cast<Severity>(row.Int("severity")),
                         .dataset = row.Text("dataset"),
                         .group = row.Text("group_id"),
                         .group_size = row.Int("group_size"),
                         .first_seen = row.OptionalTime("first_seen"),
                         .last_seen = row.OptionalTime("last_seen"),
                         .explanation = ExplanationOf(row),
                         .waiver = row.Text("waiver_id")};
    ReadFinding(row, listed.finding);
    findings.push_back(std::move(listed));
  }
  return findings;
}

absl::StatusOr<std::vector<ListedGroup>> FindingStore::ListGroups(pg::Querier& db,
                                                                  const std::string& id,
                                                                  const GroupQuery& query,
                                                                  int64_t after, int limit) const {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kListFindingGroups, id, query.rule, static_cast<int>(query.severity),
                          after, limit, query.unexplained, query.explained_by, query.category));
  std::vector<ListedGroup> groups;
  for (const pg::Row row : rows) {
    ListedGroup listed{.place = row.Int("place"),
                       .rule = row.Text("rule_id"),
                       .rule_version = static_cast<int>(row.Int("rule_version")),
                       .rule_code = row.Text("code"),
                       .severity = static_cast<Severity>(row.Int("severity")),
                       .dataset = row.Text("dataset"),
                       .group = {.id = row.Text("group_id"),
                                 .cause = ValuesOf(row.View("cause")),
                                 .description = row.Text("description"),
                                 .size = row.Int("size")},
                       .truncated = row.Bool("truncated"),
                       .unexplained = row.Int("unexplained"),
                       .explanation = ExplanationOf(row),
                       .waived = row.Int("waived"),
                       .suggestion = row.Text("suggestion")};
    listed.group.changes[FindingChange::kNew] = row.Int("size_new");
    listed.group.changes[FindingChange::kRegressed] = row.Int("size_back");
    groups.push_back(std::move(listed));
  }
  return groups;
}

}  // namespace edcert::validation_report
