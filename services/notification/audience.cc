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
  for (const Member& member : facts.members) {
    if (IsStateRole(member.role) || !facts.participants.contains(member.organization)) continue;
    recipients[member.user].insert(member.organization);
  }
}

void AddLocal(const AudienceFacts& facts, bool certifiers_only, Recipients& recipients) {
  for (const Member& member : facts.members) {
    if (IsStateRole(member.role) || member.organization != facts.organization) continue;
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
    case Audience::kSigners:
      for (const std::string& user : facts.signers) AddUser(user, facts, recipients);
      break;
  }
  return recipients;
}

}  // namespace edcert::notification
