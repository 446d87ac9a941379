// How workflow calls dataset, with the token of the user who calls us.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/feed/feed.h"
#include "common/rpc/call.h"
#include "common/rpc/runtime.h"
#include "edcert/dataset/v1/dataset.grpc.pb.h"
#include "services/workflow/steps.h"

namespace edcert::workflow {

// Thread-safe.
class DatasetClient {
 public:
  explicit DatasetClient(rpc::Runtime& runtime);

  // The current version of every dataset of a district in one copy, for those who see the district
  // or, when it is not empty, the school of it.
  absl::StatusOr<std::map<std::string, int64_t>> GetVersions(const rpc::Call& call,
                                                             const std::string& district,
                                                             const std::string& school,
                                                             Copy copy) const;

  // The service's feed, for a Relay.
  absl::StatusOr<feed::Page> ListChanges(int64_t after, int limit) const;

 private:
  rpc::Runtime& runtime_;
  const std::unique_ptr<dataset::v1::Datasets::Stub> stub_;
};

}  // namespace edcert::workflow
