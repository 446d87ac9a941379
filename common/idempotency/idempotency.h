// One command, one effect: the ledger of requests and their answers, and the audit row that goes
// with each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "google/protobuf/message.h"

namespace edcert::idempotency {

// Who sends which request.
struct Key {
  std::string principal;   // `users/...` or `services/...`
  std::string acting;      // the service that acts for the user; empty when he called himself
  std::string method;      // full RPC name
  std::string request_id;  // UUID
  std::string sha256;      // of the canonical request without request_id; 32 bytes
};

// SHA-256 of the deterministic encoding of `request` without its request_id.
std::string HashOf(const google::protobuf::Message& request);

// The stored response of a request that was answered before; nothing when it is new;
// REQUEST_ID_REUSED when the content differs.
absl::StatusOr<std::optional<std::string>> Find(pg::Querier& db, const Key& key);

// Claims the key inside the command's transaction; when a twin was first, its response.
absl::StatusOr<std::optional<std::string>> Claim(pg::Transaction& tx, const Key& key);

// Stores the response and writes the audit row; both travel with COMMIT.
void Finish(pg::Transaction& tx, const Key& key, const std::string& audit_id,
            const std::string& subject, const std::string& response);

// One entry of the audit log.
struct AuditRecord {
  std::string id;
  std::string actor;
  std::string on_behalf_by;
  std::string method;
  std::string subject;
  std::string request_id;
  std::string request_sha256;  // hex
  absl::Time at;
};

// Which audit records to list; an empty text filters nothing.
struct AuditFilter {
  std::string subject = {};
  std::string actor = {};
  absl::Time from = absl::InfinitePast();
  absl::Time to = absl::InfiniteFuture();
};

// Audit records, newest first, after the record `after` (empty: from the newest).
absl::StatusOr<std::vector<AuditRecord>> ListAudit(pg::Querier& db, const AuditFilter& filter,
                                                   const std::string& after, int limit);

}  // namespace edcert::idempotency
