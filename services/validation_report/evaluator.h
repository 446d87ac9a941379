// Runs rules over columns that were pulled out of PostgreSQL, or, what columns cannot do, in
// PostgreSQL, as the role that can read the published views and nothing else. Both give the same:
// PostgreSQL says what a rule means.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "services/validation_report/columnar/reader.h"
#include "services/validation_report/definition.h"
#include "services/validation_report/finding.h"
#include "services/validation_report/rule_compiler.h"
#include "services/validation_report/rule_sql.h"
#include "services/validation_report/stored_findings.h"

namespace edcert::validation_report {

// A rule of a run. One that could not be compiled has no rule but a problem: its outcome is ERROR.
struct Candidate {
  std::shared_ptr<const CompiledRule> rule = {};
  std::string problem = {};
};

struct EvaluationRequest {
  std::string organization;  // resource name, for fingerprints
  std::string district;      // id; of all sources, and the only one whose records are seen
  std::vector<Candidate> rules;
  Definitions definitions;
  RowSources sources;  // a rule over another dataset gets the outcome ERROR
  // Called now and then, from the caller's thread, with the number of rules done; not OK stops the
  // evaluation.
  std::function<absl::Status(int64_t done)> progress;
  // No finding is stored.
  bool counts_only = false;
};

struct Evaluation {
  std::map<std::string, int64_t> rows;  // by dataset
  std::vector<RuleResult> results;      // one for each rule, in their order
  int64_t by_columns = 0;               // rules that needed no statement
};

// What a fixture of a rule gave: the rows, by place, that were found; or why it could not be run.
struct FixtureResult {
  std::vector<int> missed = {};
  std::vector<int> unexpected = {};
  std::string error = {};
  bool passed() const { return missed.empty() && unexpected.empty() && error.empty(); }
};

// The rows of a fixture, alone in the world: the place of a row is its key.
RowSources SourcesOf(const CompiledRule& rule, const Fixture& fixture,
                     const Definitions& definitions);

// Bounds a transaction in which rules are run: read only, limited in time and memory, and to the
// records of one district; of none when it is empty.
void LimitTransaction(pg::Transaction& tx, const std::string& district);

// What bounds one statement and what it gives.
struct EvaluationLimits {
  // The session's own limit on time is in evaluate.sql; whoever writes SQL could lift it. This one
  // is kept from outside: the statement is cancelled and its session closed.
  absl::Duration statement = absl::Seconds(65);
  // The findings of one evaluation that are stored; further ones are counted only. While it runs,
  // each statement under way may hold as many until it has ended well.
  int64_t stored = kMaxStoredPerReport;
  // What all columns may take together, those that are kept for later evaluations and those that
  // evaluations have; 0 leaves all to PostgreSQL.
  std::size_t column_bytes = 0;
};

// Thread-safe.
class Evaluator {
 public:
  // Connections that one evaluation uses at once.
  static constexpr int kConnections = 2;

  // `pool` connects as the rules' role.
  explicit Evaluator(pg::Pool& pool, EvaluationLimits limits = {})
      : pool_(pool), limits_(limits), tables_(limits.column_bytes) {}

  // Every rule gets an outcome; the status is not OK only when the database is away, the deadline
  // is over or `progress` said so.
  absl::StatusOr<Evaluation> Evaluate(const EvaluationRequest& request, absl::Time deadline);

  // Runs a rule on each of its fixtures, with the values that the fixture sets.
  absl::StatusOr<std::vector<FixtureResult>> RunFixtures(const CompiledRule& compiled,
                                                         const Definitions& definitions,
                                                         absl::Time deadline);

 private:
  // Judges what columns can, into `evaluation`. Says of each rule whether it is done.
  absl::StatusOr<std::vector<bool>> JudgeColumns(const EvaluationRequest& request,
                                                 absl::Time deadline, Evaluation& evaluation,
                                                 StoredFindings& stored);

  pg::Pool& pool_;
  const EvaluationLimits limits_;
  columnar::TableCache tables_;
};

}  // namespace edcert::validation_report
