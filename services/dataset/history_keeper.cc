#include "services/dataset/history_keeper.h"

#include <string>

#include "common/log/log.h"
#include "common/status/macros.h"
#include "common/telemetry/metrics.h"
#include "services/dataset/history_store.h"

namespace edcert::dataset {
namespace {

constexpr absl::Duration kTimeout = absl::Minutes(1);
constexpr absl::Duration kLook = absl::Hours(1);
// Records in one transaction. A snapshot that is taken of the same records waits as long.
constexpr int64_t kAtOnce = 5000;

}  // namespace

HistoryKeeper::HistoryKeeper(pg::Pool& pool, const clock::Clock& clock, absl::Duration keep)
    : pool_(pool), clock_(clock), keep_(keep) {
  if (keep_ > absl::ZeroDuration()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }
}

HistoryKeeper::~HistoryKeeper() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

absl::Status HistoryKeeper::LookOnce(const std::stop_token& stop) {
  const auto db = [this] { return pg::Database(pool_, clock::Clock::Real().Now() + kTimeout); };
  const absl::Time now = clock_.Now();
  RETURN_IF_ERROR(MarkVersions(db(), now));
  RETURN_IF_ERROR(RaiseHorizons(db(), now - keep_));
  bool any = true;
  while (any && !stop.stop_requested()) {
    ASSIGN_OR_RETURN(const Purged purged, PurgeSome(db(), definitions_, kAtOnce));
    any = purged.any;
  }
  pg::Database counting = db();
  ASSIGN_OR_RETURN(const int64_t behind, CountBehind(counting));
  telemetry::Set("edcert_dataset_purge_behind", {}, static_cast<double>(behind));
  return absl::OkStatus();
}

void HistoryKeeper::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const absl::Status done = LookOnce(stop);
    if (!done.ok()) {
      log::Warning("history not purged", {{"error", std::string(done.message())}});
    }
    const absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kLook);
  }
}

}  // namespace edcert::dataset
