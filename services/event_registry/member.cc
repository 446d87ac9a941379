#include "services/event_registry/member.h"

#include "common/status/errors.h"

namespace edcert::event_registry {

bool IsHeldAt(MemberRole role, OrganizationKind kind) {
  switch (role) {
    case MemberRole::kApprover:
    case MemberRole::kStateReviewer:
      return kind == OrganizationKind::kSea;
    case MemberRole::kCertifier:
    case MemberRole::kReviewer:
      return kind == OrganizationKind::kDistrict || kind == OrganizationKind::kSchool;
  }
  return false;
}

absl::Status Check(const Member& member) {
  if (member.role != MemberRole::kCertifier && member.rank != MemberRank::kNone) {
    return status::FieldInvalid("member.rank", "only a certifier has a rank");
  }
  if (member.valid_to < member.valid_from) {
    return status::FieldInvalid("member.valid_to", "must not be before valid_from");
  }
  if (member.delegate == member.user) {
    return status::FieldInvalid("member.delegate", "must be another person than user");
  }
  return absl::OkStatus();
}

}  // namespace edcert::event_registry
