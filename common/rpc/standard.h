// What every service serves alike: times on the wire, its change feed.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/feed/feed.h"
#include "common/rpc/call.h"
#include "common/rpc/runtime.h"
#include "common/rpc/status.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "edcert/type/common.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace edcert::rpc {

google::protobuf::Timestamp ToProto(absl::Time time);
absl::Time FromProto(const google::protobuf::Timestamp& time);

// A date of the wire; FIELD_INVALID for `field` when it is absent, does not exist or is not of the
// years 1900 to 2200: an instant of such a day can be stored in any time zone.
absl::StatusOr<absl::CivilDay> ParseDate(const type::Date& date, std::string_view field);
type::Date ToProto(absl::CivilDay day);

// FIELD_INVALID unless `text` has `min` to `max` characters (bytes of UTF-8).
absl::Status CheckText(std::string_view text, std::string_view field, std::size_t min,
                       std::size_t max);

// Asks another service for its changes, in the name of this one.
template <typename Request, typename Response, typename Stub>
absl::StatusOr<feed::Page> FetchChanges(Runtime& runtime, Stub& stub, int64_t after, int limit) {
  grpc::ClientContext context;
  RETURN_IF_ERROR(runtime.Prepare(context, absl::Seconds(5)));
  Request request;
  request.set_after(after);
  request.set_limit(limit);
  Response response;
  RETURN_IF_ERROR(FromGrpc(stub.ListChanges(&context, request, &response)));
  return feed::Page{{response.changes().begin(), response.changes().end()}, response.head()};
}

// ListChanges of any service.
template <typename Request, typename Response>
absl::Status ServeChanges(Call& call, const Request& request, Response* response) {
  constexpr int kDefault = 100;
  constexpr int kMax = 1000;
  if (request.after() < 0) return status::FieldInvalid("after", "must not be negative");
  if (request.limit() < 0) return status::FieldInvalid("limit", "must not be negative");
  const int limit = request.limit() == 0 ? kDefault : std::min(request.limit(), kMax);
  ASSIGN_OR_RETURN(const feed::Page page, feed::List(call.db(), request.after(), limit));
  for (const type::Change& change : page.changes) *response->add_changes() = change;
  response->set_head(page.head);
  return absl::OkStatus();
}

}  // namespace edcert::rpc
