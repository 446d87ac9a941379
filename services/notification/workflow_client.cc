#include "services/notification/workflow_client.h"

#include "common/rpc/standard.h"

namespace edcert::notification {

namespace workflow_v1 = ::edcert::workflow::v1;

WorkflowClient::WorkflowClient(rpc::Runtime& runtime)
    : runtime_(runtime), stub_(workflow_v1::Workflow::NewStub(runtime.ChannelTo("workflow"))) {}

absl::StatusOr<feed::Page> WorkflowClient::ListChanges(int64_t after, int limit) {
  return rpc::FetchChanges<workflow_v1::ListChangesRequest, workflow_v1::ListChangesResponse>(
      runtime_, *stub_, after, limit);
}

}  // namespace edcert::notification
