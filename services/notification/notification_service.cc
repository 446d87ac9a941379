#include "services/notification/notification_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/feed/feed.h"
#include "common/names/names.h"
#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/rpc/watch.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/notification/convert.h"

namespace edcert::notification {
namespace {

constexpr int kWatchPage = 200;
constexpr absl::Duration kWatchTick = absl::Seconds(30);

// Nobody but the caller himself exists here.
absl::Status CheckOwn(const rpc::Call& call, const std::string& user, const std::string& name) {
  return call.principal().user == user ? absl::OkStatus() : status::NotFound(name);
}

absl::StatusOr<names::MessageName> OwnMessage(const rpc::Call& call, const std::string& text,
                                              const char* field) {
  ASSIGN_OR_RETURN(names::MessageName name, names::MessageName::Parse(text, field));
  RETURN_IF_ERROR(
      CheckOwn(call, names::UserName::FromId(name.parent_id()).ToString(), name.ToString()));
  return name;
}

absl::StatusOr<std::string> OwnParent(const rpc::Call& call, const std::string& text) {
  ASSIGN_OR_RETURN(const names::UserName name, names::UserName::Parse(text, "parent"));
  RETURN_IF_ERROR(CheckOwn(call, name.ToString(), name.ToString()));
  return name.ToString();
}

// A command on one of the caller's messages.
template <typename Request, typename Change>
absl::Status ChangeMessage(rpc::Call& call, const Request& request, v1::Message* response,
                           const Change& change) {
  ASSIGN_OR_RETURN(const names::MessageName name, OwnMessage(call, request.name(), "name"));
  const std::string user = call.principal().user;
  return rpc::Command(call, request, response,
                      [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                        ASSIGN_OR_RETURN(const Message message, change(tx, user, name.id()));
                        *response = ToProto(message);
                        feed::Append(tx, call.runtime().ids().NewId(), user,
                                     {.subject = user,
                                      .type = "message_updated",
                                      .attributes = {{"message", name.ToString()}}});
                        return name.ToString();
                      });
}

}  // namespace

NotificationService::NotificationService(rpc::Runtime& runtime, const MessageStore& store,
                                         absl::TimeZone time_zone)
    : runtime_(runtime), store_(store), time_zone_(time_zone) {}

// Here, where alone the code of gRPC's base class is then compiled.
NotificationService::~NotificationService() = default;

grpc::ServerUnaryReactor* NotificationService::ListMessages(grpc::CallbackServerContext* context,
                                                            const v1::ListMessagesRequest* request,
                                                            v1::ListMessagesResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
        ASSIGN_OR_RETURN(const int64_t before, page.IntKey(0));
        ASSIGN_OR_RETURN(const MessageFilter filter,
                         FilterOf(*request, call.principal().user, time_zone_));
        RETURN_IF_ERROR(OwnParent(call, request->parent()).status());
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(std::vector<Message> messages,
                         store_.List(db, filter, before, page.limit()));
        response->set_next_page_token(paging::Cut(
            *request, page, messages,
            [](const Message& message) { return std::vector{std::to_string(message.sequence)}; }));
        for (const Message& message : messages) *response->add_messages() = ToProto(message);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* NotificationService::GetMessage(grpc::CallbackServerContext* context,
                                                          const v1::GetMessageRequest* request,
                                                          v1::Message* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const names::MessageName name, OwnMessage(call, request->name(), "name"));
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(const Message message, store_.Get(db, call.principal().user, name.id()));
        *response = ToProto(message);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* NotificationService::MarkRead(grpc::CallbackServerContext* context,
                                                        const v1::MarkReadRequest* request,
                                                        v1::Message* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=, this](rpc::Call& call) -> absl::Status {
                       return ChangeMessage(call, *request, response,
                                            [this](auto& tx, const auto& user, const auto& id) {
                                              return store_.MarkRead(tx, user, id);
                                            });
                     });
}

grpc::ServerUnaryReactor* NotificationService::Dismiss(grpc::CallbackServerContext* context,
                                                       const v1::DismissRequest* request,
                                                       v1::Message* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=, this](rpc::Call& call) -> absl::Status {
                       return ChangeMessage(call, *request, response,
                                            [this](auto& tx, const auto& user, const auto& id) {
                                              return store_.Dismiss(tx, user, id);
                                            });
                     });
}

grpc::ServerWriteReactor<v1::WatchMessagesResponse>* NotificationService::WatchMessages(
    grpc::CallbackServerContext* context, const v1::WatchMessagesRequest* request) {
  using Step = rpc::WatchStep<v1::WatchMessagesResponse>;
  // How far this stream is. Shared by the looks of one stream, which run one after the other.
  const auto place = std::make_shared<std::optional<int64_t>>();
  const v1::WatchMessagesRequest asked = *request;
  return rpc::Watch<v1::WatchMessagesRequest, v1::WatchMessagesResponse>(
      runtime_, context, request, {.subject = asked.parent(), .tick = kWatchTick},
      [this, place, asked](rpc::Call& call) -> absl::StatusOr<Step> {
        ASSIGN_OR_RETURN(const std::string user, OwnParent(call, asked.parent()));
        pg::Database db = call.db();
        if (!place->has_value() && asked.after().empty()) {
          ASSIGN_OR_RETURN(*place, store_.NewestSequence(db, user));
        } else if (!place->has_value()) {
          ASSIGN_OR_RETURN(const names::MessageName after,
                           OwnMessage(call, asked.after(), "after"));
          ASSIGN_OR_RETURN(const Message message, store_.Get(db, user, after.id()));
          *place = message.sequence;
        }
        Step step;
        std::vector<Message> page;
        do {
          ASSIGN_OR_RETURN(page, store_.ListAfter(db, user, **place, kWatchPage));
          for (const Message& message : page) {
            *step.messages.emplace_back().mutable_message() = ToProto(message);
            *place = message.sequence;
          }
        } while (page.size() == kWatchPage);
        return step;
      });
}

}  // namespace edcert::notification
