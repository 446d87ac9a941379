#include "common/feed/feed.h"

#include <algorithm>
#include <limits>
#include <set>

#include "common/clock/clock.h"
#include "common/feed/sql/feed.sql.h"
#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/telemetry/metrics.h"

namespace edcert::feed {
namespace {

constexpr absl::Duration kShortestPoll = absl::Milliseconds(20);
constexpr absl::Duration kLongestPoll = absl::Milliseconds(250);
constexpr absl::Duration kWatchedPoll = absl::Milliseconds(10);
constexpr absl::Duration kLeastPause = absl::Milliseconds(2);
constexpr absl::Duration kTick = absl::Seconds(1);
constexpr absl::Duration kRelayPoll = absl::Milliseconds(200);
constexpr int kPage = 200;
constexpr int kMaxFailures = 8;

pg::Database WithTimeout(pg::Pool& pool, absl::Duration timeout) {
  return {pool, clock::Clock::Real().Now() + timeout};
}

// Waits until the time is over or the owner stops.
void Pause(absl::Mutex& mutex, const std::stop_token& stop, absl::Duration time) {
  absl::MutexLock lock(&mutex);
  const auto stopped = [&stop] { return stop.stop_requested(); };
  mutex.AwaitWithTimeout(absl::Condition(&stopped), time);
}

// The position of the newest change; 0 when there is none.
absl::StatusOr<int64_t> Head(pg::Database db) {
  ASSIGN_OR_RETURN(const pg::Result head, db.Run(sql::kHead));
  return head[0].Int("position");
}

// Makes a waiting Pause look at its stop token.
void StopAndWake(std::jthread& thread, absl::Mutex& mutex) {
  thread.request_stop();
  {
    const absl::MutexLock lock(&mutex);
  }
  thread.join();
}

}  // namespace

void Append(pg::Transaction& tx, const std::string& id, const std::string& actor,
            const Event& event) {
  type::Change change;
  change.set_id(id);
  change.set_subject(event.subject);
  change.set_type(event.type);
  change.set_actor(actor);
  for (const auto& [key, value] : event.attributes) (*change.mutable_attributes())[key] = value;
  tx.Defer(sql::kAppend, id, event.subject, event.type, pg::Bytes{change.SerializeAsString()});
}

std::string Attribute(const type::Change& change, const std::string& name) {
  const auto it = change.attributes().find(name);
  return it == change.attributes().end() ? "" : it->second;
}

absl::StatusOr<Page> List(pg::Database db, int64_t after, int limit) {
  ASSIGN_OR_RETURN(const pg::Result unnumbered, db.Run(sql::kHasUnnumbered));
  if (unnumbered[0].Bool("any")) {
    RETURN_IF_ERROR(db.RunInTransaction([](pg::Transaction& tx) -> absl::Status {
      RETURN_IF_ERROR(tx.Run(sql::kLock).status());
      return tx.Run(sql::kNumber).status();
    }));
  }
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kList, after, limit));
  Page page;
  for (const pg::Row row : rows) {
    type::Change& change = page.changes.emplace_back();
    if (!change.ParseFromString(row.Binary("payload"))) return status::Internal("feed payload");
    change.set_position(row.Int("position"));
    const int64_t micros = absl::ToUnixMicros(row.Time("occurred_at"));
    change.mutable_occurred_at()->set_seconds(micros / 1'000'000);
    change.mutable_occurred_at()->set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
  }
  ASSIGN_OR_RETURN(page.head, Head(db));
  return page;
}

int64_t Hub::Subscribe(const std::string& subject, absl::Duration tick, Callback callback) {
  const absl::Time due = clock::Clock::Real().Now() + tick;
  const absl::MutexLock lock(&mutex_);
  subscriptions_[next_id_] = {subject, tick, due, std::move(callback)};
  by_subject_.emplace(subject, next_id_);
  return next_id_++;
}

void Hub::Unsubscribe(int64_t id) {
  const absl::MutexLock lock(&mutex_);
  const auto subscription = subscriptions_.find(id);
  if (subscription == subscriptions_.end()) return;
  const auto [begin, end] = by_subject_.equal_range(subscription->second.subject);
  by_subject_.erase(
      std::find_if(begin, end, [id](const auto& entry) { return entry.second == id; }));
  subscriptions_.erase(subscription);
}

bool Hub::HasSubscribers() {
  const absl::MutexLock lock(&mutex_);
  return !subscriptions_.empty();
}

void Hub::Notify(const std::string& subject) {
  const absl::MutexLock lock(&mutex_);
  const auto [begin, end] = by_subject_.equal_range(subject);
  for (auto it = begin; it != end; ++it) subscriptions_.at(it->second).callback();
}

void Hub::NotifyAll() {
  const absl::MutexLock lock(&mutex_);
  for (const auto& [id, subscription] : subscriptions_) subscription.callback();
}

void Hub::NotifyDue(absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  for (auto& [id, subscription] : subscriptions_) {
    if (now < subscription.due) continue;
    subscription.due = now + subscription.tick;
    subscription.callback();
  }
}

Tail::Tail(pg::Pool& pool, Hub& hub)
    : pool_(pool), hub_(hub), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

Tail::~Tail() { StopAndWake(thread_, mutex_); }

void Tail::Poke() {
  const absl::MutexLock lock(&mutex_);
  poked_ = true;
}

void Tail::Run(const std::stop_token& stop) {
  int64_t position = -1;
  absl::Duration poll = kShortestPoll;
  absl::Time next_tick = clock::Clock::Real().Now() + kTick;
  while (!stop.stop_requested()) {
    pg::Database db = WithTimeout(pool_, absl::Seconds(5));
    if (position < 0) {
      position = Head(db).value_or(position);
    }
    bool any = false;
    if (position >= 0) {
      const absl::StatusOr<Page> page = List(db, position, kPage);
      if (page.ok()) {
        for (const type::Change& change : page->changes) {
          hub_.Notify(change.subject());
          position = change.position();
          any = true;
        }
      }
    }
    if (clock::Clock::Real().Now() >= next_tick) {
      hub_.NotifyDue(clock::Clock::Real().Now());
      next_tick = clock::Clock::Real().Now() + kTick;
    }
    // Whoever watches should not wait for what another process did, a worker for example.
    poll = any || hub_.HasSubscribers() ? kWatchedPoll : std::min(poll * 1.5, kLongestPoll);
    // Many commits in a row are one look.
    Pause(mutex_, stop, kLeastPause);
    absl::MutexLock lock(&mutex_);
    const auto awake = [this, &stop]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return poked_ || stop.stop_requested();
    };
    mutex_.AwaitWithTimeout(absl::Condition(&awake), poll);
    poked_ = false;
  }
}

Relay::Relay(Hub& hub, Options options)
    : hub_(hub),
      options_(std::move(options)),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

Relay::~Relay() { StopAndWake(thread_, mutex_); }

void Relay::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (!hub_.HasSubscribers()) {
      position_ = -1;
    } else if (const absl::StatusOr<bool> more = PassOn(); !more.ok()) {
      log::Warning("feed not followed",
                   {{"feed", options_.feed}, {"error", std::string(more.status().message())}});
      Pause(mutex_, stop, kTick);
    } else if (*more) {
      continue;
    }
    Pause(mutex_, stop, kRelayPoll);
  }
}

absl::StatusOr<bool> Relay::PassOn() {
  if (position_ < 0) {
    ASSIGN_OR_RETURN(const Page end, options_.fetch(std::numeric_limits<int64_t>::max(), 1));
    position_ = end.head;
    // Whoever subscribed before this moment may have looked before it, too.
    hub_.NotifyAll();
  }
  ASSIGN_OR_RETURN(const Page page, options_.fetch(position_, kPage));
  std::set<std::string> subjects;
  for (const type::Change& change : page.changes) {
    ASSIGN_OR_RETURN(const std::vector<std::string> concerned, options_.subjects(change));
    subjects.insert(concerned.begin(), concerned.end());
    position_ = change.position();
  }
  for (const std::string& subject : subjects) hub_.Notify(subject);
  return page.changes.size() == kPage;
}

Consumer::Consumer(pg::Pool& pool, Options options)
    : pool_(pool),
      options_(std::move(options)),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

Consumer::~Consumer() { StopAndWake(thread_, mutex_); }

void Consumer::Run(const std::stop_token& stop) {
  absl::Duration poll = kShortestPoll;
  while (!stop.stop_requested()) {
    const absl::StatusOr<int> consumed = ConsumePage();
    if (!consumed.ok()) {
      log::Warning("feed not consumed",
                   {{"feed", options_.feed}, {"error", std::string(consumed.status().message())}});
      poll = options_.retry;
    } else {
      poll = *consumed > 0 ? kShortestPoll : std::min(poll * 1.5, kLongestPoll);
      if (*consumed == kPage) continue;
    }
    Pause(mutex_, stop, poll);
  }
}

absl::StatusOr<int> Consumer::ConsumePage() {
  pg::Database db = WithTimeout(pool_, absl::Seconds(5));
  ASSIGN_OR_RETURN(const pg::Result cursor, db.Run(sql::kReadCursor, options_.feed));
  const int64_t after = cursor.empty() ? 0 : cursor[0].Int("position");
  ASSIGN_OR_RETURN(const Page page, options_.fetch(after, kPage));
  int done = 0;
  for (const type::Change& change : page.changes) {
    RETURN_IF_ERROR(ApplyOne(change));
    ++done;
  }
  if (done > 0 && options_.committed) options_.committed();
  return done;
}

absl::Status Consumer::ApplyOne(const type::Change& change) {
  const auto attempt = [&]() -> absl::Status {
    std::shared_ptr<void> prepared;
    if (options_.prepare) {
      ASSIGN_OR_RETURN(prepared, options_.prepare(change));
    }
    return WithTimeout(pool_, absl::Seconds(30))
        .RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
          RETURN_IF_ERROR(tx.Run(sql::kLead, options_.feed).status());
          ASSIGN_OR_RETURN(const pg::Result cursor, tx.Run(sql::kReadCursor, options_.feed));
          if (!cursor.empty() && cursor[0].Int("position") >= change.position()) {
            return absl::OkStatus();  // another replica was here first
          }
          ASSIGN_OR_RETURN(const pg::Result parked,
                           tx.Run(sql::kIsParked, options_.feed, change.subject()));
          if (parked[0].Bool("parked")) {
            tx.Defer(sql::kPark, options_.feed, change.position(), change.subject(), change.type(),
                     std::string("waits behind an earlier change of its subject"));
          } else {
            RETURN_IF_ERROR(options_.apply(tx, change, prepared.get()));
          }
          tx.Defer(sql::kMoveCursor, options_.feed, change.position());
          return absl::OkStatus();
        });
  };
  const absl::Status applied = attempt();
  if (applied.ok()) {
    failures_.erase(change.position());
    telemetry::Count("edcert_feed_consumed_total", {{"feed", options_.feed}});
    return applied;
  }
  // What comes from a part that is away passes by itself; anything else is parked after some tries
  // so that it holds up only its own subject.
  const std::string reason = status::ReasonOf(applied);
  if (applied.code() == absl::StatusCode::kUnavailable || reason == "OVERLOADED" ||
      applied.code() == absl::StatusCode::kDeadlineExceeded ||
      ++failures_[change.position()] < kMaxFailures) {
    return applied;
  }
  log::Error("feed change parked", {{"feed", options_.feed},
                                    {"subject", change.subject()},
                                    {"type", change.type()},
                                    {"error", std::string(applied.message())}});
  telemetry::Count("edcert_feed_parked_total", {{"feed", options_.feed}});
  failures_.erase(change.position());
  return WithTimeout(pool_, absl::Seconds(5))
      .RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
        RETURN_IF_ERROR(tx.Run(sql::kLead, options_.feed).status());
        ASSIGN_OR_RETURN(const pg::Result cursor, tx.Run(sql::kReadCursor, options_.feed));
        if (!cursor.empty() && cursor[0].Int("position") >= change.position()) {
          return absl::OkStatus();  // another replica could apply it, or parked it
        }
        tx.Defer(sql::kPark, options_.feed, change.position(), change.subject(), change.type(),
                 std::string(applied.message()));
        tx.Defer(sql::kMoveCursor, options_.feed, change.position());
        return absl::OkStatus();
      });
}

}  // namespace edcert::feed
