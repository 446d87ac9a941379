// Which change makes which message for whom, and which change ends which messages: two tables.
//
// Texts hold {placeholders}: the attributes of the change and the few facts of PlaceholderNames().
// A part in [brackets] is left out when one of its placeholders is empty. No text can hold student
// data, because no change feed holds any.
#pragma once

#include <array>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "services/notification/message.h"

namespace edcert::notification {

// Whose change feed.
enum class Feed { kEventRegistry, kWorkflow, kValidationReport };

// The name of the feed's cursor and of the service that it belongs to.
constexpr std::string_view ToString(Feed feed) {
  switch (feed) {
    case Feed::kEventRegistry:
      return "event_registry";
    case Feed::kWorkflow:
      return "workflow";
    case Feed::kValidationReport:
      break;
  }
  return "validation_report";
}

enum class Audience {
  // Local members of the event's category at its participants, and its state members.
  kEventMembers,
  // The local ones of these only.
  kEventLocalMembers,
  // Certifiers whose signatures are missing, as the change names them.
  kOutstanding,
  // Approvers and reviewers of the category at the state.
  kStateMembers,
  // Certifiers and reviewers at the organisation.
  kLocalMembers,
  // The one who asked, and the certifiers at the organisation.
  kRequesterAndCertifiers,
  // These, and the state's members.
  kRequesterCertifiersAndState,
  // Those who had signed, as the change names them.
  kSigners,
  // The certifiers at the organisation in the open events that use the rule group of the change.
  kGroupCertifiers,
};

struct Template {
  Feed feed;
  std::string_view change;  // type of the change
  Cause cause;
  Audience audience;
  std::string_view title;
  std::string_view body;
};

// Which messages a change closes: those of `cause` about the same event and organisation.
struct Closing {
  enum class Whose {
    kEverybody,         // of everybody, for the organisation of the change
    kActor,             // of the one who acted, for the organisation of the change
    kAllOrganizations,  // of everybody, for all organisations of the event
  };
  Feed feed;
  std::string_view change;
  Cause cause;
  Whose whose;
};

inline constexpr std::string_view kProcess = "Data Certification";

std::span<const Template> Templates();
std::span<const Closing> Closings();

// The templates of a change: none when it makes no message. Of one who is in the audience of
// several the first counts.
std::vector<const Template*> TemplatesOf(Feed feed, std::string_view change);

// Values by placeholder.
using Fields = std::map<std::string, std::string, std::less<>>;

// Every placeholder that a text may hold.
std::span<const std::string_view> PlaceholderNames();

// Fills in the placeholders and cuts to `max` bytes at a character's edge.
std::string Render(std::string_view text, const Fields& fields, std::size_t max);

inline constexpr std::size_t kMaxTitle = 200;
inline constexpr std::size_t kMaxBody = 4000;

}  // namespace edcert::notification
