// The two macros that carry a failed absl::Status up, and CHECK for broken invariants.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define EDCERT_CONCAT_INNER(a, b) a##b
#define EDCERT_CONCAT(a, b) EDCERT_CONCAT_INNER(a, b)

// Evaluates an expression of type absl::Status; returns it from the function when it is not OK.
#define RETURN_IF_ERROR(expr)                      \
  do {                                             \
    absl::Status edcert_status = (expr);           \
    if (!edcert_status.ok()) return edcert_status; \
  } while (false)

// Evaluates an expression of type absl::StatusOr<T>; returns its status when it is not OK, else
// moves the value into `lhs`, which may declare a variable.
#define ASSIGN_OR_RETURN(lhs, ...) \
  ASSIGN_OR_RETURN_IMPL(EDCERT_CONCAT(edcert_status_or_, __LINE__), lhs, __VA_ARGS__)
#define ASSIGN_OR_RETURN_IMPL(result, lhs, ...)        \
  auto result = (__VA_ARGS__);                         \
  if (!result.ok()) return std::move(result).status(); \
  lhs = *std::move(result)

// Ends the process when an invariant of ours is broken. Never for input from outside.
#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
