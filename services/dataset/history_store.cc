#include "services/dataset/history_store.h"

#include <string>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/telemetry/metrics.h"
#include "services/dataset/errors.h"
#include "services/dataset/record_sql.h"
#include "services/dataset/sql/history.sql.h"

namespace edcert::dataset {
namespace {

// What a state keeps is said in days, so a counter needs no finer marks.
constexpr absl::Duration kBetweenMarks = absl::Hours(24);

}  // namespace

absl::Status InstallPins(pg::Transaction& tx) {
  for (const pg::Statement& statement :
       {sql::kFunctionPinVersion, sql::kFunctionUnpin, sql::kFunctionVersionIsKept,
        sql::kCloseFunctions, sql::kGrantPins, sql::kGrantVersionIsKept}) {
    RETURN_IF_ERROR(tx.RunText(std::string(statement.sql)).status());
  }
  return absl::OkStatus();
}

absl::Status CheckKept(pg::Querier& db, const Dataset& dataset, Copy copy,
                       const std::string& district, int64_t version) {
  if (dataset.read_only()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kOldestKept, ToString(copy), dataset.id, district, version));
  return rows[0].Bool("kept") ? absl::OkStatus() : VersionPurged(version, rows[0].Int("oldest"));
}

absl::Status MarkVersions(pg::Database db, absl::Time now) {
  return db.Run(sql::kMarkVersions, now, now - kBetweenMarks).status();
}

absl::Status RaiseHorizons(pg::Database db, absl::Time before) {
  return db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(tx.Run(sql::kRaiseHorizons, before).status());
    return tx.Run(sql::kDropMarks, before).status();
  });
}

absl::StatusOr<Purged> PurgeSome(pg::Database db, DefinitionCache& definitions, int64_t at_once) {
  Purged purged;
  std::string dataset_id;
  RETURN_IF_ERROR(db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    purged = {};
    ASSIGN_OR_RETURN(const pg::Result taken, tx.Run(sql::kTakeCounter));
    if (taken.empty()) return absl::OkStatus();
    // From here on whoever pins a version of the counter waits; what was pinned before, each later
    // statement sees.
    purged.any = true;
    const pg::Row counter = taken[0];
    dataset_id = counter.Text("dataset");
    const std::string copy = counter.Text("copy");
    const std::string district = counter.Text("district_id");
    const int64_t from = counter.Int("purged_to");
    ASSIGN_OR_RETURN(const auto known, definitions.Get(tx));
    const Dataset* dataset = known->catalogue.Find(dataset_id);
    if (dataset == nullptr) return status::Internal("no dataset " + dataset_id);
    ASSIGN_OR_RETURN(const pg::Result stretch,
                     tx.RunText(SqlFor(sql::kFindStretch, *dataset), copy, district, from,
                                counter.Int("kept_from"), at_once));
    const int64_t until = stretch[0].Int("until");
    ASSIGN_OR_RETURN(const pg::Result deleted,
                     tx.RunText(SqlFor(sql::kPurge, *dataset), copy, district, from, until, at_once,
                                dataset_id));
    purged.records = deleted.affected();
    if (purged.records < at_once) {
      tx.DeferOne(sql::kSetPurged, copy, dataset_id, district, until);
    }
    return absl::OkStatus();
  }));
  if (purged.records > 0) {
    telemetry::Count("edcert_dataset_purged_records_total", {{"dataset", dataset_id}},
                     static_cast<double>(purged.records));
  }
  return purged;
}

absl::StatusOr<int64_t> CountBehind(pg::Querier& db) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kCountBehind));
  return rows[0].Int("behind");
}

}  // namespace edcert::dataset
