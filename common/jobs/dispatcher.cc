// Pushes hints to Redis: after a commit, and again each second for what Redis forgot.
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "common/clock/clock.h"
#include "common/jobs/jobs.h"
#include "common/jobs/limits.h"
#include "common/jobs/queue.h"
#include "common/jobs/sql/sweep.sql.h"
#include "common/log/log.h"
#include "common/telemetry/metrics.h"

namespace edcert::jobs {
namespace {

// So many batches of one sweep, at most.
constexpr int kMaxBatches = 10;

NewJob HintOf(const pg::Row& row) {
  return {.id = row.Text("id"),
          .organization = row.Text("organization"),
          .dedupe_key = "",
          .priority = static_cast<Priority>(row.Int("priority")),
          .cost = row.Int("cost")};
}

}  // namespace

// Two threads, each with a Redis connection of its own: a slow database must not hold up hints.
struct Dispatcher::State {
  State(pg::Pool& the_pool, const config::Redis& redis, std::string queue_name)
      : pool(the_pool),
        name(std::move(queue_name)),
        hint_queue(Queue::Make(redis, name)),
        sweep_queue(Queue::Make(redis, name)),
        hint_thread([this](const std::stop_token& stop) { PushHints(stop); }),
        sweep_thread([this](const std::stop_token& stop) { SweepUntil(stop); }) {}

  ~State() {
    hint_thread.request_stop();
    sweep_thread.request_stop();
    // Makes the waiting threads look at their tokens.
    {
      const absl::MutexLock lock(&mutex);
    }
  }

  void PushHints(const std::stop_token& stop);
  void SweepUntil(const std::stop_token& stop);
  void Sweep();
  void CountActive(pg::Database& db);
  void CountFinished(pg::Database& db);

  pg::Pool& pool;
  const std::string name;
  const std::unique_ptr<Queue> hint_queue;
  const std::unique_ptr<Queue> sweep_queue;
  absl::Mutex mutex;
  std::deque<NewJob> hints ABSL_GUARDED_BY(mutex);
  // Only the sweeper's thread touches these: the ends of jobs that were counted.
  std::set<std::pair<std::string, absl::Time>> counted;
  bool counting = false;
  std::jthread hint_thread;
  std::jthread sweep_thread;
};

void Dispatcher::State::PushHints(const std::stop_token& stop) {
  while (true) {
    NewJob job;
    {
      absl::MutexLock lock(&mutex);
      const auto awake = [this, &stop]() ABSL_SHARED_LOCKS_REQUIRED(mutex) {
        return !hints.empty() || stop.stop_requested();
      };
      mutex.Await(absl::Condition(&awake));
      if (stop.stop_requested()) return;
      job = std::move(hints.front());
      hints.pop_front();
    }
    // A hint that fails is not tried again: the sweeper finds its job.
    hint_queue->Push(job).IgnoreError();
  }
}

void Dispatcher::State::SweepUntil(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Sweep();
    absl::MutexLock lock(&mutex);
    const auto stopped = [&stop] { return stop.stop_requested(); };
    mutex.AwaitWithTimeout(absl::Condition(&stopped), kSweepInterval);
  }
}

void Dispatcher::State::Sweep() {
  pg::Database db(pool, clock::Clock::Real().Now() + kCallTimeout);
  for (int batch = 0; batch < kMaxBatches; ++batch) {
    // Asked first: a row that is marked as hinted is not looked at for a while.
    if (sweep_queue == nullptr || !sweep_queue->Healthy()) break;
    const absl::StatusOr<pg::Result> due =
        db.Run(sql::kSweep, absl::ToInt64Milliseconds(kHintAge), kSweepBatch);
    if (!due.ok()) {
      log::Warning("cannot sweep jobs",
                   {{"queue", name}, {"error", std::string(due.status().message())}});
      break;
    }
    bool pushed = true;
    for (const pg::Row row : *due) pushed = pushed && sweep_queue->Push(HintOf(row)).ok();
    if (!pushed || due->size() < kSweepBatch) break;
  }
  CountActive(db);
  CountFinished(db);
}

void Dispatcher::State::CountActive(pg::Database& db) {
  const absl::StatusOr<pg::Result> active = db.Run(sql::kCountActive);
  if (!active.ok()) return;
  telemetry::Set("edcert_jobs_waiting", {{"queue", name}},
                 static_cast<double>((*active)[0].Int("waiting")));
  telemetry::Set("edcert_jobs_running", {{"queue", name}},
                 static_cast<double>((*active)[0].Int("running")));
}

void Dispatcher::State::CountFinished(pg::Database& db) {
  const absl::StatusOr<pg::Result> finished =
      db.Run(sql::kListFinished, absl::ToInt64Milliseconds(kFinishedWindow), kFinishedBatch);
  if (!finished.ok()) return;
  std::set<std::pair<std::string, absl::Time>> seen;
  for (const pg::Row row : *finished) {
    const auto [at, is_new] = seen.emplace(row.Text("id"), row.Time("finished_at"));
    // What ended before this process began is not counted.
    if (!is_new || !counting || counted.contains(*at)) continue;
    telemetry::Count("edcert_jobs_total", {{"queue", name}, {"state", row.Text("state")}});
  }
  counted = std::move(seen);
  counting = true;
}

Dispatcher::Dispatcher(pg::Pool& pool, const config::Redis& redis, std::string queue)
    : state_(std::make_unique<State>(pool, redis, std::move(queue))) {}

Dispatcher::~Dispatcher() = default;

void Dispatcher::Hint(const NewJob& job) {
  if (state_->hint_queue == nullptr) return;
  const absl::MutexLock lock(&state_->mutex);
  if (state_->hints.size() < kMaxWaitingHints) state_->hints.push_back(job);
}

}  // namespace edcert::jobs
