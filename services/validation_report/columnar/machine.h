// Expressions of rules over columns, computed for a thousand rows at a time.
//
// The meaning is PostgreSQL's. What this machine does not know, and every row on which PostgreSQL
// might report an error (overflow, division by zero, a date that does not exist), makes it give up
// on the expression: the caller then asks PostgreSQL. So an answer is never wrong, at worst
// missing.
//
// Equal parts of all expressions of a machine are computed once. A part that depends on one column
// of texts and nothing else is computed once for each word of the column, not for each row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/validation_report/columnar/table.h"
#include "services/validation_report/sql_tree.pb.h"

namespace re2 {
class RE2;
}

namespace edcert::validation_report::columnar {

// Rows of one computation.
inline constexpr std::size_t kBatch = 1024;

// What a name in an expression stands for: a column of the row, or of the other row of a pair.
struct Named {
  const Column* column = nullptr;
  int side = 0;
};
// By the name as written: `days`, `this.days`, `other.days`.
using Names = std::map<std::string, Named, std::less<>>;
// The columns of a table by name, with `prefix` before each.
Names NamesOf(const Table& table, std::string_view prefix = "", int side = 0);
// For expressions over groups: the column that holds the results of an aggregate; null for others.
using AggregateColumns = std::function<const Column*(const tree::FuncCall&)>;

// Values of one part of an expression, one for each row of the batch. Only what the type needs is
// filled. Where a value is NULL the others are 0, empty or false.
struct Values {
  std::vector<uint8_t> nulls;
  std::vector<uint8_t> truths;          // kBool
  std::vector<int64_t> numbers;         // the rest, but for
  std::vector<std::string_view> texts;  // kText
  std::vector<Decimal> decimals;        // kNumeric with a scale for each value
  std::deque<std::string> made;         // texts that are no word of a column
};

// The kind of computation of a node; the words are PostgreSQL's.
enum class Op : uint8_t {
  kColumn,
  kConstant,
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kDistinct,
  kNotDistinct,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kNegate,
  kRescale,
  kWiden,
  kNarrow,
  kAnd,
  kOr,
  kNot,
  kIsNull,
  kIsNotNull,
  kIsTrue,
  kIsNotTrue,
  kIsFalse,
  kIsNotFalse,
  kCase,
  kCoalesce,
  kNullIf,
  kGreatest,
  kLeast,
  kCountNulls,
  kCountNonNulls,
  kAbs,
  kSign,
  kRound,
  kTruncate,
  kFloor,
  kCeiling,
  kToInteger,
  kMakeDate,
  kAddMonths,
  kDatePart,
  kAgeYears,
  kAgeMonths,
  kLength,
  kLower,
  kUpper,
  kTrim,
  kTrimLeft,
  kTrimRight,
  kLeft,
  kRight,
  kSubstring,
  kConcatenate,
  kStartsWith,
  kPosition,
  kReplace,
  kLike,
  kMatch,
  kHasElement,
  kCountElements,
};

class Machine {
 public:
  // `exact_scales`: the numbers are shown to people, so each keeps the scale that PostgreSQL gives
  // it. Slower; without, only their values are right.
  Machine(bool bytewise_order, bool exact_scales);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // The place of an expression in this machine. UNIMPLEMENTED for what it does not know.
  absl::StatusOr<int> Compile(const tree::Node& expression, const Names& names,
                              const AggregateColumns& aggregates = nullptr);

  // The rows of the next computations: `count` rows, at most kBatch, from `begin` on, or those at
  // `places` of each side.
  void Start(std::size_t begin, std::size_t count);
  void StartPairs(const uint32_t* places, const uint32_t* other_places, std::size_t count);

  // The values for these rows; not for a node that failed.
  const Values& Compute(int node);
  // Whether Compute met a row that only PostgreSQL may judge. Stays so.
  bool failed(int node) const { return nodes_[static_cast<std::size_t>(node)].failed; }

  Type type(int node) const { return nodes_[static_cast<std::size_t>(node)].type; }
  // Whether its numbers are in `decimals`, else in `numbers` at scale(node).
  bool wide(int node) const { return nodes_[static_cast<std::size_t>(node)].wide; }
  int scale(int node) const { return nodes_[static_cast<std::size_t>(node)].scale; }
  // Whether PostgreSQL would print some of its numbers with fewer digits than scale(node).
  bool mixed_scales(int node) const { return nodes_[static_cast<std::size_t>(node)].mixed_scales; }
  // The scale that PostgreSQL would give each value of the batch, at most scale(node).
  void ScalesOf(int node, std::vector<int>& scales);

 private:
  friend class Compiler;

  struct Node {
    Op op = Op::kConstant;
    Type type = Type::kBool;
    int scale = 0;
    bool wide = false;
    // kNumeric: the scales of single values may be shorter than `scale`.
    bool mixed_scales = false;
    std::vector<int> args = {};
    int64_t number = 0;      // a constant; of kRescale the factor; of kDatePart the unit; ...
    std::string text = {};   // a constant; of kMatch and kLike the pattern
    bool null = false;       // a constant NULL
    bool fold_case = false;  // of kMatch and kLike
    Named source = {};       // of kColumn
    // The only column of texts it depends on, or -1: none, or more than that.
    int words_of = -1;
    bool depends_on_rows = false;

    // Of the present computation.
    uint64_t computed_for = 0;
    bool failed = false;
    bool lifted = false;
    Values values = {};
    Values by_word = {};  // of a lifted node: one for each word, then one for NULL
  };

  int Add(Node node);
  static std::string KeyOf(const Node& node);
  // Computes what depends on one column of texts for its words.
  void Lift(int index);
  void GatherLifted(Node& node);
  void ComputeNode(Node& node, int index);
  void LoadColumn(Node& node);
  void FillConstant(Node& node);
  bool ComputeTruth(Node& node, int index);
  bool ComputeInteger(Node& node);
  bool ComputeDecimal(Node& node);
  bool ComputeText(Node& node);
  bool ComputeChoice(Node& node);
  Decimal DecimalAt(const Node& node, std::size_t row) const;
  Node& node(int index) { return nodes_[static_cast<std::size_t>(index)]; }
  const Node& node(int index) const { return nodes_[static_cast<std::size_t>(index)]; }

  const bool bytewise_order_;
  const bool exact_scales_;
  std::deque<Node> nodes_;
  absl::flat_hash_map<std::string, int> places_;
  std::map<int, std::unique_ptr<re2::RE2>> patterns_;  // by node

  uint64_t computation_ = 0;
  std::size_t begin_ = 0;
  std::size_t count_ = 0;
  const uint32_t* chosen_[2] = {nullptr, nullptr};
  int lifting_ = -1;  // the column whose words are the rows
};

}  // namespace edcert::validation_report::columnar
