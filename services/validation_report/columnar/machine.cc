#include "services/validation_report/columnar/machine.h"

#include <re2/re2.h>

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "common/status/macros.h"
#include "services/validation_report/columnar/compiler.h"
#include "services/validation_report/columnar/decimal.h"
#include "services/validation_report/columnar/text.h"

namespace edcert::validation_report::columnar {
namespace {

constexpr uint64_t kForEver = std::numeric_limits<uint64_t>::max();

// Proleptic Gregorian, as PostgreSQL's. The algorithm counts eras of 400 years from March on.
constexpr int64_t kDaysToEpoch = 730'425;  // from 0000-03-01 to 2000-01-01

struct Day {
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
};

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

Day DayOf(int64_t days) {
  const int64_t since = days + kDaysToEpoch;
  const int64_t era = FloorDivide(since, 146'097);
  const int64_t of_era = since - era * 146'097;
  const int64_t year = (of_era - of_era / 1'460 + of_era / 36'524 - of_era / 146'096) / 365;
  const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const int64_t shifted = (5 * of_year + 2) / 153;  // months from March on
  const int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {year + era * 400 + (month <= 2 ? 1 : 0), month, of_year - (153 * shifted + 2) / 5 + 1};
}

int64_t DaysOf(const Day& day) {
  const int64_t year = day.month <= 2 ? day.year - 1 : day.year;
  const int64_t era = FloorDivide(year, 400);
  const int64_t of_era = year - era * 400;
  const int64_t of_year =
      (153 * (day.month > 2 ? day.month - 3 : day.month + 9) + 2) / 5 + day.day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - kDaysToEpoch;
}

int64_t DaysInMonth(int64_t year, int64_t month) {
  constexpr int64_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

int64_t PartOf(int64_t days, DateUnit unit) {
  switch (unit) {
    case DateUnit::kDayOfWeek:
      return ((days + 6) % 7 + 7) % 7;  // 2000-01-01 was a Saturday
    case DateUnit::kIsoDayOfWeek: {
      const int64_t day = ((days + 6) % 7 + 7) % 7;
      return day == 0 ? 7 : day;
    }
    case DateUnit::kYear:
    case DateUnit::kQuarter:
    case DateUnit::kMonth:
    case DateUnit::kDay:
    case DateUnit::kDayOfYear:
      break;
  }
  const Day day = DayOf(days);
  if (unit == DateUnit::kYear) return day.year;
  if (unit == DateUnit::kQuarter) return (day.month - 1) / 3 + 1;
  if (unit == DateUnit::kMonth) return day.month;
  if (unit == DateUnit::kDay) return day.day;
  return days - DaysOf({day.year, 1, 1}) + 1;
}

// The whole months of age(to, from).
int64_t MonthsBetween(int64_t to, int64_t from) {
  if (to < from) return -MonthsBetween(from, to);
  const Day later = DayOf(to);
  const Day earlier = DayOf(from);
  return (later.year - earlier.year) * 12 + later.month - earlier.month -
         (later.day < earlier.day ? 1 : 0);
}

// One loop for each operator, so that the compiler sees what it does. It may write several values
// at once because they are promised to lie apart: without that, a byte could be a part of anything.
template <typename T, typename U, typename F>
void Each(const T* a, const T* b, std::size_t count, U* __restrict out, F f) {
  for (std::size_t i = 0; i < count; ++i) out[i] = f(a[i], b[i]);
}

template <typename T>
void CompareEach(Op op, const T* a, const T* b, std::size_t count, uint8_t* out) {
  switch (op) {
    case Op::kEqual:
    case Op::kNotDistinct:
      return Each(a, b, count, out, [](T x, T y) { return uint8_t{x == y}; });
    case Op::kNotEqual:
    case Op::kDistinct:
      return Each(a, b, count, out, [](T x, T y) { return uint8_t{x != y}; });
    case Op::kLess:
      return Each(a, b, count, out, [](T x, T y) { return uint8_t{x < y}; });
    case Op::kLessOrEqual:
      return Each(a, b, count, out, [](T x, T y) { return uint8_t{x <= y}; });
    case Op::kGreater:
      return Each(a, b, count, out, [](T x, T y) { return uint8_t{x > y}; });
    case Op::kGreaterOrEqual:
      return Each(a, b, count, out, [](T x, T y) { return uint8_t{x >= y}; });
    default:
      break;
  }
}

// False when a result does not fit. Like __builtin_add_overflow, but several at once.
bool AddEach(const int64_t* a, const int64_t* b, std::size_t count, int64_t* __restrict out) {
  uint64_t signs = 0;  // of the results whose sign is that of neither
  for (std::size_t i = 0; i < count; ++i) {
    const auto x = static_cast<uint64_t>(a[i]);
    const auto y = static_cast<uint64_t>(b[i]);
    const uint64_t sum = x + y;
    signs |= (x ^ sum) & (y ^ sum);
    out[i] = static_cast<int64_t>(sum);
  }
  return signs >> 63U == 0;
}

bool SubtractEach(const int64_t* a, const int64_t* b, std::size_t count, int64_t* __restrict out) {
  uint64_t signs = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto x = static_cast<uint64_t>(a[i]);
    const auto y = static_cast<uint64_t>(b[i]);
    const uint64_t difference = x - y;
    signs |= (x ^ y) & (x ^ difference);
    out[i] = static_cast<int64_t>(difference);
  }
  return signs >> 63U == 0;
}

// Whether all values are of int4.
bool AreNarrow(const int64_t* values, std::size_t count) {
  uint64_t above = 0;
  for (std::size_t i = 0; i < count; ++i) {
    above |= (static_cast<uint64_t>(values[i]) + 0x8000'0000U) >> 32U;
  }
  return above == 0;
}

bool IsComparison(Op op) { return op >= Op::kEqual && op <= Op::kNotDistinct; }

bool Holds(Op op, int order) {
  const int zero = 0;
  uint8_t truth = 0;
  CompareEach(op, &order, &zero, 1, &truth);
  return truth != 0;
}

// The NULLs of two together.
void Unite(const Values& a, const Values& b, std::size_t count, std::vector<uint8_t>& out) {
  Each(a.nulls.data(), b.nulls.data(), count, out.data(),
       [](uint8_t x, uint8_t y) { return static_cast<uint8_t>(x | y); });
}

// NULLs hold 0, so that no loop needs to ask.
template <typename T>
void ClearNulls(const std::vector<uint8_t>& nulls, std::size_t count, std::vector<T>& values) {
  const uint8_t* null = nulls.data();
  T* __restrict value = values.data();
  for (std::size_t i = 0; i < count; ++i) value[i] &= static_cast<T>(T{null[i]} - 1);
}

// Truths and NULLs of two, by a function that gives both: bit 0 for true, bit 1 for NULL.
template <typename F>
void EachTruth(const Values& a, const Values& b, std::size_t count, Values& out, F f) {
  const uint8_t* x = a.truths.data();
  const uint8_t* y = b.truths.data();
  const uint8_t* x_null = a.nulls.data();
  const uint8_t* y_null = b.nulls.data();
  uint8_t* __restrict truths = out.truths.data();
  uint8_t* __restrict nulls = out.nulls.data();
  for (std::size_t i = 0; i < count; ++i) {
    const int both = f(x[i], y[i], x_null[i], y_null[i]);
    truths[i] = static_cast<uint8_t>(both & 1);
    nulls[i] = static_cast<uint8_t>(both >> 1);
  }
}

// The vector that holds the values of a type.
template <typename Visitor>
decltype(auto) VisitMember(Type type, bool wide, Visitor visit) {
  if (type == Type::kBool) return visit(&Values::truths);
  if (type == Type::kText) return visit(&Values::texts);
  if (wide) return visit(&Values::decimals);
  return visit(&Values::numbers);
}

// Puts values of another over those of `out`, where `takes` says so of a row and of what it has.
template <typename T, typename F>
void Take(const T* from, const uint8_t* from_nulls, std::size_t count, T* __restrict out,
          uint8_t* __restrict nulls, F takes) {
  for (std::size_t i = 0; i < count; ++i) {
    const bool take = takes(i, out[i], nulls[i]);
    out[i] = take ? from[i] : out[i];
    nulls[i] = take ? from_nulls[i] : nulls[i];
  }
}

void Size(Values& values, Type type, bool wide, std::size_t count) {
  values.nulls.assign(count, 0);
  VisitMember(type, wide, [&](auto member) { (values.*member).assign(count, {}); });
}

}  // namespace

Names NamesOf(const Table& table, std::string_view prefix, int side) {
  Names names;
  for (const auto& [name, column] : table.columns) {
    names[std::string(prefix) + name] = {.column = &column, .side = side};
  }
  return names;
}

Machine::Machine(bool bytewise_order, bool exact_scales)
    : bytewise_order_(bytewise_order), exact_scales_(exact_scales) {}

Machine::~Machine() = default;

absl::StatusOr<int> Machine::Compile(const tree::Node& expression, const Names& names,
                                     const AggregateColumns& aggregates) {
  ASSIGN_OR_RETURN(const int index, Compiler(*this, names, aggregates).Compile(expression));
  Lift(index);
  return index;
}

std::string Machine::KeyOf(const Node& node) {
  std::string key;
  const auto add = [&key](const auto& value) {
    key.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  add(node.op);
  add(node.type);
  add(node.scale);
  add(node.number);
  add(node.null);
  add(node.fold_case);
  add(node.wide);
  add(node.source.column);
  add(node.source.side);
  for (const int arg : node.args) add(arg);
  return key + node.text;
}

int Machine::Add(Node node) {
  const std::string key = KeyOf(node);
  const auto index = static_cast<int>(nodes_.size());
  const auto [it, added] = places_.emplace(key, index);
  if (!added) return it->second;
  for (const int arg : node.args) {
    const Node& part = this->node(arg);
    if (!part.depends_on_rows) continue;
    node.words_of = node.depends_on_rows && node.words_of != part.words_of ? -1 : part.words_of;
    node.depends_on_rows = true;
  }
  // A column of texts depends on its own words.
  if (node.op == Op::kColumn) node.words_of = node.type == Type::kText ? index : -1;
  if (node.op == Op::kMatch) {
    RE2::Options options;
    options.set_dot_nl(true);
    options.set_log_errors(false);
    options.set_case_sensitive(!node.fold_case);
    auto pattern = std::make_unique<RE2>(node.text, options);
    if (pattern->ok()) patterns_[index] = std::move(pattern);
  }
  Size(node.values, node.type, node.wide, kBatch);
  if (node.op == Op::kConstant) FillConstant(node);
  nodes_.push_back(std::move(node));
  return index;
}

void Machine::FillConstant(Node& node) {
  node.computed_for = kForEver;
  if (node.null) {
    std::fill(node.values.nulls.begin(), node.values.nulls.end(), 1);
  } else if (node.type == Type::kBool) {
    std::fill(node.values.truths.begin(), node.values.truths.end(),
              static_cast<uint8_t>(node.number));
  } else if (node.type == Type::kText) {
    node.values.made.push_back(node.text);
    std::fill(node.values.texts.begin(), node.values.texts.end(), node.values.made.front());
  } else {
    std::fill(node.values.numbers.begin(), node.values.numbers.end(), node.number);
  }
}

void Machine::Lift(int index) {
  Node& root = node(index);
  if (root.op == Op::kConstant || root.op == Op::kColumn || root.lifted || root.failed) return;
  if (root.words_of < 0) {
    for (const int arg : root.args) Lift(arg);
    return;
  }
  const Words& words = node(root.words_of).source.column->words;
  const std::size_t rows = words.size() + std::size_t{1};
  Size(root.by_word, root.type, root.wide, rows);
  lifting_ = root.words_of;
  for (std::size_t begin = 0; begin < rows && !root.failed; begin += kBatch) {
    Start(begin, std::min(kBatch, rows - begin));
    Compute(index);
    const Values& values = root.values;
    std::copy_n(values.nulls.data(), count_, root.by_word.nulls.data() + begin);
    VisitMember(root.type, root.wide, [&](auto member) {
      std::copy_n((values.*member).data(), count_, (root.by_word.*member).data() + begin);
    });
    for (std::size_t i = 0; i < count_ && root.type == Type::kText; ++i) {
      root.by_word.made.emplace_back(values.texts[i]);
      root.by_word.texts[begin + i] = root.by_word.made.back();
    }
  }
  lifting_ = -1;
  ++computation_;
  root.lifted = true;
}

void Machine::GatherLifted(Node& node) {
  const Node& source = this->node(node.words_of);
  const uint32_t* chosen = chosen_[source.source.side];
  source.source.column->values.Visit([&](const auto& places) {
    const auto* at = places.data();
    using Place = std::make_unsigned_t<std::remove_cvref_t<decltype(*at)>>;
    const auto gather = [&](auto member) {
      const auto* from = (node.by_word.*member).data();
      auto* __restrict to = (node.values.*member).data();
      for (std::size_t i = 0; i < count_; ++i) {
        to[i] = from[static_cast<Place>(at[chosen == nullptr ? begin_ + i : chosen[i]])];
      }
    };
    gather(&Values::nulls);
    VisitMember(node.type, node.wide, gather);
  });
}

void Machine::Start(std::size_t begin, std::size_t count) {
  ++computation_;
  begin_ = begin;
  count_ = count;
  chosen_[0] = chosen_[1] = nullptr;
}

void Machine::StartPairs(const uint32_t* places, const uint32_t* other_places, std::size_t count) {
  ++computation_;
  count_ = count;
  chosen_[0] = places;
  chosen_[1] = other_places;
}

const Values& Machine::Compute(int index) {
  Node& node = this->node(index);
  if (node.failed || node.computed_for == computation_ || node.computed_for == kForEver) {
    return node.values;
  }
  node.computed_for = computation_;
  if (node.op == Op::kColumn) {
    LoadColumn(node);
    return node.values;
  }
  if (node.lifted && lifting_ < 0) {
    GatherLifted(node);
    return node.values;
  }
  const std::size_t count = count_;
  if (!node.depends_on_rows) {
    node.computed_for = kForEver;
    count_ = kBatch;
  }
  for (const int arg : node.args) {
    Compute(arg);
    node.failed |= this->node(arg).failed;
  }
  if (!node.failed) ComputeNode(node, index);
  count_ = count;
  return node.values;
}

void Machine::LoadColumn(Node& node) {
  const Column& column = *node.source.column;
  const uint32_t* chosen = chosen_[node.source.side];
  Values& values = node.values;
  if (column.type == Type::kText) {
    for (std::size_t i = 0; i < count_; ++i) {
      const std::size_t row = chosen == nullptr ? begin_ + i : chosen[i];
      const auto place = lifting_ >= 0 ? row : static_cast<std::size_t>(column.values[row]);
      const bool null = place == column.words.size();
      values.nulls[i] = null ? 1 : 0;
      values.texts[i] = null ? std::string_view() : column.words[place];
    }
    return;
  }
  if (!column.nulls.empty()) {
    for (std::size_t i = 0; i < count_; ++i) {
      values.nulls[i] = column.nulls[chosen == nullptr ? begin_ + i : chosen[i]];
    }
  }
  if (!column.decimals.empty()) {
    for (std::size_t i = 0; i < count_; ++i) {
      values.decimals[i] = column.decimals[chosen == nullptr ? begin_ + i : chosen[i]];
    }
  } else if (column.type == Type::kBool) {
    column.values.Visit([&](const auto& truths) {
      for (std::size_t i = 0; i < count_; ++i) {
        values.truths[i] = static_cast<uint8_t>(truths[chosen == nullptr ? begin_ + i : chosen[i]]);
      }
    });
  } else if (chosen == nullptr) {
    column.values.Load(begin_, count_, values.numbers.data());
  } else {
    column.values.Gather(chosen, count_, values.numbers.data());
  }
}

void Machine::ComputeNode(Node& node, int index) {
  bool known = false;
  switch (node.op) {
    case Op::kCase:
    case Op::kCoalesce:
    case Op::kNullIf:
    case Op::kGreatest:
    case Op::kLeast:
      known = ComputeChoice(node);
      break;
    default:
      if (node.type == Type::kBool) {
        known = ComputeTruth(node, index);
      } else if (node.type == Type::kText) {
        known = ComputeText(node);
      } else if (node.wide) {
        known = ComputeDecimal(node);
      } else {
        known = ComputeInteger(node);
      }
  }
  node.failed = !known;
}

Decimal Machine::DecimalAt(const Node& node, std::size_t row) const {
  return node.wide ? node.values.decimals[row] : Decimal{node.values.numbers[row], node.scale};
}

bool Machine::ComputeTruth(Node& node, int index) {
  Values& out = node.values;
  const Node& a = this->node(node.args[0]);
  const Node& b = this->node(node.args.back());
  const Values& x = a.values;
  const Values& y = b.values;
  if (IsComparison(node.op)) {
    Unite(x, y, count_, out.nulls);
    if (a.wide || b.wide) {
      for (std::size_t i = 0; i < count_; ++i) {
        if (out.nulls[i] != 0) continue;
        const std::optional<int> order = Compare(DecimalAt(a, i), DecimalAt(b, i));
        if (!order.has_value()) return false;
        out.truths[i] = Holds(node.op, *order) ? 1 : 0;
      }
    } else if (a.type == Type::kText) {
      for (std::size_t i = 0; i < count_; ++i) {
        out.truths[i] = Holds(node.op, x.texts[i].compare(y.texts[i])) ? 1 : 0;
      }
    } else if (a.type == Type::kBool) {
      CompareEach(node.op, x.truths.data(), y.truths.data(), count_, out.truths.data());
    } else {
      CompareEach(node.op, x.numbers.data(), y.numbers.data(), count_, out.truths.data());
    }
    if (node.op == Op::kDistinct || node.op == Op::kNotDistinct) {
      // NULL is a value like others.
      for (std::size_t i = 0; i < count_; ++i) {
        if (out.nulls[i] == 0) continue;
        const bool same = x.nulls[i] == y.nulls[i];
        out.truths[i] = same == (node.op == Op::kNotDistinct) ? 1 : 0;
        out.nulls[i] = 0;
      }
      return true;
    }
    ClearNulls(out.nulls, count_, out.truths);
    return true;
  }
  switch (node.op) {
    case Op::kAnd:
      EachTruth(x, y, count_, out, [](int p, int q, int p_null, int q_null) {
        // Unknown, unless one of them is false.
        return (p & q) | ((p_null | q_null) & (p | p_null) & (q | q_null)) << 1;
      });
      return true;
    case Op::kOr:
      EachTruth(x, y, count_, out, [](int p, int q, int p_null, int q_null) {
        return p | q | ((p_null | q_null) & (1 ^ (p | q))) << 1;
      });
      return true;
    case Op::kNot:
      EachTruth(x, x, count_, out,
                [](int p, int, int null, int) { return (1 ^ (p | null)) | null << 1; });
      return true;
    case Op::kIsNull:
    case Op::kIsNotNull: {
      const int from = node.op == Op::kIsNull ? 0 : 1;
      Each(x.nulls.data(), x.nulls.data(), count_, out.truths.data(),
           [from](uint8_t null, uint8_t) { return static_cast<uint8_t>(null ^ from); });
      return true;
    }
    case Op::kIsTrue:
    case Op::kIsNotTrue: {
      const int from = node.op == Op::kIsTrue ? 0 : 1;
      EachTruth(x, x, count_, out, [from](int p, int, int, int) { return p ^ from; });
      return true;
    }
    case Op::kIsFalse:
    case Op::kIsNotFalse: {
      const int from = node.op == Op::kIsFalse ? 1 : 0;
      EachTruth(x, x, count_, out, [from](int p, int, int null, int) { return (p | null) ^ from; });
      return true;
    }
    default:
      break;
  }
  // What is left reads texts.
  Unite(x, y, count_, out.nulls);
  const re2::RE2* pattern = node.op == Op::kMatch ? patterns_.at(index).get() : nullptr;
  for (std::size_t i = 0; i < count_; ++i) {
    out.truths[i] = 0;
    if (out.nulls[i] != 0) continue;
    const std::string_view text = x.texts[i];
    // Which letters are the same but for their case is the database's to say.
    if (node.fold_case && !IsAscii(text)) return false;
    bool truth = false;
    switch (node.op) {
      case Op::kMatch:
        truth = RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *pattern);
        break;
      case Op::kLike:
        if (node.fold_case && !IsAscii(node.text)) return false;
        truth =
            node.fold_case ? IsLike(ToLower(text), ToLower(node.text)) : IsLike(text, node.text);
        break;
      case Op::kStartsWith:
        truth = text.starts_with(y.texts[i]);
        break;
      case Op::kHasElement:
        truth = HasElement(y.texts[i], node.text, text);
        break;
      default:
        return false;
    }
    out.truths[i] = truth ? 1 : 0;
  }
  return true;
}

bool Machine::ComputeInteger(Node& node) {
  Values& out = node.values;
  const Node& a = this->node(node.args[0]);
  const Node& b = this->node(node.args.back());
  const Values& x = a.values;
  const Values& y = b.values;
  int64_t* to = out.numbers.data();
  bool fits = true;
  // Each value that is not NULL, by a function that says whether the result exists.
  const auto each = [&](auto compute) {
    for (std::size_t i = 0; i < count_; ++i) {
      to[i] = 0;
      if (out.nulls[i] == 0 && !compute(i, to[i])) return false;
    }
    return true;
  };
  switch (node.op) {
    case Op::kCountNulls:
    case Op::kCountNonNulls:
      std::fill_n(to, count_, 0);
      for (const int arg : node.args) {
        const Values& part = this->node(arg).values;
        for (std::size_t i = 0; i < count_; ++i) {
          to[i] += part.nulls[i] == (node.op == Op::kCountNulls ? 1 : 0);
        }
      }
      return true;
    case Op::kMakeDate: {
      const Values& month = this->node(node.args[1]).values;
      for (std::size_t i = 0; i < count_; ++i) {
        out.nulls[i] = x.nulls[i] | month.nulls[i] | y.nulls[i];
      }
      return each([&](std::size_t i, int64_t& days) {
        const Day day{x.numbers[i], month.numbers[i], y.numbers[i]};
        if (day.year < 1 || day.year > 9999 || day.month < 1 || day.month > 12 || day.day < 1 ||
            day.day > DaysInMonth(day.year, day.month)) {
          return false;
        }
        days = DaysOf(day);
        return true;
      });
    }
    default:
      break;
  }
  Unite(x, y, count_, out.nulls);
  const int64_t* m = x.numbers.data();
  const int64_t* n = y.numbers.data();
  switch (node.op) {
    case Op::kAdd:
      fits = AddEach(m, n, count_, to);
      break;
    case Op::kSubtract:
      fits = SubtractEach(m, n, count_, to);
      break;
    case Op::kMultiply:
      for (std::size_t i = 0; i < count_; ++i) fits &= !__builtin_mul_overflow(m[i], n[i], &to[i]);
      break;
    case Op::kRescale:
      for (std::size_t i = 0; i < count_; ++i) {
        fits &= !__builtin_mul_overflow(m[i], node.number, &to[i]);
      }
      break;
    case Op::kNegate:
      for (std::size_t i = 0; i < count_; ++i) fits &= !__builtin_sub_overflow(0, m[i], &to[i]);
      break;
    case Op::kWiden:
      std::copy_n(m, count_, to);
      break;
    case Op::kDivide:
      fits = each([&](std::size_t i, int64_t& result) {
        if (n[i] == 0 || (n[i] == -1 && m[i] == std::numeric_limits<int64_t>::min())) return false;
        result = m[i] / n[i];
        return true;
      });
      break;
    case Op::kModulo:
      fits = each([&](std::size_t i, int64_t& result) {
        if (n[i] == 0) return false;
        result = n[i] == -1 ? 0 : m[i] % n[i];
        return true;
      });
      break;
    case Op::kAbs:
      for (std::size_t i = 0; i < count_; ++i) {
        fits &= m[i] != std::numeric_limits<int64_t>::min();
        to[i] = fits ? std::abs(m[i]) : 0;
      }
      break;
    case Op::kSign:
      for (std::size_t i = 0; i < count_; ++i) to[i] = (m[i] > 0) - (m[i] < 0);
      break;
    case Op::kRound:
    case Op::kTruncate:
    case Op::kFloor:
    case Op::kCeiling:
    case Op::kToInteger:
      fits = each([&](std::size_t i, int64_t& result) {
        const Decimal value = a.type == Type::kNumeric ? DecimalAt(a, i) : Decimal{x.numbers[i], 0};
        std::optional<Decimal> rounded;
        if (node.op == Op::kTruncate) {
          rounded = Truncate(value, node.scale);
        } else if (node.op == Op::kFloor) {
          rounded = Floor(value);
        } else if (node.op == Op::kCeiling) {
          rounded = Ceiling(value);
        } else {
          rounded = Round(value, node.scale);
        }
        if (!rounded.has_value() || rounded->digits > std::numeric_limits<int64_t>::max() ||
            rounded->digits < std::numeric_limits<int64_t>::min()) {
          return false;
        }
        result = static_cast<int64_t>(rounded->digits);
        return true;
      });
      break;
    case Op::kAddMonths:
      fits = each([&](std::size_t i, int64_t& days) {
        Day day = DayOf(m[i]);
        const int64_t months = day.year * 12 + day.month - 1 + node.number;
        day.year = FloorDivide(months, 12);
        day.month = months - day.year * 12 + 1;
        day.day = std::min(day.day, DaysInMonth(day.year, day.month));
        days = DaysOf(day);
        return day.year >= 1 && day.year <= 9999;
      });
      break;
    case Op::kDatePart:
      for (std::size_t i = 0; i < count_; ++i) {
        to[i] = PartOf(m[i], static_cast<DateUnit>(node.number));
      }
      break;
    case Op::kAgeYears:
      for (std::size_t i = 0; i < count_; ++i) to[i] = MonthsBetween(m[i], n[i]) / 12;
      break;
    case Op::kAgeMonths:
      for (std::size_t i = 0; i < count_; ++i) to[i] = MonthsBetween(m[i], n[i]) % 12;
      break;
    case Op::kLength:
      for (std::size_t i = 0; i < count_; ++i) to[i] = LengthOf(x.texts[i]);
      break;
    case Op::kPosition:
      for (std::size_t i = 0; i < count_; ++i) to[i] = PositionOf(x.texts[i], y.texts[i]);
      break;
    case Op::kCountElements:
      for (std::size_t i = 0; i < count_; ++i) to[i] = CountElements(x.texts[i], node.text);
      break;
    default:
      return false;
  }
  if (!fits) return false;
  ClearNulls(out.nulls, count_, out.numbers);
  if (node.type == Type::kInt4) {
    fits = AreNarrow(to, count_);
  } else if (node.type == Type::kDate || node.type == Type::kMidnight) {
    // Some 2,700 years each way; PostgreSQL's limits lie farther out.
    for (std::size_t i = 0; i < count_; ++i) fits &= to[i] > -700'000 && to[i] < 1'000'000;
  }
  return fits;
}

bool Machine::ComputeDecimal(Node& node) {
  Values& out = node.values;
  const Node& a = this->node(node.args[0]);
  const Node& b = this->node(node.args.back());
  Unite(a.values, b.values, count_, out.nulls);
  for (std::size_t i = 0; i < count_; ++i) {
    out.decimals[i] = {};
    if (out.nulls[i] != 0) continue;
    const Decimal x = DecimalAt(a, i);
    const Decimal y = DecimalAt(b, i);
    std::optional<Decimal> result;
    switch (node.op) {
      case Op::kAdd:
        result = columnar::Add(x, y);
        break;
      case Op::kSubtract:
        result = Subtract(x, y);
        break;
      case Op::kMultiply:
        result = Multiply(x, y);
        break;
      case Op::kDivide:
        result = Divide(x, y);
        break;
      case Op::kModulo:
        result = Modulo(x, y);
        break;
      case Op::kNegate:
        result = Decimal{-x.digits, x.scale};
        break;
      case Op::kWiden:
        result = x;
        break;
      case Op::kAbs:
        result = Decimal{x.digits < 0 ? -x.digits : x.digits, x.scale};
        break;
      case Op::kSign:
        result = Decimal{(x.digits > 0) - (x.digits < 0), 0};
        break;
      case Op::kRound:
        result = Round(x, node.scale);
        break;
      case Op::kTruncate:
        result = Truncate(x, node.scale);
        break;
      case Op::kFloor:
        result = Floor(x);
        break;
      case Op::kCeiling:
        result = Ceiling(x);
        break;
      default:
        break;
    }
    if (!result.has_value()) return false;
    out.decimals[i] = *result;
  }
  return true;
}

bool Machine::ComputeText(Node& node) {
  Values& out = node.values;
  out.made.clear();
  const auto arg = [&](std::size_t i) -> const Values& { return this->node(node.args[i]).values; };
  const auto make = [&](std::size_t row, std::string text) {
    out.texts[row] = out.made.emplace_back(std::move(text));
  };
  for (std::size_t i = 0; i < count_; ++i) {
    out.texts[i] = {};
    out.nulls[i] = 0;
    for (std::size_t k = 0; k < node.args.size(); ++k) out.nulls[i] |= arg(k).nulls[i];
    if (out.nulls[i] != 0) continue;
    const std::string_view text = arg(0).texts[i];
    switch (node.op) {
      case Op::kLower:
      case Op::kUpper:
        if (!IsAscii(text)) return false;
        make(i, node.op == Op::kLower ? ToLower(text) : ToUpper(text));
        break;
      case Op::kTrim:
        out.texts[i] = TrimLeft(TrimRight(text));
        break;
      case Op::kTrimLeft:
        out.texts[i] = TrimLeft(text);
        break;
      case Op::kTrimRight:
        out.texts[i] = TrimRight(text);
        break;
      case Op::kLeft:
        out.texts[i] = Left(text, arg(1).numbers[i]);
        break;
      case Op::kRight:
        out.texts[i] = Right(text, arg(1).numbers[i]);
        break;
      case Op::kSubstring: {
        const bool bounded = node.args.size() == 3;
        if (bounded && arg(2).numbers[i] < 0) return false;
        out.texts[i] = Substring(text, arg(1).numbers[i],
                                 bounded ? std::optional(arg(2).numbers[i]) : std::nullopt);
        break;
      }
      case Op::kConcatenate:
        make(i, std::string(text) + std::string(arg(1).texts[i]));
        break;
      case Op::kReplace:
        make(i, Replace(text, arg(1).texts[i], arg(2).texts[i]));
        break;
      default:
        return false;
    }
  }
  return true;
}

bool Machine::ComputeChoice(Node& node) {
  // Which of two equal ones PostgreSQL shows.
  if (node.wide && (node.op == Op::kGreatest || node.op == Op::kLeast)) return false;
  const auto arg = [&](std::size_t k) -> const Values& { return this->node(node.args[k]).values; };
  const std::size_t args = node.args.size();
  uint8_t* nulls = node.values.nulls.data();
  VisitMember(node.type, node.wide, [&](auto member) {
    auto* out = (node.values.*member).data();
    const auto take = [&](const Values& from, auto takes) {
      Take((from.*member).data(), from.nulls.data(), count_, out, nulls, takes);
    };
    // The last that may be chosen comes first, and the others over it.
    const std::size_t first = node.op == Op::kNullIf ? 0 : args - 1;
    std::copy_n((arg(first).*member).data(), count_, out);
    std::copy_n(arg(first).nulls.data(), count_, nulls);
    switch (node.op) {
      case Op::kNullIf: {
        const uint8_t* equal = arg(1).truths.data();
        for (std::size_t i = 0; i < count_; ++i) {
          nulls[i] |= equal[i];
          if (nulls[i] != 0) out[i] = {};
        }
        break;
      }
      case Op::kCase:
        for (std::size_t k = args - 1; k >= 2; k -= 2) {
          const uint8_t* holds = arg(k - 2).truths.data();
          take(arg(k - 1), [holds](std::size_t i, const auto&, uint8_t) { return holds[i] != 0; });
        }
        break;
      case Op::kCoalesce:
        for (std::size_t k = args - 1; k-- > 0;) {
          const uint8_t* null = arg(k).nulls.data();
          take(arg(k), [null](std::size_t i, const auto&, uint8_t) { return null[i] == 0; });
        }
        break;
      default:
        if constexpr (!std::is_same_v<decltype(out), Decimal*>) {
          for (std::size_t k = 0; k + 1 < args; ++k) {
            const auto* value = (arg(k).*member).data();
            const uint8_t* null = arg(k).nulls.data();
            if (node.op == Op::kGreatest) {
              take(arg(k), [=](std::size_t i, const auto& best, uint8_t none) {
                return (null[i] == 0) & ((none != 0) | (value[i] > best));
              });
            } else {
              take(arg(k), [=](std::size_t i, const auto& best, uint8_t none) {
                return (null[i] == 0) & ((none != 0) | (value[i] < best));
              });
            }
          }
        }
    }
  });
  return true;
}

void Machine::ScalesOf(int index, std::vector<int>& scales) {
  const Node& node = this->node(index);
  scales.assign(kBatch, node.scale);
  const auto arg = [&](std::size_t i) {
    std::vector<int> of_arg;
    ScalesOf(node.args[i], of_arg);
    return of_arg;
  };
  if (node.op == Op::kRescale) {
    scales = arg(0);
  } else if (!node.mixed_scales) {
    return;
  } else if (node.op == Op::kCoalesce || node.op == Op::kCase) {
    const bool is_case = node.op == Op::kCase;
    std::vector<std::vector<int>> values;
    for (std::size_t k = 0; k < node.args.size(); ++k) values.push_back(arg(k));
    for (std::size_t i = 0; i < count_; ++i) {
      std::size_t chosen = is_case ? node.args.size() - 1 : 0;
      for (std::size_t k = 0; is_case && k + 1 < node.args.size(); k += 2) {
        if (this->node(node.args[k]).values.truths[i] == 0) continue;
        chosen = k + 1;
        break;
      }
      while (!is_case && chosen + 1 < node.args.size() &&
             this->node(node.args[chosen]).values.nulls[i] != 0) {
        ++chosen;
      }
      scales[i] = values[chosen][i];
    }
  } else if (node.op == Op::kAdd || node.op == Op::kSubtract || node.op == Op::kModulo ||
             node.op == Op::kMultiply) {
    const std::vector<int> left = arg(0);
    const std::vector<int> right = arg(1);
    for (std::size_t i = 0; i < count_; ++i) {
      scales[i] = node.op == Op::kMultiply ? left[i] + right[i] : std::max(left[i], right[i]);
    }
  } else if (node.op == Op::kNegate || node.op == Op::kAbs || node.op == Op::kNullIf) {
    scales = arg(0);
  } else {
    this->node(index).failed = true;
  }
}

}  // namespace edcert::validation_report::columnar
