#include "services/validation_report/finding_chain.h"

#include <algorithm>
#include <string_view>

#include "absl/container/flat_hash_set.h"

namespace edcert::validation_report {
namespace {

bool HasSameVersions(const Report& report, const FindingChain& chain) {
  return report.rule_group_version == chain.rule_group_version &&
         report.last_year.snapshot == chain.last_year &&
         std::equal(report.data_versions.begin(), report.data_versions.end(),
                    chain.data_versions.begin(), chain.data_versions.end(),
                    [](const ReportDataVersion& a, const ReportDataVersion& b) {
                      return a.dataset == b.dataset && a.version == b.version;
                    });
}

// Some dataset went back and none forward.
bool IsOlder(const Report& report, const FindingChain& chain) {
  bool older = false;
  for (const ReportDataVersion& now : report.data_versions) {
    const auto then = std::find_if(
        chain.data_versions.begin(), chain.data_versions.end(),
        [&](const ReportDataVersion& version) { return version.dataset == now.dataset; });
    if (then == chain.data_versions.end()) continue;
    if (now.version > then->version) return false;
    older |= now.version < then->version;
  }
  return older;
}

const ChainRule* FindRule(const std::map<std::string, ChainRule>& rules, const std::string& code) {
  const auto it = rules.find(code);
  return it == rules.end() ? nullptr : &it->second;
}

// Findings of one record by two ways are one for the chain.
int64_t CountDistinct(const RuleResult& result, bool (*counts)(FindingChange)) {
  absl::flat_hash_set<std::string_view> distinct;
  for (const Finding& finding : result.stored) {
    if (counts(finding.change)) distinct.insert(finding.fingerprint);
  }
  return static_cast<int64_t>(distinct.size());
}

void CountChanges(RuleResult& result) {
  result.changes = {};
  result.changes[FindingChange::kUnknown] =
      result.findings - static_cast<int64_t>(result.stored.size());
  for (FindingGroup& group : result.groups) group.changes = {};
  for (const Finding& finding : result.stored) {
    ++result.changes[finding.change];
    if (finding.group < result.groups.size())
      ++result.groups[finding.group].changes[finding.change];
  }
}

// Whether the run would have found what stands of the rule.
bool IsJudgedInFull(const RuleResult& result) {
  return result.outcome != Outcome::kError && !result.truncated();
}

}  // namespace

Relation RelationOf(const Report& report, const std::optional<FindingChain>& chain) {
  if (!chain.has_value()) return Relation::kFirst;
  // A rule that could not be run then may run now.
  if (HasSameVersions(report, *chain) && !chain->errored) return Relation::kRepeat;
  return IsOlder(report, *chain) ? Relation::kOlder : Relation::kNext;
}

void CompareWithChain(const FindingChain& chain, Relation relation,
                      const std::vector<KnownFinding>& known, std::vector<RanRule>& rules) {
  auto next = known.begin();
  std::size_t place = 0;
  for (RanRule& rule : rules) {
    const ChainRule* before = FindRule(chain.rules, rule.code);
    for (Finding& finding : rule.result.stored) {
      finding.change = FindingChange::kOpen;
      if (next != known.end() && next->place == place) {
        const bool cut = before != nullptr && before->cut;
        finding.change = next->change.value_or(cut ? FindingChange::kUnknown : FindingChange::kNew);
        ++next;
      }
      ++place;
    }
    CountChanges(rule.result);
    if (before == nullptr) continue;
    if (relation == Relation::kRepeat) {
      rule.result.changes[FindingChange::kFixed] = before->fixed;
    } else if (IsJudgedInFull(rule.result)) {
      const int64_t open = CountDistinct(
          rule.result, [](FindingChange change) { return change == FindingChange::kOpen; });
      rule.result.changes[FindingChange::kFixed] = std::max(before->known - open, int64_t{0});
    }
  }
}

void SetAllChanges(FindingChange change, std::vector<RanRule>& rules) {
  for (RanRule& rule : rules) {
    for (Finding& finding : rule.result.stored) finding.change = change;
    CountChanges(rule.result);
  }
}

std::map<std::string, ChainRule> JudgedRules(const std::optional<FindingChain>& before,
                                             const std::vector<RanRule>& rules) {
  std::map<std::string, ChainRule> judged;
  for (const RanRule& rule : rules) {
    if (rule.result.outcome == Outcome::kError) continue;
    const bool cut = rule.result.truncated();
    int64_t known = CountDistinct(rule.result, [](FindingChange /*change*/) { return true; });
    const ChainRule* was = before.has_value() ? FindRule(before->rules, rule.code) : nullptr;
    if (cut && was != nullptr) {
      // What is not stored may stand all the same.
      known = was->known + CountDistinct(rule.result, [](FindingChange change) {
                return change != FindingChange::kOpen;
              });
    }
    judged[rule.code] = {.known = known, .cut = cut};
  }
  return judged;
}

}  // namespace edcert::validation_report
