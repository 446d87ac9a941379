// Asks the snapshot service which versions a snapshot holds. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/rpc/call.h"
#include "common/rpc/runtime.h"
#include "edcert/snapshot/v1/snapshot.grpc.pb.h"
#include "services/validation_report/report.h"

namespace edcert::validation_report {

struct SnapshotFacts {
  std::string event;
  std::string organization;
  bool failed = false;
  std::vector<ReportDataVersion> data_versions;
};

class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  // On behalf of the call's user: NOT_FOUND for what he may not see.
  virtual absl::StatusOr<SnapshotFacts> Get(const rpc::Call& call, const std::string& name) = 0;
};

class SnapshotClient final : public SnapshotSource {
 public:
  explicit SnapshotClient(rpc::Runtime& runtime);

  absl::StatusOr<SnapshotFacts> Get(const rpc::Call& call, const std::string& name) override;

 private:
  const std::unique_ptr<snapshot::v1::Snapshots::Stub> stub_;
};

}  // namespace edcert::validation_report
