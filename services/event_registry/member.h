// Members of a category: who does what at which organisation.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/names/names.h"
#include "services/event_registry/enum_text.h"
#include "services/event_registry/organization.h"
#include "services/event_registry/state_calendar.h"

namespace edcert::event_registry {

enum class MemberRole { kApprover = 1, kStateReviewer, kCertifier, kReviewer };

inline constexpr EnumText<MemberRole, 4> kMemberRoleText{{{
    {MemberRole::kApprover, "APPROVER"},
    {MemberRole::kStateReviewer, "STATE_REVIEWER"},
    {MemberRole::kCertifier, "CERTIFIER"},
    {MemberRole::kReviewer, "REVIEWER"},
}}};

enum class MemberRank { kNone, kPrimary, kSecondary };

inline constexpr EnumText<MemberRank, 3> kMemberRankText{{{
    {MemberRank::kNone, "NONE"},
    {MemberRank::kPrimary, "PRIMARY"},
    {MemberRank::kSecondary, "SECONDARY"},
}}};

// What of a member counts today, whatever his days say.
struct MemberStanding {
  bool user_active = false;
  bool in_scope = false;              // the user has the organisation in his scope
  bool all_schools = false;           // he is assigned to it with all schools
  bool delegate_in_scope = false;     // the delegate can act at the organisation
  bool delegate_all_schools = false;  // and at its schools
};

struct Member {
  names::MemberName name;
  names::OrganizationName organization;
  names::UserName user;
  MemberRole role = MemberRole::kReviewer;
  MemberRank rank = MemberRank::kNone;  // of a certifier never kNone
  std::string title;
  absl::CivilDay valid_from = kAlways;
  absl::CivilDay valid_to = kForever;
  std::optional<names::UserName> delegate;
  // Set by the store.
  absl::Time create_time;
  std::optional<MemberStanding> standing;  // in lists

  names::CategoryName category() const { return names::CategoryName::FromId(name.parent_id()); }
};

// Whether a role is held at organisations of a kind.
bool IsHeldAt(MemberRole role, OrganizationKind kind);

// The rules that one member by itself must obey: FIELD_INVALID below `member`.
absl::Status Check(const Member& member);

}  // namespace edcert::event_registry
