#include "common/names/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/names/new_id.h"
#include "common/status/error.h"
#include "common/testing/matchers.h"

namespace edcert::names {
namespace {

using testing::HasReason;
using testing::IsOk;

TEST(NameTest, ParsesAndPrints) {
  const auto name = EventName::Parse("events/fall-2026_1", "event");
  ASSERT_THAT(name, IsOk());
  EXPECT_EQ(name->id(), "fall-2026_1");
  EXPECT_EQ(name->ToString(), "events/fall-2026_1");
  EXPECT_EQ(*name, EventName::FromId("fall-2026_1"));
  EXPECT_LT(EventName::FromId("a"), EventName::FromId("b"));
  EXPECT_THAT(EventName::Parse("events/" + std::string(63, 'a'), "event"), IsOk());
}

TEST(NameTest, RefusesEverythingElse) {
  for (const std::string& text :
       {std::string(), std::string("events"), std::string("events/"), std::string("/events/a"),
        std::string("event/a"), std::string("users/a"), std::string("events/A"),
        std::string("events/a/b"), std::string("events/a/"), std::string("events//a"),
        std::string("events/a b"), std::string("events/é"), std::string("events/a\n"),
        std::string("events/a\0", 9), std::string("events/%61"), std::string("events/.."),
        std::string(" events/a"), "events/" + std::string(64, 'a')}) {
    const auto refused = EventName::Parse(text, "event");
    EXPECT_THAT(refused, HasReason("FIELD_INVALID")) << text;
    EXPECT_EQ(status::MetadataOf(refused.status(), "field"), "event");
  }
}

TEST(ChildNameTest, ParsesAndPrints) {
  const auto name = MemberName::Parse("categories/c1/members/m-1", "name");
  ASSERT_THAT(name, IsOk());
  EXPECT_EQ(name->parent_id(), "c1");
  EXPECT_EQ(name->id(), "m-1");
  EXPECT_EQ(name->ToString(), "categories/c1/members/m-1");
  EXPECT_EQ(*name, MemberName::FromIds("c1", "m-1"));
}

TEST(ChildNameTest, RefusesEverythingElse) {
  for (const char* text :
       {"", "categories", "categories/c", "categories/c/", "categories/c/members",
        "categories/c/members/", "categories//members/m", "members/m", "categories/c/member/m",
        "categories/c/members/m/x", "categories/c/members/M", "users/c/members/m"}) {
    EXPECT_THAT(MemberName::Parse(text, "name"), HasReason("FIELD_INVALID")) << text;
  }
}

TEST(IdTest, HasACharacterSet) {
  EXPECT_TRUE(IsId("a-0_z"));
  EXPECT_FALSE(IsId(""));
  EXPECT_FALSE(IsId("Z"));
  EXPECT_THAT(CheckId("ok", "id"), IsOk());
  EXPECT_THAT(CheckId("not ok", "id"), HasReason("FIELD_INVALID"));
  EXPECT_THAT(CheckNewId("a-new-1", "id"), IsOk());
  for (const char* id : {"", "a_new_1", "A", "a/b"}) {
    EXPECT_THAT(CheckNewId(id, "id"), HasReason("FIELD_INVALID")) << id;
  }
}

}  // namespace
}  // namespace edcert::names
