#include "services/validation_report/dataset_client.h"

#include <optional>

#include "common/names/names.h"
#include "common/rpc/standard.h"
#include "common/rpc/status.h"
#include "common/status/macros.h"

namespace edcert::validation_report {
namespace {

namespace v1 = ::edcert::dataset::v1;

constexpr absl::Duration kTimeout = absl::Seconds(3);
constexpr absl::Duration kKeep = absl::Minutes(1);

static_assert(static_cast<int>(ColumnType::kString) + 1 == v1::Column::TYPE_STRING);
static_assert(static_cast<int>(ColumnType::kCodes) + 1 == v1::Column::TYPE_CODES);

}  // namespace

DatasetClient::DatasetClient(rpc::Runtime& runtime)
    : runtime_(runtime), stub_(v1::Datasets::NewStub(runtime.ChannelTo("dataset"))) {}

absl::StatusOr<Definitions> DatasetClient::Find(const std::vector<std::string>& datasets) {
  Definitions definitions;
  for (const std::string& dataset : datasets) {
    const absl::Time now = runtime_.clock().Now();
    {
      const absl::MutexLock lock(&mutex_);
      if (const auto it = kept_.find(dataset); it != kept_.end() && it->second.until > now) {
        definitions[dataset] = it->second.definition;
        continue;
      }
    }
    absl::StatusOr<Definition> asked = Ask(dataset);
    if (asked.status().code() == absl::StatusCode::kNotFound) continue;
    if (!asked.ok()) return asked.status();
    definitions[dataset] = *asked;
    const absl::MutexLock lock(&mutex_);
    kept_[dataset] = {*std::move(asked), now + kKeep};
  }
  return definitions;
}

absl::StatusOr<Definition> DatasetClient::Ask(const std::string& dataset) {
  grpc::ClientContext context;
  RETURN_IF_ERROR(runtime_.Prepare(context, kTimeout));
  v1::GetDatasetRequest request;
  request.set_name(names::DatasetName::FromId(dataset).ToString());
  v1::Dataset response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->GetDataset(&context, request, &response)));
  Definition definition{dataset, {}, response.school_column(), response.read_only()};
  for (const v1::Column& column : response.columns()) {
    definition.columns.push_back({column.name(), column.type() == v1::Column::TYPE_UNSPECIFIED
                                                     ? ColumnType::kString
                                                     : static_cast<ColumnType>(column.type() - 1)});
  }
  return definition;
}

absl::StatusOr<feed::Page> DatasetClient::ListChanges(int64_t after, int limit) const {
  return rpc::FetchChanges<v1::ListChangesRequest, v1::ListChangesResponse>(runtime_, *stub_, after,
                                                                            limit);
}

}  // namespace edcert::validation_report
