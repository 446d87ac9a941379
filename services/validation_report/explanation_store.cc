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

absl::StatusOr<GivenExplanations> ExplanationStore::ReadGiven(
    pg::Querier& db, const std::string& event, const std::string& organization) const {
  GivenExplanations given;
  if (event.empty()) return given;
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kListGiven, organization, event));
  std::unordered_map<std::string, std::size_t> places;
  for (const pg::Row row : rows) {
    places.emplace(row.Text("explanation_id"), given.explanations.size());
    given.explanations.push_back({.text = row.Text("text"),
                                  .author = row.Text("author"),
                                  .created_at = row.Time("created_at")});
  }
  if (given.explanations.empty()) return given;
  ASSIGN_OR_RETURN(const pg::Result explained, db.Run(sql::kListExplained, organization, event));
  for (const pg::Row row : explained) {
    // One that was given between the two statements waits for the next report.
    const auto place = places.find(row.Text("explanation_id"));
    if (place != places.end()) given.findings[row.Text("fingerprint")] = place->second;
  }
  return given;
}

const Explanation* GivenExplanations::Of(const std::string& fingerprint) const {
  const auto place = findings.find(fingerprint);
  return place == findings.end() ? nullptr : &explanations[place->second];
}

}  // namespace edcert::validation_report
