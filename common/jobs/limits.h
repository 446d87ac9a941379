// Every bound of the job queue.
#pragma once

#include "absl/time/time.h"

namespace edcert::jobs {

// A claimed job belongs to its worker for so long after the last sign of life.
inline constexpr absl::Duration kLease = absl::Seconds(15);
inline constexpr absl::Duration kHeartbeat = absl::Seconds(5);
inline constexpr absl::Duration kProgressInterval = absl::Milliseconds(200);

// Tries of a job, by what went wrong.
inline constexpr int kMaxErrors = 5;
inline constexpr int kMaxCrashes = 3;
inline constexpr int kMaxAbandons = 20;
// A job abandoned this often is taken only by the first worker of a parent.
inline constexpr int kQuarantineAbandons = 5;
// After the n-th error a job waits for kErrorBackoff * 2^(n-1).
inline constexpr absl::Duration kErrorBackoff = absl::Seconds(1);
// A job that cannot be done because something it needs is away waits as long as it has waited so
// far, between these bounds; after kMaxAway it is given up.
inline constexpr absl::Duration kShortestAwayBackoff = absl::Seconds(1);
inline constexpr absl::Duration kLongestAwayBackoff = absl::Minutes(1);
inline constexpr absl::Duration kMaxAway = absl::Hours(1);
inline constexpr absl::Duration kFirstCrashBackoff = absl::Seconds(1);
inline constexpr absl::Duration kCrashBackoff = absl::Seconds(5);

// Without Redis: organizations are compared by the jobs started in this time.
inline constexpr absl::Duration kFairWindow = absl::Seconds(60);
inline constexpr absl::Duration kShortestPoll = absl::Milliseconds(20);
inline constexpr absl::Duration kLongestPoll = absl::Milliseconds(250);

// With Redis: how long an idle worker waits for the bell, and each how many idle turns it looks
// into PostgreSQL all the same.
inline constexpr absl::Duration kBellWait = absl::Seconds(1);
inline constexpr int kIdleTurnsPerPoll = 10;
// Cost that an organization may use up in one round of dispatch: about one large dataset.
inline constexpr int kQuantum = 10'000;
// Tokens on the bell; idle workers in excess of it find work by their next look.
inline constexpr int kMaxBellTokens = 64;

inline constexpr absl::Duration kSweepInterval = absl::Seconds(1);
inline constexpr absl::Duration kHintAge = absl::Seconds(2);
inline constexpr int kSweepBatch = 200;
// Hints that wait to be pushed; the sweeper finds what is dropped.
inline constexpr int kMaxWaitingHints = 1'000;
// Finished jobs are counted when they are seen in this window.
inline constexpr absl::Duration kFinishedWindow = absl::Seconds(30);
inline constexpr int kFinishedBatch = 5'000;

// Bound of each short database call of a worker, its parent or the sweeper.
inline constexpr absl::Duration kCallTimeout = absl::Seconds(5);
// Workers that do not end in this time after SIGTERM are killed.
inline constexpr absl::Duration kDrainTime = absl::Seconds(10);
// A worker that dies at once is started again after a time that doubles between these.
inline constexpr absl::Duration kShortestRestart = absl::Milliseconds(100);
inline constexpr absl::Duration kLongestRestart = absl::Seconds(5);

}  // namespace edcert::jobs
