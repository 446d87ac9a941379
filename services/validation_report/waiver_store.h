// Stores waivers of FATAL findings.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/pg.h"
#include "services/validation_report/waiver.h"

namespace edcert::validation_report {

// Stateless; the database comes with the call.
class WaiverStore {
 public:
  // Notes what the first person asks, or puts into force what another asked before, and returns it.
  // NOT_FOUND when the report has no such finding or group; FIELD_INVALID when that is not FATAL;
  // SECOND_PERSON_REQUIRED when the same person asked; ALREADY_EXISTS when it is in force.
  absl::StatusOr<Waiver> Waive(pg::Transaction& tx, const Waiver& asked) const;
  // NOT_FOUND. Locked when in a transaction.
  absl::StatusOr<Waiver> Get(pg::Querier& db, const std::string& id) const;
  void Revoke(pg::Transaction& tx, const Waiver& revoked) const;
  // At most `limit` waivers of an event and organisation after an id, newest first.
  absl::StatusOr<std::vector<Waiver>> List(pg::Querier& db, const std::string& event,
                                           const std::string& organization,
                                           const std::string& after, int limit) const;

  // What is in force for an event and organisation: waivers, and by fingerprint (hex) the places of
  // those that are about it.
  struct InForce {
    std::vector<Waiver> waivers = {};
    std::map<std::string, std::vector<std::size_t>> findings = {};
  };
  absl::StatusOr<InForce> ReadInForce(pg::Querier& db, const std::string& event,
                                      const std::string& organization) const;
};

}  // namespace edcert::validation_report
