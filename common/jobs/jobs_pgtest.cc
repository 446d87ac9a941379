#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "common/clock/clock.h"
#include "common/ids/ids.h"
#include "common/jobs/jobs.h"
#include "common/jobs/lease.h"
#include "common/jobs/limits.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/testing/database.h"

namespace edcert::jobs {
namespace {

using ::testing::ElementsAre;

const Claimer kWorker{.owner = "test:1", .quarantine = true};

class JobsTest : public ::testing::Test {
 protected:
  static std::string NewId() { return ids::IdSource::Real().NewId(); }

  pg::Database db() { return database_.db(); }

  // Accepts a job that is equal to no other one; returns its id.
  std::string Add(const std::string& organization, Priority priority = Priority::kInteractive) {
    const std::string id = NewId();
    EXPECT_EQ(
        AcceptOne({.id = id, .organization = organization, .dedupe_key = id, .priority = priority}),
        id);
    return id;
  }

  std::string AcceptOne(const NewJob& job) {
    std::string id;
    const absl::Status done = db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      absl::StatusOr<std::string> accepted = Accept(tx, job);
      if (accepted.ok()) id = *accepted;
      return accepted.status();
    });
    EXPECT_TRUE(done.ok()) << done;
    return id;
  }

  absl::StatusOr<bool> InTransaction(
      absl::FunctionRef<absl::StatusOr<bool>(pg::Transaction&)> body) {
    absl::StatusOr<bool> result = false;
    const absl::Status done = db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      result = body(tx);
      return result.status();
    });
    if (!done.ok()) return done;
    return result;
  }

  Job Read(const std::string& id) {
    pg::Database database = db();
    const auto job = Find(database, id);
    EXPECT_TRUE(job.ok() && job->has_value());
    return **job;
  }

  std::optional<Claim> Take(const std::string& id, const Claimer& claimer = kWorker) {
    pg::Database database = db();
    auto claim = ClaimById(database, claimer, id);
    EXPECT_TRUE(claim.ok()) << claim.status();
    return *claim;
  }

  std::optional<Claim> TakeNext() {
    pg::Database database = db();
    auto claim = ClaimNext(database, kWorker);
    EXPECT_TRUE(claim.ok()) << claim.status();
    return *claim;
  }

  absl::Status FinishOne(const std::string& id, int64_t attempt) {
    return db().RunInTransaction([&](pg::Transaction& tx) { return Finish(tx, id, attempt, {}); });
  }

  // What only time would do.
  void Change(const std::string& assignment, const std::string& id) {
    ASSERT_TRUE(
        database_.owner()
            .RunScript("UPDATE validation.job SET " + assignment + " WHERE id = '" + id + "'")
            .ok());
  }
  void ExpireLease(const std::string& id) {
    Change("lease_until = clock_timestamp() - interval '1 ms'", id);
  }
  void MakeDue(const std::string& id) { Change("run_after = clock_timestamp()", id); }

  const std::vector<pg::Component> components_ = {Migrations()};
  testing::TestDatabase database_{"validation", components_};
};

bool IsStale(const absl::Status& status) { return status.code() == absl::StatusCode::kCancelled; }

TEST_F(JobsTest, StatesHaveTheNamesOfTheDatabase) {
  for (const State state : {State::kQueued, State::kRunning, State::kCompleted, State::kFailed,
                            State::kCancelled, State::kExpired}) {
    EXPECT_EQ(StateFromString(ToString(state)), state);
  }
}

TEST_F(JobsTest, AcceptedJobWaits) {
  const std::string id = NewId();
  AcceptOne({.id = id,
             .organization = "organizations/a",
             .dedupe_key = std::string("\0\xff", 2),
             .priority = Priority::kBulk,
             .cost = 77});
  const Job job = Read(id);
  EXPECT_EQ(job.state, State::kQueued);
  EXPECT_EQ(job.organization, "organizations/a");
  EXPECT_EQ(job.priority, Priority::kBulk);
  EXPECT_EQ(job.cost, 77);
  EXPECT_EQ(job.attempt, 0);
  EXPECT_FALSE(job.started_at.has_value());
  EXPECT_FALSE(job.finished_at.has_value());
  pg::Database database = db();
  EXPECT_FALSE(Find(database, NewId())->has_value());
}

TEST_F(JobsTest, EqualJobsAreOneWhileTheyWaitOrRun) {
  NewJob job{.id = NewId(), .organization = "organizations/a", .dedupe_key = "same"};
  const std::string first = AcceptOne(job);
  job.id = NewId();
  EXPECT_EQ(AcceptOne(job), first);
  const auto claim = Take(first);
  ASSERT_TRUE(claim.has_value());
  EXPECT_EQ(AcceptOne(job), first);
  ASSERT_TRUE(FinishOne(first, 1).ok());
  EXPECT_EQ(AcceptOne(job), job.id);
}

TEST_F(JobsTest, EqualJobsOfManyThreadsAreOne) {
  std::vector<std::string> accepted(8);
  {
    std::vector<std::jthread> threads;
    for (std::string& id : accepted) {
      threads.emplace_back([this, &id] {
        id = AcceptOne({.id = NewId(), .organization = "organizations/a", .dedupe_key = "same"});
      });
    }
  }
  EXPECT_EQ(std::set<std::string>(accepted.begin(), accepted.end()).size(), 1);
}

TEST_F(JobsTest, OneOfManyClaimersGetsTheJob) {
  const std::string id = Add("organizations/a");
  std::atomic<int> by_id = 0;
  std::atomic<int> next = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] { by_id += Take(id).has_value() ? 1 : 0; });
      threads.emplace_back([&] { next += TakeNext().has_value() ? 1 : 0; });
    }
  }
  EXPECT_EQ(by_id + next, 1);
  const Job job = Read(id);
  EXPECT_EQ(job.state, State::kRunning);
  EXPECT_EQ(job.attempt, 1);
  EXPECT_TRUE(job.started_at.has_value());
}

TEST_F(JobsTest, StaleAttemptChangesNothing) {
  const std::string id = Add("organizations/a");
  ASSERT_EQ(Take(id)->job.attempt, 1);
  EXPECT_FALSE(Take(id).has_value());
  ExpireLease(id);
  const auto second = Take(id);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->job.attempt, 2);
  EXPECT_EQ(second->abandons, 1);

  pg::Database database = db();
  EXPECT_TRUE(IsStale(Heartbeat(database, id, 1)));
  EXPECT_TRUE(IsStale(StoreProgress(database, id, 1, {.done = 1, .total = 2, .phase = "x"})));
  EXPECT_TRUE(IsStale(TryAgain(database, id, 1, 1)));
  EXPECT_TRUE(IsStale(Release(database, id, 1, absl::ZeroDuration())));
  EXPECT_TRUE(IsStale(CountCrash(database, id, 1).status()));
  EXPECT_TRUE(IsStale(FinishOne(id, 1)));
  EXPECT_TRUE(IsStale(db().RunInTransaction(
      [&](pg::Transaction& tx) { return Fail(tx, id, 1, "late").status(); })));
  Job job = Read(id);
  EXPECT_EQ(job.state, State::kRunning);
  EXPECT_EQ(job.attempt, 2);
  EXPECT_EQ(job.progress_done, 0);

  EXPECT_TRUE(Heartbeat(database, id, 2).ok());
  EXPECT_TRUE(StoreProgress(database, id, 2, {.done = 1, .total = 2, .phase = "rows"}).ok());
  EXPECT_TRUE(FinishOne(id, 2).ok());
  job = Read(id);
  EXPECT_EQ(job.state, State::kCompleted);
  EXPECT_TRUE(job.finished_at.has_value());
  EXPECT_TRUE(IsStale(FinishOne(id, 2)));
}

TEST_F(JobsTest, HeartbeatKeepsTheLease) {
  const std::string id = Add("organizations/a");
  ASSERT_TRUE(Take(id).has_value());
  ExpireLease(id);
  pg::Database database = db();
  ASSERT_TRUE(Heartbeat(database, id, 1).ok());
  EXPECT_FALSE(Take(id).has_value());
  EXPECT_FALSE(TakeNext().has_value());
}

TEST_F(JobsTest, ExpiredLeaseIsTakenByThePollerToo) {
  const std::string id = Add("organizations/a");
  ASSERT_TRUE(TakeNext().has_value());
  EXPECT_FALSE(TakeNext().has_value());
  ExpireLease(id);
  const auto second = TakeNext();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->job.attempt, 2);
  EXPECT_EQ(second->abandons, 1);
}

TEST_F(JobsTest, ErrorsBackOffAndEnd) {
  const std::string id = Add("organizations/a");
  for (int error = 1; error < kMaxErrors; ++error) {
    const auto claim = Take(id);
    ASSERT_TRUE(claim.has_value()) << error;
    EXPECT_EQ(claim->errors, error - 1);
    EXPECT_EQ(Judge(absl::InternalError(""), *claim), Verdict::kTryAgain);
    pg::Database database = db();
    const absl::Time before = clock::Clock::Real().Now();
    ASSERT_TRUE(TryAgain(database, id, claim->job.attempt, error).ok());
    EXPECT_FALSE(Take(id).has_value()) << "taken before the back-off is over";
    EXPECT_FALSE(TakeNext().has_value());
    const auto row = db().RunText("SELECT run_after FROM job");
    const absl::Duration pause = (*row)[0].Time("run_after") - before;
    EXPECT_GE(pause, kErrorBackoff * (1 << (error - 1)));
    EXPECT_LT(pause, kErrorBackoff * (1 << error));
    MakeDue(id);
  }
  const auto last = Take(id);
  EXPECT_EQ(Judge(absl::InternalError(""), *last), Verdict::kFail);
  // It has used up its errors, but what it needs is away now.
  EXPECT_EQ(Judge(absl::UnavailableError(""), *last), Verdict::kPostpone);
  EXPECT_EQ(Judge(absl::InvalidArgumentError(""), Claim()), Verdict::kFail);
  EXPECT_EQ(Judge(absl::FailedPreconditionError(""), Claim()), Verdict::kFail);
}

TEST_F(JobsTest, WhatIsAwayCountsAsNothingForAnHour) {
  const std::string id = Add("organizations/a");
  pg::Database database = db();
  const auto pause_after = [&](int64_t attempt) {
    const absl::Time before = clock::Clock::Real().Now();
    EXPECT_TRUE(Postpone(database, id, attempt).ok());
    EXPECT_FALSE(Take(id).has_value()) << "taken before the back-off is over";
    const auto row = db().RunText("SELECT run_after FROM job");
    return (*row)[0].Time("run_after") - before;
  };
  const auto away_for = [&](absl::Duration time) {
    EXPECT_TRUE(db().RunText("UPDATE job SET away_since = clock_timestamp() - $1::bigint * "
                             "interval '1 ms', run_after = clock_timestamp()",
                             absl::ToInt64Milliseconds(time))
                    .ok());
    return *Take(id);
  };
  const absl::Status away = status::Unavailable("another service");
  const absl::Status slow = status::DeadlineExceeded();
  Claim claim = *Take(id);
  EXPECT_EQ(claim.away, absl::ZeroDuration());
  const absl::Duration first = pause_after(claim.job.attempt);
  EXPECT_GE(first, kShortestAwayBackoff);
  EXPECT_LT(first, 2 * kShortestAwayBackoff);

  claim = away_for(absl::Seconds(20));
  EXPECT_EQ(claim.errors + claim.crashes + claim.abandons, 0);
  EXPECT_EQ(Judge(away, claim), Verdict::kPostpone);
  EXPECT_EQ(Judge(slow, claim), Verdict::kPostpone);
  const absl::Duration second = pause_after(claim.job.attempt);
  EXPECT_GE(second, absl::Seconds(20));
  EXPECT_LT(second, kLongestAwayBackoff);

  claim = away_for(absl::Minutes(59));
  EXPECT_EQ(Judge(away, claim), Verdict::kPostpone);
  EXPECT_LT(pause_after(claim.job.attempt), 2 * kLongestAwayBackoff);

  claim = away_for(kMaxAway);
  EXPECT_EQ(Judge(away, claim), Verdict::kFail);
  // An error that is counted ends the time that something was away.
  ASSERT_TRUE(TryAgain(database, id, claim.job.attempt, 1).ok());
  MakeDue(id);
  EXPECT_EQ(Take(id)->away, absl::ZeroDuration());
}

TEST_F(JobsTest, StatementThatTakesTooLongIsAnErrorOfTheJob) {
  const absl::Status slow = db().RunInTransaction([](pg::Transaction& tx) -> absl::Status {
    RETURN_IF_ERROR(tx.RunText("SET LOCAL statement_timeout = 10").status());
    return tx.RunText("SELECT pg_sleep(10)").status();
  });
  ASSERT_EQ(slow.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Judge(slow, Claim()), Verdict::kTryAgain);
}

TEST_F(JobsTest, CrashesDoomAJob) {
  const std::string id = Add("organizations/a");
  for (int crash = 1; crash <= kMaxCrashes; ++crash) {
    const auto claim = Take(id);
    ASSERT_TRUE(claim.has_value());
    EXPECT_EQ(Doom(*claim), "");
    pg::Database database = db();
    EXPECT_EQ(*CountCrash(database, id, claim->job.attempt), crash);
    EXPECT_EQ(Read(id).state, State::kQueued);
    EXPECT_FALSE(Take(id).has_value()) << "taken before the back-off is over";
    MakeDue(id);
  }
  const auto claim = Take(id);
  ASSERT_TRUE(claim.has_value());
  EXPECT_EQ(claim->errors, 0);
  EXPECT_EQ(claim->abandons, 0);
  EXPECT_THAT(Doom(*claim), ::testing::HasSubstr("3 times"));
}

TEST_F(JobsTest, AbandonedJobsAreSetApartAndEnd) {
  const Claimer other{.owner = "test:2", .quarantine = false};
  const std::string id = Add("organizations/a");
  ASSERT_TRUE(Take(id, other).has_value());
  for (int abandon = 1; abandon <= kMaxAbandons; ++abandon) {
    ExpireLease(id);
    const bool apart = abandon > kQuarantineAbandons;
    if (apart) {
      EXPECT_FALSE(Take(id, other).has_value()) << abandon;
    }
    const auto claim = Take(id, apart ? kWorker : other);
    ASSERT_TRUE(claim.has_value()) << abandon;
    EXPECT_EQ(claim->abandons, abandon);
    EXPECT_EQ(Doom(*claim).empty(), abandon < kMaxAbandons);
  }
}

TEST_F(JobsTest, ReleasedJobIsDueAtOnceAndCountsAsNothing) {
  const std::string id = Add("organizations/a");
  ASSERT_TRUE(Take(id).has_value());
  pg::Database database = db();
  ASSERT_TRUE(Release(database, id, 1, absl::ZeroDuration()).ok());
  const auto claim = TakeNext();
  ASSERT_TRUE(claim.has_value());
  EXPECT_EQ(claim->job.attempt, 2);
  EXPECT_EQ(claim->errors + claim->crashes + claim->abandons, 0);
}

TEST_F(JobsTest, CancelEndsWaitingAndRunningJobs) {
  const std::string waiting = Add("organizations/a");
  const std::string running = Add("organizations/a");
  ASSERT_TRUE(Take(running).has_value());
  for (const std::string& id : {waiting, running}) {
    EXPECT_TRUE(*InTransaction([&](pg::Transaction& tx) { return Cancel(tx, id); }));
    EXPECT_FALSE(*InTransaction([&](pg::Transaction& tx) { return Cancel(tx, id); }));
    EXPECT_EQ(Read(id).state, State::kCancelled);
    EXPECT_FALSE(Take(id).has_value());
  }
  pg::Database database = db();
  EXPECT_TRUE(IsStale(Heartbeat(database, running, 1)));
  EXPECT_TRUE(IsStale(FinishOne(running, 1)));
}

TEST_F(JobsTest, RetryStartsAFailedJobAnew) {
  const NewJob job{.id = NewId(), .organization = "organizations/a", .dedupe_key = "same"};
  AcceptOne(job);
  const auto retry = [&] {
    return InTransaction([&](pg::Transaction& tx) { return Retry(tx, job.id); });
  };
  EXPECT_FALSE(*retry());
  ASSERT_TRUE(Take(job.id).has_value());
  ASSERT_TRUE(db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
                    const absl::StatusOr<Job> failed = Fail(tx, job.id, 1, "broken");
                    EXPECT_EQ(failed->state, State::kFailed);
                    return failed.status();
                  })
                  .ok());
  EXPECT_EQ(Read(job.id).failure, "broken");
  Change("crashes = 3, errors = 5", job.id);
  EXPECT_TRUE(*retry());
  EXPECT_EQ(Read(job.id).state, State::kQueued);
  EXPECT_EQ(Read(job.id).failure, "");
  const auto claim = Take(job.id);
  ASSERT_TRUE(claim.has_value());
  EXPECT_EQ(claim->job.attempt, 2);
  EXPECT_EQ(claim->errors + claim->crashes, 0);
}

TEST_F(JobsTest, RetryBesideAnEqualJobIsRefused) {
  const NewJob job{.id = NewId(), .organization = "organizations/a", .dedupe_key = "same"};
  AcceptOne(job);
  ASSERT_TRUE(Take(job.id).has_value());
  ASSERT_TRUE(db().RunInTransaction(
                      [&](pg::Transaction& tx) { return Fail(tx, job.id, 1, "broken").status(); })
                  .ok());
  AcceptOne({.id = NewId(), .organization = "organizations/a", .dedupe_key = "same"});
  const auto retried = InTransaction([&](pg::Transaction& tx) { return Retry(tx, job.id); });
  EXPECT_EQ(status::ReasonOf(retried.status()), "ALREADY_EXISTS");
  EXPECT_EQ(Read(job.id).state, State::kFailed);
}

TEST_F(JobsTest, PositionFollowsPriorityAndTurns) {
  const std::string a1 = Add("organizations/a");
  const std::string a2 = Add("organizations/a");
  const std::string a3 = Add("organizations/a");
  const std::string b1 = Add("organizations/b");
  const std::string bulk = Add("organizations/c", Priority::kBulk);
  const auto position = [this](const std::string& id) {
    pg::Database database = db();
    const auto found = PositionOf(database, id);
    EXPECT_TRUE(found.ok()) << found.status();
    return found->has_value() ? (*found)->position : 0;
  };
  EXPECT_EQ(position(a1), 1);
  EXPECT_EQ(position(b1), 2);
  EXPECT_EQ(position(a2), 3);
  EXPECT_EQ(position(a3), 4);
  EXPECT_EQ(position(bulk), 5);
  pg::Database database = db();
  EXPECT_GT((**PositionOf(database, bulk)).expected_start,
            (**PositionOf(database, a1)).expected_start);
  ASSERT_TRUE(Take(a1).has_value());
  EXPECT_EQ(position(a1), 0);
  EXPECT_EQ(position(b1), 2) << "a2 is the first of its organization now, and older";
}

TEST_F(JobsTest, PollerIsFairBetweenOrganizations) {
  for (int i = 0; i < 20; ++i) Add("organizations/big");
  const std::string small = Add("organizations/small");
  const std::string bulk = Add("organizations/other", Priority::kBulk);
  std::vector<std::string> order;
  for (int i = 0; i < 3; ++i) order.push_back(TakeNext()->job.organization);
  EXPECT_THAT(order, ElementsAre("organizations/big", "organizations/small", "organizations/big"));
  for (int i = 0; i < 18; ++i) EXPECT_EQ(TakeNext()->job.organization, "organizations/big");
  EXPECT_EQ(TakeNext()->job.id, bulk);
  EXPECT_FALSE(TakeNext().has_value());
}

TEST_F(JobsTest, ParallelPollersShareTheJobs) {
  constexpr int kJobs = 200;
  for (int i = 0; i < kJobs; ++i) Add("organizations/" + std::to_string(i % 7));
  std::vector<std::vector<std::string>> taken(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : taken) {
      threads.emplace_back([this, &mine] {
        while (const auto claim = TakeNext()) {
          mine.push_back(claim->job.id);
          EXPECT_TRUE(FinishOne(claim->job.id, claim->job.attempt).ok());
        }
      });
    }
  }
  std::multiset<std::string> all;
  for (const auto& mine : taken) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), kJobs);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), kJobs);
}

}  // namespace
}  // namespace edcert::jobs
