// Stores rules and their versions.
#pragma once

#include <map>
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
  std::string tag;
};

// Stateless; the database comes with the call.
class RuleStore {
 public:
  // ALREADY_EXISTS when the id or code is taken.
  absl::StatusOr<Rule> Create(pg::Transaction& tx, const std::string& id,
                              const RuleContent& content, const std::string& author) const;
  // A version of a rule; 0 is the newest. NOT_FOUND.
  absl::StatusOr<Rule> Get(pg::Querier& db, const std::string& id, int version) const;
  // A version, if the rule is as the caller knows it. NOT_FOUND, ETAG_MISMATCH.
  absl::StatusOr<Rule> GetUnchanged(pg::Querier& db, const std::string& id, const std::string& etag,
                                    int version = 0) const;
  // At most `limit` rules, each at the version in use or, a draft, the newest, after the code
  // `after`, ordered by code.
  absl::StatusOr<std::vector<Rule>> List(pg::Querier& db, const RuleFilter& filter,
                                         const std::string& after, int limit) const;
  // The contents of all rules but archived ones, ordered by code; the newest versions, or those in
  // use.
  absl::StatusOr<std::vector<RuleContent>> Export(pg::Querier& db, const std::string& dataset,
                                                  const std::string& tag, bool newest) const;
  // By code, the newest versions of the rules with these codes; in a transaction, nobody changes
  // them until it ends.
  absl::StatusOr<std::map<std::string, Rule>> FindByCode(
      pg::Querier& db, const std::vector<std::string>& codes) const;

  // The rest give ETAG_MISMATCH when the rule changed since it was read.

  // Writes the next version.
  absl::StatusOr<Rule> AddVersion(pg::Transaction& tx, const Rule& rule, const RuleContent& content,
                                  const std::string& author) const;
  // Notes that a user asks to activate the version of `rule`.
  absl::StatusOr<Rule> Ask(pg::Transaction& tx, const Rule& rule, const std::string& user) const;
  // Puts the version of `rule` into use.
  absl::StatusOr<Rule> Activate(pg::Transaction& tx, const Rule& rule,
                                const std::string& user) const;
  // Deactivates or archives.
  absl::StatusOr<Rule> SetState(pg::Transaction& tx, const Rule& rule, RuleState state) const;

 private:
  // The rule as it is after an update that should have met the row.
  absl::StatusOr<Rule> Changed(pg::Transaction& tx, const Rule& before, const pg::Result& updated,
                               int version) const;
};

}  // namespace edcert::validation_report
