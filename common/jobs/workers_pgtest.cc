#include <gtest/gtest.h>
#include <signal.h>

#include "common/clock/clock.h"
#include "common/jobs/limits.h"
#include "common/jobs/worker_fixture_test.h"

namespace edcert::jobs {
namespace {

class WorkersTest : public ::testing::Test, protected WorkerFixture {};

TEST_F(WorkersTest, RunsWhatWaitsAndWhatComes) {
  const std::string first = Add("organizations/a");
  Start();
  EXPECT_EQ(NextOf("completed").status, "OK");
  const std::string second = Add("organizations/a");
  EXPECT_EQ(NextOf("completed").id, second);
  for (const std::string& id : {first, second}) {
    const Job job = Read(id);
    EXPECT_EQ(job.state, State::kCompleted);
    EXPECT_EQ(job.attempt, 1);
    EXPECT_EQ(job.progress_done, 1);
    EXPECT_EQ(job.progress_phase, "rows");
    EXPECT_EQ(Effects("written", id), 1);
    EXPECT_EQ(Effects("completed", id), 1);
  }
  EXPECT_EQ(Stop(), 0);
}

TEST_F(WorkersTest, KilledWorkerCountsAsCrashAndTheJobCompletesOnce) {
  const std::string id = Add("organizations/blocked");
  Start();
  const Told first = NextOf("started");
  EXPECT_EQ(first.attempt, 1);
  kill(first.worker, SIGKILL);
  const Told second = NextOf("started");
  EXPECT_EQ(second.id, id);
  EXPECT_EQ(second.attempt, 2);
  EXPECT_NE(second.worker, first.worker);
  Go();
  EXPECT_EQ(NextOf("completed").status, "OK");
  EXPECT_EQ(Read(id).state, State::kCompleted);
  EXPECT_EQ(Counter("crashes", id), 1);
  EXPECT_EQ(Counter("abandons", id), 0);
  EXPECT_EQ(Counter("errors", id), 0);
  EXPECT_EQ(Effects("completed", id), 1);
  EXPECT_EQ(Stop(), 0);
}

TEST_F(WorkersTest, TermGivesTheJobBackAtOnce) {
  const std::string id = Add("organizations/blocked");
  Start();
  NextOf("started");
  EXPECT_EQ(Stop(), 0);
  EXPECT_EQ(Read(id).state, State::kQueued);
  const auto due = database().db().RunText("SELECT run_after <= clock_timestamp() AS due FROM job");
  EXPECT_TRUE((*due)[0].Bool("due"));
  EXPECT_EQ(Counter("crashes", id) + Counter("abandons", id) + Counter("errors", id), 0);
  EXPECT_EQ(Effects("written", id), 0);
}

TEST_F(WorkersTest, TermOfOneWorkerGivesItsJobBackAndStartsAnother) {
  const std::string id = Add("organizations/blocked");
  Start();
  kill(NextOf("started").worker, SIGTERM);
  EXPECT_EQ(NextOf("started").attempt, 2);
  EXPECT_EQ(Counter("crashes", id), 0);
  Go();
  EXPECT_EQ(NextOf("completed").status, "OK");
  EXPECT_EQ(Stop(), 0);
}

TEST_F(WorkersTest, WorkersEndWithTheirParentAndGiveJobsBack) {
  const std::string id = Add("organizations/blocked");
  Start();
  NextOf("started");
  kill(parent(), SIGKILL);
  EXPECT_EQ(WaitForParent(), -SIGKILL);
  EXPECT_EQ(Next().what, "") << "the worker goes on without its parent";
  EXPECT_EQ(Read(id).state, State::kQueued);
}

TEST_F(WorkersTest, JobThatRunsTooLongIsKilled) {
  const std::string id = Add("organizations/blocked");
  Start("", 1, absl::Milliseconds(300));
  NextOf("started");
  EXPECT_EQ(NextOf("started").attempt, 2);
  EXPECT_EQ(Counter("crashes", id), 1);
}

TEST_F(WorkersTest, RefusedJobFailsWithItsMessage) {
  const std::string id = Add("organizations/invalid");
  Start();
  NextOf("failed");
  EXPECT_EQ(Stop(), 0);
  const Job job = Read(id);
  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_NE(job.failure.find("makes no sense"), std::string::npos) << job.failure;
  EXPECT_EQ(Effects("failed", id), 1);
  EXPECT_EQ(Counter("attempt", id), 1);
}

TEST_F(WorkersTest, JobThatCrashedThreeTimesFailsWithoutRunning) {
  const std::string id = Add("organizations/a");
  Change("crashes = 3", id);
  Start();
  EXPECT_EQ(Next().what, "failed");
  EXPECT_EQ(Stop(), 0);
  EXPECT_EQ(Read(id).state, State::kFailed);
  EXPECT_EQ(Effects("completed", id), 0);
  EXPECT_EQ(Effects("failed", id), 1);
}

TEST_F(WorkersTest, LateWorkerWritesNothing) {
  const std::string id = Add("organizations/blocked");
  Start();
  NextOf("started");
  // Another worker has it by now.
  Change("attempt = 2", id);
  Go();
  EXPECT_EQ(NextOf("progress").status, "CANCELLED");
  EXPECT_EQ(NextOf("written").status, "CANCELLED");
  EXPECT_EQ(NextOf("completed").status, "CANCELLED");
  EXPECT_EQ(Read(id).state, State::kRunning);
  EXPECT_EQ(Read(id).progress_done, 0);
  EXPECT_EQ(Effects("written", id) + Effects("completed", id), 0);
  // The worker goes on with other jobs.
  Add("organizations/a");
  EXPECT_EQ(NextOf("completed").status, "OK");
  EXPECT_EQ(Stop(), 0);
  EXPECT_EQ(Read(id).state, State::kRunning) << "given back by a worker that had lost it";
}

// Whichever write of a late worker comes first.
TEST_F(WorkersTest, LateCompleteOrWriteIsRolledBack) {
  for (const std::string organization : {"organizations/silent", "organizations/writing"}) {
    Add(organization);
  }
  Start("", 2);
  const std::string first = NextOf("started").id;
  const std::string second = NextOf("started").id;
  Change("attempt = 2", first);
  Change("attempt = 2", second);
  Go();
  Go();
  EXPECT_EQ(NextOf("completed").status, "CANCELLED");
  EXPECT_EQ(NextOf("completed").status, "CANCELLED");
  for (const std::string& id : {first, second}) {
    EXPECT_EQ(Effects("written", id) + Effects("completed", id), 0);
    EXPECT_EQ(Read(id).state, State::kRunning);
  }
}

TEST_F(WorkersTest, ErrorIsTriedAgain) {
  const std::string id = Add("organizations/unlucky");
  Start();
  EXPECT_EQ(NextOf("completed").attempt, 2);
  EXPECT_EQ(Read(id).state, State::kCompleted);
  EXPECT_EQ(Counter("errors", id), 1);
  EXPECT_EQ(Counter("crashes", id) + Counter("abandons", id), 0);
  EXPECT_EQ(Stop(), 0);
}

TEST_F(WorkersTest, JobWaitsForWhatIsAway) {
  const std::string id = Add("organizations/lonely");
  Change("errors = 4", id);  // one more would end it
  Start();
  EXPECT_EQ(NextOf("completed").attempt, 2);
  EXPECT_EQ(Read(id).state, State::kCompleted);
  EXPECT_EQ(Counter("errors", id), 4);
  EXPECT_EQ(Stop(), 0);
}

TEST_F(WorkersTest, LeaseIsExtendedWhileAJobIsBusy) {
  const std::string id = Add("organizations/blocked");
  Start();
  NextOf("started");
  Change("lease_until = clock_timestamp() + interval '1 hour'", id);
  const absl::Time deadline = clock::Clock::Real().Now() + 2 * kHeartbeat;
  bool extended = false;
  while (!extended && clock::Clock::Real().Now() < deadline) {
    const auto lease = database().db().RunText(
        "SELECT lease_until < clock_timestamp() + interval '1 minute' AS extended, pg_sleep(0.05)"
        " FROM job");
    extended = (*lease)[0].Bool("extended");
  }
  EXPECT_TRUE(extended);
  Go();
  EXPECT_EQ(NextOf("completed").status, "OK");
}

// The only worker is busy with what nobody waits for.
TEST_F(WorkersTest, BackgroundJobGivesWayBetweenItsParts) {
  const std::string background = Add("organizations/polite", Priority::kBackground);
  Start();
  NextOf("started");
  Go();
  EXPECT_EQ(NextOf("part").status, "OK");
  // An equal one is not better, nor is a better one that is not due.
  Add("organizations/polite", Priority::kBackground);
  const std::string later = Add("organizations/a", Priority::kBulk);
  Change("run_after = clock_timestamp() + interval '1 hour'", later);
  Go();
  EXPECT_EQ(NextOf("part").status, "OK");

  const std::string asked = Add("organizations/a");
  Go();
  const Told gave_way = NextOf("part");
  EXPECT_EQ(gave_way.id, background);
  EXPECT_EQ(gave_way.status, "CANCELLED");
  EXPECT_EQ(Next().id, asked) << "what comes next is not what waits for a person";
  EXPECT_EQ(NextOf("completed").id, asked);

  const Told again = NextOf("started");
  EXPECT_EQ(again.id, background);
  EXPECT_EQ(again.attempt, 2);
  EXPECT_EQ(Counter("errors", background) + Counter("abandons", background) +
                Counter("crashes", background),
            0);
  for (int part = 0; part < 3; ++part) Go();
  EXPECT_EQ(NextOf("completed").id, background);
  EXPECT_EQ(Read(background).state, State::kCompleted);
}

TEST_F(WorkersTest, WorkersShareTheJobs) {
  constexpr int kJobs = 60;
  std::vector<std::string> ids;
  for (int i = 0; i < kJobs; ++i) ids.push_back(Add("organizations/" + std::to_string(i % 5)));
  Start("", 3);
  for (int i = 0; i < kJobs; ++i) EXPECT_EQ(NextOf("completed").status, "OK");
  EXPECT_EQ(Stop(), 0);
  for (const std::string& id : ids) {
    EXPECT_EQ(Effects("completed", id), 1);
    EXPECT_EQ(Read(id).attempt, 1);
  }
}

}  // namespace
}  // namespace edcert::jobs
