#include "services/workflow/roster_keeper.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/feed/sql/feed.sql.h"
#include "common/log/log.h"
#include "common/status/macros.h"
#include "services/workflow/sql/registry.sql.h"

namespace edcert::workflow {
namespace {

constexpr absl::Duration kTimeout = absl::Minutes(2);
constexpr absl::Duration kLook = absl::Minutes(1);
constexpr absl::Duration kAfterFailure = absl::Seconds(5);
constexpr char kFeed[] = "event_registry";

absl::StatusOr<bool> IsTakenUp(pg::Querier& db, const std::string& day) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kIsDayTakenUp, day));
  return rows[0].Bool("done");
}

// How far the consumer of the registry's feed has come.
absl::StatusOr<int64_t> ReadCursor(pg::Querier& db) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(feed::sql::kReadCursor, kFeed));
  return rows.empty() ? 0 : rows[0].Int("position");
}

}  // namespace

RosterKeeper::RosterKeeper(pg::Pool& pool, const clock::Clock& clock,
                           const CertificationStore& store, const RegistryFollower& follower,
                           Options options)
    : pool_(pool),
      clock_(clock),
      store_(store),
      follower_(follower),
      options_(std::move(options)),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

RosterKeeper::~RosterKeeper() {
  thread_.request_stop();
  Poke();
  thread_.join();
}

void RosterKeeper::Poke() {
  const absl::MutexLock lock(&mutex_);
  poked_ = true;
}

void RosterKeeper::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const absl::StatusOr<bool> more = TakeUpToday();
    if (!more.ok()) {
      log::Warning("day not taken up", {{"error", std::string(more.status().message())}});
      Wait(stop, kAfterFailure);
    } else if (!*more) {
      const absl::Time now = clock_.Now();
      Wait(stop, std::min(kLook, store_.StartOf(store_.DayOf(now) + 1) - now));
    }
  }
}

void RosterKeeper::Wait(const std::stop_token& stop, absl::Duration longest) {
  const absl::MutexLock lock(&mutex_);
  const auto awake = [this, &stop]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return poked_ || stop.stop_requested();
  };
  mutex_.AwaitWithTimeout(absl::Condition(&awake), longest);
  poked_ = false;
}

absl::StatusOr<bool> RosterKeeper::TakeUpToday() {
  const absl::CivilDay today = store_.DayOf(clock_.Now());
  const std::string day = absl::FormatCivilTime(today);
  pg::Database db(pool_, clock::Clock::Real().Now() + kTimeout);
  ASSIGN_OR_RETURN(const bool done, IsTakenUp(db, day));
  if (done) return false;

  ASSIGN_OR_RETURN(const int64_t position, ReadCursor(db));
  ASSIGN_OR_RETURN(const pg::Result categories, db.Run(sql::kLiveCategories));
  std::map<std::string, std::vector<MemberFact>> members;
  for (const pg::Row row : categories) {
    const std::string category = row.Text("category");
    ASSIGN_OR_RETURN(members[category], options_.members(category));
  }

  bool taken_up = false;
  bool more = false;
  const absl::Status written = db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    taken_up = more = false;
    ASSIGN_OR_RETURN(const pg::Result lock, tx.Run(sql::kTryDay));
    if (!lock[0].Bool("locked")) return absl::OkStatus();  // another replica is at it
    ASSIGN_OR_RETURN(const bool done_meanwhile, IsTakenUp(tx, day));
    if (done_meanwhile) return absl::OkStatus();
    // As a consumer does: no other applies a change until this is committed.
    RETURN_IF_ERROR(tx.Run(feed::sql::kLead, kFeed).status());
    ASSIGN_OR_RETURN(const int64_t now_at, ReadCursor(tx));
    more = now_at != position;  // a change is newer than what the registry told us
    if (more) return absl::OkStatus();
    ASSIGN_OR_RETURN(more, follower_.TakeUpDay(tx, today, members));
    taken_up = true;
    return absl::OkStatus();
  });
  RETURN_IF_ERROR(written);
  if (taken_up && options_.committed) options_.committed();
  return more;
}

}  // namespace edcert::workflow
