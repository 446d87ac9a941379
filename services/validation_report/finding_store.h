// Stores what runs found, and how it follows from one run to the next.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "services/validation_report/finding_chain.h"
#include "services/validation_report/report.h"

namespace edcert::validation_report {

// What a run was compared with.
struct Comparison {
  Relation relation = Relation::kFirst;
  std::optional<FindingChain> chain = {};  // as it was then

  // The report that the run was compared with, an id; empty when there is none.
  std::string previous_report() const;
};

// Which findings of a report a list shows.
struct FindingQuery {
  std::string rule = {};                    // id; empty: of every rule
  std::vector<FindingChange> changes = {};  // empty: all but FIXED
  std::string group = {};                   // hex; empty: of every group
};
struct GroupQuery {
  std::string rule = {};                       // id; empty: of every rule
  Severity severity = Severity::kUnspecified;  // unspecified: of every severity
  bool unexplained = false;  // only those with a finding that nobody explained, by then if given:
  std::optional<absl::Time> explained_by = {};
  std::string category = {};  // whose explanations are offered again; `categories/...`
};

// Stateless; the database comes with the call.
class FindingStore {
 public:
  // Compares a run with those before: says of each finding what became of it, and counts.
  absl::StatusOr<Comparison> Compare(pg::Querier& db, const Report& report,
                                     std::vector<RanRule>& rules) const;

  // Writes what a run found, and the run into its chain. UNAVAILABLE when another run was completed
  // since it was compared: it is to be made again.
  absl::Status Write(pg::Transaction& tx, const Report& report, const std::vector<RanRule>& rules,
                     const Comparison& comparison) const;

  // At most `limit` findings after a place.
  absl::StatusOr<std::vector<ListedFinding>> List(pg::Querier& db, const std::string& id,
                                                  const FindingQuery& query, int64_t after,
                                                  int limit) const;
  // The same of groups.
  absl::StatusOr<std::vector<ListedGroup>> ListGroups(pg::Querier& db, const std::string& id,
                                                      const GroupQuery& query, int64_t after,
                                                      int limit) const;

 private:
  absl::StatusOr<std::optional<FindingChain>> ReadChain(pg::Querier& db,
                                                        const Report& report) const;
};

}  // namespace edcert::validation_report
