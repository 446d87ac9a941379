#include "services/workflow/user_status.h"

#include <gtest/gtest.h>

#include "services/workflow/certification_page.h"

namespace edcert::workflow {
namespace {

// The table, said the other way round: for each status, when a user has it.
bool Has(UserStatus status, const UserFacts& f) {
  const bool out = !f.must_sign || f.state == State::kExempt || f.state == State::kWithdrawn;
  const bool pending = f.state == State::kRecertRequested && f.asked;
  const bool open = !out && f.state != State::kApproved && !pending;
  switch (status) {
    case UserStatus::kNotApplicable:
      return out;
    case UserStatus::kComplete:
      return !out && f.state == State::kApproved;
    case UserStatus::kRecertRequestPending:
      return !out && pending;
    case UserStatus::kCertificationComplete:
      return open && f.has_signed;
    case UserStatus::kOverdue:
      return open && !f.has_signed && f.overdue;
    case UserStatus::kIncomplete:
      return open && !f.has_signed && !f.overdue;
  }
  return false;
}

TEST(UserStatusTest, IsTheOneThatHoldsForEveryCombination) {
  for (const State state : kStates) {
    for (int bits = 0; bits < 16; ++bits) {
      const UserFacts facts = {.must_sign = (bits & 1) != 0,
                               .state = state,
                               .asked = (bits & 2) != 0,
                               .has_signed = (bits & 4) != 0,
                               .overdue = (bits & 8) != 0};
      int holding = 0;
      for (const UserStatus status : kUserStatuses) {
        holding += Has(status, facts) ? 1 : 0;
        EXPECT_EQ(UserStatusOf(facts) == status, Has(status, facts))
            << NameOf(state) << " " << bits << " " << LabelOf(status);
      }
      EXPECT_EQ(holding, 1);
    }
  }
}

TEST(UserStatusTest, LabelsAreThoseOfTheUsers) {
  EXPECT_EQ(LabelOf(UserStatus::kNotApplicable), "N/A");
  EXPECT_EQ(LabelOf(UserStatus::kIncomplete), "Certification Incomplete");
  EXPECT_EQ(LabelOf(UserStatus::kOverdue), "Incomplete - Overdue");
  EXPECT_EQ(LabelOf(UserStatus::kCertificationComplete), "Certification Complete");
  EXPECT_EQ(LabelOf(UserStatus::kRecertRequestPending), "Recertification Request Pending");
  EXPECT_EQ(LabelOf(UserStatus::kComplete), "Complete");
}

}  // namespace
}  // namespace edcert::workflow
