// Follows event_registry's feed: published events become certifications, members become rosters.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "common/clock/clock.h"
#include "common/pg/pg.h"
#include "services/workflow/certification_store.h"

namespace edcert::access {
class RegistryAccess;
}
namespace edcert::type {
class Change;
}

namespace edcert::workflow {

// A member of a category, as the registry lists him. What is said of scopes is of the day on which
// he was listed.
struct MemberFact {
  std::string organization;
  std::string user;
  std::string role;  // APPROVER, STATE_REVIEWER, CERTIFIER or REVIEWER
  std::string rank;  // PRIMARY, SECONDARY or empty
  std::string delegate;
  std::string title;
  absl::CivilDay valid_from = absl::CivilDay::min();
  absl::CivilDay valid_to = absl::CivilDay::max();
  bool user_active = true;
  bool in_scope = true;               // the role counts at the organisation
  bool all_schools = false;           // it is held at every school of it too
  bool delegate_in_scope = false;     // the delegate can act at the organisation
  bool delegate_all_schools = false;  // and at every school of it
};

// What a change needs beyond itself, asked from the registry before the transaction.
struct RegistryFacts {
  Event event;                            // of event_published
  std::vector<std::string> participants;  // of event_published
  std::vector<MemberFact> members;        // of the category, at one organisation or at all
};

// Applies the registry's changes. Thread-safe.
class RegistryFollower {
 public:
  RegistryFollower(const CertificationStore& store, const clock::Clock& clock)
      : store_(store), clock_(clock) {}

  // Writes what a change means; `facts` belongs to it. Safe to repeat.
  absl::Status Apply(pg::Transaction& tx, const type::Change& change,
                     const RegistryFacts& facts) const;

  // Makes members and rosters exact for a day; `members` are those of whole categories. Changes a
  // bounded number of rosters and returns whether others are left for another call.
  absl::StatusOr<bool> TakeUpDay(
      pg::Transaction& tx, absl::CivilDay day,
      const std::map<std::string, std::vector<MemberFact>>& members) const;

 private:
  absl::Status Publish(pg::Transaction& tx, const RegistryFacts& facts) const;
  absl::Status Close(pg::Transaction& tx, const std::string& event) const;
  absl::Status ChangeMembers(pg::Transaction& tx, const std::string& category,
                             const std::string& organization, const RegistryFacts& facts) const;
  absl::Status ChangeRoster(pg::Transaction& tx, const std::string& id, absl::CivilDay day) const;
  absl::Status MoveAll(pg::Transaction& tx, const pg::Result& certifications, Action action,
                       const std::string& reason) const;

  const CertificationStore& store_;
  const clock::Clock& clock_;
};

// The members of a category at an organisation; at all of them when it is empty.
absl::StatusOr<std::vector<MemberFact>> AskMembers(access::RegistryAccess& registry,
                                                   const std::string& category,
                                                   const std::string& organization);

// Asks the registry for what a change needs.
absl::StatusOr<std::shared_ptr<RegistryFacts>> AskRegistry(access::RegistryAccess& registry,
                                                           const type::Change& change);

}  // namespace edcert::workflow
