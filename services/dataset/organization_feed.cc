#include "services/dataset/organization_feed.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/names/names.h"
#include "common/rpc/runtime.h"
#include "common/status/macros.h"
#include "services/dataset/issue_store.h"
#include "services/dataset/kept_records.h"
#include "services/dataset/organization_store.h"
#include "services/dataset/record_store.h"
#include "services/dataset/resync_store.h"

namespace edcert::dataset {
namespace {

// A new name reads the feed from its beginning once more: this is the first one whose effect has
// the organizations as records.
constexpr char kCursor[] = "event_registry/2";

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

// The codes of a text, without what is none.
std::string CodesOf(const std::string& text) {
  return absl::StrJoin(absl::StrSplit(text, ';', absl::SkipEmpty()), ";");
}

// Makes a district or a school a record of its district. Others are above all districts.
absl::Status KeepOrganization(pg::Transaction& tx, const Dataset& dataset,
                              const type::Change& change, const std::string& id,
                              const std::string& parent, const ids::IdSource& ids) {
  const std::string kind = feed::Attribute(change, "kind");
  if (kind != "DISTRICT" && kind != "SCHOOL") return absl::OkStatus();
  const std::string& district = kind == "DISTRICT" ? id : parent;
  ASSIGN_OR_RETURN(
      const Changes changes,
      KeepRecords(tx, dataset, district, Mode::kUpsert,
                  {{id, kind, parent, feed::Attribute(change, "display_name"),
                    feed::Attribute(change, "nces_id"), feed::Attribute(change, "open_date"),
                    feed::Attribute(change, "close_date"),
                    CodesOf(feed::Attribute(change, "grades_offered"))}}));
  if (!changes.any()) return absl::OkStatus();
  feed::Append(tx, ids.NewId(), change.actor(),
               {.subject = "organizations/" + district,
                .type = "records_changed",
                .attributes = {{"dataset", dataset.name()},
                               {"copy", std::string(ToString(Copy::kState))},
                               {"version", std::to_string(changes.version)}}});
  return absl::OkStatus();
}

}  // namespace

absl::Status ApplyRegistryChange(pg::Transaction& tx, const Dataset& dataset,
                                 const type::Change& change, const ids::IdSource& ids,
                                 bool automatic_sync) {
  if (change.type() != "organization_created") return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string id, IdOf(change.subject()));
  ASSIGN_OR_RETURN(const std::string parent, IdOf(feed::Attribute(change, "parent")));
  const std::string kind = feed::Attribute(change, "kind");
  PutOrganization(tx, {.id = id,
                       .kind = kind,
                       .parent = parent,
                       .display_name = feed::Attribute(change, "display_name")});
  RETURN_IF_ERROR(KeepOrganization(tx, dataset, change, id, parent, ids));
  if (!automatic_sync || kind != "SCHOOL" || parent.empty()) return absl::OkStatus();
  return SyncWaiting(tx, parent, ids);
}

std::unique_ptr<feed::Consumer> FollowRegistry(rpc::Runtime& runtime,
                                               access::RegistryAccess& registry,
                                               const Catalogue& catalogue, bool automatic_sync) {
  const Dataset* dataset = catalogue.Find("organization");
  CHECK(dataset != nullptr);
  return std::make_unique<feed::Consumer>(
      runtime.pool(),
      feed::Consumer::Options{
          .feed = kCursor,
          .fetch = [&registry](int64_t after,
                               int limit) { return registry.ListChanges(after, limit); },
          .prepare = nullptr,
          .apply =
              [&runtime, dataset = *dataset, automatic_sync](
                  pg::Transaction& tx, const type::Change& change, void* /*prepared*/) {
                return ApplyRegistryChange(tx, dataset, change, runtime.ids(), automatic_sync);
              },
          .committed = nullptr});
}

}  // namespace edcert::dataset
