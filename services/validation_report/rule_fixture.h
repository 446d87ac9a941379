// For the tests of validation_report: rules from their JSON form.
#pragma once

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/published_datasets_pgtest.h"
#include "services/validation_report/rule.h"

namespace edcert::validation_report {

inline v1::Rule RuleFromJson(const std::string& json) {
  v1::Rule rule;
  CHECK(google::protobuf::util::JsonStringToMessage(json, &rule).ok());
  return rule;
}

// The rules that come with the product.
inline std::vector<v1::Rule> ProductRules() {
  std::vector<std::string> files;
  for (const auto& file : std::filesystem::directory_iterator("rules")) {
    if (file.path().extension() == ".json") files.push_back(file.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<v1::Rule> rules;
  for (const std::string& file : files) {
    for (const nlohmann::json& rule : nlohmann::json::parse(ReadTestFile(file))) {
      rules.push_back(RuleFromJson(rule.dump()));
    }
  }
  return rules;
}

// A rule of the enrollment dataset with this kind, given as the fields of its JSON form.
inline v1::Rule EnrollmentRule(const std::string& code, const std::string& kind) {
  return RuleFromJson(R"({"code": ")" + code + R"(", "title": "Title", "meaning": "Meaning",
      "severity": "SEVERITY_FATAL", "datasets": ["datasets/enrollment"],
      "message": "{school_id} is bad", )" +
                      kind + "}");
}

}  // namespace edcert::validation_report
