#include "services/validation_report/snapshot_client.h"

#include "common/names/names.h"
#include "common/rpc/runtime.h"
#include "common/rpc/status.h"
#include "common/status/macros.h"

namespace edcert::validation_report {

namespace v1 = ::edcert::snapshot::v1;

namespace {

constexpr absl::Duration kTimeout = absl::Seconds(3);
constexpr int kPageSize = 1000;

absl::StatusOr<std::vector<ReportDataVersion>> VersionsOf(const v1::Snapshot& snapshot) {
  std::vector<ReportDataVersion> versions;
  for (const v1::Snapshot::DataVersion& version : snapshot.data_versions()) {
    ASSIGN_OR_RETURN(const names::DatasetName dataset,
                     names::DatasetName::Parse(version.dataset(), "data_versions.dataset"));
    versions.push_back({dataset.id(), version.version(), version.rows()});
  }
  return versions;
}

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
  ASSIGN_OR_RETURN(facts.data_versions, VersionsOf(response));
  return facts;
}

absl::StatusOr<std::map<std::string, LastYear>> SnapshotClient::ListLastYear(
    const rpc::Call& call, const std::string& event) {
  v1::ListSnapshotsRequest request;
  request.set_event(event);
  request.add_state(v1::Snapshot::SEALED);
  request.add_state(v1::Snapshot::SUPERSEDED);
  request.set_page_size(kPageSize);
  std::map<std::string, LastYear> newest;
  do {
    grpc::ClientContext context;
    RETURN_IF_ERROR(call.runtime().Prepare(context, kTimeout));
    v1::ListSnapshotsResponse page;
    RETURN_IF_ERROR(rpc::FromGrpc(stub_->ListSnapshots(&context, request, &page)));
    for (const v1::Snapshot& snapshot : page.snapshots()) {
      const auto [place, is_first] = newest.try_emplace(snapshot.organization());
      if (!is_first) continue;
      place->second = {.snapshot = snapshot.name(), .district = snapshot.district()};
      ASSIGN_OR_RETURN(place->second.data_versions, VersionsOf(snapshot));
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return newest;
}

}  // namespace edcert::validation_report
