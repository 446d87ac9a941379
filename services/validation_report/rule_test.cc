// The tables of states, severity schedules and parameters, without a database.
#include "services/validation_report/rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>

#include "common/status/error.h"
#include "services/validation_report/rule_compiler.h"
#include "services/validation_report/rule_group.h"
#include "services/validation_report/sql_guard.h"

namespace edcert::validation_report {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::array kStates = {RuleState::kDraft, RuleState::kActive, RuleState::kInactive,
                                RuleState::kArchived};
constexpr std::array kActions = {RuleAction::kUpdate, RuleAction::kActivate,
                                 RuleAction::kDeactivate, RuleAction::kArchive};

// Every state, action and version against a list written by hand.
TEST(RuleLifecycle, AllowsThisAndNothingElse) {
  using S = RuleState;
  using A = RuleAction;
  // Whether the version is the one in use; of a draft there is none.
  const std::map<std::tuple<S, A, bool>, S> expected = {
      {{S::kDraft, A::kUpdate, false}, S::kDraft},
      {{S::kDraft, A::kActivate, false}, S::kActive},
      {{S::kDraft, A::kArchive, false}, S::kArchived},
      {{S::kActive, A::kUpdate, false}, S::kActive},
      {{S::kActive, A::kUpdate, true}, S::kActive},
      {{S::kActive, A::kActivate, false}, S::kActive},
      {{S::kActive, A::kDeactivate, false}, S::kInactive},
      {{S::kActive, A::kDeactivate, true}, S::kInactive},
      {{S::kActive, A::kArchive, false}, S::kArchived},
      {{S::kActive, A::kArchive, true}, S::kArchived},
      {{S::kInactive, A::kUpdate, false}, S::kInactive},
      {{S::kInactive, A::kUpdate, true}, S::kInactive},
      {{S::kInactive, A::kActivate, false}, S::kActive},
      {{S::kInactive, A::kActivate, true}, S::kActive},
      {{S::kInactive, A::kArchive, false}, S::kArchived},
      {{S::kInactive, A::kArchive, true}, S::kArchived},
  };
  for (const RuleState state : kStates) {
    for (const RuleAction action : kActions) {
      for (const bool in_use : {false, true}) {
        if (state == S::kDraft && in_use) continue;
        Rule rule;
        rule.state = state;
        rule.newest_version = 2;
        rule.active_version = state == S::kDraft ? 0 : 1;
        rule.version = in_use ? 1 : 2;
        const absl::StatusOr<RuleState> next = Next(rule, action);
        const auto it = expected.find({state, action, in_use});
        const std::string where = std::string(kRuleStateText.Of(state)) + " " +
                                  std::string(kRuleActionText.Of(action)) +
                                  (in_use ? " in use" : "");
        EXPECT_EQ(next.ok(), it != expected.end()) << where;
        if (next.ok() && it != expected.end()) {
          EXPECT_EQ(*next, it->second) << where;
        }
      }
    }
  }
}

TEST(RuleLifecycle, TwoPeopleAreTwo) {
  Rule rule;
  EXPECT_TRUE(IsActivatedBy(rule, "users/a", 1));
  EXPECT_FALSE(IsActivatedBy(rule, "users/a", 2));
  rule.pending = {1, "users/a", {}};
  EXPECT_FALSE(IsActivatedBy(rule, "users/a", 2));
  EXPECT_TRUE(IsActivatedBy(rule, "users/b", 2));
  rule.version = 2;
  EXPECT_FALSE(IsActivatedBy(rule, "users/b", 2));
}

TEST(GroupLifecycle, AllowsThisAndNothingElse) {
  RuleGroup group{.version = 1, .active_version = 0, .newest_version = 1};
  EXPECT_EQ(*Next(group, GroupAction::kUpdate), GroupState::kDraft);
  EXPECT_EQ(*Next(group, GroupAction::kActivate), GroupState::kActive);
  EXPECT_EQ(status::MetadataOf(Next(group, GroupAction::kDeactivate).status(), "allowed"),
            "UPDATE, ACTIVATE");
  group.state = GroupState::kActive;
  group.active_version = 1;
  EXPECT_EQ(*Next(group, GroupAction::kUpdate), GroupState::kActive);
  EXPECT_EQ(status::MetadataOf(Next(group, GroupAction::kActivate).status(), "allowed"),
            "UPDATE, DEACTIVATE");
  group.newest_version = 2;
  EXPECT_EQ(status::MetadataOf(Next(group, GroupAction::kActivate).status(), "allowed"),
            "UPDATE, ACTIVATE, DEACTIVATE");
  group.version = 2;
  EXPECT_EQ(*Next(group, GroupAction::kActivate), GroupState::kActive);
  EXPECT_EQ(*Next(group, GroupAction::kDeactivate), GroupState::kInactive);
  group.state = GroupState::kInactive;
  group.active_version = 2;
  EXPECT_EQ(*Next(group, GroupAction::kUpdate), GroupState::kInactive);
  EXPECT_EQ(*Next(group, GroupAction::kActivate), GroupState::kActive);
  EXPECT_EQ(status::MetadataOf(Next(group, GroupAction::kDeactivate).status(), "allowed"),
            "UPDATE, ACTIVATE");
}

TEST(RuleGroup, RunsWhatItRanWhenTheEventWasPublished) {
  const absl::Time then = absl::FromUnixSeconds(1'000'000);
  RuleGroup group{.was_active = true, .state = GroupState::kActive};
  EXPECT_TRUE(IsRunnable(group, std::nullopt));
  EXPECT_TRUE(IsRunnable(group, then));
  group.was_active = false;  // a version that waits
  EXPECT_FALSE(IsRunnable(group, then));
  group.was_active = true;
  group.state = GroupState::kInactive;
  group.deactivate_time = then;
  EXPECT_FALSE(IsRunnable(group, std::nullopt));
  EXPECT_TRUE(IsRunnable(group, then - absl::Seconds(1)));
  EXPECT_FALSE(IsRunnable(group, then + absl::Seconds(1)));
  group.was_active = false;
  EXPECT_FALSE(IsRunnable(group, then - absl::Seconds(1)));
}

TEST(SeveritySchedule, CountsBothEnds) {
  const absl::CivilDay day(2025, 12, 13);
  const GroupMember member{.rule = "r",
                           .version = 1,
                           .severity = Severity::kFatal,
                           .schedule = {{day, day + 8, Severity::kWarning, "late"},
                                        {day + 9, day + 9, Severity::kFatal, "as ever"},
                                        {day + 20, day + 20, Severity::kInfo, "a day"}}};
  EXPECT_EQ(SeverityOn(member, std::nullopt), Severity::kFatal);
  EXPECT_EQ(SeverityOn(member, day - 1), Severity::kFatal);
  EXPECT_EQ(SeverityOn(member, day), Severity::kWarning);
  EXPECT_EQ(SeverityOn(member, day + 8), Severity::kWarning);
  EXPECT_EQ(SeverityOn(member, day + 9), Severity::kFatal);
  EXPECT_THAT(SeverityChangesOf({member, {.rule = "s", .severity = Severity::kInfo}}),
              ElementsAre(day, day + 9, day + 20, day + 21));
}

TEST(SeveritySchedule, SaysWhatIsFatalAgain) {
  const absl::CivilDay day(2025, 12, 13);
  const auto again = [&](const std::vector<GroupMember>& former, const GroupMember& now) {
    std::vector<absl::CivilDay> days;
    for (const FatalAgain& each : FatalAgainOf(former, {now}, day)) days.push_back(each.from);
    return days;
  };
  const GroupMember fatal{.rule = "r", .severity = Severity::kFatal};
  const GroupMember warning{.rule = "r", .severity = Severity::kWarning};
  GroupMember lowered = fatal;
  lowered.schedule = {{day - 3, day + 8, Severity::kWarning, "late"}};
  EXPECT_THAT(again({warning}, fatal), ElementsAre(day));
  EXPECT_THAT(again({lowered}, fatal), ElementsAre(day));
  EXPECT_THAT(again({fatal}, fatal), ElementsAre());
  EXPECT_THAT(again({fatal}, warning), ElementsAre());
  EXPECT_THAT(again({}, fatal), ElementsAre());  // nobody knew it
  EXPECT_THAT(again({{.rule = "s", .severity = Severity::kWarning}}, fatal), ElementsAre());
  EXPECT_THAT(again({fatal}, lowered), ElementsAre(day + 9));
  EXPECT_THAT(again({lowered}, lowered), ElementsAre(day + 9));
  lowered.schedule[0] = {day + 2, day + 2, Severity::kInfo, "a day"};
  EXPECT_THAT(again({warning}, lowered), ElementsAre(day));
  EXPECT_THAT(again({}, lowered), ElementsAre(day + 3));
  lowered.schedule[0] = {day - 9, day - 1, Severity::kInfo, "over"};
  EXPECT_THAT(again({fatal}, lowered), ElementsAre());
}

TEST(Parameter, HasValuesOfItsType) {
  using T = ParameterType;
  for (const auto& [type, good, bad] :
       std::vector<std::tuple<T, std::vector<std::string>, std::vector<std::string>>>{
           {T::kInt64,
            {"0", "-5", "9223372036854775807", "-9223372036854775808", "2147483648"},
            {"", "1.5", "9223372036854775808", "1e3", " 1", "+1", "1;", "--1", "0x1"}},
           {T::kDecimal,
            {"0", "0.25", "-12.50", "12345678901234567890123456789.5"},
            {"", ".", ".5", "5.", "1e3", "NaN", "Infinity", "- 1", "1.2.3", "--1"}},
           {T::kDate,
            {"2025-09-01", "2024-02-29"},
            {"", "today", "2025-9-1", "2025-02-29", "1899-12-31", "2201-01-01", "2025-09-01 "}},
           {T::kBool, {"true", "false"}, {"", "TRUE", "t", "1", "null"}},
           {T::kText,
            {"", "it's", "a\\b", "\"x\"", "); DROP TABLE x --", "Zo\xc3\xab"},
            {"a\nb", std::string("a\0b", 3), "\xff", std::string(1001, 'x')}},
           {T::kUnspecified, {}, {"", "1"}}}) {
    for (const std::string& text : good) EXPECT_TRUE(IsValueOf(type, text)) << text;
    for (const std::string& text : bad) EXPECT_FALSE(IsValueOf(type, text)) << text;
  }
}

// What an expression becomes with one value of `x`.
std::string With(const std::string& expression, ParameterType type, const std::string& value) {
  Parameters parameters{.values = {{"x", {type, value}}}, .used = {}};
  const absl::StatusOr<std::string> checked =
      CheckExpression(expression, {"fte", "name", "day", "active"}, &parameters);
  return checked.ok() ? *checked : "refused: " + RefusalOf(checked.status()).what;
}

TEST(Parameter, BecomesALiteral) {
  using T = ParameterType;
  EXPECT_EQ(With("fte > parameter.x", T::kInt64, "5"), "fte > 5");
  EXPECT_EQ(With("fte - parameter.x > 0", T::kInt64, "-5"), "(fte - -5) > 0");
  EXPECT_EQ(With("fte > parameter.x::numeric", T::kInt64, "-5"), "fte > '-5'::int4::numeric");
  EXPECT_EQ(With("fte > parameter.x::numeric", T::kInt64, "5"), "fte > 5::numeric");
  EXPECT_EQ(With("fte > parameter.x", T::kInt64, "9223372036854775807"),
            "fte > 9223372036854775807");
  EXPECT_EQ(With("fte > parameter.x", T::kInt64, "-2147483648"), "fte > -2147483648");
  EXPECT_EQ(With("fte > parameter.x", T::kInt64, "-9223372036854775808"),
            "fte > -9223372036854775808");
  EXPECT_EQ(With("fte > parameter.x", T::kDecimal, "5"), "fte > 5.0");
  EXPECT_EQ(With("fte > parameter.x", T::kDecimal, "-0.25"), "fte > -0.25");
  EXPECT_EQ(With("fte > parameter.x::int8", T::kDecimal, "-0.25"), "fte > '-0.25'::numeric::int8");
  EXPECT_EQ(With("day < parameter.x", T::kDate, "2025-09-01"), "day < '2025-09-01'::date");
  EXPECT_EQ(With("active = parameter.x", T::kBool, "true"), "active = true");
  EXPECT_EQ(With("NOT parameter.x", T::kBool, "false"), "NOT false");
  EXPECT_EQ(With("name = parameter.x", T::kText, "it's"), "name = 'it''s'::text");
  EXPECT_EQ(With("name = parameter.x", T::kText, "a\\' OR true --"),
            "name = E'a\\\\'' OR true --'::text");
  EXPECT_EQ(With("name ~ parameter.x", T::kText, "^[a-z]+$"), "name ~ '^[a-z]+$'::text");
  EXPECT_EQ(With("name IN ('a', parameter.x)", T::kText, "b"), "name IN ('a', 'b'::text)");
}

TEST(Parameter, IsRefusedWhereItsValueWouldBe) {
  using T = ParameterType;
  EXPECT_THAT(With("name ~ parameter.x", T::kText, "(a)\\1"), HasSubstr("a pattern that refers"));
  EXPECT_THAT(With("day < parameter.x::date", T::kText, "today"), HasSubstr("refused"));
  EXPECT_THAT(With("name = parameter.x", T::kText, "today"), HasSubstr("depends on the day"));
  EXPECT_THAT(With("lpad(name, parameter.x) = ''", T::kInt64, "1000000"), HasSubstr("a length"));
  EXPECT_THAT(With("fte > parameter.y", T::kInt64, "1"), HasSubstr("an unknown parameter y"));
  EXPECT_THAT(With("fte > parameter.x.y", T::kInt64, "1"), HasSubstr("a name with a schema"));
  EXPECT_THAT(With("fte > parameter", T::kInt64, "1"), HasSubstr("an unknown column parameter"));
  EXPECT_THAT(With("parameter.x(fte) > 1", T::kInt64, "1"), HasSubstr("a function with a schema"));
  EXPECT_THAT(With("name = '' COLLATE parameter.x", T::kText, "C"), HasSubstr("COLLATE"));
  // Its place is that of the name.
  Parameters none;
  EXPECT_EQ(RefusalOf(CheckExpression("fte > parameter.y", {"fte"}, &none).status()).position, 7);
  const auto query = CheckQuery("SELECT parameter.record_key FROM enrollment AS parameter",
                                {{"enrollment", {"record_key"}}});
  EXPECT_THAT(RefusalOf(query.status()).what, HasSubstr("parameter"));
}

TEST(Parameter, OfARuleIsCompiledIn) {
  const Definitions definitions = {
      {"enrollment",
       {"enrollment", {{"fte", ColumnType::kDecimal}, {"school_id", ColumnType::kString}}, ""}}};
  RuleContent content;
  content.datasets = {"enrollment"};
  content.message = "bad";
  content.parameters = {{"most", ParameterType::kDecimal, "", "1"}};
  content.kind = RowRule{"fte > parameter.most"};
  EXPECT_EQ(CompileRule("r", 1, content, definitions)->expression, "fte > 1.0");
  EXPECT_EQ(CompileRule("r", 1, content, definitions, {{"most", "2.5"}})->expression, "fte > 2.5");
  EXPECT_FALSE(CompileRule("r", 1, content, definitions, {{"most", "x"}}).ok());
  EXPECT_FALSE(CompileRule("r", 1, content, definitions, {{"least", "1"}}).ok());
  content.kind = AggregateRule{{"school_id"}, {{"heads", "count(*)"}}, "heads > parameter.most"};
  EXPECT_EQ(CompileRule("r", 1, content, definitions)->expression, "heads > 1.0");
  content.kind = RowRule{"fte > 1"};
  EXPECT_THAT(std::string(CompileRule("r", 1, content, definitions).status().message()),
              HasSubstr("parameters[0].name"));
  EXPECT_EQ(ValuesInWords(content, {}), " With most = 1.");
}

}  // namespace
}  // namespace edcert::validation_report
