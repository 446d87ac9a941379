// What one user has reached in a certification: a pure function, never stored.
#pragma once

#include <array>
#include <string_view>

#include "services/workflow/certification_table.h"

namespace edcert::workflow {

// The numbers are those of the wire.
enum class UserStatus {
  kNotApplicable = 1,
  kIncomplete = 2,
  kOverdue = 3,
  kCertificationComplete = 4,
  kRecertRequestPending = 5,
  kComplete = 6,
};

inline constexpr std::array kUserStatuses = {
    UserStatus::kNotApplicable,         UserStatus::kIncomplete,           UserStatus::kOverdue,
    UserStatus::kCertificationComplete, UserStatus::kRecertRequestPending, UserStatus::kComplete,
};

struct UserFacts {
  bool must_sign = false;  // an effective certifier; not a reviewer, not an idle secondary
  State state = State::kInProgress;
  bool asked = false;       // the pending request is this user's
  bool has_signed = false;  // a signature of this user counts in this round
  bool overdue = false;     // now is after the effective due date
};

UserStatus UserStatusOf(const UserFacts& facts);

// In the users' words, for example `Incomplete - Overdue`.
std::string_view LabelOf(UserStatus status);

}  // namespace edcert::workflow
