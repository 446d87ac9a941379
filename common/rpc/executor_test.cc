#include "common/rpc/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "absl/synchronization/notification.h"

namespace edcert::rpc {
namespace {

TEST(ExecutorTest, RefusesWhatItCannotQueue) {
  absl::Notification started;
  absl::Notification release;
  std::atomic<int> done = 0;
  Executor executor({.name = "test", .threads = 1, .queue_length = 2});
  ASSERT_TRUE(executor.Submit([&] {
    started.Notify();
    release.WaitForNotification();
    ++done;
  }));
  started.WaitForNotification();
  EXPECT_TRUE(executor.Submit([&] { ++done; }));
  EXPECT_TRUE(executor.Submit([&] { ++done; }));
  EXPECT_FALSE(executor.Submit([&] { ++done; }));
  release.Notify();
  absl::Notification last;
  while (!executor.Submit([&] { last.Notify(); })) {
  }
  last.WaitForNotification();
  EXPECT_EQ(done, 3);
}

TEST(ExecutorTest, DrainsAtDestruction) {
  std::atomic<int> done = 0;
  absl::Notification release;
  auto executor = std::make_unique<Executor>(
      Executor::Options{.name = "test", .threads = 2, .queue_length = 1000});
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(executor->Submit([&] {
      release.WaitForNotification();
      ++done;
    }));
  }
  release.Notify();
  executor.reset();
  EXPECT_EQ(done, 500);
}

TEST(ExecutorTest, RunsAsManyAtOnceAsItHasThreads) {
  std::atomic<int> running = 0;
  absl::Notification together;
  Executor executor({.name = "test", .threads = 3, .queue_length = 10});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(executor.Submit([&] {
      if (++running == 3) together.Notify();
      together.WaitForNotification();
    }));
  }
  together.WaitForNotification();
}

}  // namespace
}  // namespace edcert::rpc
