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
#include "services/validation_report/sql_parameter.h"

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
  std::string condition = {};
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

// A value that expressions use as parameter.<name>, and that a group may set.
struct Parameter {
  std::string name;
  ParameterType type = ParameterType::kUnspecified;
  std::string description;
  std::string default_value;
};
// Values as text, by the names of parameters.
using ValuesByName = std::map<std::string, std::string>;

// A small set of rows, alone in the world, and which of them the rule must find.
struct Fixture {
  struct Row {
    std::string dataset;  // id; never empty
    std::map<std::string, std::string> values;
    bool must_fire = false;
  };
  std::string title;
  std::vector<Row> rows;
  ValuesByName parameter_values = {};
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
  std::vector<std::string> tags;
  std::vector<Parameter> parameters;
  std::vector<Fixture> fixtures;
  RuleKind kind;

  const std::string& dataset() const { return datasets.front(); }
};

enum class RuleState { kDraft = 1, kActive = 2, kInactive = 3, kArchived = 4 };
inline constexpr EnumText<RuleState, 4> kRuleStateText{"state of a rule",
                                                       {"DRAFT", "ACTIVE", "INACTIVE", "ARCHIVED"}};

enum class RuleAction { kUpdate = 1, kActivate = 2, kDeactivate = 3, kArchive = 4 };
inline constexpr EnumText<RuleAction, 4> kRuleActionText{
    "action on a rule", {"UPDATE", "ACTIVATE", "DEACTIVATE", "ARCHIVE"}};

// What a step of a rule or group needs besides the state.
enum class VersionGuard {
  kNone,
  kOther,  // the version that is asked for is not the one in use
};

struct RuleTransition {
  using Action = RuleAction;
  RuleState from;
  RuleAction action;
  VersionGuard guard;
  RuleState to;
};

// The whole life of a rule. What is not here is refused. To write a version changes no state.
// clang-format off
inline constexpr std::array kRuleLifecycle = {
  RuleTransition{RuleState::kDraft,    RuleAction::kUpdate,     VersionGuard::kNone,  RuleState::kDraft},
  RuleTransition{RuleState::kDraft,    RuleAction::kActivate,   VersionGuard::kNone,  RuleState::kActive},
  RuleTransition{RuleState::kDraft,    RuleAction::kArchive,    VersionGuard::kNone,  RuleState::kArchived},
  RuleTransition{RuleState::kActive,   RuleAction::kUpdate,     VersionGuard::kNone,  RuleState::kActive},
  RuleTransition{RuleState::kActive,   RuleAction::kActivate,   VersionGuard::kOther, RuleState::kActive},
  RuleTransition{RuleState::kActive,   RuleAction::kDeactivate, VersionGuard::kNone,  RuleState::kInactive},
  RuleTransition{RuleState::kActive,   RuleAction::kArchive,    VersionGuard::kNone,  RuleState::kArchived},
  RuleTransition{RuleState::kInactive, RuleAction::kUpdate,     VersionGuard::kNone,  RuleState::kInactive},
  RuleTransition{RuleState::kInactive, RuleAction::kActivate,   VersionGuard::kNone,  RuleState::kActive},
  RuleTransition{RuleState::kInactive, RuleAction::kArchive,    VersionGuard::kNone,  RuleState::kArchived},
};
// clang-format on

// That a version be activated, while a second person is awaited.
struct PendingActivation {
  int version = 0;
  std::string user;  // resource name
  absl::Time time;
};

struct Rule {
  std::string id;
  RuleState state = RuleState::kDraft;
  int version = 1;         // of the content
  int active_version = 0;  // in use, or last in use; 0 while it is a draft
  int newest_version = 1;
  std::string author;  // of the version; resource name
  std::optional<PendingActivation> pending;
  std::string etag;
  absl::Time create_time;
  absl::Time update_time;
  RuleContent content;

  std::string name() const { return "rules/" + id; }
};

// The state after an action; TRANSITION_NOT_ALLOWED when the table has no such step. To activate
// means the version of the content.
absl::StatusOr<RuleState> Next(const Rule& rule, RuleAction action);

// Whether an activation takes effect when this user asks for the version of the content, where so
// many people are needed.
bool IsActivatedBy(const Rule& rule, std::string_view user, int people);

// FIELD_INVALID for the first field that breaks its rule. Says nothing about columns and SQL: those
// are checked by CompileRule. Names of fields start with `rule.`.
absl::Status CheckContent(const RuleContent& content);

// " With oldest = 22, from = 2025-09-01.": the values of the parameters, `values` or the defaults;
// empty when there are none.
std::string ValuesInWords(const RuleContent& content, const ValuesByName& values);

// The columns that `{...}` of a message names, each once, in their order.
std::vector<std::string> ColumnsOfMessage(std::string_view message);

// The message with the values filled in; a column without a value reads "(empty)". Braces around
// what is no name stay as they are.
std::string FillMessage(std::string_view message, const std::map<std::string, std::string>& values);

}  // namespace edcert::validation_report
