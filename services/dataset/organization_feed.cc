#include "services/dataset/organization_feed.h"

#include <algorithm>
#include <string>

#include "common/names/names.h"
#include "common/rpc/runtime.h"
#include "common/status/macros.h"
#include "services/dataset/issue_store.h"
#include "services/dataset/organization_store.h"
#include "services/dataset/record_store.h"
#include "services/dataset/resync_store.h"

namespace edcert::dataset {
namespace {

// The id in an organisation's name; empty when there is none.
absl::StatusOr<std::string> IdOf(const std::string& name) {
  if (name.empty()) return "";
  ASSIGN_OR_RETURN(const auto parsed, names::OrganizationName::Parse(name, "organization"));
  return parsed.id();
}

// Queues the sync of each dataset of the district whose records wait for a school.
absl::Status SyncWaiting(pg::Transaction& tx, const std::string& district,
                         const ids::IdSource& ids) {
  // Before anything is read: a sync that runs has perhaps read the schools already and holds these
  // rows until its issues can be seen and its job is over; one that begins later reads the new
  // ones.
  ASSIGN_OR_RETURN(const std::vector<Version> versions,
                   LockVersions(tx, Copy::kDistrict, district));
  ASSIGN_OR_RETURN(const std::vector<std::string> waiting,
                   DatasetsWithUnknownSchools(tx, district));
  for (const Version& version : versions) {
    if (std::find(waiting.begin(), waiting.end(), version.dataset) == waiting.end()) continue;
    RETURN_IF_ERROR(
        AcceptAutomatic(tx, ids.NewId(), district, version.dataset, version.row_count).status());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ApplyRegistryChange(pg::Transaction& tx, const type::Change& change,
                                 const ids::IdSource& ids, bool automatic_sync) {
  if (change.type() != "organization_created") return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string id, IdOf(change.subject()));
  ASSIGN_OR_RETURN(const std::string parent, IdOf(feed::Attribute(change, "parent")));
  const std::string kind = feed::Attribute(change, "kind");
  PutOrganization(tx, {.id = id,
                       .kind = kind,
                       .parent = parent,
                       .display_name = feed::Attribute(change, "display_name")});
  if (!automatic_sync || kind != "SCHOOL" || parent.empty()) return absl::OkStatus();
  return SyncWaiting(tx, parent, ids);
}

std::unique_ptr<feed::Consumer> FollowRegistry(rpc::Runtime& runtime,
                                               access::RegistryAccess& registry,
                                               bool automatic_sync) {
  return std::make_unique<feed::Consumer>(
      runtime.pool(),
      feed::Consumer::Options{
          .feed = "event_registry",
          .fetch = [&registry](int64_t after,
                               int limit) { return registry.ListChanges(after, limit); },
          .prepare = nullptr,
          .apply =
              [&runtime, automatic_sync](pg::Transaction& tx, const type::Change& change,
                                         void* /*prepared*/) {
                return ApplyRegistryChange(tx, change, runtime.ids(), automatic_sync);
              },
          .committed = nullptr});
}

}  // namespace edcert::dataset
