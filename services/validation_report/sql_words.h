// The first look at a text of an author: its bytes and its words, before there is a tree.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace edcert::validation_report {

// UTF-8 of at most kMaxSqlBytes without control characters but white space.
absl::Status CheckBytes(std::string_view text);

// No word that rules may not have: comments, parameters, escapes, names of the system.
absl::Status CheckWords(const std::string& text);

}  // namespace edcert::validation_report
