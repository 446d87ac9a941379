// Organisations.
#include <optional>

#include "absl/strings/str_join.h"
#include "absl/time/civil_time.h"
#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/status/macros.h"
#include "services/event_registry/convert.h"
#include "services/event_registry/event_registry_service.h"
#include "services/event_registry/request_convert.h"

namespace edcert::event_registry {
namespace {

namespace v1 = ::edcert::registry::v1;

std::string Text(const std::optional<absl::CivilDay>& day) {
  return day.has_value() ? absl::FormatCivilTime(*day) : "";
}

feed::Event OrganizationCreated(const Organization& organization) {
  return {.subject = organization.name.ToString(),
          .type = "organization_created",
          .attributes = {
              {"organization", organization.name.ToString()},
              {"kind", std::string(kOrganizationKindText.Of(organization.kind))},
              {"parent", organization.parent.has_value() ? organization.parent->ToString() : ""},
              {"display_name", organization.display_name},
              {"nces_id", organization.nces_id},
              {"open_date", Text(organization.open_date)},
              {"close_date", Text(organization.close_date)},
              {"grades_offered", absl::StrJoin(organization.grades_offered, ";")}}};
}

}  // namespace

grpc::ServerUnaryReactor* EventRegistryService::CreateOrganization(
    grpc::CallbackServerContext* context, const v1::CreateOrganizationRequest* request,
    v1::Organization* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const Organization organization, FromProto(*request));
    RETURN_IF_ERROR(access_.ResolveStateUser(call, {}).status());
    return rpc::Command(
        call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const Organization created, organizations_.Insert(tx, organization));
          Report(call, tx, OrganizationCreated(created));
          *response = event_registry::ToProto(created);
          return created.name.ToString();
        });
  });
}

grpc::ServerUnaryReactor* EventRegistryService::GetOrganization(
    grpc::CallbackServerContext* context, const v1::GetOrganizationRequest* request,
    v1::Organization* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const auto name, names::OrganizationName::Parse(request->name(), "name"));
    ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(const Organization organization,
                     organizations_.Get(db, name, ScopeOf(access)));
    *response = event_registry::ToProto(organization);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* EventRegistryService::ListOrganizations(
    grpc::CallbackServerContext* context, const v1::ListOrganizationsRequest* request,
    v1::ListOrganizationsResponse* response) {
  return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
    ASSIGN_OR_RETURN(const OrganizationFilter filter, FromProto(*request));
    ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
    ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
    pg::Database db = call.db();
    ASSIGN_OR_RETURN(auto organizations,
                     organizations_.List(db, ScopeOf(access), filter, page.Key(0), page.limit()));
    response->set_next_page_token(
        paging::Cut(*request, page, organizations,
                    [](const Organization& last) { return std::vector{last.name.id()}; }));
    for (const Organization& organization : organizations) {
      *response->add_organizations() = event_registry::ToProto(organization);
    }
    return absl::OkStatus();
  });
}

}  // namespace edcert::event_registry
