#include "common/idempotency/idempotency.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "common/idempotency/sql/idempotency.sql.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::idempotency {
namespace {

absl::StatusOr<std::optional<std::string>> Answer(const pg::Result& rows, const Key& key) {
  if (rows.empty()) return std::nullopt;
  if (rows[0].Binary("request_sha256") != key.sha256) {
    return status::RequestIdReused(key.request_id);
  }
  return rows[0].Binary("response");
}

}  // namespace

std::string HashOf(const google::protobuf::Message& request) {
  const std::unique_ptr<google::protobuf::Message> copy(request.New());
  copy->CopyFrom(request);
  if (const auto* field = copy->GetDescriptor()->FindFieldByName("request_id"); field != nullptr) {
    copy->GetReflection()->ClearField(copy.get(), field);
  }
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    copy->SerializeToCodedStream(&coded);
  }
  std::array<unsigned char, 32> hash;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), hash.data(), nullptr, EVP_sha256(), nullptr) == 1);
  return std::string(hash.begin(), hash.end());
}

absl::StatusOr<std::optional<std::string>> Find(pg::Querier& db, const Key& key) {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   db.Run(sql::kFind, key.principal, key.method, key.request_id));
  return Answer(rows, key);
}

absl::StatusOr<std::optional<std::string>> Claim(pg::Transaction& tx, const Key& key) {
  ASSIGN_OR_RETURN(const pg::Result claimed, tx.Run(sql::kClaim, key.principal, key.method,
                                                    key.request_id, pg::Bytes{key.sha256}));
  if (!claimed.empty()) return std::nullopt;
  // A twin committed while we waited; the next statement sees its row.
  ASSIGN_OR_RETURN(std::optional<std::string> answer, Find(tx, key));
  if (!answer.has_value()) return status::Conflict();
  return answer;
}

void Finish(pg::Transaction& tx, const Key& key, const std::string& audit_id,
            const std::string& subject, const std::string& response) {
  tx.Defer(sql::kAudit, audit_id, key.principal, key.acting, key.method, subject, key.request_id,
           pg::Bytes{key.sha256});
  tx.Defer(sql::kStore, key.principal, key.method, key.request_id, pg::Bytes{response});
}

absl::StatusOr<std::vector<AuditRecord>> ListAudit(pg::Querier& db, const AuditFilter& filter,
                                                   const std::string& after, int limit) {
  const std::optional<std::string> from =
      after.empty() ? std::nullopt : std::optional<std::string>(after);
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kListAudit, from, filter.subject,
                                                 filter.actor, filter.from, filter.to, limit));
  std::vector<AuditRecord> records;
  for (const pg::Row row : rows) {
    records.push_back({row.Text("id"), row.Text("actor"), row.Text("on_behalf_by"),
                       row.Text("method"), row.Text("subject"), row.Text("request_id"),
                       row.Text("request_sha256"), row.Time("at")});
  }
  return records;
}

}  // namespace edcert::idempotency
