#include "services/validation_report/background_store.h"

#include <algorithm>
#include <utility>

#include "common/names/names.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/sql/background.sql.h"
#include "services/validation_report/store_text.h"

namespace edcert::validation_report {
namespace {

BackgroundTarget TargetOf(const pg::Row& row) {
  const std::string organization = row.Text("organization");
  const std::string district = row.Text("district");
  return {.rule_group = row.Text("rule_group_id"),
          .organization = organization,
          .district = district.empty() ? organization : district,
          .kind = row.View("copy") == CopyOf(ReportKind::kDistrictData) ? ReportKind::kDistrictData
                                                                        : ReportKind::kStateData};
}

std::vector<RanRule> RulesOf(const pg::Result& rows) {
  std::vector<RanRule> rules;
  for (const pg::Row row : rows) {
    RanRule& rule = rules.emplace_back();
    rule = {.rule = row.Text("rule_id"),
            .version = static_cast<int>(row.Int("rule_version")),
            .code = row.Text("code"),
            .severity = static_cast<Severity>(row.Int("severity")),
            .dataset = row.Text("dataset")};
    const std::string_view outcome = row.View("outcome");
    for (const Outcome each : {Outcome::kPass, Outcome::kFail, Outcome::kError}) {
      if (outcome == ToString(each)) rule.result.outcome = each;
    }
    rule.result.findings = row.Int("findings");
    rule.result.error = row.Text("error");
  }
  return rules;
}

constexpr int kFatal = static_cast<int>(Severity::kFatal);

int64_t Millis(absl::Duration duration) { return absl::ToInt64Milliseconds(duration); }

}  // namespace

bool IsStale(const BackgroundCounts& counts, int rule_group_version,
             const std::vector<ReportDataVersion>& now) {
  const auto equal = [](const ReportDataVersion& a, const ReportDataVersion& b) {
    return a.dataset == b.dataset && a.version == b.version;
  };
  return counts.rule_group_version != rule_group_version ||
         !std::equal(counts.data_versions.begin(), counts.data_versions.end(), now.begin(),
                     now.end(), equal);
}

void BackgroundStore::MarkChanged(pg::Transaction& tx, std::string_view district,
                                  std::string_view copy, std::string_view dataset,
                                  absl::Duration delay) const {
  tx.Defer(sql::kMarkChanged, district, copy, dataset, Millis(delay));
}

void BackgroundStore::MarkGroup(pg::Transaction& tx, const std::string& rule_group,
                                absl::Duration delay) const {
  tx.Defer(sql::kMarkGroup, rule_group, Millis(delay));
}

absl::StatusOr<std::vector<BackgroundTarget>> BackgroundStore::TakeDue(pg::Transaction& tx,
                                                                       int limit) const {
  ASSIGN_OR_RETURN(const pg::Result rows, tx.Run(sql::kTakeDue, limit));
  std::vector<BackgroundTarget> targets;
  for (const pg::Row row : rows) targets.push_back(validation_report::TargetOf(row));
  return targets;
}

void BackgroundStore::SetAsked(pg::Transaction& tx, const BackgroundTarget& target,
                               const std::string& job) const {
  tx.DeferOne(sql::kSetAsked, target.rule_group, target.organization, CopyOf(target.kind), job);
}

void BackgroundStore::SetDue(pg::Transaction& tx, const BackgroundTarget& target,
                             std::optional<absl::Duration> delay) const {
  const std::optional<int64_t> millis =
      delay.has_value() ? std::optional(Millis(*delay)) : std::nullopt;
  tx.DeferOne(sql::kSetDue, target.rule_group, target.organization, CopyOf(target.kind), millis);
}

void BackgroundStore::SetFailed(pg::Transaction& tx, const std::string& job,
                                absl::Duration delay) const {
  tx.Defer(sql::kSetFailed, job, Millis(delay));
}

void BackgroundStore::SetCounts(pg::Transaction& tx, const BackgroundTarget& target,
                                const BackgroundCounts& counts) const {
  const RuleColumns rules(counts.rules);
  const VersionColumns read(counts.data_versions);
  const std::string_view copy = CopyOf(target.kind);
  tx.DeferOne(sql::kSetCounted, target.rule_group, target.organization, copy,
              counts.rule_group_version, DayText(counts.severity_day), read.datasets, read.versions,
              read.rows, counts.left_out);
  tx.Defer(sql::kDeleteCounts, target.rule_group, target.organization, copy);
  tx.Defer(sql::kInsertCounts, target.rule_group, target.organization, copy, rules.ids,
           rules.versions, rules.codes, rules.severities, rules.datasets, rules.outcomes,
           rules.findings, rules.errors);
}

absl::StatusOr<std::vector<UntoldRun>> BackgroundStore::TakeUntold(pg::Transaction& tx,
                                                                   absl::Time before,
                                                                   int limit) const {
  ASSIGN_OR_RETURN(const pg::Result rows, tx.Run(sql::kTakeUntold, before, limit));
  std::vector<UntoldRun> runs;
  for (const pg::Row row : rows) {
    runs.push_back({validation_report::TargetOf(row), row.Text("display_name"), row.Bool("first")});
  }
  return runs;
}

absl::StatusOr<std::vector<MoreFindings>> BackgroundStore::ListMoreFatal(
    pg::Querier& db, const BackgroundTarget& target) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kListMore, target.rule_group,
                                                 target.organization, CopyOf(target.kind), kFatal));
  std::vector<MoreFindings> rules;
  for (const pg::Row row : rows) {
    rules.push_back({row.Text("code"), row.Int("findings"), row.Int("more")});
  }
  return rules;
}

void BackgroundStore::SetTold(pg::Transaction& tx, const BackgroundTarget& target) const {
  const std::string_view copy = CopyOf(target.kind);
  tx.DeferOne(sql::kSetTold, target.rule_group, target.organization, copy);
  tx.Defer(sql::kDeleteTold, target.rule_group, target.organization, copy, kFatal);
  tx.Defer(sql::kInsertTold, target.rule_group, target.organization, copy, kFatal);
}

absl::StatusOr<BackgroundRun> BackgroundStore::Get(pg::Querier& db,
                                                   const BackgroundTarget& target) const {
  const std::string_view copy = CopyOf(target.kind);
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kGetRun, target.rule_group, target.organization, copy));
  if (rows.empty()) {
    return status::NotFound(names::RuleGroupName::FromId(target.rule_group).ToString());
  }
  const pg::Row row = rows[0];
  BackgroundRun run{.target = target,
                    .version_in_use = static_cast<int>(row.Int("version_in_use")),
                    .datasets = row.TextArray("datasets_in_use"),
                    .compares_years = row.Bool("compares_years")};
  if (!row.Has("counted_at")) return run;
  BackgroundCounts& counts = run.counts.emplace();
  counts.rule_group_version = static_cast<int>(row.Int("rule_group_version"));
  counts.severity_day = DayOf(row, "severity_day");
  counts.data_versions = VersionsOf(row, "datasets", "versions", "rows");
  counts.left_out = static_cast<int>(row.Int("left_out"));
  counts.counted_at = row.Time("counted_at");
  ASSIGN_OR_RETURN(const pg::Result rules,
                   db.Run(sql::kListCounts, target.rule_group, target.organization, copy));
  counts.rules = RulesOf(rules);
  return run;
}

absl::StatusOr<std::map<std::string, RuleHits>> BackgroundStore::ListHits(
    pg::Querier& db, const std::string& rule_group, const std::vector<std::string>& rules,
    int limit) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kListHit, rule_group, rules, limit));
  std::map<std::string, RuleHits> hits;
  for (const pg::Row row : rows) {
    hits[row.Text("rule_id")] = {row.Int("organizations"), row.TextArray("first_organizations")};
  }
  return hits;
}

absl::StatusOr<BackgroundTarget> BackgroundStore::TargetOf(pg::Querier& db,
                                                           const std::string& job) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kFindRunOfJob, job));
  if (rows.empty()) return status::NotFound("jobs/" + job);
  return validation_report::TargetOf(rows[0]);
}

absl::StatusOr<std::optional<BackgroundCounts>> BackgroundStore::FindEqualReport(
    pg::Querier& db, const BackgroundRun& run,
    const std::vector<ReportDataVersion>& data_versions) const {
  const VersionColumns read(data_versions);
  ASSIGN_OR_RETURN(
      const pg::Result reports,
      db.Run(sql::kFindEqualReport, run.target.organization, kReportKindText.Of(run.target.kind),
             run.target.rule_group, run.version_in_use, read.datasets, read.versions));
  if (reports.empty()) return std::nullopt;
  BackgroundCounts counts{.rule_group_version = run.version_in_use,
                          .severity_day = DayOf(reports[0], "severity_day"),
                          .data_versions = data_versions};
  const std::vector<int64_t> rows = Numbers(reports[0].TextArray("rows"));
  for (std::size_t i = 0; i < rows.size(); ++i) counts.data_versions.at(i).rows = rows[i];
  ASSIGN_OR_RETURN(const pg::Result rules,
                   db.Run(sql::kListReportRules, reports[0].Text("report_id")));
  counts.rules = RulesOf(rules);
  return counts;
}

}  // namespace edcert::validation_report
