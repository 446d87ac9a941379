#include "common/rpc/look_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <optional>
#include <vector>

#include "absl/synchronization/notification.h"

namespace edcert::rpc {
namespace {

TEST(LookQueueTest, LosesNoLookAndKeepsTheirOrder) {
  constexpr int kLooks = 100;
  absl::Notification started;
  absl::Notification release;
  absl::Notification done;
  std::vector<int> order;
  std::optional<LookQueue> looks;  // outlives the threads
  Executor executor({.name = "test", .threads = 1, .queue_length = 1});
  looks.emplace(executor, 1);
  ASSERT_TRUE(executor.Submit([&] {
    started.Notify();
    release.WaitForNotification();
  }));
  started.WaitForNotification();
  ASSERT_TRUE(executor.Submit([] {}));  // full: the executor refuses the looks
  for (int i = 0; i < kLooks; ++i) {
    looks->Add([&, i] {
      order.push_back(i);
      if (i == kLooks - 1) done.Notify();
    });
  }
  release.Notify();
  while (!done.HasBeenNotified()) looks->Kick();
  std::vector<int> expected(kLooks);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
}

TEST(LookQueueTest, TakesOnlyItsPartOfTheThreads) {
  absl::Notification release;
  std::atomic<int> running = 0;
  std::optional<LookQueue> looks;  // outlives the threads
  Executor executor({.name = "test", .threads = 3, .queue_length = 100});
  looks.emplace(executor, 2);
  for (int i = 0; i < 50; ++i) {
    looks->Add([&] {
      ++running;
      release.WaitForNotification();
    });
  }
  absl::Notification call;
  ASSERT_TRUE(executor.Submit([&] { call.Notify(); }));
  call.WaitForNotification();  // the third thread is free for calls
  EXPECT_LE(running, 2);
  release.Notify();
  while (running < 50) looks->Kick();
}

}  // namespace
}  // namespace edcert::rpc
