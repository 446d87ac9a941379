// Every RPC through a real server: what it does, what it refuses, and that a refusal leaves
// nothing.
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "absl/strings/str_join.h"
#include "common/rpc/standard.h"
#include "common/rpc/status.h"
#include "common/testing/matchers.h"
#include "common/testing/test_server.h"
#include "services/event_registry/event_registry_service.h"
#include "services/event_registry/migrations/migrations.h"

namespace edcert::event_registry {
namespace {

namespace v1 = ::edcert::registry::v1;

using google::protobuf::Message;
using testing::HasReason;
using testing::IsOk;

// Noon of 15 November 2026 in Chicago.
const absl::Time kNow = absl::FromCivil(absl::CivilHour(2026, 11, 15, 18), absl::UTCTimeZone());

template <typename Request>
Request Parse(const std::string& text) {
  Request request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

constexpr char kLiveEvent[] = R"(
  title: "Fall" reporting_year: 2027 datasets: "datasets/attendance_summary"
  category: "categories/open" level: LEVEL_DISTRICT rule_group: "ruleGroups/att"
  start_date { year: 2026 month: 11 day: 1 } end_date { year: 2026 month: 12 day: 1 }
  participants: "organizations/d1" participants: "organizations/d2" attestation_text: "I attest.")";

// The live event with some fields changed, as text.
std::string EventWith(const std::string& changes) {
  auto event = Parse<v1::Event>(kLiveEvent);
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(changes, &event)) << changes;
  return event.ShortDebugString();
}

// The world of the tests. People: admin; state, who is assigned to the SEA and has no right; local,
// who is assigned to d1 and has every right; viewer, at the service agency with every right.
class ServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.Serve(service_, "edcert.registry.v1.EventRegistry");
    stub_ = v1::EventRegistry::NewStub(server_.channel());
    ASSERT_THAT(EnsureAdministrator(server_.database().db(), "users/admin"), IsOk());
    Organization("sea", R"(kind: KIND_SEA display_name: "State")");
    Organization("a1", R"(kind: KIND_SERVICE_AGENCY display_name: "Region" parent:
                          "organizations/sea")");
    Organization("d1", R"(kind: KIND_DISTRICT display_name: "One" parent: "organizations/a1")");
    Organization("d2", R"(kind: KIND_DISTRICT display_name: "Two" parent: "organizations/sea")");
    Organization("s1", R"(kind: KIND_SCHOOL display_name: "First" parent: "organizations/d1")");
    User("state", R"(display_name: "State" assignments { organization: "organizations/sea" })");
    User("local",
         R"(display_name: "Local" assignments { organization: "organizations/d1" })" + AllRights());
    User("viewer", R"(display_name: "Viewer" assignments { organization: "organizations/a1" })" +
                       AllRights());
    User("ann", R"(display_name: "Ann" assignments { organization: "organizations/d1" })");
    User("bob", R"(display_name: "Bob" assignments { organization: "organizations/d2" })");
    Category("draft");
    Category("open");
    Must(&Stub::PublishCategory,
         Parse<v1::PublishCategoryRequest>(R"(name: "categories/open" etag: "1")"));
    member_ = AddMember("ann", "d1").name();
    AddMember("local", "d1");
    other_member_ = AddMember("bob", "d2").name();
    Event("planned", kLiveEvent);
    Event("live", kLiveEvent);
    Must(&Stub::PublishEvent,
         Parse<v1::PublishEventRequest>(R"(name: "events/live" etag: "1" rule_group_version: 3)"));
  }

  void TearDown() override { server_.Stop(); }

  using Stub = v1::EventRegistry::Stub;
  template <typename Request, typename Response>
  using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

  static std::string NewId() { return ids::IdSource::Real().NewId(); }

  static std::string AllRights() {
    std::string text;
    for (int tool = 1; tool <= kTools; ++tool) {
      text += " tool_grants { tool: " + std::to_string(tool) + " rights: [1, 2, 3, 4] }";
    }
    return text;
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(Method<Request, Response> method, const Request& request,
                                const std::string& user = "users/admin") {
    grpc::ClientContext context;
    server_.CallAs(context, user);
    Response response;
    const absl::Status status = rpc::FromGrpc((stub_.get()->*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  // A call that must succeed; a command gets a request id.
  template <typename Request, typename Response>
  Response Must(Method<Request, Response> method, Request request,
                const std::string& user = "users/admin") {
    if constexpr (requires { request.set_request_id(""); }) {
      if (request.request_id().empty()) request.set_request_id(NewId());
    }
    const auto response = Call(method, request, user);
    EXPECT_THAT(response, IsOk()) << request.ShortDebugString();
    return response.ok() ? *response : Response();
  }

  // The reason why a command is refused.
  template <typename Request, typename Response>
  std::string Refusal(Method<Request, Response> method, const std::string& text,
                      const std::string& user = "users/admin") {
    auto request = Parse<Request>(text);
    if constexpr (requires { request.set_request_id(""); }) request.set_request_id(NewId());
    const auto response = Call(method, request, user);
    return response.ok() ? "OK" : status::ReasonOf(response.status());
  }

  v1::Organization Organization(const std::string& id, const std::string& text) {
    return Must(&Stub::CreateOrganization,
                Parse<v1::CreateOrganizationRequest>("organization_id: '" + id +
                                                     "' organization { " + text + " }"));
  }
  v1::User User(const std::string& id, const std::string& text) {
    return Must(&Stub::CreateUser,
                Parse<v1::CreateUserRequest>("user_id: '" + id + "' user { " + text + " }"));
  }
  v1::Category Category(const std::string& id, const std::string& more = "") {
    return Must(&Stub::CreateCategory,
                Parse<v1::CreateCategoryRequest>("category_id: '" + id +
                                                 "' category { title: 'T' level: LEVEL_DISTRICT " +
                                                 more + " }"));
  }
  v1::Member AddMember(const std::string& user, const std::string& organization,
                       const std::string& more = "role: ROLE_CERTIFIER") {
    return Must(
        &Stub::AddMember,
        Parse<v1::AddMemberRequest>("member { category: 'categories/open' organization: "
                                    "'organizations/" +
                                    organization + "' user: 'users/" + user + "' " + more + " }"));
  }
  v1::Event Event(const std::string& id, const std::string& text) {
    return Must(&Stub::CreateEvent,
                Parse<v1::CreateEventRequest>("event_id: '" + id + "' event { " + text + " }"));
  }

  // How much is written: what a refusal must not change.
  std::string Traces() {
    std::vector<int64_t> rows;
    for (const char* table :
         {"idempotency", "audit", "change", "organization", "app_user", "assignment", "tool_grant",
          "category", "member", "event", "event_participant", "event_dependency"}) {
      rows.push_back(server_.CountRows(table));
    }
    return absl::StrJoin(rows, " ");
  }

  testing::TestServer server_{{.service = "event_registry",
                               .schema = "registry",
                               .migrations = {{"event_registry", sql::kMigrations}},
                               .threads = 24}};
  testing::FakeClock clock_{kNow};
  EventRegistryService service_{server_.runtime(), StateCalendar(server_.runtime().zone()), clock_};
  std::unique_ptr<Stub> stub_;
  std::string member_;
  std::string other_member_;
};

// --- What every command does alike ---

// A field and a value that it must not have, as text of the request.
struct BadField {
  std::string field;
  std::function<void(Message&)> spoil;
};

struct Command {
  std::string name;
  std::function<std::unique_ptr<Message>(const std::string& member)> make;  // a valid request
  std::function<grpc::Status(v1::EventRegistry::Stub&, grpc::ClientContext*, const Message&,
                             std::string* response)>
      send;
  std::function<void(Message&)> change;  // into another valid content
  std::vector<BadField> bad;
  bool has_etag = false;
  // The answer to somebody with every right outside the state, who sees d1.
  std::string outside_the_state;
};

void PrintTo(const Command& command, std::ostream* out) { *out << command.name; }

template <typename Request, typename Response>
Command Make(const std::string& name,
             grpc::Status (v1::EventRegistry::Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
             const std::string& text, std::function<void(Request&)> change,
             std::vector<std::pair<std::string, std::function<void(Request&)>>> bad,
             const std::string& outside_the_state) {
  Command command;
  command.name = name;
  command.make = [text](const std::string& member) {
    std::string filled = text;
    if (const auto at = filled.find("$member"); at != std::string::npos) {
      filled.replace(at, 7, member);
    }
    return std::make_unique<Request>(Parse<Request>(filled));
  };
  command.send = [method](v1::EventRegistry::Stub& stub, grpc::ClientContext* context,
                          const Message& request, std::string* response) {
    Response answer;
    const grpc::Status status =
        (stub.*method)(context, static_cast<const Request&>(request), &answer);
    *response = answer.SerializeAsString();
    return status;
  };
  command.change = [change](Message& request) { change(static_cast<Request&>(request)); };
  for (auto& [field, spoil] : bad) {
    command.bad.push_back(
        {field, [spoil](Message& request) { spoil(static_cast<Request&>(request)); }});
  }
  command.has_etag = Request::descriptor()->FindFieldByName("etag") != nullptr;
  if (command.has_etag) {
    const auto set_etag = [](Message& request, const std::string& etag) {
      request.GetReflection()->SetString(&request, request.GetDescriptor()->FindFieldByName("etag"),
                                         etag);
    };
    command.bad.push_back({"etag", [set_etag](Message& r) { set_etag(r, ""); }});
    command.bad.push_back({"etag", [set_etag](Message& r) { set_etag(r, std::string(64, '1')); }});
  }
  command.outside_the_state = outside_the_state;
  return command;
}

std::vector<Command> AllCommands() {
  const std::string long_text(8001, 'x');
  using Stub = v1::EventRegistry::Stub;
  return {
      Make<v1::CreateOrganizationRequest, v1::Organization>(
          "CreateOrganization", &Stub::CreateOrganization,
          R"(organization_id: "new" organization { kind: KIND_SCHOOL display_name: "New"
             parent: "organizations/d1" })",
          [](auto& r) { r.mutable_organization()->set_display_name("Other"); },
          {{"organization_id", [](auto& r) { r.clear_organization_id(); }},
           {"organization_id", [](auto& r) { r.set_organization_id("Upper"); }},
           {"organization_id", [](auto& r) { r.set_organization_id("under_score"); }},
           {"organization_id", [](auto& r) { r.set_organization_id(std::string(64, 'a')); }},
           {"organization.kind", [](auto& r) { r.mutable_organization()->clear_kind(); }},
           {"organization.kind",
            [](auto& r) {
              r.mutable_organization()->set_kind(static_cast<v1::Organization::Kind>(99));
            }},
           {"organization.display_name",
            [](auto& r) { r.mutable_organization()->clear_display_name(); }},
           {"organization.display_name",
            [](auto& r) { r.mutable_organization()->set_display_name(std::string(201, 'x')); }},
           {"organization.display_name",
            [](auto& r) { r.mutable_organization()->set_display_name(std::string("a\0b", 3)); }},
           {"organization.parent", [](auto& r) { r.mutable_organization()->clear_parent(); }},
           {"organization.parent", [](auto& r) { r.mutable_organization()->set_parent("d1"); }},
           {"organization.parent",
            [](auto& r) { r.mutable_organization()->set_parent("organizations/s1"); }},
           {"organization.nces_id", [](auto& r) { r.mutable_organization()->set_nces_id("12"); }},
           {"organization.open_date",
            [](auto& r) { r.mutable_organization()->mutable_open_date()->set_year(2026); }},
           {"organization.grades_offered",
            [](auto& r) { r.mutable_organization()->add_grades_offered(""); }},
           {"organization.grades_offered",
            [](auto& r) {
              for (int i = 0; i < 31; ++i) r.mutable_organization()->add_grades_offered("01");
            }}},
          "NOT_PERMITTED"),
      Make<v1::CreateUserRequest, v1::User>(
          "CreateUser", &Stub::CreateUser,
          R"(user_id: "new" user { display_name: "New" email: "new@d1.example" staff_id: "77"
             assignments { organization: "organizations/d1" all_schools: true }
             tool_grants { tool: TOOL_AUDIT rights: TOOL_RIGHT_READ } })",
          [](auto& r) { r.mutable_user()->set_display_name("Other"); },
          {{"user_id", [](auto& r) { r.clear_user_id(); }},
           {"user_id", [](auto& r) { r.set_user_id("a/b"); }},
           {"user.display_name", [](auto& r) { r.mutable_user()->clear_display_name(); }},
           {"user.email", [](auto& r) { r.mutable_user()->set_email("nobody"); }},
           {"user.email",
            [](auto& r) { r.mutable_user()->set_email(std::string(250, 'a') + "@b.de"); }},
           {"user.staff_id", [](auto& r) { r.mutable_user()->set_staff_id(std::string(64, '1')); }},
           {"user.assignments[0].organization",
            [](auto& r) { r.mutable_user()->mutable_assignments(0)->clear_organization(); }},
           {"user.assignments[0].valid_from",
            [](auto& r) {
              r.mutable_user()->mutable_assignments(0)->mutable_valid_from()->set_year(2026);
            }},
           {"user.assignments[0].valid_to",
            [](auto& r) {
              auto* assignment = r.mutable_user()->mutable_assignments(0);
              *assignment->mutable_valid_from() = Parse<type::Date>("year: 2026 month: 2 day: 2");
              *assignment->mutable_valid_to() = Parse<type::Date>("year: 2026 month: 2 day: 1");
            }},
           {"user.assignments.all_schools",
            [](auto& r) {
              r.mutable_user()->mutable_assignments(0)->set_organization("organizations/s1");
            }},
           {"user.assignments",
            [](auto& r) {
              for (int i = 0; i < 200; ++i) {
                *r.mutable_user()->add_assignments() = r.user().assignments(0);
              }
            }},
           {"user.tool_grants[0].tool",
            [](auto& r) { r.mutable_user()->mutable_tool_grants(0)->clear_tool(); }},
           {"user.tool_grants[0].rights",
            [](auto& r) { r.mutable_user()->mutable_tool_grants(0)->clear_rights(); }},
           {"user.tool_grants[0].rights",
            [](auto& r) {
              r.mutable_user()->mutable_tool_grants(0)->add_rights(type::TOOL_RIGHT_READ);
            }},
           {"user.tool_grants[1].tool",
            [](auto& r) { *r.mutable_user()->add_tool_grants() = r.user().tool_grants(0); }}},
          "NOT_PERMITTED"),
      Make<v1::SetToolRightsRequest, v1::User>(
          "SetToolRights", &Stub::SetToolRights,
          R"(name: "users/ann" etag: "1" tool_grants { tool: TOOL_AUDIT
             rights: TOOL_RIGHT_READ })",
          [](auto& r) { r.clear_tool_grants(); },
          {{"name", [](auto& r) { r.clear_name(); }},
           {"name", [](auto& r) { r.set_name("people/ann"); }},
           {"tool_grants[0].tool",
            [](auto& r) { r.mutable_tool_grants(0)->set_tool(static_cast<type::Tool>(99)); }},
           {"tool_grants[0].rights",
            [](auto& r) {
              r.mutable_tool_grants(0)->set_rights(0, static_cast<type::ToolRight>(9));
            }}},
          "NOT_PERMITTED"),
      Make<v1::CreateCategoryRequest, v1::Category>(
          "CreateCategory", &Stub::CreateCategory,
          R"(category { title: "Special Education" level: LEVEL_SCHOOL restricted: true })",
          [](auto& r) { r.mutable_category()->set_title("Other"); },
          {{"category_id", [](auto& r) { r.set_category_id("A"); }},
           {"category.title", [](auto& r) { r.mutable_category()->clear_title(); }},
           {"category.description",
            [](auto& r) { r.mutable_category()->set_description(std::string(4001, 'x')); }},
           {"category.level", [](auto& r) { r.mutable_category()->clear_level(); }},
           {"category.level",
            [](auto& r) { r.mutable_category()->set_level(static_cast<type::Level>(3)); }}},
          "NOT_PERMITTED"),
      Make<v1::PublishCategoryRequest, v1::Category>(
          "PublishCategory", &Stub::PublishCategory, R"(name: "categories/draft" etag: "1")",
          [](auto& r) { r.set_etag("2"); },
          {{"name", [](auto& r) { r.clear_name(); }},
           {"name", [](auto& r) { r.set_name("categories/"); }}},
          "NOT_PERMITTED"),
      Make<v1::AddMemberRequest, v1::Member>(
          "AddMember", &Stub::AddMember,
          R"(member { category: "categories/open" organization: "organizations/d2"
             user: "users/bob" role: ROLE_REVIEWER })",
          [](auto& r) { r.mutable_member()->set_title("Other"); },
          {{"member.category", [](auto& r) { r.mutable_member()->clear_category(); }},
           {"member.organization", [](auto& r) { r.mutable_member()->set_organization("d2"); }},
           {"member.user", [](auto& r) { r.mutable_member()->clear_user(); }},
           {"member.user", [](auto& r) { r.mutable_member()->set_user("users/ann"); }},
           {"member.role", [](auto& r) { r.mutable_member()->clear_role(); }},
           {"member.role",
            [](auto& r) { r.mutable_member()->set_role(v1::Member::ROLE_APPROVER); }},
           {"member.rank", [](auto& r) { r.mutable_member()->set_rank(v1::Member::RANK_PRIMARY); }},
           {"member.rank",
            [](auto& r) { r.mutable_member()->set_rank(static_cast<v1::Member::Rank>(9)); }},
           {"member.title", [](auto& r) { r.mutable_member()->set_title(std::string(101, 'x')); }},
           {"member.valid_to",
            [](auto& r) { r.mutable_member()->mutable_valid_to()->set_day(40); }},
           {"member.delegate", [](auto& r) { r.mutable_member()->set_delegate("users/bob"); }}},
          "NOT_FOUND"),
      Make<v1::RemoveMemberRequest, v1::RemoveMemberResponse>(
          "RemoveMember", &Stub::RemoveMember, R"(name: "$member")",
          [](auto& r) { r.set_name("categories/open/members/other"); },
          {{"name", [](auto& r) { r.clear_name(); }},
           {"name", [](auto& r) { r.set_name("categories/open"); }},
           {"name", [](auto& r) { r.set_name("members/a/categories/b"); }}},
          "NOT_FOUND"),
      Make<v1::CreateEventRequest, v1::Event>(
          "CreateEvent", &Stub::CreateEvent, "event { " + std::string(kLiveEvent) + " }",
          [](auto& r) { r.mutable_event()->set_title("Other"); },
          {{"event_id", [](auto& r) { r.set_event_id("A"); }},
           {"event.title", [](auto& r) { r.mutable_event()->clear_title(); }},
           {"event.title", [](auto& r) { r.mutable_event()->set_title(std::string(201, 'x')); }},
           {"event.reporting_year", [](auto& r) { r.mutable_event()->set_reporting_year(1999); }},
           {"event.reporting_year", [](auto& r) { r.mutable_event()->set_reporting_year(2101); }},
           {"event.datasets", [](auto& r) { r.mutable_event()->clear_datasets(); }},
           {"event.datasets[1]",
            [](auto& r) { r.mutable_event()->add_datasets("datasets/attendance_summary"); }},
           {"event.category", [](auto& r) { r.mutable_event()->clear_category(); }},
           {"event.level", [](auto& r) { r.mutable_event()->clear_level(); }},
           {"event.level", [](auto& r) { r.mutable_event()->set_level(type::LEVEL_SCHOOL); }},
           {"event.rule_group", [](auto& r) { r.mutable_event()->set_rule_group("g"); }},
           {"event.start_date", [](auto& r) { r.mutable_event()->clear_start_date(); }},
           {"event.end_date",
            [](auto& r) {
              *r.mutable_event()->mutable_end_date() =
                  Parse<type::Date>("year: 2026 month: 2 day: 30");
            }},
           {"event.end_date",
            [](auto& r) {
              *r.mutable_event()->mutable_end_date() =
                  Parse<type::Date>("year: 2026 month: 10 day: 31");
            }},
           {"event.due_date",
            [](auto& r) {
              *r.mutable_event()->mutable_due_date() =
                  Parse<type::Date>("year: 2026 month: 10 day: 31");
            }},
           {"event.participants[0]",
            [](auto& r) { r.mutable_event()->set_participants(0, "organizations/s1"); }},
           {"event.participants[2]",
            [](auto& r) { r.mutable_event()->add_participants("organizations/d1"); }},
           {"event.participants[2]", [](auto& r) { r.mutable_event()->add_participants("d1"); }},
           {"event.attestation_text", [](auto& r) { r.mutable_event()->clear_attestation_text(); }},
           {"event.attestation_text",
            [long_text](auto& r) { r.mutable_event()->set_attestation_text(long_text); }},
           {"event.depends_on[0]", [](auto& r) { r.mutable_event()->add_depends_on("x"); }}},
          "NOT_PERMITTED"),
      Make<v1::UpdateEventRequest, v1::Event>(
          "UpdateEvent", &Stub::UpdateEvent,
          R"(event { name: "events/planned" title: "Autumn" start_date { year: 2026 month: 11 day: 2 }
             certification_opens { year: 2026 month: 11 day: 2 } participants: "organizations/d2" }
             update_mask { paths: "title" paths: "start_date" paths: "certification_opens"
                           paths: "snapshot_available" paths: "participants" }
             etag: "1")",
          [](auto& r) { r.mutable_event()->set_title("Other"); },
          {{"event.name", [](auto& r) { r.mutable_event()->clear_name(); }},
           {"event.name", [](auto& r) { r.mutable_event()->set_name("events/A"); }},
           {"update_mask", [](auto& r) { r.clear_update_mask(); }},
           {"update_mask", [](auto& r) { r.mutable_update_mask()->add_paths("title"); }},
           {"update_mask", [](auto& r) { r.mutable_update_mask()->add_paths("status"); }},
           {"update_mask", [](auto& r) { r.mutable_update_mask()->add_paths("start_date.year"); }},
           {"update_mask", [](auto& r) { r.mutable_update_mask()->add_paths("*"); }},
           {"event.title", [](auto& r) { r.mutable_event()->clear_title(); }},
           {"event.description",
            [long_text](auto& r) {
              r.mutable_event()->set_description(long_text);
              r.mutable_update_mask()->add_paths("description");
            }},
           {"event.attestation_text",
            [](auto& r) { r.mutable_update_mask()->add_paths("attestation_text"); }},
           {"event.datasets", [](auto& r) { r.mutable_update_mask()->add_paths("datasets"); }},
           {"event.start_date", [](auto& r) { r.mutable_event()->clear_start_date(); }},
           {"event.certification_opens",
            [](auto& r) { r.mutable_event()->mutable_certification_opens()->set_day(1); }},
           {"event.level",
            [](auto& r) {
              r.mutable_event()->set_level(type::LEVEL_SCHOOL);
              r.mutable_update_mask()->add_paths("level");
            }},
           {"event.participants[0]",
            [](auto& r) { r.mutable_event()->set_participants(0, "organizations/s1"); }},
           {"event.participants[1]",
            [](auto& r) { r.mutable_event()->add_participants("organizations/d2"); }},
           {"event.depends_on",
            [](auto& r) {
              r.mutable_event()->add_depends_on("events/planned");
              r.mutable_update_mask()->add_paths("depends_on");
            }}},
          "NOT_FOUND"),
      Make<v1::PublishEventRequest, v1::Event>(
          "PublishEvent", &Stub::PublishEvent,
          R"(name: "events/planned" etag: "1" rule_group_version: 2)",
          [](auto& r) { r.set_rule_group_version(3); },
          {{"name", [](auto& r) { r.set_name("events/A"); }},
           {"rule_group_version", [](auto& r) { r.clear_rule_group_version(); }},
           {"rule_group_version", [](auto& r) { r.set_rule_group_version(-1); }}},
          "NOT_FOUND"),
      Make<v1::CloseEventRequest, v1::Event>(
          "CloseEvent", &Stub::CloseEvent, R"(name: "events/live" etag: "2" reason: "Done.")",
          [](auto& r) { r.set_reason("Other."); },
          {{"name", [](auto& r) { r.clear_name(); }},
           {"reason", [](auto& r) { r.set_reason(std::string(2001, 'x')); }}},
          "NOT_PERMITTED"),
      Make<v1::DeleteEventRequest, v1::DeleteEventResponse>(
          "DeleteEvent", &Stub::DeleteEvent, R"(name: "events/planned" etag: "1")",
          [](auto& r) { r.set_etag("2"); }, {{"name", [](auto& r) { r.clear_name(); }}},
          "NOT_FOUND"),
  };
}

class CommandTest : public ServiceTest, public ::testing::WithParamInterface<Command> {
 protected:
  struct Answer {
    absl::Status status;
    std::string response;
  };

  std::unique_ptr<Message> Valid(const std::string& request_id) {
    std::unique_ptr<Message> request = GetParam().make(other_member_);
    SetText(*request, "request_id", request_id);
    return request;
  }

  static void SetText(Message& message, const std::string& field, const std::string& value) {
    message.GetReflection()->SetString(&message, message.GetDescriptor()->FindFieldByName(field),
                                       value);
  }

  Answer SendWith(const Message& request,
                  const std::function<void(grpc::ClientContext&)>& headers) {
    grpc::ClientContext context;
    headers(context);
    Answer answer;
    answer.status = rpc::FromGrpc(GetParam().send(*stub_, &context, request, &answer.response));
    return answer;
  }

  Answer Send(const Message& request, const std::string& user = "users/admin") {
    return SendWith(request, [&](grpc::ClientContext& context) { server_.CallAs(context, user); });
  }
};

INSTANTIATE_TEST_SUITE_P(EventRegistry, CommandTest, ::testing::ValuesIn(AllCommands()),
                         [](const auto& param) { return param.param.name; });

TEST_P(CommandTest, ARefusalHasItsReasonAndLeavesNothing) {
  const std::string before = Traces();
  const std::unique_ptr<Message> request = Valid(NewId());

  // Tokens.
  EXPECT_THAT(Send(*request, "").status, HasReason("UNAUTHENTICATED"));
  const auto with_token = [&](const std::string& token) {
    return SendWith(
               *request,
               [&](grpc::ClientContext& context) { context.AddMetadata("authorization", token); })
        .status;
  };
  EXPECT_THAT(with_token("Bearer nonsense"), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(with_token(server_.keys().ForgedToken("users/admin")), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(with_token(server_.keys().UserToken("users/admin", -absl::Minutes(5))),
              HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(
      SendWith(*request, [&](grpc::ClientContext& context) { server_.CallAsService(context); })
          .status,
      HasReason("NOT_PERMITTED"));  // a command is a person's

  // Request ids.
  for (const char* id : {"", "1", "not-a-uuid", "01890000-0000-7000-8000-00000000000g"}) {
    SetText(*request, "request_id", id);
    EXPECT_THAT(Send(*request).status, HasReason("FIELD_INVALID")) << id;
  }

  // Fields.
  for (const BadField& bad : GetParam().bad) {
    const std::unique_ptr<Message> spoilt = Valid(NewId());
    bad.spoil(*spoilt);
    const absl::Status status = Send(*spoilt).status;
    EXPECT_THAT(status, HasReason("FIELD_INVALID")) << bad.field;
    EXPECT_EQ(status::MetadataOf(status, "field"), bad.field) << status.message();
  }

  // People.
  EXPECT_THAT(Send(*Valid(NewId()), "users/stranger").status, HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Send(*Valid(NewId()), "users/state").status, HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Send(*Valid(NewId()), "users/local").status, HasReason(GetParam().outside_the_state));

  // Etags.
  if (GetParam().has_etag) {
    const std::unique_ptr<Message> stale = Valid(NewId());
    SetText(*stale, "etag", "99");
    EXPECT_THAT(Send(*stale).status, HasReason("ETAG_MISMATCH"));
  }
  EXPECT_EQ(Traces(), before);
}

TEST_P(CommandTest, TheSameRequestAgainGetsTheFirstAnswer) {
  const std::string id = NewId();
  const int64_t audited = server_.CountRows("audit");
  const Answer first = Send(*Valid(id));
  ASSERT_THAT(first.status, IsOk());
  EXPECT_EQ(server_.CountRows("audit"), audited + 1);
  const std::string after = Traces();

  const Answer second = Send(*Valid(id));
  EXPECT_THAT(second.status, IsOk());
  EXPECT_EQ(second.response, first.response);

  const std::unique_ptr<Message> other = Valid(id);
  GetParam().change(*other);
  EXPECT_THAT(Send(*other).status, HasReason("REQUEST_ID_REUSED"));
  EXPECT_EQ(Traces(), after);
}

TEST_P(CommandTest, TwinsAtTheSameTimeHaveOneEffect) {
  constexpr int kTwins = 20;
  const int64_t audited = server_.CountRows("audit");
  const int64_t stored = server_.CountRows("idempotency");
  const std::unique_ptr<Message> request = Valid(NewId());
  std::vector<Answer> answers(kTwins);
  {
    std::vector<std::jthread> threads;
    for (Answer& answer : answers) {
      threads.emplace_back([&] { answer = Send(*request); });
    }
  }
  for (const Answer& answer : answers) {
    EXPECT_THAT(answer.status, IsOk());
    EXPECT_EQ(answer.response, answers.front().response);
  }
  EXPECT_EQ(server_.CountRows("audit"), audited + 1);
  EXPECT_EQ(server_.CountRows("idempotency"), stored + 1);
}

TEST_P(CommandTest, RivalsAtTheSameTimeSucceedOnceWhereTheThingIsOne) {
  if (GetParam().name == "CreateCategory" || GetParam().name == "CreateEvent") {
    GTEST_SKIP() << "each request makes a thing of its own: the server makes the ids";
  }
  constexpr int kRivals = 8;
  std::vector<Answer> answers(kRivals);
  {
    std::vector<std::jthread> threads;
    for (Answer& answer : answers) {
      threads.emplace_back([&] { answer = Send(*Valid(NewId())); });
    }
  }
  int succeeded = 0;
  for (const Answer& answer : answers) {
    if (answer.status.ok()) ++succeeded;
    EXPECT_NE(answer.status.code(), absl::StatusCode::kInternal) << answer.status;
  }
  EXPECT_EQ(succeeded, 1);
}

// --- Organisations ---

TEST_F(ServiceTest, AnOrganizationNeedsAParentThatExistsAndAFreeId) {
  constexpr char kUnderNobody[] = R"(organization_id: "x" organization { kind: KIND_DISTRICT
    display_name: "X" parent: "organizations/nobody" })";
  EXPECT_EQ(Refusal(&Stub::CreateOrganization, kUnderNobody), "NOT_FOUND");
  constexpr char kTaken[] = R"(organization_id: "d1" organization { kind: KIND_DISTRICT
    display_name: "X" parent: "organizations/sea" })";
  EXPECT_EQ(Refusal(&Stub::CreateOrganization, kTaken), "ALREADY_EXISTS");
  constexpr char kSecondSea[] = R"(organization_id: "sea2" organization { kind: KIND_SEA
    display_name: "X" })";
  EXPECT_EQ(Refusal(&Stub::CreateOrganization, kSecondSea), "FIELD_INVALID");
}

TEST_F(ServiceTest, OrganizationsAreSeenInScope) {
  const auto get = [&](const std::string& id, const std::string& user) {
    return Refusal(&Stub::GetOrganization, "name: 'organizations/" + id + "'", user);
  };
  EXPECT_EQ(get("d1", "users/local"), "OK");
  EXPECT_EQ(get("d2", "users/local"), "NOT_FOUND");
  EXPECT_EQ(get("s1", "users/local"), "NOT_FOUND");  // assigned without all schools
  EXPECT_EQ(get("nobody", "users/admin"), "NOT_FOUND");
  EXPECT_EQ(get("s1", "users/viewer"), "OK");
  EXPECT_EQ(get("d2", "users/viewer"), "NOT_FOUND");
  EXPECT_EQ(get("d1", "users/stranger"), "NOT_PERMITTED");
}

TEST_F(ServiceTest, AListHasPagesInOrderOfName) {
  v1::ListOrganizationsRequest request;
  request.set_page_size(2);
  std::vector<std::string> names;
  do {
    const auto page = Must(&Stub::ListOrganizations, request);
    EXPECT_LE(page.organizations_size(), 2);
    for (const auto& organization : page.organizations()) names.push_back(organization.name());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(absl::StrJoin(names, " "),
            "organizations/a1 organizations/d1 organizations/d2 organizations/s1 "
            "organizations/sea");
}

TEST_F(ServiceTest, APageTokenBelongsToItsQuery) {
  const auto page =
      Must(&Stub::ListOrganizations, Parse<v1::ListOrganizationsRequest>("page_size: 1"));
  const std::string token = " page_token: '" + page.next_page_token() + "'";
  EXPECT_EQ(Refusal(&Stub::ListOrganizations, "page_size: 3" + token), "OK");
  EXPECT_EQ(Refusal(&Stub::ListOrganizations, "kind: KIND_SCHOOL" + token), "PAGE_TOKEN_INVALID");
  EXPECT_EQ(Refusal(&Stub::ListUsers, token), "PAGE_TOKEN_INVALID");
  EXPECT_EQ(Refusal(&Stub::ListOrganizations, "page_token: 'x'"), "PAGE_TOKEN_INVALID");
  EXPECT_EQ(Refusal(&Stub::ListOrganizations, "page_size: -1"), "FIELD_INVALID");
}

TEST_F(ServiceTest, OrganizationsAreFiltered) {
  const auto list = [&](const std::string& text, const std::string& user) {
    std::string ids;
    const auto page =
        Must(&Stub::ListOrganizations, Parse<v1::ListOrganizationsRequest>(text), user);
    for (const auto& organization : page.organizations()) {
      ids += organization.name().substr(std::string("organizations/").size()) + " ";
    }
    return ids;
  };
  EXPECT_EQ(list("kind: KIND_DISTRICT", "users/admin"), "d1 d2 ");
  EXPECT_EQ(list("parent: 'organizations/sea'", "users/admin"), "a1 d2 ");
  EXPECT_EQ(list("display_name_contains: 'TW'", "users/admin"), "d2 ");
  EXPECT_EQ(list("display_name_contains: '%'", "users/admin"), "");
  EXPECT_EQ(list("", "users/local"), "d1 ");
  EXPECT_EQ(list("", "users/viewer"), "a1 d1 s1 ");
}

// --- Users ---

TEST_F(ServiceTest, UsersAndStaffIdsAreTaken) {
  User("carl", R"(display_name: "Carl" staff_id: "7")");
  EXPECT_EQ(Refusal(&Stub::CreateUser, R"(user_id: "carl" user { display_name: "C" })"),
            "ALREADY_EXISTS");
  EXPECT_EQ(Refusal(&Stub::CreateUser, R"(user_id: "c2" user { display_name: "C" staff_id: "7" })"),
            "ALREADY_EXISTS");
  EXPECT_EQ(Refusal(&Stub::CreateUser, R"(user_id: "c3" user { display_name: "C"
              assignments { organization: "organizations/nobody" } })"),
            "NOT_FOUND");
}

TEST_F(ServiceTest, UsersAreSeenInScope) {
  EXPECT_EQ(Refusal(&Stub::GetUser, "name: 'users/ann'", "users/local"), "OK");
  EXPECT_EQ(Refusal(&Stub::GetUser, "name: 'users/bob'", "users/local"), "NOT_FOUND");
  EXPECT_EQ(Refusal(&Stub::GetUser, "name: 'users/ann'", "users/ann"), "NOT_PERMITTED");
  const auto page = Must(&Stub::ListUsers, v1::ListUsersRequest(), "users/local");
  std::string names;
  for (const auto& user : page.users()) names += user.name() + " ";
  EXPECT_EQ(names, "users/ann users/local ");
}

TEST_F(ServiceTest, RightsAreReplacedAndCountAtOnce) {
  EXPECT_EQ(Refusal(&Stub::ListUsers, "", "users/ann"), "NOT_PERMITTED");
  const auto user = Must(&Stub::SetToolRights, Parse<v1::SetToolRightsRequest>(R"(
      name: "users/ann" etag: "1"
      tool_grants { tool: TOOL_ORGANIZATIONS rights: TOOL_RIGHT_READ })"));
  EXPECT_EQ(user.etag(), "2");
  EXPECT_EQ(Refusal(&Stub::ListUsers, "", "users/ann"), "OK");
  Must(&Stub::SetToolRights, Parse<v1::SetToolRightsRequest>(R"(name: "users/ann" etag: "2")"));
  EXPECT_EQ(Refusal(&Stub::ListUsers, "", "users/ann"), "NOT_PERMITTED");
  EXPECT_EQ(Refusal(&Stub::SetToolRights, R"(name: "users/nobody" etag: "1")"), "NOT_FOUND");
}

// --- Categories and members ---

TEST_F(ServiceTest, ADraftIsSeenByTheStateOnly) {
  EXPECT_EQ(Refusal(&Stub::GetCategory, "name: 'categories/draft'", "users/state"), "OK");
  EXPECT_EQ(Refusal(&Stub::GetCategory, "name: 'categories/draft'", "users/local"), "NOT_FOUND");
  EXPECT_EQ(Refusal(&Stub::GetCategory, "name: 'categories/open'", "users/local"), "OK");
  const auto page = Must(&Stub::ListCategories, v1::ListCategoriesRequest(), "users/local");
  ASSERT_EQ(page.categories_size(), 1);
  EXPECT_EQ(page.categories(0).state(), v1::Category::PUBLISHED);
  const auto drafts = Must(&Stub::ListCategories, Parse<v1::ListCategoriesRequest>("state: DRAFT"));
  ASSERT_EQ(drafts.categories_size(), 1);
  EXPECT_EQ(drafts.categories(0).name(), "categories/draft");
}

TEST_F(ServiceTest, ACategoryIsPublishedOnce) {
  EXPECT_EQ(Refusal(&Stub::PublishCategory, R"(name: "categories/open" etag: "2")"),
            "TRANSITION_NOT_ALLOWED");
  EXPECT_EQ(Refusal(&Stub::PublishCategory, R"(name: "categories/nobody" etag: "1")"), "NOT_FOUND");
}

constexpr char kReviewer[] = R"(member { category: "categories/open" role: ROLE_REVIEWER )";

TEST_F(ServiceTest, LocalPeopleManageTheMembersWhereTheyWork) {
  const auto add = [&](const std::string& organization, const std::string& user,
                       const std::string& by) {
    return Refusal(&Stub::AddMember,
                   kReviewer + ("organization: 'organizations/" + organization + "' user: 'users/" +
                                user + "' }"),
                   by);
  };
  EXPECT_EQ(add("d1", "ann", "users/viewer"), "NOT_PERMITTED");  // sees it, does not work there
  EXPECT_EQ(add("d1", "bob", "users/local"), "NOT_FOUND");       // a user out of his scope
  EXPECT_EQ(add("d1", "ann", "users/local"), "OK");
  EXPECT_EQ(add("d1", "ann", "users/local"), "ALREADY_EXISTS");
  EXPECT_EQ(add("d2", "bob", "users/local"), "NOT_FOUND");
  EXPECT_EQ(Refusal(&Stub::RemoveMember, "name: '" + other_member_ + "'", "users/local"),
            "NOT_FOUND");
  EXPECT_EQ(Refusal(&Stub::RemoveMember, "name: '" + member_ + "'", "users/viewer"),
            "NOT_PERMITTED");
  EXPECT_EQ(Refusal(&Stub::RemoveMember, "name: '" + member_ + "'", "users/local"), "OK");
  EXPECT_EQ(Refusal(&Stub::RemoveMember, "name: '" + member_ + "'", "users/local"), "NOT_FOUND");
}

TEST_F(ServiceTest, MembersNeedACategoryThatIsActive) {
  Category("asleep", "active: false");
  constexpr char kMember[] = R"( organization: "organizations/d1" user: "users/ann"
                                 role: ROLE_REVIEWER })";
  EXPECT_EQ(
      Refusal(&Stub::AddMember, std::string("member { category: 'categories/asleep'") + kMember),
      "CATEGORY_INACTIVE");
  const std::string draft = std::string("member { category: 'categories/draft'") + kMember;
  EXPECT_EQ(Refusal(&Stub::AddMember, draft, "users/local"), "NOT_FOUND");
  EXPECT_EQ(Refusal(&Stub::AddMember, draft), "OK");
}

TEST_F(ServiceTest, TheSameRoleIsHeldOnceAtATime) {
  const auto add = [&](const std::string& days) {
    return Refusal(
        &Stub::AddMember,
        kReviewer + ("organization: 'organizations/d1' user: 'users/ann' " + days + " }"));
  };
  constexpr char kSpring[] = R"(valid_from { year: 2027 month: 1 day: 1 }
                                valid_to { year: 2027 month: 6 day: 30 })";
  constexpr char kAfter[] = "valid_from { year: 2027 month: 7 day: 1 }";
  constexpr char kLastDay[] = R"(valid_from { year: 2027 month: 6 day: 30 }
                                 valid_to { year: 2027 month: 6 day: 30 })";
  EXPECT_EQ(add(kSpring), "OK");
  EXPECT_EQ(add(kAfter), "OK");
  EXPECT_EQ(add(kLastDay), "ALREADY_EXISTS");
  EXPECT_EQ(add(""), "ALREADY_EXISTS");
}

TEST_F(ServiceTest, MembersAreListedInScope) {
  const auto list = [&](const std::string& text, const std::string& user) {
    std::string people;
    const auto page = Must(&Stub::ListMembers, Parse<v1::ListMembersRequest>(text), user);
    for (const auto& member : page.members()) people += member.user() + " ";
    return people;
  };
  EXPECT_EQ(list("", "users/admin"), "users/ann users/local users/bob ");
  EXPECT_EQ(list("", "users/local"), "users/ann users/local ");
  EXPECT_EQ(list("organization: 'organizations/d2'", "users/admin"), "users/bob ");
  EXPECT_EQ(list("organization: 'organizations/d2'", "users/local"), "");
  EXPECT_EQ(list("user: 'users/ann'", "users/admin"), "users/ann ");
  EXPECT_EQ(list("category: 'categories/draft'", "users/admin"), "");
  Must(&Stub::AddMember,
       Parse<v1::AddMemberRequest>(kReviewer +
                                   std::string("organization: 'organizations/d1' user: 'users/ann' "
                                               "valid_to { year: 2026 month: 11 day: 14 } }")));
  EXPECT_EQ(list("active_only: true", "users/admin"), "users/ann users/local users/bob ");
  const auto members =
      Must(&Stub::ListMembers, Parse<v1::ListMembersRequest>("user: 'users/bob'")).members();
  ASSERT_EQ(members.size(), 1);
  EXPECT_TRUE(members[0].user_active());
  EXPECT_TRUE(members[0].in_scope());
  EXPECT_FALSE(members[0].all_schools());
}

TEST_F(ServiceTest, MembersOfAnInstantAreTheSameLater) {
  const auto list = [&](absl::Time at) {
    std::string people;
    v1::ListMembersRequest request = Parse<v1::ListMembersRequest>("page_size: 1");
    *request.mutable_at() = rpc::ToProto(at);
    do {
      const auto page = Must(&Stub::ListMembers, request);
      for (const auto& member : page.members()) people += member.user() + " ";
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return people;
  };
  const auto members = Must(&Stub::ListMembers, v1::ListMembersRequest()).members();
  const absl::Time before = rpc::FromProto(members[members.size() - 1].create_time());
  Must(&Stub::RemoveMember, Parse<v1::RemoveMemberRequest>("name: '" + member_ + "'"));
  User("carl", R"(display_name: "C" assignments { organization: "organizations/d2" })");
  const absl::Time after = rpc::FromProto(AddMember("carl", "d2").create_time());
  EXPECT_EQ(list(before), "users/ann users/local users/bob ");
  EXPECT_EQ(list(after - absl::Microseconds(1)), "users/local users/bob ");
  EXPECT_EQ(list(after), "users/local users/bob users/carl ");
  EXPECT_EQ(list(absl::UnixEpoch()), "");
  EXPECT_EQ(Refusal(&Stub::ListMembers, "at { seconds: -1 }"), "FIELD_INVALID");
  EXPECT_EQ(Refusal(&Stub::ListMembers, "at { seconds: 253402300800 }"), "FIELD_INVALID");
}

TEST_F(ServiceTest, AnInstantOfMembersDecidesTheDay) {
  Must(&Stub::AddMember,
       Parse<v1::AddMemberRequest>(kReviewer +
                                   std::string("organization: 'organizations/d1' user: 'users/ann' "
                                               "valid_to { year: 2199 month: 1 day: 1 } }")));
  const auto count = [&](absl::Time at) {
    auto request = Parse<v1::ListMembersRequest>("user: 'users/ann' active_only: true");
    *request.mutable_at() = rpc::ToProto(at);
    return Must(&Stub::ListMembers, request).members_size();
  };
  // The last day ends at 06:00 UTC of the next.
  const absl::Time end = absl::FromCivil(absl::CivilHour(2199, 1, 2, 6), absl::UTCTimeZone());
  EXPECT_EQ(count(end - absl::Milliseconds(1)), 2);
  EXPECT_EQ(count(end), 1);
}

// --- Events ---

TEST_F(ServiceTest, AnEventRefersToWhatExists) {
  const auto create = [&](const std::string& more) {
    return Refusal(&Stub::CreateEvent, "event { " + EventWith(more) + " }");
  };
  EXPECT_EQ(create(" participants: 'organizations/nobody'"), "NOT_FOUND");
  EXPECT_EQ(create(" depends_on: 'events/nobody'"), "NOT_FOUND");
  EXPECT_EQ(create(" category: 'categories/nobody'"), "NOT_FOUND");
  EXPECT_EQ(create(" depends_on: 'events/live'"), "OK");
}

TEST_F(ServiceTest, AnUpdateChangesWhatTheMaskNamesAndNothingElse) {
  const auto get = [&](const std::string& id) {
    return Must(&Stub::GetEvent, Parse<v1::GetEventRequest>("name: 'events/" + id + "'"));
  };
  const v1::Event before = get("planned");
  auto request = Parse<v1::UpdateEventRequest>(R"(
      event { name: "events/planned" title: "Autumn" reporting_year: 2030
              participants: "organizations/d2" attestation_text: "I declare." }
      update_mask { paths: "title" paths: "participants" paths: "attestation_text" } etag: "1")");
  const v1::Event after = Must(&Stub::UpdateEvent, request);
  v1::Event expected = before;
  expected.set_title("Autumn");
  expected.clear_participants();
  expected.add_participants("organizations/d2");
  expected.set_participant_count(1);
  expected.set_attestation_text("I declare.");
  expected.set_attestation_version(2);
  expected.set_etag("2");
  *expected.mutable_update_time() = after.update_time();
  EXPECT_EQ(after.ShortDebugString(), expected.ShortDebugString());
  EXPECT_EQ(get("planned").ShortDebugString(), expected.ShortDebugString());

  // Without participants it cannot be published; naming them opens the way.
  request = Parse<v1::UpdateEventRequest>(
      R"(event { name: "events/planned" } update_mask { paths: "participants" } etag: "2")");
  EXPECT_EQ(Must(&Stub::UpdateEvent, request).participant_count(), 0);
  constexpr char kPublish[] = R"(name: "events/planned" rule_group_version: 1 etag: )";
  EXPECT_EQ(Refusal(&Stub::PublishEvent, kPublish + std::string("'3'")), "NO_PARTICIPANTS");
  request = Parse<v1::UpdateEventRequest>(R"(
      event { name: "events/planned" participants: "organizations/d1" }
      update_mask { paths: "participants" } etag: "3")");
  Must(&Stub::UpdateEvent, request);
  EXPECT_EQ(Refusal(&Stub::PublishEvent, kPublish + std::string("'4'")), "OK");
  request.set_etag("5");
  EXPECT_EQ(Refusal(&Stub::UpdateEvent, request.ShortDebugString()), "TRANSITION_NOT_ALLOWED");
}

TEST_F(ServiceTest, EveryFieldOfAnEventCanBeUpdatedBeforeItIsPublished) {
  Must(&Stub::CreateCategory, Parse<v1::CreateCategoryRequest>(R"(category_id: "schools"
      category { title: "T" level: LEVEL_SCHOOL })"));
  auto request = Parse<v1::UpdateEventRequest>(R"(etag: "1" event {
      name: "events/planned" title: "New" description: "Text" reporting_year: 2030
      datasets: "datasets/enrollment" category: "categories/schools" level: LEVEL_SCHOOL
      rule_group: "ruleGroups/new"
      start_date { year: 2027 month: 1 day: 1 } certification_opens { year: 2027 month: 1 day: 2 }
      due_date { year: 2027 month: 1 day: 3 } end_date { year: 2027 month: 1 day: 4 }
      snapshot_available { year: 2027 month: 1 day: 1 } participants: "organizations/s1"
      attestation_text: "I declare." allows_zero_attestation: true depends_on: "events/live" })");
  // Whatever CreateEvent takes.
  std::vector<const google::protobuf::FieldDescriptor*> given;
  request.event().GetReflection()->ListFields(request.event(), &given);
  for (const auto* field : given) {
    if (field->name() != "name") request.mutable_update_mask()->add_paths(field->name());
  }
  EXPECT_EQ(request.update_mask().paths_size(), 16);
  v1::Event after = Must(&Stub::UpdateEvent, request);
  const google::protobuf::Reflection& reflection = *after.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> answered;
  reflection.ListFields(after, &answered);
  for (const auto* field : answered) {
    if (std::find(given.begin(), given.end(), field) == given.end()) {
      reflection.ClearField(&after, field);
    }
  }
  EXPECT_EQ(after.ShortDebugString(), request.event().ShortDebugString());
}

TEST_F(ServiceTest, AnUpdateRefersToWhatExists) {
  const auto update = [&](const std::string& path, const std::string& value) {
    return Refusal(&Stub::UpdateEvent, "etag: '1' event { name: 'events/planned' " + path + ": '" +
                                           value + "' } update_mask { paths: '" + path + "' }");
  };
  EXPECT_EQ(update("participants", "organizations/nobody"), "NOT_FOUND");
  EXPECT_EQ(update("depends_on", "events/nobody"), "NOT_FOUND");
  EXPECT_EQ(update("category", "categories/nobody"), "NOT_FOUND");
  EXPECT_EQ(Refusal(&Stub::UpdateEvent, R"(event { name: "events/nobody" title: "x" }
                                           update_mask { paths: "title" } etag: "1")"),
            "NOT_FOUND");
}

TEST_F(ServiceTest, DependenciesDoNotGoRoundInACircle) {
  Event("second", EventWith("depends_on: 'events/planned'"));
  Event("third", EventWith("depends_on: 'events/second'"));
  const auto depend = [&](const std::string& event, const std::string& on) {
    return Refusal(&Stub::UpdateEvent, "etag: '1' event { name: 'events/" + event +
                                           "' depends_on: 'events/" + on +
                                           "' } update_mask { paths: 'depends_on' }");
  };
  EXPECT_EQ(depend("planned", "third"), "FIELD_INVALID");
  EXPECT_EQ(depend("planned", "planned"), "FIELD_INVALID");
  EXPECT_EQ(depend("third", "planned"), "OK");
  EXPECT_EQ(depend("planned", "live"), "OK");
}

TEST_F(ServiceTest, TwoUpdatesAtTheSameTimeMakeNoCircle) {
  Event("other", kLiveEvent);
  const auto depend = [&](const std::string& event, const std::string& on) {
    return Refusal(&Stub::UpdateEvent, "etag: '1' event { name: 'events/" + event +
                                           "' depends_on: 'events/" + on +
                                           "' } update_mask { paths: 'depends_on' }");
  };
  std::string first;
  std::string second;
  {
    const std::jthread one([&] { first = depend("planned", "other"); });
    const std::jthread two([&] { second = depend("other", "planned"); });
  }
  EXPECT_NE(first == "OK", second == "OK") << first << " " << second;
}

TEST_F(ServiceTest, OutsideTheStateAnEventIsSeenWhileItIsLive) {
  const auto get = [&](const std::string& id, const std::string& user) {
    return Refusal(&Stub::GetEvent, "name: 'events/" + id + "'", user);
  };
  EXPECT_EQ(get("live", "users/local"), "OK");
  EXPECT_EQ(get("live", "users/viewer"), "NOT_FOUND");  // no member of the category
  EXPECT_EQ(get("planned", "users/local"), "NOT_FOUND");
  EXPECT_EQ(get("planned", "users/state"), "OK");
  EXPECT_EQ(get("nobody", "users/admin"), "NOT_FOUND");
  const auto seen =
      Must(&Stub::GetEvent, Parse<v1::GetEventRequest>("name: 'events/live'"), "users/local");
  ASSERT_EQ(seen.participants_size(), 1);
  EXPECT_EQ(seen.participants(0), "organizations/d1");
  EXPECT_EQ(seen.participant_count(), 2);
  Must(&Stub::CloseEvent,
       Parse<v1::CloseEventRequest>(R"(name: "events/live" etag: "2" reason: "Done.")"));
  EXPECT_EQ(get("live", "users/local"), "NOT_FOUND");
  EXPECT_EQ(get("live", "users/state"), "OK");
}

TEST_F(ServiceTest, EventsAreListedByDueDate) {
  Event("early", EventWith(R"(due_date { year: 2026 month: 11 day: 2 } title: "Early")"));
  v1::ListEventsRequest request;
  request.set_page_size(1);
  std::string names;
  do {
    const auto page = Must(&Stub::ListEvents, request);
    for (const auto& event : page.events()) names += event.name() + " ";
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(names, "events/early events/live events/planned ");

  const auto list = [&](const std::string& text, const std::string& user) {
    std::string ids;
    const auto page = Must(&Stub::ListEvents, Parse<v1::ListEventsRequest>(text), user);
    for (const auto& event : page.events()) ids += event.name().substr(7) + " ";
    return ids;
  };
  EXPECT_EQ(list("", "users/local"), "live ");
  EXPECT_EQ(list("", "users/viewer"), "");
  EXPECT_EQ(list("statuses: STATUS_PUBLISHED statuses: STATUS_CLOSED", "users/admin"), "live ");
  EXPECT_EQ(list("title_contains: 'EAR'", "users/admin"), "early ");
  EXPECT_EQ(list("reporting_year: 2030", "users/admin"), "");
  EXPECT_EQ(list("organization: 'organizations/d2'", "users/admin"), "early live planned ");
  EXPECT_EQ(list("organization: 'organizations/d2'", "users/local"), "");
  EXPECT_EQ(list("level: LEVEL_SCHOOL", "users/admin"), "");
}

TEST_F(ServiceTest, PublishingNeedsParticipantsACategoryAndTime) {
  const auto publish = [&](const std::string& id) {
    return Refusal(&Stub::PublishEvent,
                   "name: 'events/" + id + "' etag: '1' rule_group_version: 1");
  };
  auto empty = Parse<v1::Event>(kLiveEvent);
  empty.clear_participants();
  Event("empty", empty.ShortDebugString());
  EXPECT_EQ(publish("empty"), "NO_PARTICIPANTS");
  Event("drafted", EventWith("category: 'categories/draft'"));
  EXPECT_EQ(publish("drafted"), "CATEGORY_INACTIVE");
  // The end date is 1 December; its last instant is 05:59:59.999 UTC of the next day.
  const absl::Time end = absl::FromCivil(absl::CivilHour(2026, 12, 2, 6), absl::UTCTimeZone());
  clock_.Set(end);
  EXPECT_EQ(publish("planned"), "FIELD_INVALID");
  clock_.Set(end - absl::Milliseconds(1));
  EXPECT_EQ(publish("planned"), "OK");
}

TEST_F(ServiceTest, OnlyTheStepsOfTheLifecycleAreAllowed) {
  EXPECT_EQ(Refusal(&Stub::PublishEvent, R"(name: "events/live" etag: "2" rule_group_version: 1)"),
            "TRANSITION_NOT_ALLOWED");
  EXPECT_EQ(Refusal(&Stub::DeleteEvent, R"(name: "events/live" etag: "2")"),
            "TRANSITION_NOT_ALLOWED");
  EXPECT_EQ(Refusal(&Stub::CloseEvent, R"(name: "events/planned" etag: "1" reason: "x")"),
            "TRANSITION_NOT_ALLOWED");
  EXPECT_EQ(Refusal(&Stub::CloseEvent, R"(name: "events/live" etag: "2")"), "REASON_REQUIRED");
  const auto closed =
      Must(&Stub::CloseEvent,
           Parse<v1::CloseEventRequest>(R"(name: "events/live" etag: "2" reason: "x")"));
  EXPECT_EQ(closed.status(), v1::Event::STATUS_CLOSED);
  EXPECT_EQ(closed.phase(), v1::Event::PHASE_CLOSED);
  EXPECT_TRUE(closed.has_close_time());
  EXPECT_EQ(Refusal(&Stub::CloseEvent, R"(name: "events/live" etag: "3" reason: "x")"),
            "TRANSITION_NOT_ALLOWED");
}

TEST_F(ServiceTest, AnEventThatAnotherDependsOnStays) {
  Event("later", EventWith("depends_on: 'events/planned'"));
  EXPECT_EQ(Refusal(&Stub::DeleteEvent, R"(name: "events/planned" etag: "1")"), "IN_USE");
  EXPECT_EQ(Refusal(&Stub::DeleteEvent, R"(name: "events/later" etag: "1")"), "OK");
  EXPECT_EQ(Refusal(&Stub::DeleteEvent, R"(name: "events/planned" etag: "1")"), "OK");
  EXPECT_EQ(Refusal(&Stub::GetEvent, R"(name: "events/planned")"), "NOT_FOUND");
}

// --- For other services ---

TEST_F(ServiceTest, ResolveAccessIsForServices) {
  const auto request = Parse<v1::ResolveAccessRequest>(R"(user: "users/ann" event: "events/live"
                                         organization: "organizations/d1")");
  EXPECT_THAT(Call(&Stub::ResolveAccess, request, "users/admin"), HasReason("NOT_PERMITTED"));
  grpc::ClientContext context;
  server_.CallAsService(context);
  v1::ResolveAccessResponse response;
  ASSERT_TRUE(stub_->ResolveAccess(&context, request, &response).ok());
  EXPECT_TRUE(response.active());
  EXPECT_TRUE(response.in_scope());
  EXPECT_FALSE(response.is_state_user());
  EXPECT_EQ(response.organization_kind(), v1::Organization::KIND_DISTRICT);
  EXPECT_EQ(response.organization_parent(), "organizations/a1");
  ASSERT_EQ(response.roles_size(), 1);
  EXPECT_EQ(response.roles(0).role(), v1::Member::ROLE_CERTIFIER);
  EXPECT_EQ(response.roles(0).rank(), v1::Member::RANK_PRIMARY);
  EXPECT_EQ(response.roles(0).member(), member_);
  EXPECT_EQ(response.event().name(), "events/live");
  EXPECT_EQ(response.event().phase(), v1::Event::PHASE_CERTIFYING);
  EXPECT_EQ(response.event().rule_group_version(), 3);
  EXPECT_EQ(response.event().participants_size(), 0);
  EXPECT_EQ(response.visible_events_size(), 0);
}

TEST_F(ServiceTest, ResolveAccessTellsTheVisibleEventsWhenAsked) {
  const auto visible = [&](const std::string& user) {
    auto request = Parse<v1::ResolveAccessRequest>("with_visible_events: true");
    request.set_user(user);
    grpc::ClientContext context;
    server_.CallAsService(context);
    v1::ResolveAccessResponse response;
    EXPECT_TRUE(stub_->ResolveAccess(&context, request, &response).ok());
    return absl::StrJoin(response.visible_events(), " ");
  };
  EXPECT_EQ(visible("users/ann"), "events/live");
  EXPECT_EQ(visible("users/viewer"), "");  // no member
  EXPECT_EQ(visible("users/state"), "");   // sees all
}

TEST_F(ServiceTest, AServiceSeesEverything) {
  grpc::ClientContext context;
  server_.CallAsService(context);
  v1::Event event;
  ASSERT_TRUE(
      stub_->GetEvent(&context, Parse<v1::GetEventRequest>("name: 'events/planned'"), &event).ok());
  EXPECT_EQ(event.participants_size(), 2);
}

TEST_F(ServiceTest, TheFeedTellsWhatOthersFollow) {
  grpc::ClientContext context;
  server_.CallAsService(context);
  v1::ListChangesResponse response;
  ASSERT_TRUE(stub_->ListChanges(&context, {}, &response).ok());
  std::vector<std::string> types;
  int64_t position = 0;
  for (const auto& change : response.changes()) {
    types.push_back(change.type());
    EXPECT_EQ(change.position(), ++position);
    EXPECT_EQ(change.actor(), "users/admin");
  }
  EXPECT_EQ(absl::StrJoin(types, " "),
            "organization_created organization_created organization_created organization_created "
            "organization_created category_published member_added member_added member_added "
            "event_published");
  const auto& published = response.changes(response.changes_size() - 1);
  EXPECT_EQ(published.subject(), "events/live");
  EXPECT_EQ(published.attributes().at("live_version"), "1");
  EXPECT_EQ(published.attributes().at("level"), "DISTRICT");
  EXPECT_THAT(Call(&Stub::ListChanges, v1::ListChangesRequest(), "users/admin"),
              HasReason("NOT_PERMITTED"));
}

TEST_F(ServiceTest, TheFeedTellsWhatAnOrganizationIs) {
  Organization("s9", R"(kind: KIND_SCHOOL display_name: 'Nine' parent: 'organizations/d1'
      nces_id: '480000100009' open_date { year: 1999 month: 8 day: 1 }
      grades_offered: 'KG' grades_offered: '01')");
  grpc::ClientContext context;
  server_.CallAsService(context);
  v1::ListChangesResponse response;
  ASSERT_TRUE(stub_->ListChanges(&context, {}, &response).ok());
  ASSERT_GT(response.changes_size(), 0);
  const auto& change = *response.changes().rbegin();
  EXPECT_EQ(change.subject(), "organizations/s9");
  const std::map<std::string, std::string> attributes(change.attributes().begin(),
                                                      change.attributes().end());
  EXPECT_THAT(attributes,
              ::testing::UnorderedElementsAre(
                  std::pair("organization", "organizations/s9"), std::pair("kind", "SCHOOL"),
                  std::pair("parent", "organizations/d1"), std::pair("display_name", "Nine"),
                  std::pair("nces_id", "480000100009"), std::pair("open_date", "1999-08-01"),
                  std::pair("close_date", ""), std::pair("grades_offered", "KG;01")));
}

TEST_F(ServiceTest, AuditRecordsAreForTheStatesAuditors) {
  EXPECT_EQ(Refusal(&Stub::ListAuditRecords, "", "users/state"), "NOT_PERMITTED");
  EXPECT_EQ(Refusal(&Stub::ListAuditRecords, "", "users/local"), "NOT_PERMITTED");
  const auto page =
      Must(&Stub::ListAuditRecords, Parse<v1::ListAuditRecordsRequest>("page_size: 1"));
  ASSERT_EQ(page.audit_records_size(), 1);
  EXPECT_EQ(page.audit_records(0).subject(), "events/live");
  EXPECT_EQ(page.audit_records(0).method(), "edcert.registry.v1.EventRegistry/PublishEvent");
  EXPECT_EQ(page.audit_records(0).actor(), "users/admin");
}

}  // namespace
}  // namespace edcert::event_registry
