#include "common/jobs/worker.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/clock/clock.h"
#include "common/jobs/lease.h"
#include "common/jobs/limits.h"
#include "common/jobs/queue.h"
#include "common/log/log.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::jobs {
namespace {

constexpr int kPoolSize = 4;
constexpr absl::Duration kWatchTick = absl::Milliseconds(250);
constexpr int kSettleTries = 3;
constexpr absl::Duration kSettlePause = absl::Seconds(1);
// A job whose run was cancelled by something else than its own end is due again after this.
constexpr absl::Duration kCancelledPause = absl::Seconds(1);

absl::Time Now() { return clock::Clock::Real().Now(); }

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

// The job in hand, as its Runner sees it. Thread-safe.
class RunningJob final : public Running {
 public:
  RunningJob(pg::Pool& pool, Job job, absl::Duration wall_clock)
      : pool_(pool), job_(std::move(job)), deadline_(Now() + wall_clock) {}

  const Job& job() const override { return job_; }

  absl::Status Progress(int64_t done, int64_t total, std::string_view phase) override {
    if (lost_) return status::Cancelled();
    {
      const absl::MutexLock lock(&mutex_);
      const bool same_phase = progress_.phase == phase;
      progress_ = {.done = done, .total = total, .phase = std::string(phase)};
      if (same_phase && Now() < stored_at_ + kProgressInterval) return absl::OkStatus();
      stored_at_ = Now();
    }
    pg::Database short_db(pool_, Now() + kCallTimeout);
    return Noted(StoreProgress(short_db, job_.id, job_.attempt, progress()));
  }

  absl::Status GiveWay() override {
    // Nothing is better.
    if (job_.priority == Priority::kInteractive) return absl::OkStatus();
    if (lost_) return status::Cancelled();
    pg::Database short_db(pool_, Now() + kCallTimeout);
    ASSIGN_OR_RETURN(const bool gave_way, jobs::GiveWay(short_db, job_.id, job_.attempt));
    if (!gave_way) return absl::OkStatus();
    log::Info("job gave way", {{"job", job_.id}, {"attempt", std::to_string(job_.attempt)}});
    lost_ = true;
    return status::Cancelled();
  }

  absl::Status Complete(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    const absl::Status done = Transact(body, [this](pg::Transaction& tx) {
      return Finish(tx, job_.id, job_.attempt, progress());
    });
    if (done.ok()) completed_ = true;
    return done;
  }

  absl::Status Write(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    return Transact(body,
                    [this](pg::Transaction& tx) { return Heartbeat(tx, job_.id, job_.attempt); });
  }

  pg::Database db() override { return {pool_, deadline_}; }

  bool completed() const { return completed_; }
  bool lost() const { return lost_; }
  void MarkLost() { lost_ = true; }

 private:
  // The row is touched last: its lock keeps heartbeats out only while the transaction commits, and
  // what it says then holds until the commit.
  absl::Status Transact(absl::FunctionRef<absl::Status(pg::Transaction&)> body,
                        absl::FunctionRef<absl::Status(pg::Transaction&)> touch_row) {
    if (lost_) return status::Cancelled();
    absl::Status touched = absl::OkStatus();
    const absl::Status result = db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      RETURN_IF_ERROR(body(tx));
      touched = touch_row(tx);
      return touched;
    });
    Noted(touched).IgnoreError();
    return result;
  }

  absl::Status Noted(absl::Status status) {
    if (status.code() == absl::StatusCode::kCancelled) lost_ = true;
    return status;
  }

  jobs::Progress progress() {
    const absl::MutexLock lock(&mutex_);
    return progress_;
  }

  pg::Pool& pool_;
  const Job job_;
  const absl::Time deadline_;
  std::atomic<bool> lost_ = false;
  std::atomic<bool> completed_ = false;
  absl::Mutex mutex_;
  jobs::Progress progress_ ABSL_GUARDED_BY(mutex_);
  absl::Time stored_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

class Worker {
 public:
  Worker(const WorkerOptions& options, int index, HeldJob& held)
      : options_(options),
        held_(held),
        claimer_{.owner = fmt::format("{}:{}", HostName(), getpid()), .quarantine = index == 0},
        pool_({.conninfo = options.server.database().conninfo(), .size = kPoolSize}),
        watch_pool_({.conninfo = options.server.database().conninfo(), .size = 1}),
        queue_(Queue::Make(options.server.redis(), options.queue)) {}

  int Run();

 private:
  // The second thread: heartbeats, and the end on SIGTERM.
  void Watch(const std::stop_token& stop);
  void Beat();
  [[noreturn]] void GiveBackAndExit();

  // Takes the next job, from Redis or from PostgreSQL, and waits a while when there is none.
  std::optional<Claim> Take();
  std::optional<Claim> TakeFromRedis();
  template <typename How>
  std::optional<Claim> Hold(How how);
  void Idle();
  void Execute(const Claim& claim);
  // Writes how an attempt that did not complete ended.
  absl::Status Settle(const Claim& claim, const absl::Status& error);
  absl::Status SettleAsFailed(const Claim& claim, std::string_view failure);

  pg::Database ShortDb(pg::Pool& pool) { return {pool, Now() + kCallTimeout}; }

  const WorkerOptions& options_;
  HeldJob& held_;
  const Claimer claimer_;
  pg::Pool pool_;
  pg::Pool watch_pool_;
  const std::unique_ptr<Queue> queue_;
  std::unique_ptr<Runner> runner_;

  bool look_into_postgres_ = true;
  bool redis_works_ = false;
  bool database_works_ = true;
  int idle_turns_ = 0;
  absl::Duration poll_ = kShortestPoll;

  // Held during a claim, so that SIGTERM sees all that is claimed.
  absl::Mutex mutex_;
  std::optional<Job> current_ ABSL_GUARDED_BY(mutex_);
  RunningJob* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::jthread watch_thread_;  // last: it uses what is above
};

int Worker::Run() {
  watch_thread_ = std::jthread([this](const std::stop_token& stop) { Watch(stop); });
  absl::StatusOr<std::unique_ptr<Runner>> runner = options_.make_runner(options_.server);
  if (!runner.ok()) {
    log::Error("cannot make a worker",
               {{"queue", options_.queue}, {"error", std::string(runner.status().message())}});
    return 1;
  }
  runner_ = *std::move(runner);
  while (true) {
    if (const std::optional<Claim> claim = Take(); claim.has_value()) {
      Execute(*claim);
    } else {
      Idle();
    }
  }
}

void Worker::Watch(const std::stop_token& stop) {
  sigset_t end_signals;
  sigemptyset(&end_signals);
  sigaddset(&end_signals, SIGTERM);
  sigaddset(&end_signals, SIGINT);
  absl::Time next_beat = Now() + kHeartbeat;
  while (!stop.stop_requested()) {
    const absl::Duration left = std::max(next_beat - Now(), absl::ZeroDuration());
    const timespec time = absl::ToTimespec(std::min(left, kWatchTick));
    if (sigtimedwait(&end_signals, nullptr, &time) > 0) GiveBackAndExit();
    if (Now() < next_beat) continue;
    next_beat = Now() + kHeartbeat;
    Beat();
  }
}

void Worker::Beat() {
  std::optional<Job> job;
  {
    const absl::MutexLock lock(&mutex_);
    job = current_;
  }
  if (!job.has_value()) return;
  pg::Database db = ShortDb(watch_pool_);
  const absl::Status beaten = Heartbeat(db, job->id, job->attempt);
  if (beaten.code() != absl::StatusCode::kCancelled) return;
  const absl::MutexLock lock(&mutex_);
  if (running_ != nullptr && running_->job().id == job->id &&
      running_->job().attempt == job->attempt) {
    log::Info("job lost", {{"job", job->id}, {"attempt", std::to_string(job->attempt)}});
    running_->MarkLost();
  }
}

void Worker::GiveBackAndExit() {
  const absl::MutexLock lock(&mutex_);  // no claim from here on
  if (current_.has_value()) {
    pg::Database db = ShortDb(watch_pool_);
    const absl::Status released =
        Release(db, current_->id, current_->attempt, absl::ZeroDuration());
    if (released.ok()) log::Info("job given back", {{"job", current_->id}});
    // What could not be written is left to the parent.
    if (released.ok() || released.code() == absl::StatusCode::kCancelled) held_.Clear();
  }
  _exit(0);
}

template <typename How>
std::optional<Claim> Worker::Hold(How how) {
  const absl::MutexLock lock(&mutex_);
  pg::Database db = ShortDb(pool_);
  absl::StatusOr<std::optional<Claim>> claim = how(db);
  database_works_ = claim.ok();
  if (!claim.ok() || !claim->has_value()) return std::nullopt;
  held_.Take((*claim)->job.id, (*claim)->job.attempt, Now());
  current_ = (*claim)->job;
  return *std::move(claim);
}

std::optional<Claim> Worker::TakeFromRedis() {
  while (true) {
    const absl::StatusOr<std::optional<std::string>> id = queue_->Pop();
    redis_works_ = id.ok();
    if (!id.ok() || !id->has_value()) return std::nullopt;
    std::optional<Claim> claim =
        Hold([&](pg::Database& db) { return ClaimById(db, claimer_, **id); });
    // An id whose job is not to be had is dropped; the sweeper pushes what should not have been.
    if (claim.has_value() || !database_works_) return claim;
  }
}

std::optional<Claim> Worker::Take() {
  redis_works_ = queue_ != nullptr && queue_->Available();
  std::optional<Claim> claim;
  if (redis_works_) claim = TakeFromRedis();
  if (!claim.has_value() && (!redis_works_ || look_into_postgres_)) {
    claim = Hold([&](pg::Database& db) { return ClaimNext(db, claimer_); });
    // What is there is taken before the next wait.
    look_into_postgres_ = claim.has_value();
  }
  if (claim.has_value()) {
    idle_turns_ = 0;
    poll_ = kShortestPoll;
  }
  return claim;
}

void Worker::Idle() {
  ++idle_turns_;
  if (idle_turns_ % kIdleTurnsPerPoll == 0) look_into_postgres_ = true;
  if (redis_works_ && database_works_ && queue_->Wait(kBellWait).ok()) return;
  absl::SleepFor(poll_);
  poll_ = std::min(poll_ * 1.5, kLongestPoll);
}

void Worker::Execute(const Claim& claim) {
  const Job& job = claim.job;
  const absl::Time began = Now();
  absl::Status result;
  bool lost = false;
  if (const std::string doom = Doom(claim); !doom.empty()) {
    result = SettleAsFailed(claim, doom);
  } else {
    RunningJob running(pool_, job, options_.wall_clock);
    {
      const absl::MutexLock lock(&mutex_);
      running_ = &running;
    }
    result = runner_->Run(running);
    if (result.ok() && !running.completed()) result = status::Internal("a job completed nothing");
    // A heartbeat that waited for the job's end finds it no longer running either.
    lost = running.lost() && !running.completed();
    {
      const absl::MutexLock lock(&mutex_);
      running_ = nullptr;
    }
    if (!result.ok() && !lost) {
      for (int attempt = 1;; ++attempt) {
        const absl::Status settled = Settle(claim, result);
        if (settled.ok() || settled.code() == absl::StatusCode::kCancelled) break;
        if (attempt == kSettleTries) {
          log::Error("the end of a job cannot be written; its lease will run out",
                     {{"job", job.id}, {"error", std::string(settled.message())}});
          break;
        }
        absl::SleepFor(kSettlePause);
      }
    }
  }
  log::Info("job ended", {{"queue", options_.queue},
                          {"job", job.id},
                          {"attempt", std::to_string(job.attempt)},
                          {"result", lost ? "LOST" : absl::StatusCodeToString(result.code())},
                          {"error", std::string(result.message())},
                          {"millis", std::to_string(absl::ToInt64Milliseconds(Now() - began))}});
  const absl::MutexLock lock(&mutex_);
  current_.reset();
  held_.Clear();
}

absl::Status Worker::Settle(const Claim& claim, const absl::Status& error) {
  const Job& job = claim.job;
  pg::Database db = ShortDb(pool_);
  if (error.code() == absl::StatusCode::kCancelled) {
    return Release(db, job.id, job.attempt, kCancelledPause);
  }
  const Verdict verdict = Judge(error, claim);
  if (verdict == Verdict::kPostpone) return Postpone(db, job.id, job.attempt);
  if (verdict == Verdict::kTryAgain) return TryAgain(db, job.id, job.attempt, claim.errors + 1);
  return SettleAsFailed(claim, std::string_view(error.message().data(), error.message().size()));
}

absl::Status Worker::SettleAsFailed(const Claim& claim, std::string_view failure) {
  return ShortDb(pool_).RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const Job failed, Fail(tx, claim.job.id, claim.job.attempt, failure));
    return runner_->Failed(tx, failed);
  });
}

}  // namespace

void HeldJob::Take(const std::string& id, int64_t attempt, absl::Time now) {
  CHECK(id.size() < id_.size());
  std::memcpy(id_.data(), id.c_str(), id.size() + 1);
  attempt_.store(attempt);
  since_micros_.store(absl::ToUnixMicros(now));
}

void HeldJob::Clear() {
  since_micros_.store(0);
  attempt_.store(0);
}

std::optional<HeldJob::Value> HeldJob::Read() const {
  const int64_t attempt = attempt_.load();
  if (attempt == 0) return std::nullopt;
  return Value{.id = id_.data(), .attempt = attempt};
}

absl::Time HeldJob::since() const {
  const int64_t micros = since_micros_.load();
  return micros == 0 ? absl::InfiniteFuture() : absl::FromUnixMicros(micros);
}

int RunWorker(const WorkerOptions& options, int index, HeldJob& held) {
  // Under memory pressure a worker goes before the servers beside it.
  std::ofstream("/proc/self/oom_score_adj") << 1000;
  return Worker(options, index, held).Run();
}

}  // namespace edcert::jobs
