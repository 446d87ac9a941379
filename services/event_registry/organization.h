// Organisations of the state's school system.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/names/names.h"
#include "services/event_registry/enum_text.h"

namespace edcert::event_registry {

enum class OrganizationKind { kSea = 1, kServiceAgency, kDistrict, kSchool };

inline constexpr EnumText<OrganizationKind, 4> kOrganizationKindText{{{
    {OrganizationKind::kSea, "SEA"},
    {OrganizationKind::kServiceAgency, "SERVICE_AGENCY"},
    {OrganizationKind::kDistrict, "DISTRICT"},
    {OrganizationKind::kSchool, "SCHOOL"},
}}};

struct Organization {
  names::OrganizationName name;
  OrganizationKind kind = OrganizationKind::kDistrict;
  std::string display_name;
  std::optional<names::OrganizationName> parent;  // of all but the SEA
  std::string nces_id;                            // may be empty
  std::optional<absl::CivilDay> open_date;
  std::optional<absl::CivilDay> close_date;
  std::vector<std::string> grades_offered;
  // Set by the store.
  int64_t row_version = 0;
  absl::Time create_time;
  absl::Time update_time;
};

// Whether an organisation of kind `child` may stand below one of kind `parent`.
bool MayBeParent(OrganizationKind parent, OrganizationKind child);

// The rules that one organisation by itself must obey: FIELD_INVALID below `organization`.
absl::Status Check(const Organization& organization);

}  // namespace edcert::event_registry
