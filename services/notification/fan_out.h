// Turns changes of other services into messages.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "services/notification/audience.h"
#include "services/notification/message_store.h"
#include "services/notification/templates.h"

namespace edcert::notification {

// What other services must be asked for the messages of some change.
class Directory {
 public:
  virtual ~Directory() = default;

  struct Event {
    std::string category;
    std::set<std::string> participants;
    bool of_schools = false;  // the participants are schools
    absl::Time starts_at;
    absl::Time opens_at;
    absl::Time due_at;
  };
  virtual absl::StatusOr<Event> GetEvent(const std::string& event) = 0;
  // The events that use a rule group, in which an organisation takes part and in which people look
  // at data or sign today.
  struct OpenEvent {
    std::string name;
    std::string title;
    std::string category;
  };
  virtual absl::StatusOr<std::vector<OpenEvent>> ListOpenEvents(
      const std::string& rule_group, const std::string& organization) = 0;
  // Who were active members of a category at an instant; everywhere when `organization` is empty.
  virtual absl::StatusOr<std::vector<Member>> ListMembers(const std::string& category,
                                                          const std::string& organization,
                                                          absl::Time at) = 0;
  // The same at the state.
  virtual absl::StatusOr<std::vector<Member>> ListStateMembers(const std::string& category,
                                                               absl::Time at) = 0;
  // The district of a school; empty for other organisations.
  virtual absl::StatusOr<std::string> GetDistrict(const std::string& organization) = 0;
  // The districts of all schools.
  virtual absl::StatusOr<Districts> ListSchools() = 0;
};

// The part of a change's messages that needs other services.
struct Prepared {
  struct Addressed {
    const Template* row;
    Recipients recipients;
  };
  std::vector<Addressed> messages;
  Fields fields;
  std::string event;  // that the messages are about; empty for none or several
};

// The values of a text that come from the change itself.
Fields FieldsOf(const Change& change);

// Asks for what the templates of `change` need; null when it makes no message.
absl::StatusOr<std::shared_ptr<Prepared>> Prepare(Feed feed, const Change& change,
                                                  Directory& directory, absl::TimeZone time_zone);

// Applies a change in the transaction that also moves the cursor: closes what it ends, makes its
// messages, and tells those who watch. `prepared` may be null.
absl::Status Apply(pg::Transaction& tx, const MessageStore& store, const ids::IdSource& ids,
                   Feed feed, const Change& change, const Prepared* prepared);

}  // namespace edcert::notification
