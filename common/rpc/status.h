// absl::Status on our side, grpc::Status with google.rpc details on the wire.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"

namespace edcert::rpc {

// The details of the catalogue travel in `grpc-status-details-bin`; anything else stays here.
grpc::Status ToGrpc(const absl::Status& status);

// An error of another service keeps its reason and details.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace edcert::rpc
