#include "services/notification/audience.h"

namespace edcert::notification {
namespace {

bool IsStateRole(MemberRole role) {
  return role == MemberRole::kApprover || role == MemberRole::kStateReviewer;
}

void AddState(const AudienceFacts& facts, Recipients& recipients) {
  for (const Member& member : facts.members) {
    if (!IsStateRole(member.role)) continue;
    std::set<std::string>& asked = recipients[member.user];
    if (!facts.organization.empty()) asked.insert(facts.organization);
  }
}

void AddParticipants(const AudienceFacts& facts, Recipients& recipients) {
  std::map<std::string, std::set<std::string>> schools;  // that take part, by their districts
  for (const auto& [school, district] : facts.districts) {
    if (facts.participants.contains(school)) schools[district].insert(school);
  }
  for (const Member& member : facts.members) {
    if (IsStateRole(member.role)) continue;
    if (facts.participants.contains(member.organization)) {
      recipients[member.user].insert(member.organization);
    }
    const auto below = schools.find(member.organization);
    if (!member.all_schools || below == schools.end()) continue;
    recipients[member.user].insert(below->second.begin(), below->second.end());
  }
}

void AddLocal(const AudienceFacts& facts, bool certifiers_only, Recipients& recipients) {
  const auto district = facts.districts.find(facts.organization);
  for (const Member& member : facts.members) {
    const bool counts = member.organization == facts.organization ||
                        (member.all_schools && district != facts.districts.end() &&
                         member.organization == district->second);
    if (IsStateRole(member.role) || !counts) continue;
    if (certifiers_only && member.role != MemberRole::kCertifier) continue;
    recipients[member.user].insert(facts.organization);
  }
}

void AddUser(const std::string& user, const AudienceFacts& facts, Recipients& recipients) {
  if (!user.empty()) recipients[user].insert(facts.organization);
}

}  // namespace

Recipients FindRecipients(Audience audience, const AudienceFacts& facts) {
  Recipients recipients;
  switch (audience) {
    case Audience::kEventMembers:
      AddParticipants(facts, recipients);
      AddState(facts, recipients);
      break;
    case Audience::kEventLocalMembers:
      AddParticipants(facts, recipients);
      break;
    case Audience::kOutstanding:
      for (const std::string& user : facts.outstanding) AddUser(user, facts, recipients);
      break;
    case Audience::kStateMembers:
      AddState(facts, recipients);
      break;
    case Audience::kLocalMembers:
      AddLocal(facts, /*certifiers_only=*/false, recipients);
      break;
    case Audience::kRequesterCertifiersAndState:
      AddState(facts, recipients);
      [[fallthrough]];
    case Audience::kRequesterAndCertifiers:
      AddUser(facts.requester, facts, recipients);
      AddLocal(facts, /*certifiers_only=*/true, recipients);
      break;
    case Audience::kGroupCertifiers:
      AddLocal(facts, /*certifiers_only=*/true, recipients);
      break;
    case Audience::kSigners:
      for (const std::string& user : facts.signers) AddUser(user, facts, recipients);
      break;
  }
  return recipients;
}

}  // namespace edcert::notification
