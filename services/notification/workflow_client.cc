#include "services/notification/workflow_client.h"

#include "common/rpc/status.h"
#include "common/status/macros.h"

namespace edcert::notification {
namespace {

namespace workflow_v1 = ::edcert::workflow::v1;

constexpr absl::Duration kTimeout = absl::Seconds(5);

}  // namespace

WorkflowClient::WorkflowClient(rpc::Runtime& runtime)
    : runtime_(runtime), stub_(workflow_v1::Workflow::NewStub(runtime.ChannelTo("workflow"))) {}

absl::StatusOr<std::vector<type::Change>> WorkflowClient::ListChanges(int64_t after, int limit) {
  grpc::ClientContext context;
  RETURN_IF_ERROR(runtime_.Prepare(context, kTimeout));
  workflow_v1::ListChangesRequest request;
  request.set_after(after);
  request.set_limit(limit);
  workflow_v1::ListChangesResponse response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->ListChanges(&context, request, &response)));
  return std::vector<type::Change>(response.changes().begin(), response.changes().end());
}

}  // namespace edcert::notification
