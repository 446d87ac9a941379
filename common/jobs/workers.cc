// The parent of the worker processes. It has one thread, holds no connection, and starts nothing
// but processes, so that it outlives whatever ends a worker.
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <vector>

#include "common/clock/clock.h"
#include "common/jobs/jobs.h"
#include "common/jobs/lease.h"
#include "common/jobs/limits.h"
#include "common/jobs/worker.h"
#include "common/log/log.h"
#include "common/status/macros.h"

namespace edcert::jobs {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(250);
constexpr absl::Duration kSettleInterval = absl::Seconds(1);
// A worker that lived shorter than this died at once.
constexpr absl::Duration kShortLife = absl::Seconds(2);

absl::Time Now() { return clock::Clock::Real().Now(); }

struct Child {
  int index = 0;
  HeldJob* held = nullptr;  // in shared memory
  pid_t pid = 0;
  absl::Time started_at;
  absl::Time restart_at = absl::InfinitePast();
  absl::Duration restart_pause = absl::ZeroDuration();
};

// A job of a dead worker, until the database knows.
struct Orphan {
  HeldJob::Value job;
  absl::Time until;  // then its lease has run out
};

class Parent {
 public:
  explicit Parent(const WorkerOptions& options) : options_(options) {
    sigemptyset(&signals_);
    for (const int number : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&signals_, number);
  }

  int Run();

 private:
  bool MakeChildren();
  void Spawn(Child& child);
  void Reap(bool draining);
  void StopOverdue();
  // Tells the database about the jobs of dead workers; tries again later what fails.
  void SettleOrphans(bool draining);
  void Drain();
  // The next signal; 0 when the time passed.
  int NextSignal(absl::Duration time) const;

  const WorkerOptions& options_;
  sigset_t signals_;
  std::vector<Child> children_;
  std::vector<Orphan> orphans_;
  absl::Time settle_at_ = absl::InfinitePast();
};

int Parent::NextSignal(absl::Duration time) const {
  const timespec limit = absl::ToTimespec(std::max(time, absl::ZeroDuration()));
  return std::max(sigtimedwait(&signals_, nullptr, &limit), 0);
}

bool Parent::MakeChildren() {
  const int wanted =
      options_.processes > 0 ? options_.processes : options_.server.limits().workers();
  const int count = std::max(wanted, 1);
  void* memory = mmap(nullptr, sizeof(HeldJob) * count, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  for (int i = 0; i < count; ++i) {
    Child& child = children_.emplace_back();
    child.index = i;
    child.held = new (static_cast<HeldJob*>(memory) + i) HeldJob();
  }
  return true;
}

void Parent::Spawn(Child& child) {
  const pid_t parent = getpid();
  child.held->Clear();
  child.started_at = Now();
  child.pid = fork();
  if (child.pid < 0) {
    log::Error("cannot fork a worker", {{"queue", options_.queue}});
    child.pid = 0;
    child.restart_at = Now() + kLongestRestart;
    return;
  }
  if (child.pid > 0) return;
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  pthread_sigmask(SIG_UNBLOCK, &children, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(0);  // the parent died before it could be watched
  _exit(RunWorker(options_, child.index, *child.held));
}

void Parent::Reap(bool draining) {
  for (Child& child : children_) {
    int status = 0;
    if (child.pid == 0 || waitpid(child.pid, &status, WNOHANG) != child.pid) continue;
    const absl::Duration life = Now() - child.started_at;
    if (!draining) {
      log::Warning("a worker ended",
                   {{"queue", options_.queue},
                    {"pid", std::to_string(child.pid)},
                    {"exit_code", WIFEXITED(status) ? std::to_string(WEXITSTATUS(status)) : ""},
                    {"signal", WIFSIGNALED(status) ? std::to_string(WTERMSIG(status)) : ""}});
    }
    if (const auto job = child.held->Read(); job.has_value()) {
      orphans_.push_back({.job = *job, .until = Now() + kLease});
    }
    child.pid = 0;
    child.restart_pause =
        life < kShortLife ? std::clamp(child.restart_pause * 2, kShortestRestart, kLongestRestart)
                          : absl::ZeroDuration();
    child.restart_at = Now() + child.restart_pause;
  }
}

void Parent::StopOverdue() {
  for (const Child& child : children_) {
    if (child.pid == 0 || Now() - child.held->since() < options_.wall_clock) continue;
    log::Warning("a job ran too long", {{"queue", options_.queue}});
    kill(child.pid, SIGKILL);
  }
}

void Parent::SettleOrphans(bool draining) {
  std::erase_if(orphans_, [](const Orphan& orphan) { return Now() >= orphan.until; });
  if (orphans_.empty() || (Now() < settle_at_ && !draining)) return;
  settle_at_ = Now() + kSettleInterval;
  pg::Pool pool({.conninfo = options_.server.database().conninfo(), .size = 1});
  std::erase_if(orphans_, [&](const Orphan& orphan) {
    pg::Database db(pool, Now() + kCallTimeout);
    const absl::Status told =
        draining ? Release(db, orphan.job.id, orphan.job.attempt, absl::ZeroDuration())
                 : CountCrash(db, orphan.job.id, orphan.job.attempt).status();
    if (told.ok()) {
      log::Info(draining ? "job given back" : "crash counted",
                {{"queue", options_.queue}, {"job", orphan.job.id}});
    }
    return told.ok() || told.code() == absl::StatusCode::kCancelled;
  });
}

void Parent::Drain() {
  const auto alive = [](const Child& child) { return child.pid != 0; };
  for (const Child& child : children_) {
    if (child.pid != 0) kill(child.pid, SIGTERM);
  }
  const absl::Time deadline = Now() + kDrainTime;
  while (std::any_of(children_.begin(), children_.end(), alive) && Now() < deadline) {
    NextSignal(std::min(deadline - Now(), kTick));
    Reap(/*draining=*/true);
  }
  for (Child& child : children_) {
    if (child.pid == 0) continue;
    kill(child.pid, SIGKILL);
    waitpid(child.pid, nullptr, 0);
    if (const auto job = child.held->Read(); job.has_value()) {
      orphans_.push_back({.job = *job, .until = Now() + kLease});
    }
  }
  SettleOrphans(/*draining=*/true);
}

int Parent::Run() {
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  signal(SIGPIPE, SIG_IGN);
  if (!MakeChildren()) {
    log::Error("no memory to share with workers", {{"queue", options_.queue}});
    return 1;
  }
  log::Info("workers start",
            {{"queue", options_.queue}, {"processes", std::to_string(children_.size())}});
  while (true) {
    for (Child& child : children_) {
      if (child.pid == 0 && Now() >= child.restart_at) Spawn(child);
    }
    const int number = NextSignal(kTick);
    if (number == SIGTERM || number == SIGINT) break;
    Reap(/*draining=*/false);
    StopOverdue();
    SettleOrphans(/*draining=*/false);
  }
  Drain();
  log::Info("workers stopped", {{"queue", options_.queue}});
  return 0;
}

}  // namespace

int RunWorkers(const WorkerOptions& options) { return Parent(options).Run(); }

}  // namespace edcert::jobs
