// The certification of one event by one organisation, and what a decided move does to it. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/workflow/certification_table.h"
#include "services/workflow/user_status.h"

namespace edcert::workflow {

enum class Level { kDistrict = 1, kSchool = 2 };
// The numbers are those of the wire.
enum class EventStatus { kPublished = 1, kUnpublishedChanges = 2, kClosed = 3 };
enum class Phase { kBeforeStart = 1, kReview, kCertifying, kLate, kEnded, kClosed };

// The published event, as the registry's feed told it.
struct Event {
  std::string name;  // `events/...`
  std::string title;
  std::string category;
  std::vector<std::string> datasets;
  Level level = Level::kDistrict;
  int reporting_year = 0;
  EventStatus status = EventStatus::kPublished;
  int attestation_version = 0;
  absl::Time starts_at;
  absl::Time opens_at;
  absl::Time due_at;
  absl::Time ends_at;
};

Phase PhaseOf(const Event& event, absl::Time now);

// One signature that a certification needs.
struct RequiredCertifier {
  std::string user;      // `users/...`
  std::string delegate;  // may sign in the user's place; empty when nobody may
  std::string title;     // office of the person

  friend bool operator==(const RequiredCertifier&, const RequiredCertifier&) = default;
};

struct Signature {
  std::string id;
  int round = 0;
  std::string user;
  std::string role_title;
  std::string snapshot;
  std::string root;
  absl::Time signed_at;
  int attestation_version = 0;
  bool warnings_acknowledged = false;
  bool zero_attestation = false;
  int64_t warning_count = 0;
  int64_t waived_count = 0;  // fatal findings that did not block
  int64_t membership_version = 0;
  std::optional<absl::Time> voided_at;
  std::string void_reason;
  int voided_in_round = 0;  // the round whose start voided it; 0 when something else did
};

struct Request {
  std::string id;
  std::string user;
  std::string reason;
  absl::Time requested_at;
};

struct Certification {
  std::string id;
  Event event;
  std::string organization;
  std::string organization_display_name;
  std::string organization_parent;
  State state = State::kNone;
  int round = 0;
  int64_t version = 0;
  int64_t transitions = 0;         // rows of its history
  State came_from = State::kNone;  // before the pending request or the present round
  std::string candidate_snapshot;
  std::string certified_snapshot;
  std::optional<absl::CivilDay> recert_due;
  std::optional<absl::Time> recert_due_at;
  std::optional<absl::CivilDay> prior_recert_due;  // of the round before, for its reinstatement
  std::optional<absl::Time> prior_recert_due_at;
  bool administrative = false;
  std::string return_reason;
  std::optional<absl::Time> round_started_at;  // absent in round 0
  std::optional<absl::Time> start_time;
  std::optional<absl::Time> sent_at;
  std::optional<absl::Time> approved_at;
  std::string approved_by;
  absl::Time create_time;
  absl::Time update_time;
  std::vector<RequiredCertifier> roster;  // of this round
  std::vector<Signature> signatures;      // of all rounds, newest first
  std::optional<Request> request;         // the pending one

  std::string name() const { return "certifications/" + id; }
  std::string etag() const { return std::to_string(version); }
  // Of the event, or of the round.
  absl::Time effective_due() const { return recert_due_at.value_or(event.due_at); }
  absl::Time effective_end() const;
};

// Who has still to sign, in the order of the roster.
std::vector<std::string> Outstanding(const Certification& certification);
// Whose signatures count, in the order of signing.
std::vector<std::string> Signers(const Certification& certification);
// Whether every required certifier has signed; false when there is none.
bool AllSigned(const Certification& certification);
// How many would be outstanding after a signature of `user`.
int OutstandingWithout(const Certification& certification, const std::string& user);
// Whether a signature of the user, or one in his place, counts.
bool HasSigned(const Certification& certification, const std::string& user);
// What the user has reached.
UserStatus UserStatusOf(const Certification& certification, const std::string& user,
                        absl::Time now);

// Fills in the facts that the certification itself knows.
void AddOwnFacts(const Certification& certification, const std::string& user, Facts& facts);

// What a command brings to a move.
struct Input {
  std::string actor;  // `users/...` or `services/...`
  std::string reason;
  absl::Time now;                                // by which it is judged: when it arrived
  absl::Time written_at = absl::InfinitePast();  // when it is written, if that is later
  std::string new_id;                            // of the signature or request that is made
  Signature signature;                           // to sign: everything but id, round, user and time
  std::string snapshot;                          // to approve: what was reviewed
  std::optional<absl::CivilDay> due;             // to return
  std::optional<absl::Time> due_at;
  std::vector<RequiredCertifier> next_roster;  // of the round that starts, or that is reinstated
};

// Performs a decided move: the one place where a state is set. Everything that follows from it
// (signatures, request, round, dates) changes with it; version and history grow by one.
void Perform(const Decision& decision, const Input& input, Certification& certification);

// Voids the signatures that count, for example when the candidate is replaced; returns whose.
std::vector<std::string> VoidSignatures(Certification& certification, const std::string& reason,
                                        absl::Time now, int in_round);

// The type of the feed's event that tells a move.
std::string FeedTypeOf(Action action, State to);

// What the feed's events say about a certification.
std::map<std::string, std::string> FeedAttributes(const Certification& certification,
                                                  const std::string& actor,
                                                  const std::string& reason,
                                                  const std::string& requester,
                                                  absl::TimeZone zone);

}  // namespace edcert::workflow
