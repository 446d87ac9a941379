// Stores what people say to findings.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/pg.h"
#include "services/validation_report/explanation.h"

namespace edcert::validation_report {

// What was said to findings of an organisation in an event.
struct GivenExplanations {
  std::vector<Explanation> explanations = {};
  std::unordered_map<std::string, std::size_t> findings = {};  // fingerprint, hex, to its place

  // That of a finding; nullptr when there is none.
  const Explanation* Of(const std::string& fingerprint) const;
};

// Stateless; the database comes with the call.
class ExplanationStore {
 public:
  // Explains every stored finding of the target and returns how many those are. NOT_FOUND when the
  // report has no such rule or group.
  absl::StatusOr<int64_t> Explain(pg::Transaction& tx, const NewExplanation& explanation) const;

  // None without an event.
  absl::StatusOr<GivenExplanations> ReadGiven(pg::Querier& db, const std::string& event,
                                              const std::string& organization) const;
};

}  // namespace edcert::validation_report
