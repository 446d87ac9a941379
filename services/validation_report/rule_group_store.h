// Stores rule groups, their versions and members.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/pg/pg.h"
#include "services/validation_report/rule_group.h"

namespace edcert::validation_report {

struct GroupFilter {
  std::vector<GroupState> states;  // empty: all
  GroupLevel level = GroupLevel::kUnspecified;
};

// A member with the content of its rule, as a run needs it.
struct MemberContent {
  GroupMember member;
  RuleContent content;
};

// Stateless; the database comes with the call.
class RuleGroupStore {
 public:
  // Resolves versions and severities of the members. RULE_INACTIVE, ALREADY_EXISTS, or
  // FIELD_INVALID for a severity below the rule's.
  absl::StatusOr<RuleGroup> Create(pg::Transaction& tx, const RuleGroup& group) const;
  // A version of a group; 0 is the newest. NOT_FOUND.
  absl::StatusOr<RuleGroup> Get(pg::Querier& db, const std::string& id, int version) const;
  // The newest version, if the group is as the caller knows it. NOT_FOUND, ETAG_MISMATCH.
  absl::StatusOr<RuleGroup> GetUnchanged(pg::Querier& db, const std::string& id,
                                         const std::string& etag) const;
  // At most `limit` groups after the key, ordered by title, then id.
  absl::StatusOr<std::vector<RuleGroup>> List(pg::Querier& db, const GroupFilter& filter,
                                              const std::string& after_title,
                                              const std::string& after_id, int limit) const;
  // RULE_INACTIVE when a rule of the group was archived, ETAG_MISMATCH when the group changed.
  absl::StatusOr<RuleGroup> Activate(pg::Transaction& tx, const RuleGroup& group) const;

  absl::StatusOr<std::vector<MemberContent>> Contents(pg::Querier& db, const std::string& id,
                                                      int version) const;
};

}  // namespace edcert::validation_report
