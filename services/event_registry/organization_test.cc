#include "services/event_registry/organization.h"

#include <gtest/gtest.h>

#include "common/testing/matchers.h"
#include "services/event_registry/member.h"
#include "services/event_registry/user.h"

namespace edcert::event_registry {
namespace {

using testing::HasReason;
using testing::IsOk;

Organization ADistrict() {
  return {.name = names::OrganizationName::FromId("d1"),
          .kind = OrganizationKind::kDistrict,
          .display_name = "District 1",
          .parent = names::OrganizationName::FromId("sea")};
}

TEST(OrganizationTest, KindsStandInOrder) {
  using enum OrganizationKind;
  constexpr std::array kKinds = {kSea, kServiceAgency, kDistrict, kSchool};
  std::string allowed;
  for (const OrganizationKind parent : kKinds) {
    for (const OrganizationKind child : kKinds) {
      if (!MayBeParent(parent, child)) continue;
      allowed += kOrganizationKindText.Of(parent);
      allowed += ">";
      allowed += kOrganizationKindText.Of(child);
      allowed += " ";
    }
  }
  EXPECT_EQ(allowed, "SEA>SERVICE_AGENCY SEA>DISTRICT SERVICE_AGENCY>DISTRICT DISTRICT>SCHOOL ");
}

TEST(OrganizationTest, OnlyTheSeaHasNoParent) {
  EXPECT_THAT(Check(ADistrict()), IsOk());
  Organization orphan = ADistrict();
  orphan.parent.reset();
  EXPECT_THAT(Check(orphan), HasReason("FIELD_INVALID"));
  orphan.kind = OrganizationKind::kSea;
  EXPECT_THAT(Check(orphan), IsOk());
  orphan.parent = names::OrganizationName::FromId("other");
  EXPECT_THAT(Check(orphan), HasReason("FIELD_INVALID"));
}

TEST(OrganizationTest, TheNcesIdHasTheFormOfTheKind) {
  const auto with = [](OrganizationKind kind, std::string nces_id) {
    Organization organization = ADistrict();
    organization.kind = kind;
    organization.nces_id = std::move(nces_id);
    return Check(organization);
  };
  EXPECT_THAT(with(OrganizationKind::kDistrict, "3012345"), IsOk());
  EXPECT_THAT(with(OrganizationKind::kDistrict, "301234"), HasReason("FIELD_INVALID"));
  EXPECT_THAT(with(OrganizationKind::kDistrict, "30123x5"), HasReason("FIELD_INVALID"));
  EXPECT_THAT(with(OrganizationKind::kSchool, "301234512345"), IsOk());
  EXPECT_THAT(with(OrganizationKind::kSchool, "3012345"), HasReason("FIELD_INVALID"));
  EXPECT_THAT(with(OrganizationKind::kServiceAgency, "3012345"), HasReason("FIELD_INVALID"));
}

TEST(OrganizationTest, ClosesNotBeforeItOpens) {
  Organization organization = ADistrict();
  organization.open_date = absl::CivilDay(2026, 7, 1);
  organization.close_date = absl::CivilDay(2026, 7, 1);
  EXPECT_THAT(Check(organization), IsOk());
  organization.close_date = absl::CivilDay(2026, 6, 30);
  EXPECT_THAT(Check(organization), HasReason("FIELD_INVALID"));
}

TEST(MemberTest, RolesAreHeldWhereTheyBelong) {
  using enum OrganizationKind;
  for (const MemberRole role : {MemberRole::kApprover, MemberRole::kStateReviewer}) {
    EXPECT_TRUE(IsHeldAt(role, kSea));
    EXPECT_FALSE(IsHeldAt(role, kServiceAgency));
    EXPECT_FALSE(IsHeldAt(role, kDistrict));
    EXPECT_FALSE(IsHeldAt(role, kSchool));
  }
  for (const MemberRole role : {MemberRole::kCertifier, MemberRole::kReviewer}) {
    EXPECT_FALSE(IsHeldAt(role, kSea));
    EXPECT_FALSE(IsHeldAt(role, kServiceAgency));
    EXPECT_TRUE(IsHeldAt(role, kDistrict));
    EXPECT_TRUE(IsHeldAt(role, kSchool));
  }
}

TEST(UserTest, KnowsAnAddress) {
  EXPECT_TRUE(IsEmail("ann@district.example"));
  EXPECT_TRUE(IsEmail("o'hara+edcert@k12.example"));
  for (const char* text :
       {"ann", "@x", "ann@", "a@b@c", "a b@c", "a@b\r\nBcc: x@y", "<a@b>", "a@b,c@d", "\"a\"@b"}) {
    EXPECT_FALSE(IsEmail(text)) << text;
  }
}

TEST(UserTest, TheFirstAdministratorMayDoEverything) {
  const User user = FirstAdministrator(names::UserName::FromId("admin"));
  ASSERT_EQ(user.grants.size(), static_cast<std::size_t>(kTools));
  for (const ToolGrant& grant : user.grants) EXPECT_EQ(grant.rights, 1 + 2 + 4 + 8);
}

}  // namespace
}  // namespace edcert::event_registry
