#include "services/notification/templates.h"

namespace edcert::notification {
namespace {

// clang-format off
constexpr std::array kTemplates = {
    Template{Feed::kEventRegistry, "event_published", Cause::kEventPublished,
             Audience::kEventMembers,
             "Certification published: {event_title}",
             "The certification \"{event_title}\" is published."
             "[ Data can be reviewed from {starts}.][ It can be signed from {opens}.]"
             "[ It is due on {due}.]"},
    Template{Feed::kWorkflow, "certification_signed", Cause::kCoCertifierSigned,
             Audience::kOutstanding,
             "Your signature is outstanding: {event_title}",
             "Another certifier of {organization} has signed \"{event_title}\". The certification "
             "is sent to the state when you have signed too.[ It is due on {due}.]"},
    Template{Feed::kWorkflow, "certification_sent", Cause::kCertificationSent,
             Audience::kStateMembers,
             "Certification sent: {organization}, {event_title}",
             "All certifiers of {organization} have signed \"{event_title}\".[ This is round "
             "{round}.] It waits for the state's approval."},
    Template{Feed::kWorkflow, "certification_sent", Cause::kSentToState,
             Audience::kLocalMembers,
             "Certification sent to the state: {event_title}",
             "All certifiers of {organization} have signed \"{event_title}\".[ This is round "
             "{round}.] It waits for the state's approval; you need not do anything."},
    Template{Feed::kWorkflow, "certification_approved", Cause::kCertificationApproved,
             Audience::kLocalMembers,
             "Certification approved: {event_title}",
             "The state has approved the certification \"{event_title}\" of {organization}."
             "[ Reason: {reason}]"},
    Template{Feed::kWorkflow, "recertification_started", Cause::kRecertificationStarted,
             Audience::kLocalMembers,
             "Please certify again: {event_title}",
             "The state asks {organization} to certify \"{event_title}\" again."
             "[ It is due on {due}.][ Reason: {reason}]"},
    Template{Feed::kWorkflow, "recertification_cancelled", Cause::kRecertificationCancelled,
             Audience::kLocalMembers,
             "Recertification called off: {event_title}",
             "The state does not ask {organization} to certify \"{event_title}\" again any more. The "
             "signatures given before count as they did.[ Reason: {reason}]"},
    Template{Feed::kWorkflow, "recertification_requested", Cause::kRecertificationRequested,
             Audience::kStateMembers,
             "Recertification requested: {organization}, {event_title}",
             "{organization} asks to certify \"{event_title}\" again.[ Reason: {reason}]"},
    Template{Feed::kWorkflow, "recertification_denied", Cause::kRequestDenied,
             Audience::kRequesterAndCertifiers,
             "Recertification denied: {event_title}",
             "The state has denied the request of {organization} to certify \"{event_title}\" "
             "again. The certification stays as it is.[ Reason: {reason}]"},
    Template{Feed::kWorkflow, "recertification_withdrawn", Cause::kRequestWithdrawn,
             Audience::kRequesterCertifiersAndState,
             "Recertification request withdrawn: {organization}, {event_title}",
             "{organization} has withdrawn its request to certify \"{event_title}\" again. The "
             "certification stays as it is."},
    Template{Feed::kWorkflow, "recertification_expired", Cause::kRequestExpired,
             Audience::kRequesterCertifiersAndState,
             "Recertification request ended: {organization}, {event_title}",
             "The request of {organization} to certify \"{event_title}\" again was not decided before "
             "the event was closed. The certification stays as it is."},
    Template{Feed::kWorkflow, "participant_exempted", Cause::kParticipantExempted,
             Audience::kLocalMembers,
             "No certification needed: {event_title}",
             "The state has excused {organization} from the certification \"{event_title}\". Nothing "
             "more is to be done.[ Reason: {reason}]"},
    Template{Feed::kWorkflow, "signatures_voided", Cause::kSignaturesVoided,
             Audience::kSigners,
             "Your signature was voided: {event_title}",
             "The data of {organization} for \"{event_title}\" changed after you had signed, so "
             "your signature does not count any more. Please review and sign again."
             "[ It is due on {due}.][ Reason: {reason}]"},
    Template{Feed::kEventRegistry, "event_closed", Cause::kEventClosed,
             Audience::kEventLocalMembers,
             "Certification closed: {event_title}",
             "The state has closed the certification \"{event_title}\". Nothing more can be signed."
             "[ Reason: {reason}]"},
    Template{Feed::kValidationReport, "fatal_findings_appeared", Cause::kNewFatalFindings,
             Audience::kGroupCertifiers,
             "New FATAL findings: {organization}",
             "Rules that block the certification find more in the records of {organization} than the "
             "day before: {rules}.[ So do {more_rules} other rules.] This concerns \"{event_title}\"; "
             "a report lists the records."},
};

using enum Feed;
using enum Cause;
using enum Closing::Whose;
constexpr std::array kClosings = {
    // A certifier who has signed has nothing left to do.
    Closing{kWorkflow, "certification_signed",      kEventPublished,           kActor},
    Closing{kWorkflow, "certification_signed",      kCoCertifierSigned,        kActor},
    Closing{kWorkflow, "certification_signed",      kRecertificationStarted,   kActor},
    Closing{kWorkflow, "certification_signed",      kSignaturesVoided,         kActor},
    // All have signed.
    Closing{kWorkflow, "certification_sent",        kEventPublished,           kEverybody},
    Closing{kWorkflow, "certification_sent",        kCoCertifierSigned,        kEverybody},
    Closing{kWorkflow, "certification_sent",        kRecertificationStarted,   kEverybody},
    Closing{kWorkflow, "certification_sent",        kSignaturesVoided,         kEverybody},
    // The state has decided, perhaps without waiting for signatures.
    Closing{kWorkflow, "certification_approved",    kEventPublished,           kEverybody},
    Closing{kWorkflow, "certification_approved",    kCoCertifierSigned,        kEverybody},
    Closing{kWorkflow, "certification_approved",    kRecertificationStarted,   kEverybody},
    Closing{kWorkflow, "certification_approved",    kSignaturesVoided,         kEverybody},
    Closing{kWorkflow, "certification_approved",    kCertificationSent,        kEverybody},
    Closing{kWorkflow, "certification_approved",    kRecertificationRequested, kEverybody},
    Closing{kWorkflow, "recertification_started",   kCertificationSent,        kEverybody},
    Closing{kWorkflow, "recertification_started",   kRecertificationRequested, kEverybody},
    Closing{kWorkflow, "recertification_cancelled", kRecertificationStarted,   kEverybody},
    Closing{kWorkflow, "recertification_cancelled", kCoCertifierSigned,        kEverybody},
    Closing{kWorkflow, "recertification_cancelled", kSignaturesVoided,         kEverybody},
    Closing{kWorkflow, "recertification_denied",    kRecertificationRequested, kEverybody},
    Closing{kWorkflow, "recertification_withdrawn", kRecertificationRequested, kEverybody},
    Closing{kWorkflow, "recertification_expired",   kRecertificationRequested, kEverybody},
    // The list of those who remain is another one now.
    Closing{kWorkflow, "signatures_voided",         kCoCertifierSigned,        kEverybody},
    // The organisation is excused.
    Closing{kWorkflow, "participant_exempted",      kEventPublished,           kEverybody},
    Closing{kWorkflow, "participant_exempted",      kCoCertifierSigned,        kEverybody},
    Closing{kWorkflow, "participant_exempted",      kRecertificationStarted,   kEverybody},
    Closing{kWorkflow, "participant_exempted",      kSignaturesVoided,         kEverybody},
    Closing{kWorkflow, "participant_exempted",      kCertificationSent,        kEverybody},
    Closing{kWorkflow, "participant_exempted",      kRecertificationRequested, kEverybody},
    // Nothing can be done any more.
    Closing{kEventRegistry, "event_closed",         kEventPublished,           kAllOrganizations},
    Closing{kEventRegistry, "event_closed",         kCoCertifierSigned,        kAllOrganizations},
    Closing{kEventRegistry, "event_closed",         kCertificationSent,        kAllOrganizations},
    Closing{kEventRegistry, "event_closed",         kRecertificationStarted,   kAllOrganizations},
    Closing{kEventRegistry, "event_closed",         kRecertificationRequested, kAllOrganizations},
    Closing{kEventRegistry, "event_closed",         kSignaturesVoided,         kAllOrganizations},
};
// clang-format on

constexpr std::array<std::string_view, 9> kPlaceholders = {
    "event_title", "organization", "starts", "opens",     "due",
    "reason",      "round",        "rules",  "more_rules"};

// Copies `text` with its placeholders filled in; false when one of them was empty.
bool Fill(std::string_view text, const Fields& fields, std::string& out) {
  bool complete = true;
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find('}', open);
    const auto field = fields.find(text.substr(open + 1, close - open - 1));
    if (field == fields.end() || field->second.empty()) {
      complete = false;
    } else {
      out += field->second;
    }
    text.remove_prefix(close + 1);
  }
  return complete;
}

void CutTo(std::string& text, std::size_t max) {
  if (text.size() <= max) return;
  constexpr std::string_view kEllipsis = "\u2026";
  std::size_t end = max - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  text += kEllipsis;
}

}  // namespace

std::span<const Template> Templates() { return kTemplates; }
std::span<const Closing> Closings() { return kClosings; }
std::span<const std::string_view> PlaceholderNames() { return kPlaceholders; }

std::vector<const Template*> TemplatesOf(Feed feed, std::string_view change) {
  std::vector<const Template*> rows;
  for (const Template& row : kTemplates) {
    if (row.feed == feed && row.change == change) rows.push_back(&row);
  }
  return rows;
}

std::string Render(std::string_view text, const Fields& fields, std::size_t max) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('[');
    Fill(text.substr(0, open), fields, out);
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find(']', open);
    std::string part;
    if (Fill(text.substr(open + 1, close - open - 1), fields, part)) out += part;
    text.remove_prefix(close + 1);
  }
  CutTo(out, max);
  return out;
}

}  // namespace edcert::notification
