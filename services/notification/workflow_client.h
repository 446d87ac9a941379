// How this service reads the feed of workflow.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/rpc/runtime.h"
#include "edcert/type/change.pb.h"
#include "edcert/workflow/v1/workflow.grpc.pb.h"

namespace edcert::notification {

// Thread-safe.
class WorkflowClient {
 public:
  explicit WorkflowClient(rpc::Runtime& runtime);
  absl::StatusOr<std::vector<type::Change>> ListChanges(int64_t after, int limit);

 private:
  rpc::Runtime& runtime_;
  const std::unique_ptr<workflow::v1::Workflow::Stub> stub_;
};

}  // namespace edcert::notification
