// Compares text with a file of the tree; for tests. With UPDATE_GOLDENS=1 it writes the file.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace edcert::workflow {

// `path` is relative to the root of the tree, where tests run.
inline void ExpectGolden(const std::string& path, const std::string& actual) {
  if (std::getenv("UPDATE_GOLDENS") != nullptr) {
    std::ofstream(path) << actual;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << path << " is missing: run with UPDATE_GOLDENS=1";
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(expected.str(), actual) << path << " differs: run with UPDATE_GOLDENS=1 and review";
}

}  // namespace edcert::workflow
