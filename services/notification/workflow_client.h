// How this service reads the feed of workflow.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/feed/feed.h"
#include "common/rpc/runtime.h"
#include "edcert/workflow/v1/workflow.grpc.pb.h"

namespace edcert::notification {

// Thread-safe.
class WorkflowClient {
 public:
  explicit WorkflowClient(rpc::Runtime& runtime);
  absl::StatusOr<feed::Page> ListChanges(int64_t after, int limit);

 private:
  rpc::Runtime& runtime_;
  const std::unique_ptr<workflow::v1::Workflow::Stub> stub_;
};

}  // namespace edcert::notification
