#include "services/notification/validation_report_client.h"

#include "common/rpc/standard.h"

namespace edcert::notification {

namespace validation_v1 = ::edcert::validation::v1;

ValidationReportClient::ValidationReportClient(rpc::Runtime& runtime)
    : runtime_(runtime),
      stub_(validation_v1::ValidationReports::NewStub(runtime.ChannelTo("validation_report"))) {}

absl::StatusOr<feed::Page> ValidationReportClient::ListChanges(int64_t after, int limit) {
  return rpc::FetchChanges<validation_v1::ListChangesRequest, validation_v1::ListChangesResponse>(
      runtime_, *stub_, after, limit);
}

}  // namespace edcert::notification
