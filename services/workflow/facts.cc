#include "services/workflow/facts.h"

#include <algorithm>

#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::workflow {
namespace {

// Whether the caller has a role or an assignment at the organisation that certifies.
bool BelongsHere(const Seen& seen) {
  const access::Access& access = seen.access;
  const auto is_assigned_to = [&access](const std::string& organization) {
    const auto& scope = access.scope_organizations;
    return std::find(scope.begin(), scope.end(), organization) != scope.end();
  };
  return seen.IsMember() || is_assigned_to(seen.certification.organization) ||
         (access.organization_kind == access::OrganizationKind::kSchool &&
          is_assigned_to(access.organization_parent));
}

Window SigningWindow(const Seen& seen) {
  // A round is open at once, until its own due date.
  const bool in_round = seen.certification.recert_due_at.has_value();
  if (seen.now > seen.certification.effective_end()) return Window::kEnded;
  return !in_round && seen.now < seen.event().opens_at ? Window::kBefore : Window::kOpen;
}

// The title of the caller's office on the roster; empty for one who signs in another's place.
std::string TitleOf(const Seen& seen) {
  for (const RequiredCertifier& required : seen.certification.roster) {
    if (required.user == seen.access.user) return required.title;
  }
  return "";
}

const ReportFact* FinishedReportOn(const std::string& snapshot,
                                   const std::vector<ReportFact>& reports) {
  const auto it = std::find_if(reports.begin(), reports.end(), [&](const ReportFact& report) {
    return report.snapshot == snapshot &&
           (report.state == ReportState::kCompleted || report.state == ReportState::kExpired);
  });
  return it == reports.end() ? nullptr : &*it;
}

}  // namespace

bool Seen::IsMember() const {
  return access.Has(access::Role::kCertifier) || access.Has(access::Role::kReviewer);
}

absl::Time JudgedAt(const Seen& seen, absl::Time first) {
  const access::EventFacts& event = seen.event();
  const bool in_round = seen.certification.recert_due_at.has_value();
  const bool had_opened = first >= event.starts_at && (in_round || first >= event.opens_at);
  return had_opened ? std::min(first, seen.now) : seen.now;
}

absl::Time JudgedAt(const Seen& seen, absl::Time first, const WizardView& view) {
  for (const Step& step : view.steps) {
    if (!step.viewed_at.has_value() || *step.viewed_at > first) return seen.now;
  }
  return JudgedAt(seen, first);
}

Facts FactsOf(const Seen& seen) {
  const access::EventFacts& event = seen.event();
  Facts facts;
  facts.certifier = seen.access.IsRequiredCertifier();
  facts.approver = seen.access.Has(access::Role::kApprover);
  facts.event_manager = seen.access.state_user;
  facts.belongs_here = BelongsHere(seen);
  facts.event_started = seen.now >= event.starts_at;
  facts.event_closed = event.status == access::EventStatus::kClosed;
  facts.certifying_opened = seen.now >= event.opens_at;
  facts.signing = SigningWindow(seen);
  facts.event = event.name;
  facts.starts = event.starts_at;
  facts.opens = event.opens_at;
  facts.ends = seen.certification.effective_end();
  return facts;
}

Facts FactsToSign(const Seen& seen, const Submission& submission, const WizardView& view,
                  const Explanations& explanations) {
  const std::optional<SnapshotFact>& candidate = view.snapshot;
  Facts facts = FactsOf(seen);
  facts.steps = view.facts();
  facts.snapshot_matches = submission.snapshot == seen.certification.candidate_snapshot;
  facts.snapshot_sealed = candidate.has_value() && candidate->sealed;
  facts.snapshot_empty = candidate.has_value() && candidate->rows == 0;
  facts.zero_attested = submission.zero_attestation && seen.event().allows_zero_attestation;
  facts.unexplained_rules = explanations.unexplained_rules;
  facts.warnings = HasWarnings(view.steps[2].counts);
  facts.warnings_acknowledged = submission.warnings_acknowledged;
  facts.attestation_current = submission.attestation_version == seen.event().attestation_version;
  return facts;
}

Signature SignatureOf(const Seen& seen, const Submission& submission, const WizardView& view) {
  const std::optional<SnapshotFact>& candidate = view.snapshot;
  const std::vector<SeverityCount>& counts = view.steps[2].counts;
  Signature signature;
  signature.role_title = TitleOf(seen);
  signature.snapshot = seen.certification.candidate_snapshot;
  signature.root = candidate.has_value() ? candidate->root : "";
  signature.attestation_version = submission.attestation_version;
  signature.warnings_acknowledged = submission.warnings_acknowledged;
  signature.zero_attestation = submission.zero_attestation && candidate.has_value() &&
                               candidate->rows == 0 && seen.event().allows_zero_attestation;
  signature.warning_count =
      RecordsOf(counts, Severity::kWarning) + RecordsOf(counts, Severity::kSpecialWarning);
  for (const SeverityCount& count : counts) signature.waived_count += count.waived;
  signature.membership_version = seen.access.membership_version;
  return signature;
}

Facts FactsToApprove(const Seen& seen, const std::string& reviewed, const std::string& reason,
                     const std::optional<SnapshotFact>& newest,
                     const std::vector<ReportFact>& reports) {
  Facts facts = FactsOf(seen);
  facts.reason_given = !reason.empty();
  if (seen.certification.state == State::kSent) {
    facts.snapshot_matches = reviewed == seen.certification.certified_snapshot;
    return facts;
  }
  const ReportFact* report = FinishedReportOn(reviewed, reports);
  facts.snapshot_matches = newest.has_value() && newest->name == reviewed;
  facts.snapshot_sealed = newest.has_value() && newest->sealed;
  facts.snapshot_clear = report != nullptr && !HasFatals(report->counts);
  if (report != nullptr) facts.steps[2].report = report->name;
  return facts;
}

absl::Status CheckAttempt(const Seen& seen, Action action, const std::string& etag) {
  const Certification& certification = seen.certification;
  Facts facts = FactsOf(seen);
  AddOwnFacts(certification, seen.access.user, facts);
  RETURN_IF_ERROR(CheckActor(action, facts));
  if (etag != certification.etag()) {
    return status::EtagMismatch(certification.name(), certification.etag());
  }
  return CheckAllowed(certification.state, action, certification.name());
}

}  // namespace edcert::workflow
