// Certifications in PostgreSQL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids/ids.h"
#include "common/pg/pg.h"
#include "services/workflow/certification.h"

namespace edcert::workflow {

// Whether the roster follows the members of the category: it does until it is sent.
constexpr bool FollowsMembers(State state) {
  return state == State::kInProgress || state == State::kRecertInProgress;
}

// Who looks: everything, or what belongs to some organisations and, in a list, to some events;
// never to closed ones.
struct Scope {
  std::string user;  // empty for a service
  bool all = false;
  std::vector<std::string> organizations;
  std::vector<std::string> districts;  // whose schools are in scope too
  std::vector<std::string> events;     // that he may see; for lists over more than one event
};

// What ListCertifications filters by; empty or zero means any.
struct Filter {
  std::vector<int64_t> user_statuses;
  std::vector<std::string> states;
  int event_status = 0;
  int phase = 0;
  std::string category;
  std::string dataset;
  int level = 0;
  int reporting_year = 0;
  std::string organization;
  std::string event;
  std::string title_contains;
  std::optional<absl::Time> due_from;
  std::optional<absl::Time> due_before;
  bool overdue = false;
  bool waiting_on_me = false;
  std::optional<absl::Time> updated_since;
  int order = 0;  // as on the wire
};

struct Listed {
  Certification certification;
  UserStatus user_status;
  std::string sort_key;
};

struct TransitionRecord {
  int64_t seq = 0;
  State from = State::kNone;
  Action action = Action::kOpen;
  State to = State::kNone;
  std::string actor;
  std::string reason;
  int round = 0;
  std::string request_id;
  absl::Time at;
};

struct Summary {
  struct Count {
    State state;
    int64_t count;
  };
  std::vector<Count> counts;  // only states that occur
  int64_t overdue = 0;
  int64_t administrative = 0;
  int64_t without_certifier = 0;
};

// A move that a command or the registry's feed asks for.
struct Attempt {
  std::string id;
  std::optional<std::string> etag;  // none: the system moves what is there
  Action action;
  Facts facts;  // what the certification itself knows is added under its lock
  Input input;
  std::string request_id;  // empty: the system did it by itself
};

// Thread-safe.
class CertificationStore {
 public:
  CertificationStore(const ids::IdSource& ids, absl::TimeZone zone) : ids_(ids), zone_(zone) {}

  // NOT_FOUND when there is none.
  absl::StatusOr<Certification> Get(pg::Querier& db, const std::string& id) const;
  // The same, locked until the transaction ends; one round trip.
  absl::StatusOr<Certification> Lock(pg::Transaction& tx, const std::string& id) const;

  // Locks, decides, performs, and writes the certification, its history and the feed's event.
  // Refusals in the order of Decide, with ETAG_MISMATCH after permission. Returns the new state. A
  // submission is decided with the roster of its day.
  absl::StatusOr<Certification> Move(pg::Transaction& tx, Attempt attempt) const;

  // Writes a locked certification that changed without a move, and tells it to the feed with the
  // given type. Raises the version. `voided` are users whose signatures ceased to count.
  void Update(pg::Transaction& tx, Certification& certification, const std::string& type,
              const std::string& actor, const std::string& reason, absl::Time now,
              const std::vector<std::string>& voided = {}) const;
  // Voids in the database what VoidSignatures voided in memory.
  void SaveVoided(pg::Transaction& tx, const Certification& certification,
                  const std::string& reason, absl::Time now, int in_round) const;
  // Replaces the roster of the present round.
  void SaveRoster(pg::Transaction& tx, const Certification& certification) const;

  // Opens certifications of an event for organisations that have none.
  absl::Status Open(pg::Transaction& tx, const std::string& event,
                    const std::vector<std::string>& organizations, const std::string& actor,
                    absl::Time now) const;

  // Who must sign from a day on.
  absl::StatusOr<std::vector<RequiredCertifier>> NextRoster(pg::Querier& db,
                                                            const Certification& certification,
                                                            absl::CivilDay day) const;
  // The day that it is in the state.
  absl::CivilDay DayOf(absl::Time now) const { return absl::ToCivilDay(now, zone_); }
  // The first instant of a day there.
  absl::Time StartOf(absl::CivilDay day) const { return absl::FromCivil(day, zone_); }

  // The first of some events that the organisation has still to certify; empty when there is none.
  absl::StatusOr<std::string> UncertifiedDependency(pg::Querier& db,
                                                    const std::string& organization,
                                                    const std::vector<std::string>& events) const;

  // The snapshot that the organisation certified of the category for the reporting year before, the
  // newest if there are several; empty when there is none.
  absl::StatusOr<std::string> PreviousSnapshot(pg::Querier& db,
                                               const Certification& certification) const;

  // Names of the certifications of an organisation and of its schools.
  absl::StatusOr<std::vector<std::string>> NamesOf(pg::Querier& db,
                                                   const std::string& organization) const;

  absl::StatusOr<std::vector<Listed>> List(pg::Querier& db, const Scope& scope,
                                           const Filter& filter, absl::Time now,
                                           const std::string& after_key,
                                           const std::string& after_id, int limit) const;
  absl::StatusOr<Summary> Summarize(pg::Querier& db, const Scope& scope, const std::string& event,
                                    absl::Time now) const;
  absl::StatusOr<std::vector<TransitionRecord>> ListTransitions(pg::Querier& db,
                                                                const std::string& id,
                                                                int64_t after, int limit) const;

 private:
  void Save(pg::Transaction& tx, const Certification& certification) const;
  void SaveEffect(pg::Transaction& tx, const Certification& before, const Certification& after,
                  Effect effect, const Input& input) const;
  void Announce(pg::Transaction& tx, const Certification& certification, const std::string& type,
                const std::string& actor, const std::string& reason, const std::string& requester,
                const std::vector<std::string>& voided = {}) const;

  const ids::IdSource& ids_;
  const absl::TimeZone zone_;
};

}  // namespace edcert::workflow
