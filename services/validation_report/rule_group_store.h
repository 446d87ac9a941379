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
  static constexpr int kNewestVersion = 0;
  static constexpr int kVersionInUse = -1;

  // Fills in versions and severities that the author left open, from the rules as they are now, and
  // gives their contents. RULE_INACTIVE, or FIELD_INVALID for a severity below the rule's and for a
  // value that is none of its parameters.
  absl::StatusOr<std::vector<MemberContent>> Resolve(pg::Querier& db, RuleGroup& group) const;
  // Resolves the members. Besides what Resolve gives, ALREADY_EXISTS.
  absl::StatusOr<RuleGroup> Create(pg::Transaction& tx, const RuleGroup& group) const;
  // Writes the next version, with the title and members of `asked`. Besides what Resolve gives,
  // ETAG_MISMATCH when the group changed.
  absl::StatusOr<RuleGroup> AddVersion(pg::Transaction& tx, const RuleGroup& group,
                                       const RuleGroup& asked) const;
  // A version of a group, or kNewestVersion, kVersionInUse. NOT_FOUND.
  absl::StatusOr<RuleGroup> Get(pg::Querier& db, const std::string& id, int version) const;
  // A version, if the group is as the caller knows it. NOT_FOUND, ETAG_MISMATCH.
  absl::StatusOr<RuleGroup> GetUnchanged(pg::Querier& db, const std::string& id,
                                         const std::string& etag,
                                         int version = kNewestVersion) const;
  // At most `limit` groups after the key, ordered by title, then id.
  absl::StatusOr<std::vector<RuleGroup>> List(pg::Querier& db, const GroupFilter& filter,
                                              const std::string& after_title,
                                              const std::string& after_id, int limit) const;
  // Puts the version of `group` into use. RULE_INACTIVE when one of its rules is not ACTIVE any
  // more, ETAG_MISMATCH when the group changed.
  absl::StatusOr<RuleGroup> Activate(pg::Transaction& tx, const RuleGroup& group,
                                     const std::string& user) const;
  // Takes the group out of use. ETAG_MISMATCH when it changed.
  absl::StatusOr<RuleGroup> Deactivate(pg::Transaction& tx, const RuleGroup& group) const;

  absl::StatusOr<std::vector<MemberContent>> Contents(pg::Querier& db, const std::string& id,
                                                      int version) const;

 private:
  // The group as it is after an update that should have met the row.
  absl::StatusOr<RuleGroup> Changed(pg::Transaction& tx, const RuleGroup& before,
                                    const pg::Result& updated, int version) const;
};

}  // namespace edcert::validation_report
