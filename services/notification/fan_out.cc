#include "services/notification/fan_out.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "absl/strings/str_split.h"
#include "common/feed/feed.h"
#include "common/status/macros.h"
#include "common/telemetry/metrics.h"

namespace edcert::notification {
namespace {

constexpr const char* kActor = "services/notification";

std::vector<std::string> NamesOf(const Change& change, const char* key) {
  return absl::StrSplit(change.Attribute(key), ',', absl::SkipWhitespace());
}

std::string ForPeople(absl::Time time, absl::TimeZone zone) {
  return time == absl::UnixEpoch() ? "" : absl::FormatTime("%Y-%m-%d %H:%M %Z", time, zone);
}

bool AboutEvent(Audience audience) {
  return audience == Audience::kEventMembers || audience == Audience::kEventLocalMembers;
}

// Adds the members of an organisation and, of a school, those of its district.
absl::Status AddLocalMembers(const std::string& category, absl::Time at, Directory& directory,
                             AudienceFacts& facts) {
  ASSIGN_OR_RETURN(const std::string district, directory.GetDistrict(facts.organization));
  if (!district.empty()) facts.districts[facts.organization] = district;
  for (const std::string& organization : {facts.organization, district}) {
    if (organization.empty()) continue;
    ASSIGN_OR_RETURN(const std::vector<Member> members,
                     directory.ListMembers(category, organization, at));
    facts.members.insert(facts.members.end(), members.begin(), members.end());
  }
  return absl::OkStatus();
}

// Asks for the members that the audience is chosen from: those of the instant of the change.
absl::Status AddMembers(Audience audience, const std::string& category, absl::Time at,
                        Directory& directory, AudienceFacts& facts) {
  switch (audience) {
    case Audience::kEventMembers:
    case Audience::kEventLocalMembers: {
      ASSIGN_OR_RETURN(facts.members, directory.ListMembers(category, "", at));
      return absl::OkStatus();
    }
    case Audience::kStateMembers: {
      ASSIGN_OR_RETURN(facts.members, directory.ListStateMembers(category, at));
      return absl::OkStatus();
    }
    case Audience::kRequesterCertifiersAndState: {
      ASSIGN_OR_RETURN(facts.members, directory.ListStateMembers(category, at));
      return AddLocalMembers(category, at, directory, facts);
    }
    case Audience::kLocalMembers:
    case Audience::kRequesterAndCertifiers:
    case Audience::kGroupCertifiers:
      return AddLocalMembers(category, at, directory, facts);
    case Audience::kOutstanding:
    case Audience::kSigners:
      break;  // the change names them
  }
  return absl::OkStatus();
}

// `CODE:MORE:ALL` of each rule, for people.
std::string RulesInWords(const Change& change) {
  std::vector<std::string> rules;
  for (const std::string& rule : NamesOf(change, "rules")) {
    const std::vector<std::string> parts = absl::StrSplit(rule, ':');
    if (parts.size() != 3) continue;
    rules.push_back(fmt::format("{} {} more, now {}", parts[0], parts[1], parts[2]));
  }
  return fmt::format("{}", fmt::join(rules, "; "));
}

// Takes over the events that use the rule group of a change; returns their categories.
absl::StatusOr<std::vector<std::string>> AddOpenEvents(const Change& change, Directory& directory,
                                                       Prepared& prepared) {
  ASSIGN_OR_RETURN(const std::vector<Directory::OpenEvent> events,
                   directory.ListOpenEvents(change.subject, change.Attribute("organization")));
  std::vector<std::string> titles;
  std::vector<std::string> categories;
  for (const Directory::OpenEvent& event : events) {
    titles.push_back(event.title);
    categories.push_back(event.category);
  }
  prepared.fields["event_title"] = fmt::format("{}", fmt::join(titles, "\", \""));
  prepared.event = events.size() == 1 ? events.front().name : "";
  return categories;
}

// Wakes the streams of those whose messages changed.
void Tell(pg::Transaction& tx, const ids::IdSource& ids, const char* type,
          const std::vector<Touched>& touched) {
  for (const Touched& message : touched) {
    feed::Append(
        tx, ids.NewId(), kActor,
        {.subject = message.recipient,
         .type = type,
         .attributes = {{"message", message.recipient + "/messages/" + message.message_id}}});
  }
}

}  // namespace

Fields FieldsOf(const Change& change) {
  const std::string title = change.Attribute("event_title");
  const std::string display_name = change.Attribute("organization_display_name");
  const std::string round = change.Attribute("round");
  return {{"event_title", title.empty() ? change.Attribute("title") : title},
          {"organization", display_name.empty() ? change.Attribute("organization") : display_name},
          {"due", change.Attribute("due")},
          {"reason", change.Attribute("reason")},
          {"rules", RulesInWords(change)},
          {"more_rules", change.Attribute("more_rules")},
          {"round", round == "1" ? "" : round}};  // the first is not worth telling
}

absl::StatusOr<std::shared_ptr<Prepared>> Prepare(Feed feed, const Change& change,
                                                  Directory& directory, absl::TimeZone time_zone) {
  const std::vector<const Template*> rows = TemplatesOf(feed, change.type);
  if (rows.empty()) return std::shared_ptr<Prepared>();
  auto prepared = std::make_shared<Prepared>();
  prepared->fields = FieldsOf(change);
  AudienceFacts facts;
  facts.organization = change.Attribute("organization");
  facts.requester = change.Attribute("requester");
  facts.outstanding = NamesOf(change, "outstanding");
  facts.signers = NamesOf(change, "signers");
  prepared->event = change.Attribute("event");
  std::vector<std::string> categories = {change.Attribute("category")};
  bool of_schools = false;  // the change is about an event of schools
  if (std::any_of(rows.begin(), rows.end(),
                  [](const Template* row) { return AboutEvent(row->audience); })) {
    ASSIGN_OR_RETURN(Directory::Event event, directory.GetEvent(change.Attribute("event")));
    facts.participants = std::move(event.participants);
    of_schools = event.of_schools;
    categories = {event.category};
    prepared->fields["starts"] = ForPeople(event.starts_at, time_zone);
    prepared->fields["opens"] = ForPeople(event.opens_at, time_zone);
    prepared->fields["due"] = ForPeople(event.due_at, time_zone);
  }
  if (rows.front()->audience == Audience::kGroupCertifiers) {
    ASSIGN_OR_RETURN(categories, AddOpenEvents(change, directory, *prepared));
  }
  for (const Template* row : rows) {
    facts.members.clear();
    for (const std::string& category : categories) {
      RETURN_IF_ERROR(AddMembers(row->audience, category, change.occurred_at, directory, facts));
    }
    if (of_schools && std::any_of(facts.members.begin(), facts.members.end(),
                                  [](const Member& member) { return member.all_schools; })) {
      ASSIGN_OR_RETURN(facts.districts, directory.ListSchools());
    }
    prepared->messages.push_back({row, FindRecipients(row->audience, facts)});
  }
  return prepared;
}

absl::Status Apply(pg::Transaction& tx, const MessageStore& store, const ids::IdSource& ids,
                   Feed feed, const Change& change, const Prepared* prepared) {
  const auto closes = [&](const Closing& closing) {
    return closing.feed == feed && closing.change == change.type;
  };
  // Most of what services tell makes no message.
  if (prepared == nullptr && std::none_of(Closings().begin(), Closings().end(), closes)) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(store.Lock(tx));
  const MessageStore::Ended ended = {
      .event = change.Attribute("event"),
      .organization = change.Attribute("organization"),
      .actor = change.Attribute("actor").empty() ? change.actor : change.Attribute("actor"),
      .at = change.occurred_at};
  for (const Closing& closing : Closings()) {
    if (!closes(closing)) continue;
    ASSIGN_OR_RETURN(const std::vector<Touched> closed, store.Close(tx, closing, ended));
    Tell(tx, ids, "message_updated", closed);
  }
  if (prepared == nullptr) return absl::OkStatus();
  for (const auto& [row, recipients] : prepared->messages) {
    ASSIGN_OR_RETURN(const std::vector<Touched> created,
                     store.Create(tx, {.cause_id = change.id,
                                       .cause = row->cause,
                                       .subject = change.subject,
                                       .event = prepared->event,
                                       .title = Render(row->title, prepared->fields, kMaxTitle),
                                       .body = Render(row->body, prepared->fields, kMaxBody),
                                       .occurred_at = ended.at,
                                       .recipients = recipients}));
    Tell(tx, ids, "message_created", created);
    telemetry::Count("edcert_messages_created_total", {{"change", change.type}},
                     static_cast<double>(created.size()));
  }
  return absl::OkStatus();
}

}  // namespace edcert::notification
