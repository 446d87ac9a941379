#include "services/validation_report/report_store.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/jobs/jobs.h"
#include "common/names/names.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/sql/report.sql.h"

namespace edcert::validation_report {
namespace {

constexpr int kChunksPerRead = 8;
constexpr std::size_t kFindingsPerInsert = 1000;
constexpr int kMaxPositions = 20;

std::vector<int64_t> Numbers(const std::vector<std::string>& texts) {
  std::vector<int64_t> numbers;
  for (const std::string& text : texts) numbers.push_back(std::stoll(text));
  return numbers;
}

std::optional<ReportResult> ResultOf(const pg::Row& row) {
  if (!row.Has("result_attempt")) return std::nullopt;
  ReportResult result{.truncated = row.Bool("truncated"),
                      .sha256 = row.Text("sha256"),
                      .size = row.Int("size"),
                      .media_type = row.Text("media_type"),
                      .file_name = row.Text("file_name")};
  const std::vector<int64_t> numbers = Numbers(row.TextArray("counts"));
  for (std::size_t i = 0; i < result.counts.size() && 3 * i + 2 < numbers.size(); ++i) {
    result.counts[i] = {numbers[3 * i], numbers[3 * i + 1], numbers[3 * i + 2]};
  }
  return result;
}

absl::StatusOr<Report> ReportOf(const pg::Row& row) {
  ASSIGN_OR_RETURN(const ReportKind kind, kReportKindText.From(row.View("kind")));
  ASSIGN_OR_RETURN(const ReportFormat format, kReportFormatText.From(row.View("format")));
  ASSIGN_OR_RETURN(const ReportState state, kReportStateText.From(row.View("state")));
  Report report{.id = row.Text("report_id"),
                .title = row.Text("title"),
                .event = row.Text("event"),
                .event_title = row.Text("event_title"),
                .organization = row.Text("organization"),
                .organization_display_name = row.Text("organization_display_name"),
                .district = row.Text("district"),
                .kind = kind,
                .format = format,
                .snapshot = row.Text("snapshot"),
                .requester = row.Text("requester"),
                .rule_group = row.Text("rule_group_id"),
                .rule_group_title = row.Text("rule_group_title"),
                .rule_group_version = static_cast<int>(row.Int("rule_group_version")),
                .create_time = row.Time("created_at"),
                .state = state,
                .attempt = row.Int("attempt"),
                .progress_done = row.Int("progress_done"),
                .progress_total = row.Int("progress_total"),
                .progress_phase = row.Text("progress_phase"),
                .failure = row.Text("failure"),
                .start_time = row.OptionalTime("started_at"),
                .end_time = row.OptionalTime("finished_at"),
                .result = ResultOf(row),
                .viewed_at = row.OptionalTime("first_viewed_at")};
  const std::vector<std::string> datasets = row.TextArray("datasets");
  const std::vector<int64_t> versions = Numbers(row.TextArray("versions"));
  const std::vector<int64_t> rows = Numbers(row.TextArray("rows"));
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    report.data_versions.push_back({datasets[i], versions.at(i), rows.at(i)});
  }
  return report;
}

absl::Status AddPosition(pg::Querier& db, Report& report) {
  if (report.state != ReportState::kQueued) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::optional<jobs::Position> position, jobs::PositionOf(db, report.id));
  if (!position.has_value()) return absl::OkStatus();
  report.queue_position = position->position;
  report.expected_start = position->expected_start;
  return absl::OkStatus();
}

// The columns of some findings of a report, for one insert.
struct FindingColumns {
  std::vector<int64_t> rule_places;
  std::vector<std::string> keys;
  std::vector<std::string> schools;
  std::vector<std::string> fields;
  std::vector<std::string> messages;
  std::vector<std::string> fingerprints;

  void Add(int64_t rule_place, const Finding& finding) {
    rule_places.push_back(rule_place);
    keys.push_back(finding.record_key);
    schools.push_back(finding.school);
    fields.push_back(nlohmann::json(finding.fields)
                         .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    messages.push_back(finding.message);
    fingerprints.push_back(finding.fingerprint);
  }
};

void InsertFindings(pg::Transaction& tx, const std::string& id, const std::vector<RanRule>& rules) {
  FindingColumns columns;
  int64_t written = 0;
  const auto flush = [&] {
    if (columns.keys.empty()) return;
    tx.Defer(sql::kInsertFindings, id, written, columns.rule_places, columns.keys, columns.schools,
             columns.fields, columns.messages, columns.fingerprints);
    written += static_cast<int64_t>(columns.keys.size());
    columns = {};
  };
  for (std::size_t i = 0; i < rules.size(); ++i) {
    for (const Finding& finding : rules[i].result.stored) {
      columns.Add(static_cast<int64_t>(i) + 1, finding);
      if (columns.keys.size() == kFindingsPerInsert) flush();
    }
  }
  flush();
}

void InsertRules(pg::Transaction& tx, const std::string& id, const std::vector<RanRule>& rules) {
  std::vector<std::string> ids;
  std::vector<int64_t> versions;
  std::vector<std::string> codes;
  std::vector<int64_t> severities;
  std::vector<std::string> datasets;
  std::vector<std::string> outcomes;
  std::vector<int64_t> findings;
  std::vector<std::string> errors;
  for (const RanRule& rule : rules) {
    ids.push_back(rule.rule);
    versions.push_back(rule.version);
    codes.push_back(rule.code);
    severities.push_back(static_cast<int>(rule.severity));
    datasets.push_back(rule.dataset);
    outcomes.emplace_back(ToString(rule.result.outcome));
    findings.push_back(rule.result.findings);
    errors.push_back(rule.result.error);
  }
  tx.Defer(sql::kInsertRules, id, ids, versions, codes, severities, datasets, outcomes, findings,
           errors);
}

}  // namespace

absl::StatusOr<std::vector<ReportDataVersion>> ReportStore::ReadVersions(
    pg::Querier& db, std::string_view copy, const std::string& district,
    const std::vector<std::string>& datasets) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kReadVersions, copy, district, datasets));
  std::vector<ReportDataVersion> versions;
  for (const pg::Row row : rows) {
    versions.push_back({row.Text("dataset"), row.Int("version"), row.Int("row_count")});
  }
  return versions;
}

absl::StatusOr<int64_t> ReportStore::CountWaiting(pg::Querier& db,
                                                  const std::string& organization) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kCountWaiting, organization));
  return rows[0].Int("waiting");
}

void ReportStore::Insert(pg::Transaction& tx, const Report& report) const {
  std::vector<std::string> datasets;
  std::vector<int64_t> versions;
  for (const ReportDataVersion& version : report.data_versions) {
    datasets.push_back(version.dataset);
    versions.push_back(version.version);
  }
  const std::vector<int64_t> rows(datasets.size(), 0);
  tx.Defer(sql::kInsertReport, report.id, report.title, report.event, report.event_title,
           report.organization, report.organization_display_name, report.district,
           kReportKindText.Of(report.kind), kReportFormatText.Of(report.format), report.snapshot,
           report.requester, report.rule_group, report.rule_group_version, datasets, versions,
           rows);
}

absl::StatusOr<Report> ReportStore::Get(pg::Querier& db, const std::string& id,
                                        const std::string& viewer) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetReport, id, viewer));
  if (rows.empty()) return status::NotFound(names::ReportName::FromId(id).ToString());
  ASSIGN_OR_RETURN(Report report, ReportOf(rows[0]));
  RETURN_IF_ERROR(AddPosition(db, report));
  return report;
}

absl::StatusOr<std::vector<Report>> ReportStore::List(pg::Querier& db, const ReportFilter& filter,
                                                      const std::string& viewer,
                                                      std::optional<absl::Time> after_time,
                                                      const std::string& after_id,
                                                      int limit) const {
  std::vector<std::string> states;
  for (const ReportState state : filter.states) states.emplace_back(kReportStateText.Of(state));
  const std::string_view kind = filter.kind.has_value() ? kReportKindText.Of(*filter.kind) : "";
  const ReportScope& scope = filter.scope;
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      db.Run(sql::kListReports, viewer, scope.every_organization, scope.organizations,
             scope.districts, scope.every_event, scope.events, filter.event, filter.organization,
             kind, states, filter.requester, after_time, after_id, limit));
  std::vector<Report> reports;
  int positions = 0;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(Report report, ReportOf(row));
    if (report.state == ReportState::kQueued && ++positions <= kMaxPositions) {
      RETURN_IF_ERROR(AddPosition(db, report));
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

void ReportStore::AddChunks(pg::Transaction& tx, const Report& report, int64_t place,
                            const std::vector<std::string>& chunks) const {
  for (const std::string& chunk : chunks) {
    tx.Defer(sql::kInsertArtifact, report.id, report.attempt, place++, pg::Bytes{chunk});
  }
}

void ReportStore::DropChunks(pg::Transaction& tx, const std::string& id,
                             int64_t but_attempt) const {
  tx.Defer(sql::kDropLostArtifacts, id, but_attempt);
}

void ReportStore::Complete(pg::Transaction& tx, const Report& report, const ReportResult& result,
                           const std::vector<RanRule>& rules) const {
  InsertRules(tx, report.id, rules);
  InsertFindings(tx, report.id, rules);
  std::vector<int64_t> rows;
  for (const ReportDataVersion& version : report.data_versions) rows.push_back(version.rows);
  std::vector<int64_t> counts;
  for (const SeverityCount& count : result.counts) {
    counts.insert(counts.end(), {count.rules, count.records, count.rules_errored});
  }
  tx.DeferOne(sql::kSetResult, report.id, report.attempt, rows, counts, result.truncated,
              result.sha256, result.size, result.media_type, result.file_name);
  DropChunks(tx, report.id, report.attempt);
}

absl::Status ReportStore::ReadFile(pg::Querier& db, const std::string& id,
                                   absl::FunctionRef<absl::Status(const std::string&)> each) const {
  int64_t place = 0;
  while (true) {
    ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kReadArtifact, id, place, kChunksPerRead));
    for (const pg::Row row : rows) RETURN_IF_ERROR(each(row.Binary("bytes")));
    if (rows.size() < kChunksPerRead) return absl::OkStatus();
    place += rows.size();
  }
}

absl::StatusOr<std::vector<ListedFinding>> ReportStore::ListFindings(pg::Querier& db,
                                                                     const std::string& id,
                                                                     const std::string& rule,
                                                                     int64_t after,
                                                                     int limit) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kListFindings, id, rule, after, limit));
  std::vector<ListedFinding> findings;
  for (const pg::Row row : rows) {
    ListedFinding listed{.place = row.Int("place"),
                         .rule = row.Text("rule_id"),
                         .rule_version = static_cast<int>(row.Int("rule_version")),
                         .rule_code = row.Text("code"),
                         .severity = static_cast<Severity>(row.Int("severity")),
                         .dataset = row.Text("dataset"),
                         .finding = {.record_key = row.Text("record_key"),
                                     .school = row.Text("school"),
                                     .message = row.Text("message"),
                                     .fingerprint = row.Text("fingerprint")}};
    const nlohmann::json fields = nlohmann::json::parse(row.View("fields"), nullptr, false);
    for (const auto& [column, value] : fields.items()) {
      listed.finding.fields[column] = value.is_string() ? value.get<std::string>() : "";
    }
    findings.push_back(std::move(listed));
  }
  return findings;
}

absl::Status ReportStore::RecordView(pg::Querier& db, const std::string& id,
                                     const std::string& user) const {
  return db.Run(sql::kRecordView, id, user).status();
}

}  // namespace edcert::validation_report
