// What a principal may do: asked at decision time, never cached.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/names/names.h"
#include "common/rpc/call.h"
#include "common/rpc/runtime.h"

namespace edcert::access {

enum class Role { kApprover, kStateReviewer, kCertifier, kReviewer };
enum class Rank { kNone, kPrimary, kSecondary };
enum class OrganizationKind { kUnknown, kSea, kServiceAgency, kDistrict, kSchool };
enum class EventStatus { kUnpublished, kPublished, kUnpublishedChanges, kClosed };
enum class Phase { kBeforeStart, kReview, kCertifying, kLate, kEnded, kClosed };
enum class Level { kDistrict, kSchool };

// A role in the event's category that counts at the asked organisation today.
struct HeldRole {
  Role role;
  Rank rank;                 // of a certifier: the rank he acts in
  std::string organization;  // resource name
};

// The published version of an event, as every service needs it.
struct EventFacts {
  std::string name;
  std::string title;
  int reporting_year = 0;
  std::vector<std::string> datasets;  // `datasets/...`
  std::string category;
  Level level = Level::kDistrict;
  std::string rule_group;
  int rule_group_version = 0;
  EventStatus status = EventStatus::kUnpublished;
  Phase phase = Phase::kBeforeStart;
  int live_version = 0;
  std::string attestation_text;
  int attestation_version = 0;
  bool allows_zero_attestation = false;
  std::vector<std::string> depends_on;
  std::vector<std::string> participants;  // not in what Resolve answers
  absl::Time starts_at;
  absl::Time opens_at;
  absl::Time due_at;
  absl::Time ends_at;
  absl::Time snapshots_from;
  absl::Time published_at;  // last; long ago when it never was

  // Whether an organisation is among `participants`.
  bool Includes(const std::string& organization) const;
};

// What is asked about; names may be empty.
struct Query {
  std::string event;
  std::string organization;
  bool visible_events = false;  // whether Access::visible_events is wanted
};

// The answer for one principal, one event, one organisation.
struct Access {
  std::string user;  // empty when a service acts by itself: it has every right and every scope
  bool state_user = false;
  bool in_scope = false;  // may see the asked organisation
  std::vector<HeldRole> roles;
  std::vector<std::string> scope_organizations;  // of a local user
  std::vector<std::string> scope_districts;      // those of them whose schools are in scope too
  int64_t membership_version = 0;
  OrganizationKind organization_kind = OrganizationKind::kUnknown;
  std::string organization_parent;
  std::string organization_display_name;
  std::optional<EventFacts> event;
  bool participates = false;  // the asked organisation in the asked event
  // Of a local user, when asked for: every event that he may see, closed ones never. A list over
  // more than one event shows a caller only
  //   is_service() or state_user or (event in visible_events and organisation in scope).
  std::vector<std::string> visible_events;

  // Bit (tool * 8 + right) of edcert.type.Tool and edcert.type.ToolRight.
  std::vector<bool> rights;
  bool HasRight(int tool, int right) const;

  bool is_service() const { return user.empty(); }
  bool Has(Role role) const;
  // A certifier whose signature is required: primary, or acting for one.
  bool IsRequiredCertifier() const;
};

// The district whose records an organisation's certification is about: itself, or its parent when
// it is a school.
std::string DistrictOf(const Access& access, const std::string& organization);

// Checks the tool rights of the call's policy. NOT_PERMITTED names the missing right.
absl::Status CheckPolicy(const rpc::Call& call, const Access& access);

// NOT_PERMITTED unless the principal is a user of the state, or a service that acts by itself.
absl::Status CheckStateUser(const Access& access);

// Answers who may do what. Implemented by event_registry on its own tables and, everywhere else, by
// a call to it.
class Resolver {
 public:
  virtual ~Resolver() = default;

  // The access of the call's principal, after CheckPolicy. NOT_FOUND for an asked organisation or
  // event that the principal may not see.
  absl::StatusOr<Access> Resolve(const rpc::Call& call, const Query& query);

 protected:
  // The bare answer. Called for users only.
  virtual absl::StatusOr<Access> Ask(const rpc::Call& call, const Query& query) = 0;
  // The same for a service that acts by itself: everything is in scope.
  virtual absl::StatusOr<Access> AskForService(const rpc::Call& call, const Query& query) = 0;
};

}  // namespace edcert::access
