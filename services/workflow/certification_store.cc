#include "services/workflow/certification_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/feed/feed.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/workflow/certification_page.h"
#include "services/workflow/sql/certification.sql.h"

namespace edcert::workflow {
namespace {

constexpr std::size_t kChunk = 200;

std::string DateText(absl::CivilDay day) { return absl::FormatCivilTime(day); }

std::optional<std::string> DateParam(const std::optional<absl::CivilDay>& day) {
  if (!day.has_value()) return std::nullopt;
  return DateText(*day);
}

std::optional<absl::CivilDay> ReadDate(const pg::Row& row, std::string_view column) {
  absl::CivilDay day;
  const std::string text = row.Text(column);
  if (text.empty() || !absl::ParseCivilTime(text, &day)) return std::nullopt;
  return day;
}

State ReadState(const pg::Row& row, std::string_view column) {
  const std::optional<State> state = ParseState(row.View(column));
  CHECK(state.has_value());  // the table's constraint has the same names
  return *state;
}

Event ReadEvent(const pg::Row& row) {
  Event event;
  event.name = row.Text("event");
  event.title = row.Text("title");
  event.category = row.Text("category");
  event.datasets = row.TextArray("datasets");
  event.level = static_cast<Level>(row.Int("level"));
  event.reporting_year = static_cast<int>(row.Int("reporting_year"));
  event.status = static_cast<EventStatus>(row.Int("event_status"));
  event.attestation_version = static_cast<int>(row.Int("attestation_version"));
  event.starts_at = row.Time("starts_at");
  event.opens_at = row.Time("opens_at");
  event.due_at = row.Time("due_at");
  event.ends_at = row.Time("ends_at");
  return event;
}

std::vector<RequiredCertifier> ReadRosterArrays(const pg::Row& row) {
  const std::vector<std::string> users = row.TextArray("roster");
  const std::vector<std::string> delegates = row.TextArray("delegates");
  const std::vector<std::string> titles = row.TextArray("titles");
  std::vector<RequiredCertifier> roster;
  for (std::size_t i = 0; i < users.size(); ++i) {
    roster.push_back({users[i], delegates[i], titles[i]});
  }
  return roster;
}

std::vector<RequiredCertifier> ReadRoster(const pg::Result& rows) {
  std::vector<RequiredCertifier> roster;
  for (const pg::Row row : rows) {
    roster.push_back({row.Text("member"), row.Text("delegate"), row.Text("title")});
  }
  return roster;
}

Signature ReadSignature(const pg::Row& row) {
  Signature signature;
  signature.id = row.Text("s_id");
  signature.round = static_cast<int>(row.Int("s_round"));
  signature.user = row.Text("s_signer");
  signature.role_title = row.Text("s_role_title");
  signature.snapshot = row.Text("s_snapshot");
  signature.root = row.Text("s_root");
  signature.signed_at = row.Time("s_signed_at");
  signature.attestation_version = static_cast<int>(row.Int("s_attestation_version"));
  signature.warnings_acknowledged = row.Bool("s_warnings_acknowledged");
  signature.zero_attestation = row.Bool("s_zero_attestation");
  signature.warning_count = row.Int("s_warning_count");
  signature.waived_count = row.Int("s_waived_count");
  signature.membership_version = row.Int("s_membership_version");
  signature.voided_at = row.OptionalTime("s_voided_at");
  signature.void_reason = row.Text("s_void_reason");
  signature.voided_in_round = static_cast<int>(row.Int("s_voided_in_round"));
  return signature;
}

Certification ReadCertification(const pg::Row& row) {
  Certification out;
  out.id = row.Text("id");
  out.event = ReadEvent(row);
  out.organization = row.Text("organization");
  out.organization_display_name = row.Text("organization_display_name");
  out.organization_parent = row.Text("organization_parent");
  out.state = ReadState(row, "state");
  out.round = static_cast<int>(row.Int("round"));
  out.version = row.Int("version");
  out.transitions = row.Int("transitions");
  out.came_from = ReadState(row, "came_from");
  out.candidate_snapshot = row.Text("candidate_snapshot");
  out.certified_snapshot = row.Text("certified_snapshot");
  out.recert_due = ReadDate(row, "recert_due");
  out.recert_due_at = row.OptionalTime("recert_due_at");
  out.prior_recert_due = ReadDate(row, "prior_recert_due");
  out.prior_recert_due_at = row.OptionalTime("prior_recert_due_at");
  out.administrative = row.Bool("administrative");
  out.return_reason = row.Text("return_reason");
  out.round_started_at = row.OptionalTime("round_started_at");
  out.start_time = row.OptionalTime("start_time");
  out.sent_at = row.OptionalTime("sent_at");
  out.approved_at = row.OptionalTime("approved_at");
  out.approved_by = row.Text("approved_by");
  out.create_time = row.Time("create_time");
  out.update_time = row.Time("update_time");
  out.roster = ReadRosterArrays(row);
  if (row.Has("request_id")) {
    out.request = Request{row.Text("request_id"), row.Text("requester"), row.Text("request_reason"),
                          row.Time("requested_at")};
  }
  return out;
}

absl::StatusOr<Certification> ReadOne(const pg::Result& rows, const std::string& id) {
  if (rows.empty()) return status::NotFound("certifications/" + id);
  Certification out = ReadCertification(rows[0]);
  for (const pg::Row row : rows) {
    if (row.Has("s_id")) out.signatures.push_back(ReadSignature(row));
  }
  return out;
}

// How a request ends with an effect.
std::string_view RequestStateAfter(Effect effect) {
  switch (effect) {
    case Effect::kStartRound:
      return "ACCEPTED";
    case Effect::kWithdrawRequest:
      return "WITHDRAWN";
    case Effect::kExpireRequest:
    case Effect::kExcuse:
      return "EXPIRED";
    case Effect::kCreate:
    case Effect::kSign:
    case Effect::kSignAndSend:
    case Effect::kSend:
    case Effect::kApprove:
    case Effect::kApproveAdministratively:
    case Effect::kAskState:
    case Effect::kDeny:
    case Effect::kReinstate:
      break;
  }
  return "DENIED";
}

}  // namespace

absl::StatusOr<Certification> CertificationStore::Get(pg::Querier& db,
                                                      const std::string& id) const {
  if (!ids::IsUuid(id)) return status::NotFound("certifications/" + id);
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGet, id));
  return ReadOne(rows, id);
}

absl::StatusOr<Certification> CertificationStore::Lock(pg::Transaction& tx,
                                                       const std::string& id) const {
  if (!ids::IsUuid(id)) return status::NotFound("certifications/" + id);
  tx.Defer(sql::kLock, id);
  return Get(tx, id);
}

absl::StatusOr<Certification> CertificationStore::Move(pg::Transaction& tx, Attempt attempt) const {
  ASSIGN_OR_RETURN(Certification certification, Lock(tx, attempt.id));
  bool new_roster = false;
  if (attempt.action == Action::kSubmit && FollowsMembers(certification.state)) {
    ASSIGN_OR_RETURN(std::vector<RequiredCertifier> roster,
                     NextRoster(tx, certification, DayOf(attempt.input.now)));
    new_roster = roster != certification.roster;
    certification.roster = std::move(roster);
  }
  AddOwnFacts(certification, attempt.input.actor, attempt.facts);
  RETURN_IF_ERROR(CheckActor(attempt.action, attempt.facts));
  if (attempt.etag.has_value() && *attempt.etag != certification.etag()) {
    return status::EtagMismatch(certification.name(), certification.etag());
  }
  ASSIGN_OR_RETURN(const Decision decision,
                   Decide(certification.state, attempt.action, attempt.facts));
  if (decision.effect == Effect::kStartRound) {
    ASSIGN_OR_RETURN(attempt.input.next_roster,
                     NextRoster(tx, certification, DayOf(attempt.input.now)));
  } else if (decision.effect == Effect::kReinstate) {
    ASSIGN_OR_RETURN(const pg::Result rows,
                     tx.Run(sql::kRosterInRound, certification.id, certification.round - 1));
    attempt.input.next_roster = ReadRoster(rows);
  }
  attempt.input.new_id = ids_.NewId();
  const Certification before = certification;
  Perform(decision, attempt.input, certification);

  Save(tx, certification);
  if (new_roster) SaveRoster(tx, before);
  SaveEffect(tx, before, certification, decision.effect, attempt.input);
  tx.Defer(sql::kAppendTransition, certification.id, certification.transitions,
           NameOf(before.state), NameOf(attempt.action), NameOf(certification.state),
           attempt.input.actor, attempt.input.reason, certification.round,
           certification.candidate_snapshot,
           attempt.request_id.empty() ? std::nullopt : std::optional(attempt.request_id));
  const std::optional<Request>& request =
      certification.request.has_value() ? certification.request : before.request;
  Announce(tx, certification, FeedTypeOf(attempt.action, certification.state), attempt.input.actor,
           attempt.input.reason, request.has_value() ? request->user : "");
  return certification;
}

void CertificationStore::Save(pg::Transaction& tx, const Certification& certification) const {
  tx.Defer(sql::kSave, certification.id, NameOf(certification.state), certification.round,
           certification.version, certification.transitions, NameOf(certification.came_from),
           certification.candidate_snapshot, certification.certified_snapshot,
           DateParam(certification.recert_due), certification.recert_due_at,
           DateParam(certification.prior_recert_due), certification.prior_recert_due_at,
           certification.administrative, certification.return_reason,
           certification.round_started_at, certification.start_time, certification.sent_at,
           certification.approved_at, certification.approved_by, certification.update_time);
}

void CertificationStore::SaveEffect(pg::Transaction& tx, const Certification& before,
                                    const Certification& after, Effect effect,
                                    const Input& input) const {
  if (effect == Effect::kSign || effect == Effect::kSignAndSend) {
    const Signature& signature = after.signatures.front();
    tx.Defer(sql::kInsertSignature, signature.id, after.id, signature.round, signature.user,
             signature.role_title, signature.snapshot, signature.root, signature.signed_at,
             signature.attestation_version, signature.warnings_acknowledged,
             signature.zero_attestation, signature.warning_count, signature.membership_version,
             signature.waived_count);
  }
  if (effect == Effect::kStartRound || effect == Effect::kReinstate) {
    const auto voided =
        std::find_if(after.signatures.begin(), after.signatures.end(),
                     [&](const Signature& signature) { return signature.voided_at == input.now; });
    if (voided != after.signatures.end()) {
      SaveVoided(tx, after, voided->void_reason, input.now,
                 effect == Effect::kStartRound ? after.round : 0);
    }
  }
  if (effect == Effect::kReinstate) {
    tx.Defer(sql::kReinstateSignatures, after.id, after.round);
  }
  if (after.roster != before.roster || after.round != before.round) SaveRoster(tx, after);
  if (!before.request.has_value() && after.request.has_value()) {
    tx.Defer(sql::kInsertRequest, after.request->id, after.id, after.round, after.request->user,
             after.request->reason, after.request->requested_at);
  } else if (before.request.has_value() && !after.request.has_value()) {
    tx.Defer(sql::kDecideRequest, after.id, RequestStateAfter(effect), input.actor, input.now,
             input.reason);
  }
}

void CertificationStore::Update(pg::Transaction& tx, Certification& certification,
                                const std::string& type, const std::string& actor,
                                const std::string& reason, absl::Time now,
                                const std::vector<std::string>& voided) const {
  ++certification.version;
  certification.update_time = now;
  Save(tx, certification);
  Announce(tx, certification, type, actor, reason,
           certification.request.has_value() ? certification.request->user : "", voided);
}

void CertificationStore::SaveVoided(pg::Transaction& tx, const Certification& certification,
                                    const std::string& reason, absl::Time now, int in_round) const {
  tx.Defer(sql::kVoidSignatures, certification.id, now, reason, in_round);
}

void CertificationStore::SaveRoster(pg::Transaction& tx, const Certification& certification) const {
  std::vector<std::string> users;
  std::vector<std::string> delegates;
  std::vector<std::string> titles;
  for (const RequiredCertifier& required : certification.roster) {
    users.push_back(required.user);
    delegates.push_back(required.delegate);
    titles.push_back(required.title);
  }
  tx.Defer(sql::kClearRoster, certification.id, certification.round);
  tx.Defer(sql::kInsertRoster, certification.id, certification.round, users, delegates, titles);
}

void CertificationStore::Announce(pg::Transaction& tx, const Certification& certification,
                                  const std::string& type, const std::string& actor,
                                  const std::string& reason, const std::string& requester,
                                  const std::vector<std::string>& voided) const {
  feed::Event event = {
      .subject = certification.name(),
      .type = type,
      .attributes = FeedAttributes(certification, actor, reason, requester, zone_)};
  if (!voided.empty()) event.attributes["signers"] = absl::StrJoin(voided, ",");
  feed::Append(tx, ids_.NewId(), actor, event);
}

absl::Status CertificationStore::Open(pg::Transaction& tx, const std::string& event,
                                      const std::vector<std::string>& organizations,
                                      const std::string& actor, absl::Time now) const {
  for (std::size_t from = 0; from < organizations.size(); from += kChunk) {
    const std::size_t to = std::min(from + kChunk, organizations.size());
    const std::vector<std::string> chunk(organizations.begin() + static_cast<std::ptrdiff_t>(from),
                                         organizations.begin() + static_cast<std::ptrdiff_t>(to));
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < chunk.size(); ++i) ids.push_back(ids_.NewId());
    ASSIGN_OR_RETURN(const pg::Result opened, tx.Run(sql::kOpen, event, ids, chunk, now));
    std::vector<std::string> fresh;
    for (const pg::Row row : opened) fresh.push_back(row.Text("id"));
    tx.Defer(sql::kOpenRosters, fresh, DateText(DayOf(now)));
    tx.Defer(sql::kOpenLog, fresh, actor);
    for (const std::string& id : fresh) {
      ASSIGN_OR_RETURN(const Certification certification, Get(tx, id));
      Announce(tx, certification, FeedTypeOf(Action::kOpen, State::kInProgress), actor, "", "");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<RequiredCertifier>> CertificationStore::NextRoster(
    pg::Querier& db, const Certification& certification, absl::CivilDay day) const {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kNextRoster, certification.event.category,
                          certification.organization, certification.organization_parent,
                          static_cast<int>(certification.event.level), DateText(day)));
  return ReadRoster(rows);
}

absl::StatusOr<std::string> CertificationStore::UncertifiedDependency(
    pg::Querier& db, const std::string& organization,
    const std::vector<std::string>& events) const {
  if (events.empty()) return std::string();
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kUncertifiedDependency, organization, events));
  return rows.empty() ? std::string() : rows[0].Text("event");
}

absl::StatusOr<std::string> CertificationStore::PreviousSnapshot(
    pg::Querier& db, const Certification& certification) const {
  const Event& event = certification.event;
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kPreviousSnapshot, certification.organization,
                                                 event.category, event.reporting_year - 1));
  return rows.empty() ? "" : rows[0].Text("certified_snapshot");
}

absl::StatusOr<std::vector<std::string>> CertificationStore::NamesOf(
    pg::Querier& db, const std::string& organization) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kNamesOf, organization));
  std::vector<std::string> names;
  for (const pg::Row row : rows) names.push_back("certifications/" + row.Text("id"));
  return names;
}

absl::StatusOr<std::vector<Listed>> CertificationStore::List(pg::Querier& db, const Scope& scope,
                                                             const Filter& filter, absl::Time now,
                                                             const std::string& after_key,
                                                             const std::string& after_id,
                                                             int limit) const {
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      db.Run(sql::kList, scope.user, now, scope.all, scope.organizations, filter.user_statuses,
             filter.states, filter.event_status, filter.phase, filter.category, filter.dataset,
             filter.level, filter.reporting_year, filter.organization, filter.event,
             filter.title_contains, filter.due_from, filter.due_before, filter.overdue,
             filter.waiting_on_me, filter.updated_since, filter.order, after_key, after_id, limit,
             scope.districts, scope.events, DateText(DayOf(now))));
  std::vector<Listed> page;
  for (const pg::Row row : rows) {
    if (page.empty() || page.back().certification.id != row.View("id")) {
      page.push_back({ReadCertification(row), static_cast<UserStatus>(row.Int("user_status")),
                      row.Text("sort_key")});
    }
    if (row.Has("s_id")) page.back().certification.signatures.push_back(ReadSignature(row));
  }
  return page;
}

absl::StatusOr<Summary> CertificationStore::Summarize(pg::Querier& db, const Scope& scope,
                                                      const std::string& event,
                                                      absl::Time now) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kSummary, event, now, scope.all,
                                                 scope.organizations, scope.districts));
  Summary summary;
  for (const pg::Row row : rows) {
    summary.counts.push_back({ReadState(row, "state"), row.Int("count")});
    summary.overdue += row.Int("overdue");
    summary.administrative += row.Int("administrative");
    summary.without_certifier += row.Int("without_certifier");
  }
  return summary;
}

absl::StatusOr<std::vector<TransitionRecord>> CertificationStore::ListTransitions(
    pg::Querier& db, const std::string& id, int64_t after, int limit) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kListTransitions, id, after, limit));
  std::vector<TransitionRecord> records;
  for (const pg::Row row : rows) {
    const std::optional<Action> action = ParseAction(row.View("action"));
    CHECK(action.has_value());  // allowed_transition has the same names
    records.push_back({row.Int("seq"), ReadState(row, "from_state"), *action,
                       ReadState(row, "to_state"), row.Text("actor"), row.Text("reason"),
                       static_cast<int>(row.Int("round")), row.Text("request_id"), row.Time("at")});
  }
  return records;
}

}  // namespace edcert::workflow
