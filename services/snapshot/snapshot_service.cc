#include "services/snapshot/snapshot_service.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "common/access/audit.h"
#include "common/feed/feed.h"
#include "common/names/names.h"
#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/rpc/standard.h"
#include "common/rpc/watch.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/snapshot/convert.h"
#include "services/snapshot/record_reader.h"

namespace edcert::snapshot {
namespace {

std::string IdOf(const std::string& name) { return name.substr(name.find('/') + 1); }

std::vector<std::string> DatasetIds(const access::EventFacts& event) {
  std::vector<std::string> ids;
  for (const std::string& name : event.datasets) ids.push_back(IdOf(name));
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

TakingFacts FactsOf(const rpc::Call& call, const v1::CreateSnapshotRequest& request,
                    const access::Access& access) {
  const access::EventFacts& event = *access.event;
  return {.event = request.event(),
          .organization = request.organization(),
          .has_user = !access.is_service(),
          .service = call.principal().service,
          .state_user = access.state_user,
          .approver = access.Has(access::Role::kApprover),
          .certifier_or_reviewer =
              access.Has(access::Role::kCertifier) || access.Has(access::Role::kReviewer),
          .participates = access.participates,
          .retake = !request.retake_of().empty(),
          .event_published = event.live_version > 0,
          .event_closed = event.status == access::EventStatus::kClosed,
          .event_ended = event.phase == access::Phase::kEnded,
          .snapshots_from = event.snapshots_from,
          .now = call.runtime().clock().Now()};
}

jobs::NewJob JobOf(const Taken& taken) {
  const Snapshot& snapshot = taken.snapshot;
  return {
      .id = snapshot.id,
      .organization = "organizations/" + snapshot.district_id,
      .dedupe_key = snapshot.id,
      .priority = IsLocal(snapshot.origin) ? jobs::Priority::kInteractive : jobs::Priority::kBulk,
      .cost = std::max<int64_t>(1, taken.rows)};
}

// The records of one dataset that differ, at most `limit` after a key, with their values.
absl::StatusOr<std::vector<v1::RecordDiff>> DiffRecords(pg::Database db, const DiffPair& pair,
                                                        const Extent& extent,
                                                        const std::string& after, int limit) {
  ASSIGN_OR_RETURN(const std::vector<RecordDifference> differences,
                   ListDifferences(db, pair.dataset, extent, pair.base, pair.other, after, limit));
  std::vector<std::string> in_base;
  std::vector<std::string> in_other;
  for (const RecordDifference& difference : differences) {
    if (difference.in_base) in_base.push_back(difference.record_key);
    if (difference.in_other) in_other.push_back(difference.record_key);
  }
  ASSIGN_OR_RETURN(RecordValues base, ReadValues(db, pair.dataset, extent, pair.base, in_base));
  ASSIGN_OR_RETURN(RecordValues other, ReadValues(db, pair.dataset, extent, pair.other, in_other));
  std::vector<v1::RecordDiff> records;
  for (const RecordDifference& difference : differences) {
    records.push_back(ToProto(pair.dataset, difference, base[difference.record_key],
                              other[difference.record_key]));
  }
  return records;
}

}  // namespace

SnapshotService::SnapshotService(rpc::Runtime& runtime, access::Resolver& access,
                                 const SnapshotStore& store, jobs::Dispatcher& dispatcher,
                                 Options options)
    : runtime_(runtime),
      access_(access),
      store_(store),
      dispatcher_(dispatcher),
      options_(std::move(options)) {}

// Here, where alone the code of gRPC's base class is then compiled.
SnapshotService::~SnapshotService() = default;

absl::StatusOr<NewSnapshot> SnapshotService::Prepare(rpc::Call& call,
                                                     const v1::CreateSnapshotRequest& request) {
  RETURN_IF_ERROR(names::EventName::Parse(request.event(), "event").status());
  RETURN_IF_ERROR(names::OrganizationName::Parse(request.organization(), "organization").status());
  if (!request.retake_of().empty()) {
    RETURN_IF_ERROR(names::SnapshotName::Parse(request.retake_of(), "retake_of").status());
  }
  ASSIGN_OR_RETURN(
      const access::Access access,
      access_.Resolve(call, {.event = request.event(), .organization = request.organization()}));
  ASSIGN_OR_RETURN(const Origin origin, DecideTaking(FactsOf(call, request, access)));
  const bool school = access.organization_kind == access::OrganizationKind::kSchool;
  return NewSnapshot{.id = runtime_.ids().NewId(),
                     .event = request.event(),
                     .organization = request.organization(),
                     .category = access.event->category,
                     .district_id = IdOf(access::DistrictOf(access, request.organization())),
                     .school_id = school ? IdOf(request.organization()) : "",
                     .datasets = DatasetIds(*access.event),
                     .origin = origin,
                     .taken_by = call.principal().name(),
                     .retake_of = request.retake_of(),
                     .local_per_hour = options_.local_per_hour};
}

grpc::ServerUnaryReactor* SnapshotService::CreateSnapshot(grpc::CallbackServerContext* context,
                                                          const v1::CreateSnapshotRequest* request,
                                                          v1::Snapshot* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const NewSnapshot taking, Prepare(call, *request));
        std::optional<jobs::NewJob> job;  // absent when the request was answered before
        RETURN_IF_ERROR(rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              ASSIGN_OR_RETURN(const Taken taken, store_.Take(tx, taking, runtime_.clock().Now()));
              job = JobOf(taken);
              RETURN_IF_ERROR(jobs::Accept(tx, *job).status());
              const Snapshot& snapshot = taken.snapshot;
              feed::Append(tx, runtime_.ids().NewId(), call.principal().name(),
                           {.subject = snapshot.name(),
                            .type = "snapshot_taken",
                            .attributes = {{"event", snapshot.event},
                                           {"organization", snapshot.organization},
                                           {"generation", std::to_string(snapshot.generation)}}});
              *response = ToProto(snapshot);
              return snapshot.name();
            }));
        if (job.has_value()) dispatcher_.Hint(*job);
        return absl::OkStatus();
      });
}

absl::StatusOr<Snapshot> SnapshotService::GetVisible(rpc::Call& call, const std::string& text,
                                                     const char* field, bool members_only) {
  ASSIGN_OR_RETURN(const names::SnapshotName name, names::SnapshotName::Parse(text, field));
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(Snapshot snapshot, store_.Get(db, name.id()));
  const absl::StatusOr<access::Access> access =
      access_.Resolve(call, {.event = snapshot.event, .organization = snapshot.organization});
  const bool hidden = access.ok() ? members_only && !access->is_service() && access->roles.empty()
                                  : access.status().code() == absl::StatusCode::kNotFound;
  if (hidden) return status::NotFound(name.ToString());
  RETURN_IF_ERROR(access.status());
  return snapshot;
}

grpc::ServerUnaryReactor* SnapshotService::GetSnapshot(grpc::CallbackServerContext* context,
                                                       const v1::GetSnapshotRequest* request,
                                                       v1::Snapshot* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const Snapshot snapshot, GetVisible(call, request->name(), "name", false));
        *response = ToProto(snapshot);
        return absl::OkStatus();
      });
}

absl::StatusOr<Scope> SnapshotService::ScopeOf(rpc::Call& call, const SnapshotFilter& filter) {
  const absl::StatusOr<access::Access> access =
      access_.Resolve(call, {.organization = filter.organization, .visible_events = true});
  if (access.status().code() == absl::StatusCode::kNotFound) return Scope();
  RETURN_IF_ERROR(access.status());
  return Scope{.everything = access->is_service() || access->state_user,
               // An organisation that was asked for is in scope here, whatever gives it.
               .all_organizations = !filter.organization.empty(),
               .organizations = access->scope_organizations,
               .districts = access->scope_districts,
               .events = access->visible_events};
}

grpc::ServerUnaryReactor* SnapshotService::ListSnapshots(grpc::CallbackServerContext* context,
                                                         const v1::ListSnapshotsRequest* request,
                                                         v1::ListSnapshotsResponse* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=, this](rpc::Call& call) -> absl::Status {
                       ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 2));
                       PageKey after;
                       ASSIGN_OR_RETURN(after.taken_at, page.TimeKey(0));
                       ASSIGN_OR_RETURN(after.id, page.UuidKey(1));
                       ASSIGN_OR_RETURN(const SnapshotFilter filter, FilterOf(*request));
                       ASSIGN_OR_RETURN(const Scope scope, ScopeOf(call, filter));
                       pg::Database db = call.db();
                       ASSIGN_OR_RETURN(std::vector<Snapshot> snapshots,
                                        store_.List(db, scope, filter, after, page.limit()));
                       response->set_next_page_token(
                           paging::Cut(*request, page, snapshots, [](const Snapshot& snapshot) {
                             return std::vector{paging::TimeText(snapshot.taken_at), snapshot.id};
                           }));
                       for (const Snapshot& snapshot : snapshots)
                         *response->add_snapshots() = ToProto(snapshot);
                       return absl::OkStatus();
                     });
}

grpc::ServerWriteReactor<v1::Snapshot>* SnapshotService::WatchSnapshot(
    grpc::CallbackServerContext* context, const v1::WatchSnapshotRequest* request) {
  return rpc::Watch<v1::WatchSnapshotRequest, v1::Snapshot>(
      runtime_, context, request, {.subject = request->name()},
      [this,
       name = request->name()](rpc::Call& call) -> absl::StatusOr<rpc::WatchStep<v1::Snapshot>> {
        ASSIGN_OR_RETURN(const Snapshot snapshot, GetVisible(call, name, "name", false));
        return rpc::WatchStep<v1::Snapshot>{.messages = {ToProto(snapshot)},
                                            .done = snapshot.state != State::kSealing};
      });
}

absl::Status SnapshotService::Diff(rpc::Call& call, const v1::DiffSnapshotsRequest& request,
                                   v1::DiffSnapshotsResponse* response) {
  // The key: versions of the other side, then dataset and record of the last entry.
  ASSIGN_OR_RETURN(const paging::Page page, paging::Read(request, 3));
  if (!request.dataset().empty()) {
    RETURN_IF_ERROR(names::DatasetName::Parse(request.dataset(), "dataset").status());
  }
  ASSIGN_OR_RETURN(const Snapshot base, GetVisible(call, request.base(), "base", true));
  pg::Database db = call.db();
  std::vector<DataVersion> other;
  if (!request.other().empty()) {
    ASSIGN_OR_RETURN(Snapshot snapshot, GetVisible(call, request.other(), "other", true));
    RETURN_IF_ERROR(CheckComparable(base, snapshot));
    other = std::move(snapshot.versions);
  } else if (!page.key.empty()) {
    ASSIGN_OR_RETURN(other, VersionsFromText(page.Key(0), DatasetsOf(base)));
  } else {
    ASSIGN_OR_RETURN(other, store_.CurrentVersions(db, base.district_id, DatasetsOf(base)));
  }
  const Extent extent = {base.district_id, base.school_id};
  std::vector<v1::RecordDiff> records;
  for (const DiffPair& pair : PairsOf(base.versions, other, IdOf(request.dataset()))) {
    if (page.key.empty()) {
      ASSIGN_OR_RETURN(const DiffCounts counts,
                       CountDifferences(db, pair.dataset, extent, pair.base, pair.other));
      *response->add_datasets() = ToProto(pair.dataset, counts, pair.base, pair.other);
    }
    const int missing = page.limit() - static_cast<int>(records.size());
    if (pair.dataset < page.Key(1) || missing == 0) continue;
    ASSIGN_OR_RETURN(
        std::vector<v1::RecordDiff> more,
        DiffRecords(db, pair, extent, pair.dataset == page.Key(1) ? page.Key(2) : "", missing));
    std::move(more.begin(), more.end(), std::back_inserter(records));
  }
  if (request.other().empty()) {
    RETURN_IF_ERROR(store_.CheckKept(db, base.district_id, other));
  }
  response->set_next_page_token(
      paging::Cut(request, page, records, [&other](const v1::RecordDiff& record) {
        return std::vector{VersionsToText(other), IdOf(record.dataset()), record.record_key()};
      }));
  for (v1::RecordDiff& record : records) *response->add_records() = std::move(record);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SnapshotService::DiffSnapshots(grpc::CallbackServerContext* context,
                                                         const v1::DiffSnapshotsRequest* request,
                                                         v1::DiffSnapshotsResponse* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=, this](rpc::Call& call) { return Diff(call, *request, response); });
}

grpc::ServerUnaryReactor* SnapshotService::ListChanges(grpc::CallbackServerContext* context,
                                                       const v1::ListChangesRequest* request,
                                                       v1::ListChangesResponse* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=](rpc::Call& call) { return rpc::ServeChanges(call, *request, response); });
}

grpc::ServerUnaryReactor* SnapshotService::ListAuditRecords(
    grpc::CallbackServerContext* context, const v1::ListAuditRecordsRequest* request,
    v1::ListAuditRecordsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    return access::ServeAudit(access_, call, *request, response);
  });
}

}  // namespace edcert::snapshot
