// Rules as the service thinks of them: data that says what is wrong with a record.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/validation_report/enum_text.h"

namespace edcert::validation_report {

// Ordered: a greater one is graver.
enum class Severity { kUnspecified = 0, kInfo = 1, kWarning = 2, kSpecialWarning = 3, kFatal = 4 };
inline constexpr int kSeverityCount = 4;
// FATAL, SPECIAL_WARNING, ...: as in the database.
std::string_view ToString(Severity severity);

// How a rule finds bad records; see the messages of the same names in the proto.
struct RowRule {
  std::string expression;
};
struct UniqueRule {
  std::vector<std::string> columns;
  std::string condition;
};
struct ReferenceRule {
  enum class Mode { kUnspecified, kMustExist, kMustNotExist };
  std::string dataset;  // id
  std::vector<std::string> columns;
  std::vector<std::string> other_columns;
  std::string condition;
  Mode mode = Mode::kUnspecified;
};
struct OverlapRule {
  std::vector<std::string> partition_columns;
  std::string from_column;
  std::string to_column;
  int tolerance_days = 0;
};
struct AggregateRule {
  struct Aggregate {
    std::string name;
    std::string expression;
  };
  std::vector<std::string> group_columns;
  std::vector<Aggregate> aggregates;
  std::string expression;
};
struct QueryRule {
  std::string sql;
};
using RuleKind = std::variant<std::monostate, RowRule, UniqueRule, ReferenceRule, OverlapRule,
                              AggregateRule, QueryRule>;

// A small set of rows, alone in the world, and which of them the rule must find.
struct Fixture {
  struct Row {
    std::string dataset;  // id; never empty
    std::map<std::string, std::string> values;
    bool must_fire = false;
  };
  std::string title;
  std::vector<Row> rows;
};

// What an author writes. Immutable once stored: a change makes the next version.
struct RuleContent {
  std::string code;
  std::string title;
  std::string meaning;
  Severity severity = Severity::kUnspecified;
  std::vector<std::string> datasets;  // ids; the first is judged
  std::string message;
  std::string suggested_fix;
  std::vector<std::string> fields;
  std::string source;
  std::vector<Fixture> fixtures;
  RuleKind kind;

  const std::string& dataset() const { return datasets.front(); }
};

enum class RuleState { kDraft = 1, kActive = 2, kInactive = 3, kArchived = 4 };
inline constexpr EnumText<RuleState, 4> kRuleStateText{"state of a rule",
                                                       {"DRAFT", "ACTIVE", "INACTIVE", "ARCHIVED"}};

enum class RuleAction { kActivate = 1, kArchive = 2 };
inline constexpr EnumText<RuleAction, 2> kRuleActionText{"action on a rule",
                                                         {"ACTIVATE", "ARCHIVE"}};

struct RuleTransition {
  using Action = RuleAction;
  RuleState from;
  RuleAction action;
  RuleState to;
};

// The whole life of a rule; nothing leads to INACTIVE yet. What is not here is refused.
// clang-format off
inline constexpr std::array kRuleLifecycle = {
  RuleTransition{RuleState::kDraft,  RuleAction::kActivate, RuleState::kActive},
  RuleTransition{RuleState::kDraft,  RuleAction::kArchive,  RuleState::kArchived},
  RuleTransition{RuleState::kActive, RuleAction::kArchive,  RuleState::kArchived},
};
// clang-format on

struct Rule {
  std::string id;
  RuleState state = RuleState::kDraft;
  int version = 1;
  std::string etag;
  absl::Time create_time;
  absl::Time update_time;
  RuleContent content;

  std::string name() const { return "rules/" + id; }
};

// The state after an action; TRANSITION_NOT_ALLOWED when the table has no such step.
absl::StatusOr<RuleState> Next(const Rule& rule, RuleAction action);

// FIELD_INVALID for the first field that breaks its rule. Says nothing about columns and SQL: those
// are checked by CompileRule. Names of fields start with `rule.`.
absl::Status CheckContent(const RuleContent& content);

// The columns that `{...}` of a message names, each once, in their order.
std::vector<std::string> ColumnsOfMessage(std::string_view message);

// The message with the values filled in; a column without a value reads "(empty)". Braces around
// what is no name stay as they are.
std::string FillMessage(std::string_view message, const std::map<std::string, std::string>& values);

}  // namespace edcert::validation_report
