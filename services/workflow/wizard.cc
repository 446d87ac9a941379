#include "services/workflow/wizard.h"

#include <utility>

#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/workflow/dataset_client.h"
#include "services/workflow/snapshot_client.h"
#include "services/workflow/validation_report_client.h"

namespace edcert::workflow {

std::array<StepFact, 3> WizardView::facts() const {
  std::array<StepFact, 3> facts;
  for (std::size_t i = 0; i < steps.size(); ++i) facts[i] = {steps[i].state, steps[i].report};
  return facts;
}

void WizardView::Compute(const std::string& candidate) {
  steps[0] = CopyStep(1, inputs[0]);
  steps[1] = CopyStep(2, inputs[1]);
  steps[2] = SnapshotStep(candidate, snapshot.has_value() ? &*snapshot : nullptr, inputs[2]);
}

absl::StatusOr<WizardView> Wizard::Look(const rpc::Call& call, const Certification& certification,
                                        const access::Access& access, bool describe) const {
  const std::string& event = certification.event.name;
  const std::string& organization = certification.organization;
  const std::string district = access::DistrictOf(access, organization);
  // Who certifies for a school need not see its district.
  const std::string school = organization == district ? "" : organization;
  WizardView view;
  ASSIGN_OR_RETURN(view.inputs[0].versions,
                   datasets_.GetVersions(call, district, school, Copy::kDistrict));
  ASSIGN_OR_RETURN(view.inputs[1].versions,
                   datasets_.GetVersions(call, district, school, Copy::kState));
  view.inputs[2].versions = view.inputs[1].versions;
  pg::Database db = call.db();
  ASSIGN_OR_RETURN(view.previous_snapshot, store_.PreviousSnapshot(db, certification));
  for (std::size_t i = 0; i < view.inputs.size(); ++i) {
    StepInput& input = view.inputs[i];
    input.round_started_at = certification.round_started_at.value_or(absl::InfinitePast());
    input.rule_group_version = access.event->rule_group_version;
    input.previous_snapshot = view.previous_snapshot;
    input.today = absl::ToCivilDay(call.arrival(), call.runtime().zone());
    ASSIGN_OR_RETURN(input.reports,
                     reports_.ListReports(call, event, organization, static_cast<int>(i) + 1));
  }
  if (!certification.candidate_snapshot.empty()) {
    ASSIGN_OR_RETURN(view.snapshot, snapshots_.Get(call, certification.candidate_snapshot));
  }
  view.Compute(certification.candidate_snapshot);
  if (describe && view.steps[2].data_changed && view.snapshot->sealed) {
    ASSIGN_OR_RETURN(view.steps[2].data_change_text,
                     snapshots_.DescribeChanges(call, certification.candidate_snapshot));
  }
  if (describe && NeedsExplanations(view.steps[2].counts)) {
    ASSIGN_OR_RETURN(view.steps[2].unexplained_rules,
                     reports_.UnexplainedRules(call, view.steps[2].report, std::nullopt));
  }
  return view;
}

absl::Status CheckStep(int number, const Certification& certification,
                       const access::EventFacts& event, const std::array<Step, 3>& steps,
                       absl::Time now) {
  RETURN_IF_ERROR(
      CheckCall(WizardCall::kGenerateReport, certification.state, certification.name()));
  if (now < event.starts_at) return status::WindowNotOpen(event.name, event.starts_at);
  if (event.status == access::EventStatus::kClosed) return status::WindowClosed(event.name);
  if (number == 3 && now > certification.effective_end()) {
    return status::WindowClosed(certification.name(), certification.effective_end());
  }
  for (int before = 1; before < number; ++before) {
    const Step& step = steps[static_cast<std::size_t>(before - 1)];
    RETURN_IF_ERROR(CheckCompleted(before, step.state, step.report));
  }
  return absl::OkStatus();
}

absl::Status CheckSnapshotWindow(const Certification& certification,
                                 const access::EventFacts& event, absl::Time now) {
  if (event.status == access::EventStatus::kClosed) return status::WindowClosed(event.name);
  // A round that the state started is open until its own due date.
  if (!certification.recert_due_at.has_value() && now < event.snapshots_from) {
    return status::WindowNotOpen(event.name, event.snapshots_from);
  }
  if (now > certification.effective_end()) {
    return status::WindowClosed(certification.name(), certification.effective_end());
  }
  return absl::OkStatus();
}

void AddBlocks(const Certification& certification, const access::EventFacts& event, absl::Time now,
               std::array<Step, 3>& steps) {
  for (Step& step : steps) {
    absl::Status refused = CheckStep(step.number, certification, event, steps, now);
    if (refused.ok() && step.number == 3 && step.snapshot.empty()) {
      refused = CheckSnapshotWindow(certification, event, now);
    }
    step.blocked_reason = status::ReasonOf(refused);
    step.blocked_text = std::string(refused.message());
  }
}

}  // namespace edcert::workflow
