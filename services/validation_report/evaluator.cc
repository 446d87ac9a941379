#include "services/validation_report/evaluator.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock/clock.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/validation_report/columnar/judge.h"
#include "services/validation_report/sql/evaluate.sql.h"

namespace edcert::validation_report {
namespace {

constexpr std::size_t kMaxCellBytes = 1000;
constexpr int kFixedColumns = 2;  // "K" and "S"

// One statement and the rules that it judges. The one without rules counts the rows.
struct Unit {
  std::vector<std::size_t> rules;  // places in the request
  RuleStatement statement;
};

// Whether an error is the fault of the statement, not of the server, the line or one who held a
// lock (class 40, 55P03). One that was stopped from outside is, unless all was out of time.
bool IsStatementError(const absl::Status& status, absl::Time deadline) {
  if (status.code() == absl::StatusCode::kDeadlineExceeded) {
    return clock::Clock::Real().Now() < deadline;
  }
  const std::string sqlstate = pg::SqlStateOf(status);
  return !sqlstate.empty() && !sqlstate.starts_with("08") && !sqlstate.starts_with("40") &&
         sqlstate != "55P03" && !sqlstate.starts_with("57P") && sqlstate != "53300";
}

// Class and code of an error: PostgreSQL's own words may hold data.
std::string Explain(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kDeadlineExceeded) return "took too long (stopped)";
  const std::string sqlstate = pg::SqlStateOf(status);
  std::string_view what = "could not be run";
  if (sqlstate == "57014") what = "took too long";
  if (sqlstate == "22012") what = "divided by zero";
  if (sqlstate == "22003") what = "a number was out of range";
  if (sqlstate == "53400") what = "needed too much space";
  if (sqlstate.starts_with("42")) what = "does not fit the types of the columns";
  return fmt::format("{} ({})", what, sqlstate);
}

// Before anything was found.
StoredFindings NothingStored(const EvaluationRequest& request, const EvaluationLimits& limits) {
  return {request.rules.size(), request.counts_only ? 0 : limits.stored};
}

// At most so many bytes, cut between characters.
std::string Cell(std::string_view text) {
  if (text.size() <= kMaxCellBytes) return std::string(text);
  std::size_t end = kMaxCellBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

// One finding of a rule, with its values by column.
Finding MakeFinding(const RuleContent& content, const std::string& organization, std::string key,
                    std::string school, std::map<std::string, std::string> values) {
  Finding finding{.record_key = std::move(key),
                  .school = std::move(school),
                  .message = FillMessage(content.message, values)};
  for (const std::string& field : content.fields) finding.fields[field] = values[field];
  finding.fingerprint =
      FingerprintOf(content.code, organization, finding.record_key, content.fields);
  return finding;
}

// What a rule found in columns. The first of these are stored as those of rule `place`.
RuleResult ResultOf(const CompiledRule& rule, const std::string& organization,
                    columnar::Verdict verdict, std::size_t place, StoredFindings& stored) {
  RuleResult result;
  if (verdict.rows.empty()) return result;
  const columnar::Table& table = *verdict.table;
  result.outcome = Outcome::kFail;
  result.findings = static_cast<int64_t>(verdict.rows.size());
  std::vector<int64_t> by_school(table.school.words.size() + std::size_t{1});
  for (const uint32_t row : verdict.rows) {
    ++by_school[static_cast<std::size_t>(table.school.values[row])];
  }
  for (std::size_t school = 0; school < by_school.size(); ++school) {
    if (by_school[school] == 0) continue;
    const bool none = school == table.school.words.size();
    result.schools[none ? std::string() : std::string(table.school.words[school])] +=
        by_school[school];
  }
  if (!stored.Wants(place)) return result;
  const auto end = verdict.rows.begin() + std::min(result.findings, kMaxStoredPerRule);
  std::partial_sort(verdict.rows.begin(), end, verdict.rows.end(),
                    [&](uint32_t a, uint32_t b) { return table.keys[a] < table.keys[b]; });
  for (auto row = verdict.rows.begin(); row != end && stored.Wants(place); ++row) {
    std::map<std::string, std::string> values;
    for (const std::string& name : rule.outputs) {
      values[name] = Cell(table.Find(name)->TextAt(*row));
    }
    stored.Add(place, MakeFinding(rule.content, organization, std::string(table.keys[*row]),
                                  table.school.TextAt(*row), std::move(values)));
  }
  return result;
}

// One evaluation under way. Threads take its units one by one, each in a transaction of its own:
// the rows of a data version never change, so all see the same.
class Run {
 public:
  // Leaves out what is done.
  Run(const EvaluationRequest& request, const EvaluationLimits& limits,
      const std::vector<bool>& done, Evaluation& evaluation, StoredFindings& stored)
      : request_(request),
        limits_(limits),
        evaluation_(evaluation),
        stored_(stored),
        done_(std::count(done.begin(), done.end(), true)) {
    for (const auto& [dataset, source] : request.sources) {
      if (!evaluation.rows.contains(dataset)) uncounted_[dataset] = source;
    }
    Plan(done);
  }

  std::size_t units() const { return units_.size(); }

  // Works until no unit is left; `tell` may be empty.
  absl::Status Work(pg::Database db, const std::function<absl::Status(int64_t)>& tell) {
    std::deque<Unit> own;  // taken, the first one under way
    while (true) {
      if (own.empty()) {
        const std::size_t taken = next_++;
        if (taken >= units_.size()) return absl::OkStatus();
        own.push_back(units_[taken]);
      }
      absl::Status status = RunOne(db, own.front());
      if (status.ok()) {
        done_ += static_cast<int64_t>(own.front().rules.size());
        own.pop_front();
        if (tell) status = tell(done_);
      } else if (IsStatementError(status, db.deadline()) && !own.front().rules.empty()) {
        Fail(status, own);
        continue;
      }
      if (!status.ok()) {
        next_ = units_.size();  // nobody begins another
        return status;
      }
    }
  }

 private:
  void Plan(const std::vector<bool>& done) {
    if (!uncounted_.empty()) units_.push_back({{}, {CountRows(uncounted_), 0, {}}});
    std::map<std::string, std::vector<std::size_t>> row_rules;
    std::vector<Unit> others;
    for (std::size_t i = 0; i < request_.rules.size(); ++i) {
      if (done[i]) continue;
      const Candidate& candidate = request_.rules[i];
      if (std::string problem = ProblemOf(candidate); !problem.empty()) {
        SetError(i, std::move(problem));
      } else if (std::holds_alternative<RowRule>(candidate.rule->content.kind)) {
        row_rules[candidate.rule->dataset()].push_back(i);
      } else {
        const CompiledRule& rule = *candidate.rule;
        others.push_back(
            {{i}, RuleQuery(rule, request_.definitions.at(rule.dataset()), request_.sources)});
      }
    }
    // The longest first.
    for (auto& [dataset, rules] : row_rules) units_.push_back(RowUnit(std::move(rules)));
    std::move(others.begin(), others.end(), std::back_inserter(units_));
  }

  std::string ProblemOf(const Candidate& candidate) const {
    if (candidate.rule == nullptr) return candidate.problem;
    for (const std::string& dataset : candidate.rule->content.datasets) {
      if (!request_.sources.contains(dataset)) {
        return fmt::format("datasets/{} is not part of the data", dataset);
      }
    }
    return "";
  }

  Unit RowUnit(std::vector<std::size_t> rules) const {
    std::vector<const CompiledRule*> compiled;
    for (const std::size_t i : rules) compiled.push_back(request_.rules[i].rule.get());
    RuleStatement statement = RowScan(compiled, request_.sources);
    return {std::move(rules), std::move(statement)};
  }

  // A unit that fails leaves nothing stored, and lets nothing of others be cut off.
  absl::Status RunOne(const pg::Database& db, const Unit& unit) {
    const absl::Time end = clock::Clock::Real().Now() + limits_.statement;
    StoredFindings stored = NothingStored(request_, limits_);
    RETURN_IF_ERROR(pg::Database(db.pool(), std::min(db.deadline(), end))
                        .RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
                          LimitTransaction(tx, request_.district);
                          if (unit.rules.empty()) return Count(tx, unit);
                          for (const std::size_t i : unit.rules) evaluation_.results[i] = {};
                          stored = NothingStored(request_, limits_);
                          return tx.Stream(unit.statement.sql, {}, [&](const pg::Row& row) {
                            TakeRow(unit, row, stored);
                            return absl::OkStatus();
                          });
                        }));
    const absl::MutexLock lock(&mutex_);
    stored_.Take(std::move(stored));
    return absl::OkStatus();
  }

  absl::Status Count(pg::Transaction& tx, const Unit& unit) {
    ASSIGN_OR_RETURN(const pg::Result counts, tx.RunText(unit.statement.sql));
    int column = 0;
    for (const auto& [dataset, rows] : uncounted_) {
      evaluation_.rows[dataset] = std::stoll(std::string(counts[0].ViewAt(column++)));
    }
    return absl::OkStatus();
  }

  // The unit under way failed: its rules are tried one by one, or the one rule is in error.
  void Fail(const absl::Status& status, std::deque<Unit>& own) {
    const std::vector<std::size_t> rules = own.front().rules;
    own.pop_front();
    if (rules.size() == 1) {
      ++done_;
      SetError(rules.front(), Explain(status));
      return;
    }
    for (const std::size_t i : rules) own.push_back(RowUnit({i}));
  }

  void SetError(std::size_t rule, std::string problem) {
    evaluation_.results[rule] = {.outcome = Outcome::kError, .error = std::move(problem)};
  }

  void TakeRow(const Unit& unit, const pg::Row& row, StoredFindings& stored) {
    if (unit.statement.masks == 0) return Found(unit, unit.rules.front(), row, stored);
    for (std::size_t mask = 0; mask < unit.statement.masks; ++mask) {
      uint64_t bits = std::stoull(std::string(row.ViewAt(kFixedColumns + static_cast<int>(mask))));
      while (bits != 0) {
        const auto bit = static_cast<std::size_t>(__builtin_ctzll(bits));
        Found(unit, unit.rules[mask * kRulesPerMask + bit], row, stored);
        bits &= bits - 1;
      }
    }
  }

  void Found(const Unit& unit, std::size_t place, const pg::Row& row, StoredFindings& stored) {
    RuleResult& result = evaluation_.results[place];
    result.outcome = Outcome::kFail;
    ++result.findings;
    ++result.schools[std::string(row.ViewAt(1))];
    if (!stored.Wants(place)) return;
    std::map<std::string, std::string> values;
    const int first = kFixedColumns + static_cast<int>(unit.statement.masks);
    for (std::size_t i = 0; i < unit.statement.outputs.size(); ++i) {
      values[unit.statement.outputs[i]] = Cell(row.ViewAt(first + static_cast<int>(i)));
    }
    stored.Add(place, MakeFinding(request_.rules[place].rule->content, request_.organization,
                                  std::string(row.ViewAt(0)), std::string(row.ViewAt(1)),
                                  std::move(values)));
  }

  const EvaluationRequest& request_;
  const EvaluationLimits& limits_;
  // Each thread writes the results of the rules of its units; the count is one unit.
  Evaluation& evaluation_;
  absl::Mutex mutex_;
  StoredFindings& stored_ ABSL_GUARDED_BY(mutex_);
  RowSources uncounted_;
  std::vector<Unit> units_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<int64_t> done_;
};

// The rows of a fixture by dataset, as JSON for RowsOfJson; the place of a row is its
// key.
std::map<std::string, std::string> RowsOf(const CompiledRule& rule, const Fixture& fixture) {
  std::map<std::string, nlohmann::json> rows;
  for (const std::string& dataset : rule.content.datasets) {
    rows[dataset] = nlohmann::json::array();
  }
  for (std::size_t i = 0; i < fixture.rows.size(); ++i) {
    nlohmann::json json = {{"record_key", std::to_string(i)}};
    for (const auto& [column, value] : fixture.rows[i].values) {
      if (!value.empty()) json[column] = value;
    }
    rows[fixture.rows[i].dataset].push_back(std::move(json));
  }
  std::map<std::string, std::string> texts;
  for (const auto& [dataset, json] : rows) {
    texts[dataset] = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  return texts;
}

FixtureResult Judge(const CompiledRule& rule, const Fixture& fixture, const std::set<int>& found) {
  FixtureResult result;
  for (int i = 0; i < static_cast<int>(fixture.rows.size()); ++i) {
    const Fixture::Row& row = fixture.rows[static_cast<std::size_t>(i)];
    if (row.dataset != rule.dataset() || row.must_fire == found.contains(i)) continue;
    (row.must_fire ? result.missed : result.unexpected).push_back(i);
  }
  return result;
}

}  // namespace

RowSources SourcesOf(const CompiledRule& rule, const Fixture& fixture,
                     const Definitions& definitions) {
  RowSources sources;
  for (const auto& [dataset, rows] : RowsOf(rule, fixture)) {
    sources[dataset] = RowsOfJson(definitions.at(dataset), rows);
  }
  return sources;
}

absl::StatusOr<std::vector<bool>> Evaluator::JudgeColumns(const EvaluationRequest& request,
                                                          absl::Time deadline,
                                                          Evaluation& evaluation,
                                                          StoredFindings& stored) {
  std::vector<bool> done(request.rules.size());
  if (limits_.column_bytes == 0) return done;
  std::map<std::string, std::set<std::string>> wanted;
  for (const Candidate& candidate : request.rules) {
    if (candidate.rule == nullptr) continue;
    for (const auto& [dataset, columns] :
         columnar::ColumnsOf(*candidate.rule, request.definitions)) {
      if (request.sources.contains(dataset)) {
        wanted[dataset].insert(columns.begin(), columns.end());
      }
    }
  }
  columnar::Tables tables;
  // Those that are kept first, so that none of them is dropped for one that is read.
  for (const auto& [dataset, columns] : wanted) {
    std::shared_ptr<const columnar::Table> table =
        tables_.Find(request.sources.at(dataset), request.definitions.at(dataset),
                     {columns.begin(), columns.end()});
    if (table != nullptr) tables[dataset] = std::move(table);
  }
  for (const auto& [dataset, columns] : wanted) {
    if (tables.contains(dataset)) continue;
    absl::StatusOr<std::shared_ptr<const columnar::Table>> table =
        tables_.Get({pool_, deadline}, request.district, request.sources.at(dataset),
                    request.definitions.at(dataset), {columns.begin(), columns.end()});
    if (!table.ok() && !IsStatementError(table.status(), deadline)) return table.status();
    if (table.ok() && *table != nullptr) tables[dataset] = *std::move(table);
  }
  for (const auto& [dataset, table] : tables) {
    evaluation.rows[dataset] = static_cast<int64_t>(table->rows);
  }
  std::vector<const CompiledRule*> rules;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < request.rules.size(); ++i) {
    const CompiledRule* rule = request.rules[i].rule.get();
    if (rule == nullptr || !tables.contains(rule->dataset())) continue;
    rules.push_back(rule);
    places.push_back(i);
  }
  ASSIGN_OR_RETURN(std::vector<columnar::Verdict> verdicts,
                   columnar::Judge(rules, request.definitions, tables, request.progress));
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (!verdicts[i].known) continue;
    done[places[i]] = true;
    ++evaluation.by_columns;
    evaluation.results[places[i]] =
        ResultOf(*rules[i], request.organization, std::move(verdicts[i]), places[i], stored);
  }
  return done;
}

void LimitTransaction(pg::Transaction& tx, const std::string& district) {
  tx.Defer(sql::kReadOnly);
  tx.Defer(sql::kLimitTime);
  tx.Defer(sql::kNoJit);
  tx.Defer(sql::kOneProcess);
  tx.Defer(sql::kSortMemory);
  tx.Defer(sql::kNoNestedLoops);
  tx.Defer({"", SetDistrict(district)});
}

absl::StatusOr<Evaluation> Evaluator::Evaluate(const EvaluationRequest& request,
                                               absl::Time deadline) {
  Evaluation evaluation;
  evaluation.results.resize(request.rules.size());
  StoredFindings stored = NothingStored(request, limits_);
  ASSIGN_OR_RETURN(const std::vector<bool> done,
                   JudgeColumns(request, deadline, evaluation, stored));
  Run run(request, limits_, done, evaluation, stored);
  absl::Status helped;
  absl::Status worked;
  {
    std::jthread helper;
    if (run.units() > 1) {
      helper = std::jthread([&] { helped = run.Work({pool_, deadline}, nullptr); });
    }
    worked = run.Work({pool_, deadline}, request.progress);
  }
  RETURN_IF_ERROR(worked);
  RETURN_IF_ERROR(helped);
  for (std::size_t i = 0; i < evaluation.results.size(); ++i) {
    evaluation.results[i].stored = stored.Release(i);
  }
  if (request.progress) {
    RETURN_IF_ERROR(request.progress(static_cast<int64_t>(request.rules.size())));
  }
  return evaluation;
}

absl::StatusOr<std::vector<FixtureResult>> Evaluator::RunFixtures(const CompiledRule& compiled,
                                                                  const Definitions& definitions,
                                                                  absl::Time deadline) {
  std::vector<FixtureResult> results;
  for (const Fixture& fixture : compiled.content.fixtures) {
    const absl::StatusOr<CompiledRule> own =
        fixture.parameter_values.empty()
            ? compiled
            : CompileRule(compiled.id, compiled.version, compiled.content, definitions,
                          fixture.parameter_values);
    if (!own.ok()) {
      results.push_back({.error = status::ReasonOf(own.status())});
      continue;
    }
    const CompiledRule& rule = *own;
    const RowSources sources = SourcesOf(rule, fixture, definitions);
    const bool row_rule = std::holds_alternative<RowRule>(rule.content.kind);
    const std::string sql =
        row_rule ? RowScan({&rule}, sources).sql
                 : RuleQuery(rule, definitions.at(rule.dataset()), sources, /*members=*/true).sql;
    std::set<int> found;
    const absl::Status status =
        pg::Database(pool_, std::min(deadline, clock::Clock::Real().Now() + limits_.statement))
            .RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
              found.clear();
              LimitTransaction(tx, /*district=*/"");
              return tx.Stream(sql, {}, [&](const pg::Row& row) {
                std::string_view keys = row.ViewAt(0);
                while (!keys.empty()) {
                  const std::size_t comma = std::min(keys.find(','), keys.size());
                  found.insert(std::stoi(std::string(keys.substr(0, comma))));
                  keys.remove_prefix(std::min(comma + 1, keys.size()));
                }
                return absl::OkStatus();
              });
            });
    if (!status.ok() && !IsStatementError(status, deadline)) return status;
    results.push_back(status.ok() ? Judge(rule, fixture, found)
                                  : FixtureResult{.error = Explain(status)});
  }
  return results;
}

}  // namespace edcert::validation_report
