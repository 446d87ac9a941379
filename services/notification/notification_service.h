// The gRPC face of the message center.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/time/time.h"
#include "common/rpc/runtime.h"
#include "edcert/notification/v1/notification.grpc.pb.h"
#include "services/notification/message_store.h"

namespace edcert::notification {

// Thread-safe.
class NotificationService final : public v1::Notifications::CallbackService {
 public:
  NotificationService(rpc::Runtime& runtime, const MessageStore& store, absl::TimeZone time_zone);
  ~NotificationService() override;

  grpc::ServerUnaryReactor* ListMessages(grpc::CallbackServerContext* context,
                                         const v1::ListMessagesRequest* request,
                                         v1::ListMessagesResponse* response) override;
  grpc::ServerUnaryReactor* GetMessage(grpc::CallbackServerContext* context,
                                       const v1::GetMessageRequest* request,
                                       v1::Message* response) override;
  grpc::ServerUnaryReactor* MarkRead(grpc::CallbackServerContext* context,
                                     const v1::MarkReadRequest* request,
                                     v1::Message* response) override;
  grpc::ServerUnaryReactor* Dismiss(grpc::CallbackServerContext* context,
                                    const v1::DismissRequest* request,
                                    v1::Message* response) override;
  grpc::ServerWriteReactor<v1::WatchMessagesResponse>* WatchMessages(
      grpc::CallbackServerContext* context, const v1::WatchMessagesRequest* request) override;

 private:
  rpc::Runtime& runtime_;
  const MessageStore& store_;
  const absl::TimeZone time_zone_;
};

}  // namespace edcert::notification
