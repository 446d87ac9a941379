#include "common/paging/paging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "common/paging/page.pb.h"
#include "common/paging/testdata/test.pb.h"
#include "common/testing/matchers.h"

namespace edcert::paging {
namespace {

using pagingtest::ListOthersRequest;
using pagingtest::ListThingsRequest;
using ::testing::ElementsAre;
using testing::HasReason;
using testing::IsOk;

ListThingsRequest Request(const std::string& filter, const std::string& token = "") {
  ListThingsRequest request;
  request.set_filter(filter);
  request.set_page_token(token);
  return request;
}

constexpr char kSecret[] = "a secret of at least thirty-two bytes";

class PagingTest : public ::testing::Test {
 protected:
  CallerScope scope_{kSecret, "users/ann"};
};

TEST_F(PagingTest, ReadsSizes) {
  ListThingsRequest request;
  EXPECT_EQ(Read(request, 1)->size, kDefaultPageSize);
  EXPECT_EQ(Read(request, 1)->limit(), kDefaultPageSize + 1);
  request.set_page_size(1);
  EXPECT_EQ(Read(request, 1)->size, 1);
  request.set_page_size(kMaxPageSize + 1);
  EXPECT_EQ(Read(request, 1)->size, kMaxPageSize);
  request.set_page_size(2'147'483'647);
  EXPECT_EQ(Read(request, 1)->size, kMaxPageSize);
  request.set_page_size(-1);
  EXPECT_THAT(Read(request, 1), HasReason("FIELD_INVALID"));
}

TEST_F(PagingTest, TokenGivesBackItsKey) {
  const std::string binary("a\n/é", 5);
  const std::string token = NextToken(Request("f"), {"first", binary, ""});
  EXPECT_EQ(token.find_first_of("+/ "), std::string::npos);
  ListThingsRequest next = Request("f", token);
  next.set_page_size(7);  // may change from page to page
  const auto page = Read(next, 3);
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(page->key, ElementsAre("first", binary, ""));
  EXPECT_EQ(page->Key(0), "first");
  EXPECT_EQ(page->Key(9), "");
}

TEST(PageTest, ReadsKeysOfAKind) {
  constexpr char kId[] = "01890a5d-ac96-774b-bcce-b302099a8057";
  const absl::Time time = absl::FromUnixMicros(1'700'000'000'123'456);
  Page page;
  EXPECT_EQ(*page.IntKey(0), 0);
  EXPECT_EQ(*page.UuidKey(0), "");
  EXPECT_EQ(*page.TimeKey(0), std::nullopt);
  page.key = {"42", kId, TimeText(time), TimeText(absl::UnixEpoch() - absl::Seconds(1))};
  EXPECT_EQ(*page.IntKey(0), 42);
  EXPECT_EQ(*page.UuidKey(1), kId);
  EXPECT_EQ(*page.TimeKey(2), time);
  EXPECT_EQ(*page.TimeKey(3), absl::UnixEpoch() - absl::Seconds(1));
  for (const char* bad : {"", "x", "-1", "1x", "9223372036854775808"}) {
    page.key = {bad};
    EXPECT_THAT(page.IntKey(0), HasReason("PAGE_TOKEN_INVALID")) << bad;
    EXPECT_THAT(page.UuidKey(0), HasReason("PAGE_TOKEN_INVALID")) << bad;
  }
  for (const char* bad : {"", "x", "9223372036854775807", "-9223372036854775808"}) {
    page.key = {bad};
    EXPECT_THAT(page.TimeKey(0), HasReason("PAGE_TOKEN_INVALID")) << bad;
  }
}

TEST_F(PagingTest, RefusesTheTokenOfAnotherRequest) {
  const std::string token = NextToken(Request("f"), {"k"});
  EXPECT_THAT(Read(Request("g", token), 1), HasReason("PAGE_TOKEN_INVALID"));
  EXPECT_THAT(Read(Request("", token), 1), HasReason("PAGE_TOKEN_INVALID"));
  EXPECT_THAT(Read(Request("f", token), 2), HasReason("PAGE_TOKEN_INVALID"));
  ListOthersRequest other;  // the same fields
  other.set_filter("f");
  other.set_page_token(token);
  EXPECT_THAT(Read(other, 1), HasReason("PAGE_TOKEN_INVALID"));
}

// The token, and that it is taken, while `caller` calls a server with `secret`.
absl::StatusOr<Page> ReadAs(const char* secret, const char* caller, const std::string& token) {
  const CallerScope scope(secret, caller);
  return Read(Request("f", token), 1);
}

TEST(PageTokenTest, IsBoundToItsCallerAndTheSecret) {
  std::string token;
  {
    const CallerScope scope(kSecret, "users/ann");
    token = NextToken(Request("f"), {"k"});
  }
  EXPECT_THAT(ReadAs(kSecret, "users/ann", token), IsOk());
  EXPECT_THAT(ReadAs(kSecret, "users/bob", token), HasReason("PAGE_TOKEN_INVALID"));
  EXPECT_THAT(ReadAs("another secret of thirty-two bytes.", "users/ann", token),
              HasReason("PAGE_TOKEN_INVALID"));
}

TEST_F(PagingTest, RefusesAKeyThatItDidNotGive) {
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(NextToken(Request("f"), {"k", "m"}), &bytes));
  Token decoded;
  ASSERT_TRUE(decoded.ParseFromString(bytes));
  const auto read = [](const Token& token) {
    return Read(Request("f", absl::WebSafeBase64Escape(token.SerializeAsString())), 2);
  };
  EXPECT_THAT(read(decoded), IsOk());
  Token other = decoded;
  other.set_key(0, "l");
  EXPECT_THAT(read(other), HasReason("PAGE_TOKEN_INVALID"));
  other = decoded;  // the same letters in other columns
  other.set_key(0, "km");
  other.set_key(1, "");
  EXPECT_THAT(read(other), HasReason("PAGE_TOKEN_INVALID"));
  other = decoded;
  other.mutable_mac()->pop_back();
  EXPECT_THAT(read(other), HasReason("PAGE_TOKEN_INVALID"));
  other.clear_mac();
  EXPECT_THAT(read(other), HasReason("PAGE_TOKEN_INVALID"));
}

TEST_F(PagingTest, RefusesATokenThatWasTamperedWith) {
  const std::string token = NextToken(Request("f"), {"k"});
  for (const std::string& bad : {token.substr(1), token + "!", std::string("x"),
                                 std::string("AAAA"), token + token, std::string(5000, 'A')}) {
    EXPECT_THAT(Read(Request("f", bad), 1), HasReason("PAGE_TOKEN_INVALID")) << bad;
  }
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(token, &bytes));
  Token decoded;
  ASSERT_TRUE(decoded.ParseFromString(bytes));
  decoded.set_version(1);
  EXPECT_THAT(Read(Request("f", absl::WebSafeBase64Escape(decoded.SerializeAsString())), 1),
              HasReason("PAGE_TOKEN_INVALID"));
}

TEST_F(PagingTest, CutsToThePage) {
  ListThingsRequest request = Request("f");
  request.set_page_size(2);
  const Page page = *Read(request, 1);
  const auto key = [](const std::string& row) { return std::vector{row}; };
  std::vector<std::string> rows = {"a", "b", "c"};
  const std::string token = Cut(request, page, rows, key);
  EXPECT_THAT(rows, ElementsAre("a", "b"));
  request.set_page_token(token);
  EXPECT_THAT(Read(request, 1)->key, ElementsAre("b"));
  rows = {"c", "d"};
  EXPECT_EQ(Cut(request, page, rows, key), "");
  EXPECT_EQ(rows.size(), 2U);
}

}  // namespace
}  // namespace edcert::paging
