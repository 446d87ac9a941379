// Between the wire and the domain.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "edcert/snapshot/v1/snapshot.pb.h"
#include "services/snapshot/record_reader.h"
#include "services/snapshot/snapshot.h"

namespace edcert::snapshot {

v1::Snapshot ToProto(const Snapshot& snapshot);

absl::StatusOr<SnapshotFilter> FilterOf(const v1::ListSnapshotsRequest& request);

v1::DatasetDiff ToProto(const std::string& dataset, const DiffCounts& counts, int64_t base_version,
                        int64_t other_version);

// A record with the columns whose values differ; `base` and `other` are its values, empty where it
// is not there.
v1::RecordDiff ToProto(const std::string& dataset, const RecordDifference& difference,
                       const std::map<std::string, std::string>& base,
                       const std::map<std::string, std::string>& other);

}  // namespace edcert::snapshot
