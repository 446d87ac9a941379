// The gRPC face of the snapshots.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>
#include <vector>

#include "common/access/access.h"
#include "common/jobs/jobs.h"
#include "common/rpc/runtime.h"
#include "edcert/snapshot/v1/snapshot.grpc.pb.h"
#include "services/snapshot/diff.h"
#include "services/snapshot/snapshot_store.h"
#include "services/snapshot/taking.h"

namespace edcert::snapshot {

// Thread-safe.
class SnapshotService final : public v1::Snapshots::CallbackService {
 public:
  struct Options {
    int local_per_hour = 6;
  };
  SnapshotService(rpc::Runtime& runtime, access::Resolver& access, const SnapshotStore& store,
                  jobs::Dispatcher& dispatcher, Options options);
  ~SnapshotService() override;

  grpc::ServerUnaryReactor* CreateSnapshot(grpc::CallbackServerContext* context,
                                           const v1::CreateSnapshotRequest* request,
                                           v1::Snapshot* response) override;
  grpc::ServerUnaryReactor* GetSnapshot(grpc::CallbackServerContext* context,
                                        const v1::GetSnapshotRequest* request,
                                        v1::Snapshot* response) override;
  grpc::ServerUnaryReactor* ListSnapshots(grpc::CallbackServerContext* context,
                                          const v1::ListSnapshotsRequest* request,
                                          v1::ListSnapshotsResponse* response) override;
  grpc::ServerWriteReactor<v1::Snapshot>* WatchSnapshot(
      grpc::CallbackServerContext* context, const v1::WatchSnapshotRequest* request) override;
  grpc::ServerUnaryReactor* DiffSnapshots(grpc::CallbackServerContext* context,
                                          const v1::DiffSnapshotsRequest* request,
                                          v1::DiffSnapshotsResponse* response) override;
  grpc::ServerUnaryReactor* ListChanges(grpc::CallbackServerContext* context,
                                        const v1::ListChangesRequest* request,
                                        v1::ListChangesResponse* response) override;
  grpc::ServerUnaryReactor* ListAuditRecords(grpc::CallbackServerContext* context,
                                             const v1::ListAuditRecordsRequest* request,
                                             v1::ListAuditRecordsResponse* response) override;

 private:
  // What is to be taken, or why not; asks event_registry.
  absl::StatusOr<NewSnapshot> Prepare(rpc::Call& call, const v1::CreateSnapshotRequest& request);
  // A snapshot that the caller may see. `members_only`: only with a role in the event's category.
  absl::StatusOr<Snapshot> GetVisible(rpc::Call& call, const std::string& name, const char* field,
                                      bool members_only);
  absl::StatusOr<Scope> ScopeOf(rpc::Call& call, const SnapshotFilter& filter);
  absl::Status Diff(rpc::Call& call, const v1::DiffSnapshotsRequest& request,
                    v1::DiffSnapshotsResponse* response);

  rpc::Runtime& runtime_;
  access::Resolver& access_;
  const SnapshotStore& store_;
  jobs::Dispatcher& dispatcher_;
  const Options options_;
};

}  // namespace edcert::snapshot
