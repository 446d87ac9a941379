// The runs of a rule group over an organisation's records of one kind, one after the other, and
// what they say of each other. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/validation_report/report.h"

namespace edcert::validation_report {

// A rule as the last run left it that could judge it.
struct ChainRule {
  int64_t known = 0;  // findings that stood then
  bool cut = false;   // it found more than was stored
  int64_t fixed = 0;  // FIXED ones of the chain's last run
};

// A chain as its last run left it.
struct FindingChain {
  int64_t id = 0;
  int64_t run = 0;                   // how many runs it has
  std::string last_report = {};      // id
  std::string previous_report = {};  // id; what the last one was compared with
  int rule_group_version = 0;        // of the last one, like what follows
  std::vector<ReportDataVersion> data_versions = {};
  std::string last_year = {};                   // snapshot; resource name
  bool errored = false;                         // some rule could not be run
  std::map<std::string, ChainRule> rules = {};  // by code
};

// How a run follows a chain.
enum class Relation {
  kFirst,   // there was none before
  kNext,    // it becomes the last of the chain
  kRepeat,  // it is the last one again, at the same versions: it says the same
  kOlder,   // it reads older data than the last: it is compared with nothing
};
Relation RelationOf(const Report& report, const std::optional<FindingChain>& chain);

// What the chain knew of one finding of a run; the place counts the stored findings of the run.
struct KnownFinding {
  std::size_t place = 0;
  std::optional<FindingChange> change = {};  // nothing: it was never known
};

// Says of every finding of a run what became of it, and counts. `known`: the findings that did not
// stand before the run, in the order of their places; all others did.
void CompareWithChain(const FindingChain& chain, Relation relation,
                      const std::vector<KnownFinding>& known, std::vector<RanRule>& rules);

// The same for a run that is compared with nothing: everything is `change`.
void SetAllChanges(FindingChange change, std::vector<RanRule>& rules);

// The rules that a run judged, as it leaves them.
std::map<std::string, ChainRule> JudgedRules(const std::optional<FindingChain>& before,
                                             const std::vector<RanRule>& rules);

}  // namespace edcert::validation_report
