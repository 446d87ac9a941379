#include "services/notification/fan_out.h"

#include <fmt/format.h>

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

// The members that the audience is chosen from.
absl::StatusOr<std::vector<Member>> MembersFor(Audience audience, const std::string& category,
                                               const std::string& organization,
                                               Directory& directory) {
  switch (audience) {
    case Audience::kEventMembers:
    case Audience::kEventLocalMembers:
      return directory.ListMembers(category, "");
    case Audience::kStateMembers:
      return directory.ListStateMembers(category);
    case Audience::kLocalMembers:
    case Audience::kRequesterAndCertifiers:
      return directory.ListMembers(category, organization);
    case Audience::kRequesterCertifiersAndState: {
      ASSIGN_OR_RETURN(std::vector<Member> members, directory.ListStateMembers(category));
      ASSIGN_OR_RETURN(const std::vector<Member> local,
                       directory.ListMembers(category, organization));
      members.insert(members.end(), local.begin(), local.end());
      return members;
    }
    case Audience::kOutstanding:
    case Audience::kSigners:
      break;
  }
  return std::vector<Member>();
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
  std::string category = change.Attribute("category");
  if (std::any_of(rows.begin(), rows.end(),
                  [](const Template* row) { return AboutEvent(row->audience); })) {
    ASSIGN_OR_RETURN(Directory::Event event, directory.GetEvent(change.Attribute("event")));
    facts.participants = std::move(event.participants);
    category = event.category;
    prepared->fields["starts"] = ForPeople(event.starts_at, time_zone);
    prepared->fields["opens"] = ForPeople(event.opens_at, time_zone);
    prepared->fields["due"] = ForPeople(event.due_at, time_zone);
  }
  for (const Template* row : rows) {
    ASSIGN_OR_RETURN(facts.members,
                     MembersFor(row->audience, category, facts.organization, directory));
    prepared->messages.push_back({row, FindRecipients(row->audience, facts)});
  }
  return prepared;
}

absl::Status Apply(pg::Transaction& tx, const MessageStore& store, const ids::IdSource& ids,
                   Feed feed, const Change& change, const Prepared* prepared) {
  RETURN_IF_ERROR(store.Lock(tx));
  const MessageStore::Ended ended = {
      .event = change.Attribute("event"),
      .organization = change.Attribute("organization"),
      .actor = change.Attribute("actor").empty() ? change.actor : change.Attribute("actor"),
      .at = change.occurred_at};
  for (const Closing& closing : Closings()) {
    if (closing.feed != feed || closing.change != change.type) continue;
    ASSIGN_OR_RETURN(const std::vector<Touched> closed, store.Close(tx, closing, ended));
    Tell(tx, ids, "message_updated", closed);
  }
  if (prepared == nullptr) return absl::OkStatus();
  for (const auto& [row, recipients] : prepared->messages) {
    ASSIGN_OR_RETURN(const std::vector<Touched> created,
                     store.Create(tx, {.cause_id = change.id,
                                       .cause = row->cause,
                                       .subject = change.subject,
                                       .event = ended.event,
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
