#include "services/validation_report/rule_text.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/convert.h"
#include "services/validation_report/errors.h"

namespace edcert::validation_report {
namespace {

constexpr std::size_t kMaxBytes = 1'000'000;
constexpr std::size_t kMaxRules = 500;
constexpr char kField[] = "rules_json";

absl::StatusOr<RuleContent> ParseRule(const std::string& json) {
  v1::Rule rule;
  if (!google::protobuf::util::JsonStringToMessage(json, &rule).ok()) {
    return status::FieldInvalid("rule", "is not a rule in JSON form");
  }
  ASSIGN_OR_RETURN(RuleContent content, ContentOf(rule));
  RETURN_IF_ERROR(CheckContent(content));
  return content;
}

// Sorts the members of maps, which have no order; all others are in that of the proto.
void SortMaps(nlohmann::ordered_json& json) {
  for (auto& [name, value] : json.items()) {
    if (value.is_object() && (name == "values" || name == "parameter_values")) {
      const nlohmann::json sorted = value;
      value = sorted;
    } else if (value.is_structured()) {
      SortMaps(value);
    }
  }
}

}  // namespace

absl::Status AtRule(const absl::Status& error, std::size_t place) {
  const std::string reason = status::ReasonOf(error);
  if (reason != "FIELD_INVALID" && reason != "RULE_NOT_ALLOWED") return error;
  std::string field = status::MetadataOf(error, "field");
  field = fmt::format("{}[{}]{}", kField, place,
                      field.starts_with("rule.") ? field.substr(4) : std::string());
  if (reason == "FIELD_INVALID") {
    return status::FieldInvalid(field, status::MetadataOf(error, "description"));
  }
  int position = 0;
  const std::string text = status::MetadataOf(error, "position");
  std::from_chars(text.data(), text.data() + text.size(), position);
  return RuleNotAllowed(field, status::MetadataOf(error, "what"), position);
}

absl::StatusOr<std::vector<RuleContent>> ParseRules(std::string_view json) {
  if (json.empty() || json.size() > kMaxBytes) {
    return status::FieldInvalid(kField, fmt::format("1 to {} bytes", kMaxBytes));
  }
  const nlohmann::json array = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!array.is_array()) return status::FieldInvalid(kField, "is not a JSON array");
  if (array.empty() || array.size() > kMaxRules) {
    return status::FieldInvalid(kField, fmt::format("1 to {} rules", kMaxRules));
  }
  std::vector<RuleContent> rules;
  std::set<std::string> codes;
  for (std::size_t i = 0; i < array.size(); ++i) {
    absl::StatusOr<RuleContent> rule = ParseRule(array[i].dump());
    if (!rule.ok()) return AtRule(rule.status(), i);
    if (!codes.insert(rule->code).second) {
      return status::FieldInvalid(fmt::format("{}[{}].code", kField, i), "a code twice");
    }
    rules.push_back(*std::move(rule));
  }
  return rules;
}

absl::StatusOr<std::string> PrintRules(const std::vector<RuleContent>& rules) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  for (const RuleContent& rule : rules) {
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(ToProto(rule), &json, options).ok()) {
      return status::Internal("text of a rule");
    }
    array.push_back(nlohmann::ordered_json::parse(json));
    SortMaps(array.back());
  }
  return array.dump(2) + "\n";
}

}  // namespace edcert::validation_report
