// The worker processes: take reports from the queue and make them.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/ids/ids.h"
#include "common/jobs/jobs.h"
#include "services/validation_report/background_store.h"
#include "services/validation_report/finding_store.h"
#include "services/validation_report/report_builder.h"
#include "services/validation_report/report_store.h"

namespace edcert::validation_report {

// Runs one job at a time.
class ReportRunner final : public jobs::Runner {
 public:
  // `rules_conninfo` is of the role that can read the published views only. `column_bytes`: see
  // Evaluator.
  ReportRunner(const std::string& rules_conninfo, std::size_t column_bytes,
               absl::TimeZone time_zone, const ids::IdSource& ids);

  absl::Status Run(jobs::Running& running) override;
  absl::Status Failed(pg::Transaction& tx, const jobs::Job& job) override;

 private:
  // A background run: counts, no report. It gives way to what a person waits for.
  absl::Status Count(jobs::Running& running);

  pg::Pool rules_pool_;
  ReportBuilder builder_;
  const absl::TimeZone time_zone_;
  ReportStore store_;
  BackgroundStore background_;
  FindingStore findings_;
  const ids::IdSource& ids_;
};

// Appends a change of a report to the feed.
void AppendReportChange(pg::Transaction& tx, const ids::IdSource& ids, const std::string& actor,
                        const Report& report, std::string_view type);

// For jobs::RunWorkers.
absl::StatusOr<std::unique_ptr<jobs::Runner>> MakeReportRunner(const edcert::config::Server& server,
                                                               std::size_t column_bytes);

}  // namespace edcert::validation_report
