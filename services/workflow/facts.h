// What a decision depends on, made out of what was seen. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/access/access.h"
#include "services/workflow/certification.h"
#include "services/workflow/wizard.h"

namespace edcert::workflow {

// A certification as one caller may see it, when his call arrived.
struct Seen {
  Certification certification;
  access::Access access;
  absl::Time now;  // by which the windows are judged: when the call arrived

  const access::EventFacts& event() const { return *access.event; }
  // A certifier or reviewer of the organisation.
  bool IsMember() const;
};

// What a signer says.
struct Submission {
  std::string certification;
  std::string etag;
  std::string snapshot;
  int attestation_version = 0;
  bool warnings_acknowledged = false;
  bool zero_attestation = false;
};

// The instant by which a command is judged that first arrived at `first`, maybe before this
// attempt. That one when the calendar had opened by then: an answer that we failed to give costs
// nobody a deadline. Else the arrival of this attempt: what came too early may be tried again.
absl::Time JudgedAt(const Seen& seen, absl::Time first);
// The same to sign, where the signer must have viewed by then what is to be viewed: nobody reserves
// a signature before the end and prepares it after.
absl::Time JudgedAt(const Seen& seen, absl::Time first, const WizardView& view);

// What signing asks of special warnings: the rules that nobody explained by now, and whether all
// had been explained when the command first arrived.
struct Explanations {
  std::vector<std::string> unexplained_rules = {};
  bool in_time = true;
};

// What every move asks: who acts, and where the event is in its calendar.
Facts FactsOf(const Seen& seen);

// What signing asks besides: the steps, the candidate, and what the signer says about it. Whether
// the events that it depends on are certified is for the caller to add.
Facts FactsToSign(const Seen& seen, const Submission& submission, const WizardView& view,
                  const Explanations& explanations);

// The signature that would be stored; everything but its id, round, user and time.
Signature SignatureOf(const Seen& seen, const Submission& submission, const WizardView& view);

// What approving asks besides. When it was not sent the approval is administrative: it is about
// what stands now, whatever was signed, the newest snapshot with its report. `newest` and `reports`
// are not asked for what was sent.
Facts FactsToApprove(const Seen& seen, const std::string& reviewed, const std::string& reason,
                     const std::optional<SnapshotFact>& newest,
                     const std::vector<ReportFact>& reports);

// What is refused before other services are asked: who may not, what changed since it was read, and
// what the table does not have in this state. NOT_PERMITTED, SELF_APPROVAL, ETAG_MISMATCH,
// TRANSITION_NOT_ALLOWED.
absl::Status CheckAttempt(const Seen& seen, Action action, const std::string& etag);

}  // namespace edcert::workflow
