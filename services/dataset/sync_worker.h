// Runs the jobs of the service: resyncs and automatic syncs.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config/server.pb.h"
#include "common/ids/ids.h"
#include "common/jobs/jobs.h"
#include "services/dataset/definition_store.h"

namespace edcert::dataset {

class SyncRunner final : public jobs::Runner {
 public:
  explicit SyncRunner(const ids::IdSource& ids) : ids_(ids) {}

  // Brings one dataset after the other up to date, each in a transaction of its own, the last one
  // with the end of the job. A dataset that an earlier attempt finished is not done again.
  absl::Status Run(jobs::Running& running) override;
  absl::Status Failed(pg::Transaction& tx, const jobs::Job& job) override;

 private:
  DefinitionCache definitions_;
  const ids::IdSource& ids_;
};

// For jobs::RunWorkers.
absl::StatusOr<std::unique_ptr<jobs::Runner>> MakeSyncRunner(const edcert::config::Server& server);

}  // namespace edcert::dataset
