#include "services/workflow/snapshot_client.h"

#include "common/ids/ids.h"
#include "common/rpc/standard.h"
#include "common/rpc/status.h"
#include "common/status/error.h"
#include "common/status/macros.h"

namespace edcert::workflow {
namespace {

namespace v1 = ::edcert::snapshot::v1;

SnapshotFact FactOf(const v1::Snapshot& snapshot) {
  SnapshotFact fact;
  fact.name = snapshot.name();
  fact.generation = snapshot.generation();
  fact.sealed =
      snapshot.state() == v1::Snapshot::SEALED || snapshot.state() == v1::Snapshot::SUPERSEDED;
  fact.failed = snapshot.state() == v1::Snapshot::FAILED;
  fact.root = snapshot.root();
  for (const auto& version : snapshot.data_versions()) {
    fact.rows += version.rows();
    fact.versions[version.dataset()] = version.version();
  }
  return fact;
}

}  // namespace

SnapshotClient::SnapshotClient(rpc::Runtime& runtime)
    : runtime_(runtime), stub_(v1::Snapshots::NewStub(runtime.ChannelTo("snapshot"))) {}

absl::StatusOr<SnapshotFact> SnapshotClient::Get(const rpc::Call& call,
                                                 const std::string& name) const {
  grpc::ClientContext context;
  RETURN_IF_ERROR(call.Forward(context));
  v1::GetSnapshotRequest request;
  request.set_name(name);
  v1::Snapshot response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->GetSnapshot(&context, request, &response)));
  return FactOf(response);
}

absl::StatusOr<std::optional<SnapshotFact>> SnapshotClient::Newest(const rpc::Call& call,
                                                                   const std::string& event,
                                                                   const std::string& organization,
                                                                   bool sealed) const {
  grpc::ClientContext context;
  RETURN_IF_ERROR(call.Forward(context));
  v1::ListSnapshotsRequest request;
  request.set_event(event);
  request.set_organization(organization);
  if (sealed) request.add_state(v1::Snapshot::SEALED);
  request.set_page_size(1);
  v1::ListSnapshotsResponse response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->ListSnapshots(&context, request, &response)));
  if (response.snapshots().empty()) return std::nullopt;
  return FactOf(response.snapshots(0));
}

absl::StatusOr<SnapshotFact> SnapshotClient::Create(const rpc::Call& call, const std::string& event,
                                                    const std::string& organization,
                                                    const std::string& retake_of) const {
  absl::StatusOr<SnapshotFact> taken = Ask(call, event, organization, retake_of);
  // The state took a newer one meanwhile: ours still replaces the candidate, as the next
  // generation.
  if (!retake_of.empty() && status::ReasonOf(taken.status()) == "SNAPSHOT_MISMATCH") {
    return Ask(call, event, organization, "");
  }
  return taken;
}

absl::StatusOr<SnapshotFact> SnapshotClient::Ask(const rpc::Call& call, const std::string& event,
                                                 const std::string& organization,
                                                 const std::string& retake_of) const {
  grpc::ClientContext context;
  RETURN_IF_ERROR(call.Forward(context));
  v1::CreateSnapshotRequest request;
  // Everything that may differ when ours is repeated is in the id: no id is used twice.
  request.set_request_id(ids::DerivedId(call.request_id(), "snapshot " + retake_of));
  request.set_event(event);
  request.set_organization(organization);
  request.set_retake_of(retake_of);
  v1::Snapshot response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->CreateSnapshot(&context, request, &response)));
  return FactOf(response);
}

absl::StatusOr<std::string> SnapshotClient::DescribeChanges(const rpc::Call& call,
                                                            const std::string& base) const {
  grpc::ClientContext context;
  RETURN_IF_ERROR(call.Forward(context));
  v1::DiffSnapshotsRequest request;
  request.set_base(base);
  request.set_page_size(1);
  v1::DiffSnapshotsResponse response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->DiffSnapshots(&context, request, &response)));
  int64_t added = 0;
  int64_t removed = 0;
  int64_t changed = 0;
  for (const v1::DatasetDiff& diff : response.datasets()) {
    added += diff.added();
    removed += diff.removed();
    changed += diff.changed();
  }
  return ChangeText(added, removed, changed);
}

absl::StatusOr<feed::Page> SnapshotClient::ListChanges(int64_t after, int limit) const {
  return rpc::FetchChanges<v1::ListChangesRequest, v1::ListChangesResponse>(runtime_, *stub_, after,
                                                                            limit);
}

}  // namespace edcert::workflow
