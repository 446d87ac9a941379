// Stores rules and their versions.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/pg.h"
#include "services/validation_report/rule.h"

namespace edcert::validation_report {

struct RuleFilter {
  std::vector<RuleState> states;  // empty: all but ARCHIVED
  std::string dataset;            // id
  Severity severity = Severity::kUnspecified;
};

// Stateless; the database comes with the call.
class RuleStore {
 public:
  // ALREADY_EXISTS when the id or code is taken.
  absl::StatusOr<Rule> Create(pg::Transaction& tx, const std::string& id,
                              const RuleContent& content) const;
  // A version of a rule; 0 is the newest. NOT_FOUND.
  absl::StatusOr<Rule> Get(pg::Querier& db, const std::string& id, int version) const;
  // The newest version, if the rule is as the caller knows it. NOT_FOUND, ETAG_MISMATCH.
  absl::StatusOr<Rule> GetUnchanged(pg::Querier& db, const std::string& id,
                                    const std::string& etag) const;
  // At most `limit` rules after the code `after`, ordered by code.
  absl::StatusOr<std::vector<Rule>> List(pg::Querier& db, const RuleFilter& filter,
                                         const std::string& after, int limit) const;
  // ETAG_MISMATCH when the rule changed since.
  absl::StatusOr<Rule> SetState(pg::Transaction& tx, const Rule& rule, RuleState state) const;
};

}  // namespace edcert::validation_report
