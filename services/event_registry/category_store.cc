#include "services/event_registry/category_store.h"

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/event_registry/errors.h"
#include "services/event_registry/sql/category.sql.h"

namespace edcert::event_registry {
namespace {

Category Read(const pg::Row& row) {
  return {.name = names::CategoryName::FromId(row.View("category_id")),
          .title = row.Text("title"),
          .description = row.Text("description"),
          .level = kLevelText.From(row.View("level")),
          .active = row.Bool("active"),
          .restricted = row.Bool("restricted"),
          .row_version = row.Int("row_version"),
          .create_time = row.Time("created_at"),
          .update_time = row.Time("updated_at"),
          .publish_time = row.OptionalTime("published_at")};
}

}  // namespace

absl::StatusOr<Category> CategoryStore::Insert(pg::Transaction& tx,
                                               const Category& category) const {
  ASSIGN_OR_RETURN(
      const pg::Result inserted,
      tx.Run(sql::kInsertCategory, category.name.id(), category.title, category.description,
             kLevelText.Of(category.level), category.active, category.restricted));
  if (inserted.empty()) return status::AlreadyExists(category.name.ToString());
  return Read(inserted[0]);
}

absl::StatusOr<Category> CategoryStore::Get(pg::Querier& db, const names::CategoryName& name,
                                            Viewer viewer) const {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kGetCategory, name.id(), viewer == Viewer::kState));
  if (rows.empty()) return status::NotFound(name.ToString());
  return Read(rows[0]);
}

absl::StatusOr<Category> CategoryStore::GetShared(pg::Transaction& tx,
                                                  const names::CategoryName& name,
                                                  Viewer viewer) const {
  tx.Defer(sql::kShareCategory, name.id());
  return Get(tx, name, viewer);
}

absl::StatusOr<std::vector<Category>> CategoryStore::List(pg::Querier& db, Viewer viewer,
                                                          const CategoryFilter& filter,
                                                          const std::string& after,
                                                          int limit) const {
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      db.Run(sql::kListCategories, viewer == Viewer::kState,
             filter.state.has_value() ? kCategoryStateText.Of(*filter.state) : "",
             filter.level.has_value() ? kLevelText.Of(*filter.level) : "", after, limit));
  std::vector<Category> categories;
  for (const pg::Row row : rows) categories.push_back(Read(row));
  return categories;
}

absl::StatusOr<Category> CategoryStore::Publish(pg::Transaction& tx,
                                                const names::CategoryName& name,
                                                const std::string& etag) const {
  tx.Defer(sql::kLockCategory, name.id());
  ASSIGN_OR_RETURN(const Category before, Get(tx, name, Viewer::kState));
  RETURN_IF_ERROR(CheckEtag(name.ToString(), before.row_version, etag));
  if (before.state() != CategoryState::kDraft) {
    return status::TransitionNotAllowed(name.ToString(), kCategoryStateText.Of(before.state()),
                                        "publish", "");
  }
  ASSIGN_OR_RETURN(const pg::Result published, tx.Run(sql::kPublishCategory, name.id()));
  if (published.empty()) return status::Conflict();
  return Read(published[0]);
}

}  // namespace edcert::event_registry
