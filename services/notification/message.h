// A message to one person, as this service keeps it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace edcert::notification {

// What a message tells; the numbers are those of the wire and of the table.
enum class Cause {
  kEventPublished = 1,
  kCoCertifierSigned = 2,
  kCertificationSent = 3,
  kCertificationApproved = 4,
  kRecertificationStarted = 5,
  kRecertificationRequested = 6,
  kRequestDenied = 7,
  kRequestWithdrawn = 8,
  kSignaturesVoided = 9,
  kEventClosed = 10,
  kRecertificationCancelled = 11,
  kParticipantExempted = 12,
  kRequestExpired = 13,
  kSentToState = 14,
  kNewFatalFindings = 15,
};

struct Message {
  std::string id;
  // Place in the order in which messages became visible; grows.
  int64_t sequence = 0;
  std::string recipient;  // `users/...`
  Cause cause = Cause::kEventPublished;
  std::string subject;       // resource that changed
  std::string event;         // `events/...`, or empty
  std::string organization;  // `organizations/...`, or empty
  std::string process;
  std::string title;
  std::string body;
  absl::Time occurred_at;
  std::optional<absl::Time> read_at;
  std::optional<absl::Time> dismissed_at;
  std::optional<absl::Time> closed_at;
};

// What another service's change feed says, as this service needs it.
struct Change {
  std::string id;       // UUID
  std::string subject;  // resource that changed
  std::string type;
  std::string actor;  // principal that caused it
  absl::Time occurred_at;
  std::map<std::string, std::string> attributes;

  // Empty when the change has no such attribute.
  std::string Attribute(const std::string& key) const {
    const auto found = attributes.find(key);
    return found == attributes.end() ? "" : found->second;
  }
};

// What ListMessages asks for.
struct MessageFilter {
  std::string recipient;
  bool unread_only = false;
  bool show_dismissed = false;
  std::string process;
  std::string title_contains;
  std::optional<absl::Time> from;   // occurred at or after
  std::optional<absl::Time> until;  // occurred before
};

}  // namespace edcert::notification
