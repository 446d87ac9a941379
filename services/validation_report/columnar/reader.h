// Pulls records out of PostgreSQL into columns, and keeps them: what was read at a data version
// never changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/pg/pg.h"
#include "services/validation_report/columnar/table.h"
#include "services/validation_report/definition.h"

namespace edcert::validation_report::columnar {

// Tables by the SELECT that says which rows they are, the least recently used dropped first.
// Thread-safe.
class TableCache {
 public:
  // Bytes of all tables kept, and at the most of one that is read.
  explicit TableCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // The rows of `source`, which are of this district, with at least these columns. `db` reads as
  // the rules' role. Null when they are too many for the limit or hold what columns cannot.
  absl::StatusOr<std::shared_ptr<const Table>> Get(pg::Database db, const std::string& district,
                                                   const std::string& source,
                                                   const Definition& definition,
                                                   const std::vector<std::string>& columns);

  std::size_t bytes() const;

 private:
  struct Entry {
    std::string source;
    std::shared_ptr<const Table> table;
    std::size_t bytes = 0;
  };
  void Keep(const std::string& source, std::shared_ptr<const Table> table);

  const std::size_t max_bytes_;
  mutable absl::Mutex mutex_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // the last used first
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace edcert::validation_report::columnar
