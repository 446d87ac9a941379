#include "services/snapshot/taking.h"

#include "common/status/errors.h"

namespace edcert::snapshot {
namespace {

constexpr std::string_view kWorkflow = "services/workflow";

absl::Status CheckCaller(const TakingFacts& facts) {
  if (!facts.has_user) return absl::OkStatus();
  if (facts.state_user) {
    return facts.approver ? absl::OkStatus()
                          : status::NotPermitted("the role APPROVER in the event's category");
  }
  if (facts.service.empty()) return status::NotPermitted("a snapshot taken through Workflow");
  return facts.certifier_or_reviewer
             ? absl::OkStatus()
             : status::NotPermitted("the role CERTIFIER or REVIEWER at the organisation");
}

Origin OriginOf(const TakingFacts& facts) {
  if (!facts.has_user) return Origin::kStateScheduled;
  if (facts.state_user) return Origin::kStateManual;
  return facts.retake ? Origin::kDistrictRetaken : Origin::kDistrictTaken;
}

}  // namespace

bool ThroughWorkflow(const TakingFacts& facts) { return facts.service == kWorkflow; }

absl::StatusOr<Origin> DecideTaking(const TakingFacts& facts) {
  if (!ThroughWorkflow(facts) && !facts.participates) {
    return status::NotFound(facts.organization);
  }
  if (const absl::Status allowed = CheckCaller(facts); !allowed.ok()) return allowed;
  if (!facts.event_published || facts.now < facts.snapshots_from) {
    return status::WindowNotOpen(facts.event, facts.snapshots_from);
  }
  if (facts.event_closed || (facts.event_ended && !ThroughWorkflow(facts))) {
    return status::WindowClosed(facts.event);
  }
  return OriginOf(facts);
}

}  // namespace edcert::snapshot
