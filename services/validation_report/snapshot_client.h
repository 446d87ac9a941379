// Asks the snapshot service what a snapshot holds. Thread-safe.
#pragma once

#include <map>
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
  std::string district;
  bool sealed = false;
  bool failed = false;
  std::vector<ReportDataVersion> data_versions;
};

class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  // On behalf of the call's user: NOT_FOUND for what he may not see.
  virtual absl::StatusOr<SnapshotFacts> Get(const rpc::Call& call, const std::string& name) = 0;
  // Whoever asks: last year's event is closed, so most people do not see its snapshots any more.
  virtual absl::StatusOr<SnapshotFacts> GetLastYear(const rpc::Call& call,
                                                    const std::string& name) = 0;
  // Of each organisation of an event the newest sealed snapshot, by its resource name.
  virtual absl::StatusOr<std::map<std::string, LastYear>> ListLastYear(
      const rpc::Call& call, const std::string& event) = 0;
};

class SnapshotClient final : public SnapshotSource {
 public:
  explicit SnapshotClient(rpc::Runtime& runtime);

  absl::StatusOr<SnapshotFacts> Get(const rpc::Call& call, const std::string& name) override;
  absl::StatusOr<SnapshotFacts> GetLastYear(const rpc::Call& call,
                                            const std::string& name) override;
  absl::StatusOr<std::map<std::string, LastYear>> ListLastYear(const rpc::Call& call,
                                                               const std::string& event) override;

 private:
  absl::StatusOr<SnapshotFacts> Ask(grpc::ClientContext& context, const std::string& name);

  const std::unique_ptr<snapshot::v1::Snapshots::Stub> stub_;
};

}  // namespace edcert::validation_report
