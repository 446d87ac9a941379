// PushRecords: from the stream of one source to one applied batch.
#pragma once

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/access/access.h"
#include "common/jobs/jobs.h"
#include "common/rpc/upload.h"
#include "edcert/dataset/v1/dataset.pb.h"
#include "services/dataset/batch_store.h"
#include "services/dataset/definition_store.h"

namespace edcert::dataset {

// Bounds how many pushes of one district run at once. Thread-safe.
class PushLimit {
 public:
  explicit PushLimit(int per_district) : per_district_(per_district) {}

  // False when the district has as many as it may have.
  bool Enter(const std::string& district);
  void Leave(const std::string& district);

 private:
  const int per_district_;
  absl::Mutex mutex_;
  std::map<std::string, int> running_ ABSL_GUARDED_BY(mutex_);
};

struct PushOptions {
  bool automatic_sync = true;
  int per_district = 3;
};

// Thread-safe.
class Pusher {
 public:
  Pusher(DefinitionCache& definitions, access::Resolver& access, jobs::Dispatcher* dispatcher,
         const PushOptions& options)
      : definitions_(definitions),
        access_(access),
        dispatcher_(dispatcher),
        options_(options),
        limit_(options.per_district) {}

  absl::Status Push(rpc::Call& call, rpc::UploadReader<v1::PushRecordsRequest>& reader,
                    v1::PushRecordsResponse* response);

 private:
  absl::Status PushBatch(rpc::Call& call, rpc::UploadReader<v1::PushRecordsRequest>& reader,
                         const v1::PushRecordsRequest::Header& request, const BatchHeader& header,
                         v1::PushRecordsResponse* response);

  DefinitionCache& definitions_;
  access::Resolver& access_;
  jobs::Dispatcher* const dispatcher_;  // null: workers look by themselves
  const PushOptions options_;
  PushLimit limit_;
};

}  // namespace edcert::dataset
