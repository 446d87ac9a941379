// For the tests of validation_report: rules from their JSON form, and the published views.
#pragma once

#include <google/protobuf/util/json_util.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "common/pg/pg.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/rule.h"

namespace edcert::validation_report {

// Tests run in the root of the source tree.
inline std::string ReadTestFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  CHECK(!text.str().empty());
  return text.str();
}

// The tables of testdata/dataset_read.sql in place of the published views.
inline void PublishDatasets(pg::Connection& owner) {
  CHECK(owner.RunScript(ReadTestFile("services/validation_report/testdata/dataset_read.sql")).ok());
}

inline v1::Rule RuleFromJson(const std::string& json) {
  v1::Rule rule;
  CHECK(google::protobuf::util::JsonStringToMessage(json, &rule).ok());
  return rule;
}

// The rules that come with the product.
inline std::vector<v1::Rule> ProductRules() {
  std::vector<v1::Rule> rules;
  for (const char* file : {"rules/enrollment.json", "rules/attendance.json"}) {
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
