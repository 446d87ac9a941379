// What every service serves alike: times on the wire, its change feed, its audit log.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/feed/feed.h"
#include "common/idempotency/idempotency.h"
#include "common/ids/ids.h"
#include "common/paging/paging.h"
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

// A date of the wire; FIELD_INVALID for `field` when it is absent or does not exist.
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

// ListAuditRecords of any service.
template <typename Request, typename Response>
absl::Status ServeAudit(Call& call, const Request& request, Response* response) {
  ASSIGN_OR_RETURN(const paging::Page page, paging::Read(request, 1));
  if (!page.key.empty() && !ids::IsUuid(page.key[0])) return status::PageTokenInvalid();
  idempotency::AuditFilter filter{.subject = request.subject(), .actor = request.actor()};
  if (request.has_from_time()) filter.from = FromProto(request.from_time());
  if (request.has_to_time()) filter.to = FromProto(request.to_time());
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(std::vector<idempotency::AuditRecord> records,
                   idempotency::ListAudit(db, filter, page.Key(0), page.limit()));
  response->set_next_page_token(
      paging::Cut(request, page, records,
                  [](const idempotency::AuditRecord& record) { return std::vector{record.id}; }));
  for (const idempotency::AuditRecord& record : records) {
    type::AuditRecord* out = response->add_audit_records();
    out->set_id(record.id);
    out->set_actor(record.actor);
    out->set_on_behalf_by(record.on_behalf_by);
    out->set_method(record.method);
    out->set_subject(record.subject);
    out->set_request_id(record.request_id);
    out->set_request_sha256(record.request_sha256);
    *out->mutable_at() = ToProto(record.at);
  }
  return absl::OkStatus();
}

}  // namespace edcert::rpc
