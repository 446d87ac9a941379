// Who may make and see which reports: pure.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/access/access.h"
#include "services/validation_report/report.h"
#include "services/validation_report/report_store.h"

namespace edcert::validation_report {

// Whether a role or right lets the caller make this report, and see it whoever asked for it.
// `access` is about the report's event and organisation.
bool MayRun(const access::Access& access, const Report& report);

// The same, or because the caller asked for it.
bool MaySee(const access::Access& access, const Report& report);

// The reports that a list may show to a caller, whose events `access` names.
ReportScope ScopeOf(const access::Access& access);

// Whether the caller may have the report made now: FIELD_INVALID for an organisation without
// records, NOT_PERMITTED, WINDOW_NOT_OPEN or WINDOW_CLOSED, in this order.
absl::Status CheckMayAsk(const access::Access& access, const Report& report);

// Whether the caller may explain findings of the report now: a certifier or reviewer of the
// organisation while the event is open. NOT_PERMITTED, WINDOW_NOT_OPEN or WINDOW_CLOSED.
absl::Status CheckMayExplain(const access::Access& access, const Report& report);

// Whether the caller may waive findings of the report, or revoke that: an approver of the category,
// who does not belong to the organisation or its district. NOT_PERMITTED or SELF_APPROVAL.
absl::Status CheckMayWaive(const access::Access& access, const std::string& organization);

}  // namespace edcert::validation_report
