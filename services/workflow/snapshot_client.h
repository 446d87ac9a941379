// How workflow calls snapshot, with the token of the user who calls us.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/feed/feed.h"
#include "common/rpc/call.h"
#include "common/rpc/runtime.h"
#include "edcert/snapshot/v1/snapshot.grpc.pb.h"
#include "services/workflow/steps.h"

namespace edcert::workflow {

// Thread-safe.
class SnapshotClient {
 public:
  explicit SnapshotClient(rpc::Runtime& runtime);

  absl::StatusOr<SnapshotFact> Get(const rpc::Call& call, const std::string& name) const;

  // The newest snapshot of an event and organisation, or the newest sealed one; nothing when there
  // is none.
  absl::StatusOr<std::optional<SnapshotFact>> Newest(const rpc::Call& call,
                                                     const std::string& event,
                                                     const std::string& organization,
                                                     bool sealed) const;

  // Takes a snapshot, in place of `retake_of` unless that is empty. The call to the other service
  // is the same whenever ours is repeated.
  absl::StatusOr<SnapshotFact> Create(const rpc::Call& call, const std::string& event,
                                      const std::string& organization,
                                      const std::string& retake_of) const;

  // What changed between a snapshot and the state's copy now, in words.
  absl::StatusOr<std::string> DescribeChanges(const rpc::Call& call, const std::string& base) const;

  // The service's feed, for a Relay.
  absl::StatusOr<feed::Page> ListChanges(int64_t after, int limit) const;

 private:
  absl::StatusOr<SnapshotFact> Ask(const rpc::Call& call, const std::string& event,
                                   const std::string& organization,
                                   const std::string& retake_of) const;

  rpc::Runtime& runtime_;
  const std::unique_ptr<snapshot::v1::Snapshots::Stub> stub_;
};

}  // namespace edcert::workflow
