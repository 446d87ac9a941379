// ListAuditRecords of any service, with the question who may ask.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/access/access.h"
#include "common/idempotency/idempotency.h"
#include "common/paging/paging.h"
#include "common/rpc/call.h"
#include "common/rpc/standard.h"
#include "common/status/macros.h"
#include "edcert/type/common.pb.h"

namespace edcert::access {

// The log shows what everybody did in the whole state: NOT_PERMITTED unless the caller is a user of
// the state with the rights of the call's policy.
template <typename Request, typename Response>
absl::Status ServeAudit(Resolver& resolver, rpc::Call& call, const Request& request,
                        Response* response) {
  ASSIGN_OR_RETURN(const Access access, resolver.Resolve(call, {}));
  RETURN_IF_ERROR(CheckStateUser(access));
  constexpr std::size_t kMaxName = 256;
  RETURN_IF_ERROR(rpc::CheckText(request.subject(), "subject", 0, kMaxName));
  RETURN_IF_ERROR(rpc::CheckText(request.actor(), "actor", 0, kMaxName));
  ASSIGN_OR_RETURN(const paging::Page page, paging::Read(request, 1));
  ASSIGN_OR_RETURN(const std::string after, page.UuidKey(0));
  idempotency::AuditFilter filter{.subject = request.subject(), .actor = request.actor()};
  if (request.has_from_time()) filter.from = rpc::FromProto(request.from_time());
  if (request.has_to_time()) filter.to = rpc::FromProto(request.to_time());
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(std::vector<idempotency::AuditRecord> records,
                   idempotency::ListAudit(db, filter, after, page.limit()));
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
    *out->mutable_at() = rpc::ToProto(record.at);
  }
  return absl::OkStatus();
}

}  // namespace edcert::access
