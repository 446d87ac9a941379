// The gRPC adapter of edcert.dataset.v1.Datasets: parse, authorise, call, convert.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "common/access/access.h"
#include "common/jobs/jobs.h"
#include "common/rpc/runtime.h"
#include "edcert/dataset/v1/dataset.grpc.pb.h"
#include "services/dataset/convert.h"
#include "services/dataset/dataset.h"
#include "services/dataset/definition_store.h"
#include "services/dataset/push_service.h"

namespace edcert::dataset {

// Thread-safe.
class DatasetService final : public v1::Datasets::CallbackService {
 public:
  // `dispatcher` may be null: then workers look into PostgreSQL by themselves.
  DatasetService(rpc::Runtime& runtime, access::Resolver& access, jobs::Dispatcher* dispatcher,
                 const PushOptions& options);
  ~DatasetService() override;

  grpc::ServerUnaryReactor* CreateDataset(grpc::CallbackServerContext* context,
                                          const v1::CreateDatasetRequest* request,
                                          v1::Dataset* response) override;
  grpc::ServerUnaryReactor* GetDataset(grpc::CallbackServerContext* context,
                                       const v1::GetDatasetRequest* request,
                                       v1::Dataset* response) override;
  grpc::ServerUnaryReactor* ListDatasets(grpc::CallbackServerContext* context,
                                         const v1::ListDatasetsRequest* request,
                                         v1::ListDatasetsResponse* response) override;
  grpc::ServerUnaryReactor* AddColumns(grpc::CallbackServerContext* context,
                                       const v1::AddColumnsRequest* request,
                                       v1::Dataset* response) override;
  grpc::ServerUnaryReactor* PutCodes(grpc::CallbackServerContext* context,
                                     const v1::PutCodesRequest* request,
                                     v1::PutCodesResponse* response) override;
  grpc::ServerReadReactor<v1::PushRecordsRequest>* PushRecords(
      grpc::CallbackServerContext* context, v1::PushRecordsResponse* response) override;
  grpc::ServerUnaryReactor* ListSyncIssues(grpc::CallbackServerContext* context,
                                           const v1::ListSyncIssuesRequest* request,
                                           v1::ListSyncIssuesResponse* response) override;
  grpc::ServerUnaryReactor* GetVersions(grpc::CallbackServerContext* context,
                                        const v1::GetVersionsRequest* request,
                                        v1::GetVersionsResponse* response) override;
  grpc::ServerUnaryReactor* ListRecords(grpc::CallbackServerContext* context,
                                        const v1::ListRecordsRequest* request,
                                        v1::ListRecordsResponse* response) override;
  grpc::ServerUnaryReactor* Resync(grpc::CallbackServerContext* context,
                                   const v1::ResyncRequest* request, v1::Resync* response) override;
  grpc::ServerUnaryReactor* GetResync(grpc::CallbackServerContext* context,
                                      const v1::GetResyncRequest* request,
                                      v1::Resync* response) override;
  grpc::ServerUnaryReactor* ListResyncs(grpc::CallbackServerContext* context,
                                        const v1::ListResyncsRequest* request,
                                        v1::ListResyncsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchResyncResponse>* WatchResync(
      grpc::CallbackServerContext* context, const v1::WatchResyncRequest* request) override;
  grpc::ServerUnaryReactor* CancelResync(grpc::CallbackServerContext* context,
                                         const v1::CancelResyncRequest* request,
                                         v1::Resync* response) override;
  grpc::ServerUnaryReactor* CompareCopies(grpc::CallbackServerContext* context,
                                          const v1::CompareCopiesRequest* request,
                                          v1::CompareCopiesResponse* response) override;
  grpc::ServerUnaryReactor* ListChanges(grpc::CallbackServerContext* context,
                                        const v1::ListChangesRequest* request,
                                        v1::ListChangesResponse* response) override;
  grpc::ServerUnaryReactor* ListAuditRecords(grpc::CallbackServerContext* context,
                                             const v1::ListAuditRecordsRequest* request,
                                             v1::ListAuditRecordsResponse* response) override;

 private:
  // A resync that the caller may see and follow; NOT_FOUND otherwise.
  absl::StatusOr<dataset::Resync> ReadResync(const rpc::Call& call, const std::string& name);
  absl::StatusOr<v1::Resync> AcceptResyncIn(pg::Transaction& tx, const rpc::Call& call,
                                            const std::string& district,
                                            std::vector<std::string> datasets,
                                            std::optional<jobs::NewJob>& job);
  // A school of a district that the caller has in scope; NOT_FOUND otherwise.
  absl::StatusOr<names::OrganizationName> SchoolOf(const rpc::Call& call,
                                                   const std::string& district,
                                                   const std::string& name);
  // The schools that ListRecords may read: those of the caller, or the one that the request names.
  absl::StatusOr<Schools> SchoolsOf(const rpc::Call& call, const v1::ListRecordsRequest& request);
  absl::StatusOr<ResyncFilter> FilterOf(const rpc::Call& call,
                                        const v1::ListResyncsRequest& request);
  // The definitions at this moment; they live as long as the answer is held.
  absl::StatusOr<std::shared_ptr<const Definitions>> DefinitionsOf(const rpc::Call& call);
  // Stores codes of a list, and what rules see of them.
  absl::StatusOr<v1::PutCodesResponse> PutCodesIn(pg::Transaction& tx, const rpc::Call& call,
                                                  const std::string& list,
                                                  const std::vector<Code>& codes);
  // Stores what `grow` makes of the definitions, with its tables; the dataset as it is then.
  absl::StatusOr<v1::Dataset> ChangeDefinition(
      pg::Transaction& tx, const rpc::Call& call, std::string_view change,
      absl::FunctionRef<absl::StatusOr<Dataset>(const Definitions&)> grow);

  rpc::Runtime& runtime_;
  access::Resolver& access_;
  jobs::Dispatcher* const dispatcher_;
  DefinitionCache definitions_;
  Pusher pusher_;
};

}  // namespace edcert::dataset
