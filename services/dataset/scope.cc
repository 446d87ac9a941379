#include "services/dataset/scope.h"

#include <algorithm>

#include "common/names/names.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::dataset {
namespace {

bool HasWhole(const access::Access& access, const std::string& district) {
  if (access.is_service() || access.state_user) return true;
  const auto& scope = access.scope_organizations;
  const auto holds = [&scope](const std::string& organization) {
    return !organization.empty() &&
           std::find(scope.begin(), scope.end(), organization) != scope.end();
  };
  return holds(district) || holds(access.organization_parent);
}

}  // namespace

absl::Status RequireState(const access::Access& access) {
  return access.state_user ? absl::OkStatus() : status::NotPermitted("being a user of the state");
}

absl::Status RequireWholeDistrict(const access::Access& access, const std::string& district) {
  const bool is_district = access.organization_kind == access::OrganizationKind::kDistrict;
  return is_district && HasWhole(access, district) ? absl::OkStatus() : status::NotFound(district);
}

absl::StatusOr<Schools> ReadableSchools(const access::Access& access, const std::string& district) {
  if (access.organization_kind != access::OrganizationKind::kDistrict) {
    return status::NotFound(district);
  }
  if (HasWhole(access, district)) return Schools();
  // What is not a school of the district matches no record.
  std::vector<std::string> schools;
  for (const std::string& organization : access.scope_organizations) {
    ASSIGN_OR_RETURN(const auto name, names::OrganizationName::Parse(organization, "organization"));
    schools.push_back(name.id());
  }
  if (schools.empty()) return status::NotFound(district);
  return Schools(std::move(schools));
}

}  // namespace edcert::dataset
