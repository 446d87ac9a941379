// What a server's handlers share: pools, executors, identity, the feed, and the channels to other
// services. Made once by main.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/auth/auth.h"
#include "common/clock/clock.h"
#include "common/config/server.pb.h"
#include "common/feed/feed.h"
#include "common/ids/ids.h"
#include "common/pg/pg.h"
#include "common/rpc/call.h"
#include "common/rpc/executor.h"
#include "common/rpc/look_queue.h"
#include "common/rpc/upload_slots.h"

namespace edcert::rpc {

// Thread-safe.
class Runtime {
 public:
  static absl::StatusOr<std::unique_ptr<Runtime>> Make(const config::Server& config,
                                                       const clock::Clock& clock,
                                                       const ids::IdSource& ids);
  ~Runtime();

  const config::Server& config() const { return config_; }
  const clock::Clock& clock() const { return clock_; }
  const ids::IdSource& ids() const { return ids_; }
  pg::Pool& pool() { return pool_; }
  pg::Database Db(absl::Duration timeout) { return {pool_, clock_.Now() + timeout}; }
  // The state's.
  absl::TimeZone zone() const { return zone_; }
  // What page tokens are bound with.
  const std::string& page_token_key() const { return page_token_key_; }
  auth::Verifier& verifier() { return *verifier_; }
  auth::OwnToken& own_token() { return *own_token_; }
  feed::Hub& hub() { return hub_; }
  // Wakes this process's readers of its own feed; called after a commit.
  void Poke() { tail_->Poke(); }

  // The executor for a class of call: transfers block for long, so they have threads of their own.
  Executor& executor(type::RpcPolicy::CallClass call_class);
  // How many uploads each caller has under way.
  UploadSlots& uploads() { return uploads_; }
  // Where watches wait for a thread.
  LookQueue& looks() { return looks_; }

  // The method whose request message this is; null when its policy is missing or not valid.
  const Method* FindMethod(const google::protobuf::Descriptor* request) const;
  void AddService(const google::protobuf::ServiceDescriptor* service);

  // The channel to another service: round robin over its addresses, retry of UNAVAILABLE. The
  // service is one of ServiceMain::peers.
  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& service);

  // Prepares a call to another service that no user asked for.
  absl::Status Prepare(grpc::ClientContext& context, absl::Duration timeout);

 private:
  Runtime(const config::Server& config, const clock::Clock& clock, const ids::IdSource& ids);

  const config::Server config_;
  const clock::Clock& clock_;
  const ids::IdSource& ids_;
  absl::TimeZone zone_;
  std::string page_token_key_;
  pg::Pool pool_;
  UploadSlots uploads_;
  std::unique_ptr<auth::Verifier> verifier_;
  std::unique_ptr<auth::OwnToken> own_token_;
  std::map<const google::protobuf::Descriptor*, Method> methods_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
  feed::Hub hub_;
  std::unique_ptr<feed::Tail> tail_;
  LookQueue looks_;
  // Last: their threads use everything above.
  Executor unary_;
  Executor transfer_;
};

}  // namespace edcert::rpc
