// Who gets the message of a change: a pure function of the change and of the category's members.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "services/notification/templates.h"

namespace edcert::notification {

enum class MemberRole { kApprover, kStateReviewer, kCertifier, kReviewer };

struct Member {
  std::string user;
  std::string organization;
  MemberRole role;
  bool all_schools = false;  // held at a district, the role counts at each of its schools
};

// The district of a school.
using Districts = std::map<std::string, std::string>;

// What the audiences are made from.
struct AudienceFacts {
  std::vector<Member> members;           // of the category, or of the organisation asked for
  std::set<std::string> participants;    // of the event
  Districts districts;                   // of the schools among them, and of `organization`
  std::string organization;              // of the change; empty for events
  std::string requester;                 // `users/...`, or empty
  std::vector<std::string> outstanding;  // `users/...`
  std::vector<std::string> signers;      // `users/...`
};

// Recipient -> the organisations in whose name he is asked: none for the state's people. A person
// who is a member several times is here once.
using Recipients = std::map<std::string, std::set<std::string>>;

Recipients FindRecipients(Audience audience, const AudienceFacts& facts);

}  // namespace edcert::notification
