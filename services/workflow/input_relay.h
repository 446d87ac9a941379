// Wakes the watchers of a certification when what its steps show changes in another service: a
// report, a snapshot, the records.
#pragma once

#include "common/feed/feed.h"
#include "common/rpc/runtime.h"
#include "services/workflow/certification_store.h"

namespace edcert::workflow {

class DatasetClient;
class SnapshotClient;
class ValidationReportClient;

// Works until it is destroyed.
class InputRelay {
 public:
  InputRelay(rpc::Runtime& runtime, const CertificationStore& store,
             const ValidationReportClient& reports, const SnapshotClient& snapshots,
             const DatasetClient& datasets);

 private:
  feed::Relay reports_;
  feed::Relay snapshots_;
  feed::Relay datasets_;
};

// The organisation that a change of another service is about; empty when it is about none.
std::string OrganizationOf(const type::Change& change);

}  // namespace edcert::workflow
