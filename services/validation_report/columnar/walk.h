// A way through the parse tree of an expression.
#pragma once

#include <google/protobuf/message.h>

#include <vector>

namespace edcert::validation_report::columnar {

// Calls `visit` with the tree and everything in it, parents first. What it says false to is not
// entered.
template <typename Visit>
void Walk(const google::protobuf::Message& tree, const Visit& visit) {
  if (!visit(tree)) return;
  const google::protobuf::Reflection* reflection = tree.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(tree, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      Walk(reflection->GetMessage(tree, field), visit);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(tree, field); ++i) {
      Walk(reflection->GetRepeatedMessage(tree, field, i), visit);
    }
  }
}

}  // namespace edcert::validation_report::columnar
