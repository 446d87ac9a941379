// Jobs: PostgreSQL is the queue, Redis the dispatcher.
//
// A job is a row of the owner's schema (table `job`), accepted in the transaction of the command
// that wants it. After the commit its id is pushed to Redis, best effort; losing all of Redis costs
// seconds, never a job. A worker that got an id, from Redis or from PostgreSQL, claims the row:
// every claim raises `attempt`, the fencing epoch, and every later write names it, so that a late
// worker changes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/config/server.pb.h"
#include "common/pg/migrate.h"
#include "common/pg/pg.h"
#include "common/redis/redis.h"

namespace edcert::jobs {

// The table `job` and its indexes.
pg::Component Migrations();

enum class State { kQueued, kRunning, kCompleted, kFailed, kCancelled, kExpired };
// QUEUED, RUNNING, ...: as in the database and on the wire.
std::string_view ToString(State state);
State StateFromString(std::string_view text);

enum class Priority { kInteractive = 0, kBulk = 1, kBackground = 2 };

// What the owner asks for.
struct NewJob {
  std::string id;            // UUID; also the id of the owner's resource
  std::string organization;  // resource name of the district: dispatch is fair between them
  std::string dedupe_key;    // equal jobs that wait or run are one; any bytes
  Priority priority = Priority::kInteractive;
  int64_t cost = 1;  // about the number of records to read; at least 1
};

// A job as its row says.
struct Job {
  std::string id;
  std::string organization;
  State state = State::kQueued;
  int64_t attempt = 0;
  Priority priority = Priority::kInteractive;
  int64_t cost = 1;
  int64_t progress_done = 0;
  int64_t progress_total = 0;
  std::string progress_phase;
  std::string failure;  // for a person; empty unless FAILED
  absl::Time created_at;
  std::optional<absl::Time> started_at;  // of the newest attempt
  std::optional<absl::Time> finished_at;
};

// Accepts a job in the command's transaction. When an equal one waits or runs, returns its id
// instead and writes nothing.
absl::StatusOr<std::string> Accept(pg::Transaction& tx, const NewJob& job);

absl::StatusOr<std::optional<Job>> Find(pg::Querier& db, const std::string& id);

// Where a waiting job stands: 1 is next. Expected start from the recent throughput of the queue.
struct Position {
  int64_t position = 0;
  absl::Time expected_start;
};
absl::StatusOr<std::optional<Position>> PositionOf(pg::Querier& db, const std::string& id);

// QUEUED or RUNNING -> CANCELLED; false when it was final already. A running worker notices at its
// next heartbeat.
absl::StatusOr<bool> Cancel(pg::Transaction& tx, const std::string& id);
// FAILED -> QUEUED; false when it is in another state. ALREADY_EXISTS when an equal one waits or
// runs by now.
absl::StatusOr<bool> Retry(pg::Transaction& tx, const std::string& id);

// Pushes hints for workers; runs beside the API. After a commit: Hint(id, ...). Every second:
// pushes again what Redis forgot (queued jobs whose hint is older than 2 s, expired leases).
// Without Redis it does nothing. Thread-safe; never blocks a caller for more than 50 ms.
class Dispatcher {
 public:
  // `queue` is the schema: one queue per service.
  Dispatcher(pg::Pool& pool, const config::Redis& redis, std::string queue);
  ~Dispatcher();
  void Hint(const NewJob& job);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What a running job may do. Each write names the attempt; when it is stale the status is
// CANCELLED and the work must stop.
class Running {
 public:
  virtual ~Running() = default;
  virtual const Job& job() const = 0;
  // Extends the lease (also done in the background every 5 s) and stores the progress.
  virtual absl::Status Progress(int64_t done, int64_t total, std::string_view phase) = 0;
  // One transaction that ends with the job COMPLETED, or with nothing: `body` writes the result.
  virtual absl::Status Complete(absl::FunctionRef<absl::Status(pg::Transaction&)> body) = 0;
  virtual pg::Database db() = 0;
  // Gives the job back, counted as nothing, when one of a better priority is due and waits: the
  // status is then CANCELLED too. A long job of a low priority asks between its parts. A test
  // without a queue has nobody to give way to.
  virtual absl::Status GiveWay() { return absl::OkStatus(); }
  // Something else is to be done in one transaction that requires the attempt to be current.
  virtual absl::Status Write(absl::FunctionRef<absl::Status(pg::Transaction&)> body) = 0;
};

// Makes what a worker process needs (its own pools) after the fork, and runs jobs.
class Runner {
 public:
  virtual ~Runner() = default;
  // Does the work and calls Complete. An error is counted against the job: it is tried again with
  // back-off, at most 5 times, then FAILED with the error's message; INVALID_ARGUMENT and
  // FAILED_PRECONDITION fail at once. UNAVAILABLE, and DEADLINE_EXCEEDED of another service, are
  // tried again for an hour without being counted. CANCELLED counts as nothing.
  virtual absl::Status Run(Running& running) = 0;
  // A job became FAILED: in the transaction that says so (for the owner's feed event). May be
  // empty.
  virtual absl::Status Failed(pg::Transaction& tx, const Job& job) = 0;
};

struct WorkerOptions {
  std::string queue;  // the schema
  config::Server server;
  int processes = 0;  // 0: as many as the server's limits say, at least 1
  std::function<absl::StatusOr<std::unique_ptr<Runner>>(const config::Server&)> make_runner;
  // A job that runs longer is killed with its worker; that counts as a crash.
  absl::Duration wall_clock = absl::Minutes(10);
};

// Forks the worker processes and watches over them until SIGTERM: the parent is small and has one
// thread. A worker that dies is counted against the job it held (3 crashes: FAILED), and another is
// started. Called before any thread exists; SIGTERM and SIGINT are blocked by the caller. Returns
// the exit code.
int RunWorkers(const WorkerOptions& options);

}  // namespace edcert::jobs
