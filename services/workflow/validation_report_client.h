// How workflow calls validation_report, with the token of the user who calls us.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/feed/feed.h"
#include "common/rpc/call.h"
#include "common/rpc/runtime.h"
#include "edcert/validation/v1/validation_report.grpc.pb.h"
#include "services/workflow/steps.h"

namespace edcert::workflow {

// Thread-safe.
class ValidationReportClient {
 public:
  explicit ValidationReportClient(rpc::Runtime& runtime);

  // The newest reports of a step on an event and organisation, newest first.
  absl::StatusOr<std::vector<ReportFact>> ListReports(const rpc::Call& call,
                                                      const std::string& event,
                                                      const std::string& organization,
                                                      int step) const;

  // Asks for the report of a step; `snapshot` for step 3. It compares with `previous_snapshot`, if
  // any. `format` as on the wire. The call to the other service is the same whenever ours is
  // repeated on the same snapshots.
  absl::StatusOr<ReportFact> CreateReport(const rpc::Call& call, const std::string& event,
                                          const std::string& organization, int step,
                                          const std::string& snapshot,
                                          const std::string& previous_snapshot, int format) const;

  // The rules whose special warnings in a report nobody has explained, or had not by an instant, by
  // code.
  absl::StatusOr<std::vector<UnexplainedRule>> UnexplainedRules(const rpc::Call& call,
                                                                const std::string& report,
                                                                std::optional<absl::Time> by) const;

  // The service's feed, for a Relay.
  absl::StatusOr<feed::Page> ListChanges(int64_t after, int limit) const;

 private:
  rpc::Runtime& runtime_;
  const std::unique_ptr<validation::v1::ValidationReports::Stub> stub_;
};

}  // namespace edcert::workflow
