#include "services/validation_report/columnar/judge.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "common/status/macros.h"
#include "services/validation_report/columnar/aggregates.h"
#include "services/validation_report/columnar/keys.h"
#include "services/validation_report/columnar/machine.h"
#include "services/validation_report/columnar/walk.h"
#include "services/validation_report/sql_parse.h"

namespace edcert::validation_report::columnar {
namespace {

// Pairs of rows that a condition of REFERENCE may be asked for; PostgreSQL has a limit of time.
constexpr int64_t kMaxPairs = 500'000'000;

// The columns that an expression names, as written.
void CollectNames(const tree::Node& expression, std::set<std::string>& names) {
  Walk(expression, [&](const google::protobuf::Message& part) {
    const auto* column = dynamic_cast<const tree::ColumnRef*>(&part);
    if (column == nullptr) return true;
    std::string name;
    for (const tree::Node& field : column->fields()) {
      name += (name.empty() ? "" : ".") + field.string().sval();
    }
    names.insert(name);
    return false;
  });
}

std::optional<std::vector<const Column*>> Find(const Table& table,
                                               const std::vector<std::string>& names) {
  std::vector<const Column*> columns;
  for (const std::string& name : names) {
    columns.push_back(table.Find(name));
    if (columns.back() == nullptr) return std::nullopt;
  }
  return columns;
}

// Calls `each` with the place of every true value.
template <typename Each>
void ForTrue(const std::vector<uint8_t>& truths, std::size_t count, Each each) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint64_t eight = 0;
    std::memcpy(&eight, truths.data() + i, sizeof(eight));
    for (; eight != 0; eight &= eight - 1) {
      each(i + static_cast<std::size_t>(__builtin_ctzll(eight)) / 8);
    }
  }
  for (; i < count; ++i) {
    if (truths[i] != 0) each(i);
  }
}

// Takes the key from rows for which the condition is not true.
bool Restrict(const std::string& condition, const Table& table, std::vector<uint64_t>& keys) {
  if (condition.empty()) return true;
  const absl::StatusOr<tree::Node> tree = ParseExpression(condition);
  Machine machine(table.bytewise_order, /*exact_scales=*/false);
  if (!tree.ok()) return false;
  const absl::StatusOr<int> node = machine.Compile(*tree, NamesOf(table));
  if (!node.ok() || machine.type(*node) != Type::kBool) return false;
  for (std::size_t begin = 0; begin < table.rows; begin += kBatch) {
    const std::size_t count = std::min(kBatch, table.rows - begin);
    machine.Start(begin, count);
    const Values& values = machine.Compute(*node);
    if (machine.failed(*node)) return false;
    for (std::size_t i = 0; i < count; ++i) {
      if (values.truths[i] == 0) keys[begin + i] = kNoKey;
    }
  }
  return true;
}

// The condition of a REFERENCE over pairs of rows.
class PairCondition {
 public:
  PairCondition(const Table& table, const Table& other) : machine_(table.bytewise_order, false) {
    names_ = NamesOf(table, "this.", 0);
    names_.merge(NamesOf(other, "other.", 1));
  }

  bool Compile(const std::string& condition) {
    const absl::StatusOr<tree::Node> tree = ParseExpression(condition);
    if (!tree.ok()) return false;
    const absl::StatusOr<int> node = machine_.Compile(*tree, names_);
    if (!node.ok() || machine_.type(*node) != Type::kBool) return false;
    node_ = *node;
    return true;
  }

  void Add(uint32_t row, uint32_t other, std::vector<uint8_t>& matched) {
    rows_.push_back(row);
    others_.push_back(other);
    if (rows_.size() == kBatch) Flush(matched);
  }

  void Flush(std::vector<uint8_t>& matched) {
    if (rows_.empty()) return;
    machine_.StartPairs(rows_.data(), others_.data(), rows_.size());
    const Values& values = machine_.Compute(node_);
    for (std::size_t i = 0; i < rows_.size() && !failed(); ++i) {
      matched[rows_[i]] |= values.truths[i];
    }
    rows_.clear();
    others_.clear();
  }

  bool failed() const { return machine_.failed(node_); }

 private:
  Machine machine_;
  Names names_;
  int node_ = 0;
  std::vector<uint32_t> rows_;
  std::vector<uint32_t> others_;
};

class Judgement {
 public:
  Judgement(const Definitions& definitions, const Tables& tables)
      : definitions_(definitions), tables_(tables) {}

  // All ROW rules of one dataset in one pass.
  void JudgeRows(const std::vector<const CompiledRule*>& rules,
                 const std::vector<Verdict*>& verdicts) {
    const auto found = tables_.find(rules.front()->dataset());
    if (found == tables_.end()) return;
    const Table& table = *found->second;
    Machine machine(table.bytewise_order, /*exact_scales=*/false);
    const Names names = NamesOf(table);
    struct Compiled {
      int node;
      Verdict* verdict;
    };
    std::vector<Compiled> compiled;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      const absl::StatusOr<tree::Node> tree = ParseExpression(rules[i]->expression);
      if (!tree.ok()) continue;
      const absl::StatusOr<int> node = machine.Compile(*tree, names);
      if (node.ok() && machine.type(*node) == Type::kBool) compiled.push_back({*node, verdicts[i]});
    }
    for (std::size_t begin = 0; begin < table.rows; begin += kBatch) {
      const std::size_t count = std::min(kBatch, table.rows - begin);
      machine.Start(begin, count);
      for (const Compiled& rule : compiled) {
        const Values& values = machine.Compute(rule.node);
        if (machine.failed(rule.node)) continue;
        ForTrue(values.truths, count, [&](std::size_t i) {
          rule.verdict->rows.push_back(static_cast<uint32_t>(begin + i));
        });
      }
    }
    for (const Compiled& rule : compiled) {
      rule.verdict->known = !machine.failed(rule.node);
      rule.verdict->table = found->second;
    }
  }

  Verdict JudgeOne(const CompiledRule& rule) {
    Verdict verdict;
    const auto found = tables_.find(rule.dataset());
    if (found == tables_.end()) return verdict;
    verdict.table = found->second;
    verdict.known =
        std::visit([&](const auto& kind) { return Judge(rule, kind, *verdict.table, verdict); },
                   rule.content.kind);
    return verdict;
  }

 private:
  template <typename Kind>
  bool Judge(const CompiledRule&, const Kind&, const Table&, Verdict&) {
    return false;
  }

  bool Judge(const CompiledRule& rule, const UniqueRule& unique, const Table& table,
             Verdict& verdict) {
    const auto columns = columnar::Find(table, unique.columns);
    if (!columns.has_value()) return false;
    if (!KeySpace::Of(*columns, table.rows, false, keys_).has_value()) return false;
    if (!Restrict(rule.expression, table, keys_)) return false;
    verdict.rows = matcher_.RepeatedRows(keys_);
    return true;
  }

  bool Judge(const CompiledRule& rule, const ReferenceRule& reference, const Table& table,
             Verdict& verdict) {
    const auto found = tables_.find(reference.dataset);
    if (found == tables_.end()) return false;
    const Table& other = *found->second;
    const auto columns = columnar::Find(table, reference.columns);
    const auto other_columns = columnar::Find(other, reference.other_columns);
    if (!columns.has_value() || !other_columns.has_value()) return false;
    std::optional<KeySpace> space = KeySpace::Of(*columns, table.rows, false, keys_);
    if (!space.has_value() ||
        !space->KeysOf(*other_columns, other.rows, translations_, other_keys_)) {
      return false;
    }
    if (rule.expression.empty()) {
      matcher_.Find(keys_, other_keys_, matched_);
    } else {
      matched_.assign(table.rows, 0);
      if (!MatchPairs(rule.expression, table, other, keys_, other_keys_, matched_)) return false;
    }
    const uint8_t bad = reference.mode == ReferenceRule::Mode::kMustExist ? 0 : 1;
    for (std::size_t i = 0; i < table.rows; ++i) {
      if (matched_[i] == bad && keys_[i] != kNoKey) {
        verdict.rows.push_back(static_cast<uint32_t>(i));
      }
    }
    return true;
  }

  static bool MatchPairs(const std::string& condition, const Table& table, const Table& other,
                         std::vector<uint64_t> keys, std::vector<uint64_t> other_keys,
                         std::vector<uint8_t>& matched) {
    PairCondition pairs(table, other);
    if (!pairs.Compile(condition)) return false;
    KeyNumbers numbers(other.rows);
    numbers.Number(other_keys, /*add=*/true);
    numbers.Number(keys, /*add=*/false);
    // The rows of the other side by key: those of key k are at places first[k] to first[k + 1].
    std::vector<uint32_t> first(numbers.count() + 2);
    for (const uint64_t key : other_keys) {
      if (key != kNoKey) ++first[key + 2];
    }
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<uint32_t> rows(first.back());
    for (std::size_t i = 0; i < other_keys.size(); ++i) {
      if (other_keys[i] != kNoKey) rows[first[other_keys[i] + 1]++] = static_cast<uint32_t>(i);
    }
    int64_t budget = kMaxPairs;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] == kNoKey) continue;
      budget -= first[keys[i] + 1] - first[keys[i]];
      if (budget < 0) return false;
      for (uint32_t k = first[keys[i]]; k < first[keys[i] + 1]; ++k) {
        pairs.Add(static_cast<uint32_t>(i), rows[k], matched);
        if (pairs.failed()) return false;
      }
    }
    pairs.Flush(matched);
    return !pairs.failed();
  }

  // See the SQL of this kind in rule_sql.cc: the same order, the same running bounds.
  bool Judge(const CompiledRule& rule, const OverlapRule& overlap, const Table& table,
             Verdict& verdict) {
    constexpr int64_t kOpen = std::numeric_limits<int64_t>::max() / 2;
    constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
    const auto columns = columnar::Find(table, overlap.partition_columns);
    const Column* from = table.Find(overlap.from_column);
    const Column* to = table.Find(overlap.to_column);
    if (!columns.has_value() || from == nullptr || to == nullptr) return false;
    if (!KeySpace::Of(*columns, table.rows, false, keys_).has_value()) return false;
    if (!Restrict(rule.expression, table, keys_)) return false;
    std::vector<uint64_t>& keys = keys_;
    for (std::size_t i = 0; i < table.rows; ++i) {
      if (from->IsNull(i)) keys[i] = kNoKey;
    }
    std::vector<uint32_t> rows = matcher_.RepeatedRows(keys);
    std::sort(rows.begin(), rows.end(), [&](uint32_t a, uint32_t b) {
      if (keys[a] != keys[b]) return keys[a] < keys[b];
      const int64_t begin_a = from->values[a];
      const int64_t begin_b = from->values[b];
      return begin_a != begin_b ? begin_a < begin_b : table.keys[a] < table.keys[b];
    });
    const auto begin_of = [&](std::size_t i) { return from->values[rows[i]]; };
    const auto end_of = [&](std::size_t i) {
      return to->IsNull(rows[i]) ? kOpen : to->values[rows[i]];
    };
    const int64_t days = overlap.tolerance_days;
    std::vector<uint8_t> bad(rows.size());
    int64_t latest_end = -kOpen;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i == 0 || keys[rows[i]] != keys[rows[i - 1]]) latest_end = -kOpen;
      const int64_t least = begin_of(i) + days;
      if (end_of(i) >= least && latest_end >= least) bad[i] = 1;
      latest_end = std::max(latest_end, end_of(i));
    }
    int64_t earliest_begin = kNever;
    for (std::size_t i = rows.size(); i-- > 0;) {
      if (i + 1 == rows.size() || keys[rows[i]] != keys[rows[i + 1]]) earliest_begin = kNever;
      if (earliest_begin != kNever && earliest_begin + days <= end_of(i)) bad[i] = 1;
      if (end_of(i) >= begin_of(i) + days) earliest_begin = std::min(earliest_begin, begin_of(i));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (bad[i] != 0) verdict.rows.push_back(rows[i]);
    }
    std::sort(verdict.rows.begin(), verdict.rows.end());
    return true;
  }

  bool Judge(const CompiledRule& rule, const AggregateRule&, const Table& table, Verdict& verdict) {
    verdict.table = GroupsOf(rule, definitions_.at(rule.dataset()), table);
    if (verdict.table == nullptr) return false;
    std::vector<uint64_t> keys(verdict.table->rows, 0);
    if (!Restrict(rule.expression, *verdict.table, keys)) return false;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] != kNoKey) verdict.rows.push_back(static_cast<uint32_t>(i));
    }
    return true;
  }

  const Definitions& definitions_;
  const Tables& tables_;
  Translations translations_;
  // Of the present rule; kept for the next.
  KeyMatcher matcher_;
  std::vector<uint64_t> keys_;
  std::vector<uint64_t> other_keys_;
  std::vector<uint8_t> matched_;
};

// Whether the texts of what the rule shows are known.
bool CanShow(const CompiledRule& rule, const Table& table) {
  return std::all_of(rule.outputs.begin(), rule.outputs.end(), [&](const std::string& name) {
    const Column* column = table.Find(name);
    return column != nullptr && !column->mixed_scales;
  });
}

}  // namespace

std::map<std::string, std::vector<std::string>> ColumnsOf(const CompiledRule& rule,
                                                          const Definitions& definitions) {
  std::map<std::string, std::vector<std::string>> columns;
  if (std::holds_alternative<QueryRule>(rule.content.kind)) return columns;
  std::set<std::string> names(rule.outputs.begin(), rule.outputs.end());
  std::set<std::string> other_names;
  std::string other;
  std::vector<std::string> texts = rule.aggregates;
  texts.push_back(rule.expression);
  for (const std::string& text : texts) {
    if (text.empty()) continue;
    const absl::StatusOr<tree::Node> tree = ParseExpression(text);
    if (!tree.ok()) return columns;
    CollectNames(*tree, names);
  }
  const auto add = [&names](const std::vector<std::string>& more) {
    names.insert(more.begin(), more.end());
  };
  if (const auto* unique = std::get_if<UniqueRule>(&rule.content.kind)) add(unique->columns);
  if (const auto* aggregate = std::get_if<AggregateRule>(&rule.content.kind)) {
    add(aggregate->group_columns);
  }
  if (const auto* overlap = std::get_if<OverlapRule>(&rule.content.kind)) {
    add(overlap->partition_columns);
    add({overlap->from_column, overlap->to_column});
  }
  if (const auto* reference = std::get_if<ReferenceRule>(&rule.content.kind)) {
    add(reference->columns);
    other = reference->dataset;
    other_names.insert(reference->other_columns.begin(), reference->other_columns.end());
    for (const std::string& name : names) {
      if (name.starts_with("other.")) other_names.insert(name.substr(6));
    }
    std::set<std::string> own;
    for (const std::string& name : names) {
      if (!name.starts_with("other."))
        own.insert(name.starts_with("this.") ? name.substr(5) : name);
    }
    names = std::move(own);
  }
  // The names of aggregates are no columns.
  const auto keep = [&](const std::string& dataset, const std::set<std::string>& wanted) {
    std::vector<std::string>& kept = columns[dataset];
    for (const std::string& name : wanted) {
      const bool listed = std::find(kept.begin(), kept.end(), name) != kept.end();
      if (definitions.at(dataset).Find(name) != nullptr && !listed) kept.push_back(name);
    }
  };
  keep(rule.dataset(), names);
  if (!other.empty()) keep(other, other_names);
  return columns;
}

absl::StatusOr<std::vector<Verdict>> Judge(const std::vector<const CompiledRule*>& rules,
                                           const Definitions& definitions, const Tables& tables,
                                           const std::function<absl::Status(int64_t)>& progress) {
  std::vector<Verdict> verdicts(rules.size());
  Judgement judgement(definitions, tables);
  std::map<std::string, std::vector<std::size_t>> row_rules;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (std::holds_alternative<RowRule>(rules[i]->content.kind)) {
      row_rules[rules[i]->dataset()].push_back(i);
    }
  }
  int64_t done = 0;
  for (const auto& [dataset, places] : row_rules) {
    std::vector<const CompiledRule*> some;
    std::vector<Verdict*> theirs;
    for (const std::size_t i : places) {
      some.push_back(rules[i]);
      theirs.push_back(&verdicts[i]);
    }
    judgement.JudgeRows(some, theirs);
    done += static_cast<int64_t>(places.size());
    if (progress) RETURN_IF_ERROR(progress(done));
  }
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (std::holds_alternative<RowRule>(rules[i]->content.kind)) continue;
    verdicts[i] = judgement.JudgeOne(*rules[i]);
    if (progress) RETURN_IF_ERROR(progress(++done));
  }
  for (std::size_t i = 0; i < rules.size(); ++i) {
    Verdict& verdict = verdicts[i];
    if (verdict.known && !verdict.rows.empty()) verdict.known = CanShow(*rules[i], *verdict.table);
    if (!verdict.known) verdict = {};
  }
  return verdicts;
}

}  // namespace edcert::validation_report::columnar
