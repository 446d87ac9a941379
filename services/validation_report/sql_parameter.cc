#include "services/validation_report/sql_parameter.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/time/civil_time.h"
#include "common/status/macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "services/validation_report/sql_literal.h"
#include "services/validation_report/sql_meaning.h"
#include "services/validation_report/sql_parse.h"
#include "services/validation_report/sql_vocabulary.h"
#include "services/validation_report/sql_words.h"

namespace edcert::validation_report {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using tree::Node;

constexpr char kCatalog[] = "pg_catalog";
constexpr std::size_t kMaxDigits = 38;
constexpr int kFirstYear = 1900;
constexpr int kLastYear = 2200;

bool AreDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
  });
}

bool ParseInt64(std::string_view text, int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool IsDecimal(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.size() > kMaxDigits) return false;
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return AreDigits(text);
  return AreDigits(text.substr(0, point)) && AreDigits(text.substr(point + 1));
}

bool IsDay(std::string_view text) {
  if (!MatchesShape(text, "9999-99-99")) return false;
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  if (!ParseInt64(text.substr(0, 4), year) || !ParseInt64(text.substr(5, 2), month) ||
      !ParseInt64(text.substr(8, 2), day)) {
    return false;
  }
  const absl::CivilDay normal(year, month, day);
  return year >= kFirstYear && year <= kLastYear && normal.month() == month && normal.day() == day;
}

// `value::type`, as the parser would give it.
void SetCast(Node& node, std::string_view value, std::string_view type, int location) {
  tree::TypeCast& cast = *node.mutable_type_cast();
  tree::AConst& literal = *cast.mutable_arg()->mutable_a_const();
  literal.mutable_sval()->set_sval(std::string(value));
  literal.set_location(location);
  cast.set_location(location);
  // A type that is a keyword has its schema from the parser.
  if (type == "numeric")
    cast.mutable_type_name()->add_names()->mutable_string()->set_sval(kCatalog);
  cast.mutable_type_name()->add_names()->mutable_string()->set_sval(std::string(type));
  cast.mutable_type_name()->set_typemod(-1);
  cast.mutable_type_name()->set_location(location);
}

// A number as the parser gives it: small whole ones are integers, all others texts of digits. Below
// a cast the sign would be printed outside of it, so a negative number is a cast itself there.
void SetNumber(Node& node, const ParameterValue& value, bool below_cast, int location) {
  int64_t whole = 0;
  const bool integer = value.type == ParameterType::kInt64 && ParseInt64(value.text, whole);
  const bool small = integer && whole <= std::numeric_limits<int32_t>::max() &&
                     whole > std::numeric_limits<int32_t>::min();
  if (below_cast && value.text.starts_with('-')) {
    SetCast(node, value.text, small ? "int4" : integer ? "int8" : "numeric", location);
    return;
  }
  tree::AConst& literal = *node.mutable_a_const();
  literal.set_location(location);
  if (small) {
    literal.mutable_ival()->set_ival(static_cast<int32_t>(whole));
    return;
  }
  const bool point = integer || value.text.find('.') != std::string::npos;
  literal.mutable_fval()->set_fval(point ? value.text : value.text + ".0");
}

void SetLiteral(Node& node, const ParameterValue& value, bool below_cast, int location) {
  node.Clear();
  switch (value.type) {
    case ParameterType::kInt64:
    case ParameterType::kDecimal:
      return SetNumber(node, value, below_cast, location);
    case ParameterType::kDate:
      return SetCast(node, value.text, "date", location);
    case ParameterType::kBool:
      node.mutable_a_const()->mutable_boolval()->set_boolval(value.text == "true");
      node.mutable_a_const()->set_location(location);
      return;
    case ParameterType::kText:
    case ParameterType::kUnspecified:
      break;
  }
  SetCast(node, value.text, "text", location);
}

class Replacement {
 public:
  Replacement(std::string_view text, int prefix, Parameters& parameters)
      : text_(text), prefix_(prefix), parameters_(parameters) {}

  absl::Status Walk(Message& message, bool below_cast) {
    const std::string& type = message.GetDescriptor()->name();
    if (type == "Node") {
      Node& node = static_cast<Node&>(message);
      if (node.has_column_ref() && node.column_ref().fields_size() == 2 &&
          NameOf(node.column_ref().fields(0)) == kParameterQualifier) {
        return Replace(node, below_cast);
      }
    } else {
      below_cast = type == "TypeCast";
    }
    const Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        RETURN_IF_ERROR(Walk(*reflection.MutableMessage(&message, field), below_cast));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        RETURN_IF_ERROR(Walk(*reflection.MutableRepeatedMessage(&message, field, i), below_cast));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Replace(Node& node, bool below_cast) {
    const int location = node.column_ref().location();
    const std::string name = NameOf(node.column_ref().fields(1));
    const auto value = parameters_.values.find(name);
    if (value == parameters_.values.end()) {
      return Refuse(Quoted("an unknown parameter", name), CharacterAt(text_, location - prefix_));
    }
    parameters_.used.insert(name);
    SetLiteral(node, value->second, below_cast, location);
    return absl::OkStatus();
  }

  std::string_view text_;
  int prefix_;
  Parameters& parameters_;
};

}  // namespace

bool IsValueOf(ParameterType type, std::string_view text) {
  int64_t whole = 0;
  switch (type) {
    case ParameterType::kInt64:
      return ParseInt64(text, whole);
    case ParameterType::kDecimal:
      return IsDecimal(text);
    case ParameterType::kDate:
      return IsDay(text);
    case ParameterType::kText:
      return text.size() <= kMaxTextLiteral && CheckBytes(text).ok() &&
             text.find_first_of("\t\r\n") == std::string_view::npos;
    case ParameterType::kBool:
      return text == "true" || text == "false";
    case ParameterType::kUnspecified:
      break;
  }
  return false;
}

absl::Status ReplaceParameters(tree::ParseResult& tree, std::string_view text, int prefix,
                               Parameters& parameters) {
  return Replacement(text, prefix, parameters).Walk(tree, /*below_cast=*/false);
}

}  // namespace edcert::validation_report
