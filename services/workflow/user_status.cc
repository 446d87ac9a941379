#include "services/workflow/user_status.h"

namespace edcert::workflow {

UserStatus UserStatusOf(const UserFacts& facts) {
  if (!facts.must_sign) return UserStatus::kNotApplicable;
  if (facts.state == State::kExempt || facts.state == State::kWithdrawn) {
    return UserStatus::kNotApplicable;
  }
  if (facts.state == State::kApproved) return UserStatus::kComplete;
  if (facts.state == State::kRecertRequested && facts.asked) {
    return UserStatus::kRecertRequestPending;
  }
  if (facts.has_signed) return UserStatus::kCertificationComplete;
  return facts.overdue ? UserStatus::kOverdue : UserStatus::kIncomplete;
}

std::string_view LabelOf(UserStatus status) {
  switch (status) {
    case UserStatus::kNotApplicable:
      return "N/A";
    case UserStatus::kIncomplete:
      return "Certification Incomplete";
    case UserStatus::kOverdue:
      return "Incomplete - Overdue";
    case UserStatus::kCertificationComplete:
      return "Certification Complete";
    case UserStatus::kRecertRequestPending:
      return "Recertification Request Pending";
    case UserStatus::kComplete:
      return "Complete";
  }
  return "";
}

}  // namespace edcert::workflow
