#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "common/idempotency/idempotency.h"
#include "common/ids/ids.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/testing/database.h"
#include "common/testing/matchers.h"
#include "edcert/type/change.pb.h"

namespace edcert::idempotency {
namespace {

using testing::HasReason;
using testing::IsOk;

class IdempotencyTest : public ::testing::Test {
 protected:
  IdempotencyTest() : database_("registry", {}), db_(database_.db()) {
    CHECK(database_.owner()
              .RunScript("CREATE TABLE registry.effect (id serial);"
                         "GRANT ALL ON ALL TABLES IN SCHEMA registry TO registry;"
                         "GRANT ALL ON ALL SEQUENCES IN SCHEMA registry TO registry;"
                         "REVOKE UPDATE, DELETE ON registry.audit FROM registry")
              .ok());
  }

  static Key NewKey(const std::string& content = "a") {
    type::Change request;
    request.set_subject(content);
    return {.principal = "users/ann",
            .acting = "",
            .method = "test/Do",
            .request_id = ids::IdSource::Real().NewId(),
            .sha256 = HashOf(request)};
  }

  // What rpc::Command does.
  absl::StatusOr<std::string> Do(const Key& key, const std::string& response,
                                 const absl::Status& refusal = absl::OkStatus()) {
    std::string answer;
    RETURN_IF_ERROR(database_.db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      ASSIGN_OR_RETURN(const std::optional<std::string> before, Claim(tx, key));
      if (before.has_value()) {
        answer = *before;
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(tx.RunText("INSERT INTO effect DEFAULT VALUES").status());
      RETURN_IF_ERROR(refusal);
      answer = response;
      Finish(tx, key, ids::IdSource::Real().NewId(), "events/x", response);
      return absl::OkStatus();
    }));
    return answer;
  }

  int64_t CountOf(const std::string& table) {
    const auto rows = db_.RunText("SELECT count(*) AS n FROM " + table);
    CHECK(rows.ok());
    return (*rows)[0].Int("n");
  }

  testing::TestDatabase database_;
  pg::Database db_;
};

TEST_F(IdempotencyTest, RepeatedRequestGetsItsFirstAnswer) {
  const Key key = NewKey();
  EXPECT_FALSE(Find(db_, key)->has_value());
  const std::string binary("first\0\xff", 7);
  EXPECT_EQ(*Do(key, binary), binary);
  EXPECT_EQ(*Do(key, "second"), binary);
  EXPECT_EQ(**Find(db_, key), binary);
  EXPECT_EQ(CountOf("effect"), 1);
  EXPECT_EQ(CountOf("audit"), 1);
}

TEST_F(IdempotencyTest, EmptyAnswerIsAnAnswer) {
  const Key key = NewKey();
  EXPECT_EQ(*Do(key, ""), "");
  ASSERT_TRUE(Find(db_, key)->has_value());
  EXPECT_EQ(**Find(db_, key), "");
  EXPECT_EQ(*Do(key, "second"), "");
  EXPECT_EQ(CountOf("effect"), 1);
}

TEST_F(IdempotencyTest, ReuseWithOtherContentIsRefused) {
  const Key key = NewKey("a");
  ASSERT_THAT(Do(key, "first"), IsOk());
  Key other = NewKey("b");
  other.request_id = key.request_id;
  EXPECT_THAT(Do(other, "second"), HasReason("REQUEST_ID_REUSED"));
  EXPECT_THAT(Find(db_, other), HasReason("REQUEST_ID_REUSED"));
  EXPECT_EQ(CountOf("effect"), 1);
  EXPECT_EQ(CountOf("audit"), 1);
}

TEST_F(IdempotencyTest, KeysOfOthersAreOthers) {
  const Key key = NewKey();
  ASSERT_THAT(Do(key, "first"), IsOk());
  Key other_user = key;
  other_user.principal = "users/bob";
  Key other_method = key;
  other_method.method = "test/Other";
  EXPECT_EQ(*Do(other_user, "second"), "second");
  EXPECT_EQ(*Do(other_method, "third"), "third");
}

TEST_F(IdempotencyTest, RequestIdIsTheSameInAnyCase) {
  Key key = NewKey();
  key.request_id = "01890a5d-ac96-774b-bcce-b302099a8057";
  ASSERT_THAT(Do(key, "first"), IsOk());
  key.request_id = "01890A5D-AC96-774B-BCCE-B302099A8057";
  EXPECT_EQ(*Do(key, "second"), "first");
}

TEST_F(IdempotencyTest, RefusalLeavesNothing) {
  const Key key = NewKey();
  EXPECT_THAT(Do(key, "", status::NotFound("events/x")), HasReason("NOT_FOUND"));
  EXPECT_EQ(CountOf("effect"), 0);
  EXPECT_EQ(CountOf("audit"), 0);
  EXPECT_EQ(CountOf("idempotency"), 0);
  EXPECT_EQ(*Do(key, "legal now"), "legal now");
}

TEST_F(IdempotencyTest, TwinsInParallelHaveOneEffect) {
  for (int round = 0; round < 20; ++round) {
    const Key key = NewKey();
    std::vector<absl::StatusOr<std::string>> answers(8, absl::UnknownError(""));
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < answers.size(); ++i) {
        threads.emplace_back([&, i] { answers[i] = Do(key, "answer " + std::to_string(i)); });
      }
    }
    for (const auto& answer : answers) {
      ASSERT_THAT(answer, IsOk());
      EXPECT_EQ(*answer, *answers[0]);
    }
    EXPECT_EQ(CountOf("effect"), round + 1);
    EXPECT_EQ(CountOf("audit"), round + 1);
  }
}

TEST_F(IdempotencyTest, TwinOfARefusedRequestRunsItself) {
  for (int round = 0; round < 20; ++round) {
    const Key key = NewKey();
    absl::StatusOr<std::string> refused;
    absl::StatusOr<std::string> accepted;
    {
      const std::jthread a([&] { refused = Do(key, "", status::NotFound("events/x")); });
      const std::jthread b([&] { accepted = Do(key, "done"); });
    }
    EXPECT_THAT(accepted, IsOk());
    // The refused one may have come second: then it gets the answer.
    EXPECT_TRUE(refused.ok() || status::ReasonOf(refused.status()) == "NOT_FOUND");
    EXPECT_EQ(CountOf("effect"), round + 1);
  }
}

TEST(HashTest, CoversEverythingButTheRequestId) {
  type::Change one;
  one.set_subject("a");
  (*one.mutable_attributes())["x"] = "1";
  (*one.mutable_attributes())["y"] = "2";
  type::Change same;
  (*same.mutable_attributes())["y"] = "2";
  (*same.mutable_attributes())["x"] = "1";
  same.set_subject("a");
  EXPECT_EQ(HashOf(one), HashOf(same));
  EXPECT_EQ(HashOf(one).size(), 32U);
  (*same.mutable_attributes())["y"] = "3";
  EXPECT_NE(HashOf(one), HashOf(same));
}

TEST_F(IdempotencyTest, ListsTheAuditNewestFirst) {
  std::vector<std::string> requests;
  for (int i = 0; i < 5; ++i) {
    const Key key = NewKey();
    ASSERT_THAT(Do(key, ""), IsOk());
    requests.push_back(key.request_id);
  }
  std::vector<std::string> listed;
  std::string after;
  while (true) {
    const auto page = ListAudit(db_, {}, after, 2);
    ASSERT_THAT(page, IsOk());
    if (page->empty()) break;
    for (const AuditRecord& record : *page) {
      listed.insert(listed.begin(), record.request_id);
      EXPECT_EQ(record.actor, "users/ann");
      EXPECT_EQ(record.method, "test/Do");
      EXPECT_EQ(record.subject, "events/x");
      EXPECT_EQ(record.request_sha256.size(), 64U);
    }
    after = page->back().id;
  }
  EXPECT_EQ(listed, requests);
  EXPECT_EQ(ListAudit(db_, {.actor = "users/bob"}, "", 10)->size(), 0U);
  EXPECT_EQ(ListAudit(db_, {.subject = "events/x"}, "", 10)->size(), 5U);
  EXPECT_EQ(ListAudit(db_, {.to = absl::UnixEpoch()}, "", 10)->size(), 0U);
}

}  // namespace
}  // namespace edcert::idempotency
