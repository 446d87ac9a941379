// Makes a report: runs the rules of its group over its versions and renders what they found.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/pg.h"
#include "common/render/writer.h"
#include "services/validation_report/background_store.h"
#include "services/validation_report/evaluator.h"
#include "services/validation_report/explanation_store.h"
#include "services/validation_report/finding_store.h"
#include "services/validation_report/report.h"
#include "services/validation_report/report_store.h"
#include "services/validation_report/rule_group_store.h"
#include "services/validation_report/waiver_store.h"

namespace edcert::validation_report {

struct BuiltReport {
  Report report;  // with the rows of its data versions
  ReportResult result;
  std::vector<RanRule> rules;  // in the order of findings
  Comparison comparison;       // with the runs before
};

// What a report needs besides its data: the compiled rules of a group version. Immutable.
struct CompiledGroup {
  std::vector<GroupMember> members;
  std::vector<RuleContent> contents;
  std::vector<Candidate> candidates;  // one for each member
  Definitions definitions;
};

// The rows of what a report reads, this year's and last year's: its data versions, and nothing else
// of it but the organisation, its district and the kind.
RowSources SourcesOf(const Report& report, const Definitions& definitions);

// Belongs to one thread.
class ReportBuilder {
 public:
  // `rules_pool` connects as the rules' role. `column_bytes`: see Evaluator.
  ReportBuilder(pg::Pool& rules_pool, std::size_t column_bytes, absl::TimeZone time_zone)
      : evaluator_(rules_pool, {.column_bytes = column_bytes}), time_zone_(time_zone) {}

  // `db` is read as the service's own role. `progress` gets rules done and rules in all. The
  // rendered file goes to `file` as it comes, in chunks that no more than one of is kept.
  absl::StatusOr<BuiltReport> Build(pg::Database db, const Report& report, absl::Time now,
                                    absl::FunctionRef<absl::Status(int64_t, int64_t)> progress,
                                    render::Sink& file);

  // Only counts, of the rules that read this year's records alone: what to compare with, a report
  // says.
  absl::StatusOr<BackgroundCounts> Count(
      pg::Database db, const Report& report,
      absl::FunctionRef<absl::Status(int64_t, int64_t)> progress);

 private:
  absl::StatusOr<const CompiledGroup*> GroupOf(pg::Database& db, const Report& report);

  Evaluator evaluator_;
  const absl::TimeZone time_zone_;
  RuleGroupStore groups_;
  ReportStore reports_;
  FindingStore findings_;
  WaiverStore waivers_;
  ExplanationStore explanations_;
  // By group and version: a version never changes.
  std::map<std::pair<std::string, int>, CompiledGroup> compiled_;
};

}  // namespace edcert::validation_report
