#include "services/validation_report/root_cause.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace edcert::validation_report {
namespace {

using Cause = std::map<std::string, std::string>;

std::string_view ValueOf(const Finding& finding, const std::string& field) {
  const auto it = finding.fields.find(field);
  return it == finding.fields.end() ? std::string_view() : it->second;
}

// The columns whose values name the record that a finding lacks; empty when the rule demands none,
// or does not show them.
std::vector<std::string> KeyOf(const RuleContent& rule) {
  const auto* reference = std::get_if<ReferenceRule>(&rule.kind);
  if (reference == nullptr || reference->mode != ReferenceRule::Mode::kMustExist) return {};
  for (const std::string& column : reference->columns) {
    if (std::find(rule.fields.begin(), rule.fields.end(), column) == rule.fields.end()) return {};
  }
  return reference->columns;
}

// The most frequent value of a field, and how many of the findings have it.
struct Frequent {
  std::string field;
  std::string value;
  int64_t count = 0;
};

Frequent MostFrequent(const std::vector<Finding>& findings, const std::string& field) {
  std::map<std::string_view, int64_t> counts;
  for (const Finding& finding : findings) ++counts[ValueOf(finding, field)];
  Frequent most{.field = field};
  for (const auto& [value, count] : counts) {
    if (count > most.count) most = {field, std::string(value), count};
  }
  return most;
}

// The values that more than half of the findings have together: the most frequent first, each
// further one as long as it leaves more than half.
Cause CommonCause(const RuleContent& rule, const std::vector<Finding>& findings) {
  const auto is_most = [&](int64_t count) {
    return count > 1 && 2 * count > static_cast<int64_t>(findings.size());
  };
  std::vector<Frequent> candidates;
  for (const std::string& field : rule.fields) {
    Frequent most = MostFrequent(findings, field);
    if (is_most(most.count)) candidates.push_back(std::move(most));
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Frequent& a, const Frequent& b) { return a.count > b.count; });
  Cause cause;
  std::vector<const Finding*> left;
  for (const Finding& finding : findings) left.push_back(&finding);
  for (const Frequent& candidate : candidates) {
    std::vector<const Finding*> with;
    std::copy_if(left.begin(), left.end(), std::back_inserter(with), [&](const Finding* finding) {
      return ValueOf(*finding, candidate.field) == candidate.value;
    });
    if (!is_most(static_cast<int64_t>(with.size()))) continue;
    left = std::move(with);
    cause[candidate.field] = candidate.value;
  }
  return cause;
}

std::string Describe(const RuleContent& rule, const Cause& cause, bool lacks) {
  if (cause.empty()) return "no common cause";
  std::string values;
  for (const auto& [column, value] : cause) {
    values += fmt::format("{}{} = {}", values.empty() ? "" : ", ", column,
                          value.empty() ? "(empty)" : value);
  }
  if (!lacks) return values;
  return fmt::format("no matching record in datasets/{}: {}",
                     std::get<ReferenceRule>(rule.kind).dataset, values);
}

std::string IdOf(std::string_view code, std::string_view organization, const Cause& cause) {
  std::vector<std::string> parts;
  for (const auto& [column, value] : cause) {
    parts.push_back(column);
    parts.push_back(value);
  }
  return FingerprintOf(code, organization, "cause", parts).substr(0, kGroupIdSize);
}

}  // namespace

void GroupByCause(const RuleContent& rule, std::string_view organization, RuleResult& result) {
  if (result.outcome == Outcome::kError) {
    result.groups.push_back({.id = IdOf(rule.code, organization, {{"", "ERROR"}}),
                             .description = "the rule " + result.error});
  }
  const std::vector<std::string> key = KeyOf(rule);
  const Cause common = key.empty() ? CommonCause(rule, result.stored) : Cause();
  std::map<Cause, std::vector<Finding*>> members;
  for (Finding& finding : result.stored) {
    Cause cause;
    for (const std::string& column : key) cause[column] = ValueOf(finding, column);
    const bool has_common =
        key.empty() && std::all_of(common.begin(), common.end(), [&](const auto& each) {
          return ValueOf(finding, each.first) == each.second;
        });
    members[has_common ? common : std::move(cause)].push_back(&finding);
  }
  std::vector<const std::pair<const Cause, std::vector<Finding*>>*> order;
  for (const auto& each : members) order.push_back(&each);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return a->second.size() > b->second.size();
  });
  for (const auto* each : order) {
    for (Finding* finding : each->second) finding->group = result.groups.size();
    result.groups.push_back({.id = IdOf(rule.code, organization, each->first),
                             .cause = each->first,
                             .description = Describe(rule, each->first, !key.empty()),
                             .size = static_cast<int64_t>(each->second.size())});
  }
}

}  // namespace edcert::validation_report
