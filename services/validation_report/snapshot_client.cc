#include "services/validation_report/snapshot_client.h"

#include "common/names/names.h"
#include "common/rpc/runtime.h"
#include "common/rpc/status.h"
#include "common/status/macros.h"

namespace edcert::validation_report {

namespace v1 = ::edcert::snapshot::v1;

namespace {

constexpr absl::Duration kTimeout = absl::Seconds(3);

}  // namespace

SnapshotClient::SnapshotClient(rpc::Runtime& runtime)
    : stub_(v1::Snapshots::NewStub(runtime.ChannelTo("snapshot"))) {}

absl::StatusOr<SnapshotFacts> SnapshotClient::Get(const rpc::Call& call, const std::string& name) {
  grpc::ClientContext context;
  RETURN_IF_ERROR(call.Forward(context));
  return Ask(context, name);
}

absl::StatusOr<SnapshotFacts> SnapshotClient::GetLastYear(const rpc::Call& call,
                                                          const std::string& name) {
  grpc::ClientContext context;
  RETURN_IF_ERROR(call.runtime().Prepare(context, kTimeout));
  return Ask(context, name);
}

absl::StatusOr<SnapshotFacts> SnapshotClient::Ask(grpc::ClientContext& context,
                                                  const std::string& name) {
  v1::GetSnapshotRequest request;
  request.set_name(name);
  v1::Snapshot response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->GetSnapshot(&context, request, &response)));
  SnapshotFacts facts{.event = response.event(),
                      .organization = response.organization(),
                      .district = response.district(),
                      .sealed = response.state() == v1::Snapshot::SEALED ||
                                response.state() == v1::Snapshot::SUPERSEDED,
                      .failed = response.state() == v1::Snapshot::FAILED,
                      .data_versions = {}};
  for (const v1::Snapshot::DataVersion& version : response.data_versions()) {
    ASSIGN_OR_RETURN(const names::DatasetName dataset,
                     names::DatasetName::Parse(version.dataset(), "data_versions.dataset"));
    facts.data_versions.push_back({dataset.id(), version.version(), version.rows()});
  }
  return facts;
}

}  // namespace edcert::validation_report
