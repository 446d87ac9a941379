// Events, and what every service serves: its feed and its audit log.
#include "services/event_registry/event_registry_service.h"

#include "common/access/audit.h"
#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/rpc/standard.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/event_registry/convert.h"
#include "services/event_registry/errors.h"
#include "services/event_registry/request_convert.h"

namespace edcert::event_registry {
namespace {

namespace v1 = ::edcert::registry::v1;

feed::Event EventPublished(const Event& event) {
  return {.subject = event.name.ToString(),
          .type = "event_published",
          .attributes = {{"event", event.name.ToString()},
                         {"title", event.title},
                         {"category", event.category.ToString()},
                         {"level", std::string(kLevelText.Of(event.level))},
                         {"live_version", std::to_string(event.live_version)}}};
}

feed::Event EventClosed(const Event& event) {
  return {.subject = event.name.ToString(),
          .type = "event_closed",
          .attributes = {{"event", event.name.ToString()},
                         {"title", event.title},
                         {"category", event.category.ToString()},
                         {"reason", event.close_reason}}};
}

// The place after which a page of events begins.
absl::StatusOr<EventKey> KeyOf(const paging::Page& page) {
  if (page.key.empty()) return EventKey{};
  if (!IsDayText(page.Key(0))) return status::PageTokenInvalid();
  return EventKey{DayFromText(page.Key(0)), page.Key(1)};
}

}  // namespace

EventRegistryService::EventRegistryService(rpc::Runtime& runtime, const StateCalendar& calendar,
                                           const clock::Clock& clock)
    : runtime_(runtime), calendar_(calendar), clock_(clock), access_(calendar_, clock) {}

// Here, where alone the code of gRPC's base class is then compiled.
EventRegistryService::~EventRegistryService() = default;

v1::Event EventRegistryService::ToProto(const Event& event) const {
  return event_registry::ToProto(event, calendar_, clock_.Now());
}

void EventRegistryService::Report(const rpc::Call& call, pg::Transaction& tx,
                                  const feed::Event& event) const {
  feed::Append(tx, runtime_.ids().NewId(), call.principal().name(), event);
}

absl::Status EventRegistryService::CheckCategory(pg::Querier& db, const Event& event) const {
  ASSIGN_OR_RETURN(const Category category, categories_.Get(db, event.category, Viewer::kState));
  return category.level == event.level
             ? absl::OkStatus()
             : status::FieldInvalid("event.level", "must be the category's level");
}

grpc::ServerUnaryReactor* EventRegistryService::CreateEvent(grpc::CallbackServerContext* context,
                                                            const v1::CreateEventRequest* request,
                                                            v1::Event* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Event event, FromProto(*request, runtime_.ids()));
    RETURN_IF_ERROR(access_.ResolveStateUser(call, {}).status());
    return rpc::Command(call, *request, response,
                        [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                          RETURN_IF_ERROR(CheckCategory(tx, event));
                          ASSIGN_OR_RETURN(const Event created, events_.Insert(tx, event));
                          *response = ToProto(created);
                          return created.name.ToString();
                        });
  });
}

grpc::ServerUnaryReactor* EventRegistryService::GetEvent(grpc::CallbackServerContext* context,
                                                         const v1::GetEventRequest* request,
                                                         v1::Event* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto name, names::EventName::Parse(request->name(), "name"));
    ASSIGN_OR_RETURN(const access::Access access,
                     access_.Resolve(call, {.event = name.ToString()}));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const Event event, events_.GetWithParticipants(db, name, ScopeOf(access)));
    *response = ToProto(event);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EventRegistryService::ListEvents(grpc::CallbackServerContext* context,
                                                           const v1::ListEventsRequest* request,
                                                           v1::ListEventsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const EventFilter filter, FromProto(*request));
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 2));
    ASSIGN_OR_RETURN(const EventKey after, KeyOf(page));
    ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
    pg::Database db = call.db();
    const std::string user = access.user.substr(access.user.find('/') + 1);
    ASSIGN_OR_RETURN(auto events,
                     events_.List(db, ScopeOf(access), user, filter, Today(), after, page.limit()));
    response->set_next_page_token(paging::Cut(*request, page, events, [](const Event& last) {
      return std::vector{ToText(last.window.due_date), last.name.id()};
    }));
    for (const Event& event : events) *response->add_events() = ToProto(event);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EventRegistryService::UpdateEvent(grpc::CallbackServerContext* context,
                                                            const v1::UpdateEventRequest* request,
                                                            v1::Event* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto command, FromProto(*request));
    RETURN_IF_ERROR(access_.ResolveStateUser(call, {.event = command.name.ToString()}).status());
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const Event before, events_.Lock(tx, command.name, command.etag));
          ASSIGN_OR_RETURN(const Event after, Update(before, command.change));
          RETURN_IF_ERROR(CheckCategory(tx, after));
          ASSIGN_OR_RETURN(const Event updated, events_.Update(tx, before, after));
          *response = ToProto(updated);
          return updated.name.ToString();
        });
  });
}

grpc::ServerUnaryReactor* EventRegistryService::PublishEvent(grpc::CallbackServerContext* context,
                                                             const v1::PublishEventRequest* request,
                                                             v1::Event* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto command, FromProto(*request));
    RETURN_IF_ERROR(access_.ResolveStateUser(call, {.event = command.name.ToString()}).status());
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const Event before, events_.Lock(tx, command.name, command.etag));
          ASSIGN_OR_RETURN(const Category category,
                           categories_.GetShared(tx, before.category, Viewer::kState));
          ASSIGN_OR_RETURN(const Event after,
                           Publish(before, category, command.rule_group_version, Today()));
          ASSIGN_OR_RETURN(const Event published, events_.Save(tx, before, after));
          Report(call, tx, EventPublished(published));
          *response = ToProto(published);
          return published.name.ToString();
        });
  });
}

grpc::ServerUnaryReactor* EventRegistryService::CloseEvent(grpc::CallbackServerContext* context,
                                                           const v1::CloseEventRequest* request,
                                                           v1::Event* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto command, FromProto(*request));
    RETURN_IF_ERROR(access_.ResolveStateUser(call, {.event = command.name.ToString()}).status());
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const Event before, events_.Lock(tx, command.name, command.etag));
          ASSIGN_OR_RETURN(const Event after, Close(before, command.reason));
          ASSIGN_OR_RETURN(const Event closed, events_.Save(tx, before, after));
          Report(call, tx, EventClosed(closed));
          *response = ToProto(closed);
          return closed.name.ToString();
        });
  });
}

grpc::ServerUnaryReactor* EventRegistryService::DeleteEvent(grpc::CallbackServerContext* context,
                                                            const v1::DeleteEventRequest* request,
                                                            v1::DeleteEventResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto command, FromProto(*request));
    RETURN_IF_ERROR(access_.ResolveStateUser(call, {.event = command.name.ToString()}).status());
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const Event event, events_.Lock(tx, command.name, command.etag));
          RETURN_IF_ERROR(Next(event, EventAction::kDelete).status());
          RETURN_IF_ERROR(events_.Delete(tx, command.name));
          return command.name.ToString();
        });
  });
}

grpc::ServerUnaryReactor* EventRegistryService::ListChanges(grpc::CallbackServerContext* context,
                                                            const v1::ListChangesRequest* request,
                                                            v1::ListChangesResponse* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=](rpc::Call& call) { return rpc::ServeChanges(call, *request, response); });
}

grpc::ServerUnaryReactor* EventRegistryService::ListAuditRecords(
    grpc::CallbackServerContext* context, const v1::ListAuditRecordsRequest* request,
    v1::ListAuditRecordsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    return access::ServeAudit(access_, call, *request, response);
  });
}

absl::Status EnsureAdministrator(pg::Database db, const std::string& name) {
  ASSIGN_OR_RETURN(const auto user, names::UserName::Parse(name, "first_administrator"));
  return db.RunInTransaction([&user](pg::Transaction& tx) {
    return UserStore().InsertAdministrator(tx, FirstAdministrator(user));
  });
}

}  // namespace edcert::event_registry
