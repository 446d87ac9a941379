#include "common/config/config.h"

#include <fmt/format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::config {
namespace {

class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    if (text_.empty()) text_ = fmt::format("line {}, column {}: {}", line + 1, column + 1, message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return status::FieldInvalid(path, "is a directory");
  }
  std::ifstream file(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return status::FieldInvalid(path, "cannot be read");
  while (!content.empty() && (content.back() == '\n' || content.back() == '\r')) content.pop_back();
  return content;
}

absl::Status Load(const std::string& path, google::protobuf::Message& config) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  const std::unique_ptr<google::protobuf::Message> parsed(config.New());
  if (!parser.ParseFromString(text, parsed.get())) return status::FieldInvalid(path, error.text());
  // Merging keeps the sub-messages where they are; parsing would free what callers point at. Not
  // merging of text, which takes a field that is given twice.
  config.MergeFrom(*parsed);
  return absl::OkStatus();
}

}  // namespace edcert::config
