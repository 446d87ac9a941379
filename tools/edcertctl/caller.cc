#include "tools/edcertctl/caller.h"

#include <nlohmann/json.hpp>

#include "common/clock/clock.h"
#include "common/rpc/status.h"
#include "common/status/details.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace edcert::edcertctl {
namespace {

grpc::ByteBuffer ToBuffer(const google::protobuf::Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return {&slice, 1};
}

bool FromBuffer(const grpc::ByteBuffer& buffer, google::protobuf::Message& message) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return false;
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return message.ParseFromString(bytes);
}

// A queue that finishes one operation at a time, shut down and drained at the end.
class OneAtATime {
 public:
  ~OneAtATime() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  grpc::CompletionQueue* queue() { return &queue_; }
  void* tag() { return this; }
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

 private:
  grpc::CompletionQueue queue_;
};

}  // namespace

Caller::Caller(const std::string& address, CallOptions options)
    : options_(std::move(options)),
      channel_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
      stub_(channel_) {}

absl::Status Caller::Call(
    const google::protobuf::MethodDescriptor& method,
    const std::function<const google::protobuf::Message*()>& next_request,
    const std::function<absl::Status(const google::protobuf::Message&)>& each) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(clock::Clock::Real().Now() + options_.timeout));
  if (!options_.token.empty()) context.AddMetadata("authorization", "Bearer " + options_.token);
  OneAtATime step;
  const auto stream = stub_.PrepareCall(
      &context, "/" + method.service()->full_name() + "/" + method.name(), step.queue());
  stream->StartCall(step.tag());
  bool ok = step.Wait();
  for (const google::protobuf::Message* request = ok ? next_request() : nullptr;
       ok && request != nullptr; request = next_request()) {
    stream->Write(ToBuffer(*request), step.tag());
    ok = step.Wait();
  }
  if (ok) {
    stream->WritesDone(step.tag());
    ok = step.Wait();
  }
  absl::Status outcome = absl::OkStatus();
  const std::unique_ptr<google::protobuf::Message> response(
      google::protobuf::MessageFactory::generated_factory()
          ->GetPrototype(method.output_type())
          ->New());
  grpc::ByteBuffer buffer;
  while (outcome.ok()) {
    stream->Read(&buffer, step.tag());
    if (!step.Wait()) break;
    outcome = FromBuffer(buffer, *response) ? each(*response) : status::Internal("response");
  }
  if (!outcome.ok()) context.TryCancel();
  grpc::Status status;
  stream->Finish(&status, step.tag());
  step.Wait();
  RETURN_IF_ERROR(outcome);
  return rpc::FromGrpc(status);
}

absl::Status CheckHealth(const std::string& address) {
  const auto stub = grpc::health::v1::Health::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(clock::Clock::Real().Now() + absl::Seconds(2)));
  grpc::health::v1::HealthCheckResponse response;
  RETURN_IF_ERROR(rpc::FromGrpc(stub->Check(&context, {}, &response)));
  if (response.status() != grpc::health::v1::HealthCheckResponse::SERVING) {
    return status::Unavailable(address);
  }
  return absl::OkStatus();
}

std::string ErrorJson(const absl::Status& status) {
  nlohmann::ordered_json out;
  out["code"] = absl::StatusCodeToString(status.code());
  if (const auto info = status::GetDetail<google::rpc::ErrorInfo>(status); info.has_value()) {
    out["reason"] = info->reason();
    out["message"] = std::string(status.message());
    nlohmann::ordered_json metadata = nlohmann::ordered_json::object();
    for (const auto& [key, value] : info->metadata()) metadata[key] = value;
    out["metadata"] = metadata;
  } else {
    out["message"] = std::string(status.message());
  }
  return out.dump();
}

}  // namespace edcert::edcertctl
