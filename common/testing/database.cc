#include "common/testing/database.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/clock/clock.h"
#include "common/ids/ids.h"
#include "common/status/macros.h"

namespace edcert::testing {
namespace {

std::string Required(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) {
    std::fprintf(stderr, "%s is not set: run through `tools/dev test`\n", name);
    std::exit(1);
  }
  return value;
}

// A conninfo with other values for some of its keys: the last of a repeated key counts.
std::string With(const std::string& conninfo, const std::string& more) {
  return conninfo + " " + more;
}

std::string NewName(std::string_view prefix) {
  std::string name = std::string(prefix) + ids::IdSource::Real().NewId();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::unique_ptr<pg::Connection> OpenOrDie(const std::string& conninfo) {
  absl::StatusOr<std::unique_ptr<pg::Connection>> connection = pg::Connection::Open(conninfo);
  CHECK(connection.ok());
  return *std::move(connection);
}

// Makes and drops databases. One connection for the whole program: to begin one costs as much as
// what it is for.
void Administer(const std::string& server, const std::string& command) {
  static absl::Mutex mutex;
  static std::unique_ptr<pg::Connection> connection;
  const absl::MutexLock lock(&mutex);
  if (connection == nullptr || !connection->Alive()) connection = OpenOrDie(server);
  CHECK(connection->RunScript(command).ok());
}

// A migrated database that tests copy: to migrate one for each test would be most of their time.
// Each program makes its own, which goes with the server.
std::string TemplateOf(const std::string& server, std::string_view schema,
                       std::span<const pg::Component> components) {
  static absl::Mutex mutex;
  static std::map<std::string, std::string> templates;
  std::vector<pg::Component> all = {pg::Foundation()};
  all.insert(all.end(), components.begin(), components.end());
  std::string key(schema);
  for (const pg::Component& each : all) key += fmt::format(" {}", each.name);
  const absl::MutexLock lock(&mutex);
  std::string& name = templates[key];
  if (!name.empty()) return name;
  name = NewName("template_");
  Administer(server, "CREATE DATABASE " + name);
  const absl::Status migrated =
      pg::Migrate(*OpenOrDie(With(server, "dbname=" + name)), schema, all);
  if (!migrated.ok()) std::fprintf(stderr, "%s\n", migrated.ToString().c_str());
  CHECK(migrated.ok());
  return name;
}

}  // namespace

TestDatabase::TestDatabase(std::string_view schema, std::span<const pg::Component> components)
    : server_(Required("EDCERT_TEST_PG")) {
  name_ = NewName("test_");
  const std::string from = TemplateOf(server_, schema, components);
  // Nothing is worth a log here: to copy the files takes a quarter of the time.
  Administer(server_,
             fmt::format("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name_, from));
  owner_conninfo_ = With(server_, "dbname=" + name_);
  conninfo_ = With(owner_conninfo_, fmt::format("user={}", schema));
  pool_ = std::make_unique<pg::Pool>(pg::Pool::Options{.conninfo = conninfo_, .size = 16});
}

TestDatabase::~TestDatabase() {
  pool_.reset();
  owner_.reset();
  Administer(server_, fmt::format("DROP DATABASE {} WITH (FORCE)", name_));
}

pg::Connection& TestDatabase::owner() {
  if (owner_ == nullptr) owner_ = OpenOrDie(owner_conninfo_);
  return *owner_;
}

pg::Database TestDatabase::db() const {
  return {*pool_, clock::Clock::Real().Now() + absl::Seconds(30)};
}

std::string TestRedisAddress() { return Required("EDCERT_TEST_REDIS"); }

}  // namespace edcert::testing
