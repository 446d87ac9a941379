#include "tools/edcertctl/comments.h"

#include <google/protobuf/descriptor.pb.h>

#include <memory>
#include <string_view>

#include "common/status/macros.h"

namespace edcert::edcertctl {

extern const std::string_view kApiDescriptors;  // embedded at build time

namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::SourceLocation;

// The linked descriptors have no comments; these, of the same files, do.
const DescriptorPool& Pool() {
  static const std::unique_ptr<DescriptorPool> pool = [] {
    google::protobuf::FileDescriptorSet set;
    CHECK(set.ParseFromArray(kApiDescriptors.data(), static_cast<int>(kApiDescriptors.size())));
    auto made = std::make_unique<DescriptorPool>();
    for (const auto& file : set.file()) CHECK(made->BuildFile(file) != nullptr);
    return made;
  }();
  return *pool;
}

bool enabled = false;  // set once, before the commands are made

template <typename Find>
std::string CommentOf(Find find) {
  if (!enabled) return "";
  const auto* descriptor = find(Pool());
  SourceLocation location;
  if (descriptor == nullptr || !descriptor->GetSourceLocation(&location)) return "";
  std::string text;
  for (const char c : location.leading_comments) {
    if (c == ' ' && (text.empty() || text.back() == '\n')) continue;
    text += c;
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string Sentence(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  // "Required. `events/{event}`." says more with its second sentence.
  std::size_t from = 0;
  for (const std::string_view word : {"Required. ", "Optional. ", "Output only. ", "Immutable. "}) {
    if (text.starts_with(word)) from = word.size();
  }
  const std::size_t end = text.find(". ", from);
  return end == std::string::npos ? text : text.substr(0, end + 1);
}

}  // namespace

void EnableComments() { enabled = true; }

std::string FirstSentence(const google::protobuf::ServiceDescriptor& service) {
  return Sentence(CommentOf(
      [&](const DescriptorPool& pool) { return pool.FindServiceByName(service.full_name()); }));
}

std::string FirstSentence(const google::protobuf::MethodDescriptor& method) {
  return Sentence(Comment(method));
}

std::string FirstSentence(const google::protobuf::FieldDescriptor& field) {
  return Sentence(CommentOf(
      [&](const DescriptorPool& pool) { return pool.FindFieldByName(field.full_name()); }));
}

std::string Comment(const google::protobuf::MethodDescriptor& method) {
  return CommentOf(
      [&](const DescriptorPool& pool) { return pool.FindMethodByName(method.full_name()); });
}

}  // namespace edcert::edcertctl
