#include "services/workflow/convert.h"

#include "common/rpc/standard.h"
#include "services/workflow/certification_page.h"

namespace edcert::workflow {
namespace {

using rpc::ToProto;

static_assert(static_cast<int>(State::kNone) == v1::Certification::STATUS_UNSPECIFIED);
static_assert(static_cast<int>(State::kInProgress) == v1::Certification::IN_PROGRESS);
static_assert(static_cast<int>(State::kSent) == v1::Certification::SENT);
static_assert(static_cast<int>(State::kApproved) == v1::Certification::APPROVED);
static_assert(static_cast<int>(State::kRecertRequested) == v1::Certification::RECERT_REQUESTED);
static_assert(static_cast<int>(State::kRecertInProgress) == v1::Certification::RECERT_IN_PROGRESS);
static_assert(static_cast<int>(State::kExempt) == v1::Certification::EXEMPT);
static_assert(static_cast<int>(State::kWithdrawn) == v1::Certification::WITHDRAWN);
static_assert(kStates.size() == v1::Certification::Status_ARRAYSIZE - 1);

static_assert(static_cast<int>(Action::kOpen) == v1::Transition::OPEN);
static_assert(static_cast<int>(Action::kSubmit) == v1::Transition::SUBMIT);
static_assert(static_cast<int>(Action::kRosterChange) == v1::Transition::ROSTER_CHANGE);
static_assert(static_cast<int>(Action::kApprove) == v1::Transition::APPROVE);
static_assert(static_cast<int>(Action::kReturn) == v1::Transition::RETURN);
static_assert(static_cast<int>(Action::kRequestRecertification) ==
              v1::Transition::REQUEST_RECERTIFICATION);
static_assert(static_cast<int>(Action::kDenyRequest) == v1::Transition::DENY_REQUEST);
static_assert(static_cast<int>(Action::kWithdrawRequest) == v1::Transition::WITHDRAW_REQUEST);
static_assert(static_cast<int>(Action::kExpireRequest) == v1::Transition::EXPIRE_REQUEST);
static_assert(static_cast<int>(Action::kCancelRecertification) ==
              v1::Transition::CANCEL_RECERTIFICATION);
static_assert(static_cast<int>(Action::kExempt) == v1::Transition::EXEMPT);
static_assert(static_cast<int>(Action::kWithdraw) == v1::Transition::WITHDRAW);
static_assert(kActions.size() == v1::Transition::Action_ARRAYSIZE - 1);

static_assert(static_cast<int>(UserStatus::kNotApplicable) == v1::USER_STATUS_NA);
static_assert(static_cast<int>(UserStatus::kIncomplete) == v1::USER_STATUS_INCOMPLETE);
static_assert(static_cast<int>(UserStatus::kOverdue) == v1::USER_STATUS_OVERDUE);
static_assert(static_cast<int>(UserStatus::kCertificationComplete) ==
              v1::USER_STATUS_CERTIFICATION_COMPLETE);
static_assert(static_cast<int>(UserStatus::kRecertRequestPending) ==
              v1::USER_STATUS_RECERT_REQUEST_PENDING);
static_assert(static_cast<int>(UserStatus::kComplete) == v1::USER_STATUS_COMPLETE);

static_assert(static_cast<int>(StepState::kNotStarted) == v1::Step::NOT_STARTED);
static_assert(static_cast<int>(StepState::kQueued) == v1::Step::QUEUED);
static_assert(static_cast<int>(StepState::kRunning) == v1::Step::RUNNING);
static_assert(static_cast<int>(StepState::kFatalFound) == v1::Step::FATAL_FOUND);
static_assert(static_cast<int>(StepState::kReadyToView) == v1::Step::READY_TO_VIEW);
static_assert(static_cast<int>(StepState::kCompleted) == v1::Step::COMPLETED);
static_assert(static_cast<int>(StepState::kStale) == v1::Step::STALE);

static_assert(static_cast<int>(EventStatus::kClosed) == v1::EVENT_STATUS_CLOSED);
static_assert(static_cast<int>(access::EventStatus::kPublished) ==
              static_cast<int>(EventStatus::kPublished));
static_assert(static_cast<int>(access::EventStatus::kClosed) ==
              static_cast<int>(EventStatus::kClosed));
static_assert(static_cast<int>(Phase::kBeforeStart) == v1::EVENT_PHASE_BEFORE_START);
static_assert(static_cast<int>(Phase::kClosed) == v1::EVENT_PHASE_CLOSED);
static_assert(static_cast<int>(Level::kDistrict) == type::LEVEL_DISTRICT);
static_assert(static_cast<int>(Level::kSchool) == type::LEVEL_SCHOOL);

v1::Signature ToProto(const Signature& signature) {
  v1::Signature out;
  out.set_user(signature.user);
  out.set_role_title(signature.role_title);
  out.set_snapshot(signature.snapshot);
  out.set_root(signature.root);
  *out.mutable_signed_at() = ToProto(signature.signed_at);
  out.set_round(signature.round);
  out.set_attestation_text_version(signature.attestation_version);
  out.set_warnings_acknowledged(signature.warnings_acknowledged);
  out.set_zero_attestation(signature.zero_attestation);
  if (signature.voided_at.has_value()) *out.mutable_voided_at() = ToProto(*signature.voided_at);
  out.set_void_reason(signature.void_reason);
  out.set_waived_findings(signature.waived_count);
  return out;
}

// Whether what is known of the last sending or approval speaks of the present.
bool IsIn(const Certification& certification, State state) {
  return certification.state == state ||
         (certification.state == State::kRecertRequested && certification.came_from == state);
}

void AddMilestones(const Certification& certification, v1::Certification& out) {
  const bool approved = IsIn(certification, State::kApproved);
  const bool sent = approved || IsIn(certification, State::kSent);
  out.set_administrative(approved && certification.administrative);
  if (sent && certification.sent_at.has_value() && !out.administrative()) {
    *out.mutable_sent_at() = ToProto(*certification.sent_at);
  }
  if (!approved) return;
  if (certification.approved_at.has_value()) {
    *out.mutable_approved_at() = ToProto(*certification.approved_at);
  }
  out.set_approved_by(certification.approved_by);
}

}  // namespace

Viewer ViewerOf(const Seen& seen) {
  return {.user = seen.access.user,
          .side = seen.access.state_user ? Side::kState : Side::kLocal,
          .now = seen.now};
}

v1::Certification ToProto(const Certification& certification, const Viewer& viewer) {
  v1::Certification out;
  out.set_name(certification.name());
  out.set_event(certification.event.name);
  out.set_event_title(certification.event.title);
  out.set_organization(certification.organization);
  out.set_organization_display_name(certification.organization_display_name);
  out.set_status(static_cast<v1::Certification::Status>(certification.state));
  AddMilestones(certification, out);
  out.set_status_label(
      std::string(LabelOf(certification.state, viewer.side, out.administrative())));
  out.set_round(certification.round);
  out.set_version(certification.version);
  out.set_etag(certification.etag());
  const UserStatus user_status = UserStatusOf(certification, viewer.user, viewer.now);
  out.set_user_status(static_cast<v1::UserStatus>(user_status));
  out.set_user_status_label(std::string(LabelOf(user_status)));
  for (const RequiredCertifier& required : certification.roster) {
    out.add_required_certifiers(required.user);
  }
  for (const Signature& signature : certification.signatures) {
    *out.add_signatures() = ToProto(signature);
  }
  if (certification.request.has_value()) {
    v1::RecertificationRequest& request = *out.mutable_pending_request();
    request.set_requested_by(certification.request->user);
    request.set_reason(certification.request->reason);
    *request.mutable_requested_at() = ToProto(certification.request->requested_at);
  }
  out.set_candidate_snapshot(certification.candidate_snapshot);
  out.set_certified_snapshot(certification.certified_snapshot);
  *out.mutable_effective_due() = ToProto(certification.effective_due());
  *out.mutable_effective_end() = ToProto(certification.effective_end());
  if (certification.recert_due.has_value()) {
    *out.mutable_recertification_due() = ToProto(*certification.recert_due);
  }
  out.set_return_reason(certification.return_reason);
  out.set_reporting_year(certification.event.reporting_year);
  out.set_category(certification.event.category);
  out.set_phase(static_cast<v1::EventPhase>(PhaseOf(certification.event, viewer.now)));
  out.set_attestation_text_version(certification.event.attestation_version);
  if (certification.start_time.has_value()) {
    *out.mutable_start_time() = ToProto(*certification.start_time);
  }
  *out.mutable_create_time() = ToProto(certification.create_time);
  *out.mutable_update_time() = ToProto(certification.update_time);
  return out;
}

v1::Certification ToProto(const Certification& certification, const Seen& seen,
                          const WizardView& view) {
  std::array<Step, 3> steps = view.steps;
  AddBlocks(certification, seen.event(), seen.now, steps);
  v1::Certification out = ToProto(certification, ViewerOf(seen));
  for (const Step& step : steps) *out.add_steps() = ToProto(step);
  return out;
}

v1::Step ToProto(const Step& step) {
  constexpr const char* kTitles[] = {"District or school data", "State data", "State snapshot"};
  v1::Step out;
  out.set_number(step.number);
  out.set_title(kTitles[step.number - 1]);
  out.set_state(static_cast<v1::Step::State>(step.state));
  out.set_report(step.report);
  out.set_snapshot(step.snapshot);
  for (const SeverityCount& count : step.counts) {
    v1::Step::SeverityCount& to = *out.add_counts();
    to.set_severity(static_cast<type::Severity>(count.severity));
    to.set_rules(count.rules);
    to.set_records(count.records);
    to.set_rules_errored(count.rules_errored);
    to.set_records_waived(count.waived);
  }
  for (const UnexplainedRule& rule : step.unexplained_rules) {
    v1::Step::UnexplainedRule& to = *out.add_unexplained_rules();
    to.set_rule(rule.rule);
    to.set_rule_code(rule.code);
    to.set_findings(rule.findings);
  }
  for (const VersionFact& version : step.versions) {
    v1::Step::DataVersion& to = *out.add_data_versions();
    to.set_dataset(version.dataset);
    to.set_copy(static_cast<type::Copy>(version.copy));
    to.set_version_then(version.then);
    to.set_version_now(version.now);
  }
  out.set_data_changed(step.data_changed);
  out.set_data_change_text(step.data_change_text);
  out.set_blocked_reason(step.blocked_reason);
  out.set_blocked_text(step.blocked_text);
  if (step.viewed_at.has_value()) *out.mutable_viewed_by_caller_at() = ToProto(*step.viewed_at);
  return out;
}

v1::Transition ToProto(const std::string& certification, const TransitionRecord& record) {
  v1::Transition out;
  out.set_certification(certification);
  out.set_seq(record.seq);
  out.set_from(static_cast<v1::Certification::Status>(record.from));
  out.set_action(static_cast<v1::Transition::Action>(record.action));
  out.set_to(static_cast<v1::Certification::Status>(record.to));
  out.set_actor(record.actor);
  *out.mutable_at() = ToProto(record.at);
  out.set_reason(record.reason);
  out.set_round(record.round);
  out.set_request_id(record.request_id);
  return out;
}

v1::GetEventSummaryResponse ToProto(const std::string& event, const Summary& summary, Side side) {
  v1::GetEventSummaryResponse out;
  out.set_event(event);
  int64_t total = 0;
  for (const State state : kStates) {
    v1::GetEventSummaryResponse::StatusCount& to = *out.add_counts();
    to.set_status(static_cast<v1::Certification::Status>(state));
    to.set_status_label(std::string(LabelOf(state, side, /*administrative=*/false)));
    for (const Summary::Count& count : summary.counts) {
      if (count.state == state) to.set_count(count.count);
    }
    total += to.count();
  }
  out.set_total(total);
  out.set_overdue(summary.overdue);
  out.set_administrative(summary.administrative);
  out.set_without_certifier(summary.without_certifier);
  return out;
}

v1::ReportReference ToProto(const ReportFact& report) {
  v1::ReportReference out;
  out.set_name(report.name);
  out.set_state(static_cast<v1::ReportReference::State>(report.state));
  return out;
}

Event ToEvent(const access::EventFacts& facts) {
  Event event;
  event.name = facts.name;
  event.title = facts.title;
  event.category = facts.category;
  event.datasets = facts.datasets;
  event.level = facts.level == access::Level::kSchool ? Level::kSchool : Level::kDistrict;
  event.reporting_year = facts.reporting_year;
  event.status = static_cast<EventStatus>(facts.status);
  event.attestation_version = facts.attestation_version;
  event.starts_at = facts.starts_at;
  event.opens_at = facts.opens_at;
  event.due_at = facts.due_at;
  event.ends_at = facts.ends_at;
  return event;
}

}  // namespace edcert::workflow
