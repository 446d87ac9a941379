// Which findings of a run are stored when there are more than a report takes. Pure.
//
// The rules with fewest findings keep all; those with most are cut to one level, the highest at
// which all together are no more than may be stored. What comes later only lowers the level, so
// that what was cut early would have been cut at the end, and rules may end in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "services/validation_report/finding.h"

namespace edcert::validation_report {

// What a finding may hold on average, so that all that a report stores hold 256 MiB.
inline constexpr int64_t kBytesPerStored = (int64_t{256} << 20) / kMaxStoredPerReport;

// As how many a finding counts: one with more bytes than kBytesPerStored as several.
int64_t WeightOf(const Finding& finding);

class StoredFindings {
 public:
  // Of so many rules, at most so many findings, each counted by its weight.
  StoredFindings(std::size_t rules, int64_t most) : level_(most), most_(most), shelves_(rules) {}

  // Whether a further finding of the rule may be kept: once it may not, none after it may.
  bool Wants(std::size_t rule) const {
    const Shelf& shelf = shelves_[rule];
    return shelf.found < level_ && static_cast<int64_t>(shelf.findings.size()) < kMaxStoredPerRule;
  }
  // Takes the next finding of a rule that Wants one.
  void Add(std::size_t rule, Finding finding);
  // Takes those of rules of which there are none yet.
  void Take(StoredFindings&& other);

  // The weight of all that are kept now: never more than may be stored.
  int64_t kept() const;
  // Hands out what is kept of a rule, once, when all is there.
  std::vector<Finding> Release(std::size_t rule);

 private:
  struct Shelf {
    std::deque<Finding> findings = {};
    int64_t kept = 0;   // weight of these
    int64_t found = 0;  // weight of those that were added; beyond the level not exact
  };

  // Lowers the level until all together fit, and cuts.
  void Cut();

  int64_t level_;
  int64_t most_;
  int64_t sum_ = 0;  // of what was found, of each rule up to the level
  std::vector<Shelf> shelves_;
};

}  // namespace edcert::validation_report
