// Datasets: what there is, and what the state adds to it.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/feed/feed.h"
#include "common/names/names.h"
#include "common/paging/paging.h"
#include "common/rpc/handle.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/dataset_service.h"
#include "services/dataset/errors.h"
#include "services/dataset/growth.h"
#include "services/dataset/kept_records.h"
#include "services/dataset/scope.h"

namespace edcert::dataset {
namespace {

constexpr int64_t kMostOfState = 100;

v1::Dataset MessageOf(const Definitions& definitions, const Dataset& dataset) {
  const auto times = definitions.times.find(dataset.id);
  return ToProto(dataset, times == definitions.times.end() ? DefinitionTimes{} : times->second);
}

// Whether the state has as many datasets as it may have.
absl::Status CheckNumber(const Catalogue& catalogue) {
  int64_t of_state = 0;
  for (const Dataset& dataset : catalogue.all()) of_state += dataset.builtin ? 0 : 1;
  return of_state < kMostOfState ? absl::OkStatus() : TooManyDatasets();
}

// Names that a rule could not write, and code lists that nobody knows, in columns that are new.
absl::Status CheckWords(pg::Querier& db, const std::vector<Column>& columns,
                        const std::string& prefix) {
  std::vector<std::string> names;
  std::vector<std::string> lists;
  for (const Column& column : columns) {
    names.push_back(column.name);
    if (!column.code_list.empty()) lists.push_back(column.code_list);
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> words, SqlWords(db, names));
  ASSIGN_OR_RETURN(const std::vector<std::string> unknown, UnknownLists(db, lists));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto among = [](const std::vector<std::string>& texts, const std::string& text) {
      return std::find(texts.begin(), texts.end(), text) != texts.end();
    };
    if (among(words, columns[i].name)) {
      return status::FieldInvalid(fmt::format("{}columns[{}].name", prefix, i),
                                  "is a word of SQL, in which rules are written");
    }
    if (among(unknown, columns[i].code_list)) {
      return status::FieldInvalid(fmt::format("{}columns[{}].code_list", prefix, i),
                                  "is no code list");
    }
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* DatasetService::GetDataset(grpc::CallbackServerContext* context,
                                                     const v1::GetDatasetRequest* request,
                                                     v1::Dataset* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        RETURN_IF_ERROR(names::DatasetName::Parse(request->name(), "name").status());
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        ASSIGN_OR_RETURN(const auto definitions, DefinitionsOf(call));
        ASSIGN_OR_RETURN(const Dataset* dataset,
                         FindDataset(request->name(), "name", definitions->catalogue));
        *response = MessageOf(*definitions, *dataset);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* DatasetService::ListDatasets(grpc::CallbackServerContext* context,
                                                       const v1::ListDatasetsRequest* request,
                                                       v1::ListDatasetsResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const paging::Page page, paging::Read(*request, 1));
        RETURN_IF_ERROR(access_.Resolve(call, {}).status());
        ASSIGN_OR_RETURN(const auto definitions, DefinitionsOf(call));
        std::vector<Dataset> rows;
        for (const Dataset& dataset : definitions->catalogue.all()) {
          if (dataset.id > page.Key(0)) rows.push_back(dataset);
        }
        response->set_next_page_token(paging::Cut(
            *request, page, rows, [](const Dataset& dataset) { return std::vector{dataset.id}; }));
        for (const Dataset& dataset : rows) {
          *response->add_datasets() = MessageOf(*definitions, dataset);
        }
        return absl::OkStatus();
      });
}

absl::StatusOr<v1::Dataset> DatasetService::ChangeDefinition(
    pg::Transaction& tx, const rpc::Call& call, std::string_view change,
    absl::FunctionRef<absl::StatusOr<Dataset>(const Definitions&)> grow) {
  WaitShortly(tx);
  ASSIGN_OR_RETURN(const int64_t revision, LockDefinitions(tx));
  ASSIGN_OR_RETURN(const Definitions before, ReadDefinitions(tx));
  ASSIGN_OR_RETURN(const Dataset grown, grow(before));
  PutDefinition(tx, grown, revision);
  RETURN_IF_ERROR(MakeRecords(tx, grown.id));
  feed::Append(tx, runtime_.ids().NewId(), call.principal().name(),
               {.subject = grown.name(), .type = std::string(change)});
  ASSIGN_OR_RETURN(const Definitions after, ReadDefinitions(tx));
  const Dataset* dataset = after.catalogue.Find(grown.id);
  if (dataset == nullptr) return status::Internal("a definition that was just stored");
  return MessageOf(after, *dataset);
}

grpc::ServerUnaryReactor* DatasetService::CreateDataset(grpc::CallbackServerContext* context,
                                                        const v1::CreateDatasetRequest* request,
                                                        v1::Dataset* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
        RETURN_IF_ERROR(RequireState(access));
        ASSIGN_OR_RETURN(const Dataset dataset, ParseNewDataset(*request));
        return rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              const auto grow = [&](const Definitions& known) -> absl::StatusOr<Dataset> {
                if (known.catalogue.Find(dataset.id) != nullptr) {
                  return status::AlreadyExists(dataset.name());
                }
                RETURN_IF_ERROR(CheckNumber(known.catalogue));
                RETURN_IF_ERROR(CheckWords(tx, dataset.columns, "dataset."));
                return dataset;
              };
              ASSIGN_OR_RETURN(*response, ChangeDefinition(tx, call, "dataset_created", grow));
              return response->name();
            });
      });
}

grpc::ServerUnaryReactor* DatasetService::AddColumns(grpc::CallbackServerContext* context,
                                                     const v1::AddColumnsRequest* request,
                                                     v1::Dataset* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
        RETURN_IF_ERROR(RequireState(access));
        RETURN_IF_ERROR(names::DatasetName::Parse(request->name(), "name").status());
        ASSIGN_OR_RETURN(const std::vector<Column> columns, ParseNewColumns(*request));
        return rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              const auto grow = [&](const Definitions& known) -> absl::StatusOr<Dataset> {
                ASSIGN_OR_RETURN(const Dataset* dataset,
                                 FindDataset(request->name(), "name", known.catalogue));
                if (dataset->read_only()) return KeptByTheService("name");
                RETURN_IF_ERROR(CheckWords(tx, columns, ""));
                return Extended(*dataset, columns);
              };
              ASSIGN_OR_RETURN(*response, ChangeDefinition(tx, call, "columns_added", grow));
              return response->name();
            });
      });
}

absl::StatusOr<v1::PutCodesResponse> DatasetService::PutCodesIn(pg::Transaction& tx,
                                                                const rpc::Call& call,
                                                                const std::string& list,
                                                                const std::vector<Code>& codes) {
  // One at a time: what rules see is made of all codes.
  RETURN_IF_ERROR(LockDefinitions(tx).status());
  ASSIGN_OR_RETURN(const std::vector<std::string> unknown, UnknownLists(tx, {list}));
  if (!unknown.empty()) RETURN_IF_ERROR(CheckNewId(list, "code_list"));
  ASSIGN_OR_RETURN(const PutCodesResult put, dataset::PutCodes(tx, list, codes));
  ASSIGN_OR_RETURN(const Definitions definitions, ReadDefinitions(tx));
  ASSIGN_OR_RETURN(const int64_t version, KeepCodes(tx, definitions.catalogue));
  if (put.added + put.changed > 0) {
    feed::Append(tx, runtime_.ids().NewId(), call.principal().name(),
                 {.subject = "codeLists/" + list, .type = "codes_put"});
  }
  v1::PutCodesResponse response;
  response.set_added(static_cast<int32_t>(put.added));
  response.set_changed(static_cast<int32_t>(put.changed));
  response.set_version(version);
  return response;
}

grpc::ServerUnaryReactor* DatasetService::PutCodes(grpc::CallbackServerContext* context,
                                                   const v1::PutCodesRequest* request,
                                                   v1::PutCodesResponse* response) {
  return rpc::Handle(
      runtime_, context, request, response, [=, this](rpc::Call& call) -> absl::Status {
        ASSIGN_OR_RETURN(const access::Access access, access_.Resolve(call, {}));
        RETURN_IF_ERROR(RequireState(access));
        ASSIGN_OR_RETURN(const std::vector<Code> codes, ParseCodes(*request));
        return rpc::Command(
            call, *request, response, [&](pg::Transaction& tx) -> absl::StatusOr<std::string> {
              ASSIGN_OR_RETURN(*response, PutCodesIn(tx, call, request->code_list(), codes));
              return "codeLists/" + request->code_list();
            });
      });
}

}  // namespace edcert::dataset
