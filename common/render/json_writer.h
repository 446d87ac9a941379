// A report as one JSON object, described by docs/report.schema.json. Members come in a fixed order
// and each finding is a line of its own, so that equal reports are equal files and a file can be
// read line by line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/render/writer.h"

namespace edcert::render {

class JsonWriter final : public ReportWriter {
 public:
  explicit JsonWriter(Sink& sink);

 private:
  void WriteHeader() override;
  void BeginRule(const RuleResult& rule, size_t index) override;
  void WriteFinding(const Finding& finding, const RuleResult& rule) override;
  void EndRule(const RuleResult& rule) override;
  void WriteFooter() override;

  // Members of the object, in their order. Each appends to `text_`.
  void Facts();
  // A member that is an array, an item a line; `write` appends an item.
  template <typename Items, typename Write>
  void List(std::string_view name, const Items& items, Write write);
  void DataVersions();
  void Severities();
  void Rules();
  void Schools();
  void Waivers();
  void Causes();

  void Send();  // Hands `text_` to the output and clears it.

  std::string text_;
  int64_t listed_ = 0;  // Findings written.
};

}  // namespace edcert::render
