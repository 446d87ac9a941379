// Pulls records out of PostgreSQL into columns, and keeps them: what was read at a data version
// never changes.
#pragma once

#include <atomic>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/pg/pg.h"
#include "services/validation_report/columnar/table.h"
#include "services/validation_report/definition.h"

namespace edcert::validation_report::columnar {

// What tables take of a number of bytes, from when they are read until nobody has them any more.
// The cache and every table of it share the sum.
class Share {
 public:
  explicit Share(std::shared_ptr<std::atomic<std::size_t>> sum) : sum_(std::move(sum)) {}
  Share(Share&& other) noexcept
      : sum_(std::move(other.sum_)), bytes_(std::exchange(other.bytes_, 0)) {}
  Share& operator=(Share&&) = delete;
  ~Share() {
    if (bytes_ > 0) *sum_ -= bytes_;
  }

  void Set(std::size_t bytes) {
    *sum_ += bytes - bytes_;
    bytes_ = bytes;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<std::atomic<std::size_t>> sum_;
  std::size_t bytes_ = 0;
};

// Tables by the SELECT that says which rows they are. All that are kept, that evaluations have, and
// that are read take no more than a number of bytes together: what nobody has is dropped for what
// is read, the least recently used first, and what does not fit even so is not read. Thread-safe.
class TableCache {
 public:
  explicit TableCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // The rows of `source`, if they are kept with at least these columns; else null.
  std::shared_ptr<const Table> Find(const std::string& source, const Definition& definition,
                                    const std::vector<std::string>& columns);

  // The same, read when they are not kept. They are those of this district, and `db` reads as the
  // rules' role. Null when they do not fit or hold what columns cannot.
  absl::StatusOr<std::shared_ptr<const Table>> Get(pg::Database db, const std::string& district,
                                                   const std::string& source,
                                                   const Definition& definition,
                                                   const std::vector<std::string>& columns);

  // What all tables take now, also those that are not kept any more but that somebody has.
  std::size_t bytes() const { return *sum_; }

 private:
  struct Entry {
    std::string source;
    std::shared_ptr<const Table> table;
  };

  // Makes the share so large, if that is possible by dropping tables that nobody has.
  bool Grow(Share& share, std::size_t bytes);
  void Keep(const std::string& source, std::shared_ptr<const Table> table);

  const std::size_t max_bytes_;
  const std::shared_ptr<std::atomic<std::size_t>> sum_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  absl::Mutex mutex_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // the last used first
};

}  // namespace edcert::validation_report::columnar
