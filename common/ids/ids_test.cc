#include "common/ids/ids.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace edcert::ids {
namespace {

int64_t MillisOf(const std::string& id) {
  return std::stoll(id.substr(0, 8) + id.substr(9, 4), nullptr, 16);
}

TEST(IdSourceTest, MakesUuidsOfVersion7) {
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) {
    const int64_t before = absl::ToUnixMillis(clock::Clock::Real().Now());
    const std::string id = IdSource::Real().NewId();
    const int64_t after = absl::ToUnixMillis(clock::Clock::Real().Now());
    EXPECT_TRUE(IsUuid(id)) << id;
    EXPECT_EQ(id[14], '7') << id;
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
    EXPECT_EQ(id.find_first_of("ABCDEF"), std::string::npos) << id;
    EXPECT_GE(MillisOf(id), before);
    EXPECT_LE(MillisOf(id), after);
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(IdSourceTest, IdsGrowFromMillisecondToMillisecond) {
  std::string last = IdSource::Real().NewId();
  for (int steps = 0; steps < 20;) {
    const std::string id = IdSource::Real().NewId();
    if (MillisOf(id) == MillisOf(last)) continue;
    EXPECT_GT(id, last);
    last = id;
    ++steps;
  }
}

TEST(IsUuidTest, KnowsTheForm) {
  EXPECT_TRUE(IsUuid("01890a5d-ac96-774b-bcce-b302099a8057"));
  EXPECT_TRUE(IsUuid("01890A5D-AC96-774B-BCCE-B302099A8057"));
  for (const char* text :
       {"", "01890a5d-ac96-774b-bcce-b302099a805", "01890a5d-ac96-774b-bcce-b302099a80577",
        "01890a5dac96774bbcceb302099a8057", "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "g1890a5d-ac96-774b-bcce-b302099a8057", "01890a5d_ac96-774b-bcce-b302099a8057",
        "01890a5-dac96-774b-bcce-b302099a8057"}) {
    EXPECT_FALSE(IsUuid(text)) << text;
  }
}

TEST(DerivedIdTest, IsTheSameForTheSameAndDiffersOtherwise) {
  const std::string id = DerivedId("01890a5d-ac96-774b-bcce-b302099a8057", "report");
  EXPECT_EQ(id, DerivedId("01890a5d-ac96-774b-bcce-b302099a8057", "report"));
  EXPECT_TRUE(IsUuid(id));
  EXPECT_EQ(id[14], '8');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
  EXPECT_NE(id, DerivedId("01890a5d-ac96-774b-bcce-b302099a8057", "snapshot"));
  EXPECT_NE(DerivedId("ab", "c"), DerivedId("a", "bc"));
}

}  // namespace
}  // namespace edcert::ids
