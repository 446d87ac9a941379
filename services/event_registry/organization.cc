#include "services/event_registry/organization.h"

#include <algorithm>

#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::event_registry {
namespace {

constexpr std::size_t kDistrictNcesDigits = 7;
constexpr std::size_t kSchoolNcesDigits = 12;

bool IsDigits(std::string_view text, std::size_t length) {
  return text.size() == length &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

absl::Status CheckNcesId(const Organization& organization) {
  constexpr std::string_view kField = "organization.nces_id";
  const std::string& id = organization.nces_id;
  if (id.empty()) return absl::OkStatus();
  switch (organization.kind) {
    case OrganizationKind::kDistrict:
      if (!IsDigits(id, kDistrictNcesDigits)) {
        return status::FieldInvalid(kField, "must have 7 digits for a district");
      }
      return absl::OkStatus();
    case OrganizationKind::kSchool:
      if (!IsDigits(id, kSchoolNcesDigits)) {
        return status::FieldInvalid(kField, "must have 12 digits for a school");
      }
      return absl::OkStatus();
    case OrganizationKind::kSea:
    case OrganizationKind::kServiceAgency:
      break;
  }
  return status::FieldInvalid(kField, "only a district or a school has one");
}

}  // namespace

bool MayBeParent(OrganizationKind parent, OrganizationKind child) {
  switch (child) {
    case OrganizationKind::kSea:
      return false;
    case OrganizationKind::kServiceAgency:
      return parent == OrganizationKind::kSea;
    case OrganizationKind::kDistrict:
      return parent == OrganizationKind::kSea || parent == OrganizationKind::kServiceAgency;
    case OrganizationKind::kSchool:
      return parent == OrganizationKind::kDistrict;
  }
  return false;
}

absl::Status Check(const Organization& organization) {
  const bool is_sea = organization.kind == OrganizationKind::kSea;
  if (is_sea && organization.parent.has_value()) {
    return status::FieldInvalid("organization.parent", "must be empty for the SEA");
  }
  if (!is_sea && !organization.parent.has_value()) {
    return status::FieldInvalid("organization.parent", "required for all but the SEA");
  }
  RETURN_IF_ERROR(CheckNcesId(organization));
  if (organization.open_date.has_value() && organization.close_date.has_value() &&
      *organization.close_date < *organization.open_date) {
    return status::FieldInvalid("organization.close_date", "must not be before open_date");
  }
  return absl::OkStatus();
}

}  // namespace edcert::event_registry
