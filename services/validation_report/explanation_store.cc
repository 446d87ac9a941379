#include "services/validation_report/explanation_store.h"

#include "common/names/names.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/sql/explanation.sql.h"

namespace edcert::validation_report {

absl::StatusOr<int64_t> ExplanationStore::Explain(pg::Transaction& tx,
                                                  const NewExplanation& explanation) const {
  const FindingTarget& target = explanation.target;
  ASSIGN_OR_RETURN(const pg::Result found,
                   tx.Run(sql::kFindTarget, explanation.report, target.rule, target.group));
  if (found.empty()) {
    return status::NotFound(target.rule.empty() ? target.group
                                                : names::RuleName::FromId(target.rule).ToString());
  }
  tx.Defer(sql::kInsertExplanation, explanation.id, explanation.event, explanation.category,
           explanation.organization, found[0].View("code"), explanation.report,
           explanation.explanation.text, explanation.explanation.author,
           explanation.explanation.created_at);
  ASSIGN_OR_RETURN(const pg::Result explained, tx.Run(sql::kExplainFindings, explanation.report,
                                                      target.rule, target.group, explanation.id));
  return explained.affected();
}

}  // namespace edcert::validation_report
