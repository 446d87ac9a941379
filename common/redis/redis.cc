#include "common/redis/redis.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/clock/clock.h"
#include "common/log/log.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::redis {
namespace {

constexpr absl::Duration kTimeout = absl::Milliseconds(50);
constexpr absl::Duration kRetryAfter = absl::Seconds(1);
// What a blocking command may take beyond the time it was told to wait.
constexpr absl::Duration kWaitMargin = absl::Milliseconds(500);
constexpr int kMaxDepth = 8;
constexpr std::string_view kNoScript = "NOSCRIPT";

using RedisReply = std::unique_ptr<redisReply, decltype(&freeReplyObject)>;

absl::Time Now() { return clock::Clock::Real().Now(); }

Reply ReplyOf(const redisReply& raw, int depth) {
  Reply reply;
  if (raw.type == REDIS_REPLY_INTEGER) {
    reply.type = Reply::Type::kInteger;
    reply.integer = raw.integer;
  } else if (raw.type == REDIS_REPLY_STRING || raw.type == REDIS_REPLY_STATUS) {
    reply.type = Reply::Type::kText;
    reply.text.assign(raw.str, raw.len);
  } else if (raw.type == REDIS_REPLY_ARRAY && depth < kMaxDepth) {
    reply.type = Reply::Type::kArray;
    for (std::size_t i = 0; i < raw.elements; ++i) {
      reply.elements.push_back(ReplyOf(*raw.element[i], depth + 1));
    }
  }
  return reply;
}

}  // namespace

void Redis::Free::operator()(redisContext* context) const { redisFree(context); }

Redis::Redis(Options options) : options_(std::move(options)) {}

Redis::~Redis() = default;

bool Redis::Available() const { return Now() >= retry_at_; }

absl::Status Redis::Broken(std::string_view what) {
  if (!was_away_) {
    log::Warning("Redis is away", {{"while", std::string(what)}});
    was_away_ = true;
  }
  context_.reset();
  retry_at_ = Now() + kRetryAfter;
  return status::Unavailable("redis");
}

absl::Status Redis::Connect() {
  const std::size_t colon = options_.address.rfind(':');
  int port = 0;
  if (colon != std::string::npos) {
    const char* end = options_.address.data() + options_.address.size();
    std::from_chars(options_.address.data() + colon + 1, end, port);
  }
  if (port == 0) return Broken("reading its address");
  context_.reset(redisConnectWithTimeout(options_.address.substr(0, colon).c_str(), port,
                                         absl::ToTimeval(kTimeout)));
  if (context_ == nullptr || context_->err != 0) return Broken("connecting");
  if (!options_.password.empty()) {
    std::vector<std::string> login = {"AUTH"};
    if (!options_.user.empty()) login.push_back(options_.user);
    login.push_back(options_.password);
    const absl::Status known = Send(login, kTimeout).status();
    if (!known.ok()) return Broken("authenticating");
  }
  if (was_away_) log::Info("Redis is back", {});
  was_away_ = false;
  return absl::OkStatus();
}

absl::StatusOr<Reply> Redis::Send(const std::vector<std::string>& arguments, absl::Duration time) {
  if (redisSetTimeout(context_.get(), absl::ToTimeval(time)) != REDIS_OK) {
    return Broken("setting a timeout");
  }
  std::vector<const char*> values;
  std::vector<std::size_t> lengths;
  for (const std::string& argument : arguments) {
    values.push_back(argument.data());
    lengths.push_back(argument.size());
  }
  const RedisReply reply(
      static_cast<redisReply*>(redisCommandArgv(context_.get(), static_cast<int>(values.size()),
                                                values.data(), lengths.data())),
      &freeReplyObject);
  if (reply == nullptr) return Broken(arguments.front());
  if (reply->type == REDIS_REPLY_ERROR) {
    // Out of memory, loading, not the primary: not of use now, like a Redis that is away.
    const std::string_view error(reply->str, reply->len);
    const std::string_view code = error.substr(0, error.find(' '));
    if (code != kNoScript) return Broken(fmt::format("{}: {}", arguments.front(), code));
    return status::Internal(kNoScript);
  }
  return ReplyOf(*reply, 0);
}

absl::StatusOr<Reply> Redis::Run(const std::vector<std::string>& arguments) {
  if (!Available()) return status::Unavailable("redis");
  const absl::Time deadline = Now() + kTimeout;
  if (context_ == nullptr) RETURN_IF_ERROR(Connect());
  const absl::Duration left = deadline - Now();
  if (left <= absl::ZeroDuration()) return Broken("connecting");
  return Send(arguments, left);
}

absl::StatusOr<Reply> Redis::RunScript(const Script& script, const std::vector<std::string>& keys,
                                       const std::vector<std::string>& arguments) {
  for (int attempt = 1;; ++attempt) {
    std::string& digest = digests_[script.name];
    if (digest.empty()) {
      ASSIGN_OR_RETURN(const Reply loaded, Run({"SCRIPT", "LOAD", std::string(script.text)}));
      digest = loaded.text;
    }
    std::vector<std::string> command = {"EVALSHA", digest, std::to_string(keys.size())};
    command.insert(command.end(), keys.begin(), keys.end());
    command.insert(command.end(), arguments.begin(), arguments.end());
    absl::StatusOr<Reply> reply = Run(command);
    // A Redis that was started anew, or flushed its scripts, does not know it any more.
    if (reply.ok() || reply.status().code() != absl::StatusCode::kInternal || attempt == 2)
      return reply;
    digest.clear();
  }
}

absl::StatusOr<std::optional<std::string>> Redis::Wait(const std::string& list,
                                                       absl::Duration time) {
  if (!Available()) return status::Unavailable("redis");
  if (context_ == nullptr) RETURN_IF_ERROR(Connect());
  const std::string seconds = std::to_string(absl::ToDoubleSeconds(time));
  ASSIGN_OR_RETURN(Reply reply, Send({"BLPOP", list, seconds}, time + kWaitMargin));
  if (reply.elements.size() != 2) return std::nullopt;
  return std::move(reply.elements[1].text);
}

}  // namespace edcert::redis
