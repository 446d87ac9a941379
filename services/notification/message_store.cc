#include "services/notification/message_store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/status/macros.h"
#include "services/notification/errors.h"
#include "services/notification/sql/message.sql.h"

namespace edcert::notification {
namespace {

Message FromRow(const pg::Row& row) {
  Message message;
  message.id = row.Text("message_id");
  message.sequence = row.Int("sequence");
  message.recipient = row.Text("recipient");
  message.cause = static_cast<Cause>(row.Int("cause"));
  message.subject = row.Text("subject");
  message.event = row.Text("event");
  message.organization = row.Text("organization");
  message.process = row.Text("process");
  message.title = row.Text("title");
  message.body = row.Text("body");
  message.occurred_at = row.Time("occurred_at");
  message.read_at = row.OptionalTime("read_at");
  message.dismissed_at = row.OptionalTime("dismissed_at");
  message.closed_at = row.OptionalTime("closed_at");
  return message;
}

std::vector<Message> FromRows(const pg::Result& rows) {
  std::vector<Message> messages;
  for (const pg::Row row : rows) messages.push_back(FromRow(row));
  return messages;
}

// Runs a statement about one message of one person.
absl::StatusOr<Message> RunOnOne(pg::Querier& db, const pg::Statement& statement,
                                 const std::string& recipient, const std::string& id) {
  if (!ids::IsUuid(id)) return MessageNotFound(recipient, id);
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(statement, recipient, id));
  if (rows.empty()) return MessageNotFound(recipient, id);
  return FromRow(rows[0]);
}

std::vector<Touched> TouchedOf(const pg::Result& rows) {
  std::vector<Touched> touched;
  for (const pg::Row row : rows) touched.push_back({row.Text("message_id"), row.Text("recipient")});
  return touched;
}

}  // namespace

absl::Status MessageStore::Lock(pg::Transaction& tx) const {
  return tx.Run(sql::kLockMessages).status();
}

absl::StatusOr<std::vector<Touched>> MessageStore::Create(pg::Transaction& tx,
                                                          const NewMessages& messages) const {
  if (messages.recipients.empty()) return std::vector<Touched>();
  ASSIGN_OR_RETURN(const pg::Result finished,
                   tx.Run(sql::kListFinished, messages.event, static_cast<int>(messages.cause),
                          messages.occurred_at));
  std::set<std::string> done;
  for (const pg::Row row : finished) done.insert(row.Text("organization"));

  std::vector<std::string> ids;
  std::vector<std::string> recipients;
  std::vector<std::string> organizations;
  std::vector<std::string> pendings;
  std::vector<std::string> closed;
  for (const auto& [recipient, asked] : messages.recipients) {
    std::vector<std::string> pending;
    for (const std::string& organization : asked) {
      if (!done.contains("") && !done.contains(organization)) pending.push_back(organization);
    }
    ids.push_back(ids_.NewId());
    recipients.push_back(recipient);
    organizations.push_back(asked.size() == 1 ? *asked.begin() : "");
    pendings.push_back(fmt::format("{}", fmt::join(pending, ",")));
    closed.push_back(done.contains("") || (!asked.empty() && pending.empty()) ? "t" : "f");
  }
  ASSIGN_OR_RETURN(const pg::Result rows,
                   tx.Run(sql::kInsertMessages, messages.cause_id, static_cast<int>(messages.cause),
                          messages.subject, messages.event, kProcess, messages.title, messages.body,
                          messages.occurred_at, ids, recipients, organizations, pendings, closed));
  return TouchedOf(rows);
}

absl::StatusOr<std::vector<Touched>> MessageStore::Close(pg::Transaction& tx,
                                                         const Closing& closing,
                                                         const Ended& ended) const {
  const int cause = static_cast<int>(closing.cause);
  const bool whole_event = closing.whose == Closing::Whose::kAllOrganizations;
  const bool of_actor = closing.whose == Closing::Whose::kActor;
  absl::StatusOr<pg::Result> rows =
      whole_event ? tx.Run(sql::kCloseForEvent, ended.event, cause)
                  : tx.Run(sql::kCloseForOrganization, ended.event, ended.organization, cause,
                           of_actor ? ended.actor : "");
  if (!rows.ok()) return rows.status();
  if (!of_actor) {
    tx.Defer(sql::kRecordFinished, ended.event, whole_event ? "" : ended.organization, cause,
             ended.at);
  }
  std::vector<Touched> touched;
  for (const pg::Row row : *rows) {
    if (row.Bool("closed")) touched.push_back({row.Text("message_id"), row.Text("recipient")});
  }
  return touched;
}

absl::StatusOr<Message> MessageStore::Get(pg::Querier& db, const std::string& recipient,
                                          const std::string& id) const {
  return RunOnOne(db, sql::kGetMessage, recipient, id);
}

absl::StatusOr<Message> MessageStore::MarkRead(pg::Transaction& tx, const std::string& recipient,
                                               const std::string& id) const {
  return RunOnOne(tx, sql::kMarkRead, recipient, id);
}

absl::StatusOr<Message> MessageStore::Dismiss(pg::Transaction& tx, const std::string& recipient,
                                              const std::string& id) const {
  return RunOnOne(tx, sql::kDismiss, recipient, id);
}

absl::StatusOr<std::vector<Message>> MessageStore::List(pg::Querier& db,
                                                        const MessageFilter& filter, int64_t before,
                                                        int limit) const {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kListMessages, filter.recipient, before, filter.unread_only,
                          filter.show_dismissed, filter.process, filter.title_contains, filter.from,
                          filter.until, limit));
  return FromRows(rows);
}

absl::StatusOr<std::vector<Message>> MessageStore::ListAfter(pg::Querier& db,
                                                             const std::string& recipient,
                                                             int64_t sequence, int limit) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kListAfter, recipient, sequence, limit));
  return FromRows(rows);
}

absl::StatusOr<int64_t> MessageStore::NewestSequence(pg::Querier& db,
                                                     const std::string& recipient) const {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kNewestSequence, recipient));
  return rows[0].Int("sequence");
}

}  // namespace edcert::notification
