#include "services/dataset/push_service.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "common/feed/feed.h"
#include "common/idempotency/idempotency.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/telemetry/metrics.h"
#include "services/dataset/content_convert.h"
#include "services/dataset/convert.h"
#include "services/dataset/errors.h"
#include "services/dataset/issue_store.h"
#include "services/dataset/record_store.h"
#include "services/dataset/resync_store.h"
#include "services/dataset/scope.h"

namespace edcert::dataset {
namespace {

constexpr int kIssuesInAnswer = 100;

absl::Status ParseAnswer(const std::string& stored, v1::PushRecordsResponse* response) {
  return response->ParseFromString(stored) ? absl::OkStatus() : status::Internal("stored response");
}

// One push, from the header on. Lives for one call.
class OnePush {
 public:
  OnePush(rpc::Call& call, const BatchHeader& header, Content& content, bool automatic_sync,
          idempotency::Key key)
      : call_(call),
        header_(header),
        content_(content),
        automatic_sync_(automatic_sync),
        key_(std::move(key)) {}

  // Answers from the ledgers when the request or the batch was answered before: the rest of the
  // stream is read only to compare it.
  absl::StatusOr<bool> Replay(v1::PushRecordsResponse* response);
  absl::Status Apply(v1::PushRecordsResponse* response);

  // The sync that follows; empty when there is none.
  const std::optional<jobs::NewJob>& job() const { return job_; }

 private:
  // Whether a ledger has the request or the batch, with whatever content.
  absl::StatusOr<bool> IsKnown();
  absl::Status ApplyIn(pg::Transaction& tx, v1::PushRecordsResponse* response);
  absl::Status Load(pg::Transaction& tx, RecordBatch& batch);
  // The copy as it is, locked. Counts what is rejected.
  absl::StatusOr<Version> LockAndReject(RecordBatch& batch);
  absl::StatusOr<Changes> ApplyBatch(pg::Transaction& tx, RecordBatch& batch,
                                     const Version& version);
  absl::Status Report(pg::Transaction& tx, const Changes& changes,
                      v1::PushRecordsResponse* response);

  // Whether nothing is applied because something is rejected.
  bool refused() const { return header_.all_or_nothing && rejected_ > 0; }
  int64_t Staged(RecordBatch& batch) const {
    return content_.records() - batch.standing().brought();
  }

  IssueSource Source() const {
    return {.copy = Copy::kDistrict,
            .dataset = header_.dataset->id,
            .district = header_.district,
            .batch_id = header_.batch_id,
            .resync_id = std::nullopt,
            .found_in = header_.batch_id};
  }

  rpc::Call& call_;
  const BatchHeader& header_;
  Content& content_;
  const bool automatic_sync_;
  idempotency::Key key_;
  bool loaded_ = false;
  int64_t rejected_ = 0;
  std::optional<jobs::NewJob> job_;
};

absl::StatusOr<bool> OnePush::IsKnown() {
  pg::Database db = call_.db();
  const auto answer = idempotency::Find(db, key_);
  if (!answer.ok() && status::ReasonOf(answer.status()) != "REQUEST_ID_REUSED") {
    return answer.status();
  }
  // The hash is not known yet, so an old request answers that its content is another one.
  if (!answer.ok() || answer->has_value()) return true;
  ASSIGN_OR_RETURN(const std::optional<StoredBatch> stored, FindBatch(db, header_.batch_id));
  return stored.has_value();
}

absl::StatusOr<bool> OnePush::Replay(v1::PushRecordsResponse* response) {
  ASSIGN_OR_RETURN(const bool known, IsKnown());
  if (!known) return false;
  RETURN_IF_ERROR(content_.Skip());
  key_.sha256 = content_.sha256();
  pg::Database db = call_.db();
  ASSIGN_OR_RETURN(const std::optional<std::string> answer, idempotency::Find(db, key_));
  if (answer.has_value()) {
    RETURN_IF_ERROR(ParseAnswer(*answer, response));
    return true;
  }
  ASSIGN_OR_RETURN(const std::optional<StoredBatch> stored, FindBatch(db, header_.batch_id));
  if (!stored.has_value() || stored->content_sha256 != key_.sha256) {
    return status::RequestIdReused(header_.batch_id);
  }
  RETURN_IF_ERROR(ParseAnswer(stored->response, response));
  return true;
}

absl::Status OnePush::Load(pg::Transaction& tx, RecordBatch& batch) {
  RETURN_IF_ERROR(batch.Stage());
  RETURN_IF_ERROR(tx.StartCopy(batch.CopyStatement()));
  loaded_ = true;
  const bool replaces = header_.mode != Mode::kDelete;
  if (replaces) content_.LeaveOut(&batch.standing());
  const absl::Status read = content_.Read([&](std::string_view rows) {
    if (replaces && rows.size() >= Content::kPiece) {
      RETURN_IF_ERROR(batch.KnowStanding(call_.db(), header_.mode, content_.records()));
    }
    return tx.CopyData(rows);
  });
  // Ended in any case: a connection in the middle of a COPY could not even roll back.
  const absl::StatusOr<int64_t> copied = tx.EndCopy();
  RETURN_IF_ERROR(read);
  return copied.status();
}

absl::StatusOr<Version> OnePush::LockAndReject(RecordBatch& batch) {
  // To delete a record twice is to delete it. Most content repeats nothing, and then the server
  // need not look.
  const bool repeats = header_.mode != Mode::kDelete && content_.MayRepeatKeys();
  ASSIGN_OR_RETURN(Version version, batch.Lock());
  RETURN_IF_ERROR(batch.Restore(repeats, Staged(batch)));
  rejected_ = content_.rejected();
  if (repeats) {
    ASSIGN_OR_RETURN(const int64_t duplicates, batch.RejectDuplicates());
    rejected_ += duplicates;
  }
  return version;
}

absl::StatusOr<Changes> OnePush::ApplyBatch(pg::Transaction& tx, RecordBatch& batch,
                                            const Version& version) {
  if (refused()) {
    RETURN_IF_ERROR(PutIssues(tx, Source()));
    return Changes{.version = version.version};
  }
  ASSIGN_OR_RETURN(const Changes changes, batch.Apply(header_.mode, Staged(batch), rejected_));
  if (rejected_ > 0) RETURN_IF_ERROR(PutIssues(tx, Source()));
  RETURN_IF_ERROR(CloseIssues(tx, Source(), /*all=*/header_.mode == Mode::kReplaceAll));
  if (!changes.any()) return changes;
  feed::Append(tx, call_.runtime().ids().NewId(), call_.principal().name(),
               {.subject = "organizations/" + header_.district,
                .type = "records_changed",
                .attributes = {{"dataset", header_.dataset->name()},
                               {"copy", std::string(ToString(Copy::kDistrict))},
                               {"version", std::to_string(changes.version)},
                               {"batch", header_.batch_id}}});
  if (automatic_sync_) {
    ASSIGN_OR_RETURN(const Accepted accepted,
                     AcceptAutomatic(tx, call_.runtime().ids().NewId(), header_.district,
                                     header_.dataset->id, version.row_count + changes.inserted));
    if (accepted.fresh) job_ = accepted.job;
  }
  return changes;
}

absl::Status OnePush::Report(pg::Transaction& tx, const Changes& changes,
                             v1::PushRecordsResponse* response) {
  const int64_t received = content_.records();
  const int64_t rejected = refused() ? received : rejected_;
  response->Clear();
  response->set_batch(header_.batch_id);
  response->set_version(changes.version);
  response->set_received(received);
  response->set_inserted(changes.inserted);
  response->set_updated(changes.updated);
  response->set_deleted(changes.deleted);
  response->set_rejected(rejected);
  const int64_t listed = header_.mode == Mode::kDelete ? changes.deleted : 0;
  response->set_unchanged(received - rejected - changes.inserted - changes.updated - listed);
  ASSIGN_OR_RETURN(const std::vector<Issue> issues,
                   FirstIssues(tx, header_.batch_id, kIssuesInAnswer));
  for (const Issue& issue : issues) *response->add_issues() = ToProto(issue);
  return absl::OkStatus();
}

absl::Status OnePush::ApplyIn(pg::Transaction& tx, v1::PushRecordsResponse* response) {
  // The stream can be read once: a collision after that is the caller's to repeat.
  if (loaded_) return status::Conflict();
  RecordBatch batch(tx, *header_.dataset, Copy::kDistrict, header_.district);
  RETURN_IF_ERROR(Load(tx, batch));
  key_.sha256 = content_.sha256();

  ASSIGN_OR_RETURN(const std::optional<std::string> answer, idempotency::Claim(tx, key_));
  if (answer.has_value()) return ParseAnswer(*answer, response);
  const std::string audit_id = call_.runtime().ids().NewId();
  const std::string subject = "organizations/" + header_.district;
  ASSIGN_OR_RETURN(const bool claimed, ClaimBatch(tx, header_, key_.sha256));
  if (!claimed) {
    ASSIGN_OR_RETURN(const std::optional<StoredBatch> stored, FindBatch(tx, header_.batch_id));
    if (!stored.has_value()) return status::Conflict();
    if (stored->content_sha256 != key_.sha256) return status::RequestIdReused(header_.batch_id);
    idempotency::Finish(tx, key_, audit_id, subject, stored->response);
    return ParseAnswer(stored->response, response);
  }

  ASSIGN_OR_RETURN(const Version version, LockAndReject(batch));
  ASSIGN_OR_RETURN(const Changes changes, ApplyBatch(tx, batch, version));
  RETURN_IF_ERROR(Report(tx, changes, response));
  const std::string bytes = response->SerializeAsString();
  FinishBatch(tx, header_.batch_id, changes.version, bytes);
  idempotency::Finish(tx, key_, audit_id, subject, bytes);
  // A stream that is cut looks like one that ends until gRPC has heard of the cut, too.
  return call_.IsCancelled() ? status::Cancelled() : absl::OkStatus();
}

absl::Status OnePush::Apply(v1::PushRecordsResponse* response) {
  return call_.db().RunInTransaction([&](pg::Transaction& tx) { return ApplyIn(tx, response); });
}

// Leaves when it goes.
class Entered {
 public:
  Entered(PushLimit& limit, std::string district) : limit_(limit), district_(std::move(district)) {}
  ~Entered() { limit_.Leave(district_); }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

 private:
  PushLimit& limit_;
  const std::string district_;
};

}  // namespace

bool PushLimit::Enter(const std::string& district) {
  const absl::MutexLock lock(&mutex_);
  int& running = running_[district];
  if (running >= per_district_) return false;
  ++running;
  return true;
}

void PushLimit::Leave(const std::string& district) {
  const absl::MutexLock lock(&mutex_);
  if (--running_[district] == 0) running_.erase(district);
}

absl::Status Pusher::Push(rpc::Call& call, rpc::UploadReader<v1::PushRecordsRequest>& reader,
                          v1::PushRecordsResponse* response) {
  v1::PushRecordsRequest first;
  ASSIGN_OR_RETURN(const bool any, reader.Next(&first));
  if (!any || !first.has_header()) {
    return status::FieldInvalid("header", "must be the first message");
  }
  RETURN_IF_ERROR(call.SetRequestId(first.header().request_id(), "header.request_id"));
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(const auto definitions, definitions_.Get(db));
  ASSIGN_OR_RETURN(const BatchHeader header, ParseHeader(first.header(), definitions->catalogue));
  const std::string district = "organizations/" + header.district;
  ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {.organization = district}));
  RETURN_IF_ERROR(RequireWholeDistrict(access, district));
  if (!limit_.Enter(header.district)) return TooManyPushes();
  const Entered entered(limit_, header.district);
  return PushBatch(call, reader, first.header(), header, response);
}

absl::Status Pusher::PushBatch(rpc::Call& call, rpc::UploadReader<v1::PushRecordsRequest>& reader,
                               const v1::PushRecordsRequest::Header& request,
                               const BatchHeader& header, v1::PushRecordsResponse* response) {
  idempotency::Key key = call.IdempotencyKey(request);
  Content content(reader, header, key.sha256);
  // Until the content has been read its hash is that of the header, which no ledger holds.
  OnePush push(call, header, content, options_.automatic_sync, std::move(key));
  ASSIGN_OR_RETURN(const bool replayed, push.Replay(response));
  if (replayed) return absl::OkStatus();
  RETURN_IF_ERROR(push.Apply(response));
  telemetry::Count("edcert_dataset_records_total", {{"dataset", header.dataset->id}},
                   static_cast<double>(response->received()));
  if (dispatcher_ != nullptr && push.job().has_value()) dispatcher_->Hint(*push.job());
  call.runtime().Poke();
  return absl::OkStatus();
}

}  // namespace edcert::dataset
