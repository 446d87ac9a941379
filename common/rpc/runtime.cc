#include "common/rpc/runtime.h"

#include <fmt/format.h>

#include <algorithm>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/config/config.h"
#include "common/rpc/status.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::rpc {
namespace {

constexpr int kDefaultThreads = 16;
constexpr int kDefaultTransferThreads = 4;
constexpr int kDefaultQueueLength = 1024;
// Connections beside the executors': the feed's tail, its consumers, sweepers.
constexpr int kBackgroundConnections = 8;

// Retries what is safe to send again: every command carries a request_id.
constexpr char kServiceConfig[] = R"({
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.05s",
    "maxBackoff": "0.5s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}})";

int OrDefault(int value, int fallback) { return value > 0 ? value : fallback; }

// A caller leaves room for others.
int UploadsPerCaller(const config::Limits& limits) {
  return OrDefault(limits.uploads_per_caller(),
                   std::max(OrDefault(limits.transfer_threads(), kDefaultTransferThreads) / 2, 1));
}

bool IsComplete(const type::RpcPolicy& policy) {
  return policy.caller() != type::RpcPolicy::CALLER_UNSPECIFIED &&
         policy.call_class() != type::RpcPolicy::CALL_CLASS_UNSPECIFIED;
}

// Addresses in numbers become a fixed list; a name is resolved again and again by gRPC.
std::string Target(const std::string& address) {
  const bool numeric = address.find_first_not_of("0123456789.:,") == std::string::npos;
  return (numeric ? "ipv4:" : "dns:///") + address;
}

}  // namespace

Runtime::Runtime(const config::Server& config, const clock::Clock& clock, const ids::IdSource& ids)
    : config_(config),
      clock_(clock),
      ids_(ids),
      pool_({.conninfo = config.database().conninfo(),
             .size = OrDefault(config.limits().threads(), kDefaultThreads) +
                     OrDefault(config.limits().transfer_threads(), kDefaultTransferThreads) +
                     kBackgroundConnections}),
      uploads_(UploadsPerCaller(config.limits())),
      // Half of the threads stay free for calls.
      looks_(unary_, (OrDefault(config.limits().threads(), kDefaultThreads) + 1) / 2),
      unary_({.name = "unary",
              .threads = OrDefault(config.limits().threads(), kDefaultThreads),
              .queue_length = OrDefault(config.limits().queue_length(), kDefaultQueueLength)}),
      transfer_({.name = "transfer",
                 .threads = OrDefault(config.limits().transfer_threads(), kDefaultTransferThreads),
                 .queue_length = OrDefault(config.limits().queue_length(), kDefaultQueueLength)}) {}

Runtime::~Runtime() = default;

absl::StatusOr<std::unique_ptr<Runtime>> Runtime::Make(const config::Server& config,
                                                       const clock::Clock& clock,
                                                       const ids::IdSource& ids) {
  std::unique_ptr<Runtime> runtime(new Runtime(config, clock, ids));
  ASSIGN_OR_RETURN(runtime->zone_, config::ZoneOf(config));
  ASSIGN_OR_RETURN(runtime->page_token_key_, config::ReadFile(config.page_token_key_file()));
  ASSIGN_OR_RETURN(runtime->verifier_, auth::Verifier::Make(config.auth(), clock));
  ASSIGN_OR_RETURN(runtime->own_token_, auth::OwnToken::Make(config.auth(), clock));
  for (const config::Peer& peer : config.peers()) {
    grpc::ChannelArguments arguments;
    arguments.SetServiceConfigJSON(kServiceConfig);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
    runtime->channels_[peer.service()] = grpc::CreateCustomChannel(
        Target(peer.address()), grpc::InsecureChannelCredentials(), arguments);
  }
  runtime->tail_ = std::make_unique<feed::Tail>(runtime->pool_, runtime->hub_);
  return runtime;
}

Executor& Runtime::executor(type::RpcPolicy::CallClass call_class) {
  return call_class == type::RpcPolicy::TRANSFER ? transfer_ : unary_;
}

void Runtime::AddService(const google::protobuf::ServiceDescriptor* service) {
  for (int i = 0; i < service->method_count(); ++i) {
    const google::protobuf::MethodDescriptor* method = service->method(i);
    const type::RpcPolicy& policy = method->options().GetExtension(type::rpc_policy);
    if (!IsComplete(policy)) continue;
    const bool fresh =
        methods_
            .try_emplace(method->input_type(),
                         Method{method, policy, service->full_name() + "/" + method->name()})
            .second;
    CHECK(fresh);  // each RPC has a request message of its own
  }
}

const Method* Runtime::FindMethod(const google::protobuf::Descriptor* request) const {
  const auto it = methods_.find(request);
  return it == methods_.end() ? nullptr : &it->second;
}

std::shared_ptr<grpc::Channel> Runtime::ChannelTo(const std::string& service) {
  const auto it = channels_.find(service);
  CHECK(it != channels_.end());  // Main has checked the peers
  return it->second;
}

absl::Status Runtime::Prepare(grpc::ClientContext& context, absl::Duration timeout) {
  ASSIGN_OR_RETURN(const std::string header, own_token_->Header());
  context.AddMetadata("x-service-authorization", header);
  context.AddMetadata("x-request-id", ids_.NewId());
  context.set_deadline(absl::ToChronoTime(clock_.Now() + timeout));
  return absl::OkStatus();
}

}  // namespace edcert::rpc
