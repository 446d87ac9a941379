#include "services/workflow/certification.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "services/workflow/certification_page.h"

namespace edcert::workflow {
namespace {

bool CountsFor(const Signature& signature, const RequiredCertifier& required) {
  return !signature.voided_at.has_value() &&
         (signature.user == required.user ||
          (!required.delegate.empty() && signature.user == required.delegate));
}

bool IsSigned(const Certification& certification, const RequiredCertifier& required) {
  return std::any_of(certification.signatures.begin(), certification.signatures.end(),
                     [&](const Signature& signature) { return CountsFor(signature, required); });
}

bool SignedHimself(const Certification& certification, const std::string& user) {
  return std::any_of(certification.signatures.begin(), certification.signatures.end(),
                     [&](const Signature& signature) {
                       return !signature.voided_at.has_value() && signature.user == user;
                     });
}

bool IsOnRoster(const Certification& certification, const std::string& user) {
  return std::any_of(certification.roster.begin(), certification.roster.end(),
                     [&](const RequiredCertifier& required) {
                       return required.user == user || required.delegate == user;
                     });
}

// A delegate has to sign as long as the certifier has not done it himself.
bool MustSign(const Certification& certification, const std::string& user) {
  if (user.empty()) return false;
  return std::any_of(
      certification.roster.begin(), certification.roster.end(),
      [&](const RequiredCertifier& required) {
        return required.user == user ||
               (required.delegate == user && !SignedHimself(certification, required.user));
      });
}

void Sign(const Input& input, Certification& certification) {
  Signature signature = input.signature;
  signature.id = input.new_id;
  signature.round = certification.round;
  signature.user = input.actor;
  signature.signed_at = input.now;
  // The registry knows a certifier before its feed has told us.
  if (!IsOnRoster(certification, input.actor)) {
    certification.roster.push_back({input.actor, "", signature.role_title});
  }
  certification.signatures.insert(certification.signatures.begin(), std::move(signature));
}

void Send(const Input& input, Certification& certification) {
  certification.certified_snapshot = certification.candidate_snapshot;
  certification.sent_at = input.now;
  certification.administrative = false;
  certification.approved_at.reset();
  certification.approved_by.clear();
}

void Approve(const Input& input, bool administrative, Certification& certification) {
  certification.approved_at = input.now;
  certification.approved_by = input.actor;
  certification.administrative = administrative;
  if (!administrative) return;
  certification.certified_snapshot = input.snapshot;
  certification.candidate_snapshot = input.snapshot;
  certification.request.reset();
}

void StartRound(const Input& input, State from, Certification& certification) {
  if (from != State::kRecertRequested) certification.came_from = from;
  ++certification.round;
  VoidSignatures(certification, "a new round started: " + input.reason, input.now,
                 certification.round);
  certification.prior_recert_due = certification.recert_due;
  certification.prior_recert_due_at = certification.recert_due_at;
  certification.recert_due = input.due;
  certification.recert_due_at = input.due_at;
  certification.return_reason = input.reason;
  certification.round_started_at = input.now;
  certification.start_time.reset();
  certification.candidate_snapshot.clear();
  certification.request.reset();
  certification.roster = input.next_roster;
}

void Reinstate(const Input& input, Certification& certification) {
  VoidSignatures(certification, "the round was called off: " + input.reason, input.now, 0);
  for (Signature& signature : certification.signatures) {
    if (signature.voided_in_round != certification.round) continue;
    signature.voided_at.reset();
    signature.void_reason.clear();
    signature.voided_in_round = 0;
  }
  certification.recert_due = certification.prior_recert_due;
  certification.recert_due_at = certification.prior_recert_due_at;
  certification.candidate_snapshot = certification.certified_snapshot;
  certification.roster = input.next_roster;
}

}  // namespace

Phase PhaseOf(const Event& event, absl::Time now) {
  if (event.status == EventStatus::kClosed) return Phase::kClosed;
  if (now < event.starts_at) return Phase::kBeforeStart;
  if (now < event.opens_at) return Phase::kReview;
  if (now <= event.due_at) return Phase::kCertifying;
  return now <= event.ends_at ? Phase::kLate : Phase::kEnded;
}

absl::Time Certification::effective_end() const {
  return recert_due_at.has_value() ? std::max(*recert_due_at, event.ends_at) : event.ends_at;
}

std::vector<std::string> Outstanding(const Certification& certification) {
  std::vector<std::string> users;
  for (const RequiredCertifier& required : certification.roster) {
    if (!IsSigned(certification, required)) users.push_back(required.user);
  }
  return users;
}

std::vector<std::string> Signers(const Certification& certification) {
  std::vector<std::string> users;
  for (const Signature& signature : certification.signatures) {
    if (!signature.voided_at.has_value()) users.insert(users.begin(), signature.user);
  }
  return users;
}

bool AllSigned(const Certification& certification) {
  return !certification.roster.empty() && Outstanding(certification).empty();
}

int OutstandingWithout(const Certification& certification, const std::string& user) {
  return static_cast<int>(std::count_if(certification.roster.begin(), certification.roster.end(),
                                        [&](const RequiredCertifier& required) {
                                          return required.user != user &&
                                                 required.delegate != user &&
                                                 !IsSigned(certification, required);
                                        }));
}

bool HasSigned(const Certification& certification, const std::string& user) {
  return SignedHimself(certification, user) ||
         std::any_of(certification.roster.begin(), certification.roster.end(),
                     [&](const RequiredCertifier& required) {
                       return required.user == user && IsSigned(certification, required);
                     });
}

UserStatus UserStatusOf(const Certification& certification, const std::string& user,
                        absl::Time now) {
  return UserStatusOf(
      UserFacts{.must_sign = MustSign(certification, user),
                .state = certification.state,
                .asked = certification.request.has_value() && certification.request->user == user,
                .has_signed = HasSigned(certification, user),
                .overdue = now > certification.effective_due()});
}

void AddOwnFacts(const Certification& certification, const std::string& user, Facts& facts) {
  facts.certification = certification.name();
  facts.has_request = certification.request.has_value();
  facts.own_request = facts.has_request && certification.request->user == user;
  facts.own_signature = SignedHimself(certification, user);
  facts.signed_already = HasSigned(certification, user);
  facts.others_outstanding = OutstandingWithout(certification, user);
  facts.signatures = static_cast<int>(Signers(certification).size());
  facts.all_signed = AllSigned(certification);
  facts.came_from = certification.came_from;
}

void Perform(const Decision& decision, const Input& input, Certification& certification) {
  const State from = certification.state;
  switch (decision.effect) {
    case Effect::kCreate:
      certification.create_time = input.now;
      break;
    case Effect::kSign:
      Sign(input, certification);
      break;
    case Effect::kSignAndSend:
      Sign(input, certification);
      Send(input, certification);
      break;
    case Effect::kSend:
      Send(input, certification);
      break;
    case Effect::kApprove:
      Approve(input, /*administrative=*/false, certification);
      break;
    case Effect::kApproveAdministratively:
      Approve(input, /*administrative=*/true, certification);
      break;
    case Effect::kStartRound:
      StartRound(input, from, certification);
      break;
    case Effect::kAskState:
      certification.came_from = from;
      certification.request = Request{input.new_id, input.actor, input.reason, input.now};
      break;
    case Effect::kDeny:
    case Effect::kWithdrawRequest:
    case Effect::kExpireRequest:
    case Effect::kExcuse:
      certification.request.reset();
      break;
    case Effect::kReinstate:
      Reinstate(input, certification);
      break;
  }
  certification.state = decision.to;
  certification.update_time = std::max(input.now, input.written_at);
  ++certification.version;
  ++certification.transitions;
}

std::vector<std::string> VoidSignatures(Certification& certification, const std::string& reason,
                                        absl::Time now, int in_round) {
  std::vector<std::string> users;
  for (Signature& signature : certification.signatures) {
    if (signature.voided_at.has_value()) continue;
    signature.voided_at = now;
    signature.void_reason = reason;
    signature.voided_in_round = in_round;
    users.push_back(signature.user);
  }
  return users;
}

std::string FeedTypeOf(Action action, State to) {
  switch (action) {
    case Action::kOpen:
      return "certification_opened";
    case Action::kSubmit:
      return to == State::kSent ? "certification_sent" : "certification_signed";
    case Action::kRosterChange:
      return "certification_sent";
    case Action::kApprove:
      return "certification_approved";
    case Action::kReturn:
      return "recertification_started";
    case Action::kRequestRecertification:
      return "recertification_requested";
    case Action::kDenyRequest:
      return "recertification_denied";
    case Action::kWithdrawRequest:
      return "recertification_withdrawn";
    case Action::kExpireRequest:
      return "recertification_expired";
    case Action::kCancelRecertification:
      return "recertification_cancelled";
    case Action::kExempt:
      return "participant_exempted";
    case Action::kWithdraw:
      return "certification_updated";
  }
  return "";
}

std::map<std::string, std::string> FeedAttributes(const Certification& certification,
                                                  const std::string& actor,
                                                  const std::string& reason,
                                                  const std::string& requester,
                                                  absl::TimeZone zone) {
  return {{"certification", certification.name()},
          {"event", certification.event.name},
          {"event_title", certification.event.title},
          {"category", certification.event.category},
          {"organization", certification.organization},
          {"organization_display_name", certification.organization_display_name},
          {"status", std::string(NameOf(certification.state))},
          {"round", std::to_string(certification.round)},
          {"actor", actor},
          {"reason", reason},
          {"due", absl::FormatTime("%Y-%m-%d", certification.effective_due(), zone)},
          {"outstanding", absl::StrJoin(Outstanding(certification), ",")},
          {"signers", absl::StrJoin(Signers(certification), ",")},
          {"requester", requester}};
}

}  // namespace edcert::workflow
