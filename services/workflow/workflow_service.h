// The gRPC face of workflow.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/access/access.h"
#include "common/rpc/call.h"
#include "common/rpc/runtime.h"
#include "edcert/workflow/v1/workflow.grpc.pb.h"
#include "services/workflow/certification_store.h"
#include "services/workflow/convert.h"
#include "services/workflow/wizard.h"

namespace edcert::workflow {

// Thread-safe.
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
  explicit WorkflowService(const Parts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* ListCertifications(grpc::CallbackServerContext* context,
                                               const v1::ListCertificationsRequest* request,
                                               v1::ListCertificationsResponse* response) override;
  grpc::ServerUnaryReactor* GetCertification(grpc::CallbackServerContext* context,
                                             const v1::GetCertificationRequest* request,
                                             v1::Certification* response) override;
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
  grpc::ServerUnaryReactor* ListTransitions(grpc::CallbackServerContext* context,
                                            const v1::ListTransitionsRequest* request,
                                            v1::ListTransitionsResponse* response) override;
  grpc::ServerUnaryReactor* GetEventSummary(grpc::CallbackServerContext* context,
                                            const v1::GetEventSummaryRequest* request,
                                            v1::GetEventSummaryResponse* response) override;
  grpc::ServerUnaryReactor* ListChanges(grpc::CallbackServerContext* context,
                                        const v1::ListChangesRequest* request,
                                        v1::ListChangesResponse* response) override;
  grpc::ServerUnaryReactor* ListAuditRecords(grpc::CallbackServerContext* context,
                                             const v1::ListAuditRecordsRequest* request,
                                             v1::ListAuditRecordsResponse* response) override;
  grpc::ServerWriteReactor<v1::Certification>* WatchCertification(
      grpc::CallbackServerContext* context, const v1::WatchCertificationRequest* request) override;

 private:
  // A certification as one caller may see it.
  struct Seen {
    Certification certification;
    access::Access access;
    absl::Time now;

    Viewer viewer() const;
    const access::EventFacts& event() const { return *access.event; }
    // A certifier or reviewer of the organisation.
    bool is_member() const;
  };
  // The answer of a command, made inside its transaction.
  using Body = std::function<absl::StatusOr<Certification>(pg::Transaction&)>;

  // Finds a certification within the caller's scope; NOT_FOUND otherwise. Checks the tool rights.
  absl::StatusOr<Seen> See(const rpc::Call& call, const std::string& name,
                           const std::string& field) const;
  absl::StatusOr<v1::Certification> Read(const rpc::Call& call, const std::string& name) const;
  Facts FactsOf(const Seen& seen) const;
  Scope ScopeOf(const access::Access& access) const;

  // A move without facts of other services.
  template <typename Request>
  absl::Status Decide(rpc::Call& call, const Request& request, v1::Certification* response,
                      Action action, const std::function<absl::Status(Input&)>& complete = {});
  // Runs a move as a command and answers with the certification, and its steps where they are
  // known.
  template <typename Request>
  absl::Status Run(rpc::Call& call, const Request& request, v1::Certification* response,
                   const Seen& seen, const Attempt& attempt, const WizardView* view);

  absl::Status GenerateReport(rpc::Call& call, const v1::GenerateStepReportRequest& request,
                              v1::GenerateStepReportResponse* response);
  // Chooses the candidate of step 3; nothing when the present one stays.
  absl::StatusOr<std::optional<SnapshotFact>> NewCandidate(const rpc::Call& call,
                                                           const Seen& seen) const;
  // Takes a snapshot, or takes it again, and asks for its report.
  template <typename Request>
  absl::Status Snapshot(rpc::Call& call, const Request& request, v1::Certification* response,
                        bool retake, bool confirmed);
  absl::Status CheckSnapshot(const Seen& seen, const std::string& etag, bool retake, bool confirmed,
                             const WizardView& view) const;
  absl::Status Submit(rpc::Call& call, const v1::SubmitCertificationRequest& request,
                      v1::Certification* response);
  absl::Status Approve(rpc::Call& call, const v1::ApproveCertificationRequest& request,
                       v1::Certification* response);
  absl::Status AddApprovalFacts(const rpc::Call& call, const Seen& seen,
                                const std::string& snapshot, Facts& facts) const;

  const Parts parts_;
};

}  // namespace edcert::workflow
