// The gRPC adapter: parse, see, decide, answer. One class in three files, by noun.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/access/access.h"
#include "common/rpc/call.h"
#include "common/rpc/runtime.h"
#include "edcert/workflow/v1/workflow.grpc.pb.h"
#include "services/workflow/certification_store.h"
#include "services/workflow/facts.h"
#include "services/workflow/request_convert.h"
#include "services/workflow/wizard.h"

namespace edcert::workflow {

// What the RPCs do, and which errors they answer, is said in the proto. Thread-safe.
class WorkflowService final : public v1::Workflow::CallbackService {
 public:
  // What the service works with; all outlive it.
  struct Parts {
    rpc::Runtime& runtime;
    access::Resolver& access;
    const CertificationStore& store;
    const ValidationReportClient& reports;
    const SnapshotClient& snapshots;
    const Wizard& wizard;
    absl::TimeZone zone;
  };
  explicit WorkflowService(const Parts& parts);

  // workflow_service.cc
  grpc::ServerUnaryReactor* ListCertifications(grpc::CallbackServerContext* context,
                                               const v1::ListCertificationsRequest* request,
                                               v1::ListCertificationsResponse* response) override;
  grpc::ServerUnaryReactor* GetCertification(grpc::CallbackServerContext* context,
                                             const v1::GetCertificationRequest* request,
                                             v1::Certification* response) override;
  grpc::ServerUnaryReactor* ListTransitions(grpc::CallbackServerContext* context,
                                            const v1::ListTransitionsRequest* request,
                                            v1::ListTransitionsResponse* response) override;
  grpc::ServerWriteReactor<v1::Certification>* WatchCertification(
      grpc::CallbackServerContext* context, const v1::WatchCertificationRequest* request) override;
  grpc::ServerUnaryReactor* GetEventSummary(grpc::CallbackServerContext* context,
                                            const v1::GetEventSummaryRequest* request,
                                            v1::GetEventSummaryResponse* response) override;
  grpc::ServerUnaryReactor* ListChanges(grpc::CallbackServerContext* context,
                                        const v1::ListChangesRequest* request,
                                        v1::ListChangesResponse* response) override;
  grpc::ServerUnaryReactor* ListAuditRecords(grpc::CallbackServerContext* context,
                                             const v1::ListAuditRecordsRequest* request,
                                             v1::ListAuditRecordsResponse* response) override;

  // wizard_service.cc
  grpc::ServerUnaryReactor* StartCertification(grpc::CallbackServerContext* context,
                                               const v1::StartCertificationRequest* request,
                                               v1::Certification* response) override;
  grpc::ServerUnaryReactor* GenerateStepReport(grpc::CallbackServerContext* context,
                                               const v1::GenerateStepReportRequest* request,
                                               v1::GenerateStepReportResponse* response) override;
  grpc::ServerUnaryReactor* TakeSnapshot(grpc::CallbackServerContext* context,
                                         const v1::TakeSnapshotRequest* request,
                                         v1::Certification* response) override;
  grpc::ServerUnaryReactor* RetakeSnapshot(grpc::CallbackServerContext* context,
                                           const v1::RetakeSnapshotRequest* request,
                                           v1::Certification* response) override;

  // decision_service.cc
  grpc::ServerUnaryReactor* SubmitCertification(grpc::CallbackServerContext* context,
                                                const v1::SubmitCertificationRequest* request,
                                                v1::Certification* response) override;
  grpc::ServerUnaryReactor* RequestRecertification(grpc::CallbackServerContext* context,
                                                   const v1::RequestRecertificationRequest* request,
                                                   v1::Certification* response) override;
  grpc::ServerUnaryReactor* WithdrawRecertificationRequest(
      grpc::CallbackServerContext* context,
      const v1::WithdrawRecertificationRequestRequest* request,
      v1::Certification* response) override;
  grpc::ServerUnaryReactor* ApproveCertification(grpc::CallbackServerContext* context,
                                                 const v1::ApproveCertificationRequest* request,
                                                 v1::Certification* response) override;
  grpc::ServerUnaryReactor* ReturnForRecertification(
      grpc::CallbackServerContext* context, const v1::ReturnForRecertificationRequest* request,
      v1::Certification* response) override;
  grpc::ServerUnaryReactor* DenyRecertificationRequest(
      grpc::CallbackServerContext* context, const v1::DenyRecertificationRequestRequest* request,
      v1::Certification* response) override;
  grpc::ServerUnaryReactor* CancelRecertification(grpc::CallbackServerContext* context,
                                                  const v1::CancelRecertificationRequest* request,
                                                  v1::Certification* response) override;
  grpc::ServerUnaryReactor* ExemptParticipant(grpc::CallbackServerContext* context,
                                              const v1::ExemptParticipantRequest* request,
                                              v1::Certification* response) override;

 private:
  // Finds a certification within the caller's scope; NOT_FOUND otherwise. Checks the tool rights.
  // `field` of the request names it.
  absl::StatusOr<Seen> See(const rpc::Call& call, const std::string& name,
                           std::string_view field = "certification") const;
  // The same for those who prepare it: NOT_PERMITTED for others.
  absl::StatusOr<Seen> SeeAsMember(const rpc::Call& call, const std::string& name) const;
  // Notes that a command arrived, and says when it first did: to be called before anything that may
  // fail.
  absl::StatusOr<absl::Time> FirstArrival(const rpc::Call& call,
                                          const google::protobuf::Message& request) const;
  // Which special warnings of step 3 nobody explained; `first`: when the command first arrived.
  absl::StatusOr<Explanations> AskForExplanations(const rpc::Call& call, const WizardView& view,
                                                  absl::Time first) const;
  absl::StatusOr<v1::Certification> Read(const rpc::Call& call, const std::string& name) const;

  absl::Status Start(rpc::Call& call, const v1::StartCertificationRequest& request,
                     v1::Certification* response);
  absl::Status GenerateReport(rpc::Call& call, const v1::GenerateStepReportRequest& request,
                              v1::GenerateStepReportResponse* response);
  // The candidate that the report of step 3 is on: the newest sealed snapshot, unless somebody has
  // signed the present one. SNAPSHOT_NOT_SEALED when there is none.
  absl::StatusOr<SnapshotFact> ChooseCandidate(const rpc::Call& call, const Seen& seen) const;
  // Takes a snapshot, or takes it again, and asks for its report.
  absl::Status Take(rpc::Call& call, const google::protobuf::Message& request,
                    const SnapshotOrder& order, v1::Certification* response);

  absl::Status Submit(rpc::Call& call, const v1::SubmitCertificationRequest& request,
                      v1::Certification* response);
  absl::Status Approve(rpc::Call& call, const v1::ApproveCertificationRequest& request,
                       v1::Certification* response);
  // Runs a decision that needs no facts of other services.
  absl::Status RunVerb(rpc::Call& call, const google::protobuf::Message& request, const Seen& seen,
                       Action action, const Verb& verb, v1::Certification* response);
  // Runs an attempt as a command and answers with the certification, and with the steps where they
  // are known.
  absl::Status Run(rpc::Call& call, const google::protobuf::Message& request, const Seen& seen,
                   const Attempt& attempt, const WizardView* view, v1::Certification* response);

  rpc::Runtime& runtime_;
  access::Resolver& access_;
  const CertificationStore& store_;
  const ValidationReportClient& reports_;
  const SnapshotClient& snapshots_;
  const Wizard& wizard_;
  const absl::TimeZone zone_;
};

}  // namespace edcert::workflow
