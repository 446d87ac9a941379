#include "services/dataset/record_store.h"

#include <limits>

#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/history_store.h"
#include "services/dataset/record_encoder.h"
#include "services/dataset/record_sql.h"
#include "services/dataset/sql/record.sql.h"
#include "services/dataset/value.h"

namespace edcert::dataset {
namespace {

// To look a row up in the index takes at most about so many times as long as to read one of all.
constexpr int64_t kLookupCost = 20;
// To stage a row takes about so many times as long as to read the hash of one that stands.
constexpr int64_t kStagingCost = 10;
constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kLengthBytes = 4;  // of a field in a binary COPY

Version VersionOf(const pg::Row& row, std::string dataset) {
  return {.dataset = std::move(dataset),
          .version = row.Int("version"),
          .changed_at = std::nullopt,
          .row_count = row.Int("row_count"),
          .oldest = 0};
}

std::string Literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

// A statement that looks up what stands now for so many rows: a few one by one, many at once.
std::string WithCurrent(const pg::Statement& statement, const Dataset& dataset, int64_t rows,
                        int64_t standing) {
  const bool few = rows * kLookupCost <= standing;
  const pg::Statement& current = few ? sql::kCurrentOfFew : sql::kCurrentOfMany;
  return Replace(SqlFor(statement, dataset), "current", SqlFor(current, dataset));
}

// The district under which the records of one are stored.
std::string PlaceOf(const Dataset& dataset, const std::string& district) {
  return dataset.keeper == Keeper::kServiceForAll ? "" : district;
}

}  // namespace

std::string_view ToString(Mode mode) {
  switch (mode) {
    case Mode::kUpsert:
      return "UPSERT";
    case Mode::kDelete:
      return "DELETE";
    case Mode::kReplaceAll:
      return "REPLACE_ALL";
  }
  return "";
}

RecordBatch::RecordBatch(pg::Transaction& tx, const Dataset& dataset, Copy copy,
                         std::string district)
    : tx_(tx), dataset_(dataset), copy_(copy), district_(std::move(district)) {}

absl::Status RecordBatch::Stage() {
  RETURN_IF_ERROR(tx_.Run(sql::kSettings).status());
  RETURN_IF_ERROR(tx_.RunText(SqlFor(sql::kCreateBatch, dataset_)).status());
  return tx_.RunText(std::string(sql::kCreateDifferences.sql)).status();
}

std::string RecordBatch::CopyStatement() const {
  return Replace(sql::kCopyBatch.sql, "batch_columns", BatchColumns(dataset_));
}

absl::Status RecordBatch::KnowStanding(pg::Database db, Mode mode, int64_t rows) {
  if (rows < know_at_) return absl::OkStatus();
  const absl::Status read = db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    // Before the rows: of this version only what goes meanwhile is missing.
    ASSIGN_OR_RETURN(const pg::Result found,
                     tx.Run(sql::kStandingVersion, ToString(copy_), dataset_.id, district_));
    know_at_ = std::numeric_limits<int64_t>::max();
    const int64_t standing = found.empty() ? 0 : found[0].Int("row_count");
    if (standing == 0 || standing > StandingRecords::kMost) {
      standing_.Forget();
      return absl::OkStatus();
    }
    // What replaces all records has about as many of them.
    if (mode != Mode::kReplaceAll && rows < standing / kStagingCost) {
      know_at_ = standing / kStagingCost;
      return absl::OkStatus();
    }
    standing_.Know(found[0].Int("version"), standing);
    std::string text = Replace(SqlFor(sql::kCopyStanding, dataset_), "copy", ToString(copy_));
    text = Replace(text, "district", Literal(district_));
    text = Replace(text, "version", std::to_string(standing_.version()));
    return tx.CopyOut(text, [this](std::string_view row) {
      // One message a row, which ends with its two columns; the trailer is shorter.
      constexpr std::size_t kPlaceAt = kHashBytes + kLengthBytes + StandingRecords::kPlace;
      if (row.size() <= kPlaceAt) return absl::OkStatus();
      standing_.Add(row.substr(row.size() - kPlaceAt, StandingRecords::kPlace),
                    row.substr(row.size() - kHashBytes));
      return absl::OkStatus();
    });
  });
  if (read.ok()) {
    if (standing_.known()) standing_.BringStaged();
    return read;
  }
  standing_.Forget();
  // Without a connection for it, the batch is staged whole.
  return status::ReasonOf(read) == "OVERLOADED" ? absl::OkStatus() : read;
}

absl::Status RecordBatch::StageAgain(const pg::Result& rows, const std::string& table) {
  std::vector<std::string> places;
  std::vector<int64_t> lines;
  for (const pg::Row row : rows) {
    const std::optional<int64_t> line = standing_.TakeBack(row.Binary("row_hash"));
    if (!line.has_value()) continue;
    places.push_back(row.Text("place"));
    lines.push_back(*line);
  }
  if (places.empty()) return absl::OkStatus();
  const std::string text = Replace(SqlFor(sql::kStageAgain, dataset_), "source", table);
  ASSIGN_OR_RETURN(const pg::Result staged, tx_.RunText(text, places, lines));
  return staged.affected() == static_cast<int64_t>(places.size()) ? absl::OkStatus()
                                                                  : status::Conflict();
}

absl::Status RecordBatch::Restore(bool repeats, int64_t staged) {
  if (standing_.brought() == 0) return absl::OkStatus();
  tx_.Defer(sql::kUnstage, standing_.staged_lines());
  const std::string table = TableOf(dataset_);
  if (version_.version != standing_.version()) {
    ASSIGN_OR_RETURN(const pg::Result since,
                     tx_.RunText(SqlFor(sql::kClosedSince, dataset_), ToString(copy_), district_,
                                 standing_.version()));
    RETURN_IF_ERROR(StageAgain(since, table + "_history"));
    const absl::Status kept = CheckKept(tx_, dataset_, copy_, district_, standing_.version());
    if (status::ReasonOf(kept) == "VERSION_PURGED") return status::Conflict();
    RETURN_IF_ERROR(kept);
  }
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      tx_.RunText(WithCurrent(sql::kAskedFor, dataset_, repeats ? staged : 0, version_.row_count),
                  ToString(copy_), district_, dataset_.id, repeats));
  return StageAgain(rows, table);
}

absl::StatusOr<int64_t> RecordBatch::RejectDuplicates() {
  ASSIGN_OR_RETURN(const pg::Result found, tx_.Run(sql::kFindDuplicates));
  if (!found[0].Bool("any")) return 0;
  ASSIGN_OR_RETURN(const pg::Result rejected, tx_.Run(sql::kRejectDuplicates));
  return rejected.affected();
}

absl::StatusOr<Version> RecordBatch::Lock() {
  tx_.Defer(pg::Statement{"", SqlFor(sql::kLockTable, dataset_)});
  tx_.Defer(sql::kEnsureVersion, ToString(copy_), dataset_.id, district_);
  ASSIGN_OR_RETURN(const pg::Result rows,
                   tx_.Run(sql::kLockVersion, ToString(copy_), dataset_.id, district_));
  if (rows.empty()) return status::Internal("version row");
  // The rows were made by an older definition: what it does not have would stay as it was.
  // Of what the service keeps, it brings all of each record.
  if (!dataset_.read_only() && rows[0].Int("revision") != dataset_.revision) {
    return status::Conflict();
  }
  version_ = VersionOf(rows[0], dataset_.id);
  return version_;
}

absl::StatusOr<int64_t> RecordBatch::Run(const pg::Statement& statement) {
  ASSIGN_OR_RETURN(const pg::Result done, tx_.RunText(SqlFor(statement, dataset_), ToString(copy_),
                                                      district_, version_.version + 1));
  return done.affected();
}

absl::StatusOr<int64_t> RecordBatch::List(const pg::Statement& statement, int64_t rows) {
  ASSIGN_OR_RETURN(const pg::Result done,
                   tx_.RunText(WithCurrent(statement, dataset_, rows, version_.row_count),
                               ToString(copy_), district_));
  return done.affected();
}

absl::StatusOr<int64_t> RecordBatch::ListReplaced() {
  const StandingRecords::Rest rest = standing_.NotBrought();
  const auto count = static_cast<int64_t>(rest.places.size());
  if (version_.version == standing_.version() && count * kLookupCost <= version_.row_count) {
    // A row that stands may have been moved by VACUUM FULL.
    ASSIGN_OR_RETURN(const pg::Result found,
                     tx_.RunText(SqlFor(sql::kCountInPlace, dataset_), ToString(copy_), district_,
                                 rest.places, rest.prefixes));
    if (found[0].Int("found") == count) {
      ASSIGN_OR_RETURN(const pg::Result done,
                       tx_.RunText(SqlFor(sql::kListReplacedInPlace, dataset_), rest.places));
      return done.affected();
    }
  }
  ASSIGN_OR_RETURN(const pg::Result done,
                   tx_.RunText(SqlFor(sql::kListReplaced, dataset_), ToString(copy_), district_,
                               standing_.version(), rest.prefixes));
  return done.affected();
}

absl::Status RecordBatch::RaiseVersion(Changes& changes) {
  changes.version = version_.version;
  if (!changes.any()) return absl::OkStatus();
  changes.version = version_.version + 1;
  tx_.DeferOne(sql::kRaiseVersion, ToString(copy_), dataset_.id, district_, changes.version,
               changes.inserted - changes.deleted);
  return absl::OkStatus();
}

absl::StatusOr<Changes> RecordBatch::ApplyListed(int64_t to_put, int64_t to_remove) {
  Changes changes;
  const bool any_rows = version_.row_count > 0;
  if (to_remove > 0) {
    ASSIGN_OR_RETURN(changes.deleted, Run(sql::kRemove));
  }
  if (to_put > 0 && any_rows) {
    ASSIGN_OR_RETURN(changes.updated, Run(sql::kCloseChanged));
  }
  if (to_put > 0) {
    ASSIGN_OR_RETURN(const int64_t put, Run(any_rows ? sql::kPutChanged : sql::kPutAll));
    changes.inserted = put - changes.updated;
  }
  RETURN_IF_ERROR(RaiseVersion(changes));
  return changes;
}

absl::StatusOr<Changes> RecordBatch::Apply(Mode mode, int64_t rows, int64_t rejected) {
  tx_.Defer(sql::kJoinSettings);
  if (version_.row_count == 0) return ApplyListed(mode == Mode::kDelete ? 0 : rows, 0);
  switch (mode) {
    case Mode::kDelete: {
      ASSIGN_OR_RETURN(const int64_t listed, List(sql::kListDeleted, rows));
      return ApplyListed(0, listed);
    }
    case Mode::kUpsert: {
      ASSIGN_OR_RETURN(const int64_t listed, List(sql::kListChanged, rows));
      return ApplyListed(listed, 0);
    }
    case Mode::kReplaceAll: {
      ASSIGN_OR_RETURN(const int64_t listed, ListReplaced());
      if (rejected > 0) {
        tx_.Defer(pg::Statement{"", SqlFor(sql::kSpareRejected, dataset_)}, ToString(copy_),
                  district_);
      }
      return ApplyListed(listed, listed);
    }
  }
  return status::Internal("mode");
}

absl::StatusOr<RecordBatch::Synced> RecordBatch::Sync() {
  Synced synced;
  tx_.Defer(sql::kJoinSettings);
  ASSIGN_OR_RETURN(const Version state, Lock());
  const std::string_view district = ToString(Copy::kDistrict);
  tx_.Defer(sql::kEnsureVersion, district, dataset_.id, district_);
  ASSIGN_OR_RETURN(const pg::Result held,
                   tx_.Run(sql::kHoldVersion, district, dataset_.id, district_));
  synced.district_version = held[0].Int("version");
  synced.read = held[0].Int("row_count");
  ASSIGN_OR_RETURN(const pg::Result gathered,
                   tx_.RunText(SqlFor(sql::kGatherSync, dataset_), district_));
  ASSIGN_OR_RETURN(const pg::Result rejected, tx_.Run(sql::kCountRejected));
  synced.refused = rejected[0].Int("rejected");
  int64_t to_put = gathered.affected();
  int64_t to_remove = 0;
  if (state.row_count > 0) {
    ASSIGN_OR_RETURN(const pg::Result listed,
                     tx_.RunText(SqlFor(sql::kListRemovedSync, dataset_), district_));
    to_remove = listed.affected();
    ASSIGN_OR_RETURN(to_put, List(sql::kListChanged, to_put));
  }
  ASSIGN_OR_RETURN(synced.changes, ApplyListed(to_put, to_remove));
  return synced;
}

absl::Status RecordBatch::Drop() { return tx_.RunText(std::string(sql::kDropBatch.sql)).status(); }

absl::StatusOr<std::vector<Version>> GetVersions(pg::Querier& db, Copy copy,
                                                 const std::string& district) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kVersions, ToString(copy), district));
  std::vector<Version> versions;
  for (const pg::Row row : rows) {
    versions.push_back(VersionOf(row, row.Text("dataset")));
    versions.back().changed_at = row.OptionalTime("changed_at");
    versions.back().oldest = row.Int("oldest");
  }
  return versions;
}

absl::StatusOr<std::vector<Version>> LockVersions(pg::Transaction& tx, Copy copy,
                                                  const std::string& district) {
  tx.Defer(sql::kEnsureVersions, ToString(copy), district);
  ASSIGN_OR_RETURN(const pg::Result rows, tx.Run(sql::kLockVersions, ToString(copy), district));
  std::vector<Version> versions;
  for (const pg::Row row : rows) versions.push_back(VersionOf(row, row.Text("dataset")));
  return versions;
}

absl::StatusOr<VersionPair> GetVersionPair(pg::Querier& db, const Dataset& dataset,
                                           const std::string& district) {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kVersionPair, dataset.id, PlaceOf(dataset, district)));
  const int64_t state = rows[0].Int("state");
  return VersionPair{.district = dataset.read_only() ? state : rows[0].Int("district"),
                     .state = state,
                     .records = rows[0].Int("records")};
}

absl::StatusOr<std::vector<std::string>> DatasetsWithRecords(pg::Querier& db,
                                                             const std::string& district) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kWithRecords, district));
  std::vector<std::string> datasets;
  for (const pg::Row row : rows) datasets.push_back(row.Text("dataset"));
  return datasets;
}

absl::StatusOr<std::vector<Record>> ListRecords(pg::Querier& db, const Dataset& dataset, Copy copy,
                                                const std::string& district, int64_t version,
                                                const Schools& schools, const std::string& after,
                                                int limit) {
  constexpr int kFirstValue = 4;  // after record_key, school, row_hash, valid_from
  const bool kept = dataset.read_only();
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      db.RunText(SqlFor(sql::kListRecords, dataset), ToString(kept ? Copy::kState : copy),
                 PlaceOf(dataset, district), version, after, kept ? Schools() : schools, limit));
  std::vector<Record> records;
  for (const pg::Row row : rows) {
    Record& record = records.emplace_back(Record{.key = std::string(row.ViewAt(0)),
                                                 .school = std::string(row.ViewAt(1)),
                                                 .row_hash = row.Binary("row_hash"),
                                                 .valid_from = row.Int("valid_from"),
                                                 .values = {}});
    for (std::size_t i = 0; i < dataset.columns.size(); ++i) {
      const int at = kFirstValue + static_cast<int>(i);
      record.values.push_back(row.HasAt(at) ? FromDatabase(dataset.columns[i], row.ViewAt(at))
                                            : std::string());
    }
  }
  return records;
}

}  // namespace edcert::dataset
