// Change feeds: facts that cross services, in an order that every reader sees alike.
//
// A command appends its changes in its own transaction; they get positions after commit. A consumer
// in another service reads the feed over RPC with its own cursor, and writes the effect and the new
// cursor in one transaction, so an effect happens exactly once however often a page is delivered.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "edcert/type/change.pb.h"

namespace edcert::feed {

// What a command reports. Attributes are names and short values; never student data.
struct Event {
  std::string subject;  // resource name
  std::string type;     // lower_snake_case
  std::map<std::string, std::string> attributes = {};
};

// Appends a change to the service's feed; it travels with the transaction.
void Append(pg::Transaction& tx, const std::string& id, const std::string& actor,
            const Event& event);

// A change's attribute; empty when it has none of that name.
std::string Attribute(const type::Change& change, const std::string& name);

// A stretch of a feed.
struct Page {
  std::vector<type::Change> changes;  // oldest first
  int64_t head = 0;                   // position of the newest change, returned or not
};

// Reads changes after a position, numbering first what has committed.
absl::StatusOr<Page> List(pg::Database db, int64_t after, int limit);

// Asks another service for its changes after a position.
using Fetch = std::function<absl::StatusOr<Page>(int64_t after, int limit)>;

// Wakes those who wait for changes of a subject. One per process, fed by its Tail. Thread-safe.
class Hub {
 public:
  using Callback = std::function<void()>;

  // Calls `callback` (quick, from any thread) after each change of `subject`, and every `tick` (a
  // second at least) in any case, until Unsubscribe with the returned id has come back.
  int64_t Subscribe(const std::string& subject, absl::Duration tick, Callback callback);
  void Unsubscribe(int64_t id);
  bool HasSubscribers();

  void Notify(const std::string& subject);
  void NotifyAll();
  // Those whose tick is over.
  void NotifyDue(absl::Time now);

 private:
  struct Subscription {
    std::string subject;
    absl::Duration tick;
    absl::Time due;
    Callback callback;
  };
  absl::Mutex mutex_;
  int64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<int64_t, Subscription> subscriptions_ ABSL_GUARDED_BY(mutex_);
  std::multimap<std::string, int64_t> by_subject_ ABSL_GUARDED_BY(mutex_);
};

// Follows the service's own feed and notifies the hub. Poke() after a commit of this process makes
// it look at once; otherwise it looks every 10 ms while somebody watches, else up to every 250 ms.
class Tail {
 public:
  Tail(pg::Pool& pool, Hub& hub);
  ~Tail();
  void Poke();

 private:
  void Run(const std::stop_token& stop);

  pg::Pool& pool_;
  Hub& hub_;
  absl::Mutex mutex_;
  bool poked_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

// Notifies the hub of what other services commit, while somebody subscribes: what a subject shows
// may depend on facts of theirs. Has neither cursor nor effect, and may miss a change when the
// other service is away, which a subscription's tick makes good.
class Relay {
 public:
  struct Options {
    std::string feed;  // name for the log, for example `validation_report`
    Fetch fetch;
    // The subjects of ours that a change concerns.
    std::function<absl::StatusOr<std::vector<std::string>>(const type::Change&)> subjects;
  };
  Relay(Hub& hub, Options options);
  ~Relay();

 private:
  void Run(const std::stop_token& stop);
  // Passes on what is new; false when there is nothing more for now.
  absl::StatusOr<bool> PassOn();

  Hub& hub_;
  const Options options_;
  int64_t position_ = -1;  // unknown; only the thread touches it
  absl::Mutex mutex_;
  std::jthread thread_;
};

// Applies another service's feed.
class Consumer {
 public:
  struct Options {
    std::string feed;  // name of the cursor, for example `event_registry`
    Fetch fetch;
    // Facts that need RPCs, gathered before the transaction; may be empty. What it returns is
    // handed to `apply`.
    std::function<absl::StatusOr<std::shared_ptr<void>>(const type::Change&)> prepare;
    // Writes the effect. Runs in one transaction with the cursor; may run again after a failure.
    std::function<absl::Status(pg::Transaction&, const type::Change&, void* prepared)> apply;
    // Called after an effect was committed.
    std::function<void()> committed;
    // After a failure, until the next attempt.
    absl::Duration retry = absl::Seconds(1);
  };
  Consumer(pg::Pool& pool, Options options);
  ~Consumer();

 private:
  void Run(const std::stop_token& stop);
  absl::StatusOr<int> ConsumePage();
  absl::Status ApplyOne(const type::Change& change);

  pg::Pool& pool_;
  const Options options_;
  std::map<int64_t, int> failures_;  // attempts per position; only the thread touches it
  absl::Mutex mutex_;
  std::jthread thread_;
};

}  // namespace edcert::feed
