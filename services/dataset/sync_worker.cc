#include "services/dataset/sync_worker.h"

#include <algorithm>

#include "common/feed/feed.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/builtin_definitions.h"
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

// The datasets that are still to be done.
std::vector<std::string> Remaining(const Resync& resync) {
  std::vector<std::string> remaining;
  for (const std::string& dataset : resync.datasets) {
    const bool done =
        std::any_of(resync.counts.begin(), resync.counts.end(),
                    [&dataset](const SyncCounts& counts) { return counts.dataset == dataset; });
    if (!done) remaining.push_back(dataset);
  }
  return remaining;
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
  const std::vector<std::string> remaining = Remaining(*resync);
  const auto total = static_cast<int64_t>(resync->datasets.size());
  int64_t done = total - static_cast<int64_t>(remaining.size());
  const auto sync_one = [&](pg::Transaction& tx, const std::string& id) -> absl::Status {
    const Dataset* dataset = catalogue_.Find(id);
    if (dataset == nullptr) return status::Internal("no dataset " + id);
    return SyncDataset(tx, *dataset, *resync, ids_).status();
  };
  for (std::size_t i = 0; i + 1 < remaining.size(); ++i) {
    RETURN_IF_ERROR(running.Progress(done, total, "Comparing " + remaining[i]));
    RETURN_IF_ERROR(running.Write([&](pg::Transaction& tx) { return sync_one(tx, remaining[i]); }));
    ++done;
  }
  if (!remaining.empty()) {
    RETURN_IF_ERROR(running.Progress(done, total, "Comparing " + remaining.back()));
  }
  return running.Complete([&](pg::Transaction& tx) -> absl::Status {
    if (!remaining.empty()) RETURN_IF_ERROR(sync_one(tx, remaining.back()));
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
  ASSIGN_OR_RETURN(const Catalogue catalogue, BuiltinCatalogue());
  return std::make_unique<SyncRunner>(catalogue, ids::IdSource::Real());
}

}  // namespace edcert::dataset
