// Calls any RPC of edcert by its descriptor, with JSON in and out.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace edcert::edcertctl {

// Who calls, and for how long.
struct CallOptions {
  std::string token;  // a user's JWT; empty sends none
  absl::Duration timeout = absl::Seconds(30);
};

// One channel to one service. Not thread-safe.
class Caller {
 public:
  Caller(const std::string& address, CallOptions options);

  // Sends the requests (one, unless the RPC takes a stream), half-closes, and hands over every
  // response. `next_request` returns null at the end. The status is the RPC's, or that of `each`.
  absl::Status Call(const google::protobuf::MethodDescriptor& method,
                    const std::function<const google::protobuf::Message*()>& next_request,
                    const std::function<absl::Status(const google::protobuf::Message&)>& each);

 private:
  const CallOptions options_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
};

// Whether the server at the address answers SERVING.
absl::Status CheckHealth(const std::string& address);

// An error of the catalogue as one JSON object: code, reason, message, metadata.
std::string ErrorJson(const absl::Status& status);

}  // namespace edcert::edcertctl
