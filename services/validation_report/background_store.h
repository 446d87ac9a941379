// Stores what the rules in use find in records as they are, counted in the background.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "services/validation_report/report.h"

namespace edcert::validation_report {

// What a background run counts: a rule group over one copy of the records of a district or, of a
// group for schools, of a school.
struct BackgroundTarget {
  std::string rule_group;                       // id
  std::string organization;                     // resource name
  std::string district = {};                    // resource name: itself, or that of the school
  ReportKind kind = ReportKind::kDistrictData;  // which copy; never that of a snapshot

  std::string district_id() const { return district.substr(district.find('/') + 1); }
};

// What it counted.
struct BackgroundCounts {
  int rule_group_version = 0;
  std::optional<absl::CivilDay> severity_day = {};
  std::vector<ReportDataVersion> data_versions = {};  // by dataset
  int left_out = 0;                 // rules that compare with last year: nothing says with what
  std::vector<RanRule> rules = {};  // worst severity first; counts only, no findings
  absl::Time counted_at = {};
};

// Where a rule finds something or cannot be run.
struct RuleHits {
  int64_t organizations = 0;
  std::vector<std::string> first = {};  // of them; resource names, sorted
};

// A run as it stands.
struct BackgroundRun {
  BackgroundTarget target;
  int version_in_use = 0;
  std::vector<std::string> datasets = {};  // ids: what that version reads
  bool compares_years = false;             // some of its rules read last year
  std::optional<BackgroundCounts> counts = {};
};

// A run whose FATAL findings are to be compared with those of a day before.
struct UntoldRun {
  BackgroundTarget target;
  std::string display_name;  // of the organisation; empty when it is not known
  bool first = false;        // there is nothing to compare with
};

// A rule that has more of them.
struct MoreFindings {
  std::string code;
  int64_t findings = 0;  // now
  int64_t more = 0;      // of them, than there were
};

// Whether counts are not of these versions of the records and of the group.
bool IsStale(const BackgroundCounts& counts, int rule_group_version,
             const std::vector<ReportDataVersion>& now);

// Stateless; the database comes with the call.
class BackgroundStore {
 public:
  // The records of a dataset changed: what reads them is due after a while. `district` is an id.
  void MarkChanged(pg::Transaction& tx, std::string_view district, std::string_view copy,
                   std::string_view dataset, absl::Duration delay) const;
  // Another version of a group is in use: so is all of it.
  void MarkGroup(pg::Transaction& tx, const std::string& rule_group, absl::Duration delay) const;

  // At most `limit` runs that are due, the longest first. They are locked; what another replica is
  // at is left out.
  absl::StatusOr<std::vector<BackgroundTarget>> TakeDue(pg::Transaction& tx, int limit) const;
  // A job counts it now: it is not due until something changes.
  void SetAsked(pg::Transaction& tx, const BackgroundTarget& target, const std::string& job) const;
  // Due after a while, or only when something changes.
  void SetDue(pg::Transaction& tx, const BackgroundTarget& target,
              std::optional<absl::Duration> delay) const;
  // The job was given up: the run is due again after a while.
  void SetFailed(pg::Transaction& tx, const std::string& job, absl::Duration delay) const;
  // Takes the place of the counts before; `counted_at` is now.
  void SetCounts(pg::Transaction& tx, const BackgroundTarget& target,
                 const BackgroundCounts& counts) const;

  // At most `limit` runs over the district's copy that have counts and were last compared before
  // an instant. They are locked; what another replica is at is left out.
  absl::StatusOr<std::vector<UntoldRun>> TakeUntold(pg::Transaction& tx, absl::Time before,
                                                    int limit) const;
  // The rules whose FATAL findings are more than when they were compared.
  absl::StatusOr<std::vector<MoreFindings>> ListMoreFatal(pg::Querier& db,
                                                          const BackgroundTarget& target) const;
  // They are compared now.
  void SetTold(pg::Transaction& tx, const BackgroundTarget& target) const;

  // NOT_FOUND when there is no such group.
  absl::StatusOr<BackgroundRun> Get(pg::Querier& db, const BackgroundTarget& target) const;
  // Of these rules of a group, by their ids, what was counted last; the first `limit`
  // organisations.
  absl::StatusOr<std::map<std::string, RuleHits>> ListHits(pg::Querier& db,
                                                           const std::string& rule_group,
                                                           const std::vector<std::string>& rules,
                                                           int limit) const;
  // NOT_FOUND.
  absl::StatusOr<BackgroundTarget> TargetOf(pg::Querier& db, const std::string& job) const;
  // What a report counted that ran the group in use over the same records.
  absl::StatusOr<std::optional<BackgroundCounts>> FindEqualReport(
      pg::Querier& db, const BackgroundRun& run,
      const std::vector<ReportDataVersion>& data_versions) const;
};

}  // namespace edcert::validation_report
