#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "common/clock/clock.h"
#include "common/jobs/limits.h"
#include "common/jobs/queue.h"
#include "common/jobs/worker_fixture_test.h"

namespace edcert::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kNowhere[] = "127.0.0.1:1";

config::Redis At(const std::string& address) {
  config::Redis config;
  config.set_address(address);
  return config;
}

absl::Time Now() { return clock::Clock::Real().Now(); }

class QueueTest : public ::testing::Test {
 protected:
  QueueTest() { EXPECT_TRUE(admin_.Run({"FLUSHALL"}).ok()); }

  void Push(const std::string& id, const std::string& organization, int64_t cost = 1,
            Priority priority = Priority::kInteractive) {
    const absl::Status pushed = queue_->Push({.id = id,
                                              .organization = organization,
                                              .dedupe_key = "",
                                              .priority = priority,
                                              .cost = cost});
    EXPECT_TRUE(pushed.ok()) << pushed;
  }

  std::string Pop() {
    const auto id = queue_->Pop();
    EXPECT_TRUE(id.ok()) << id.status();
    return id.ok() ? id->value_or("") : "";
  }

  std::vector<std::string> PopAll() {
    std::vector<std::string> ids;
    for (std::string id = Pop(); !id.empty(); id = Pop()) ids.push_back(id);
    return ids;
  }

  redis::Redis admin_{{.address = testing::TestRedisAddress(), .password = ""}};
  std::unique_ptr<Queue> queue_ = Queue::Make(At(testing::TestRedisAddress()), "test");
};

TEST_F(QueueTest, SmallOrganizationWaitsForOneJobOfTheBigOne) {
  for (int i = 0; i < 1000; ++i) Push("big" + std::to_string(i), "organizations/big");
  EXPECT_EQ(Pop(), "big0");
  Push("small", "organizations/small");
  EXPECT_EQ(Pop(), "small");
  const std::vector<std::string> rest = PopAll();
  EXPECT_EQ(rest.size(), 999);
  EXPECT_EQ(rest.front(), "big1");
}

TEST_F(QueueTest, OrganizationsTakeTurns) {
  for (const std::string organization : {"a", "b", "c"}) {
    for (int i = 1; i <= 3; ++i) Push(organization + std::to_string(i), organization);
  }
  EXPECT_THAT(PopAll(), ElementsAre("a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"));
}

TEST_F(QueueTest, PrioritiesComeInOrder) {
  Push("background", "a", 1, Priority::kBackground);
  Push("bulk", "a", 1, Priority::kBulk);
  Push("interactive1", "a");
  Push("interactive2", "a");
  EXPECT_THAT(PopAll(), ElementsAre("interactive1", "interactive2", "bulk", "background"));
}

TEST_F(QueueTest, ExpensiveJobsWaitWhileCheapOnesOfOthersRun) {
  for (int i = 0; i < 3; ++i) Push("big" + std::to_string(i), "big", 5 * kQuantum);
  for (int i = 0; i < 12; ++i) {
    Push("x" + std::to_string(i), "x");
    Push("y" + std::to_string(i), "y");
  }
  std::vector<std::string> order = PopAll();
  ASSERT_EQ(order.size(), 27);
  // The first of the big ones comes after about five turns of the others, not before.
  const auto first = std::find(order.begin(), order.end(), "big0") - order.begin();
  EXPECT_GE(first, 6);
  EXPECT_LE(first, 12);
  const auto second = std::find(order.begin(), order.end(), "big1") - order.begin();
  EXPECT_GE(second - first, 6);
}

TEST_F(QueueTest, NoOrganizationComesTwiceInARowWhileOthersWait) {
  // However the costs differ.
  std::map<std::string, int> left = {{"a", 20}, {"b", 10}, {"c", 5}};
  const std::map<std::string, int64_t> cost = {{"a", 1}, {"b", 3 * kQuantum}, {"c", 40 * kQuantum}};
  for (const auto& [organization, count] : left) {
    for (int i = 0; i < count; ++i) {
      Push(organization + std::to_string(i), organization, cost.at(organization));
    }
  }
  std::string last;
  for (int i = 0; i < 35; ++i) {
    const std::string organization = Pop().substr(0, 1);
    ASSERT_TRUE(left.contains(organization));
    const bool others_wait = left.size() > 1;
    if (others_wait) {
      EXPECT_NE(organization, last) << i;
    }
    if (--left[organization] == 0) left.erase(organization);
    last = organization;
  }
  EXPECT_EQ(Pop(), "");
}

TEST_F(QueueTest, LoneExpensiveJobIsServed) {
  Push("first", "a", 1);
  Push("second", "a", 1'000'000'000);
  EXPECT_THAT(PopAll(), ElementsAre("first", "second"));
}

TEST_F(QueueTest, IdThatIsThereIsNotPutAgain) {
  for (int i = 0; i < 3; ++i) Push("one", "a");
  EXPECT_THAT(PopAll(), ElementsAre("one"));
  Push("one", "a");
  EXPECT_THAT(PopAll(), ElementsAre("one"));
  // What is left is the bell and who was last.
  EXPECT_EQ(admin_.Run({"DBSIZE"})->integer, 2);
}

TEST_F(QueueTest, BellWakesAndIsBounded) {
  for (int i = 0; i < 3 * kMaxBellTokens; ++i) Push(std::to_string(i), "a");
  EXPECT_EQ(admin_.Run({"LLEN", "q:{test}:bell"})->integer, kMaxBellTokens);
  EXPECT_TRUE(queue_->Wait(absl::Seconds(20)).ok());
}

TEST_F(QueueTest, SurvivesTheLossOfScriptsAndKeys) {
  Push("one", "a");
  EXPECT_TRUE(admin_.Run({"SCRIPT", "FLUSH"}).ok());
  Push("two", "a");
  EXPECT_TRUE(admin_.Run({"SCRIPT", "FLUSH"}).ok());
  EXPECT_EQ(Pop(), "one");
  EXPECT_TRUE(admin_.Run({"DEL", "q:{test}:0:a"}).ok());
  EXPECT_EQ(Pop(), "");
  Push("three", "a");
  EXPECT_EQ(Pop(), "three");
}

TEST_F(QueueTest, BrokenConnectionIsOpenedAgainAfterAWhile) {
  EXPECT_TRUE(queue_->Healthy());
  EXPECT_TRUE(admin_.Run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}).ok());
  EXPECT_FALSE(queue_->Healthy());
  EXPECT_FALSE(queue_->Available());
  while (!queue_->Available()) {
  }
  EXPECT_TRUE(queue_->Healthy());
}

TEST(RedisTest, AbsentServerCostsNothingAfterTheFirstTry) {
  redis::Redis redis({.address = kNowhere, .password = ""});
  EXPECT_EQ(redis.Run({"PING"}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(redis.Available());
  const absl::Time began = Now();
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(redis.Run({"PING"}).ok());
  EXPECT_LT(Now() - began, absl::Milliseconds(50));
}

TEST(RedisTest, ServerThatDoesNotAnswerIsGivenUpAfterFiftyMilliseconds) {
  // The kernel accepts; nobody answers.
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  redis::Redis redis(
      {.address = "127.0.0.1:" + std::to_string(ntohs(address.sin_port)), .password = ""});
  const absl::Time began = Now();
  EXPECT_FALSE(redis.Run({"PING"}).ok());
  EXPECT_GE(Now() - began, absl::Milliseconds(40));
  EXPECT_LT(Now() - began, absl::Milliseconds(500));
  EXPECT_FALSE(redis.Available());
  close(listener);
}

TEST_F(QueueTest, KnowsAUserOfTheAcl) {
  ASSERT_TRUE(admin_.Run({"ACL", "SETUSER", "edcert-test", "on", ">secret", "~*", "+@all"}).ok());
  const auto is_let_in = [](const std::string& user, const std::string& password) {
    return redis::Redis(
               {.address = testing::TestRedisAddress(), .user = user, .password = password})
        .Run({"PING"})
        .ok();
  };
  EXPECT_TRUE(is_let_in("edcert-test", "secret"));
  EXPECT_FALSE(is_let_in("edcert-test", "wrong"));
  EXPECT_FALSE(is_let_in("nobody", "secret"));
  EXPECT_TRUE(admin_.Run({"ACL", "DELUSER", "edcert-test"}).ok());
}

class DispatchTest : public QueueTest, protected WorkerFixture {
 protected:
  DispatchTest() { queue_ = Queue::Make(At(testing::TestRedisAddress()), "validation"); }

  // Pops until `count` ids came, waiting for the bell.
  std::multiset<std::string> PopSome(std::size_t count) {
    std::multiset<std::string> ids;
    const absl::Time deadline = Now() + absl::Seconds(30);
    while (ids.size() < count && Now() < deadline) {
      const std::string id = Pop();
      if (id.empty()) {
        EXPECT_TRUE(queue_->Wait(absl::Seconds(1)).ok());
      } else {
        ids.insert(id);
      }
    }
    return ids;
  }
};

TEST_F(DispatchTest, HintArrives) {
  Dispatcher dispatcher(database().pool(), At(testing::TestRedisAddress()), "validation");
  dispatcher.Hint({.id = "one", .organization = "a", .dedupe_key = "not for Redis"});
  EXPECT_THAT(PopSome(1), ElementsAre("one"));
}

TEST_F(DispatchTest, HintsNeverBlockWithoutRedis) {
  Dispatcher dispatcher(database().pool(), At(kNowhere), "validation");
  Dispatcher without(database().pool(), config::Redis(), "validation");
  const absl::Time began = Now();
  for (int i = 0; i < 10'000; ++i) {
    dispatcher.Hint({.id = "one", .organization = "a", .dedupe_key = ""});
    without.Hint({.id = "one", .organization = "a", .dedupe_key = ""});
  }
  EXPECT_LT(Now() - began, absl::Seconds(1));
}

TEST_F(DispatchTest, SweepersPushWhatRedisForgotOnce) {
  std::multiset<std::string> ids;
  for (int i = 0; i < 450; ++i) ids.insert(Add("organizations/" + std::to_string(i % 3)));
  const std::string running = *ids.begin();
  Change("state = 'RUNNING', attempt = 1, lease_until = clock_timestamp() - interval '1 s'",
         running);
  const std::string later = *ids.rbegin();
  Change("run_after = clock_timestamp() + interval '1 hour'", later);
  for (const std::string& id : ids) Change("hinted_at = NULL", id);
  ids.erase(later);
  Dispatcher one(database().pool(), At(testing::TestRedisAddress()), "validation");
  Dispatcher two(database().pool(), At(testing::TestRedisAddress()), "validation");
  EXPECT_EQ(PopSome(449), ids);
}

TEST_F(DispatchTest, FlushLosesNoJobAndDoublesNone) {
  constexpr int kJobs = 120;
  const std::string blocked = Add("organizations/blocked");
  Start(testing::TestRedisAddress(), 1);
  EXPECT_EQ(NextOf("started").id, blocked);
  // The only worker is busy: all others wait, hinted.
  Dispatcher dispatcher(database().pool(), At(testing::TestRedisAddress()), "validation");
  std::set<std::string> ids = {blocked};
  for (int i = 0; i < kJobs; ++i) {
    const std::string organization = "organizations/" + std::to_string(i % 4);
    const std::string id = Add(organization);
    dispatcher.Hint({.id = id, .organization = organization, .dedupe_key = ""});
    ids.insert(id);
  }
  while (admin_.Run({"SCARD", "q:{validation}:present"})->integer < kJobs) {
  }
  Go();
  for (int i = 0; i < kJobs / 4; ++i) EXPECT_EQ(NextOf("completed").status, "OK");
  ASSERT_TRUE(admin_.Run({"FLUSHALL"}).ok());
  for (std::size_t i = kJobs / 4; i < ids.size(); ++i) {
    EXPECT_EQ(NextOf("completed").status, "OK");
  }
  EXPECT_EQ(Stop(), 0);
  for (const std::string& id : ids) {
    EXPECT_EQ(Read(id).state, State::kCompleted);
    EXPECT_EQ(Read(id).attempt, 1);
    EXPECT_EQ(Effects("completed", id), 1);
  }
}

TEST_F(DispatchTest, WorkersAreWokenByTheBell) {
  Start(testing::TestRedisAddress(), 1);
  // After the first job the worker waits for Redis only, ten seconds long.
  Add("organizations/a");
  EXPECT_EQ(NextOf("completed").status, "OK");
  Dispatcher dispatcher(database().pool(), At(testing::TestRedisAddress()), "validation");
  for (int i = 0; i < 5; ++i) {
    const std::string id = Add("organizations/a");
    const absl::Time began = Now();
    dispatcher.Hint({.id = id, .organization = "organizations/a", .dedupe_key = ""});
    EXPECT_EQ(NextOf("completed").id, id);
    EXPECT_LT(Now() - began, absl::Milliseconds(900)) << "only the sweeper found it";
  }
  EXPECT_EQ(Stop(), 0);
}

TEST_F(DispatchTest, IdsWithoutAClaimableJobAreDropped) {
  const std::string done = Add("organizations/a");
  Change("state = 'CANCELLED', finished_at = clock_timestamp()", done);
  Push(done, "organizations/a");
  Push(ids::IdSource::Real().NewId(), "organizations/a");
  const std::string good = Add("organizations/a");
  Push(good, "organizations/a");
  Start(testing::TestRedisAddress(), 1);
  EXPECT_EQ(NextOf("completed").id, good);
  EXPECT_EQ(Stop(), 0);
  EXPECT_THAT(PopAll(), IsEmpty());
  EXPECT_EQ(Read(done).state, State::kCancelled);
}

TEST_F(DispatchTest, UnreachableRedisDoesNotStopWorkers) {
  Start(kNowhere, 2);
  for (int i = 0; i < 20; ++i) {
    const std::string id = Add("organizations/a");
    EXPECT_EQ(NextOf("completed").id, id);
  }
  EXPECT_EQ(Stop(), 0);
}

}  // namespace
}  // namespace edcert::jobs
