// Brings one service's schema up to date.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/pg/migration.h"
#include "common/pg/pg.h"

namespace edcert::pg {

// One numbered series of migrations inside a schema: `foundation`, `jobs` or the service's own.
struct Component {
  std::string_view name;
  std::span<const Migration> migrations;
};

// The tables that every schema has: idempotency, audit, change, feed_cursor, parked_change.
Component Foundation();

// Creates the schema if it is missing and applies what is not applied yet, each migration in one
// transaction, one caller at a time. Then grants the service's role (same name as the schema) what
// it needs: evidence tables (`-- evidence: <table>` in a migration) get SELECT and INSERT only.
// `${schema}` in a migration stands for the schema.
//
// FAILED_PRECONDITION-like INTERNAL errors: a migration that was applied with another checksum.
absl::Status Migrate(Connection& owner, std::string_view schema,
                     std::span<const Component> components);

// OK when the schema has every migration of the components; else says which is missing. Called by a
// server before it serves.
absl::Status CheckMigrated(Querier& db, std::string_view schema,
                           std::span<const Component> components);

}  // namespace edcert::pg
