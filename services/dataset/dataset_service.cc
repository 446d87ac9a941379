#include "services/dataset/dataset_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/access/audit.h"
#include "common/feed/feed.h"
#include "common/ids/ids.h"
#include "common/names/names.h"
#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/rpc/standard.h"
#include "common/rpc/upload.h"
#include "common/rpc/watch.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/comparison_store.h"
#include "services/dataset/errors.h"
#include "services/dataset/history_store.h"
#include "services/dataset/issue_store.h"
#include "services/dataset/record_store.h"
#include "services/dataset/resync_store.h"
#include "services/dataset/scope.h"

namespace edcert::dataset {
namespace {

absl::StatusOr<std::string> DistrictId(const std::string& district) {
  ASSIGN_OR_RETURN(const auto name, names::OrganizationName::Parse(district, "district"));
  return name.id();
}

absl::StatusOr<std::string> ResyncId(const std::string& resync, std::string_view field) {
  ASSIGN_OR_RETURN(const auto name, names::ResyncName::Parse(resync, field));
  if (!ids::IsUuid(name.id())) return status::NotFound(resync);
  return name.id();
}

absl::StatusOr<IssueFilter> FilterOf(const v1::ListSyncIssuesRequest& request) {
  IssueFilter filter{.open_only = request.open_only()};
  ASSIGN_OR_RETURN(filter.district, DistrictId(request.district()));
  if (!request.dataset().empty()) {
    ASSIGN_OR_RETURN(const auto dataset, names::DatasetName::Parse(request.dataset(), "dataset"));
    filter.dataset = dataset.id();
  }
  if (request.copy() != type::COPY_UNSPECIFIED) {
    ASSIGN_OR_RETURN(filter.copy, ParseCopy(request.copy(), "copy"));
  }
  if (!request.batch_id().empty()) {
    if (!ids::IsUuid(request.batch_id())) {
      return status::FieldInvalid("batch_id", "must be a UUID");
    }
    filter.batch_id = request.batch_id();
  }
  if (!request.resync().empty()) {
    ASSIGN_OR_RETURN(const auto name, names::ResyncName::Parse(request.resync(), "resync"));
    if (!ids::IsUuid(name.id())) return status::FieldInvalid("resync", "is not a resync");
    filter.resync_id = name.id();
  }
  return filter;
}

// The wanted versions by dataset name; version 0 for what was never pushed.
std::vector<Version> Complete(const std::vector<Version>& known,
                              const std::vector<std::string>& wanted) {
  std::vector<Version> out;
  for (const std::string& dataset : wanted) {
    const auto it = std::find_if(known.begin(), known.end(), [&dataset](const Version& version) {
      return version.dataset == dataset;
    });
    out.push_back(it == known.end() ? Version{.dataset = dataset} : *it);
  }
  return out;
}

std::vector<std::string> AllIds(const Catalogue& catalogue) {
  std::vector<std::string> ids;
  for (const Dataset& dataset : catalogue.all()) ids.push_back(dataset.id);
  return ids;
}

// The version that a page reads: that of the first page, the asked one, or the current one.
absl::StatusOr<int64_t> VersionToRead(const v1::ListRecordsRequest& request,
                                      const paging::Page& page, const VersionPair& current) {
  if (!page.key.empty()) return page.IntKey(0);
  const int64_t newest = request.copy() == type::COPY_DISTRICT ? current.district : current.state;
  if (!request.has_version()) return newest;
  if (request.version() < 0) return status::FieldInvalid("version", "must not be negative");
  if (request.version() > newest) return VersionAboveCurrent();
  return request.version();
}

}  // namespace

DatasetService::DatasetService(rpc::Runtime& runtime, access::Resolver& access,
                               jobs::Dispatcher* dispatcher, const PushOptions& options)
    : runtime_(runtime),
      access_(access),
      dispatcher_(dispatcher),
      pusher_(definitions_, access_, dispatcher, options) {}

// Here, where alone the code of gRPC's base class is then compiled.
DatasetService::~DatasetService() = default;

absl::StatusOr<std::shared_ptr<const Definitions>> DatasetService::DefinitionsOf(
    const rpc::Call& call) {
  pg::Database db = call.db();
  return definitions_.Get(db);
}

grpc::ServerReadReactor<v1::PushRecordsRequest>* DatasetService::PushRecords(
    grpc::CallbackServerContext* context, v1::PushRecordsResponse* response) {
  return rpc::Upload<v1::PushRecordsRequest>(
      runtime_, context,
      [response, this](rpc::Call& call, rpc::UploadReader<v1::PushRecordsRequest>& reader) {
        return pusher_.Push(call, reader, response);
      });
}

grpc::ServerUnaryReactor* DatasetService::ListSyncIssues(grpc::CallbackServerContext* context,
                                                         const v1::ListSyncIssuesRequest* request,
                                                         v1::ListSyncIssuesResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
        ASSIGN_OR_RETURN(const int64_t before, page.IntKey(0));
        ASSIGN_OR_RETURN(const IssueFilter filter, dataset::FilterOf(*request));
        ASSIGN_OR_RETURN(const access::Access access,
                         access_.Resolve(call, {.organization = request->district()}));
        RETURN_IF_ERROR(RequireWholeDistrict(access, request->district()));
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(std::vector<Issue> issues, ListIssues(db, filter, before, page.limit()));
        response->set_next_page_token(paging::Cut(*request, page, issues, [](const Issue& issue) {
          return std::vector{std::to_string(issue.id)};
        }));
        for (const Issue& issue : issues) *response->add_issues() = ToProto(issue);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* DatasetService::GetVersions(grpc::CallbackServerContext* context,
                                                      const v1::GetVersionsRequest* request,
                                                      v1::GetVersionsResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string district, DistrictId(request->district()));
        ASSIGN_OR_RETURN(const Copy copy, ParseCopy(request->copy(), "copy"));
        ASSIGN_OR_RETURN(const auto definitions, DefinitionsOf(call));
        ASSIGN_OR_RETURN(std::vector<std::string> wanted,
                         ParseDatasets(request->datasets(), definitions->catalogue));
        const bool by_school = !request->school().empty();
        RETURN_IF_ERROR(
            by_school ? SchoolOf(call, request->district(), request->school()).status()
                      : access_.Resolve(call, {.organization = request->district()}).status());
        if (wanted.empty()) wanted = AllIds(definitions->catalogue);
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(const std::vector<Version> known,
                         dataset::GetVersions(db, copy, district));
        for (const Version& version : Complete(known, wanted)) {
          *response->add_versions() = ToProto(version);
          if (!by_school) continue;
          response->mutable_versions()->rbegin()->clear_changed_at();
          response->mutable_versions()->rbegin()->clear_row_count();
        }
        return absl::OkStatus();
      });
}

absl::StatusOr<names::OrganizationName> DatasetService::SchoolOf(const rpc::Call& call,
                                                                 const std::string& district,
                                                                 const std::string& name) {
  ASSIGN_OR_RETURN(const auto school, names::OrganizationName::Parse(name, "school"));
  ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {.organization = name}));
  if (access.organization_kind != access::OrganizationKind::kSchool ||
      access.organization_parent != district) {
    return status::NotFound(name);
  }
  return school;
}

absl::StatusOr<Schools> DatasetService::SchoolsOf(const rpc::Call& call,
                                                  const v1::ListRecordsRequest& request) {
  if (request.school().empty()) {
    ASSIGN_OR_RETURN(const access::Access access,
                     access_.Resolve(call, {.organization = request.district()}));
    return ReadableSchools(access, request.district());
  }
  ASSIGN_OR_RETURN(const auto school, SchoolOf(call, request.district(), request.school()));
  return Schools({school.id()});
}

grpc::ServerUnaryReactor* DatasetService::ListRecords(grpc::CallbackServerContext* context,
                                                      const v1::ListRecordsRequest* request,
                                                      v1::ListRecordsResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 2));
        ASSIGN_OR_RETURN(const Copy copy, ParseCopy(request->copy(), "copy"));
        ASSIGN_OR_RETURN(const std::string district, DistrictId(request->district()));
        ASSIGN_OR_RETURN(const auto definitions, DefinitionsOf(call));
        ASSIGN_OR_RETURN(const Dataset* dataset,
                         FindDataset(request->dataset(), "dataset", definitions->catalogue));
        ASSIGN_OR_RETURN(const Schools schools, SchoolsOf(call, *request));
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(const VersionPair current, GetVersionPair(db, *dataset, district));
        ASSIGN_OR_RETURN(const int64_t version, VersionToRead(*request, page, current));
        ASSIGN_OR_RETURN(std::vector<Record> records,
                         dataset::ListRecords(db, *dataset, copy, district, version, schools,
                                              page.Key(1), page.limit()));
        RETURN_IF_ERROR(CheckKept(db, *dataset, copy, district, version));
        response->set_next_page_token(
            paging::Cut(*request, page, records, [version](const Record& record) {
              return std::vector{std::to_string(version), record.key};
            }));
        response->set_version(version);
        for (const Column& column : dataset->columns) response->add_columns(column.name);
        for (const Record& record : records) *response->add_records() = ToProto(record);
        return absl::OkStatus();
      });
}

absl::StatusOr<v1::Resync> DatasetService::AcceptResyncIn(pg::Transaction& tx,
                                                          const rpc::Call& call,
                                                          const std::string& district,
                                                          std::vector<std::string> datasets,
                                                          std::optional<jobs::NewJob>& job) {
  if (datasets.empty()) {
    ASSIGN_OR_RETURN(datasets, DatasetsWithRecords(tx, district));
  }
  ASSIGN_OR_RETURN(const Accepted accepted, AcceptResync(tx, runtime_.ids().NewId(), district,
                                                         datasets, call.principal().name()));
  if (accepted.fresh) {
    job = accepted.job;
    feed::Append(tx, runtime_.ids().NewId(), call.principal().name(),
                 {.subject = "resyncs/" + accepted.id,
                  .type = "resync_queued",
                  .attributes = {{"district", "organizations/" + district}}});
  }
  ASSIGN_OR_RETURN(const std::optional<dataset::Resync> resync, FindResync(tx, accepted.id));
  if (!resync.has_value()) return status::Internal("a resync that was just accepted");
  return ToProto(*resync);
}

grpc::ServerUnaryReactor* DatasetService::Resync(grpc::CallbackServerContext* context,
                                                 const v1::ResyncRequest* request,
                                                 v1::Resync* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string district, DistrictId(request->district()));
        ASSIGN_OR_RETURN(const auto definitions, DefinitionsOf(call));
        ASSIGN_OR_RETURN(const std::vector<std::string> datasets,
                         ParseDatasets(request->datasets(), definitions->catalogue));
        ASSIGN_OR_RETURN(const access::Access access,
                         access_.Resolve(call, {.organization = request->district()}));
        RETURN_IF_ERROR(RequireWholeDistrict(access, request->district()));
        for (const std::string& dataset : datasets) {
          if (definitions->catalogue.Find(dataset)->read_only())
            return KeptByTheService("datasets");
        }
        std::optional<jobs::NewJob> job;
        RETURN_IF_ERROR(rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              job.reset();
              ASSIGN_OR_RETURN(*response, AcceptResyncIn(tx, call, district, datasets, job));
              return response->name();
            }));
        if (dispatcher_ != nullptr && job.has_value()) dispatcher_->Hint(*job);
        return absl::OkStatus();
      });
}

absl::StatusOr<dataset::Resync> DatasetService::ReadResync(const rpc::Call& call,
                                                           const std::string& name) {
  ASSIGN_OR_RETURN(const std::string id, ResyncId(name, "name"));
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(std::optional<dataset::Resync> resync, FindResync(db, id));
  if (!resync.has_value() || resync->automatic) return status::NotFound(name);
  const std::string district = "organizations/" + resync->district;
  const absl::StatusOr<access::Access> access = access_.Resolve(call, {.organization = district});
  if (access.status().code() == absl::StatusCode::kNotFound ||
      (access.ok() && !RequireWholeDistrict(*access, district).ok())) {
    return status::NotFound(name);
  }
  RETURN_IF_ERROR(access.status());
  return *std::move(resync);
}

grpc::ServerUnaryReactor* DatasetService::GetResync(grpc::CallbackServerContext* context,
                                                    const v1::GetResyncRequest* request,
                                                    v1::Resync* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const dataset::Resync resync, ReadResync(call, request->name()));
        *response = ToProto(resync);
        return absl::OkStatus();
      });
}

absl::StatusOr<ResyncFilter> DatasetService::FilterOf(const rpc::Call& call,
                                                      const v1::ListResyncsRequest& request) {
  ResyncFilter filter;
  for (int i = 0; i < request.states_size(); ++i) {
    ASSIGN_OR_RETURN(std::string state, ParseResyncState(request.states(i), "states"));
    filter.states.push_back(std::move(state));
  }
  if (!request.district().empty()) {
    ASSIGN_OR_RETURN(const std::string district, DistrictId(request.district()));
    ASSIGN_OR_RETURN(const access::Access access,
                     access_.Resolve(call, {.organization = request.district()}));
    RETURN_IF_ERROR(RequireWholeDistrict(access, request.district()));
    filter.districts = {district};
    return filter;
  }
  ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
  if (access.is_service() || access.state_user) return filter;
  filter.districts.emplace();
  for (const std::string& organization : access.scope_organizations) {
    ASSIGN_OR_RETURN(const std::string id, DistrictId(organization));
    filter.districts->push_back(id);
  }
  return filter;
}

grpc::ServerUnaryReactor* DatasetService::ListResyncs(grpc::CallbackServerContext* context,
                                                      const v1::ListResyncsRequest* request,
                                                      v1::ListResyncsResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
        ASSIGN_OR_RETURN(const std::string after, page.UuidKey(0));
        ASSIGN_OR_RETURN(const ResyncFilter filter, FilterOf(call, *request));
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(std::vector<dataset::Resync> resyncs,
                         dataset::ListResyncs(db, filter, after, page.limit()));
        response->set_next_page_token(
            paging::Cut(*request, page, resyncs,
                        [](const dataset::Resync& resync) { return std::vector{resync.id}; }));
        for (const dataset::Resync& resync : resyncs) *response->add_resyncs() = ToProto(resync);
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<v1::WatchResyncResponse>* DatasetService::WatchResync(
    grpc::CallbackServerContext* context, const v1::WatchResyncRequest* request) {
  return rpc::Watch<v1::WatchResyncRequest, v1::WatchResyncResponse>(
      runtime_, context, request, {.subject = request->name()},
      [name = request->name(),
       this](rpc::Call& call) -> absl::StatusOr<rpc::WatchStep<v1::WatchResyncResponse>> {
        rpc::WatchStep<v1::WatchResyncResponse> step;
        ASSIGN_OR_RETURN(const dataset::Resync resync, ReadResync(call, name));
        step.done = resync.state != jobs::State::kQueued && resync.state != jobs::State::kRunning;
        *step.messages.emplace_back().mutable_resync() = ToProto(resync);
        return step;
      });
}

grpc::ServerUnaryReactor* DatasetService::CancelResync(grpc::CallbackServerContext* context,
                                                       const v1::CancelResyncRequest* request,
                                                       v1::Resync* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const dataset::Resync resync, ReadResync(call, request->name()));
        return rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              ASSIGN_OR_RETURN(const bool cancelled, jobs::Cancel(tx, resync.id));
              ASSIGN_OR_RETURN(const auto now, FindResync(tx, resync.id));
              if (!now.has_value()) return status::NotFound(request->name());
              if (!cancelled) return CancelNotAllowed(*now);
              feed::Append(tx, runtime_.ids().NewId(), call.principal().name(),
                           {.subject = request->name(),
                            .type = "resync_cancelled",
                            .attributes = {{"district", "organizations/" + now->district}}});
              *response = ToProto(*now);
              return request->name();
            });
      });
}

grpc::ServerUnaryReactor* DatasetService::CompareCopies(grpc::CallbackServerContext* context,
                                                        const v1::CompareCopiesRequest* request,
                                                        v1::CompareCopiesResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 4));
        ASSIGN_OR_RETURN(const std::string district, DistrictId(request->district()));
        ASSIGN_OR_RETURN(const auto definitions, DefinitionsOf(call));
        ASSIGN_OR_RETURN(const Dataset* dataset,
                         FindDataset(request->dataset(), "dataset", definitions->catalogue));
        ASSIGN_OR_RETURN(const access::Access access,
                         access_.Resolve(call, {.organization = request->district()}));
        ASSIGN_OR_RETURN(const Schools schools, ReadableSchools(access, request->district()));
        pg::Database db = call.db();
        VersionPair versions;
        PageStart start{.after = page.Key(3)};
        if (page.key.empty()) {
          ASSIGN_OR_RETURN(versions, GetVersionPair(db, *dataset, district));
          ASSIGN_OR_RETURN(SchoolComparison compared,
                           CompareSchools(db, *dataset, district, versions, schools));
          for (const SchoolCounts& one : compared.schools) *response->add_schools() = ToProto(one);
          start.differing = compared.differing;
          start.keys = std::move(compared.keys);
        } else {
          ASSIGN_OR_RETURN(versions.district, page.IntKey(0));
          ASSIGN_OR_RETURN(versions.state, page.IntKey(1));
          ASSIGN_OR_RETURN(start.differing, page.IntKey(2));
        }
        std::vector<Difference> differences;
        if (start.differing > 0) {
          ASSIGN_OR_RETURN(differences, CompareRecords(db, *dataset, district, versions, schools,
                                                       start, page.limit()));
        }
        RETURN_IF_ERROR(CheckKept(db, *dataset, Copy::kDistrict, district, versions.district));
        RETURN_IF_ERROR(CheckKept(db, *dataset, Copy::kState, district, versions.state));
        response->set_next_page_token(
            paging::Cut(*request, page, differences, [&](const Difference& difference) {
              return std::vector{std::to_string(versions.district), std::to_string(versions.state),
                                 std::to_string(start.differing), difference.key};
            }));
        for (const Difference& one : differences) *response->add_differences() = ToProto(one);
        response->set_district_version(versions.district);
        response->set_state_version(versions.state);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* DatasetService::ListChanges(grpc::CallbackServerContext* context,
                                                      const v1::ListChangesRequest* request,
                                                      v1::ListChangesResponse* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=](rpc::Call& call) { return rpc::ServeChanges(call, *request, response); });
}

grpc::ServerUnaryReactor* DatasetService::ListAuditRecords(
    grpc::CallbackServerContext* context, const v1::ListAuditRecordsRequest* request,
    v1::ListAuditRecordsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    return access::ServeAudit(access_, call, *request, response);
  });
}

}  // namespace edcert::dataset
