#include "services/workflow/dataset_client.h"

#include "common/rpc/standard.h"
#include "common/rpc/status.h"
#include "common/status/macros.h"

namespace edcert::workflow {

namespace v1 = ::edcert::dataset::v1;

static_assert(static_cast<int>(Copy::kDistrict) == type::COPY_DISTRICT);
static_assert(static_cast<int>(Copy::kState) == type::COPY_STATE);

DatasetClient::DatasetClient(rpc::Runtime& runtime)
    : runtime_(runtime), stub_(v1::Datasets::NewStub(runtime.ChannelTo("dataset"))) {}

absl::StatusOr<std::map<std::string, int64_t>> DatasetClient::GetVersions(
    const rpc::Call& call, const std::string& district, const std::string& school,
    Copy copy) const {
  grpc::ClientContext context;
  RETURN_IF_ERROR(call.Forward(context));
  v1::GetVersionsRequest request;
  request.set_district(district);
  request.set_school(school);
  request.set_copy(static_cast<type::Copy>(copy));
  v1::GetVersionsResponse response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->GetVersions(&context, request, &response)));
  std::map<std::string, int64_t> versions;
  for (const v1::DataVersion& version : response.versions()) {
    versions[version.dataset()] = version.version();
  }
  return versions;
}

absl::StatusOr<feed::Page> DatasetClient::ListChanges(int64_t after, int limit) const {
  return rpc::FetchChanges<v1::ListChangesRequest, v1::ListChangesResponse>(runtime_, *stub_, after,
                                                                            limit);
}

}  // namespace edcert::workflow
