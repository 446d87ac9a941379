#include "services/validation_report/artifact_keeper.h"

#include <string>
#include <vector>

#include "common/log/log.h"
#include "common/status/macros.h"
#include "services/validation_report/report_worker.h"

namespace edcert::validation_report {
namespace {

constexpr char kActor[] = "services/validation_report";
constexpr absl::Duration kTimeout = absl::Minutes(1);
constexpr absl::Duration kLook = absl::Hours(1);
// Reports in one transaction: their files may be large.
constexpr int kAtOnce = 20;

}  // namespace

absl::StatusOr<int> ExpireArtifacts(pg::Database db, const ids::IdSource& ids, absl::Time before) {
  const ReportStore store;
  int expired = 0;
  RETURN_IF_ERROR(db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<std::string> reports, store.Expire(tx, before, kAtOnce));
    for (const std::string& id : reports) {
      ASSIGN_OR_RETURN(const Report report, store.Get(tx, id, /*viewer=*/""));
      AppendReportChange(tx, ids, kActor, report, "report_expired");
    }
    expired = static_cast<int>(reports.size());
    return absl::OkStatus();
  }));
  return expired;
}

ArtifactKeeper::ArtifactKeeper(pg::Pool& pool, const clock::Clock& clock, const ids::IdSource& ids,
                               absl::Duration keep)
    : pool_(pool), clock_(clock), ids_(ids), keep_(keep) {
  if (keep_ > absl::ZeroDuration()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }
}

ArtifactKeeper::~ArtifactKeeper() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void ArtifactKeeper::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const pg::Database db(pool_, clock::Clock::Real().Now() + kTimeout);
    const absl::StatusOr<int> expired = ExpireArtifacts(db, ids_, clock_.Now() - keep_);
    if (!expired.ok()) {
      log::Warning("reports not expired", {{"error", std::string(expired.status().message())}});
    } else if (*expired > 0) {
      continue;
    }
    const absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kLook);
  }
}

}  // namespace edcert::validation_report
