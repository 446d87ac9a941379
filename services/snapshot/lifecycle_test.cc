// Every state, action and generation; and the table of the README.
#include "services/snapshot/lifecycle.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace edcert::snapshot {
namespace {

TEST(LifecycleTest, EveryStateAndAction) {
  std::string lines;
  for (const State from : kAllStates) {
    for (const Action action : kAllActions) {
      for (const bool newest : {true, false}) {
        lines += fmt::format("{} {} {} {}\n", ToString(from), ToString(action),
                             newest ? "newest" : "older", ToString(After(from, action, newest)));
      }
    }
  }
  EXPECT_EQ(lines,
            "SEALING seal newest SEALED\n"
            "SEALING seal older SUPERSEDED\n"
            "SEALING fail newest FAILED\n"
            "SEALING fail older FAILED\n"
            "SEALING supersede newest SEALING\n"
            "SEALING supersede older SEALING\n"
            "SEALED seal newest SEALED\n"
            "SEALED seal older SEALED\n"
            "SEALED fail newest SEALED\n"
            "SEALED fail older SEALED\n"
            "SEALED supersede newest SUPERSEDED\n"
            "SEALED supersede older SUPERSEDED\n"
            "FAILED seal newest FAILED\n"
            "FAILED seal older FAILED\n"
            "FAILED fail newest FAILED\n"
            "FAILED fail older FAILED\n"
            "FAILED supersede newest FAILED\n"
            "FAILED supersede older FAILED\n"
            "SUPERSEDED seal newest SUPERSEDED\n"
            "SUPERSEDED seal older SUPERSEDED\n"
            "SUPERSEDED fail newest SUPERSEDED\n"
            "SUPERSEDED fail older SUPERSEDED\n"
            "SUPERSEDED supersede newest SUPERSEDED\n"
            "SUPERSEDED supersede older SUPERSEDED\n");
}

TEST(LifecycleTest, TheReadmeShowsTheTable) {
  std::ifstream file("services/snapshot/README.md");
  const std::string readme{std::istreambuf_iterator<char>(file), {}};
  std::string table = "| state | becomes | by | when |\n|---|---|---|---|\n";
  for (const Step& step : kLifecycle) {
    table += fmt::format("| {} | {} | {} | {} |\n", ToString(step.from), ToString(step.to),
                         ToString(step.action), ToString(step.guard));
  }
  EXPECT_THAT(readme, ::testing::HasSubstr("\n" + table + "\n"));
}

}  // namespace
}  // namespace edcert::snapshot
