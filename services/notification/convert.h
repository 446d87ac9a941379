// Between the wire and the domain.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "edcert/notification/v1/notification.pb.h"
#include "edcert/type/change.pb.h"
#include "services/notification/message.h"

namespace edcert::notification {

v1::Message ToProto(const Message& message);

Change FromProto(const type::Change& change);

// The filter of a list, for the caller's own messages; days are of the given zone.
absl::StatusOr<MessageFilter> FilterOf(const v1::ListMessagesRequest& request,
                                       const std::string& recipient, absl::TimeZone time_zone);

}  // namespace edcert::notification
