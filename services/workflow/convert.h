// From the domain to the wire. Pure; requests are read by request_convert.h.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/access/access.h"
#include "edcert/workflow/v1/workflow.pb.h"
#include "services/workflow/certification.h"
#include "services/workflow/certification_page.h"
#include "services/workflow/certification_store.h"
#include "services/workflow/facts.h"
#include "services/workflow/wizard.h"

namespace edcert::workflow {

// Who reads a certification, and when.
struct Viewer {
  std::string user;  // empty for a service that acts for nobody
  Side side = Side::kLocal;
  absl::Time now;
};

Viewer ViewerOf(const Seen& seen);

v1::Certification ToProto(const Certification& certification, const Viewer& viewer);
// The same with the steps of the wizard, and what blocks each of them now.
v1::Certification ToProto(const Certification& certification, const Seen& seen,
                          const WizardView& view);
v1::Step ToProto(const Step& step);
v1::Transition ToProto(const std::string& certification, const TransitionRecord& record);
v1::GetEventSummaryResponse ToProto(const std::string& event, const Summary& summary, Side side);
v1::ReportReference ToProto(const ReportFact& report);

// What the registry says, in our terms.
Event ToEvent(const access::EventFacts& facts);

}  // namespace edcert::workflow
