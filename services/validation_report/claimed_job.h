// For the tests of validation_report: a job in the hands of a worker, without a worker process.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/jobs/jobs.h"
#include "common/jobs/lease.h"
#include "common/pg/pg.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::validation_report {

// A claimed job, as a worker process hands it to its runner.
class ClaimedJob final : public jobs::Running {
 public:
  ClaimedJob(pg::Database db, jobs::Job job) : db_(db), job_(std::move(job)) {}

  const jobs::Job& job() const override { return job_; }
  absl::Status Progress(int64_t done, int64_t /*total*/, std::string_view /*phase*/) override {
    progress_ = std::max(progress_, done);
    return absl::OkStatus();
  }
  absl::Status GiveWay() override {
    if (before_way) before_way();
    ASSIGN_OR_RETURN(const bool gave_way, jobs::GiveWay(db_, job_.id, job_.attempt));
    return gave_way ? status::Cancelled() : absl::OkStatus();
  }
  absl::Status Complete(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    if (before_complete) before_complete();
    return db_.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      RETURN_IF_ERROR(body(tx));
      return jobs::Finish(tx, job_.id, job_.attempt, {});
    });
  }
  absl::Status Write(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    ++writes_;
    if (before_write) before_write(writes_);
    return db_.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      RETURN_IF_ERROR(body(tx));
      return jobs::Heartbeat(tx, job_.id, job_.attempt);
    });
  }
  pg::Database db() override { return db_; }

  int64_t progress() const { return progress_; }
  std::function<void()> before_complete;
  std::function<void()> before_way;
  std::function<void(int)> before_write;  // gets which one it is, from 1

 private:
  pg::Database db_;
  const jobs::Job job_;
  int64_t progress_ = 0;
  int writes_ = 0;
};

inline std::unique_ptr<ClaimedJob> ClaimJob(pg::Database db, const std::string& id) {
  absl::StatusOr<std::optional<jobs::Claim>> claim =
      jobs::ClaimById(db, {.owner = "test", .quarantine = false}, id);
  CHECK(claim.ok() && claim->has_value());
  return std::make_unique<ClaimedJob>(db, (*claim)->job);
}

}  // namespace edcert::validation_report
