// How this service reads the feed of validation_report.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/feed/feed.h"
#include "common/rpc/runtime.h"
#include "edcert/validation/v1/validation_report.grpc.pb.h"

namespace edcert::notification {

// Thread-safe.
class ValidationReportClient {
 public:
  explicit ValidationReportClient(rpc::Runtime& runtime);
  absl::StatusOr<feed::Page> ListChanges(int64_t after, int limit);

 private:
  rpc::Runtime& runtime_;
  const std::unique_ptr<validation::v1::ValidationReports::Stub> stub_;
};

}  // namespace edcert::notification
