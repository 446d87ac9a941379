// Reading certifications, and what every service serves: its feed and its audit log.
#include "services/workflow/workflow_service.h"

#include <utility>
#include <vector>

#include "common/access/audit.h"
#include "common/names/names.h"
#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/rpc/standard.h"
#include "common/rpc/watch.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/workflow/convert.h"

namespace edcert::workflow {
namespace {

// A watch is told of changes here and in the services behind its steps; what is left is time.
constexpr absl::Duration kWatchTick = absl::Seconds(30);

Scope ScopeOf(const access::Access& access) {
  return {.user = access.user,
          .all = access.state_user || access.is_service(),
          .organizations = access.scope_organizations,
          .districts = access.scope_districts,
          .events = access.visible_events};
}

Side SideOf(const access::Access& access) {
  return access.state_user ? Side::kState : Side::kLocal;
}

}  // namespace

WorkflowService::WorkflowService(const Parts& parts)
    : runtime_(parts.runtime),
      access_(parts.access),
      store_(parts.store),
      reports_(parts.reports),
      snapshots_(parts.snapshots),
      wizard_(parts.wizard),
      zone_(parts.zone) {}

// Here, where alone the code of gRPC's base class is then compiled.
WorkflowService::~WorkflowService() = default;

absl::StatusOr<Seen> WorkflowService::See(const rpc::Call& call, const std::string& name,
                                          std::string_view field) const {
  ASSIGN_OR_RETURN(const auto parsed, names::CertificationName::Parse(name, field));
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(Certification certification, store_.Get(db, parsed.id()));
  absl::StatusOr<access::Access> access = access_.Resolve(
      call, {.event = certification.event.name, .organization = certification.organization});
  if (status::ReasonOf(access.status()) == "NOT_FOUND") return status::NotFound(name);
  RETURN_IF_ERROR(access.status());
  const bool closed = access->event->status == access::EventStatus::kClosed;
  if (closed && !access->state_user) return status::NotFound(name);
  certification.event = ToEvent(*access->event);
  return Seen{std::move(certification), *std::move(access), call.arrival()};
}

absl::StatusOr<v1::Certification> WorkflowService::Read(const rpc::Call& call,
                                                        const std::string& name) const {
  ASSIGN_OR_RETURN(const Seen seen, See(call, name, "name"));
  ASSIGN_OR_RETURN(const WizardView view,
                   wizard_.Look(call, seen.certification, seen.access, /*describe=*/true));
  return ToProto(seen.certification, seen, view);
}

grpc::ServerUnaryReactor* WorkflowService::ListCertifications(
    grpc::CallbackServerContext* context, const v1::ListCertificationsRequest* request,
    v1::ListCertificationsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 2));
    ASSIGN_OR_RETURN(const Filter filter, FromProto(*request, zone_));
    ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {.visible_events = true}));
    const Viewer viewer{access.user, SideOf(access), call.arrival()};
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(auto listed, store_.List(db, ScopeOf(access), filter, viewer.now, page.Key(0),
                                              page.Key(1), page.limit()));
    response->set_next_page_token(paging::Cut(*request, page, listed, [](const Listed& last) {
      return std::vector{last.sort_key, last.certification.id};
    }));
    for (const Listed& row : listed) {
      *response->add_certifications() = ToProto(row.certification, viewer);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* WorkflowService::GetCertification(
    grpc::CallbackServerContext* context, const v1::GetCertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(*response, Read(call, request->name()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* WorkflowService::ListTransitions(
    grpc::CallbackServerContext* context, const v1::ListTransitionsRequest* request,
    v1::ListTransitionsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
    ASSIGN_OR_RETURN(const int64_t after, page.IntKey(0));
    ASSIGN_OR_RETURN(const Seen seen, See(call, request->certification()));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(auto records,
                     store_.ListTransitions(db, seen.certification.id, after, page.limit()));
    response->set_next_page_token(paging::Cut(
        *request, page, records,
        [](const TransitionRecord& last) { return std::vector{std::to_string(last.seq)}; }));
    for (const TransitionRecord& record : records) {
      *response->add_transitions() = ToProto(seen.certification.name(), record);
    }
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::Certification>* WorkflowService::WatchCertification(
    grpc::CallbackServerContext* context, const v1::WatchCertificationRequest* request) {
  const std::string name = request->name();
  return rpc::Watch<v1::WatchCertificationRequest, v1::Certification>(
      runtime_, context, request, {.subject = name, .tick = kWatchTick},
      [this, name](rpc::Call& call) -> absl::StatusOr<rpc::WatchStep<v1::Certification>> {
        ASSIGN_OR_RETURN(v1::Certification certification, Read(call, name));
        rpc::WatchStep<v1::Certification> step;
        step.messages.push_back(std::move(certification));
        return step;
      });
}

grpc::ServerUnaryReactor* WorkflowService::GetEventSummary(
    grpc::CallbackServerContext* context, const v1::GetEventSummaryRequest* request,
    v1::GetEventSummaryResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto event, names::EventName::Parse(request->event(), "event"));
    ASSIGN_OR_RETURN(const access::Access access,
                     access_.Resolve(call, {.event = event.ToString()}));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const Summary summary,
                     store_.Summarize(db, ScopeOf(access), event.ToString(), call.arrival()));
    *response = ToProto(event.ToString(), summary, SideOf(access));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* WorkflowService::ListChanges(grpc::CallbackServerContext* context,
                                                       const v1::ListChangesRequest* request,
                                                       v1::ListChangesResponse* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=](rpc::Call& call) { return rpc::ServeChanges(call, *request, response); });
}

grpc::ServerUnaryReactor* WorkflowService::ListAuditRecords(
    grpc::CallbackServerContext* context, const v1::ListAuditRecordsRequest* request,
    v1::ListAuditRecordsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    return access::ServeAudit(access_, call, *request, response);
  });
}

}  // namespace edcert::workflow
