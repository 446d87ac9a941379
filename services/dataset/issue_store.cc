#include "services/dataset/issue_store.h"

#include "common/status/macros.h"
#include "services/dataset/sql/issue.sql.h"

namespace edcert::dataset {
namespace {

std::vector<Issue> IssuesOf(const pg::Result& rows) {
  std::vector<Issue> issues;
  for (const pg::Row row : rows) {
    issues.push_back({.id = row.Int("issue_id"),
                      .dataset = row.Text("dataset"),
                      .district = row.Text("district_id"),
                      .copy = row.View("copy") == "STATE" ? Copy::kState : Copy::kDistrict,
                      .batch_id = row.Text("batch_id"),
                      .resync_id = row.Text("resync_id"),
                      .line = row.Int("line"),
                      .column = row.Text("column_name"),
                      .reason = row.Text("reason"),
                      .message = row.Text("message"),
                      .record_key = row.Text("record_key"),
                      .open = row.Bool("open"),
                      .create_time = row.Time("created_at"),
                      .update_time = row.Time("updated_at")});
  }
  return issues;
}

}  // namespace

absl::Status PutIssues(pg::Transaction& tx, const IssueSource& source) {
  for (const pg::Statement& statement : {sql::kPutKeyed, sql::kPutKeyless}) {
    tx.Defer(statement, ToString(source.copy), source.dataset, source.district, source.batch_id,
             source.resync_id, source.found_in);
  }
  return absl::OkStatus();
}

absl::Status CloseIssues(pg::Transaction& tx, const IssueSource& source, bool all) {
  return tx
      .Run(all ? sql::kCloseAll : sql::kCloseBrought, ToString(source.copy), source.dataset,
           source.district, source.found_in)
      .status();
}

absl::StatusOr<std::vector<Issue>> FirstIssues(pg::Querier& db, const std::string& batch_id,
                                               int limit) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kFirstOfBatch, batch_id, limit));
  return IssuesOf(rows);
}

absl::StatusOr<std::vector<Issue>> ListIssues(pg::Querier& db, const IssueFilter& filter,
                                              int64_t before, int limit) {
  const std::string copy(filter.copy.has_value() ? ToString(*filter.copy) : "");
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kListIssues, filter.district, filter.dataset, copy, filter.batch_id,
                          filter.resync_id, filter.open_only, before, limit));
  return IssuesOf(rows);
}

absl::StatusOr<std::vector<std::string>> DatasetsWithUnknownSchools(pg::Querier& db,
                                                                    const std::string& district) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kDatasetsWithUnknownSchools, district));
  std::vector<std::string> datasets;
  for (const pg::Row row : rows) datasets.push_back(row.Text("dataset"));
  return datasets;
}

}  // namespace edcert::dataset
