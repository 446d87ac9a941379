#include "services/snapshot/digest.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace edcert::snapshot {
namespace {

std::string Hash(char fill) { return std::string(32, fill); }

std::string Hex(const std::string& bytes) { return absl::BytesToHexString(bytes); }

// The expected digests were computed with Python's hashlib from the formula in digest.h:
//   sha256(b"\x02edcert dataset v1" + b"".join(struct.pack(">I", len(k)) + k + h for k, h in rows))
TEST(DigestTest, DatasetDigestsAreThoseOfTheFormula) {
  DatasetDigest empty;
  EXPECT_EQ(Hex(empty.Finish()),
            "79b46ac007a9b2b713db6d61f648906db0227930a518c99078255e9701cbdb97");
  DatasetDigest two;
  ASSERT_TRUE(two.Add("a", Hash('\x01')).ok());
  ASSERT_TRUE(two.Add("b|\u00e9", Hash('\xff')).ok());
  EXPECT_EQ(two.rows(), 2);
  EXPECT_EQ(Hex(two.Finish()), "0f7e8cbe0a184c9eb98a33ef53cca0f83170e39e1d9e90d2e65289059ae3e2ff");
}

TEST(DigestTest, TheRootIsThatOfTheFormula) {
  EXPECT_EQ(Hex(RootOf({})), "311b116fc34e973e1a9fcf159fde1b1c701459c6719437d203a0e85211866674");
  EXPECT_EQ(Hex(RootOf({{"attendance", 41, 2, Hash('\x0a')},
                        {"enrollment", 1LL << 40, 5'000'000'000, Hash('\x0b')}})),
            "ac0fd015ab6c2e1b8f996197975443c83b4a0745675de7f7ca4073c160480b14");
}

TEST(DigestTest, KeysMustGrowAndHashesBeWhole) {
  DatasetDigest digest;
  ASSERT_TRUE(digest.Add("b", Hash('x')).ok());
  EXPECT_FALSE(digest.Add("b", Hash('x')).ok());
  EXPECT_FALSE(digest.Add("a", Hash('x')).ok());
  EXPECT_FALSE(digest.Add("c", "short").ok());
  EXPECT_TRUE(digest.Add("\xff", Hash('x')).ok());  // bytes, not characters of a locale
}

TEST(DigestTest, WhereAKeyEndsMatters) {
  DatasetDigest first;
  DatasetDigest second;
  ASSERT_TRUE(first.Add("ab", Hash('c')).ok());
  ASSERT_TRUE(second.Add("abc", Hash('c')).ok());
  EXPECT_NE(first.Finish(), second.Finish());
}

}  // namespace
}  // namespace edcert::snapshot
