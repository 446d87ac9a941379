// What the people of an organisation say to findings. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace edcert::validation_report {

// An explanation as findings show it.
struct Explanation {
  std::string text = {};
  std::string author = {};  // `users/...`
  absl::Time created_at = {};
};

// What is explained: a rule's findings in a report, or those of a group of them.
struct FindingTarget {
  std::string rule = {};   // id; else
  std::string group = {};  // hex
};

struct NewExplanation {
  std::string id = {};
  std::string event = {};
  std::string category = {};
  std::string organization = {};
  std::string report = {};  // id
  FindingTarget target = {};
  Explanation explanation = {};
};

}  // namespace edcert::validation_report
