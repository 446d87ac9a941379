#include "services/event_registry/convert.h"

#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "common/rpc/standard.h"
#include "common/testing/matchers.h"
#include "services/event_registry/request_convert.h"

namespace edcert::event_registry {
namespace {

namespace v1 = ::edcert::registry::v1;

using testing::HasReason;
using testing::IsOk;

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

// What differs between a resource as requested and as answered, without what the server sets.
template <typename Message>
std::string Difference(const Message& requested, Message answered,
                       const std::vector<std::string>& set_by_server) {
  for (const std::string& name : set_by_server) {
    const auto* field = answered.GetDescriptor()->FindFieldByName(name);
    if (field != nullptr) answered.GetReflection()->ClearField(&answered, field);
  }
  google::protobuf::util::MessageDifferencer differencer;
  std::string report;
  differencer.ReportDifferencesToString(&report);
  differencer.Compare(requested, answered);
  return report;
}

const std::vector<std::string> kStandard = {"name", "etag", "create_time", "update_time"};

TEST(ConvertTest, AnOrganizationGoesThereAndBack) {
  const auto request = Parse<v1::CreateOrganizationRequest>(R"(
    organization_id: "d1"
    organization {
      kind: KIND_DISTRICT display_name: "Größe" parent: "organizations/sea" nces_id: "3012345"
      open_date { year: 1999 month: 2 day: 28 } close_date { year: 2030 month: 1 day: 1 }
      grades_offered: "KG" grades_offered: "01"
    })");
  const auto organization = FromProto(request);
  ASSERT_THAT(organization, IsOk());
  EXPECT_EQ(Difference(request.organization(), ToProto(*organization), kStandard), "");
  EXPECT_EQ(ToProto(*organization).name(), "organizations/d1");
}

TEST(ConvertTest, AUserGoesThereAndBack) {
  const auto request = Parse<v1::CreateUserRequest>(R"(
    user_id: "ann"
    user {
      display_name: "Ann" email: "ann@d1.example" staff_id: "S-1" active: false
      assignments { organization: "organizations/d1" all_schools: true
                    valid_from { year: 2026 month: 1 day: 1 } }
      assignments { organization: "organizations/d2" valid_to { year: 2026 month: 6 day: 30 } }
      tool_grants { tool: TOOL_AUDIT rights: TOOL_RIGHT_READ }
      tool_grants { tool: TOOL_BATCH_RESYNC rights: TOOL_RIGHT_READ rights: TOOL_RIGHT_DELETE }
    })");
  const auto user = FromProto(request);
  ASSERT_THAT(user, IsOk());
  EXPECT_EQ(Difference(request.user(), ToProto(*user), kStandard), "");
}

TEST(ConvertTest, AUserIsActiveUnlessSaidOtherwise) {
  const auto user =
      FromProto(Parse<v1::CreateUserRequest>(R"(user_id: "a" user { display_name: "A" })"));
  ASSERT_THAT(user, IsOk());
  EXPECT_TRUE(user->active);
}

TEST(ConvertTest, AMemberGoesThereAndBack) {
  const auto request = Parse<v1::AddMemberRequest>(R"(
    member {
      category: "categories/att" organization: "organizations/d1" user: "users/ann"
      role: ROLE_CERTIFIER rank: RANK_SECONDARY title: "Superintendent"
      valid_from { year: 2026 month: 1 day: 1 } valid_to { year: 2026 month: 6 day: 30 }
      delegate: "users/bob"
    })");
  const auto member = FromProto(request, ids::IdSource::Real());
  ASSERT_THAT(member, IsOk());
  EXPECT_EQ(Difference(request.member(), ToProto(*member), kStandard), "");
}

TEST(ConvertTest, ACertifierIsPrimaryUnlessSaidOtherwise) {
  const auto member = FromProto(Parse<v1::AddMemberRequest>(R"(
    member { category: "categories/att" organization: "organizations/d1" user: "users/ann"
             role: ROLE_CERTIFIER })"),
                                ids::IdSource::Real());
  ASSERT_THAT(member, IsOk());
  EXPECT_EQ(member->rank, MemberRank::kPrimary);
}

constexpr char kEvent[] = R"(
  event_id: "fall"
  event {
    title: "Fall" description: "Text" reporting_year: 2027
    datasets: "datasets/attendance_summary" datasets: "datasets/enrollment"
    category: "categories/att" level: LEVEL_SCHOOL rule_group: "ruleGroups/att"
    start_date { year: 2026 month: 10 day: 20 }
    certification_opens { year: 2026 month: 10 day: 25 }
    due_date { year: 2026 month: 11 day: 1 }
    end_date { year: 2026 month: 11 day: 5 }
    snapshot_available { year: 2026 month: 10 day: 21 }
    participants: "organizations/s1" participants: "organizations/s2"
    attestation_text: "I attest." allows_zero_attestation: true
    depends_on: "events/spring"
  })";

StateCalendar Chicago() {
  absl::TimeZone zone;
  EXPECT_TRUE(absl::LoadTimeZone("America/Chicago", &zone));
  return StateCalendar(zone);
}

TEST(ConvertTest, AnEventGoesThereAndBack) {
  const auto request = Parse<v1::CreateEventRequest>(kEvent);
  const auto event = FromProto(request, ids::IdSource::Real());
  ASSERT_THAT(event, IsOk());
  const StateCalendar calendar = Chicago();
  std::vector<std::string> set_by_server = {
      "participant_count", "attestation_version", "status",   "phase",
      "draft_version",     "starts_at",           "opens_at", "due_at",
      "ends_at",           "snapshots_from"};
  set_by_server.insert(set_by_server.end(), kStandard.begin(), kStandard.end());
  const v1::Event answered = ToProto(*event, calendar, absl::UnixEpoch());
  EXPECT_EQ(Difference(request.event(), answered, set_by_server), "");
  EXPECT_EQ(answered.participant_count(), 2);
  EXPECT_EQ(answered.status(), v1::Event::STATUS_UNPUBLISHED);
  EXPECT_EQ(answered.draft_version(), 1);
  EXPECT_EQ(answered.attestation_version(), 1);
}

TEST(ConvertTest, TheInstantsOfAnEventFollowTheStatesClock) {
  const auto event = FromProto(Parse<v1::CreateEventRequest>(kEvent), ids::IdSource::Real());
  ASSERT_THAT(event, IsOk());
  const StateCalendar calendar = Chicago();
  const auto at = [&](const std::string& text) {
    absl::Time time;
    std::string error;
    EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << error;
    return time;
  };
  const v1::Event answered = ToProto(*event, calendar, absl::UnixEpoch());
  EXPECT_EQ(rpc::FromProto(answered.starts_at()), at("2026-10-20T00:00:00-05:00"));
  EXPECT_EQ(rpc::FromProto(answered.snapshots_from()), at("2026-10-21T00:00:00-05:00"));
  EXPECT_EQ(rpc::FromProto(answered.opens_at()), at("2026-10-25T00:00:00-05:00"));
  // Clocks go back in the night to November 1, so that day ends in standard time.
  EXPECT_EQ(rpc::FromProto(answered.due_at()), at("2026-11-01T23:59:59.999-06:00"));
  EXPECT_EQ(rpc::FromProto(answered.ends_at()), at("2026-11-05T23:59:59.999-06:00"));

  Event published = *event;
  published.status = EventStatus::kPublished;
  const auto phase = [&](const std::string& now) {
    return ToProto(published, calendar, at(now)).phase();
  };
  EXPECT_EQ(phase("2026-10-19T23:59:59.999-05:00"), v1::Event::PHASE_BEFORE_START);
  EXPECT_EQ(phase("2026-10-20T00:00:00-05:00"), v1::Event::PHASE_REVIEW);
  EXPECT_EQ(phase("2026-11-01T23:59:59.999-06:00"), v1::Event::PHASE_CERTIFYING);
  EXPECT_EQ(phase("2026-11-02T00:00:00-06:00"), v1::Event::PHASE_LATE);
  EXPECT_EQ(phase("2026-11-06T05:59:59.999Z"), v1::Event::PHASE_LATE);
  EXPECT_EQ(phase("2026-11-06T06:00:00Z"), v1::Event::PHASE_ENDED);
}

TEST(RequestConvertTest, AnIdOfTheServerIsAUuid) {
  auto request = Parse<v1::CreateEventRequest>(kEvent);
  request.clear_event_id();
  const auto event = FromProto(request, ids::IdSource::Real());
  ASSERT_THAT(event, IsOk());
  EXPECT_TRUE(ids::IsUuid(event->name.id()));
}

TEST(RequestConvertTest, FiltersMayBeLeftOut) {
  EXPECT_THAT(FromProto(v1::ListOrganizationsRequest()), IsOk());
  EXPECT_THAT(FromProto(v1::ListUsersRequest()), IsOk());
  EXPECT_THAT(FromProto(v1::ListCategoriesRequest()), IsOk());
  EXPECT_THAT(FromProto(v1::ListMembersRequest()), IsOk());
  EXPECT_THAT(FromProto(v1::ListEventsRequest()), IsOk());
}

TEST(RequestConvertTest, RefusesFiltersThatMakeNoSense) {
  const std::string long_text(101, 'x');
  EXPECT_THAT(FromProto(Parse<v1::ListOrganizationsRequest>("parent: 'd1'")),
              HasReason("FIELD_INVALID"));
  EXPECT_THAT(FromProto(Parse<v1::ListOrganizationsRequest>("kind: 9")),
              HasReason("FIELD_INVALID"));
  EXPECT_THAT(FromProto(Parse<v1::ListUsersRequest>("display_name_contains: '" + long_text + "'")),
              HasReason("FIELD_INVALID"));
  EXPECT_THAT(FromProto(Parse<v1::ListCategoriesRequest>("level: 9")), HasReason("FIELD_INVALID"));
  EXPECT_THAT(FromProto(Parse<v1::ListMembersRequest>("user: 'organizations/d1'")),
              HasReason("FIELD_INVALID"));
  EXPECT_THAT(FromProto(Parse<v1::ListEventsRequest>("statuses: STATUS_UNSPECIFIED")),
              HasReason("FIELD_INVALID"));
  EXPECT_THAT(FromProto(Parse<v1::ListEventsRequest>("reporting_year: 1999")),
              HasReason("FIELD_INVALID"));
  EXPECT_THAT(FromProto(Parse<v1::ResolveAccessRequest>("user: 'services/x'")),
              HasReason("FIELD_INVALID"));
}

}  // namespace
}  // namespace edcert::event_registry
