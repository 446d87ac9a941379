#include "services/validation_report/stored_findings.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace edcert::validation_report {

int64_t WeightOf(const Finding& finding) {
  std::size_t bytes = finding.record_key.size() + finding.message.size();
  for (const auto& [name, value] : finding.fields) bytes += value.size();
  return std::max<int64_t>(1,
                           (static_cast<int64_t>(bytes) + kBytesPerStored - 1) / kBytesPerStored);
}

void StoredFindings::Add(std::size_t rule, Finding finding) {
  Shelf& shelf = shelves_[rule];
  const int64_t weight = WeightOf(finding);
  shelf.findings.push_back(std::move(finding));
  shelf.kept += weight;
  sum_ -= std::min(shelf.found, level_);
  shelf.found += weight;
  sum_ += std::min(shelf.found, level_);
  Cut();
}

void StoredFindings::Take(StoredFindings&& other) {
  // What the other one cut is not known here, but it was cut because what is known was too much one
  // level above: the level here will be no higher.
  sum_ = 0;
  for (std::size_t rule = 0; rule < shelves_.size(); ++rule) {
    if (other.shelves_[rule].found > 0) shelves_[rule] = std::move(other.shelves_[rule]);
    sum_ += std::min(shelves_[rule].found, level_);
  }
  Cut();
}

void StoredFindings::Cut() {
  while (sum_ > most_) {
    // Down to the rule that found most of those below, or as far as it needs.
    int64_t above = 0;
    int64_t next = 0;
    for (const Shelf& shelf : shelves_) {
      if (shelf.found >= level_) {
        ++above;
      } else {
        next = std::max(next, shelf.found);
      }
    }
    int64_t step = level_ - next;
    if (above > 0) step = std::min(step, (sum_ - most_ + above - 1) / above);
    level_ -= step;
    sum_ -= step * above;
  }
  for (Shelf& shelf : shelves_) {
    while (shelf.kept > level_) {
      shelf.kept -= WeightOf(shelf.findings.back());
      shelf.findings.pop_back();
    }
  }
}

int64_t StoredFindings::kept() const {
  int64_t sum = 0;
  for (const Shelf& shelf : shelves_) sum += shelf.kept;
  return sum;
}

std::vector<Finding> StoredFindings::Release(std::size_t rule) {
  std::deque<Finding> findings = std::move(shelves_[rule].findings);
  return {std::make_move_iterator(findings.begin()), std::make_move_iterator(findings.end())};
}

}  // namespace edcert::validation_report
