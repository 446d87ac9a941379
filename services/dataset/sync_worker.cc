#include "services/dataset/sync_worker.h"

#include <algorithm>

#include "common/feed/feed.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/record_store.h"
#include "services/dataset/resync_store.h"
#include "services/dataset/sync.h"

namespace edcert::dataset {
namespace {

void AppendState(pg::Transaction& tx, const Resync& resync, const ids::IdSource& ids,
                 const char* state) {
  if (resync.automatic) return;  // not a resource of the API
  feed::Append(tx, ids.NewId(), resync.requester,
               {.subject = "resyncs/" + resync.id,
                .type = std::string("resync_") + state,
                .attributes = {{"district", "organizations/" + resync.district}}});
}

// How far a sync is, in records of the DISTRICT copy.
struct Plan {
  std::vector<Version> remaining;  // the datasets that are still to be done
  int64_t done = 0;
  int64_t total = 0;
};

absl::StatusOr<Plan> PlanOf(pg::Querier& db, const Resync& resync) {
  Plan plan;
  ASSIGN_OR_RETURN(const std::vector<Version> versions,
                   GetVersions(db, Copy::kDistrict, resync.district));
  for (const std::string& dataset : resync.datasets) {
    const auto counts =
        std::find_if(resync.counts.begin(), resync.counts.end(),
                     [&dataset](const SyncCounts& one) { return one.dataset == dataset; });
    if (counts != resync.counts.end()) {
      plan.done += counts->read;
      continue;
    }
    const auto version =
        std::find_if(versions.begin(), versions.end(),
                     [&dataset](const Version& one) { return one.dataset == dataset; });
    plan.remaining.push_back(version == versions.end() ? Version{.dataset = dataset} : *version);
    plan.total += plan.remaining.back().row_count;
  }
  plan.total += plan.done;
  return plan;
}

}  // namespace

absl::Status SyncRunner::Run(jobs::Running& running) {
  pg::Database db = running.db();
  ASSIGN_OR_RETURN(const std::optional<Resync> resync, FindResync(db, running.job().id));
  if (!resync.has_value()) return status::Internal("a job without its resync");
  RETURN_IF_ERROR(running.Write([&](pg::Transaction& tx) -> absl::Status {
    MarkStarted(tx, resync->id);
    AppendState(tx, *resync, ids_, "running");
    return absl::OkStatus();
  }));
  ASSIGN_OR_RETURN(Plan plan, PlanOf(db, *resync));
  const auto sync_one = [&](pg::Transaction& tx, const Version& version) -> absl::Status {
    ASSIGN_OR_RETURN(const auto definitions, definitions_.Get(tx));
    const Dataset* dataset = definitions->catalogue.Find(version.dataset);
    if (dataset == nullptr) return status::Internal("no dataset " + version.dataset);
    return SyncDataset(tx, *dataset, *resync, ids_).status();
  };
  const auto tell = [&](const std::string& phase) {
    return running.Progress(plan.done, plan.total, phase);
  };
  for (std::size_t i = 0; i + 1 < plan.remaining.size(); ++i) {
    const Version& version = plan.remaining[i];
    RETURN_IF_ERROR(tell("Comparing " + version.dataset));
    RETURN_IF_ERROR(running.Write([&](pg::Transaction& tx) { return sync_one(tx, version); }));
    plan.done += version.row_count;
  }
  if (!plan.remaining.empty()) {
    RETURN_IF_ERROR(tell("Comparing " + plan.remaining.back().dataset));
  }
  return running.Complete([&](pg::Transaction& tx) -> absl::Status {
    if (!plan.remaining.empty()) RETURN_IF_ERROR(sync_one(tx, plan.remaining.back()));
    plan.done = plan.total;
    RETURN_IF_ERROR(tell(""));
    AppendState(tx, *resync, ids_, "completed");
    return absl::OkStatus();
  });
}

absl::Status SyncRunner::Failed(pg::Transaction& tx, const jobs::Job& job) {
  ASSIGN_OR_RETURN(const std::optional<Resync> resync, FindResync(tx, job.id));
  if (resync.has_value()) AppendState(tx, *resync, ids_, "failed");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<jobs::Runner>> MakeSyncRunner(
    const edcert::config::Server& /*server*/) {
  return std::make_unique<SyncRunner>(ids::IdSource::Real());
}

}  // namespace edcert::dataset
