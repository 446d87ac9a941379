#include "services/validation_report/sql_size.h"

#include <algorithm>
#include <string>
#include <vector>

#include "common/status/macros.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/unknown_field_set.h"
#include "services/validation_report/sql_guard.h"
#include "services/validation_report/sql_parse.h"
#include "services/validation_report/sql_vocabulary.h"

namespace edcert::validation_report {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool IsStatement(int number) {
  return number >= node::kFirstStatement && number <= node::kLastStatement;
}

// What people call a node that sql_tree.proto does not know, by its number in Node.
const char* NodeName(int number) {
  switch (number) {
    case node::kGroupingFunc:
      return "GROUPING";
    case node::kNamedArgument:
      return "a named argument";
    case node::kRowExpr:
      return "a row value";
    case node::kSqlValueFunction:
      return "a value that depends on when and by whom it is read";
    case node::kXmlExpr:
    case node::kXmlSerialize:
      return "XML";
    case node::kSetToDefault:
      return "DEFAULT";
    case node::kParamRef:
      return "a parameter";
    case node::kStar:
      return "*";
    case node::kIndices:
    case node::kIndirection:
      return "a subscript";
    case node::kCollateClause:
      return "COLLATE";
    case node::kRangeTableSample:
    case node::kRangeTableFunc:
      return "this kind of table";
    case node::kGroupingSet:
      return "grouping sets";
    case node::kBitString:
      return "a bit string";
    default:
      return IsStatement(number) ? "a statement other than SELECT" : "this kind of expression";
  }
}

// What people call a field that sql_tree.proto does not know.
const char* FieldName(const std::string& message, int number) {
  if (message == "SelectStmt") {
    switch (number) {
      case select::kIntoClause:
        return "INTO";
      case select::kWindowClause:
        return "a window";
      case select::kValuesLists:
        return "VALUES";
      case select::kSortClause:
        return "ORDER BY";
      case select::kLimitOffset:
      case select::kLimitCount:
        return "LIMIT or OFFSET";
      case select::kLockingClause:
        return "a lock";
      default:
        return "this clause";
    }
  }
  if (message == "FuncCall")
    return number == call::kOver ? "a window function" : "this form of call";
  if (message == "RangeVar") return "a name with a schema";
  if (message == "WithClause") return "a recursive query";
  if (message == "TypeName") return "this form of type";
  if (message == "AConst") return "a bit string";
  if (message == "RangeSubselect" || message == "RangeFunction") return "LATERAL or ORDINALITY";
  if (message == "JoinExpr") return "this form of join";
  return "this clause";
}

// Walks a tree once by reflection: refuses what the schema does not know, counts nodes and depth.
class SizeCheck {
 public:
  SizeCheck(std::string_view text, int prefix) : text_(text), prefix_(prefix) {}

  absl::Status Walk(const Message& message, int depth) {
    const Reflection& reflection = *message.GetReflection();
    const std::string& name = message.GetDescriptor()->name();
    if (const FieldDescriptor* location = message.GetDescriptor()->FindFieldByName("location")) {
      const int offset = reflection.GetInt32(message, location);
      if (offset > 0) offset_ = offset;
    }
    const auto& unknown = reflection.GetUnknownFields(message);
    if (!unknown.empty()) {
      const int number = unknown.field(0).number();
      if (name != "Node") return Refuse(FieldName(name, number), Position());
      // A statement has no place of its own but its beginning.
      return Refuse(NodeName(number), IsStatement(number) ? std::max(1, Position()) : Position());
    }
    if (name == "Node") {
      if (++nodes_ > kMaxSqlNodes) return Refuse("more than 2000 nodes", 0);
      if (++depth > kMaxSqlDepth) {
        return Refuse("an expression nested more than 50 deep", Position());
      }
    }
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        RETURN_IF_ERROR(Walk(reflection.GetMessage(message, field), depth));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        RETURN_IF_ERROR(Walk(reflection.GetRepeatedMessage(message, field, i), depth));
      }
    }
    return absl::OkStatus();
  }

 private:
  int Position() const { return offset_ == 0 ? 0 : CharacterAt(text_, offset_ - prefix_); }

  std::string_view text_;
  int prefix_;
  int offset_ = 0;
  int nodes_ = 0;
};

}  // namespace

absl::Status CheckSize(const tree::ParseResult& parsed, std::string_view text, int prefix) {
  return SizeCheck(text, prefix).Walk(parsed, 0);
}

}  // namespace edcert::validation_report
