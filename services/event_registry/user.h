// People, where they work and what they may do with which tool.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/names/names.h"
#include "services/event_registry/state_calendar.h"

namespace edcert::event_registry {

// One organisation for which a person works.
struct Assignment {
  names::OrganizationName organization;
  bool all_schools = false;  // of a district: its schools too
  absl::CivilDay valid_from = kAlways;
  absl::CivilDay valid_to = kForever;
};

// The numbers of edcert.type.Tool and edcert.type.ToolRight.
inline constexpr int kTools = 9;
inline constexpr int kToolRights = 4;

// The rights on one tool, as a sum of RightBit.
struct ToolGrant {
  int tool = 0;
  int rights = 0;
};

constexpr int RightBit(int right) { return 1 << (right - 1); }
inline constexpr int kAllRights = (1 << kToolRights) - 1;

struct User {
  names::UserName name;
  std::string display_name;
  std::string email;     // may be empty
  std::string staff_id;  // may be empty
  bool active = true;
  std::vector<Assignment> assignments;
  std::vector<ToolGrant> grants;
  // Set by the store.
  int64_t row_version = 0;
  absl::Time create_time;
  absl::Time update_time;
};

// Whether a text has the form of an e-mail address: one that a mail server can be given.
bool IsEmail(std::string_view text);

// The administrator of a new installation: every right on every tool.
User FirstAdministrator(const names::UserName& name);

}  // namespace edcert::event_registry
