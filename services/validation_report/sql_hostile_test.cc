// What testdata/hostile/ holds, each text refused by the guard alone, at the place that is written
// beside it. UPDATE_GOLDENS=1 writes the places and words anew; a text that is accepted stays red.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "common/status/error.h"
#include "services/validation_report/hostile_texts.h"
#include "services/validation_report/rule_compiler.h"
#include "services/validation_report/sql_guard.h"

namespace edcert::validation_report {
namespace {

const Definitions& Datasets() {
  static const Definitions definitions = {
      {"enrollment",
       {"enrollment",
        {{"student_uid", ColumnType::kString},
         {"school_id", ColumnType::kString},
         {"school_year", ColumnType::kInt64},
         {"first_name", ColumnType::kString},
         {"last_name", ColumnType::kString},
         {"entry_date", ColumnType::kDate},
         {"race", ColumnType::kCodes},
         {"fte", ColumnType::kDecimal}},
        "school_id"}},
      {"attendance_event", {"attendance_event", {{"student_uid", ColumnType::kString}}, ""}}};
  return definitions;
}

RuleContent RuleWith(const HostileText& hostile) {
  RuleContent content;
  content.code = "T-1";
  content.datasets = {"enrollment", "attendance_event"};
  content.message = "bad";
  if (hostile.mode == "aggregate") {
    content.kind = AggregateRule{{"school_id"}, {{"figure", hostile.text()}}, "figure IS NULL"};
  } else if (hostile.mode == "query") {
    content.kind = QueryRule{hostile.text()};
  } else {
    content.kind = RowRule{hostile.text()};
  }
  return content;
}

TEST(HostileTexts, AreAllRefusedWhereTheyAreWrong) {
  std::size_t texts = 0;
  for (auto& [file, group] : ReadHostileTexts()) {
    for (HostileText& hostile : group.texts) {
      ++texts;
      const absl::Status refused = CompileRule("t-1", 1, RuleWith(hostile), Datasets()).status();
      EXPECT_EQ(status::ReasonOf(refused), "RULE_NOT_ALLOWED") << file << ": " << hostile.written;
      const std::string position = status::MetadataOf(refused, "position");
      const std::string what = status::MetadataOf(refused, "what");
      if (std::getenv("UPDATE_GOLDENS") != nullptr && !refused.ok()) {
        hostile.position = position;
        hostile.what = what;
      }
      EXPECT_EQ(hostile.position, position) << file << ": " << hostile.written;
      EXPECT_EQ(hostile.what, what) << file << ": " << hostile.written;
      // What is said of it tells nothing that the author did not write.
      EXPECT_EQ(what.find('\n'), std::string::npos);
      EXPECT_LE(what.size(), 200U);
    }
    if (std::getenv("UPDATE_GOLDENS") != nullptr) WriteHostileTexts(file, group);
  }
  EXPECT_GE(texts, 500U);
}

}  // namespace
}  // namespace edcert::validation_report
