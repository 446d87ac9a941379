// The name of every key in Redis. All keys of one queue share a hash tag.
#pragma once

#include <string>
#include <string_view>

#include "fmt/format.h"

namespace edcert::redis::keys {

// List of `<cost> <job id>` of one organization; the scripts append the organization.
inline std::string JobsPrefix(std::string_view queue, int priority) {
  return fmt::format("q:{{{}}}:{}:", queue, priority);
}
// List of the organizations that have work, in the order of their turns.
inline std::string Ring(std::string_view queue, int priority) {
  return fmt::format("q:{{{}}}:ring:{}", queue, priority);
}
// Hash: how much of its quantum each organization has saved.
inline std::string Deficit(std::string_view queue, int priority) {
  return fmt::format("q:{{{}}}:deficit:{}", queue, priority);
}
// Set of the job ids that are in some list.
inline std::string Present(std::string_view queue) {
  return fmt::format("q:{{{}}}:present", queue);
}
// The organization that was served last.
inline std::string Last(std::string_view queue) { return fmt::format("q:{{{}}}:last", queue); }
// List of tokens: one for each push, to wake an idle worker.
inline std::string Bell(std::string_view queue) { return fmt::format("q:{{{}}}:bell", queue); }

}  // namespace edcert::redis::keys
