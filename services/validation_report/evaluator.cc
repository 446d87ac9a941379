#include "services/validation_report/evaluator.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "common/status/macros.h"
#include "services/validation_report/sql/evaluate.sql.h"

namespace edcert::validation_report {
namespace {

constexpr std::size_t kMaxCellBytes = 1000;
constexpr int kFixedColumns = 2;  // "K" and "S"

// One statement and the rules that it judges.
struct Unit {
  std::vector<std::size_t> rules;  // places in the request
  RuleStatement statement;
};

// Whether an error is the fault of the statement, not of the server or the line.
bool IsStatementError(const absl::Status& status) {
  const std::string sqlstate = pg::SqlStateOf(status);
  return !sqlstate.empty() && !sqlstate.starts_with("08") && !sqlstate.starts_with("57P") &&
         sqlstate != "53300";
}

// Class and code of an error: PostgreSQL's own words may hold data.
std::string Explain(const absl::Status& status) {
  const std::string sqlstate = pg::SqlStateOf(status);
  std::string_view what = "could not be run";
  if (sqlstate == "57014") what = "took too long";
  if (sqlstate == "22012") what = "divided by zero";
  if (sqlstate == "22003") what = "a number was out of range";
  if (sqlstate == "53400") what = "needed too much space";
  if (sqlstate.starts_with("42")) what = "does not fit the types of the columns";
  return fmt::format("{} ({})", what, sqlstate);
}

// At most so many bytes, cut between characters.
std::string Cell(std::string_view text) {
  if (text.size() <= kMaxCellBytes) return std::string(text);
  std::size_t end = kMaxCellBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

void Limit(pg::Transaction& tx) {
  tx.Defer(sql::kReadOnly);
  tx.Defer(sql::kLimitTime);
  tx.Defer(sql::kNoJit);
  tx.Defer(sql::kOneProcess);
  tx.Defer(sql::kSortMemory);
  tx.Defer(sql::kNoNestedLoops);
}

// One evaluation under way.
class Run {
 public:
  Run(const EvaluationRequest& request, Evaluation& evaluation)
      : request_(request), evaluation_(evaluation) {
    evaluation_.results.resize(request.rules.size());
    Plan();
  }

  absl::Status Execute(pg::Database db) {
    while (next_ < units_.size() || !counted_) {
      const absl::Status status =
          db.RunInTransaction([this](pg::Transaction& tx) { return RunFrom(tx); });
      if (status.ok()) break;
      if (!IsStatementError(status) || !counted_) return status;
      Fail(status);
      if (request_.progress) RETURN_IF_ERROR(request_.progress(done_));
    }
    return absl::OkStatus();
  }

 private:
  void Plan() {
    std::map<std::string, std::vector<std::size_t>> row_rules;
    for (std::size_t i = 0; i < request_.rules.size(); ++i) {
      const Candidate& candidate = request_.rules[i];
      if (std::string problem = ProblemOf(candidate); !problem.empty()) {
        SetError(i, std::move(problem));
      } else if (std::holds_alternative<RowRule>(candidate.rule->content.kind)) {
        row_rules[candidate.rule->dataset()].push_back(i);
      } else {
        const CompiledRule& rule = *candidate.rule;
        units_.push_back(
            {{i}, RuleQuery(rule, request_.definitions.at(rule.dataset()), request_.sources)});
      }
    }
    for (auto& [dataset, rules] : row_rules) AddRowScan(std::move(rules));
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

  void AddRowScan(std::vector<std::size_t> rules) {
    std::vector<const CompiledRule*> compiled;
    for (const std::size_t i : rules) compiled.push_back(request_.rules[i].rule.get());
    RuleStatement statement = RowScan(compiled, request_.sources);
    units_.push_back({std::move(rules), std::move(statement)});
  }

  // Runs what is left. May be called again after a failure: begins each unit afresh.
  absl::Status RunFrom(pg::Transaction& tx) {
    Limit(tx);
    if (!counted_) RETURN_IF_ERROR(Count(tx));
    for (; next_ < units_.size(); ++next_) {
      const Unit& unit = units_[next_];
      for (const std::size_t i : unit.rules) {
        stored_ -= static_cast<int64_t>(evaluation_.results[i].stored.size());
        evaluation_.results[i] = {};
      }
      RETURN_IF_ERROR(tx.Stream(unit.statement.sql, {}, [&](const pg::Row& row) {
        TakeRow(unit, row);
        return absl::OkStatus();
      }));
      done_ += static_cast<int64_t>(unit.rules.size());
      if (request_.progress) RETURN_IF_ERROR(request_.progress(done_));
    }
    return absl::OkStatus();
  }

  absl::Status Count(pg::Transaction& tx) {
    if (!request_.sources.empty()) {
      ASSIGN_OR_RETURN(const pg::Result counts, tx.RunText(CountRows(request_.sources)));
      int column = 0;
      for (const auto& [dataset, rows] : request_.sources) {
        evaluation_.rows[dataset] = std::stoll(std::string(counts[0].ViewAt(column++)));
      }
    }
    counted_ = true;
    return absl::OkStatus();
  }

  // The unit at next_ failed: its rules are tried one by one, or the one rule is in error.
  void Fail(const absl::Status& status) {
    const std::vector<std::size_t> rules = units_[next_++].rules;
    if (rules.size() == 1) {
      ++done_;
      SetError(rules.front(), Explain(status));
      return;
    }
    for (const std::size_t i : rules) AddRowScan({i});
  }

  void SetError(std::size_t rule, std::string problem) {
    evaluation_.results[rule] = {.outcome = Outcome::kError, .error = std::move(problem)};
  }

  void TakeRow(const Unit& unit, const pg::Row& row) {
    if (unit.statement.masks == 0) return Found(unit, unit.rules.front(), row);
    for (std::size_t mask = 0; mask < unit.statement.masks; ++mask) {
      uint64_t bits = std::stoull(std::string(row.ViewAt(kFixedColumns + static_cast<int>(mask))));
      while (bits != 0) {
        const auto bit = static_cast<std::size_t>(__builtin_ctzll(bits));
        Found(unit, unit.rules[mask * kRulesPerMask + bit], row);
        bits &= bits - 1;
      }
    }
  }

  void Found(const Unit& unit, std::size_t place, const pg::Row& row) {
    RuleResult& result = evaluation_.results[place];
    result.outcome = Outcome::kFail;
    ++result.findings;
    ++result.schools[std::string(row.ViewAt(1))];
    if (static_cast<int64_t>(result.stored.size()) >= kMaxStoredPerRule ||
        stored_ >= kMaxStoredPerReport) {
      return;
    }
    ++stored_;
    const RuleContent& content = request_.rules[place].rule->content;
    std::map<std::string, std::string> values;
    const int first = kFixedColumns + static_cast<int>(unit.statement.masks);
    for (std::size_t i = 0; i < unit.statement.outputs.size(); ++i) {
      values[unit.statement.outputs[i]] = Cell(row.ViewAt(first + static_cast<int>(i)));
    }
    Finding finding{.record_key = std::string(row.ViewAt(0)),
                    .school = std::string(row.ViewAt(1)),
                    .message = FillMessage(content.message, values)};
    for (const std::string& field : content.fields) finding.fields[field] = values[field];
    finding.fingerprint =
        FingerprintOf(content.code, request_.organization, finding.record_key, content.fields);
    result.stored.push_back(std::move(finding));
  }

  const EvaluationRequest& request_;
  Evaluation& evaluation_;
  std::vector<Unit> units_;
  std::size_t next_ = 0;
  bool counted_ = false;
  int64_t done_ = 0;
  int64_t stored_ = 0;
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

absl::StatusOr<Evaluation> Evaluator::Evaluate(const EvaluationRequest& request,
                                               absl::Time deadline) {
  Evaluation evaluation;
  RETURN_IF_ERROR(Run(request, evaluation).Execute({pool_, deadline}));
  return evaluation;
}

absl::StatusOr<std::vector<FixtureResult>> Evaluator::RunFixtures(const CompiledRule& rule,
                                                                  const Definitions& definitions,
                                                                  absl::Time deadline) {
  std::vector<FixtureResult> results;
  for (const Fixture& fixture : rule.content.fixtures) {
    RowSources sources;
    for (const auto& [dataset, rows] : RowsOf(rule, fixture)) {
      sources[dataset] = RowsOfJson(definitions.at(dataset), rows);
    }
    const bool row_rule = std::holds_alternative<RowRule>(rule.content.kind);
    const std::string sql =
        row_rule ? RowScan({&rule}, sources).sql
                 : RuleQuery(rule, definitions.at(rule.dataset()), sources, /*members=*/true).sql;
    std::set<int> found;
    const absl::Status status =
        pg::Database(pool_, deadline).RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
          found.clear();
          Limit(tx);
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
    if (!status.ok() && !IsStatementError(status)) return status;
    results.push_back(status.ok() ? Judge(rule, fixture, found)
                                  : FixtureResult{.error = Explain(status)});
  }
  return results;
}

}  // namespace edcert::validation_report
