// Between the wire and the domain. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "edcert/dataset/v1/dataset.pb.h"
#include "services/dataset/batch_store.h"
#include "services/dataset/comparison_store.h"
#include "services/dataset/definition_store.h"
#include "services/dataset/issue_store.h"
#include "services/dataset/record_store.h"
#include "services/dataset/resync_store.h"

namespace edcert::dataset {

v1::Dataset ToProto(const Dataset& dataset, const DefinitionTimes& times);
v1::SyncIssue ToProto(const Issue& issue);
v1::DataVersion ToProto(const Version& version);
v1::Record ToProto(const Record& record);
v1::Resync ToProto(const Resync& resync);
v1::SchoolComparison ToProto(const SchoolCounts& counts);
v1::RecordDifference ToProto(const Difference& difference);

// FIELD_INVALID for `field` when it is unset or unknown.
absl::StatusOr<Copy> ParseCopy(int copy, std::string_view field);
absl::StatusOr<std::string> ParseResyncState(int state, std::string_view field);

// FIELD_INVALID unless it is an id that a state may give to something new.
absl::Status CheckNewId(const std::string& id, std::string_view field);
// The dataset of a request to create one. FIELD_INVALID.
absl::StatusOr<Dataset> ParseNewDataset(const v1::CreateDatasetRequest& request);
// The columns of a request to add some, checked by themselves. FIELD_INVALID.
absl::StatusOr<std::vector<Column>> ParseNewColumns(const v1::AddColumnsRequest& request);

// The codes of a request to put some, checked by themselves. FIELD_INVALID.
absl::StatusOr<std::vector<Code>> ParseCodes(const v1::PutCodesRequest& request);

// The header of a push. NOT_FOUND for a dataset that the catalogue does not have.
absl::StatusOr<BatchHeader> ParseHeader(const v1::PushRecordsRequest::Header& header,
                                        const Catalogue& catalogue);

// Ids of the datasets named in a request: at most 50, each once. NOT_FOUND for one that the
// catalogue does not have.
absl::StatusOr<std::vector<std::string>> ParseDatasets(
    const google::protobuf::RepeatedPtrField<std::string>& names, const Catalogue& catalogue);

// The dataset of a resource name; NOT_FOUND when there is none.
absl::StatusOr<const Dataset*> FindDataset(const std::string& name, std::string_view field,
                                           const Catalogue& catalogue);

}  // namespace edcert::dataset
