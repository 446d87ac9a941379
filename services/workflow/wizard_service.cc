// The wizard: what people do before anybody signs. The status stays.
#include <utility>
#include <vector>

#include "common/rpc/handle.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/workflow/convert.h"
#include "services/workflow/errors.h"
#include "services/workflow/snapshot_client.h"
#include "services/workflow/validation_report_client.h"
#include "services/workflow/workflow_service.h"

namespace edcert::workflow {
namespace {

constexpr char kUpdated[] = "certification_updated";

// Shows a report that was just asked for in its step.
void AddReport(int step, const ReportFact& report, const std::string& candidate, WizardView& view) {
  std::vector<ReportFact>& reports = view.inputs[static_cast<std::size_t>(step - 1)].reports;
  reports.insert(reports.begin(), report);
  view.Compute(candidate);
}

absl::Status CheckEtag(const Certification& certification, const std::string& etag) {
  if (etag == certification.etag()) return absl::OkStatus();
  return status::EtagMismatch(certification.name(), certification.etag());
}

// Whether there is, or is not yet, a candidate, as taking again or taking expects.
absl::Status CheckCandidate(const Certification& certification, const SnapshotOrder& order) {
  const bool has_candidate = !certification.candidate_snapshot.empty();
  if (!order.retake && has_candidate)
    return status::AlreadyExists(certification.candidate_snapshot);
  if (order.retake && !has_candidate) return SnapshotMismatch("there is no candidate to replace");
  if (order.retake && !order.confirmed && !Signers(certification).empty()) {
    return ConfirmationRequired("somebody signed the candidate; confirm that it is voided");
  }
  return absl::OkStatus();
}

absl::Status CheckTaking(const Seen& seen, const SnapshotOrder& order, const WizardView& view) {
  const Certification& certification = seen.certification;
  const WizardCall call = order.retake ? WizardCall::kRetakeSnapshot : WizardCall::kTakeSnapshot;
  RETURN_IF_ERROR(CheckEtag(certification, order.etag));
  RETURN_IF_ERROR(CheckCall(call, certification.state, certification.name()));
  RETURN_IF_ERROR(CheckSnapshotWindow(certification, seen.event(), seen.now));
  for (const Step& before : {view.steps[0], view.steps[1]}) {
    RETURN_IF_ERROR(CheckCompleted(before.number, before.state, before.report));
  }
  return CheckCandidate(certification, order);
}

// Makes a snapshot the candidate, if it is not. SNAPSHOT_MISMATCH when somebody signed or replaced
// the candidate since it was looked at.
absl::Status MakeCandidate(pg::Transaction& tx, const CertificationStore& store,
                           const Certification& was, const std::string& candidate,
                           const std::string& actor, absl::Time now, Certification& certification) {
  if (certification.candidate_snapshot == candidate) return absl::OkStatus();
  if (certification.candidate_snapshot != was.candidate_snapshot ||
      !Signers(certification).empty()) {
    return SnapshotMismatch("the candidate changed meanwhile");
  }
  certification.candidate_snapshot = candidate;
  store.Update(tx, certification, kUpdated, actor, "", now);
  return absl::OkStatus();
}

// Puts a snapshot in the candidate's place, voids what was signed on that, and tells it.
void Replace(pg::Transaction& tx, const CertificationStore& store, const std::string& candidate,
             const std::string& actor, absl::Time now, Certification& certification) {
  const std::string reason = "the snapshot was taken again";
  certification.candidate_snapshot = candidate;
  const std::vector<std::string> voided = VoidSignatures(certification, reason, now, 0);
  if (voided.empty()) {
    store.Update(tx, certification, kUpdated, actor, "", now);
    return;
  }
  store.SaveVoided(tx, certification, reason, now, 0);
  store.Update(tx, certification, "signatures_voided", actor, reason, now, voided);
}

}  // namespace

absl::StatusOr<Seen> WorkflowService::SeeAsMember(const rpc::Call& call,
                                                  const std::string& name) const {
  ASSIGN_OR_RETURN(Seen seen, See(call, name));
  if (!seen.IsMember()) return status::NotPermitted("the role of a certifier or reviewer here");
  return seen;
}

absl::Status WorkflowService::Start(rpc::Call& call, const v1::StartCertificationRequest& request,
                                    v1::Certification* response) {
  ASSIGN_OR_RETURN(const Seen seen, SeeAsMember(call, request.certification()));
  const Facts facts = FactsOf(seen);
  return rpc::Command(
      call, request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(Certification certification, store_.Lock(tx, seen.certification.id));
        RETURN_IF_ERROR(CheckCall(WizardCall::kStart, certification.state, certification.name()));
        RETURN_IF_ERROR(Check(Condition::kEventStarted, facts));
        RETURN_IF_ERROR(Check(Condition::kEventNotClosed, facts));
        if (!certification.start_time.has_value()) {
          certification.start_time = seen.now;
          store_.Update(tx, certification, kUpdated, call.principal().name(), "",
                        runtime_.clock().Now());
        }
        certification.event = seen.certification.event;
        *response = ToProto(certification, ViewerOf(seen));
        return certification.name();
      });
}

absl::StatusOr<SnapshotFact> WorkflowService::ChooseCandidate(const rpc::Call& call,
                                                              const Seen& seen) const {
  const Certification& certification = seen.certification;
  std::optional<SnapshotFact> present;
  if (!certification.candidate_snapshot.empty()) {
    ASSIGN_OR_RETURN(present, snapshots_.Get(call, certification.candidate_snapshot));
  }
  if (Signers(certification).empty()) {
    ASSIGN_OR_RETURN(const std::optional<SnapshotFact> newest,
                     snapshots_.Newest(call, certification.event.name, certification.organization,
                                       /*sealed=*/true));
    const bool is_better =
        newest.has_value() &&
        (!present.has_value() || newest->generation > present->generation || present->failed);
    if (is_better) return *newest;
  }
  if (present.has_value() && present->sealed) return *present;
  return SnapshotNotSealed(certification.candidate_snapshot);
}

absl::Status WorkflowService::GenerateReport(rpc::Call& call,
                                             const v1::GenerateStepReportRequest& request,
                                             v1::GenerateStepReportResponse* response) {
  ASSIGN_OR_RETURN(const ReportOrder order, FromProto(request));
  ASSIGN_OR_RETURN(const Seen seen, SeeAsMember(call, order.certification));
  const Certification& was = seen.certification;
  RETURN_IF_ERROR(CheckCall(WizardCall::kGenerateReport, was.state, was.name()));
  ASSIGN_OR_RETURN(WizardView view, wizard_.Look(call, was, seen.access, /*describe=*/false));
  RETURN_IF_ERROR(CheckStep(order.step, was, seen.event(), view.steps, seen.now));

  std::string candidate = was.candidate_snapshot;
  if (order.step == 3) {
    ASSIGN_OR_RETURN(view.snapshot, ChooseCandidate(call, seen));
    candidate = view.snapshot->name;
  }
  ASSIGN_OR_RETURN(const ReportFact report,
                   reports_.CreateReport(call, was.event.name, was.organization, order.step,
                                         order.step == 3 ? candidate : "", view.previous_snapshot,
                                         order.format));
  AddReport(order.step, report, candidate, view);

  return rpc::Command(
      call, request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(Certification certification, store_.Lock(tx, was.id));
        RETURN_IF_ERROR(
            CheckCall(WizardCall::kGenerateReport, certification.state, certification.name()));
        RETURN_IF_ERROR(MakeCandidate(tx, store_, was, candidate, call.principal().name(),
                                      runtime_.clock().Now(), certification));
        certification.event = was.event;
        *response->mutable_report() = ToProto(report);
        *response->mutable_certification() = ToProto(certification, seen, view);
        return certification.name();
      });
}

absl::Status WorkflowService::Take(rpc::Call& call, const google::protobuf::Message& request,
                                   const SnapshotOrder& order, v1::Certification* response) {
  ASSIGN_OR_RETURN(const Seen seen, SeeAsMember(call, order.certification));
  const Certification& was = seen.certification;
  ASSIGN_OR_RETURN(WizardView view, wizard_.Look(call, was, seen.access, /*describe=*/false));
  RETURN_IF_ERROR(CheckTaking(seen, order, view));

  ASSIGN_OR_RETURN(view.snapshot, snapshots_.Create(call, was.event.name, was.organization,
                                                    was.candidate_snapshot));
  const std::string& candidate = view.snapshot->name;
  ASSIGN_OR_RETURN(const ReportFact report,
                   reports_.CreateReport(call, was.event.name, was.organization, 3, candidate,
                                         view.previous_snapshot, order.format));
  AddReport(3, report, candidate, view);

  return rpc::Command(call, request, response,
                      [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
                        ASSIGN_OR_RETURN(Certification certification, store_.Lock(tx, was.id));
                        RETURN_IF_ERROR(CheckEtag(certification, order.etag));
                        Replace(tx, store_, candidate, call.principal().name(),
                                runtime_.clock().Now(), certification);
                        certification.event = was.event;
                        *response = ToProto(certification, seen, view);
                        return certification.name();
                      });
}

grpc::ServerUnaryReactor* WorkflowService::StartCertification(
    grpc::CallbackServerContext* context, const v1::StartCertificationRequest* request,
    v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response,
                     [=, this](rpc::Call& call) { return Start(call, *request, response); });
}

grpc::ServerUnaryReactor* WorkflowService::GenerateStepReport(
    grpc::CallbackServerContext* context, const v1::GenerateStepReportRequest* request,
    v1::GenerateStepReportResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    return GenerateReport(call, *request, response);
  });
}

grpc::ServerUnaryReactor* WorkflowService::TakeSnapshot(grpc::CallbackServerContext* context,
                                                        const v1::TakeSnapshotRequest* request,
                                                        v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const SnapshotOrder order, FromProto(*request));
    return Take(call, *request, order, response);
  });
}

grpc::ServerUnaryReactor* WorkflowService::RetakeSnapshot(grpc::CallbackServerContext* context,
                                                          const v1::RetakeSnapshotRequest* request,
                                                          v1::Certification* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const SnapshotOrder order, FromProto(*request));
    return Take(call, *request, order, response);
  });
}

}  // namespace edcert::workflow
