#include "services/validation_report/report_store.h"

#include <map>

#include "common/jobs/jobs.h"
#include "common/names/names.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/errors.h"
#include "services/validation_report/sql/report.sql.h"
#include "services/validation_report/sql/waiver.sql.h"
#include "services/validation_report/store_text.h"

namespace edcert::validation_report {
namespace {

constexpr int kChunksPerRead = 8;
constexpr int kMaxPositions = 20;
// The dataset that knows what organisations are called.
constexpr std::string_view kOrganizations = "organization";

std::optional<ReportResult> ResultOf(const pg::Row& row) {
  if (!row.Has("result_attempt")) return std::nullopt;
  ReportResult result{.truncated = row.Bool("truncated"),
                      .sha256 = row.Text("sha256"),
                      .size = row.Int("size"),
                      .media_type = row.Text("media_type"),
                      .file_name = row.Text("file_name")};
  const std::vector<int64_t> numbers = Numbers(row.TextArray("counts"));
  for (std::size_t i = 0; i < result.counts.size() && 3 * i + 2 < numbers.size(); ++i) {
    result.counts[i] = {.rules = numbers[3 * i],
                        .records = numbers[3 * i + 1],
                        .rules_errored = numbers[3 * i + 2]};
  }
  if (row.Has("changes")) {
    const std::vector<int64_t> changes = Numbers(row.TextArray("changes"));
    SeverityChanges& sums = result.changes.emplace();
    for (std::size_t i = 0; i < changes.size() && i < sums.size() * kChangeCount; ++i) {
      sums.at(i / kChangeCount)[static_cast<FindingChange>(i % kChangeCount + 1)] = changes[i];
    }
  }
  return result;
}

absl::StatusOr<Report> ReportOf(const pg::Row& row) {
  ASSIGN_OR_RETURN(const ReportKind kind, kReportKindText.From(row.View("kind")));
  ASSIGN_OR_RETURN(const ReportFormat format, kReportFormatText.From(row.View("format")));
  ASSIGN_OR_RETURN(const ReportState state, kReportStateText.From(row.View("state")));
  return Report{.id = row.Text("report_id"),
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
                .severity_day = DayOf(row, "severity_day"),
                .next_severity_change = DayOf(row, "next_severity_change"),
                .data_versions = VersionsOf(row, "datasets", "versions", "rows"),
                .last_year = {.snapshot = row.Text("previous_snapshot"),
                              .district = row.Text("previous_district"),
                              .data_versions = VersionsOf(row, "previous_datasets",
                                                          "previous_versions", "previous_rows")},
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
                .previous_report = row.Text("previous_report_id"),
                .viewed_at = row.OptionalTime("first_viewed_at")};
}

absl::Status AddPosition(pg::Querier& db, Report& report) {
  if (report.state != ReportState::kQueued) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::optional<jobs::Position> position, jobs::PositionOf(db, report.id));
  if (!position.has_value()) return absl::OkStatus();
  report.queue_position = position->position;
  report.expected_start = position->expected_start;
  return absl::OkStatus();
}

SeverityCount* FatalsOf(Report& report) {
  if (!report.result.has_value()) return nullptr;
  SeverityCount& count = report.result->counts.at(static_cast<std::size_t>(Severity::kFatal) - 1);
  return count.records > 0 ? &count : nullptr;
}

// What is waived now, which changes after a report is made.
absl::Status AddWaived(pg::Querier& db, std::vector<Report*> reports) {
  std::map<std::string, SeverityCount*> counts;
  std::vector<std::string> ids;
  for (Report* report : reports) {
    SeverityCount* count = FatalsOf(*report);
    if (count == nullptr) continue;
    counts[report->id] = count;
    ids.push_back(report->id);
  }
  if (ids.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kCountWaived, ids));
  for (const pg::Row row : rows) counts.at(row.Text("report_id"))->waived = row.Int("waived");
  return absl::OkStatus();
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

absl::Status ReportStore::CheckKept(pg::Querier& db, const Report& report) const {
  const VersionColumns read(report.data_versions);
  ASSIGN_OR_RETURN(const pg::Result purged,
                   db.Run(sql::kFindPurged, CopyOf(report.kind), IdOf(report.district),
                          read.datasets, read.versions));
  if (purged.empty()) return absl::OkStatus();
  return VersionPurged("datasets/" + purged[0].Text("dataset"), purged[0].Int("version"));
}

absl::StatusOr<std::map<std::string, std::string>> ReportStore::ReadNames(
    pg::Querier& db, const Report& report) const {
  std::optional<int64_t> at;
  for (const ReportDataVersion& version : report.data_versions) {
    if (version.dataset == kOrganizations) at = version.version;
  }
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kListNames, CopyOf(report.kind), IdOf(report.district), at));
  std::map<std::string, std::string> names;
  for (const pg::Row row : rows) {
    names[row.Text("organization_id")] = row.Text("display_name");
  }
  return names;
}

absl::StatusOr<absl::Time> ReportStore::ReadEnd(pg::Querier& db, const std::string& id) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetEnd, id));
  if (rows.empty() || !rows[0].Has("finished_at")) return status::Internal("end of a report");
  return rows[0].Time("finished_at");
}

absl::StatusOr<int64_t> ReportStore::CountWaiting(pg::Querier& db,
                                                  const std::string& organization) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kCountWaiting, organization));
  return rows[0].Int("waiting");
}

void ReportStore::Insert(pg::Transaction& tx, const Report& report) const {
  const VersionColumns now(report.data_versions);
  const VersionColumns then(report.last_year.data_versions);
  // How many rows there are, the run counts.
  const std::vector<int64_t> no_rows(now.datasets.size(), 0);
  const std::vector<int64_t> no_rows_then(then.datasets.size(), 0);
  tx.Defer(sql::kInsertReport, report.id, report.title, report.event, report.event_title,
           report.organization, report.organization_display_name, report.district,
           kReportKindText.Of(report.kind), kReportFormatText.Of(report.format), report.snapshot,
           report.requester, report.rule_group, report.rule_group_version, now.datasets,
           now.versions, no_rows, DayText(report.severity_day), report.last_year.snapshot,
           report.last_year.district, then.datasets, then.versions, no_rows_then);
}

absl::StatusOr<Report> ReportStore::Get(pg::Querier& db, const std::string& id,
                                        const std::string& viewer) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetReport, id, viewer));
  if (rows.empty()) return status::NotFound(names::ReportName::FromId(id).ToString());
  ASSIGN_OR_RETURN(Report report, ReportOf(rows[0]));
  RETURN_IF_ERROR(AddPosition(db, report));
  RETURN_IF_ERROR(AddWaived(db, {&report}));
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
  std::vector<Report*> pointers;
  for (Report& report : reports) pointers.push_back(&report);
  RETURN_IF_ERROR(AddWaived(db, pointers));
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

void ReportStore::Complete(pg::Transaction& tx, const Report& report,
                           const ReportResult& result) const {
  std::vector<int64_t> counts;
  for (const SeverityCount& count : result.counts) {
    counts.insert(counts.end(), {count.rules, count.records, count.rules_errored});
  }
  std::optional<std::vector<int64_t>> changes;
  if (result.changes.has_value()) {
    changes.emplace();
    for (const ChangeCounts& sum : *result.changes) {
      changes->insert(changes->end(), sum.numbers().begin(), sum.numbers().end());
    }
  }
  tx.DeferOne(sql::kSetResult, report.id, report.attempt, VersionColumns(report.data_versions).rows,
              counts, result.truncated, result.sha256, result.size, result.media_type,
              result.file_name, changes, report.previous_report,
              VersionColumns(report.last_year.data_versions).rows);
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

absl::StatusOr<std::vector<std::string>> ReportStore::Expire(pg::Transaction& tx, absl::Time before,
                                                             int limit) const {
  ASSIGN_OR_RETURN(const pg::Result rows, tx.Run(sql::kExpireReports, before, limit));
  std::vector<std::string> ids;
  for (const pg::Row row : rows) ids.push_back(row.Text("id"));
  if (!ids.empty()) tx.Defer(sql::kDeleteArtifacts, ids);
  return ids;
}

absl::Status ReportStore::RecordView(pg::Querier& db, const std::string& id,
                                     const std::string& user) const {
  return db.Run(sql::kRecordView, id, user).status();
}

}  // namespace edcert::validation_report
