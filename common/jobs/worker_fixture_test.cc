#include "common/jobs/worker_fixture_test.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "common/clock/clock.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::jobs {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

class TellingRunner final : public Runner {
 public:
  TellingRunner(int told, int go) : told_(told), go_(go) {}

  absl::Status Run(Running& running) override {
    const Job& job = running.job();
    Tell("started", job, absl::OkStatus());
    if (job.organization == "organizations/invalid") {
      return status::FieldInvalid("rule", "makes no sense");
    }
    if (job.organization == "organizations/unlucky" && job.attempt == 1) {
      return status::Internal("luck");
    }
    if (job.organization == "organizations/lonely" && job.attempt == 1) {
      return status::Unavailable("company");
    }
    if (job.organization == "organizations/polite") return RunPolitely(running);
    const bool silent = job.organization == "organizations/silent";
    const bool writing = job.organization == "organizations/writing";
    const bool waits = silent || writing || job.organization == "organizations/blocked";
    char byte = 0;
    if (waits && read(go_, &byte, 1) != 1) return status::Internal("test pipe");
    if (!silent && !writing) Tell("progress", job, running.Progress(1, 2, "rows"));
    if (!silent) {
      Tell("written", job,
           running.Write([&](pg::Transaction& tx) { return WriteEffect(tx, "written", job.id); }));
    }
    const absl::Status completed =
        running.Complete([&](pg::Transaction& tx) { return WriteEffect(tx, "completed", job.id); });
    Tell("completed", job, completed);
    return completed;
  }

  absl::Status Failed(pg::Transaction& tx, const Job& job) override {
    RETURN_IF_ERROR(WriteEffect(tx, "failed", job.id));
    Tell("failed", job, absl::OkStatus());
    return absl::OkStatus();
  }

 private:
  absl::Status RunPolitely(Running& running) const {
    constexpr int kParts = 3;
    for (int part = 0; part < kParts; ++part) {
      char byte = 0;
      if (read(go_, &byte, 1) != 1) return status::Internal("test pipe");
      const absl::Status way = running.GiveWay();
      Tell("part", running.job(), way);
      RETURN_IF_ERROR(way);
    }
    const absl::Status completed = running.Complete(
        [&](pg::Transaction& tx) { return WriteEffect(tx, "completed", running.job().id); });
    Tell("completed", running.job(), completed);
    return completed;
  }

  static absl::Status WriteEffect(pg::Transaction& tx, std::string_view what,
                                  const std::string& id) {
    return tx
        .RunText("INSERT INTO change (id, subject, type, payload) VALUES ($1, $2, $3, '')",
                 ids::IdSource::Real().NewId(), id, what)
        .status();
  }

  void Tell(std::string_view what, const Job& job, const absl::Status& status) const {
    const std::string line = fmt::format("{} {} {} {} {}\n", what, job.id, job.attempt, getpid(),
                                         absl::StatusCodeToString(status.code()));
    CHECK(write(told_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  }

  const int told_;
  const int go_;
};

}  // namespace

WorkerFixture::WorkerFixture() { CHECK(pipe(told_) == 0 && pipe(go_) == 0); }

WorkerFixture::~WorkerFixture() {
  if (parent_ > 0) {
    kill(parent_, SIGKILL);
    waitpid(parent_, nullptr, 0);
  }
  for (const int fd : {told_[0], told_[1], go_[0], go_[1]}) close(fd);
}

void WorkerFixture::Start(const std::string& redis_address, int processes,
                          absl::Duration wall_clock) {
  WorkerOptions options;
  options.queue = "validation";
  options.server.mutable_database()->set_conninfo(database_.conninfo());
  options.server.mutable_redis()->set_address(redis_address);
  options.processes = processes;
  options.wall_clock = wall_clock;
  options.make_runner = [this](const config::Server&) -> absl::StatusOr<std::unique_ptr<Runner>> {
    return std::make_unique<TellingRunner>(told_[1], go_[0]);
  };
  parent_ = fork();
  CHECK(parent_ >= 0);
  if (parent_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(told_[0]);
    close(go_[1]);
    _exit(RunWorkers(options));
  }
  // The end of all workers is then the end of the pipe.
  close(told_[1]);
  told_[1] = -1;
}

int WorkerFixture::Stop() {
  kill(parent_, SIGTERM);
  return WaitForParent();
}

int WorkerFixture::WaitForParent() {
  int status = 0;
  waitpid(parent_, &status, 0);
  parent_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void WorkerFixture::Go() { CHECK(write(go_[1], "g", 1) == 1); }

Told WorkerFixture::Next() {
  std::size_t end = 0;
  while ((end = unread_.find('\n')) == std::string::npos) {
    pollfd fd{told_[0], POLLIN, 0};
    if (poll(&fd, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) != 1) {
      ADD_FAILURE() << "the workers told nothing";
      return {};
    }
    char buffer[512];
    const ssize_t count = read(told_[0], buffer, sizeof(buffer));
    if (count <= 0) return {};
    unread_.append(buffer, count);
  }
  std::istringstream line(unread_.substr(0, end));
  unread_.erase(0, end + 1);
  Told told;
  line >> told.what >> told.id >> told.attempt >> told.worker >> told.status;
  return told;
}

Told WorkerFixture::NextOf(const std::string& what) {
  while (true) {
    Told told = Next();
    if (told.what == what) return told;
    if (told.what.empty()) {
      ADD_FAILURE() << "no worker told that it " << what;
      return told;
    }
  }
}

std::string WorkerFixture::Add(const std::string& organization, const std::string& id,
                               Priority priority) {
  const absl::Status done =
      database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
        return Accept(
                   tx,
                   {.id = id, .organization = organization, .dedupe_key = id, .priority = priority})
            .status();
      });
  EXPECT_TRUE(done.ok()) << done;
  return id;
}

Job WorkerFixture::Read(const std::string& id) {
  pg::Database db = database_.db();
  const auto job = Find(db, id);
  CHECK(job.ok() && job->has_value());
  return **job;
}

int64_t WorkerFixture::Counter(const std::string& column, const std::string& id) {
  const auto rows = database_.db().RunText("SELECT " + column + " FROM job WHERE id = $1", id);
  CHECK(rows.ok());
  return (*rows)[0].Int(column);
}

int64_t WorkerFixture::Effects(const std::string& what, const std::string& id) {
  const auto rows = database_.db().RunText(
      "SELECT count(*) AS n FROM change WHERE type = $1 AND subject = $2", what, id);
  CHECK(rows.ok());
  return (*rows)[0].Int("n");
}

void WorkerFixture::Change(const std::string& assignment, const std::string& id) {
  const absl::Status done = database_.owner().RunScript(
      fmt::format("UPDATE validation.job SET {} WHERE id = '{}'", assignment, id));
  CHECK(done.ok());
}

}  // namespace edcert::jobs
