#include "common/access/access.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "edcert/type/policy.pb.h"

namespace edcert::access {

bool Access::HasRight(int tool, int right) const {
  const std::size_t bit = static_cast<std::size_t>(tool * 8 + right);
  return is_service() || (bit < rights.size() && rights[bit]);
}

bool Access::Has(Role role) const {
  return std::any_of(roles.begin(), roles.end(),
                     [role](const HeldRole& held) { return held.role == role; });
}

bool Access::IsRequiredCertifier() const {
  return std::any_of(roles.begin(), roles.end(), [](const HeldRole& held) {
    return held.role == Role::kCertifier && held.rank == Rank::kPrimary;
  });
}

bool EventFacts::Includes(const std::string& organization) const {
  return std::find(participants.begin(), participants.end(), organization) != participants.end();
}

std::string DistrictOf(const Access& access, const std::string& organization) {
  return access.organization_kind == OrganizationKind::kSchool ? access.organization_parent
                                                               : organization;
}

absl::Status CheckPolicy(const rpc::Call& call, const Access& access) {
  const type::RpcPolicy& policy = call.method().policy;
  if (access.is_service() || policy.tool() == type::TOOL_UNSPECIFIED) return absl::OkStatus();
  for (const int right : policy.rights()) {
    if (!access.HasRight(policy.tool(), right)) {
      return status::NotPermitted(
          fmt::format("{} on {}", type::ToolRight_Name(static_cast<type::ToolRight>(right)),
                      type::Tool_Name(policy.tool())));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckStateUser(const Access& access) {
  if (access.is_service() || access.state_user) return absl::OkStatus();
  return status::NotPermitted("an assignment to the state education agency");
}

absl::StatusOr<Access> Resolver::Resolve(const rpc::Call& call, const Query& query) {
  const bool service = call.principal().user.empty();
  ASSIGN_OR_RETURN(Access access, service ? AskForService(call, query) : Ask(call, query));
  // Existence and scope first, permission after it.
  if (!query.organization.empty() && !access.in_scope) {
    return status::NotFound(query.organization);
  }
  if (!query.event.empty() && !access.event.has_value()) return status::NotFound(query.event);
  RETURN_IF_ERROR(CheckPolicy(call, access));
  return access;
}

}  // namespace edcert::access
