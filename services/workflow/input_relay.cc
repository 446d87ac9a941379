#include "services/workflow/input_relay.h"

#include <string>
#include <vector>

#include "common/status/macros.h"
#include "services/workflow/dataset_client.h"
#include "services/workflow/snapshot_client.h"
#include "services/workflow/validation_report_client.h"

namespace edcert::workflow {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(5);
constexpr const char* kOrganizations = "organizations/";

template <typename Client>
feed::Relay::Options Options(const char* name, const Client& client, rpc::Runtime& runtime,
                             const CertificationStore& store) {
  return {.feed = name,
          .fetch = [&client](int64_t after, int limit) { return client.ListChanges(after, limit); },
          .subjects = [&runtime, &store](
                          const type::Change& change) -> absl::StatusOr<std::vector<std::string>> {
            const std::string organization = OrganizationOf(change);
            if (organization.empty()) return std::vector<std::string>();
            pg::Database db = runtime.Db(kTimeout);
            return store.NamesOf(db, organization);
          }};
}

}  // namespace

InputRelay::InputRelay(rpc::Runtime& runtime, const CertificationStore& store,
                       const ValidationReportClient& reports, const SnapshotClient& snapshots,
                       const DatasetClient& datasets)
    : reports_(runtime.hub(), Options("validation_report", reports, runtime, store)),
      snapshots_(runtime.hub(), Options("snapshot", snapshots, runtime, store)),
      datasets_(runtime.hub(), Options("dataset", datasets, runtime, store)) {}

std::string OrganizationOf(const type::Change& change) {
  if (change.subject().starts_with(kOrganizations)) return change.subject();
  return feed::Attribute(change, "organization");
}

}  // namespace edcert::workflow
