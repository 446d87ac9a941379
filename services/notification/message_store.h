// Messages in PostgreSQL.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids/ids.h"
#include "common/pg/pg.h"
#include "services/notification/audience.h"
#include "services/notification/message.h"
#include "services/notification/templates.h"

namespace edcert::notification {

// One text for many people.
struct NewMessages {
  std::string cause_id;  // UUID of the change
  Cause cause = Cause::kEventPublished;
  std::string subject;
  std::string event;
  std::string title;
  std::string body;
  absl::Time occurred_at;
  Recipients recipients;
};

// A message that was made or changed.
struct Touched {
  std::string message_id;
  std::string recipient;
};

// Thread-safe.
class MessageStore {
 public:
  explicit MessageStore(const ids::IdSource& ids) : ids_(ids) {}

  // Lets no other transaction write messages until this one ends. Before Create and Close.
  absl::Status Lock(pg::Transaction& tx) const;

  // Makes one message for each recipient who has none of this cause; returns the new ones. Work
  // that is known to be done already is not asked for.
  absl::StatusOr<std::vector<Touched>> Create(pg::Transaction& tx,
                                              const NewMessages& messages) const;

  // Closes what a change ends; returns the messages that are closed now.
  struct Ended {
    std::string event;
    std::string organization;
    std::string actor;
    absl::Time at;
  };
  absl::StatusOr<std::vector<Touched>> Close(pg::Transaction& tx, const Closing& closing,
                                             const Ended& ended) const;

  // NOT_FOUND when the recipient has no such message.
  absl::StatusOr<Message> Get(pg::Querier& db, const std::string& recipient,
                              const std::string& id) const;
  absl::StatusOr<Message> MarkRead(pg::Transaction& tx, const std::string& recipient,
                                   const std::string& id) const;
  absl::StatusOr<Message> Dismiss(pg::Transaction& tx, const std::string& recipient,
                                  const std::string& id) const;

  // Newest first, before the place `before` (0: from the newest).
  absl::StatusOr<std::vector<Message>> List(pg::Querier& db, const MessageFilter& filter,
                                            int64_t before, int limit) const;
  // Oldest first, after a place.
  absl::StatusOr<std::vector<Message>> ListAfter(pg::Querier& db, const std::string& recipient,
                                                 int64_t sequence, int limit) const;
  // The place of the recipient's newest message; 0 without one.
  absl::StatusOr<int64_t> NewestSequence(pg::Querier& db, const std::string& recipient) const;

 private:
  const ids::IdSource& ids_;
};

}  // namespace edcert::notification
