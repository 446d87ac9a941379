// Stores what people say to findings.
#pragma once

#include "absl/status/statusor.h"
#include "common/pg/pg.h"
#include "services/validation_report/explanation.h"

namespace edcert::validation_report {

// Stateless; the database comes with the call.
class ExplanationStore {
 public:
  // Explains every stored finding of the target and returns how many those are. NOT_FOUND when the
  // report has no such rule or group.
  absl::StatusOr<int64_t> Explain(pg::Transaction& tx, const NewExplanation& explanation) const;
};

}  // namespace edcert::validation_report
