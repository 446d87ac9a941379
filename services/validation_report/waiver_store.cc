#include "services/validation_report/waiver_store.h"

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/errors.h"
#include "services/validation_report/rule.h"
#include "services/validation_report/sql/waiver.sql.h"

namespace edcert::validation_report {
namespace {

absl::StatusOr<Waiver> WaiverOf(const pg::Row& row) {
  Waiver waiver{.id = row.Text("waiver_id"),
                .event = row.Text("event"),
                .category = row.Text("category"),
                .organization = row.Text("organization"),
                .report = row.Text("report_id"),
                .rule = row.Text("rule_id"),
                .rule_code = row.Text("code"),
                .target = row.Text("target"),
                .findings = row.Int("findings"),
                .reason = row.Text("reason"),
                .ends_at = row.Time("ends_at"),
                .asked_by = row.Text("asked_by"),
                .asked_at = row.Time("asked_at"),
                .confirmed_by = row.Text("confirmed_by"),
                .confirmed_at = row.OptionalTime("confirmed_at"),
                .revoked_by = row.Text("revoked_by"),
                .revoked_at = row.OptionalTime("revoked_at"),
                .revoke_reason = row.Text("revoke_reason")};
  if (!absl::ParseCivilTime(row.Text("until_day"), &waiver.until)) {
    return status::Internal("day of a waiver");
  }
  return waiver;
}

absl::StatusOr<std::vector<Waiver>> WaiversOf(const pg::Result& rows) {
  std::vector<Waiver> waivers;
  for (const pg::Row row : rows) {
    ASSIGN_OR_RETURN(Waiver waiver, WaiverOf(row));
    waivers.push_back(std::move(waiver));
  }
  return waivers;
}

}  // namespace

absl::StatusOr<Waiver> WaiverStore::Waive(pg::Transaction& tx, const Waiver& asked) const {
  ASSIGN_OR_RETURN(const pg::Result found,
                   tx.Run(sql::kFindWaivedTarget, asked.report, asked.target));
  if (found.empty()) return status::NotFound(asked.target);
  if (found[0].Int("severity") != static_cast<int>(Severity::kFatal)) {
    return status::FieldInvalid("target", "must be FATAL: nothing else blocks");
  }
  if (found[0].Int("findings") == 0) {
    return status::FieldInvalid("target", "must have findings: the rule could not be run");
  }
  const std::string day = absl::FormatCivilTime(asked.until);
  ASSIGN_OR_RETURN(const pg::Result inserted,
                   tx.Run(sql::kInsertWaiver, asked.id, asked.event, asked.category,
                          asked.organization, asked.report, found[0].View("rule_id"),
                          found[0].View("code"), asked.target, found[0].Int("findings"),
                          asked.reason, day, asked.ends_at, asked.asked_by, asked.asked_at));
  if (inserted.affected() == 1) {
    tx.Defer(sql::kInsertWaived, asked.id);
    return Get(tx, asked.id);
  }
  ASSIGN_OR_RETURN(const pg::Result before,
                   tx.Run(sql::kFindAsked, asked.report, asked.target, day));
  // It was revoked in this moment.
  if (before.empty()) return status::Conflict();
  ASSIGN_OR_RETURN(Waiver waiver, Get(tx, before[0].Text("waiver_id")));
  if (waiver.confirmed_at.has_value()) return status::AlreadyExists(waiver.name());
  if (waiver.asked_by == asked.asked_by) return SecondPersonRequired(waiver.name());
  waiver.confirmed_by = asked.asked_by;
  waiver.confirmed_at = asked.asked_at;
  tx.DeferOne(sql::kConfirmWaiver, waiver.id, waiver.confirmed_by, waiver.confirmed_at);
  return waiver;
}

absl::StatusOr<Waiver> WaiverStore::Get(pg::Querier& db, const std::string& id) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kGetWaiver, id));
  if (rows.empty()) return status::NotFound("waivers/" + id);
  return WaiverOf(rows[0]);
}

void WaiverStore::Revoke(pg::Transaction& tx, const Waiver& revoked) const {
  tx.DeferOne(sql::kRevokeWaiver, revoked.id, revoked.revoked_by, revoked.revoked_at,
              revoked.revoke_reason);
}

absl::StatusOr<std::vector<Waiver>> WaiverStore::List(pg::Querier& db, const std::string& event,
                                                      const std::string& organization,
                                                      const std::string& after, int limit) const {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kListWaivers, event, organization, after, limit));
  return WaiversOf(rows);
}

absl::StatusOr<WaiverStore::InForce> WaiverStore::ReadInForce(
    pg::Querier& db, const std::string& event, const std::string& organization) const {
  InForce in_force;
  if (event.empty()) return in_force;
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kListInForce, event, organization));
  if (rows.empty()) return in_force;
  ASSIGN_OR_RETURN(in_force.waivers, WaiversOf(rows));
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < in_force.waivers.size(); ++i) places[in_force.waivers[i].id] = i;
  ASSIGN_OR_RETURN(const pg::Result waived, db.Run(sql::kListWaived, organization, event));
  for (const pg::Row row : waived) {
    const auto place = places.find(row.Text("waiver_id"));
    if (place != places.end()) in_force.findings[row.Text("fingerprint")].push_back(place->second);
  }
  return in_force;
}

}  // namespace edcert::validation_report
