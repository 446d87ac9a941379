// Asks the dataset service for definitions and changes. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/feed/feed.h"
#include "common/rpc/runtime.h"
#include "edcert/dataset/v1/dataset.grpc.pb.h"
#include "services/validation_report/definition.h"

namespace edcert::validation_report {

// An answer is kept for a minute: a rule over a column that was just added waits no longer.
class DatasetClient final : public DefinitionSource {
 public:
  explicit DatasetClient(rpc::Runtime& runtime);

  // The service's feed.
  absl::StatusOr<feed::Page> ListChanges(int64_t after, int limit) const;

 private:
  struct Kept {
    Definition definition;
    absl::Time until;
  };
  absl::StatusOr<Definitions> Find(const std::vector<std::string>& datasets) override;
  absl::StatusOr<Definition> Ask(const std::string& dataset);

  rpc::Runtime& runtime_;
  const std::unique_ptr<dataset::v1::Datasets::Stub> stub_;
  absl::Mutex mutex_;
  std::map<std::string, Kept> kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace edcert::validation_report
