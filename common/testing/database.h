// A PostgreSQL database per test, in the private server that `tools/cluster.py test-env` runs.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/pg/migrate.h"
#include "common/pg/pg.h"

namespace edcert::testing {

// Makes a fresh database with one migrated schema, and drops it at the end. Ends the test program
// with a clear message when the server is missing: such tests are never skipped.
class TestDatabase {
 public:
  TestDatabase(std::string_view schema, std::span<const pg::Component> components);
  ~TestDatabase();

  // As the service's own role.
  pg::Pool& pool() { return *pool_; }
  pg::Database db() const;
  const std::string& conninfo() const { return conninfo_; }
  // As the owner, for what a service may not do. Opened by its first use.
  pg::Connection& owner();
  const std::string& owner_conninfo() const { return owner_conninfo_; }

 private:
  std::string name_;
  std::string server_;
  std::string conninfo_;
  std::string owner_conninfo_;
  std::unique_ptr<pg::Connection> owner_;
  std::unique_ptr<pg::Pool> pool_;
};

// host:port of the test environment's Redis.
std::string TestRedisAddress();

}  // namespace edcert::testing
