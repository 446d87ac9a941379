#include "services/validation_report/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "common/fsm/fsm.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/definition.h"
#include "services/validation_report/sql_guard.h"

namespace edcert::validation_report {
namespace {

constexpr std::array kStates = {RuleState::kDraft, RuleState::kActive, RuleState::kInactive,
                                RuleState::kArchived};
static_assert(fsm::UniqueRows(kRuleLifecycle));
static_assert(fsm::AllReachable(kRuleLifecycle, kStates, RuleState::kDraft));
static_assert(fsm::OnlyTerminalsEnd(kRuleLifecycle, kStates, std::array{RuleState::kArchived}));
static_assert(fsm::UsesExactly(kRuleLifecycle, &RuleTransition::action,
                               std::array{RuleAction::kUpdate, RuleAction::kActivate,
                                          RuleAction::kDeactivate, RuleAction::kArchive}));

constexpr std::size_t kMaxExpression = 4000;
constexpr std::size_t kMaxColumns = 16;
constexpr std::string_view kEmptyValue = "(empty)";

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsCode(std::string_view code) {
  return !code.empty() && code.size() <= 32 && std::all_of(code.begin(), code.end(), [](char c) {
    return IsUpper(c) || IsDigit(c) || c == '-';
  });
}

bool IsTag(std::string_view tag) {
  return !tag.empty() && tag.size() <= 63 && std::all_of(tag.begin(), tag.end(), [](char c) {
    return IsLower(c) || IsDigit(c) || c == '-';
  });
}

bool IsIdentifier(std::string_view name) {
  return !name.empty() && name.size() <= 63 && !IsDigit(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return IsLower(c) || IsDigit(c) || c == '_'; });
}

absl::Status CheckLength(std::string_view text, std::string_view field, std::size_t min,
                         std::size_t max) {
  if (text.size() < min) return status::FieldInvalid(field, "required");
  if (text.size() > max) {
    return status::FieldInvalid(field, fmt::format("at most {} characters", max));
  }
  if (text.find('\0') != std::string_view::npos) {
    return status::FieldInvalid(field, "must not hold a NUL character");
  }
  return absl::OkStatus();
}

absl::Status CheckColumns(const std::vector<std::string>& columns, std::string_view field,
                          std::size_t min, std::size_t max) {
  if (columns.size() < min || columns.size() > max) {
    return status::FieldInvalid(field, fmt::format("{} to {} columns", min, max));
  }
  std::set<std::string_view> seen;
  for (const std::string& column : columns) {
    if (!IsIdentifier(column)) {
      return status::FieldInvalid(field, "a column name is not of the form of one");
    }
    if (!seen.insert(column).second) return status::FieldInvalid(field, "a column twice");
  }
  return absl::OkStatus();
}

struct KindChecker {
  const RuleContent& content;

  absl::Status operator()(const std::monostate&) const {
    return status::FieldInvalid("rule.kind", "required");
  }
  absl::Status operator()(const RowRule& row) const {
    return CheckLength(row.expression, "rule.row.expression", 1, kMaxExpression);
  }
  absl::Status operator()(const UniqueRule& unique) const {
    RETURN_IF_ERROR(CheckColumns(unique.columns, "rule.unique.columns", 1, kMaxColumns));
    return CheckLength(unique.condition, "rule.unique.condition", 0, kMaxExpression);
  }
  absl::Status operator()(const ReferenceRule& reference) const {
    if (reference.mode == ReferenceRule::Mode::kUnspecified) {
      return status::FieldInvalid("rule.reference.mode", "required");
    }
    if (reference.dataset == content.dataset()) {
      return status::FieldInvalid("rule.reference.dataset", "must be another than the first");
    }
    RETURN_IF_ERROR(CheckColumns(reference.columns, "rule.reference.columns", 1, kMaxColumns));
    RETURN_IF_ERROR(
        CheckColumns(reference.other_columns, "rule.reference.other_columns", 1, kMaxColumns));
    if (reference.columns.size() != reference.other_columns.size()) {
      return status::FieldInvalid("rule.reference.other_columns", "as many as `columns`");
    }
    return CheckLength(reference.condition, "rule.reference.condition", 0, kMaxExpression);
  }
  absl::Status operator()(const OverlapRule& overlap) const {
    RETURN_IF_ERROR(
        CheckColumns(overlap.partition_columns, "rule.overlap.partition_columns", 1, kMaxColumns));
    RETURN_IF_ERROR(CheckColumns({overlap.from_column}, "rule.overlap.from_column", 1, 1));
    RETURN_IF_ERROR(CheckColumns({overlap.to_column}, "rule.overlap.to_column", 1, 1));
    if (overlap.tolerance_days < 0 || overlap.tolerance_days > 366) {
      return status::FieldInvalid("rule.overlap.tolerance_days", "0 to 366");
    }
    return CheckLength(overlap.condition, "rule.overlap.condition", 0, kMaxExpression);
  }
  absl::Status operator()(const AggregateRule& aggregate) const {
    RETURN_IF_ERROR(
        CheckColumns(aggregate.group_columns, "rule.aggregate.group_columns", 1, kMaxColumns));
    std::vector<std::string> names = aggregate.group_columns;
    for (const AggregateRule::Aggregate& each : aggregate.aggregates) {
      RETURN_IF_ERROR(
          CheckLength(each.expression, "rule.aggregate.aggregates.expression", 1, 1000));
      names.push_back(each.name);
    }
    if (aggregate.aggregates.empty() || aggregate.aggregates.size() > kMaxColumns) {
      return status::FieldInvalid("rule.aggregate.aggregates", "1 to 16");
    }
    RETURN_IF_ERROR(CheckColumns(names, "rule.aggregate.aggregates.name", 1, 2 * kMaxColumns));
    return CheckLength(aggregate.expression, "rule.aggregate.expression", 1, kMaxExpression);
  }
  absl::Status operator()(const QueryRule& query) const {
    return CheckLength(query.sql, "rule.query.sql", 1, kMaxSqlBytes);
  }
};

absl::Status CheckTags(const std::vector<std::string>& tags) {
  if (tags.size() > 20) return status::FieldInvalid("rule.tags", "at most 20");
  std::set<std::string_view> seen;
  for (const std::string& tag : tags) {
    if (!IsTag(tag)) {
      return status::FieldInvalid("rule.tags", "1 to 63 lower-case letters, digits and hyphens");
    }
    if (!seen.insert(tag).second) return status::FieldInvalid("rule.tags", "a tag twice");
  }
  return absl::OkStatus();
}

absl::Status CheckParameters(const std::vector<Parameter>& parameters) {
  if (parameters.size() > 20) return status::FieldInvalid("rule.parameters", "at most 20");
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& parameter = parameters[i];
    const std::string field = fmt::format("rule.parameters[{}]", i);
    if (!IsIdentifier(parameter.name)) {
      return status::FieldInvalid(field + ".name", "is not of the form of one");
    }
    if (!seen.insert(parameter.name).second) {
      return status::FieldInvalid(field + ".name", "a name twice");
    }
    if (parameter.type == ParameterType::kUnspecified) {
      return status::FieldInvalid(field + ".type", "required");
    }
    RETURN_IF_ERROR(CheckLength(parameter.description, field + ".description", 0, 1000));
    if (!IsValueOf(parameter.type, parameter.default_value)) {
      return status::FieldInvalid(field + ".default_value", "is no value of the type");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFixture(const RuleContent& content, const Fixture& fixture, std::size_t index) {
  const std::string field = fmt::format("rule.fixtures[{}]", index);
  RETURN_IF_ERROR(CheckLength(fixture.title, field + ".title", 0, 200));
  if (fixture.rows.empty() || fixture.rows.size() > 100) {
    return status::FieldInvalid(field + ".rows", "1 to 100");
  }
  for (const Fixture::Row& row : fixture.rows) {
    if (std::find(content.datasets.begin(), content.datasets.end(), row.dataset) ==
        content.datasets.end()) {
      return status::FieldInvalid(field + ".rows.dataset", "must be one of the rule's");
    }
    if (row.must_fire && row.dataset != content.dataset()) {
      return status::FieldInvalid(field + ".rows.must_fire", "only for the first dataset");
    }
    if (row.values.empty() || row.values.size() > 200) {
      return status::FieldInvalid(field + ".rows.values", "1 to 200");
    }
    for (const auto& [column, value] : row.values) {
      RETURN_IF_ERROR(CheckLength(value, field + ".rows.values", 0, 4000));
    }
  }
  return absl::OkStatus();
}

// Calls `text` for each stretch of plain text and `column` for each `{column}`.
template <typename OnText, typename OnColumn>
void ScanMessage(std::string_view message, OnText text, OnColumn column) {
  while (!message.empty()) {
    const std::size_t open = message.find('{');
    const std::size_t close = open == std::string_view::npos ? open : message.find('}', open);
    if (close == std::string_view::npos) break;
    const std::string_view name = message.substr(open + 1, close - open - 1);
    if (IsIdentifier(name)) {
      text(message.substr(0, open));
      column(name);
      message.remove_prefix(close + 1);
    } else {
      text(message.substr(0, open + 1));
      message.remove_prefix(open + 1);
    }
  }
  text(message);
}

}  // namespace

std::string_view ToString(Severity severity) {
  static constexpr std::array<std::string_view, 5> kNames = {"UNSPECIFIED", "INFO", "WARNING",
                                                             "SPECIAL_WARNING", "FATAL"};
  return kNames[static_cast<std::size_t>(severity)];
}

absl::StatusOr<RuleState> Next(const Rule& rule, RuleAction action) {
  const RuleTransition* step =
      fsm::FindRow(kRuleLifecycle, rule.state, action, [&rule](const RuleTransition& row) {
        return row.guard == VersionGuard::kNone || rule.version != rule.active_version;
      });
  if (step != nullptr) return step->to;
  const auto word = [](RuleAction allowed) { return kRuleActionText.Of(allowed); };
  std::vector<RuleAction> allowed = fsm::AllowedActions(kRuleLifecycle, rule.state);
  // Of the one version there is nothing else to activate.
  if (rule.state == RuleState::kActive && rule.newest_version == 1) {
    std::erase(allowed, RuleAction::kActivate);
  }
  return status::TransitionNotAllowed(rule.name(), kRuleStateText.Of(rule.state), word(action),
                                      fsm::Join(allowed, word));
}

bool IsActivatedBy(const Rule& rule, std::string_view user, int people) {
  if (people <= 1) return true;
  return rule.pending.has_value() && rule.pending->version == rule.version &&
         rule.pending->user != user;
}

absl::Status CheckContent(const RuleContent& content) {
  if (!IsCode(content.code)) {
    return status::FieldInvalid("rule.code", "1 to 32 capital letters, digits and hyphens");
  }
  RETURN_IF_ERROR(CheckLength(content.title, "rule.title", 1, 200));
  RETURN_IF_ERROR(CheckLength(content.meaning, "rule.meaning", 1, 4000));
  if (content.severity == Severity::kUnspecified) {
    return status::FieldInvalid("rule.severity", "required");
  }
  RETURN_IF_ERROR(CheckLength(content.message, "rule.message", 1, 1000));
  RETURN_IF_ERROR(CheckLength(content.suggested_fix, "rule.suggested_fix", 0, 2000));
  RETURN_IF_ERROR(CheckLength(content.source, "rule.source", 0, 500));
  RETURN_IF_ERROR(CheckColumns(content.fields, "rule.fields", 0, 20));
  RETURN_IF_ERROR(CheckTags(content.tags));
  RETURN_IF_ERROR(CheckParameters(content.parameters));
  if (content.datasets.empty() || content.datasets.size() > 8) {
    return status::FieldInvalid("rule.datasets", "1 to 8");
  }
  if (std::set<std::string>(content.datasets.begin(), content.datasets.end()).size() !=
      content.datasets.size()) {
    return status::FieldInvalid("rule.datasets", "a dataset twice");
  }
  if (IsLastYear(content.dataset())) {
    return status::FieldInvalid("rule.datasets", "the first must be of this year");
  }
  RETURN_IF_ERROR(std::visit(KindChecker{content}, content.kind));
  if (content.fixtures.size() > 50) return status::FieldInvalid("rule.fixtures", "at most 50");
  for (std::size_t i = 0; i < content.fixtures.size(); ++i) {
    RETURN_IF_ERROR(CheckFixture(content, content.fixtures[i], i));
  }
  return absl::OkStatus();
}

std::string ValuesInWords(const RuleContent& content, const ValuesByName& values) {
  std::string words;
  for (const Parameter& parameter : content.parameters) {
    const auto value = values.find(parameter.name);
    words += fmt::format("{} {} = {}", words.empty() ? " With" : ",", parameter.name,
                         value == values.end() ? parameter.default_value : value->second);
  }
  return words.empty() ? words : words + ".";
}

std::vector<std::string> ColumnsOfMessage(std::string_view message) {
  std::vector<std::string> columns;
  ScanMessage(
      message, [](std::string_view) {},
      [&](std::string_view name) {
        if (std::find(columns.begin(), columns.end(), name) == columns.end()) {
          columns.emplace_back(name);
        }
      });
  return columns;
}

std::string FillMessage(std::string_view message,
                        const std::map<std::string, std::string>& values) {
  std::string out;
  ScanMessage(
      message, [&](std::string_view text) { out += text; },
      [&](std::string_view name) {
        const auto it = values.find(std::string(name));
        out += it == values.end() || it->second.empty() ? kEmptyValue : it->second;
      });
  return out;
}

}  // namespace edcert::validation_report
