#include "services/workflow/registry_follower.h"

#include <utility>

#include "common/access/registry_access.h"
#include "common/feed/feed.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/workflow/convert.h"
#include "services/workflow/sql/registry.sql.h"

namespace edcert::workflow {
namespace {

constexpr char kActor[] = "services/workflow";
// Those that one transaction changes.
constexpr std::size_t kMostRostersAtOnce = 200;

bool IsMemberChange(const type::Change& change) {
  return change.type() == "member_added" || change.type() == "member_removed";
}

std::string DayText(absl::CivilDay day) {
  if (day == absl::CivilDay::min()) return "-infinity";
  if (day == absl::CivilDay::max()) return "infinity";
  return absl::FormatCivilTime(day);
}

// Columns of an array of booleans.
void Push(std::vector<std::string>& column, bool value) { column.emplace_back(value ? "t" : "f"); }

// Replaces the members of a category at an organisation, or at all when that is empty.
void SaveMembers(pg::Transaction& tx, const std::string& category, const std::string& organization,
                 const std::vector<MemberFact>& members) {
  std::vector<std::string> organizations;
  std::vector<std::string> users;
  std::vector<std::string> roles;
  std::vector<std::string> ranks;
  std::vector<std::string> delegates;
  std::vector<std::string> titles;
  std::vector<std::string> valid_from;
  std::vector<std::string> valid_to;
  std::vector<std::string> user_active;
  std::vector<std::string> in_scope;
  std::vector<std::string> all_schools;
  std::vector<std::string> delegate_in_scope;
  std::vector<std::string> delegate_all_schools;
  for (const MemberFact& member : members) {
    organizations.push_back(member.organization);
    users.push_back(member.user);
    roles.push_back(member.role);
    ranks.push_back(member.rank);
    delegates.push_back(member.delegate);
    titles.push_back(member.title);
    valid_from.push_back(DayText(member.valid_from));
    valid_to.push_back(DayText(member.valid_to));
    Push(user_active, member.user_active);
    Push(in_scope, member.in_scope);
    Push(all_schools, member.all_schools);
    Push(delegate_in_scope, member.delegate_in_scope);
    Push(delegate_all_schools, member.delegate_all_schools);
  }
  tx.Defer(sql::kClearMembers, category, organization);
  tx.Defer(sql::kInsertMembers, category, organizations, users, roles, ranks, delegates, titles,
           valid_from, valid_to, user_active, in_scope, all_schools, delegate_in_scope,
           delegate_all_schools);
}

}  // namespace

absl::Status RegistryFollower::Apply(pg::Transaction& tx, const type::Change& change,
                                     const RegistryFacts& facts) const {
  if (change.type() == "organization_created") {
    tx.Defer(sql::kSaveOrganization, feed::Attribute(change, "organization"),
             feed::Attribute(change, "display_name"), feed::Attribute(change, "parent"));
    return absl::OkStatus();
  }
  if (IsMemberChange(change)) {
    return ChangeMembers(tx, feed::Attribute(change, "category"),
                         feed::Attribute(change, "organization"), facts);
  }
  if (change.type() == "event_published") return Publish(tx, facts);
  if (change.type() == "event_closed") return Close(tx, feed::Attribute(change, "event"));
  return absl::OkStatus();
}

absl::Status RegistryFollower::Publish(pg::Transaction& tx, const RegistryFacts& facts) const {
  const Event& event = facts.event;
  if (event.name.empty()) return absl::OkStatus();  // deleted since
  tx.Defer(sql::kSaveEvent, event.name, event.title, event.category, event.datasets,
           static_cast<int>(event.level), event.reporting_year, static_cast<int>(event.status),
           event.attestation_version, event.starts_at, event.opens_at, event.due_at, event.ends_at);
  SaveMembers(tx, event.category, "", facts.members);
  RETURN_IF_ERROR(store_.Open(tx, event.name, facts.participants, kActor, clock_.Now()));
  ASSIGN_OR_RETURN(const pg::Result gone, tx.Run(sql::kNotAmong, event.name, facts.participants));
  return MoveAll(tx, gone, Action::kWithdraw, "taken off the event");
}

absl::Status RegistryFollower::Close(pg::Transaction& tx, const std::string& event) const {
  tx.Defer(sql::kCloseEvent, event);
  ASSIGN_OR_RETURN(const pg::Result requested, tx.Run(sql::kRequestedOfEvent, event));
  return MoveAll(tx, requested, Action::kExpireRequest, "the event was closed");
}

absl::Status RegistryFollower::ChangeMembers(pg::Transaction& tx, const std::string& category,
                                             const std::string& organization,
                                             const RegistryFacts& facts) const {
  SaveMembers(tx, category, organization, facts.members);
  const absl::CivilDay today = store_.DayOf(clock_.Now());
  ASSIGN_OR_RETURN(const pg::Result unsent, tx.Run(sql::kUnsentOfCategory, category, organization));
  for (const pg::Row row : unsent) RETURN_IF_ERROR(ChangeRoster(tx, row.Text("id"), today));
  return absl::OkStatus();
}

absl::StatusOr<bool> RegistryFollower::TakeUpDay(
    pg::Transaction& tx, absl::CivilDay day,
    const std::map<std::string, std::vector<MemberFact>>& members) const {
  for (const auto& [category, facts] : members) SaveMembers(tx, category, "", facts);
  ASSIGN_OR_RETURN(const pg::Result changed,
                   tx.Run(sql::kChangedRosters, DayText(day), kMostRostersAtOnce));
  for (const pg::Row row : changed) RETURN_IF_ERROR(ChangeRoster(tx, row.Text("id"), day));
  const bool more = changed.size() == kMostRostersAtOnce;
  if (!more) tx.Defer(sql::kFinishDay, DayText(day));
  return more;
}

absl::Status RegistryFollower::ChangeRoster(pg::Transaction& tx, const std::string& id,
                                            absl::CivilDay day) const {
  ASSIGN_OR_RETURN(Certification certification, store_.Lock(tx, id));
  ASSIGN_OR_RETURN(std::vector<RequiredCertifier> roster,
                   store_.NextRoster(tx, certification, day));
  // It may have been sent while we waited for the lock: the roster is frozen then.
  if (!FollowsMembers(certification.state) || roster == certification.roster) {
    return absl::OkStatus();
  }
  certification.roster = std::move(roster);
  store_.SaveRoster(tx, certification);
  store_.Update(tx, certification, "certification_updated", kActor, "the certifiers changed",
                clock_.Now());
  const bool none_outstanding = AllSigned(certification) && !Signers(certification).empty();
  if (certification.state != State::kInProgress || !none_outstanding) return absl::OkStatus();
  return store_
      .Move(tx, {.id = id,
                 .etag = std::nullopt,
                 .action = Action::kRosterChange,
                 .facts = {.system = true},
                 .input = {.actor = kActor,
                           .reason = "the certifiers changed: nobody has to sign any more",
                           .now = clock_.Now()},
                 .request_id = ""})
      .status();
}

absl::Status RegistryFollower::MoveAll(pg::Transaction& tx, const pg::Result& certifications,
                                       Action action, const std::string& reason) const {
  for (const pg::Row row : certifications) {
    const absl::Status moved =
        store_
            .Move(tx, {.id = row.Text("id"),
                       .etag = std::nullopt,
                       .action = action,
                       .facts = {.system = true},
                       .input = {.actor = kActor, .reason = reason, .now = clock_.Now()},
                       .request_id = ""})
            .status();
    // Somebody else moved it between our look and our lock: nothing is left to do.
    if (!moved.ok() && status::ReasonOf(moved) != "TRANSITION_NOT_ALLOWED") return moved;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<MemberFact>> AskMembers(access::RegistryAccess& registry,
                                                   const std::string& category,
                                                   const std::string& organization) {
  ASSIGN_OR_RETURN(const auto members,
                   registry.ListMembers(category, organization, /*active_only=*/false));
  const auto role = [](access::Role value) -> std::string {
    switch (value) {
      case access::Role::kApprover:
        return "APPROVER";
      case access::Role::kStateReviewer:
        return "STATE_REVIEWER";
      case access::Role::kCertifier:
        return "CERTIFIER";
      case access::Role::kReviewer:
        break;
    }
    return "REVIEWER";
  };
  const auto rank = [](access::Rank value) -> std::string {
    switch (value) {
      case access::Rank::kPrimary:
        return "PRIMARY";
      case access::Rank::kSecondary:
        return "SECONDARY";
      case access::Rank::kNone:
        break;
    }
    return "";
  };
  std::vector<MemberFact> facts;
  for (const access::RegistryAccess::Member& member : members) {
    facts.push_back({.organization = member.organization,
                     .user = member.user,
                     .role = role(member.role),
                     .rank = rank(member.rank),
                     .delegate = member.delegate,
                     .title = member.title,
                     .valid_from = member.valid_from,
                     .valid_to = member.valid_to,
                     .user_active = member.user_active,
                     .in_scope = member.in_scope,
                     .all_schools = member.all_schools,
                     .delegate_in_scope = member.delegate_in_scope,
                     .delegate_all_schools = member.delegate_all_schools});
  }
  return facts;
}

absl::StatusOr<std::shared_ptr<RegistryFacts>> AskRegistry(access::RegistryAccess& registry,
                                                           const type::Change& change) {
  auto facts = std::make_shared<RegistryFacts>();
  if (change.type() == "event_published") {
    absl::StatusOr<access::EventFacts> event = registry.GetEvent(feed::Attribute(change, "event"));
    if (status::ReasonOf(event.status()) == "NOT_FOUND") return facts;
    RETURN_IF_ERROR(event.status());
    facts->participants = event->participants;
    facts->event = ToEvent(*event);
    ASSIGN_OR_RETURN(facts->members, AskMembers(registry, event->category, ""));
  } else if (IsMemberChange(change)) {
    ASSIGN_OR_RETURN(facts->members, AskMembers(registry, feed::Attribute(change, "category"),
                                                feed::Attribute(change, "organization")));
  }
  return facts;
}

}  // namespace edcert::workflow
