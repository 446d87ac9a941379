// GoogleTest matchers for absl::Status and absl::StatusOr.
#pragma once

#include <gmock/gmock.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/status/error.h"

namespace edcert::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status) {
  return status.status();
}

MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

// An error of the catalogue with this reason, for example HasReason("CONFLICT").
MATCHER_P(HasReason, reason, std::string("has the reason ") + reason) {
  *result_listener << StatusOf(arg).ToString();
  return status::ReasonOf(StatusOf(arg)) == reason;
}

}  // namespace edcert::testing
