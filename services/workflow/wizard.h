// What the wizard shows one caller: facts of the other services, and the steps computed from them.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/access/access.h"
#include "common/rpc/call.h"
#include "services/workflow/certification.h"
#include "services/workflow/certification_store.h"

namespace edcert::workflow {

class DatasetClient;
class SnapshotClient;
class ValidationReportClient;

// The wizard as the caller sees it now, and what it was computed from.
struct WizardView {
  std::array<Step, 3> steps;
  std::array<StepInput, 3> inputs;
  std::optional<SnapshotFact> snapshot;  // the candidate
  std::string previous_snapshot;         // certified a year ago; empty when there is none

  std::array<StepFact, 3> facts() const;
  // Computes the steps again after an input changed.
  void Compute(const std::string& candidate);
};

// Gathers the facts, most of them by RPC. Thread-safe.
class Wizard {
 public:
  Wizard(const CertificationStore& store, const ValidationReportClient& reports,
         const SnapshotClient& snapshots, const DatasetClient& datasets)
      : store_(store), reports_(reports), snapshots_(snapshots), datasets_(datasets) {}

  // `describe` also asks what changed since the snapshot, in words, and what is to be explained
  // before anybody signs.
  absl::StatusOr<WizardView> Look(const rpc::Call& call, const Certification& certification,
                                  const access::Access& access, bool describe) const;

 private:
  const CertificationStore& store_;
  const ValidationReportClient& reports_;
  const SnapshotClient& snapshots_;
  const DatasetClient& datasets_;
};

// Why a step's report or snapshot would be refused now; OK when it would not: the state, the
// window, the steps before.
absl::Status CheckStep(int number, const Certification& certification,
                       const access::EventFacts& event, const std::array<Step, 3>& steps,
                       absl::Time now);

// Why a snapshot may not be taken now, by the calendar alone.
absl::Status CheckSnapshotWindow(const Certification& certification,
                                 const access::EventFacts& event, absl::Time now);

// Fills in what blocks each step.
void AddBlocks(const Certification& certification, const access::EventFacts& event, absl::Time now,
               std::array<Step, 3>& steps);

}  // namespace edcert::workflow
