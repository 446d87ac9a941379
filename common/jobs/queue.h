// The Redis side of one queue: ids of jobs in lists, popped fairly.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/config/server.pb.h"
#include "common/jobs/jobs.h"
#include "common/redis/redis.h"

namespace edcert::jobs {

// Belongs to one thread at a time. Everything fails with UNAVAILABLE when Redis is away.
class Queue {
 public:
  // Null when no Redis is configured, or when its password cannot be read.
  static std::unique_ptr<Queue> Make(const config::Redis& config, const std::string& name);

  // Whether Redis answers.
  bool Healthy();
  // Whether it is worth trying: it did not fail just now.
  bool Available() const { return redis_.Available(); }

  // Adds a job unless it is there, and rings the bell.
  absl::Status Push(const NewJob& job);
  // The id of the next job: interactive before bulk before background, and inside these in deficit
  // round robin over the organizations. No organization comes twice in a row while others wait.
  absl::StatusOr<std::optional<std::string>> Pop();
  // Waits for the bell.
  absl::Status Wait(absl::Duration time);

 private:
  Queue(redis::Redis::Options options, std::string name);

  redis::Redis redis_;
  const std::string name_;
};

}  // namespace edcert::jobs
