// The comments of the protos, for the help texts.
#pragma once

#include <string>

#include "google/protobuf/descriptor.h"

namespace edcert::edcertctl {

// Reading the comments takes some milliseconds: a program that only calls an RPC leaves them out.
// Until this is called, all texts below are empty.
void EnableComments();

// The first sentence of the comment at a service, method or field.
std::string FirstSentence(const google::protobuf::ServiceDescriptor& service);
std::string FirstSentence(const google::protobuf::MethodDescriptor& method);
std::string FirstSentence(const google::protobuf::FieldDescriptor& field);
// The whole comment of a method, with its `Errors:`.
std::string Comment(const google::protobuf::MethodDescriptor& method);

}  // namespace edcert::edcertctl
