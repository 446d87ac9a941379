#include "services/validation_report/columnar/aggregates.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "services/validation_report/columnar/decimal.h"
#include "services/validation_report/columnar/keys.h"
#include "services/validation_report/columnar/machine.h"
#include "services/validation_report/columnar/walk.h"
#include "services/validation_report/sql_parse.h"

namespace edcert::validation_report::columnar {
namespace {

constexpr uint32_t kNoRow = std::numeric_limits<uint32_t>::max();

enum class Kind { kCount, kSum, kAvg, kMin, kMax, kBoolAnd, kBoolOr };

std::optional<Kind> KindOf(const tree::FuncCall& call) {
  static const std::map<std::string, Kind, std::less<>> kinds = {
      {"count", Kind::kCount},   {"sum", Kind::kSum}, {"avg", Kind::kAvg},
      {"min", Kind::kMin},       {"max", Kind::kMax}, {"bool_and", Kind::kBoolAnd},
      {"bool_or", Kind::kBoolOr}};
  const auto it = kinds.find(call.funcname(call.funcname_size() - 1).string().sval());
  return it == kinds.end() ? std::nullopt : std::optional(it->second);
}

void CollectCalls(const tree::Node& expression, std::vector<const tree::FuncCall*>& calls) {
  Walk(expression, [&](const google::protobuf::Message& part) {
    const auto* call = dynamic_cast<const tree::FuncCall*>(&part);
    if (call == nullptr || !KindOf(*call).has_value()) return true;
    calls.push_back(call);
    return false;
  });
}

// The group of each row, numbered in the order of their first rows.
struct Grouping {
  std::vector<uint32_t> group_of_row;
  std::vector<uint32_t> first_rows;
};

std::optional<Grouping> Group(const std::vector<const Column*>& columns, std::size_t rows) {
  std::vector<uint64_t> keys;
  if (!KeySpace::Of(columns, rows, /*null_is_value=*/true, keys).has_value()) return std::nullopt;
  KeyNumbers numbers(1024);
  numbers.Number(keys, /*add=*/true);
  Grouping grouping;
  grouping.group_of_row.reserve(rows);
  grouping.first_rows.assign(numbers.count(), kNoRow);
  for (std::size_t i = 0; i < rows; ++i) {
    uint32_t& first = grouping.first_rows[keys[i]];
    first = std::min(first, static_cast<uint32_t>(i));
    grouping.group_of_row.push_back(static_cast<uint32_t>(keys[i]));
  }
  return grouping;
}

// The values of some rows of a column, as a column.
std::optional<Column> Pick(const Column& from, const std::vector<uint32_t>& rows) {
  ColumnBuilder builder(from.type);
  for (const uint32_t row : rows) {
    if (from.IsNull(row)) {
      builder.AddNull();
    } else if (from.type == Type::kText) {
      if (!builder.AddText(from.words[static_cast<std::size_t>(from.values[row])])) {
        return std::nullopt;
      }
    } else if (from.type == Type::kNumeric) {
      if (!builder.AddDecimal({from.values[row], from.scale})) return std::nullopt;
    } else {
      builder.AddNumber(from.values[row]);
    }
  }
  Column column = std::move(builder).Finish();
  column.mixed_scales |= from.mixed_scales;
  return column;
}

// One aggregate over all groups.
class Accumulator {
 public:
  // False for what this does not know.
  bool Compile(const tree::FuncCall& call, Machine& machine, const Names& names,
               std::size_t groups) {
    kind_ = *KindOf(call);
    distinct_ = call.agg_distinct();
    if (distinct_ && kind_ != Kind::kCount) return false;
    if (call.has_agg_filter()) {
      const absl::StatusOr<int> filter = machine.Compile(call.agg_filter(), names);
      if (!filter.ok() || machine.type(*filter) != Type::kBool) return false;
      filter_ = *filter;
    }
    if (!call.agg_star()) {
      if (call.args_size() != 1) return false;
      const absl::StatusOr<int> arg = machine.Compile(call.args(0), names);
      if (!arg.ok()) return false;
      arg_ = *arg;
      type_ = machine.type(arg_);
      if (!Knows(machine)) return false;
      scale_ = machine.scale(arg_);
      scales_.assign(kBatch, 0);
      adds_numbers_ = Adds() && !machine.wide(arg_);
    }
    counts_.assign(groups, 0);
    if (kind_ != Kind::kCount) sums_.assign(groups, {});
    return true;
  }

  bool Add(Machine& machine, const uint32_t* groups, std::size_t count) {
    const std::vector<uint8_t>* passes = nullptr;
    if (filter_ >= 0) {
      passes = &machine.Compute(filter_).truths;
      if (machine.failed(filter_)) return false;
    }
    const Values* values = nullptr;
    if (arg_ >= 0) {
      values = &machine.Compute(arg_);
      if (machine.failed(arg_)) return false;
      if (type_ == Type::kNumeric && Adds()) {
        machine.ScalesOf(arg_, scales_);
        if (machine.failed(arg_)) return false;
      }
    }
    if (adds_numbers_) {
      AddNumbers(*values, passes, groups, count);
      return true;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (passes != nullptr && (*passes)[i] == 0) continue;
      if (values != nullptr && values->nulls[i] != 0) continue;
      if (distinct_) {
        const bool first = type_ == Type::kText
                               ? texts_.emplace(groups[i], std::string(values->texts[i])).second
                               : numbers_
                                     .emplace(groups[i], type_ == Type::kBool ? values->truths[i]
                                                                              : values->numbers[i])
                                     .second;
        if (!first) continue;
      }
      const bool first = counts_[groups[i]]++ == 0;
      if (kind_ == Kind::kCount) continue;
      if (!Take(machine, *values, i, sums_[groups[i]], first)) return false;
    }
    return true;
  }

  std::optional<Column> Finish() const {
    Column column;
    column.type = ResultType();
    std::vector<int64_t> values(counts_.size());
    column.nulls.assign(counts_.size(), 0);
    if (column.type == Type::kNumeric) column.decimals.assign(counts_.size(), {});
    for (std::size_t group = 0; group < counts_.size(); ++group) {
      if (kind_ == Kind::kCount) {
        values[group] = counts_[group];
        continue;
      }
      if (counts_[group] == 0) {
        column.nulls[group] = 1;
        continue;
      }
      Decimal result = sums_[group];
      if (adds_numbers_) {
        const std::optional<Decimal> shown = Truncate({result.digits, scale_}, result.scale);
        if (!shown.has_value()) return std::nullopt;
        result = *shown;
      }
      if (kind_ == Kind::kAvg) {
        const std::optional<Decimal> mean = Divide(result, {counts_[group], 0});
        if (!mean.has_value()) return std::nullopt;
        result = *mean;
      }
      if (column.type == Type::kNumeric) {
        column.decimals[group] = result;
      } else if (result.digits > std::numeric_limits<int64_t>::max() ||
                 result.digits < std::numeric_limits<int64_t>::min()) {
        return std::nullopt;
      } else {
        values[group] = static_cast<int64_t>(result.digits);
      }
    }
    column.values = Numbers(values);
    return column;
  }

 private:
  bool Adds() const { return kind_ == Kind::kSum || kind_ == Kind::kAvg; }

  bool Knows(const Machine& machine) const {
    const bool number = type_ == Type::kInt4 || type_ == Type::kInt8 || type_ == Type::kNumeric;
    if (kind_ == Kind::kCount) return !distinct_ || !machine.wide(arg_);
    if (Adds()) return number;
    if (kind_ == Kind::kBoolAnd || kind_ == Kind::kBoolOr) return type_ == Type::kBool;
    // The scale of the least or greatest would be that of one of several equal ones.
    if (type_ == Type::kNumeric) return !machine.wide(arg_) && !machine.mixed_scales(arg_);
    return number || type_ == Type::kDate;
  }

  Type ResultType() const {
    if (kind_ == Kind::kCount) return Type::kInt8;
    if (kind_ == Kind::kAvg) return Type::kNumeric;
    if (kind_ == Kind::kSum) return type_ == Type::kInt4 ? Type::kInt8 : Type::kNumeric;
    return type_;
  }

  // Sums at the scale of the machine, and the longest scale that PostgreSQL would give one of the
  // values. 2^32 rows of 64 bits fit.
  void AddNumbers(const Values& values, const std::vector<uint8_t>* passes, const uint32_t* groups,
                  std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (passes != nullptr && (*passes)[i] == 0) continue;
      if (values.nulls[i] != 0) continue;
      ++counts_[groups[i]];
      Decimal& sum = sums_[groups[i]];
      sum.digits += values.numbers[i];
      sum.scale = std::max(sum.scale, scales_[i]);
    }
  }

  bool Take(Machine& machine, const Values& values, std::size_t i, Decimal& sum, bool first) {
    if (type_ == Type::kBool) {
      const uint8_t truth = values.truths[i];
      if (first) {
        sum.digits = truth;
      } else if (kind_ == Kind::kBoolAnd) {
        sum.digits = sum.digits & truth;
      } else {
        sum.digits = sum.digits | truth;
      }
      return true;
    }
    const Decimal value =
        machine.wide(arg_) ? values.decimals[i] : Decimal{values.numbers[i], machine.scale(arg_)};
    if (Adds()) {
      if (first) sum = {};
      const std::optional<Decimal> added = columnar::Add(sum, value);
      if (!added.has_value()) return false;
      sum = *added;
      return true;
    }
    const bool better = kind_ == Kind::kMin ? value.digits < sum.digits : value.digits > sum.digits;
    if (first || better) sum = value;
    return true;
  }

  Kind kind_ = Kind::kCount;
  bool distinct_ = false;
  int filter_ = -1;
  int arg_ = -1;  // -1: count(*)
  Type type_ = Type::kInt8;
  int scale_ = 0;              // of the argument's numbers
  bool adds_numbers_ = false;  // a sum or mean of what is not wide
  std::vector<int> scales_;
  std::vector<int64_t> counts_;
  std::vector<Decimal> sums_;
  absl::flat_hash_set<std::pair<uint32_t, int64_t>> numbers_;
  absl::flat_hash_set<std::pair<uint32_t, std::string>> texts_;
};

// The values of a node for all rows of a table, as a column.
std::optional<Column> ColumnOf(Machine& machine, int node, std::size_t rows) {
  ColumnBuilder builder(machine.type(node));
  std::vector<Decimal> decimals;
  for (std::size_t begin = 0; begin < rows; begin += kBatch) {
    const std::size_t count = std::min(kBatch, rows - begin);
    machine.Start(begin, count);
    const Values& values = machine.Compute(node);
    if (machine.failed(node)) return std::nullopt;
    for (std::size_t i = 0; i < count; ++i) {
      if (machine.type(node) == Type::kNumeric) {
        const bool null = values.nulls[i] != 0;
        decimals.push_back(null                 ? Decimal{}
                           : machine.wide(node) ? values.decimals[i]
                                                : Decimal{values.numbers[i], machine.scale(node)});
      }
      if (values.nulls[i] != 0) {
        builder.AddNull();
      } else if (machine.type(node) == Type::kText) {
        if (!builder.AddText(values.texts[i])) return std::nullopt;
      } else if (machine.type(node) == Type::kNumeric) {
        builder.AddNumber(0);
      } else {
        builder.AddNumber(machine.type(node) == Type::kBool ? values.truths[i] : values.numbers[i]);
      }
    }
  }
  Column column = std::move(builder).Finish();
  column.decimals = std::move(decimals);
  return column;
}

// Joined as the dataset service joins the key of a record.
std::string KeyOf(const std::vector<const Column*>& columns, std::size_t row) {
  std::string key;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) key += '|';
    for (const char c : columns[i]->TextAt(row)) {
      if (c == '\\' || c == '|') key += '\\';
      key += c;
    }
  }
  return key;
}

}  // namespace

std::shared_ptr<const Table> GroupsOf(const CompiledRule& rule, const Definition& definition,
                                      const Table& table) {
  const auto& aggregate = std::get<AggregateRule>(rule.content.kind);
  std::vector<const Column*> group_columns;
  for (const std::string& name : aggregate.group_columns) {
    group_columns.push_back(table.Find(name));
    if (group_columns.back() == nullptr || group_columns.back()->mixed_scales) return nullptr;
  }
  const std::optional<Grouping> grouping = Group(group_columns, table.rows);
  if (!grouping.has_value()) return nullptr;

  std::vector<tree::Node> trees;
  for (const std::string& text : rule.aggregates) {
    absl::StatusOr<tree::Node> tree = ParseExpression(text);
    if (!tree.ok()) return nullptr;
    trees.push_back(*std::move(tree));
  }
  std::vector<const tree::FuncCall*> calls;
  for (const tree::Node& tree : trees) CollectCalls(tree, calls);
  Machine machine(table.bytewise_order, /*exact_scales=*/false);
  const Names names = NamesOf(table);
  std::vector<Accumulator> accumulators(calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (!accumulators[i].Compile(*calls[i], machine, names, grouping->first_rows.size())) {
      return nullptr;
    }
  }
  for (std::size_t begin = 0; begin < table.rows; begin += kBatch) {
    const std::size_t count = std::min(kBatch, table.rows - begin);
    machine.Start(begin, count);
    for (Accumulator& each : accumulators) {
      if (!each.Add(machine, grouping->group_of_row.data() + begin, count)) return nullptr;
    }
  }

  auto groups = std::make_shared<Table>();
  groups->rows = grouping->first_rows.size();
  groups->bytewise_order = table.bytewise_order;
  std::vector<const Column*> shown;
  for (std::size_t i = 0; i < group_columns.size(); ++i) {
    std::optional<Column> column = Pick(*group_columns[i], grouping->first_rows);
    if (!column.has_value()) return nullptr;
    const std::string& name = aggregate.group_columns[i];
    shown.push_back(&(groups->columns[name] = *std::move(column)));
  }
  const auto by_school = std::find(aggregate.group_columns.begin(), aggregate.group_columns.end(),
                                   definition.school_column);
  if (by_school != aggregate.group_columns.end()) {
    std::optional<Column> school = Pick(table.school, grouping->first_rows);
    if (!school.has_value()) return nullptr;
    groups->school = *std::move(school);
  } else {
    ColumnBuilder none(Type::kText);
    for (std::size_t i = 0; i < groups->rows; ++i) none.AddNull();
    groups->school = std::move(none).Finish();
  }
  for (std::size_t i = 0; i < groups->rows; ++i) {
    if (!groups->keys.Append(KeyOf(shown, i))) return nullptr;
  }

  std::map<const tree::FuncCall*, Column> results;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    std::optional<Column> result = accumulators[i].Finish();
    if (!result.has_value()) return nullptr;
    results.emplace(calls[i], *std::move(result));
  }
  const auto column_of = [&](const tree::FuncCall& call) -> const Column* {
    const auto it = results.find(&call);
    return it == results.end() ? nullptr : &it->second;
  };
  // Over groups: what they give is shown to people.
  Machine over_groups(table.bytewise_order, /*exact_scales=*/true);
  for (std::size_t i = 0; i < trees.size(); ++i) {
    const absl::StatusOr<int> node = over_groups.Compile(trees[i], {}, column_of);
    if (!node.ok()) return nullptr;
    std::optional<Column> column = ColumnOf(over_groups, *node, groups->rows);
    if (!column.has_value()) return nullptr;
    groups->columns[aggregate.aggregates[i].name] = *std::move(column);
  }
  return groups;
}

}  // namespace edcert::validation_report::columnar
