#include "services/event_registry/request_convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <utility>

#include "common/names/new_id.h"
#include "common/rpc/standard.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::event_registry {
namespace {

namespace v1 = ::edcert::registry::v1;

constexpr std::size_t kMaxEtag = 63;
constexpr std::size_t kMaxName = 200;
constexpr std::size_t kMaxDescription = 4000;
constexpr std::size_t kMaxFilterText = 100;
constexpr std::size_t kMaxEmail = 254;
constexpr std::size_t kMaxStaffId = 63;
constexpr std::size_t kMaxMemberTitle = 100;
constexpr std::size_t kMaxGrade = 10;
constexpr std::size_t kMaxAttestation = 8000;
constexpr std::size_t kMaxReason = 2000;
constexpr int kMaxGrades = 30;
constexpr int kMaxAssignments = 200;
constexpr int kMaxDatasets = 20;
constexpr int kMaxDependencies = 20;
constexpr int kMaxParticipants = 20'000;
constexpr int kFirstYear = 2000;
constexpr int kLastYear = 2100;
constexpr int64_t kLastSecond = 253'402'300'799;  // of the year 9999

absl::Status CheckEtagField(const std::string& etag) {
  return rpc::CheckText(etag, "etag", 1, kMaxEtag);
}

absl::Status CheckCount(int count, std::string_view field, int min, int max) {
  if (count >= min && count <= max) return absl::OkStatus();
  if (count == 0) return status::FieldInvalid(field, "required");
  return status::FieldInvalid(field, fmt::format("must have {} to {} entries", min, max));
}

// A name that may be left out.
template <typename Name>
absl::StatusOr<std::optional<Name>> ParseOptional(const std::string& text, std::string_view field) {
  if (text.empty()) return std::nullopt;
  ASSIGN_OR_RETURN(Name name, Name::Parse(text, field));
  return name;
}

// The id of a name that filters a list; empty when it is left out.
template <typename Name>
absl::StatusOr<std::string> ParseFilter(const std::string& text, std::string_view field) {
  if (text.empty()) return "";
  ASSIGN_OR_RETURN(const Name name, Name::Parse(text, field));
  return name.id();
}

// Names of a list, each once.
template <typename Name, typename Texts>
absl::StatusOr<std::vector<Name>> ParseNames(const Texts& texts, std::string_view field) {
  std::vector<Name> names;
  std::set<std::string_view> seen;
  for (const std::string& text : texts) {
    const std::string place = fmt::format("{}[{}]", field, names.size());
    ASSIGN_OR_RETURN(Name name, Name::Parse(text, place));
    if (!seen.insert(text).second) return status::FieldInvalid(place, "is named twice");
    names.push_back(std::move(name));
  }
  return names;
}

// An enum of the wire that must be set, as the domain's. `valid` is the generated `*_IsValid`.
template <typename Enum>
absl::StatusOr<Enum> ParseEnum(int value, bool (*valid)(int), std::string_view field) {
  if (value == 0) return status::FieldInvalid(field, "required");
  if (!valid(value)) return status::FieldInvalid(field, "is not a known value");
  return static_cast<Enum>(value);
}

// The same for a filter, which may be left out.
template <typename Enum>
absl::StatusOr<std::optional<Enum>> ParseEnumFilter(int value, bool (*valid)(int),
                                                    std::string_view field) {
  if (value == 0) return std::nullopt;
  ASSIGN_OR_RETURN(const Enum known, ParseEnum<Enum>(value, valid, field));
  return known;
}

absl::StatusOr<std::optional<absl::CivilDay>> ParseOptionalDate(bool present,
                                                                const type::Date& date,
                                                                std::string_view field) {
  if (!present) return std::nullopt;
  ASSIGN_OR_RETURN(const absl::CivilDay day, rpc::ParseDate(date, field));
  return day;
}

struct Interval {
  absl::CivilDay from;
  absl::CivilDay to;
};

// valid_from and valid_to of a message, in order.
template <typename Message>
absl::StatusOr<Interval> ParseInterval(const Message& message, const std::string& field) {
  ASSIGN_OR_RETURN(const auto from, ParseOptionalDate(message.has_valid_from(),
                                                      message.valid_from(), field + ".valid_from"));
  ASSIGN_OR_RETURN(const auto to, ParseOptionalDate(message.has_valid_to(), message.valid_to(),
                                                    field + ".valid_to"));
  const Interval interval{from.value_or(kAlways), to.value_or(kForever)};
  if (interval.to < interval.from) {
    return status::FieldInvalid(field + ".valid_to", "must not be before valid_from");
  }
  return interval;
}

absl::StatusOr<Assignment> ParseAssignment(const v1::User::Assignment& assignment,
                                           const std::string& field) {
  ASSIGN_OR_RETURN(
      const auto organization,
      names::OrganizationName::Parse(assignment.organization(), field + ".organization"));
  ASSIGN_OR_RETURN(const Interval interval, ParseInterval(assignment, field));
  return Assignment{organization, assignment.all_schools(), interval.from, interval.to};
}

absl::StatusOr<ToolGrant> ParseGrant(const v1::ToolGrant& grant, const std::string& field) {
  ASSIGN_OR_RETURN(const int tool,
                   ParseEnum<int>(grant.tool(), &type::Tool_IsValid, field + ".tool"));
  RETURN_IF_ERROR(CheckCount(grant.rights_size(), field + ".rights", 1, kToolRights));
  ToolGrant parsed{.tool = tool, .rights = 0};
  for (const int value : grant.rights()) {
    ASSIGN_OR_RETURN(const int right,
                     ParseEnum<int>(value, &type::ToolRight_IsValid, field + ".rights"));
    if ((parsed.rights & RightBit(right)) != 0) {
      return status::FieldInvalid(field + ".rights", "names a right twice");
    }
    parsed.rights |= RightBit(right);
  }
  return parsed;
}

template <typename Grants>
absl::StatusOr<std::vector<ToolGrant>> ParseGrants(const Grants& grants, std::string_view field) {
  std::vector<ToolGrant> parsed;
  for (const v1::ToolGrant& grant : grants) {
    const std::string place = fmt::format("{}[{}]", field, parsed.size());
    ASSIGN_OR_RETURN(const ToolGrant next, ParseGrant(grant, place));
    if (std::any_of(parsed.begin(), parsed.end(),
                    [&next](const ToolGrant& other) { return other.tool == next.tool; })) {
      return status::FieldInvalid(place + ".tool", "has two entries");
    }
    parsed.push_back(next);
  }
  return parsed;
}

// One field that a request may set in an event, by its name in the proto.
struct EventField {
  std::string_view name;
  absl::Status (*read)(const v1::Event& from, EventDraft& to);
};

constexpr std::array kEventFields = {
    EventField{"title",
               [](const v1::Event& from, EventDraft& to) {
                 to.event.title = from.title();
                 return rpc::CheckText(from.title(), "event.title", 1, kMaxName);
               }},
    EventField{"description",
               [](const v1::Event& from, EventDraft& to) {
                 to.event.description = from.description();
                 return rpc::CheckText(from.description(), "event.description", 0, kMaxDescription);
               }},
    EventField{"reporting_year",
               [](const v1::Event& from, EventDraft& to) {
                 to.event.reporting_year = from.reporting_year();
                 return from.reporting_year() >= kFirstYear && from.reporting_year() <= kLastYear
                            ? absl::OkStatus()
                            : status::FieldInvalid("event.reporting_year", "must be 2000 to 2100");
               }},
    EventField{
        "datasets",
        [](const v1::Event& from, EventDraft& to) {
          RETURN_IF_ERROR(CheckCount(from.datasets_size(), "event.datasets", 1, kMaxDatasets));
          ASSIGN_OR_RETURN(to.event.datasets,
                           ParseNames<names::DatasetName>(from.datasets(), "event.datasets"));
          return absl::OkStatus();
        }},
    EventField{"category",
               [](const v1::Event& from, EventDraft& to) {
                 ASSIGN_OR_RETURN(to.event.category,
                                  names::CategoryName::Parse(from.category(), "event.category"));
                 return absl::OkStatus();
               }},
    EventField{"level",
               [](const v1::Event& from, EventDraft& to) {
                 ASSIGN_OR_RETURN(
                     to.event.level,
                     ParseEnum<Level>(from.level(), &type::Level_IsValid, "event.level"));
                 return absl::OkStatus();
               }},
    EventField{"rule_group",
               [](const v1::Event& from, EventDraft& to) {
                 ASSIGN_OR_RETURN(to.event.rule_group, names::RuleGroupName::Parse(
                                                           from.rule_group(), "event.rule_group"));
                 return absl::OkStatus();
               }},
    EventField{"start_date",
               [](const v1::Event& from, EventDraft& to) {
                 ASSIGN_OR_RETURN(to.window.start_date,
                                  rpc::ParseDate(from.start_date(), "event.start_date"));
                 return absl::OkStatus();
               }},
    EventField{"certification_opens",
               [](const v1::Event& from, EventDraft& to) {
                 ASSIGN_OR_RETURN(
                     to.window.certification_opens,
                     ParseOptionalDate(from.has_certification_opens(), from.certification_opens(),
                                       "event.certification_opens"));
                 return absl::OkStatus();
               }},
    EventField{"due_date",
               [](const v1::Event& from, EventDraft& to) {
                 ASSIGN_OR_RETURN(
                     to.window.due_date,
                     ParseOptionalDate(from.has_due_date(), from.due_date(), "event.due_date"));
                 return absl::OkStatus();
               }},
    EventField{"end_date",
               [](const v1::Event& from, EventDraft& to) {
                 ASSIGN_OR_RETURN(to.window.end_date,
                                  rpc::ParseDate(from.end_date(), "event.end_date"));
                 return absl::OkStatus();
               }},
    EventField{"snapshot_available",
               [](const v1::Event& from, EventDraft& to) {
                 ASSIGN_OR_RETURN(
                     to.window.snapshot_available,
                     ParseOptionalDate(from.has_snapshot_available(), from.snapshot_available(),
                                       "event.snapshot_available"));
                 return absl::OkStatus();
               }},
    EventField{"participants",
               [](const v1::Event& from, EventDraft& to) {
                 RETURN_IF_ERROR(CheckCount(from.participants_size(), "event.participants", 0,
                                            kMaxParticipants));
                 ASSIGN_OR_RETURN(to.event.participants,
                                  ParseNames<names::OrganizationName>(from.participants(),
                                                                      "event.participants"));
                 to.event.participant_count = from.participants_size();
                 return absl::OkStatus();
               }},
    EventField{"attestation_text",
               [](const v1::Event& from, EventDraft& to) {
                 to.event.attestation_text = from.attestation_text();
                 return rpc::CheckText(from.attestation_text(), "event.attestation_text", 1,
                                       kMaxAttestation);
               }},
    EventField{"allows_zero_attestation",
               [](const v1::Event& from, EventDraft& to) {
                 to.event.allows_zero_attestation = from.allows_zero_attestation();
                 return absl::OkStatus();
               }},
    EventField{"depends_on",
               [](const v1::Event& from, EventDraft& to) {
                 RETURN_IF_ERROR(
                     CheckCount(from.depends_on_size(), "event.depends_on", 0, kMaxDependencies));
                 ASSIGN_OR_RETURN(to.event.depends_on, ParseNames<names::EventName>(
                                                           from.depends_on(), "event.depends_on"));
                 return absl::OkStatus();
               }},
};

absl::Status ReadFields(std::span<const EventField* const> fields, const v1::Event& from,
                        EventDraft& to) {
  for (const EventField* field : fields) RETURN_IF_ERROR(field->read(from, to));
  return absl::OkStatus();
}

// The fields that a mask names.
absl::StatusOr<std::vector<const EventField*>> ParseMask(const google::protobuf::FieldMask& mask) {
  if (mask.paths().empty()) return status::FieldInvalid("update_mask", "required");
  std::vector<const EventField*> fields;
  for (const std::string& path : mask.paths()) {
    const auto* found =
        std::find_if(kEventFields.begin(), kEventFields.end(),
                     [&path](const EventField& field) { return field.name == path; });
    if (found == kEventFields.end()) {
      return status::FieldInvalid("update_mask", "names something that cannot be changed");
    }
    if (std::find(fields.begin(), fields.end(), found) != fields.end()) {
      return status::FieldInvalid("update_mask", "names a field twice");
    }
    fields.push_back(found);
  }
  return fields;
}

// An event with this name and nothing else.
EventDraft EmptyDraft(names::EventName name) {
  return {.event = {.name = std::move(name),
                    .category = names::CategoryName::FromId(""),
                    .rule_group = names::RuleGroupName::FromId("")},
          .window = {}};
}

}  // namespace

absl::StatusOr<Organization> FromProto(const v1::CreateOrganizationRequest& request) {
  const v1::Organization& in = request.organization();
  RETURN_IF_ERROR(names::CheckNewId(request.organization_id(), "organization_id"));
  Organization out{.name = names::OrganizationName::FromId(request.organization_id()),
                   .kind = {},
                   .display_name = in.display_name(),
                   .parent = {},
                   .nces_id = in.nces_id(),
                   .open_date = {},
                   .close_date = {},
                   .grades_offered = {in.grades_offered().begin(), in.grades_offered().end()}};
  ASSIGN_OR_RETURN(out.kind, ParseEnum<OrganizationKind>(in.kind(), &v1::Organization::Kind_IsValid,
                                                         "organization.kind"));
  RETURN_IF_ERROR(rpc::CheckText(in.display_name(), "organization.display_name", 1, kMaxName));
  ASSIGN_OR_RETURN(out.parent,
                   ParseOptional<names::OrganizationName>(in.parent(), "organization.parent"));
  ASSIGN_OR_RETURN(out.open_date,
                   ParseOptionalDate(in.has_open_date(), in.open_date(), "organization.open_date"));
  ASSIGN_OR_RETURN(out.close_date, ParseOptionalDate(in.has_close_date(), in.close_date(),
                                                     "organization.close_date"));
  RETURN_IF_ERROR(
      CheckCount(in.grades_offered_size(), "organization.grades_offered", 0, kMaxGrades));
  for (const std::string& grade : in.grades_offered()) {
    RETURN_IF_ERROR(rpc::CheckText(grade, "organization.grades_offered", 1, kMaxGrade));
  }
  RETURN_IF_ERROR(Check(out));
  return out;
}

absl::StatusOr<User> FromProto(const v1::CreateUserRequest& request) {
  const v1::User& in = request.user();
  RETURN_IF_ERROR(names::CheckNewId(request.user_id(), "user_id"));
  User out{.name = names::UserName::FromId(request.user_id()),
           .display_name = in.display_name(),
           .email = in.email(),
           .staff_id = in.staff_id(),
           .active = !in.has_active() || in.active(),
           .assignments = {},
           .grants = {}};
  RETURN_IF_ERROR(rpc::CheckText(in.display_name(), "user.display_name", 1, kMaxName));
  RETURN_IF_ERROR(rpc::CheckText(in.email(), "user.email", 0, kMaxEmail));
  if (!in.email().empty() && !IsEmail(in.email())) {
    return status::FieldInvalid("user.email", "must be an e-mail address");
  }
  RETURN_IF_ERROR(rpc::CheckText(in.staff_id(), "user.staff_id", 0, kMaxStaffId));
  RETURN_IF_ERROR(CheckCount(in.assignments_size(), "user.assignments", 0, kMaxAssignments));
  for (int i = 0; i < in.assignments_size(); ++i) {
    ASSIGN_OR_RETURN(Assignment assignment,
                     ParseAssignment(in.assignments(i), fmt::format("user.assignments[{}]", i)));
    out.assignments.push_back(std::move(assignment));
  }
  ASSIGN_OR_RETURN(out.grants, ParseGrants(in.tool_grants(), "user.tool_grants"));
  return out;
}

absl::StatusOr<Category> FromProto(const v1::CreateCategoryRequest& request,
                                   const ids::IdSource& ids) {
  const v1::Category& in = request.category();
  const std::string id = request.category_id().empty() ? ids.NewId() : request.category_id();
  RETURN_IF_ERROR(names::CheckNewId(id, "category_id"));
  Category out{.name = names::CategoryName::FromId(id),
               .title = in.title(),
               .description = in.description(),
               .level = {},
               .active = !in.has_active() || in.active(),
               .restricted = in.restricted(),
               .publish_time = {}};
  RETURN_IF_ERROR(rpc::CheckText(in.title(), "category.title", 1, kMaxName));
  RETURN_IF_ERROR(rpc::CheckText(in.description(), "category.description", 0, kMaxDescription));
  ASSIGN_OR_RETURN(out.level, ParseEnum<Level>(in.level(), &type::Level_IsValid, "category.level"));
  return out;
}

absl::StatusOr<Member> FromProto(const v1::AddMemberRequest& request, const ids::IdSource& ids) {
  const v1::Member& in = request.member();
  ASSIGN_OR_RETURN(const auto category,
                   names::CategoryName::Parse(in.category(), "member.category"));
  ASSIGN_OR_RETURN(const auto organization,
                   names::OrganizationName::Parse(in.organization(), "member.organization"));
  ASSIGN_OR_RETURN(const auto user, names::UserName::Parse(in.user(), "member.user"));
  ASSIGN_OR_RETURN(const auto role,
                   ParseEnum<MemberRole>(in.role(), &v1::Member::Role_IsValid, "member.role"));
  if (!v1::Member::Rank_IsValid(in.rank())) {
    return status::FieldInvalid("member.rank", "is not a known value");
  }
  RETURN_IF_ERROR(rpc::CheckText(in.title(), "member.title", 0, kMaxMemberTitle));
  ASSIGN_OR_RETURN(const Interval interval, ParseInterval(in, "member"));
  ASSIGN_OR_RETURN(const auto delegate,
                   ParseOptional<names::UserName>(in.delegate(), "member.delegate"));
  MemberRank rank = static_cast<MemberRank>(in.rank());
  if (role == MemberRole::kCertifier && rank == MemberRank::kNone) rank = MemberRank::kPrimary;
  Member out{.name = names::MemberName::FromIds(category.id(), ids.NewId()),
             .organization = organization,
             .user = user,
             .role = role,
             .rank = rank,
             .title = in.title(),
             .valid_from = interval.from,
             .valid_to = interval.to,
             .delegate = delegate,
             .create_time = {}};
  RETURN_IF_ERROR(Check(out));
  return out;
}

absl::StatusOr<Event> FromProto(const v1::CreateEventRequest& request, const ids::IdSource& ids) {
  const std::string id = request.event_id().empty() ? ids.NewId() : request.event_id();
  RETURN_IF_ERROR(names::CheckNewId(id, "event_id"));
  EventDraft draft = EmptyDraft(names::EventName::FromId(id));
  for (const EventField& field : kEventFields) {
    RETURN_IF_ERROR(field.read(request.event(), draft));
  }
  ASSIGN_OR_RETURN(draft.event.window, MakeWindow(draft.window));
  return draft.event;
}

absl::StatusOr<UpdateEvent> FromProto(const v1::UpdateEventRequest& request) {
  ASSIGN_OR_RETURN(const auto name, names::EventName::Parse(request.event().name(), "event.name"));
  RETURN_IF_ERROR(CheckEtagField(request.etag()));
  ASSIGN_OR_RETURN(auto fields, ParseMask(request.update_mask()));
  EventDraft draft = EmptyDraft(name);
  RETURN_IF_ERROR(ReadFields(fields, request.event(), draft));
  return UpdateEvent{name, request.etag(),
                     [fields = std::move(fields), from = request.event()](EventDraft& to) {
                       return ReadFields(fields, from, to);
                     }};
}

absl::StatusOr<SetToolRights> FromProto(const v1::SetToolRightsRequest& request) {
  ASSIGN_OR_RETURN(const auto name, names::UserName::Parse(request.name(), "name"));
  RETURN_IF_ERROR(CheckEtagField(request.etag()));
  ASSIGN_OR_RETURN(auto grants, ParseGrants(request.tool_grants(), "tool_grants"));
  return SetToolRights{name, request.etag(), std::move(grants)};
}

absl::StatusOr<PublishCategory> FromProto(const v1::PublishCategoryRequest& request) {
  ASSIGN_OR_RETURN(const auto name, names::CategoryName::Parse(request.name(), "name"));
  RETURN_IF_ERROR(CheckEtagField(request.etag()));
  return PublishCategory{name, request.etag()};
}

absl::StatusOr<PublishEvent> FromProto(const v1::PublishEventRequest& request) {
  ASSIGN_OR_RETURN(const auto name, names::EventName::Parse(request.name(), "name"));
  RETURN_IF_ERROR(CheckEtagField(request.etag()));
  if (request.rule_group_version() < 1) {
    return status::FieldInvalid("rule_group_version", "must be at least 1");
  }
  return PublishEvent{name, request.etag(), request.rule_group_version()};
}

absl::StatusOr<CloseEvent> FromProto(const v1::CloseEventRequest& request) {
  ASSIGN_OR_RETURN(const auto name, names::EventName::Parse(request.name(), "name"));
  RETURN_IF_ERROR(CheckEtagField(request.etag()));
  if (request.reason().empty()) return status::ReasonRequired();
  RETURN_IF_ERROR(rpc::CheckText(request.reason(), "reason", 1, kMaxReason));
  return CloseEvent{name, request.etag(), request.reason()};
}

absl::StatusOr<DeleteEvent> FromProto(const v1::DeleteEventRequest& request) {
  ASSIGN_OR_RETURN(const auto name, names::EventName::Parse(request.name(), "name"));
  RETURN_IF_ERROR(CheckEtagField(request.etag()));
  return DeleteEvent{name, request.etag()};
}

absl::StatusOr<OrganizationFilter> FromProto(const v1::ListOrganizationsRequest& request) {
  OrganizationFilter filter;
  ASSIGN_OR_RETURN(filter.parent, ParseFilter<names::OrganizationName>(request.parent(), "parent"));
  ASSIGN_OR_RETURN(filter.kind, ParseEnumFilter<OrganizationKind>(
                                    request.kind(), &v1::Organization::Kind_IsValid, "kind"));
  RETURN_IF_ERROR(
      rpc::CheckText(request.display_name_contains(), "display_name_contains", 0, kMaxFilterText));
  filter.display_name_contains = request.display_name_contains();
  return filter;
}

absl::StatusOr<UserFilter> FromProto(const v1::ListUsersRequest& request) {
  UserFilter filter;
  ASSIGN_OR_RETURN(filter.organization,
                   ParseFilter<names::OrganizationName>(request.organization(), "organization"));
  RETURN_IF_ERROR(
      rpc::CheckText(request.display_name_contains(), "display_name_contains", 0, kMaxFilterText));
  filter.display_name_contains = request.display_name_contains();
  filter.active_only = request.active_only();
  return filter;
}

absl::StatusOr<CategoryFilter> FromProto(const v1::ListCategoriesRequest& request) {
  CategoryFilter filter;
  ASSIGN_OR_RETURN(filter.state, ParseEnumFilter<CategoryState>(
                                     request.state(), &v1::Category::State_IsValid, "state"));
  ASSIGN_OR_RETURN(filter.level,
                   ParseEnumFilter<Level>(request.level(), &type::Level_IsValid, "level"));
  return filter;
}

absl::StatusOr<MemberFilter> FromProto(const v1::ListMembersRequest& request) {
  MemberFilter filter;
  ASSIGN_OR_RETURN(filter.category,
                   ParseFilter<names::CategoryName>(request.category(), "category"));
  ASSIGN_OR_RETURN(filter.organization,
                   ParseFilter<names::OrganizationName>(request.organization(), "organization"));
  ASSIGN_OR_RETURN(filter.user, ParseFilter<names::UserName>(request.user(), "user"));
  filter.active_only = request.active_only();
  if (request.has_at()) {
    if (request.at().seconds() < 0 || request.at().seconds() > kLastSecond ||
        request.at().nanos() < 0 || request.at().nanos() > 999'999'999) {
      return status::FieldInvalid("at", "must be an instant of the years 1970 to 9999");
    }
    filter.at = rpc::FromProto(request.at());
  }
  return filter;
}

absl::StatusOr<EventFilter> FromProto(const v1::ListEventsRequest& request) {
  EventFilter filter;
  for (const int value : request.statuses()) {
    ASSIGN_OR_RETURN(const auto status,
                     ParseEnum<EventStatus>(value, &v1::Event::Status_IsValid, "statuses"));
    filter.statuses.push_back(status);
  }
  ASSIGN_OR_RETURN(filter.category,
                   ParseFilter<names::CategoryName>(request.category(), "category"));
  const int year = request.reporting_year();
  if (year != 0 && (year < kFirstYear || year > kLastYear)) {
    return status::FieldInvalid("reporting_year", "must be 2000 to 2100");
  }
  filter.reporting_year = year;
  ASSIGN_OR_RETURN(filter.organization,
                   ParseFilter<names::OrganizationName>(request.organization(), "organization"));
  ASSIGN_OR_RETURN(filter.level,
                   ParseEnumFilter<Level>(request.level(), &type::Level_IsValid, "level"));
  RETURN_IF_ERROR(rpc::CheckText(request.title_contains(), "title_contains", 0, kMaxFilterText));
  filter.title_contains = request.title_contains();
  return filter;
}

absl::StatusOr<ResolveAccess> FromProto(const v1::ResolveAccessRequest& request) {
  ASSIGN_OR_RETURN(const auto user, names::UserName::Parse(request.user(), "user"));
  ASSIGN_OR_RETURN(const auto event, ParseOptional<names::EventName>(request.event(), "event"));
  ASSIGN_OR_RETURN(const auto organization,
                   ParseOptional<names::OrganizationName>(request.organization(), "organization"));
  return ResolveAccess{user, {event, organization, request.with_visible_events()}};
}

}  // namespace edcert::event_registry
