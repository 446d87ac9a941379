#include "common/pg/migrate.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "common/clock/clock.h"
#include "common/log/log.h"
#include "common/pg/migrations/migrations.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::pg {
namespace {

std::string Substitute(std::string_view text, std::string_view schema) {
  static constexpr std::string_view kMark = "${schema}";
  std::string out(text);
  for (std::size_t at = out.find(kMark); at != std::string::npos; at = out.find(kMark, at)) {
    out.replace(at, kMark.size(), schema);
    at += schema.size();
  }
  return out;
}

std::set<std::string> EvidenceTables(std::span<const Component> components) {
  static constexpr std::string_view kMark = "-- evidence: ";
  std::set<std::string> tables;
  for (const Component& component : components) {
    for (const Migration& migration : component.migrations) {
      for (std::size_t at = migration.up.find(kMark); at != std::string_view::npos;
           at = migration.up.find(kMark, at + 1)) {
        const std::string_view rest = migration.up.substr(at + kMark.size());
        tables.emplace(rest.substr(0, rest.find_first_of(" \n")));
      }
    }
  }
  return tables;
}

absl::StatusOr<Result> Query(Connection& connection, const std::string& sql,
                             std::vector<Param> params = {}) {
  connection.Queue(Statement{"", sql}, std::move(params));
  ASSIGN_OR_RETURN(std::vector<Result> results,
                   connection.Flush(clock::Clock::Real().Now() + absl::Minutes(10)));
  return std::move(results.front());
}

absl::Status ApplyOne(Connection& owner, std::string_view schema, std::string_view component,
                      const Migration& migration) {
  log::Info("migrating", {{"schema", std::string(schema)},
                          {"component", std::string(component)},
                          {"migration", std::string(migration.name)}});
  const std::string script = fmt::format(
      "BEGIN; SET LOCAL search_path = {0}; {1}\n; INSERT INTO {0}.schema_migration"
      " (component, number, name, checksum) VALUES ('{2}', {3}, '{4}', '{5}'); COMMIT;",
      schema, Substitute(migration.up, schema), component, migration.number, migration.name,
      migration.checksum);
  const absl::Status applied = owner.RunScript(script);
  if (!applied.ok()) {
    owner.RunScript("ROLLBACK").IgnoreError();
    return status::Internal(fmt::format("migration {}/{}", component, migration.name));
  }
  return applied;
}

}  // namespace

Component Foundation() { return {"foundation", sql::kMigrations}; }

absl::Status Migrate(Connection& owner, std::string_view schema,
                     std::span<const Component> components) {
  // Another migrator may need longer than the lock timeout of ordinary statements.
  RETURN_IF_ERROR(owner.RunScript("SET lock_timeout = 0"));
  RETURN_IF_ERROR(owner.RunScript(
      fmt::format("SELECT pg_advisory_lock(hashtext('edcert migrate {0}'));"
                  "RESET lock_timeout;"
                  "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{0}') THEN"
                  " CREATE ROLE {0} LOGIN; END IF;"
                  " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;"
                  "CREATE SCHEMA IF NOT EXISTS {0};"
                  "CREATE TABLE IF NOT EXISTS {0}.schema_migration (component text, number int,"
                  " name text NOT NULL, checksum text NOT NULL,"
                  " applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
                  " PRIMARY KEY (component, number));",
                  schema)));
  for (const Component& component : components) {
    for (const Migration& migration : component.migrations) {
      ASSIGN_OR_RETURN(const Result known,
                       Query(owner,
                             fmt::format("SELECT checksum FROM {}.schema_migration"
                                         " WHERE component = $1 AND number = $2",
                                         schema),
                             {component.name, migration.number}));
      if (known.empty()) {
        RETURN_IF_ERROR(ApplyOne(owner, schema, component.name, migration));
      } else if (known[0].View("checksum") != migration.checksum) {
        return status::Internal(fmt::format("migration {}/{} was changed after it was applied",
                                            component.name, migration.name));
      }
    }
  }
  // In one transaction: a running service never sees evidence that it may change.
  std::string grants = fmt::format(
      "GRANT USAGE ON SCHEMA {0} TO {0};"
      "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {0} TO {0};"
      "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {0} TO {0};"
      "REVOKE INSERT, UPDATE, DELETE ON {0}.schema_migration FROM {0};"
      "DO $$ BEGIN EXECUTE format('ALTER ROLE {0} IN DATABASE %I SET search_path = {0}',"
      " current_database()); EXCEPTION WHEN OTHERS THEN"
      " RAISE WARNING 'cannot set the search path of {0}: %', SQLERRM; END $$;",
      schema);
  for (const std::string& table : EvidenceTables(components)) {
    grants += fmt::format("REVOKE UPDATE, DELETE, TRUNCATE ON {0}.{1} FROM {0};", schema, table);
  }
  RETURN_IF_ERROR(owner.RunScript(grants));
  return owner.RunScript(
      fmt::format("SELECT pg_advisory_unlock(hashtext('edcert migrate {}'));", schema));
}

absl::Status CheckMigrated(Querier& db, std::string_view schema,
                           std::span<const Component> components) {
  for (const Component& component : components) {
    ASSIGN_OR_RETURN(const Result known,
                     db.RunText(fmt::format("SELECT coalesce(max(number), 0) AS number"
                                            " FROM {}.schema_migration WHERE component = $1",
                                            schema),
                                component.name));
    const int newest = component.migrations.back().number;
    if (known[0].Int("number") < newest) {
      return status::Internal(fmt::format("schema {} lacks migration {} of {}: run --migrate",
                                          schema, newest, component.name));
    }
  }
  return absl::OkStatus();
}

}  // namespace edcert::pg
