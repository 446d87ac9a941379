#include "services/notification/templates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "edcert/notification/v1/notification.pb.h"
#include "services/notification/audience.h"

namespace edcert::notification {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// Tests run in the root of the source tree. UPDATE_GOLDENS=1 rewrites instead of comparing.
void ExpectGolden(const std::string& path, const std::string& actual) {
  if (std::getenv("UPDATE_GOLDENS") != nullptr) {
    std::ofstream(path) << actual;
    return;
  }
  std::ifstream file(path);
  const std::string expected((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(actual, expected) << path;
}

Fields AllFields() {
  return {{"event_title", "Fall Enrollment 2026"},
          {"organization", "Lakeview District"},
          {"starts", "2026-09-01 00:00 CDT"},
          {"opens", "2026-10-01 00:00 CDT"},
          {"due", "2026-10-31 23:59 CDT"},
          {"reason", "counts look incomplete"},
          {"rules", "ENR-004 3 more, now 12; ENR-009 1 more, now 1"},
          {"more_rules", "2"},
          {"round", "2"}};
}

Fields RequiredFields() {
  return {{"event_title", "Fall Enrollment 2026"},
          {"organization", "Lakeview District"},
          {"rules", "ENR-004 3 more, now 12"}};
}

TEST(TemplatesTest, EveryCauseOfTheContractHasExactlyOneRow) {
  std::multiset<int> causes;
  for (const Template& row : Templates()) causes.insert(static_cast<int>(row.cause));
  const auto* names = v1::Cause_descriptor();
  for (int i = 0; i < names->value_count(); ++i) {
    const int number = names->value(i)->number();
    EXPECT_EQ(causes.count(number), number == v1::CAUSE_UNSPECIFIED ? 0u : 1u)
        << names->value(i)->name();
  }
}

TEST(TemplatesTest, AChangeHasOneTemplateForAnAudience) {
  std::set<std::tuple<Feed, std::string_view, Audience>> seen;
  for (const Template& row : Templates()) {
    EXPECT_TRUE(seen.emplace(row.feed, row.change, row.audience).second) << row.change;
    EXPECT_THAT(TemplatesOf(row.feed, row.change), ::testing::Contains(&row));
  }
  EXPECT_THAT(TemplatesOf(Feed::kWorkflow, "event_published"), IsEmpty());
  EXPECT_THAT(TemplatesOf(Feed::kWorkflow, "certification_sent"), SizeIs(2));
}

// Who must hear of what, as the sentences of the specification have it.
TEST(TemplatesTest, EveryChangeReachesThoseWhomItConcerns) {
  std::multimap<std::string_view, Audience> audiences;
  for (const Template& row : Templates()) audiences.emplace(row.change, row.audience);
  using enum Audience;
  EXPECT_THAT(
      audiences,
      UnorderedElementsAre(
          Pair("event_published", kEventMembers), Pair("event_closed", kEventLocalMembers),
          Pair("certification_signed", kOutstanding), Pair("certification_sent", kStateMembers),
          Pair("certification_sent", kLocalMembers), Pair("certification_approved", kLocalMembers),
          Pair("recertification_started", kLocalMembers),
          Pair("recertification_cancelled", kLocalMembers),
          Pair("recertification_requested", kStateMembers),
          Pair("recertification_denied", kRequesterAndCertifiers),
          Pair("recertification_withdrawn", kRequesterCertifiersAndState),
          Pair("recertification_expired", kRequesterCertifiersAndState),
          Pair("participant_exempted", kLocalMembers), Pair("signatures_voided", kSigners),
          Pair("fatal_findings_appeared", kGroupCertifiers)));
}

TEST(TemplatesTest, TextsHoldKnownPlaceholdersAndBalancedBrackets) {
  for (const Template& row : Templates()) {
    for (std::string_view text : {row.title, row.body}) {
      EXPECT_EQ(std::count(text.begin(), text.end(), '['),
                std::count(text.begin(), text.end(), ']'));
      for (std::size_t open = text.find('{'); open != std::string_view::npos;
           open = text.find('{', open + 1)) {
        const std::string_view name = text.substr(open + 1, text.find('}', open) - open - 1);
        EXPECT_THAT(PlaceholderNames(), ::testing::Contains(name));
      }
    }
  }
}

TEST(TemplatesTest, TheTextsAreThoseOfTheGoldenFile) {
  std::string text;
  for (const Template& row : Templates()) {
    text += v1::Cause_Name(static_cast<int>(row.cause)) + "\n";
    for (const Fields& fields : {AllFields(), RequiredFields()}) {
      text += "  " + Render(row.title, fields, kMaxTitle) + "\n";
      text += "    " + Render(row.body, fields, kMaxBody) + "\n";
    }
  }
  ExpectGolden("services/notification/testdata/messages.golden.txt", text);
}

TEST(TemplatesTest, EveryMessageThatAsksForWorkCanBeClosed) {
  std::set<Cause> closed;
  for (const Closing& row : Closings()) {
    closed.insert(row.cause);
  }
  EXPECT_THAT(closed, ElementsAre(Cause::kEventPublished, Cause::kCoCertifierSigned,
                                  Cause::kCertificationSent, Cause::kRecertificationStarted,
                                  Cause::kRecertificationRequested, Cause::kSignaturesVoided));
}

TEST(TemplatesTest, LongTextsAreCutAtACharactersEdge) {
  std::string title;
  for (int i = 0; i < 150; ++i) title += "\u00e9";
  const std::string cut = Render("{event_title}", {{"event_title", title}}, kMaxTitle);
  EXPECT_LE(cut.size(), kMaxTitle);
  EXPECT_TRUE(cut.ends_with("\u00e9\u2026"));
}

AudienceFacts Facts() {
  AudienceFacts facts;
  facts.members = {{"users/ann", "organizations/a", MemberRole::kCertifier},
                   {"users/ann", "organizations/a", MemberRole::kReviewer},
                   {"users/ann", "organizations/b", MemberRole::kReviewer},
                   {"users/bob", "organizations/b", MemberRole::kReviewer},
                   {"users/out", "organizations/c", MemberRole::kCertifier},
                   {"users/sea", "organizations/sea", MemberRole::kApprover},
                   {"users/sea", "organizations/sea", MemberRole::kStateReviewer}};
  facts.participants = {"organizations/a", "organizations/b"};
  return facts;
}

TEST(AudienceTest, APersonWhoIsAMemberSeveralTimesIsThereOnce) {
  EXPECT_THAT(
      FindRecipients(Audience::kEventMembers, Facts()),
      ElementsAre(Pair("users/ann", ElementsAre("organizations/a", "organizations/b")),
                  Pair("users/bob", ElementsAre("organizations/b")), Pair("users/sea", IsEmpty())));
}

TEST(AudienceTest, ClosedEventsConcernLocalMembersOnly) {
  EXPECT_THAT(FindRecipients(Audience::kEventLocalMembers, Facts()),
              ElementsAre(Pair("users/ann", ::testing::_), Pair("users/bob", ::testing::_)));
}

TEST(AudienceTest, ARoleForAllSchoolsCountsAtEachThatTakesPart) {
  AudienceFacts facts;
  facts.members = {{"users/all", "organizations/d", MemberRole::kCertifier, true},
                   {"users/office", "organizations/d", MemberRole::kCertifier, false},
                   {"users/boss", "organizations/sea", MemberRole::kApprover, true}};
  facts.participants = {"organizations/a", "organizations/b"};
  facts.districts = {{"organizations/a", "organizations/d"},
                     {"organizations/b", "organizations/d"},
                     {"organizations/c", "organizations/d"}};
  EXPECT_THAT(FindRecipients(Audience::kEventLocalMembers, facts),
              ElementsAre(Pair("users/all", ElementsAre("organizations/a", "organizations/b"))));
  facts.organization = "organizations/a";
  const auto asked = ElementsAre("organizations/a");
  EXPECT_THAT(FindRecipients(Audience::kLocalMembers, facts),
              ElementsAre(Pair("users/all", asked)));
  EXPECT_THAT(FindRecipients(Audience::kRequesterAndCertifiers, facts),
              ElementsAre(Pair("users/all", asked)));
  facts.organization = "organizations/e";  // of another district
  EXPECT_THAT(FindRecipients(Audience::kLocalMembers, facts), IsEmpty());
}

TEST(AudienceTest, AnOrganisationsAudiencesAreItsOwn) {
  AudienceFacts facts = Facts();
  facts.organization = "organizations/b";
  facts.requester = "users/req";
  facts.outstanding = {"users/o1"};
  facts.signers = {"users/s1", "users/s2", "users/s1"};
  const auto asked = ElementsAre("organizations/b");
  EXPECT_THAT(FindRecipients(Audience::kLocalMembers, facts),
              ElementsAre(Pair("users/ann", asked), Pair("users/bob", asked)));
  EXPECT_THAT(FindRecipients(Audience::kRequesterAndCertifiers, facts),
              ElementsAre(Pair("users/req", asked)));
  EXPECT_THAT(FindRecipients(Audience::kRequesterCertifiersAndState, facts),
              ElementsAre(Pair("users/req", asked), Pair("users/sea", asked)));
  EXPECT_THAT(FindRecipients(Audience::kStateMembers, facts),
              ElementsAre(Pair("users/sea", asked)));
  EXPECT_THAT(FindRecipients(Audience::kOutstanding, facts), ElementsAre(Pair("users/o1", asked)));
  EXPECT_THAT(FindRecipients(Audience::kSigners, facts),
              ElementsAre(Pair("users/s1", asked), Pair("users/s2", asked)));
}

}  // namespace
}  // namespace edcert::notification
