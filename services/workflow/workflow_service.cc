#include "services/workflow/workflow_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/access/audit.h"
#include "common/ids/ids.h"
#include "common/names/names.h"
#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/rpc/standard.h"
#include "common/rpc/watch.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/workflow/errors.h"

namespace edcert::workflow {
namespace {

constexpr std::size_t kMaxEtag = 64;
constexpr std::size_t kMaxReason = 2000;
// A watch is told of changes here and in the services behind its steps; what is left is time.
constexpr absl::Duration kWatchTick = absl::Seconds(30);

absl::Status CheckEtagField(const std::string& etag) {
  return rpc::CheckText(etag, "etag", 1, kMaxEtag);
}

absl::Status CheckReason(const std::string& reason) {
  if (reason.empty()) return status::ReasonRequired();
  return rpc::CheckText(reason, "reason", 1, kMaxReason);
}

absl::Status CheckFormat(v1::ReportFormat format) {
  if (format == v1::REPORT_FORMAT_HTML || format == v1::REPORT_FORMAT_CSV) return absl::OkStatus();
  return status::FieldInvalid("format", "must be a format that is offered");
}

void AddSteps(const WizardView& view, v1::Certification& certification) {
  certification.clear_steps();
  for (const Step& step : view.steps) *certification.add_steps() = ToProto(step);
}

}  // namespace

Viewer WorkflowService::Seen::viewer() const {
  return {.user = access.user, .side = access.state_user ? Side::kState : Side::kLocal, .now = now};
}

bool WorkflowService::Seen::is_member() const {
  return access.Has(access::Role::kCertifier) || access.Has(access::Role::kReviewer);
}

absl::StatusOr<WorkflowService::Seen> WorkflowService::See(const rpc::Call& call,
                                                           const std::string& name,
                                                           const std::string& field) const {
  ASSIGN_OR_RETURN(const names::CertificationName parsed,
                   names::CertificationName::Parse(name, field));
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(Certification certification, parts_.store.Get(db, parsed.id()));
  absl::StatusOr<access::Access> access = parts_.access.Resolve(
      call, {.event = certification.event.name, .organization = certification.organization});
  if (status::ReasonOf(access.status()) == "NOT_FOUND") return status::NotFound(name);
  RETURN_IF_ERROR(access.status());
  const bool closed = access->event->status == access::EventStatus::kClosed;
  if (closed && !access->state_user) return status::NotFound(name);
  certification.event = ToEvent(*access->event);
  return Seen{std::move(certification), *std::move(access), parts_.runtime.clock().Now()};
}

Facts WorkflowService::FactsOf(const Seen& seen) const {
  const access::Access& access = seen.access;
  const Certification& certification = seen.certification;
  const access::EventFacts& event = seen.event();
  const auto assigned_to = [&access](const std::string& organization) {
    const auto& scope = access.scope_organizations;
    return std::find(scope.begin(), scope.end(), organization) != scope.end();
  };
  Facts facts;
  facts.certifier = access.IsRequiredCertifier();
  facts.approver = access.Has(access::Role::kApprover);
  facts.event_manager = access.state_user;
  facts.belongs_here = seen.is_member() || assigned_to(certification.organization) ||
                       (access.organization_kind == access::OrganizationKind::kSchool &&
                        assigned_to(access.organization_parent));
  facts.event_started = seen.now >= event.starts_at;
  facts.event_closed = event.status == access::EventStatus::kClosed;
  facts.certifying_opened = seen.now >= event.opens_at;
  const bool in_round = certification.recert_due_at.has_value();
  facts.signing = seen.now > certification.effective_end()   ? Window::kEnded
                  : (seen.now < event.opens_at && !in_round) ? Window::kBefore
                                                             : Window::kOpen;
  facts.starts = event.starts_at;
  facts.opens = event.opens_at;
  facts.ends = certification.effective_end();
  return facts;
}

Scope WorkflowService::ScopeOf(const access::Access& access) const {
  return {.user = access.user,
          .all = access.state_user || access.is_service(),
          .organizations = access.scope_organizations,
          .districts = access.scope_districts};
}

absl::StatusOr<v1::Certification> WorkflowService::Read(const rpc::Call& call,
                                                        const std::string& name) const {
  ASSIGN_OR_RETURN(const Seen seen, See(call, name, "name"));
  ASSIGN_OR_RETURN(WizardView view, parts_.wizard.Look(call, seen.certification, seen.access,
                                                       /*describe=*/true));
  AddBlocks(seen.certification, seen.event(), seen.now, view.steps);
  v1::Certification out = ToProto(seen.certification, seen.viewer());
  AddSteps(view, out);
  return out;
}

template <typename Request>
absl::Status WorkflowService::Run(rpc::Call& call, const Request& request,
                                  v1::Certification* response, const Seen& seen,
                                  const Attempt& attempt, const WizardView* view) {
  return rpc::Command(call, request, response,
                      [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                        ASSIGN_OR_RETURN(Certification moved, parts_.store.Move(tx, attempt));
                        moved.event = seen.certification.event;
                        *response = ToProto(moved, seen.viewer());
                        if (view != nullptr) {
                          WizardView shown = *view;
                          AddBlocks(moved, seen.event(), seen.now, shown.steps);
                          AddSteps(shown, *response);
                        }
                        return moved.name();
                      });
}

template <typename Request>
absl::Status WorkflowService::Decide(rpc::Call& call, const Request& request,
                                     v1::Certification* response, Action action,
                                     const std::function<absl::Status(Input&)>& complete) {
  RETURN_IF_ERROR(CheckEtagField(request.etag()));
  Input input;
  input.actor = call.principal().name();
  input.now = parts_.runtime.clock().Now();
  if (complete) RETURN_IF_ERROR(complete(input));
  ASSIGN_OR_RETURN(const Seen seen, See(call, request.certification(), "certification"));
  return Run(call, request, response, seen,
             {.id = seen.certification.id,
              .etag = request.etag(),
              .action = action,
              .facts = FactsOf(seen),
              .input = std::move(input),
              .request_id = call.request_id()},
             nullptr);
}

absl::StatusOr<std::optional<SnapshotFact>> WorkflowService::NewCandidate(const rpc::Call& call,
                                                                          const Seen& seen) const {
  const Certification& certification = seen.certification;
  std::optional<SnapshotFact> present;
  if (!certification.candidate_snapshot.empty()) {
    ASSIGN_OR_RETURN(present, parts_.snapshots.Get(call, certification.candidate_snapshot));
  }
  if (Signers(certification).empty()) {
    ASSIGN_OR_RETURN(std::optional<SnapshotFact> newest,
                     parts_.snapshots.Newest(call, certification.event.name,
                                             certification.organization, /*sealed=*/true));
    if (newest.has_value() &&
        (!present.has_value() || newest->generation > present->generation || present->failed)) {
      if (!present.has_value() || newest->name != present->name) return newest;
    }
  }
  if (!present.has_value() || !present->sealed) {
    return SnapshotNotSealed(certification.candidate_snapshot);
  }
  return std::nullopt;
}

absl::Status WorkflowService::GenerateReport(rpc::Call& call,
                                             const v1::GenerateStepReportRequest& request,
                                             v1::GenerateStepReportResponse* response) {
  if (request.step() < 1 || request.step() > 3) {
    return status::FieldInvalid("step", "must be 1, 2 or 3");
  }
  RETURN_IF_ERROR(CheckFormat(request.format()));
  ASSIGN_OR_RETURN(const Seen seen, See(call, request.certification(), "certification"));
  if (!seen.is_member()) return status::NotPermitted("the role of a certifier or reviewer here");
  const int number = request.step();
  const std::size_t index = static_cast<std::size_t>(number - 1);
  RETURN_IF_ERROR(
      CheckCall(WizardCall::kGenerateReport, seen.certification.state, seen.certification.name()));
  ASSIGN_OR_RETURN(WizardView view, parts_.wizard.Look(call, seen.certification, seen.access,
                                                       /*describe=*/false));
  RETURN_IF_ERROR(CheckStep(number, seen.certification, seen.event(), view.steps, seen.now));

  std::string candidate = seen.certification.candidate_snapshot;
  if (number == 3) {
    ASSIGN_OR_RETURN(const std::optional<SnapshotFact> fresh, NewCandidate(call, seen));
    if (fresh.has_value()) {
      candidate = fresh->name;
      view.snapshot = *fresh;
    }
  }
  ASSIGN_OR_RETURN(const ReportFact report,
                   parts_.reports.CreateReport(call, seen.certification.event.name,
                                               seen.certification.organization, number,
                                               number == 3 ? candidate : "", request.format()));
  std::vector<ReportFact>& reports = view.inputs[index].reports;
  reports.insert(reports.begin(), report);
  view.Compute(candidate);

  return rpc::Command(
      call, request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(Certification certification, parts_.store.Lock(tx, seen.certification.id));
        RETURN_IF_ERROR(
            CheckCall(WizardCall::kGenerateReport, certification.state, certification.name()));
        if (certification.candidate_snapshot != candidate) {
          // Somebody signed or replaced the candidate since we looked.
          if (certification.candidate_snapshot != seen.certification.candidate_snapshot ||
              !Signers(certification).empty()) {
            return SnapshotMismatch("the candidate changed meanwhile");
          }
          certification.candidate_snapshot = candidate;
          parts_.store.Update(tx, certification, "certification_updated", call.principal().name(),
                              "", seen.now);
        }
        certification.event = seen.certification.event;
        AddBlocks(certification, seen.event(), seen.now, view.steps);
        *response->mutable_report() = ToProto(report);
        *response->mutable_certification() = ToProto(certification, seen.viewer());
        AddSteps(view, *response->mutable_certification());
        return certification.name();
      });
}

absl::Status WorkflowService::CheckSnapshot(const Seen& seen, const std::string& etag, bool retake,
                                            bool confirmed, const WizardView& view) const {
  const Certification& certification = seen.certification;
  if (etag != certification.etag()) {
    return status::EtagMismatch(certification.name(), certification.etag());
  }
  RETURN_IF_ERROR(CheckCall(retake ? WizardCall::kRetakeSnapshot : WizardCall::kTakeSnapshot,
                            certification.state, certification.name()));
  RETURN_IF_ERROR(CheckSnapshotWindow(certification, seen.event(), seen.now));
  for (int step = 1; step <= 2; ++step) {
    const Step& before = view.steps[static_cast<std::size_t>(step - 1)];
    RETURN_IF_ERROR(CheckCompleted(step, before.state, before.report));
  }
  const bool has_candidate = !certification.candidate_snapshot.empty();
  if (!retake && has_candidate) return status::AlreadyExists(certification.candidate_snapshot);
  if (retake && !has_candidate) return SnapshotMismatch("there is no candidate to replace");
  if (!confirmed && !Signers(certification).empty()) {
    return AlreadySigned("somebody signed the candidate; confirm that signatures are voided");
  }
  return absl::OkStatus();
}

template <typename Request>
absl::Status WorkflowService::Snapshot(rpc::Call& call, const Request& request,
                                       v1::Certification* response, bool retake, bool confirmed) {
  RETURN_IF_ERROR(CheckEtagField(request.etag()));
  RETURN_IF_ERROR(CheckFormat(request.format()));
  ASSIGN_OR_RETURN(const Seen seen, See(call, request.certification(), "certification"));
  if (!seen.is_member()) return status::NotPermitted("the role of a certifier or reviewer here");
  ASSIGN_OR_RETURN(WizardView view, parts_.wizard.Look(call, seen.certification, seen.access,
                                                       /*describe=*/false));
  RETURN_IF_ERROR(CheckSnapshot(seen, request.etag(), retake, confirmed, view));

  const std::string& event = seen.certification.event.name;
  const std::string& organization = seen.certification.organization;
  ASSIGN_OR_RETURN(view.snapshot, parts_.snapshots.Create(call, event, organization,
                                                          seen.certification.candidate_snapshot));
  const std::string& candidate = view.snapshot->name;
  ASSIGN_OR_RETURN(ReportFact report, parts_.reports.CreateReport(call, event, organization, 3,
                                                                  candidate, request.format()));
  view.inputs[2].reports.insert(view.inputs[2].reports.begin(), std::move(report));
  view.Compute(candidate);

  const std::string actor = call.principal().name();
  return rpc::Command(
      call, request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(Certification certification, parts_.store.Lock(tx, seen.certification.id));
        if (request.etag() != certification.etag()) {
          return status::EtagMismatch(certification.name(), certification.etag());
        }
        certification.candidate_snapshot = candidate;
        const std::string reason = "the snapshot was taken again";
        const std::vector<std::string> voided = VoidSignatures(certification, reason, seen.now, 0);
        if (!voided.empty()) parts_.store.SaveVoided(tx, certification, reason, seen.now, 0);
        parts_.store.Update(tx, certification,
                            voided.empty() ? "certification_updated" : "signatures_voided", actor,
                            voided.empty() ? "" : reason, seen.now, voided);
        certification.event = seen.certification.event;
        AddBlocks(certification, seen.event(), seen.now, view.steps);
        *response = ToProto(certification, seen.viewer());
        AddSteps(view, *response);
        return certification.name();
      });
}

absl::Status WorkflowService::Submit(rpc::Call& call, const v1::SubmitCertificationRequest& request,
                                     v1::Certification* response) {
  RETURN_IF_ERROR(CheckEtagField(request.etag()));
  ASSIGN_OR_RETURN(const names::SnapshotName snapshot,
                   names::SnapshotName::Parse(request.snapshot(), "snapshot"));
  if (request.attestation_text_version() < 1) {
    return status::FieldInvalid("attestation_text_version", "must be at least 1");
  }
  ASSIGN_OR_RETURN(const Seen seen, See(call, request.certification(), "certification"));
  const Certification& certification = seen.certification;
  Facts facts = FactsOf(seen);
  RETURN_IF_ERROR(CheckActor(Action::kSubmit, facts));
  if (request.etag() != certification.etag()) {
    return status::EtagMismatch(certification.name(), certification.etag());
  }

  std::optional<WizardView> view;
  Signature signature;
  if (std::find(kWizardStates.begin(), kWizardStates.end(), certification.state) !=
      kWizardStates.end()) {
    ASSIGN_OR_RETURN(view, parts_.wizard.Look(call, certification, seen.access,
                                              /*describe=*/false));
    const bool exists = view->snapshot.has_value();
    facts.steps = view->facts();
    facts.snapshot_matches = snapshot.ToString() == certification.candidate_snapshot;
    facts.snapshot_sealed = exists && view->snapshot->sealed;
    facts.snapshot_empty = exists && view->snapshot->rows == 0;
    facts.zero_attested = request.zero_attestation() && seen.event().allows_zero_attestation;
    facts.warnings = HasWarnings(view->steps[2].counts);
    facts.warnings_acknowledged = request.acknowledged_warnings();
    facts.attestation_current =
        request.attestation_text_version() == seen.event().attestation_version;
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(facts.uncertified_dependency,
                     parts_.store.UncertifiedDependency(db, certification.organization,
                                                        seen.event().depends_on));
    signature.snapshot = certification.candidate_snapshot;
    signature.root = exists ? view->snapshot->root : "";
    signature.attestation_version = request.attestation_text_version();
    signature.warnings_acknowledged = request.acknowledged_warnings();
    signature.zero_attestation = facts.snapshot_empty && facts.zero_attested;
    signature.warning_count = RecordsOf(view->steps[2].counts, Severity::kWarning) +
                              RecordsOf(view->steps[2].counts, Severity::kSpecialWarning);
    signature.membership_version = seen.access.membership_version;
    for (const RequiredCertifier& required : certification.roster) {
      if (required.user == seen.access.user) signature.role_title = required.title;
    }
  }
  return Run(call, request, response, seen,
             {.id = certification.id,
              .etag = request.etag(),
              .action = Action::kSubmit,
              .facts = std::move(facts),
              .input = {.actor = call.principal().name(),
                        .now = seen.now,
                        .signature = std::move(signature)},
              .request_id = call.request_id()},
             view.has_value() ? &*view : nullptr);
}

absl::Status WorkflowService::AddApprovalFacts(const rpc::Call& call, const Seen& seen,
                                               const std::string& snapshot, Facts& facts) const {
  const Certification& certification = seen.certification;
  if (certification.state == State::kSent) {
    facts.snapshot_matches = snapshot == certification.certified_snapshot;
    return absl::OkStatus();
  }
  // Administrative: what stands now, whatever was signed.
  ASSIGN_OR_RETURN(const std::optional<SnapshotFact> newest,
                   parts_.snapshots.Newest(call, certification.event.name,
                                           certification.organization, /*sealed=*/false));
  facts.snapshot_matches = newest.has_value() && newest->name == snapshot;
  facts.snapshot_sealed = newest.has_value() && newest->sealed;
  ASSIGN_OR_RETURN(
      const std::vector<ReportFact> reports,
      parts_.reports.ListReports(call, certification.event.name, certification.organization, 3));
  const auto report =
      std::find_if(reports.begin(), reports.end(), [&](const ReportFact& candidate) {
        return candidate.snapshot == snapshot && (candidate.state == ReportState::kCompleted ||
                                                  candidate.state == ReportState::kExpired);
      });
  facts.snapshot_clear = report != reports.end() && !HasFatals(report->counts);
  if (report != reports.end()) facts.steps[2].report = report->name;
  return absl::OkStatus();
}

absl::Status WorkflowService::Approve(rpc::Call& call,
                                      const v1::ApproveCertificationRequest& request,
                                      v1::Certification* response) {
  RETURN_IF_ERROR(CheckEtagField(request.etag()));
  ASSIGN_OR_RETURN(const names::SnapshotName snapshot,
                   names::SnapshotName::Parse(request.snapshot(), "snapshot"));
  RETURN_IF_ERROR(rpc::CheckText(request.reason(), "reason", 0, kMaxReason));
  ASSIGN_OR_RETURN(const Seen seen, See(call, request.certification(), "certification"));
  Facts facts = FactsOf(seen);
  RETURN_IF_ERROR(CheckActor(Action::kApprove, facts));
  if (request.etag() != seen.certification.etag()) {
    return status::EtagMismatch(seen.certification.name(), seen.certification.etag());
  }
  facts.reason_given = !request.reason().empty();
  const auto allowed = fsm::AllowedActions(kTransitions, seen.certification.state);
  if (std::find(allowed.begin(), allowed.end(), Action::kApprove) != allowed.end()) {
    RETURN_IF_ERROR(AddApprovalFacts(call, seen, snapshot.ToString(), facts));
  }
  return Run(call, request, response, seen,
             {.id = seen.certification.id,
              .etag = request.etag(),
              .action = Action::kApprove,
              .facts = std::move(facts),
              .input = {.actor = call.principal().name(),
                        .reason = request.reason(),
                        .now = seen.now,
                        .snapshot = snapshot.ToString()},
              .request_id = call.request_id()},
             nullptr);
}

// --- The handlers. ---

grpc::ServerUnaryReactor* WorkflowService::ListCertifications(
    grpc::CallbackServerContext* context, const v1::ListCertificationsRequest* request,
    v1::ListCertificationsResponse* response) {
  return rpc::Handle(
      parts_.runtime, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 2));
        ASSIGN_OR_RETURN(const Filter filter, ToFilter(*request, parts_.zone));
        ASSIGN_OR_RETURN(const access::Access access, parts_.access.Resolve(call, {}));
        const absl::Time now = parts_.runtime.clock().Now();
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(std::vector<Listed> listed,
                         parts_.store.List(db, ScopeOf(access), filter, now, page.Key(0),
                                           page.Key(1), page.limit()));
        response->set_next_page_token(paging::Cut(*request, page, listed, [](const Listed& row) {
          return std::vector{row.sort_key, row.certification.id};
        }));
        const Side side = access.state_user ? Side::kState : Side::kLocal;
        for (const Listed& row : listed) {
          *response->add_certifications() = ToProto(row.certification, {access.user, side, now});
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* WorkflowService::GetCertification(
    grpc::CallbackServerContext* context, const v1::GetCertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(parts_.runtime, context, request, response,
                     [=, this](rpc::Call& call) -> absl::Status {
                       ASSIGN_OR_RETURN(*response, Read(call, request->name()));
                       return absl::OkStatus();
                     });
}

grpc::ServerUnaryReactor* WorkflowService::StartCertification(
    grpc::CallbackServerContext* context, const v1::StartCertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(
      parts_.runtime, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const Seen seen, See(call, request->certification(), "certification"));
        if (!seen.is_member())
          return status::NotPermitted("the role of a certifier or reviewer here");
        const Facts facts = FactsOf(seen);
        return rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              ASSIGN_OR_RETURN(Certification certification,
                               parts_.store.Lock(tx, seen.certification.id));
              RETURN_IF_ERROR(
                  CheckCall(WizardCall::kStart, certification.state, certification.name()));
              RETURN_IF_ERROR(Check(Condition::kEventStarted, facts));
              RETURN_IF_ERROR(Check(Condition::kEventNotClosed, facts));
              if (!certification.start_time.has_value()) {
                certification.start_time = seen.now;
                parts_.store.Update(tx, certification, "certification_updated",
                                    call.principal().name(), "", seen.now);
              }
              certification.event = seen.certification.event;
              *response = ToProto(certification, seen.viewer());
              return certification.name();
            });
      });
}

grpc::ServerUnaryReactor* WorkflowService::GenerateStepReport(
    grpc::CallbackServerContext* context, const v1::GenerateStepReportRequest* request,
    v1::GenerateStepReportResponse* response) {
  return rpc::Handle(parts_.runtime, context, request, response, [=, this](rpc::Call& call) {
    return GenerateReport(call, *request, response);
  });
}

grpc::ServerUnaryReactor* WorkflowService::TakeSnapshot(grpc::CallbackServerContext* context,
                                                        const v1::TakeSnapshotRequest* request,
                                                        v1::Certification* response) {
  return rpc::Handle(parts_.runtime, context, request, response, [=, this](rpc::Call& call) {
    return Snapshot(call, *request, response, /*retake=*/false, /*confirmed=*/true);
  });
}

grpc::ServerUnaryReactor* WorkflowService::RetakeSnapshot(grpc::CallbackServerContext* context,
                                                          const v1::RetakeSnapshotRequest* request,
                                                          v1::Certification* response) {
  return rpc::Handle(parts_.runtime, context, request, response, [=, this](rpc::Call& call) {
    return Snapshot(call, *request, response, /*retake=*/true, request->confirm_void_signatures());
  });
}

grpc::ServerUnaryReactor* WorkflowService::SubmitCertification(
    grpc::CallbackServerContext* context, const v1::SubmitCertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(parts_.runtime, context, request, response,
                     [=, this](rpc::Call& call) { return Submit(call, *request, response); });
}

grpc::ServerUnaryReactor* WorkflowService::RequestRecertification(
    grpc::CallbackServerContext* context, const v1::RequestRecertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(parts_.runtime, context, request, response, [=, this](rpc::Call& call) {
    return Decide(call, *request, response, Action::kRequestRecertification, [&](Input& input) {
      input.reason = request->reason();
      return CheckReason(input.reason);
    });
  });
}

grpc::ServerUnaryReactor* WorkflowService::WithdrawRecertificationRequest(
    grpc::CallbackServerContext* context, const v1::WithdrawRecertificationRequestRequest* request,
    v1::Certification* response) {
  return rpc::Handle(parts_.runtime, context, request, response, [=, this](rpc::Call& call) {
    return Decide(call, *request, response, Action::kWithdrawRequest);
  });
}

grpc::ServerUnaryReactor* WorkflowService::ApproveCertification(
    grpc::CallbackServerContext* context, const v1::ApproveCertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(parts_.runtime, context, request, response,
                     [=, this](rpc::Call& call) { return Approve(call, *request, response); });
}

grpc::ServerUnaryReactor* WorkflowService::ReturnForRecertification(
    grpc::CallbackServerContext* context, const v1::ReturnForRecertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(parts_.runtime, context, request, response, [=, this](rpc::Call& call) {
    return Decide(call, *request, response, Action::kReturn, [&](Input& input) -> absl::Status {
      input.reason = request->reason();
      RETURN_IF_ERROR(CheckReason(input.reason));
      ASSIGN_OR_RETURN(const absl::CivilDay due, rpc::ParseDate(request->due(), "due"));
      if (due < absl::ToCivilDay(input.now, parts_.zone)) {
        return status::FieldInvalid("due", "must be today or later");
      }
      input.due = due;
      input.due_at = absl::FromCivil(due + 1, parts_.zone) - absl::Milliseconds(1);
      return absl::OkStatus();
    });
  });
}

grpc::ServerUnaryReactor* WorkflowService::DenyRecertificationRequest(
    grpc::CallbackServerContext* context, const v1::DenyRecertificationRequestRequest* request,
    v1::Certification* response) {
  return rpc::Handle(parts_.runtime, context, request, response, [=, this](rpc::Call& call) {
    return Decide(call, *request, response, Action::kDenyRequest, [&](Input& input) {
      input.reason = request->reason();
      return CheckReason(input.reason);
    });
  });
}

grpc::ServerUnaryReactor* WorkflowService::CancelRecertification(
    grpc::CallbackServerContext* context, const v1::CancelRecertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(parts_.runtime, context, request, response, [=, this](rpc::Call& call) {
    return Decide(call, *request, response, Action::kCancelRecertification, [&](Input& input) {
      input.reason = request->reason();
      return CheckReason(input.reason);
    });
  });
}

grpc::ServerUnaryReactor* WorkflowService::ExemptParticipant(
    grpc::CallbackServerContext* context, const v1::ExemptParticipantRequest* request,
    v1::Certification* response) {
  return rpc::Handle(parts_.runtime, context, request, response, [=, this](rpc::Call& call) {
    return Decide(call, *request, response, Action::kExempt, [&](Input& input) {
      input.reason = request->reason();
      return CheckReason(input.reason);
    });
  });
}

grpc::ServerUnaryReactor* WorkflowService::ListTransitions(
    grpc::CallbackServerContext* context, const v1::ListTransitionsRequest* request,
    v1::ListTransitionsResponse* response) {
  return rpc::Handle(
      parts_.runtime, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
        ASSIGN_OR_RETURN(const int64_t after, page.IntKey(0));
        ASSIGN_OR_RETURN(const Seen seen, See(call, request->certification(), "certification"));
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(
            std::vector<TransitionRecord> records,
            parts_.store.ListTransitions(db, seen.certification.id, after, page.limit()));
        response->set_next_page_token(
            paging::Cut(*request, page, records, [](const TransitionRecord& record) {
              return std::vector{std::to_string(record.seq)};
            }));
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
      parts_.runtime, context, request, {.subject = name, .tick = kWatchTick},
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
  return rpc::Handle(
      parts_.runtime, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const names::EventName event,
                         names::EventName::Parse(request->event(), "event"));
        ASSIGN_OR_RETURN(const access::Access access,
                         parts_.access.Resolve(call, {.event = event.ToString()}));
        pg::Database db = call.db();
        ASSIGN_OR_RETURN(const Summary summary,
                         parts_.store.Summarize(db, ScopeOf(access), event.ToString(),
                                                parts_.runtime.clock().Now()));
        *response =
            ToProto(event.ToString(), summary, access.state_user ? Side::kState : Side::kLocal);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* WorkflowService::ListChanges(grpc::CallbackServerContext* context,
                                                       const v1::ListChangesRequest* request,
                                                       v1::ListChangesResponse* response) {
  return rpc::Handle(parts_.runtime, context, request, response,
                     [=](rpc::Call& call) { return rpc::ServeChanges(call, *request, response); });
}

grpc::ServerUnaryReactor* WorkflowService::ListAuditRecords(
    grpc::CallbackServerContext* context, const v1::ListAuditRecordsRequest* request,
    v1::ListAuditRecordsResponse* response) {
  return rpc::Handle(parts_.runtime, context, request, response, [=, this](rpc::Call& call) {
    return access::ServeAudit(parts_.access, call, *request, response);
  });
}

}  // namespace edcert::workflow
