#include "common/jobs/queue.h"

#include <utility>
#include <vector>

#include "common/config/config.h"
#include "common/jobs/limits.h"
#include "common/log/log.h"
#include "common/redis/keys.h"
#include "common/redis/lua/pop.lua.h"
#include "common/redis/lua/push.lua.h"
#include "common/status/macros.h"

namespace edcert::jobs {
namespace {

namespace keys = redis::keys;

constexpr redis::Script kPush{"push", redis::lua::kPush};
constexpr redis::Script kPop{"pop", redis::lua::kPop};
constexpr int kPriorities = 3;

}  // namespace

std::unique_ptr<Queue> Queue::Make(const config::Redis& config, const std::string& name) {
  if (config.address().empty()) return nullptr;
  redis::Redis::Options options{.address = config.address(), .user = config.user(), .password = ""};
  if (!config.password_file().empty()) {
    absl::StatusOr<std::string> password = config::ReadFile(config.password_file());
    if (!password.ok()) {
      log::Error("no password for Redis", {{"error", std::string(password.status().message())}});
      return nullptr;
    }
    options.password = *std::move(password);
  }
  return std::unique_ptr<Queue>(new Queue(std::move(options), name));
}

Queue::Queue(redis::Redis::Options options, std::string name)
    : redis_(std::move(options)), name_(std::move(name)) {}

bool Queue::Healthy() { return redis_.Run({"PING"}).ok(); }

absl::Status Queue::Push(const NewJob& job) {
  const int priority = static_cast<int>(job.priority);
  return redis_
      .RunScript(
          kPush,
          {keys::JobsPrefix(name_, priority) + job.organization, keys::Ring(name_, priority),
           keys::Present(name_), keys::Bell(name_)},
          {job.id, std::to_string(job.cost), job.organization, std::to_string(kMaxBellTokens)})
      .status();
}

absl::StatusOr<std::optional<std::string>> Queue::Pop() {
  std::vector<std::string> names = {keys::Present(name_), keys::Last(name_)};
  for (int priority = 0; priority < kPriorities; ++priority) {
    names.push_back(keys::Ring(name_, priority));
    names.push_back(keys::Deficit(name_, priority));
    names.push_back(keys::JobsPrefix(name_, priority));
  }
  ASSIGN_OR_RETURN(redis::Reply reply, redis_.RunScript(kPop, names, {std::to_string(kQuantum)}));
  if (reply.type != redis::Reply::Type::kText) return std::nullopt;
  return std::move(reply.text);
}

absl::Status Queue::Wait(absl::Duration time) {
  return redis_.Wait(keys::Bell(name_), time).status();
}

}  // namespace edcert::jobs
