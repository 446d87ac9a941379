#include "services/event_registry/member_store.h"

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/event_registry/sql/member.sql.h"
#include "services/event_registry/store_text.h"

namespace edcert::event_registry {
namespace {

Member Read(const pg::Row& row) {
  return {.name = names::MemberName::FromIds(row.View("category_id"), row.View("member_id")),
          .organization = names::OrganizationName::FromId(row.View("organization_id")),
          .user = names::UserName::FromId(row.View("user_id")),
          .role = kMemberRoleText.From(row.View("role")),
          .rank = kMemberRankText.From(row.View("rank")),
          .title = row.Text("title"),
          .valid_from = DayFromText(row.View("valid_from")),
          .valid_to = DayFromText(row.View("valid_to")),
          .delegate = OptionalName<names::UserName>(row, "delegate_id"),
          .create_time = row.Time("created_at"),
          .standing = std::nullopt};
}

MemberStanding ReadStanding(const pg::Row& row) {
  return {.user_active = row.Bool("user_active"),
          .in_scope = row.Bool("in_scope"),
          .all_schools = row.Bool("all_schools"),
          .delegate_in_scope = row.Bool("delegate_in_scope"),
          .delegate_all_schools = row.Bool("delegate_all_schools")};
}

}  // namespace

absl::StatusOr<Member> MemberStore::Insert(pg::Transaction& tx, const Member& member) const {
  const std::string category = member.category().id();
  ASSIGN_OR_RETURN(
      const pg::Result overlapping,
      tx.Run(sql::kFindOverlappingMember, category, member.organization.id(), member.user.id(),
             kMemberRoleText.Of(member.role), ToText(member.valid_from), ToText(member.valid_to)));
  if (!overlapping.empty()) {
    return status::AlreadyExists(
        names::MemberName::FromIds(category, overlapping[0].View("member_id")).ToString());
  }
  ASSIGN_OR_RETURN(const pg::Result inserted,
                   tx.Run(sql::kInsertMember, member.name.id(), category, member.organization.id(),
                          member.user.id(), kMemberRoleText.Of(member.role),
                          kMemberRankText.Of(member.rank), member.title, ToText(member.valid_from),
                          ToText(member.valid_to), IdOf(member.delegate)));
  return Read(inserted[0]);
}

absl::StatusOr<Member> MemberStore::Get(pg::Querier& db, const names::MemberName& name,
                                        const Scope& scope) const {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kGetMember, name.parent_id(), name.id(), scope.everything,
                          scope.organizations, scope.districts));
  if (rows.empty()) return status::NotFound(name.ToString());
  return Read(rows[0]);
}

absl::StatusOr<std::vector<Member>> MemberStore::List(pg::Querier& db, const Scope& scope,
                                                      const MemberFilter& filter,
                                                      absl::CivilDay today, const MemberKey& after,
                                                      int limit) const {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kListMembers, scope.everything, scope.organizations, scope.districts,
                          filter.category, filter.organization, filter.user, filter.active_only,
                          ToText(today), after.category, after.member, limit, filter.at));
  std::vector<Member> members;
  for (const pg::Row row : rows) {
    members.push_back(Read(row));
    members.back().standing = ReadStanding(row);
  }
  return members;
}

void MemberStore::Delete(pg::Transaction& tx, const names::MemberName& name) const {
  tx.DeferOne(sql::kDeleteMember, name.id());
}

}  // namespace edcert::event_registry
