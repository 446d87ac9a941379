#include "services/event_registry/event_store.h"

#include <fmt/format.h>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/event_registry/errors.h"
#include "services/event_registry/organization_store.h"
#include "services/event_registry/sql/event.sql.h"
#include "services/event_registry/store_text.h"

namespace edcert::event_registry {
namespace {

absl::Status CheckParticipants(pg::Querier& db, const Event& event) {
  ASSIGN_OR_RETURN(const auto kinds, OrganizationStore().Kinds(db, event.participants));
  for (std::size_t i = 0; i < event.participants.size(); ++i) {
    if (kinds.at(event.participants[i]) != KindOf(event.level)) {
      return status::FieldInvalid(fmt::format("event.participants[{}]", i),
                                  "is not of the kind that certifies at this level");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckDependencies(pg::Querier& db, const Event& event) {
  ASSIGN_OR_RETURN(const pg::Result missing,
                   db.Run(sql::kFindMissingEvents, IdsOf(event.depends_on)));
  if (missing.empty()) return absl::OkStatus();
  return status::NotFound(names::EventName::FromId(missing[0].View("id")).ToString());
}

// Whether no event of depends_on needs this one, also by way of others. Nobody else changes
// dependencies of an event that exists until the transaction ends.
absl::Status CheckNoCycle(pg::Transaction& tx, const Event& event) {
  tx.Defer(sql::kLockDependencies);
  ASSIGN_OR_RETURN(const pg::Result cycle,
                   tx.Run(sql::kFindCycle, event.name.id(), IdsOf(event.depends_on)));
  if (cycle.empty()) return absl::OkStatus();
  return status::FieldInvalid("event.depends_on", "would make the event depend on itself");
}

}  // namespace

Event ReadEvent(const pg::Row& row) {
  return {.name = names::EventName::FromId(row.View("event_id")),
          .title = row.Text("title"),
          .description = row.Text("description"),
          .reporting_year = static_cast<int>(row.Int("reporting_year")),
          .datasets = NamesOf<names::DatasetName>(row.TextArray("datasets")),
          .category = names::CategoryName::FromId(row.View("category_id")),
          .level = kLevelText.From(row.View("level")),
          .rule_group = names::RuleGroupName::FromId(row.View("rule_group")),
          .window = {.start_date = DayFromText(row.View("start_date")),
                     .certification_opens = DayFromText(row.View("certification_opens")),
                     .due_date = DayFromText(row.View("due_date")),
                     .end_date = DayFromText(row.View("end_date")),
                     .snapshot_available = DayFromText(row.View("snapshot_available"))},
          .participants = {},
          .participant_count = static_cast<int>(row.Int("participant_count")),
          .attestation_text = row.Text("attestation_text"),
          .attestation_version = static_cast<int>(row.Int("attestation_version")),
          .allows_zero_attestation = row.Bool("allows_zero_attestation"),
          .depends_on = NamesOf<names::EventName>(row.TextArray("depends_on")),
          .status = kEventStatusText.From(row.View("status")),
          .live_version = static_cast<int>(row.Int("live_version")),
          .draft_version = static_cast<int>(row.Int("draft_version")),
          .rule_group_version = static_cast<int>(row.Int("rule_group_version")),
          .close_reason = row.Text("close_reason"),
          .row_version = row.Int("row_version"),
          .create_time = row.Time("created_at"),
          .update_time = row.Time("updated_at"),
          .publish_time = row.OptionalTime("published_at"),
          .close_time = row.OptionalTime("closed_at")};
}

absl::StatusOr<Event> EventStore::Insert(pg::Transaction& tx, const Event& event) const {
  RETURN_IF_ERROR(CheckParticipants(tx, event));
  RETURN_IF_ERROR(CheckDependencies(tx, event));
  const EventWindow& window = event.window;
  ASSIGN_OR_RETURN(
      const pg::Result inserted,
      tx.Run(sql::kInsertEvent, event.name.id(), event.title, event.description,
             event.reporting_year, IdsOf(event.datasets), event.category.id(),
             kLevelText.Of(event.level), event.rule_group.id(), ToText(window.start_date),
             ToText(window.certification_opens), ToText(window.due_date), ToText(window.end_date),
             ToText(window.snapshot_available), event.attestation_text, event.attestation_version,
             event.allows_zero_attestation, kEventStatusText.Of(event.status), event.live_version,
             event.draft_version, event.rule_group_version, event.participants.size()));
  if (inserted.empty()) return status::AlreadyExists(event.name.ToString());
  tx.Defer(sql::kInsertParticipants, event.name.id(), IdsOf(event.participants));
  tx.Defer(sql::kInsertDependencies, event.name.id(), IdsOf(event.depends_on));
  return GetWithParticipants(tx, event.name, Scope::Everything());
}

absl::StatusOr<Event> EventStore::Get(pg::Querier& db, const names::EventName& name) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetEvent, name.id()));
  if (rows.empty()) return status::NotFound(name.ToString());
  return ReadEvent(rows[0]);
}

absl::StatusOr<Event> EventStore::GetWithParticipants(pg::Querier& db, const names::EventName& name,
                                                      const Scope& scope) const {
  ASSIGN_OR_RETURN(Event event, Get(db, name));
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kListParticipants, name.id(), scope.everything, scope.organizations,
                          scope.districts));
  for (const pg::Row row : rows) {
    event.participants.push_back(names::OrganizationName::FromId(row.View("organization_id")));
  }
  return event;
}

absl::StatusOr<Event> EventStore::Lock(pg::Transaction& tx, const names::EventName& name,
                                       const std::string& etag) const {
  tx.Defer(sql::kLockEvent, name.id());
  ASSIGN_OR_RETURN(const Event event, GetWithParticipants(tx, name, Scope::Everything()));
  RETURN_IF_ERROR(CheckEtag(name.ToString(), event.row_version, etag));
  return event;
}

absl::StatusOr<Event> EventStore::Update(pg::Transaction& tx, const Event& before,
                                         const Event& after) const {
  RETURN_IF_ERROR(CheckParticipants(tx, after));
  const std::string id = after.name.id();
  const EventWindow& window = after.window;
  tx.DeferOne(sql::kUpdateEvent, id, after.title, after.description, after.reporting_year,
              IdsOf(after.datasets), after.category.id(), kLevelText.Of(after.level),
              after.rule_group.id(), ToText(window.start_date), ToText(window.certification_opens),
              ToText(window.due_date), ToText(window.end_date), ToText(window.snapshot_available),
              after.attestation_text, after.attestation_version, after.allows_zero_attestation,
              after.participant_count);
  if (after.participants != before.participants) {
    tx.Defer(sql::kClearParticipants, id);
    tx.Defer(sql::kInsertParticipants, id, IdsOf(after.participants));
  }
  if (after.depends_on != before.depends_on) {
    RETURN_IF_ERROR(CheckDependencies(tx, after));
    RETURN_IF_ERROR(CheckNoCycle(tx, after));
    tx.Defer(sql::kClearDependencies, id);
    tx.Defer(sql::kInsertDependencies, id, IdsOf(after.depends_on));
  }
  return GetWithParticipants(tx, after.name, Scope::Everything());
}

absl::StatusOr<Event> EventStore::Save(pg::Transaction& tx, const Event& before,
                                       const Event& after) const {
  tx.DeferOne(sql::kUpdateLifecycle, after.name.id(), kEventStatusText.Of(before.status),
              kEventStatusText.Of(after.status), after.live_version, after.draft_version,
              after.rule_group_version, after.close_reason);
  return GetWithParticipants(tx, after.name, Scope::Everything());
}

absl::Status EventStore::Delete(pg::Transaction& tx, const names::EventName& name) const {
  return tx.Run(sql::kDeleteEvent, name.id()).status();
}

absl::StatusOr<std::vector<Event>> EventStore::List(pg::Querier& db, const Scope& scope,
                                                    const std::string& user,
                                                    const EventFilter& filter, absl::CivilDay today,
                                                    const EventKey& after, int limit) const {
  std::vector<std::string> statuses;
  for (const EventStatus status : filter.statuses) {
    statuses.emplace_back(kEventStatusText.Of(status));
  }
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      db.Run(sql::kListEvents, scope.everything, scope.organizations, scope.districts, user,
             ToText(today), statuses, filter.category, filter.reporting_year, filter.organization,
             filter.level.has_value() ? kLevelText.Of(*filter.level) : "", filter.title_contains,
             ToText(after.due_date), after.event, limit));
  std::vector<Event> events;
  for (const pg::Row row : rows) events.push_back(ReadEvent(row));
  return events;
}

}  // namespace edcert::event_registry
