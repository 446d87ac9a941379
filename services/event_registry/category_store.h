// Categories in PostgreSQL.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/pg/pg.h"
#include "services/event_registry/category.h"

namespace edcert::event_registry {

// Whose eyes look at a category: drafts are seen by the state only.
enum class Viewer { kLocal, kState };

struct CategoryFilter {
  std::optional<CategoryState> state;
  std::optional<Level> level;
};

// Thread-safe: holds nothing.
class CategoryStore {
 public:
  // ALREADY_EXISTS when the id is taken.
  absl::StatusOr<Category> Insert(pg::Transaction& tx, const Category& category) const;

  // NOT_FOUND also for a draft that the viewer does not see.
  absl::StatusOr<Category> Get(pg::Querier& db, const names::CategoryName& name,
                               Viewer viewer) const;
  // The same; the category stays as it is until the transaction ends.
  absl::StatusOr<Category> GetShared(pg::Transaction& tx, const names::CategoryName& name,
                                     Viewer viewer) const;

  // At most `limit` categories after the id `after`, by id.
  absl::StatusOr<std::vector<Category>> List(pg::Querier& db, Viewer viewer,
                                             const CategoryFilter& filter, const std::string& after,
                                             int limit) const;

  // From DRAFT to PUBLISHED. NOT_FOUND, ETAG_MISMATCH, TRANSITION_NOT_ALLOWED.
  absl::StatusOr<Category> Publish(pg::Transaction& tx, const names::CategoryName& name,
                                   const std::string& etag) const;
};

}  // namespace edcert::event_registry
