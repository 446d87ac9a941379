// The records: batches into the tables, pages out of them, at any version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "services/dataset/dataset.h"
#include "services/dataset/standing_records.h"

namespace edcert::dataset {

// In the order of edcert.dataset.v1.PushRecordsRequest.Mode, from 1.
enum class Mode { kUpsert = 1, kDelete, kReplaceAll };
std::string_view ToString(Mode mode);

// Of one copy of a dataset of a district.
struct Version {
  std::string dataset;  // id
  int64_t version = 0;
  std::optional<absl::Time> changed_at;
  int64_t row_count = 0;
  int64_t oldest = 0;  // from here on every version is whole
};

// What a batch did.
struct Changes {
  int64_t version = 0;  // afterwards
  int64_t inserted = 0;
  int64_t updated = 0;
  int64_t deleted = 0;
  bool any() const { return inserted + updated + deleted > 0; }
};

struct Record {
  std::string key;
  std::string school;    // id; empty when there is none
  std::string row_hash;  // 32 bytes
  int64_t valid_from = 0;
  std::vector<std::string> values;
};

// Which schools' records may be read; absent says all of the district.
using Schools = std::optional<std::vector<std::string>>;

// One batch, staged in temporary tables of the transaction and applied at its end. The order is:
// Stage, Lock, Restore (when something was left out), RejectDuplicates (not to delete), Apply.
class RecordBatch {
 public:
  RecordBatch(pg::Transaction& tx, const Dataset& dataset, Copy copy, std::string district);

  // Makes the staging tables.
  absl::Status Stage();
  // The statement of the binary COPY into them; RecordEncoder writes the rows.
  std::string CopyStatement() const;
  // What stands as it is brought, and so is not staged: nothing before KnowStanding has read it.
  StandingRecords& standing() { return standing_; }
  // Reads what stands once the batch has so many rows, or such a mode, that this pays. On a
  // connection of its own: the transaction would keep a column from being added for as long as the
  // push takes.
  absl::Status KnowStanding(pg::Database db, Mode mode, int64_t rows);
  // Locks the version row; the version as it is. CONFLICT when the definition is not the one that
  // the rows were made by.
  absl::StatusOr<Version> Lock();
  // Stages what was left out and must be looked at after all: what others changed since it was
  // read, what has an open issue and, when `repeats`, what has the key of one of the `staged` rows.
  // CONFLICT when it was purged meanwhile.
  absl::Status Restore(bool repeats, int64_t staged);
  // How many rows were rejected because another one has the same key.
  absl::StatusOr<int64_t> RejectDuplicates();
  // Applies the staged rows that are not rejected; `rows` says how many were staged, and `rejected`
  // how many of them are rejected. The version rises when something changes.
  absl::StatusOr<Changes> Apply(Mode mode, int64_t rows, int64_t rejected);

  // Instead of a COPY, for the sync: locks both versions, stages what differs between the copies or
  // is refused, and applies it to the STATE copy.
  struct Synced {
    Changes changes;
    int64_t district_version = 0;
    int64_t read = 0;
    int64_t refused = 0;
  };
  absl::StatusOr<Synced> Sync();

  // Drops the staging tables, for another batch in the same transaction.
  absl::Status Drop();

 private:
  // Stages those that the batch brought.
  absl::Status StageAgain(const pg::Result& rows, const std::string& table);
  // Lists what differs for so many rows: a few are looked up one by one, many meet all rows of the
  // district at once. How much it is.
  absl::StatusOr<int64_t> List(const pg::Statement& statement, int64_t rows);
  // Lists what REPLACE_ALL puts and removes. How much it is.
  absl::StatusOr<int64_t> ListReplaced();
  // Runs a statement on what is listed, with copy, district and the next version; the rows that it
  // touched.
  absl::StatusOr<int64_t> Run(const pg::Statement& statement);
  absl::Status RaiseVersion(Changes& changes);
  // Applies what is listed; into an empty copy, what is staged. Nothing to put or to remove says
  // that none of it is that.
  absl::StatusOr<Changes> ApplyListed(int64_t to_put, int64_t to_remove);

  pg::Transaction& tx_;
  const Dataset& dataset_;
  const Copy copy_;
  const std::string district_;
  Version version_;
  StandingRecords standing_;
  int64_t know_at_ = 1;  // rows of the batch
};

// What the service keeps (Dataset::read_only) is the same in both copies and says nothing of
// people: it is read whatever copy and schools are asked for, and no comparison finds a difference.

// The versions of the datasets of a district that have one, in one statement.
absl::StatusOr<std::vector<Version>> GetVersions(pg::Querier& db, Copy copy,
                                                 const std::string& district);

// Locks the versions of a copy of every dataset of a district that is pushed, also of those that
// never got a record, until the transaction ends. By dataset, so that two who do this do not wait
// for each other.
absl::StatusOr<std::vector<Version>> LockVersions(pg::Transaction& tx, Copy copy,
                                                  const std::string& district);

// The versions of both copies at one moment.
struct VersionPair {
  int64_t district = 0;
  int64_t state = 0;
  int64_t records = 0;  // of the larger copy; 0 when that is not known
};
absl::StatusOr<VersionPair> GetVersionPair(pg::Querier& db, const Dataset& dataset,
                                           const std::string& district);

// The datasets (ids) that have records in one of the copies.
absl::StatusOr<std::vector<std::string>> DatasetsWithRecords(pg::Querier& db,
                                                             const std::string& district);

// At most `limit` records at a version, by key, after the key `after`.
absl::StatusOr<std::vector<Record>> ListRecords(pg::Querier& db, const Dataset& dataset, Copy copy,
                                                const std::string& district, int64_t version,
                                                const Schools& schools, const std::string& after,
                                                int limit);

}  // namespace edcert::dataset
