// Decisions: the verbs that move a certification in the table.
#include <utility>
#include <vector>

#include "common/rpc/handle.h"
#include "common/status/macros.h"
#include "services/workflow/arrival_store.h"
#include "services/workflow/convert.h"
#include "services/workflow/snapshot_client.h"
#include "services/workflow/validation_report_client.h"
#include "services/workflow/workflow_service.h"

namespace edcert::workflow {

absl::Status WorkflowService::Run(rpc::Call& call, const google::protobuf::Message& request,
                                  const Seen& seen, const Attempt& attempt, const WizardView* view,
                                  v1::Certification* response) {
  return rpc::Command(
      call, request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(Certification moved, store_.Move(tx, attempt));
        moved.event = seen.certification.event;
        *response = view == nullptr ? ToProto(moved, ViewerOf(seen)) : ToProto(moved, seen, *view);
        return moved.name();
      });
}

absl::StatusOr<absl::Time> WorkflowService::FirstArrival(
    const rpc::Call& call, const google::protobuf::Message& request) const {
  pg::Database db = call.db();
  return NoteArrival(db, call.IdempotencyKey(request), call.arrival());
}

absl::Status WorkflowService::RunVerb(rpc::Call& call, const google::protobuf::Message& request,
                                      const Seen& seen, Action action, const Verb& verb,
                                      v1::Certification* response) {
  Attempt attempt{.id = seen.certification.id,
                  .etag = verb.etag,
                  .action = action,
                  .facts = FactsOf(seen),
                  .input = {.actor = call.principal().name(),
                            .reason = verb.reason,
                            .now = seen.now,
                            .written_at = runtime_.clock().Now(),
                            .due = verb.due},
                  .request_id = call.request_id()};
  if (verb.due.has_value()) {
    attempt.input.due_at = absl::FromCivil(*verb.due + 1, zone_) - absl::Milliseconds(1);
  }
  return Run(call, request, seen, attempt, nullptr, response);
}

absl::StatusOr<Explanations> WorkflowService::AskForExplanations(const rpc::Call& call,
                                                                 const WizardView& view,
                                                                 absl::Time first) const {
  const Step& step = view.steps[2];
  Explanations explanations;
  if (step.state != StepState::kCompleted || !NeedsExplanations(step.counts)) return explanations;
  ASSIGN_OR_RETURN(const std::vector<UnexplainedRule> unexplained,
                   reports_.UnexplainedRules(call, step.report, std::nullopt));
  for (const UnexplainedRule& rule : unexplained) {
    explanations.unexplained_rules.push_back(rule.rule);
  }
  // Stored times are a little coarser.
  if (explanations.unexplained_rules.empty() && first + absl::Milliseconds(1) < call.arrival()) {
    ASSIGN_OR_RETURN(const std::vector<UnexplainedRule> then,
                     reports_.UnexplainedRules(call, step.report, first));
    explanations.in_time = then.empty();
  }
  return explanations;
}

absl::Status WorkflowService::Submit(rpc::Call& call, const v1::SubmitCertificationRequest& request,
                                     v1::Certification* response) {
  ASSIGN_OR_RETURN(const Submission submission, FromProto(request));
  ASSIGN_OR_RETURN(const absl::Time first, FirstArrival(call, request));
  ASSIGN_OR_RETURN(Seen seen, See(call, submission.certification));
  RETURN_IF_ERROR(CheckAttempt(seen, Action::kSubmit, submission.etag));
  ASSIGN_OR_RETURN(const WizardView view,
                   wizard_.Look(call, seen.certification, seen.access, /*describe=*/false));
  ASSIGN_OR_RETURN(const Explanations explanations, AskForExplanations(call, view, first));
  if (explanations.in_time) seen.now = JudgedAt(seen, first, view);
  Facts facts = FactsToSign(seen, submission, view, explanations);
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(
      facts.uncertified_dependency,
      store_.UncertifiedDependency(db, seen.certification.organization, seen.event().depends_on));
  return Run(call, request, seen,
             {.id = seen.certification.id,
              .etag = submission.etag,
              .action = Action::kSubmit,
              .facts = std::move(facts),
              .input = {.actor = call.principal().name(),
                        .now = seen.now,
                        .written_at = runtime_.clock().Now(),
                        .signature = SignatureOf(seen, submission, view)},
              .request_id = call.request_id()},
             &view, response);
}

absl::Status WorkflowService::Approve(rpc::Call& call,
                                      const v1::ApproveCertificationRequest& request,
                                      v1::Certification* response) {
  ASSIGN_OR_RETURN(const Approval approval, FromProto(request));
  ASSIGN_OR_RETURN(const absl::Time first, FirstArrival(call, request));
  ASSIGN_OR_RETURN(Seen seen, See(call, approval.certification));
  seen.now = JudgedAt(seen, first);
  const Certification& certification = seen.certification;
  RETURN_IF_ERROR(CheckAttempt(seen, Action::kApprove, approval.etag));
  std::optional<SnapshotFact> newest;
  std::vector<ReportFact> reports;
  if (certification.state != State::kSent) {
    ASSIGN_OR_RETURN(newest, snapshots_.Newest(call, certification.event.name,
                                               certification.organization, /*sealed=*/false));
    ASSIGN_OR_RETURN(reports, reports_.ListReports(call, certification.event.name,
                                                   certification.organization, 3));
  }
  return Run(call, request, seen,
             {.id = certification.id,
              .etag = approval.etag,
              .action = Action::kApprove,
              .facts = FactsToApprove(seen, approval.snapshot, approval.reason, newest, reports),
              .input = {.actor = call.principal().name(),
                        .reason = approval.reason,
                        .now = seen.now,
                        .written_at = runtime_.clock().Now(),
                        .snapshot = approval.snapshot},
              .request_id = call.request_id()},
             nullptr, response);
}

grpc::ServerUnaryReactor* WorkflowService::SubmitCertification(
    grpc::CallbackServerContext* context, const v1::SubmitCertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=, this](rpc::Call& call) { return Submit(call, *request, response); });
}

grpc::ServerUnaryReactor* WorkflowService::RequestRecertification(
    grpc::CallbackServerContext* context, const v1::RequestRecertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request));
    ASSIGN_OR_RETURN(const absl::Time first, FirstArrival(call, *request));
    ASSIGN_OR_RETURN(Seen seen, See(call, verb.certification));
    seen.now = JudgedAt(seen, first);
    return RunVerb(call, *request, seen, Action::kRequestRecertification, verb, response);
  });
}

grpc::ServerUnaryReactor* WorkflowService::WithdrawRecertificationRequest(
    grpc::CallbackServerContext* context, const v1::WithdrawRecertificationRequestRequest* request,
    v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request));
    ASSIGN_OR_RETURN(const Seen seen, See(call, verb.certification));
    return RunVerb(call, *request, seen, Action::kWithdrawRequest, verb, response);
  });
}

grpc::ServerUnaryReactor* WorkflowService::ApproveCertification(
    grpc::CallbackServerContext* context, const v1::ApproveCertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=, this](rpc::Call& call) { return Approve(call, *request, response); });
}

grpc::ServerUnaryReactor* WorkflowService::ReturnForRecertification(
    grpc::CallbackServerContext* context, const v1::ReturnForRecertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    const absl::CivilDay today = absl::ToCivilDay(call.arrival(), zone_);
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request, today));
    ASSIGN_OR_RETURN(const Seen seen, See(call, verb.certification));
    return RunVerb(call, *request, seen, Action::kReturn, verb, response);
  });
}

grpc::ServerUnaryReactor* WorkflowService::DenyRecertificationRequest(
    grpc::CallbackServerContext* context, const v1::DenyRecertificationRequestRequest* request,
    v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request));
    ASSIGN_OR_RETURN(const Seen seen, See(call, verb.certification));
    return RunVerb(call, *request, seen, Action::kDenyRequest, verb, response);
  });
}

grpc::ServerUnaryReactor* WorkflowService::CancelRecertification(
    grpc::CallbackServerContext* context, const v1::CancelRecertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request));
    ASSIGN_OR_RETURN(const Seen seen, See(call, verb.certification));
    return RunVerb(call, *request, seen, Action::kCancelRecertification, verb, response);
  });
}

grpc::ServerUnaryReactor* WorkflowService::ExemptParticipant(
    grpc::CallbackServerContext* context, const v1::ExemptParticipantRequest* request,
    v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Verb verb, FromProto(*request));
    ASSIGN_OR_RETURN(const Seen seen, See(call, verb.certification));
    return RunVerb(call, *request, seen, Action::kExempt, verb, response);
  });
}

}  // namespace edcert::workflow
