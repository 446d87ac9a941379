// Stores reports: what was asked, the file, and who viewed it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "services/validation_report/report.h"

namespace edcert::validation_report {

// Which reports a caller may see: of these organisations, and there those of these events or, as
// far as the event lets him, his own.
struct ReportScope {
  bool every_organization = false;  // else these
  std::vector<std::string> organizations = {};
  std::vector<std::string> districts = {};  // with their schools
  bool every_event = false;                 // else these; empty text: made without an event
  std::vector<std::string> events = {};
};

struct ReportFilter {
  ReportScope scope;
  std::string event;
  std::string organization;
  std::optional<ReportKind> kind;
  std::vector<ReportState> states;  // empty: all
  std::string requester;
};

// Stateless; the database comes with the call.
class ReportStore {
 public:
  // The present versions of these datasets in a copy of a district, by dataset; with the rows of
  // the district.
  absl::StatusOr<std::vector<ReportDataVersion>> ReadVersions(
      pg::Querier& db, std::string_view copy, const std::string& district,
      const std::vector<std::string>& datasets) const;
  // VERSION_PURGED when records of a version that the report reads may be missing. To be asked
  // after they were read, in a statement of its own: what passes was read as a whole.
  absl::Status CheckKept(pg::Querier& db, const Report& report) const;
  // What the organisations of the report's district are called, by id: in its version of them when
  // it reads them, else now.
  absl::StatusOr<std::map<std::string, std::string>> ReadNames(pg::Querier& db,
                                                               const Report& report) const;
  // When a report ended that did.
  absl::StatusOr<absl::Time> ReadEnd(pg::Querier& db, const std::string& id) const;
  absl::StatusOr<int64_t> CountWaiting(pg::Querier& db, const std::string& organization) const;

  // Stores what was asked; the job with this id was accepted in the same transaction.
  void Insert(pg::Transaction& tx, const Report& report) const;
  // NOT_FOUND. `viewer`: whose view counts; may be empty. With the place in the queue.
  absl::StatusOr<Report> Get(pg::Querier& db, const std::string& id,
                             const std::string& viewer) const;
  // At most `limit` reports after the key, newest first. Of the waiting ones the first get their
  // place in the queue.
  absl::StatusOr<std::vector<Report>> List(pg::Querier& db, const ReportFilter& filter,
                                           const std::string& viewer,
                                           std::optional<absl::Time> after_time,
                                           const std::string& after_id, int limit) const;

  // Writes chunks of the file under the report's attempt, the first at a place from 0. Nobody sees
  // them before Complete; the caller sees to it that the attempt is still the current one.
  void AddChunks(pg::Transaction& tx, const Report& report, int64_t place,
                 const std::vector<std::string>& chunks) const;
  // Deletes the chunks of all attempts but this one; 0: of all.
  void DropChunks(pg::Transaction& tx, const std::string& id, int64_t but_attempt) const;
  // Writes what the run gave but its findings, and makes its attempt's file the report's. Becomes
  // visible when the job completes in the same transaction.
  void Complete(pg::Transaction& tx, const Report& report, const ReportResult& result) const;

  // The chunks of the file, in order.
  absl::Status ReadFile(pg::Querier& db, const std::string& id,
                        absl::FunctionRef<absl::Status(const std::string&)> each) const;
  // Deletes the files of at most `limit` reports that ended before an instant and that no
  // certification can name, and returns their ids. The rest of them stays.
  absl::StatusOr<std::vector<std::string>> Expire(pg::Transaction& tx, absl::Time before,
                                                  int limit) const;
  absl::Status RecordView(pg::Querier& db, const std::string& id, const std::string& user) const;
};

}  // namespace edcert::validation_report
