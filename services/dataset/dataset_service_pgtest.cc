// The service behind gRPC, with real PostgreSQL and a fixed answer to who may do what.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "common/jobs/jobs.h"
#include "common/rpc/status.h"
#include "common/status/details.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/testing/matchers.h"
#include "common/testing/test_server.h"
#include "services/dataset/builtin_definitions.h"
#include "services/dataset/dataset_service.h"
#include "services/dataset/definition_store.h"
#include "services/dataset/migrations/migrations.h"
#include "services/dataset/organization_store.h"
#include "services/dataset/schema.h"
#include "services/dataset/sync_worker.h"

namespace edcert::dataset {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;

constexpr char kDistrict[] = "organizations/255901";
constexpr char kOther[] = "organizations/101902";
constexpr char kSchool[] = "organizations/255901001";
constexpr char kDataset[] = "datasets/attendance_event";
constexpr char kHeader[] = "student_uid,school_id,event_date,category,school_year\n";

// ada is of the state, dan of the district, sue and sid of its school, ron has no right at all.
// For sue the district is in scope, which shows what is left of its records then.
class FixedResolver final : public access::Resolver {
 protected:
  absl::StatusOr<access::Access> Ask(const rpc::Call& call, const access::Query& query) override {
    access::Access access = About(query.organization);
    access.user = call.principal().user;
    access.rights.assign(128, access.user != "users/ron");
    access.state_user = access.user == "users/ada";
    if (access.user == "users/dan" || access.user == "users/ron") {
      access.scope_organizations = {kDistrict};
    }
    if (access.user == "users/sue") access.scope_organizations = {kSchool};
    access.in_scope = access.state_user || query.organization != kOther;
    // What the registry says to people of a school: the district is not in their scope.
    if (access.user == "users/sid") {
      access.scope_organizations = {kSchool};
      access.in_scope = query.organization == kSchool;
    }
    return access;
  }
  absl::StatusOr<access::Access> AskForService(const rpc::Call& /*call*/,
                                               const access::Query& query) override {
    access::Access access = About(query.organization);
    access.state_user = true;
    access.in_scope = true;
    return access;
  }

 private:
  static access::Access About(const std::string& organization) {
    access::Access access;
    if (organization == kSchool) {
      access.organization_kind = access::OrganizationKind::kSchool;
      access.organization_parent = kDistrict;
    } else if (!organization.empty()) {
      access.organization_kind = access::OrganizationKind::kDistrict;
    }
    return access;
  }
};

// A job in the test's own process: what a worker would do, without one.
class InlineJob final : public jobs::Running {
 public:
  InlineJob(pg::Pool& pool, jobs::Job job) : pool_(pool), job_(std::move(job)) {}
  const jobs::Job& job() const override { return job_; }
  absl::Status Progress(int64_t, int64_t, std::string_view) override { return absl::OkStatus(); }
  absl::Status Complete(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    return db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      RETURN_IF_ERROR(body(tx));
      return tx
          .RunText(
              "UPDATE dataset.job SET state = 'COMPLETED', finished_at = now(),"
              " lease_until = NULL WHERE id = $1",
              job_.id)
          .status();
    });
  }
  pg::Database db() override { return {pool_, clock::Clock::Real().Now() + absl::Seconds(30)}; }
  absl::Status Write(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    return db().RunInTransaction(body);
  }

 private:
  pg::Pool& pool_;
  const jobs::Job job_;
};

class DatasetServiceTest : public ::testing::Test {
 protected:
  DatasetServiceTest()
      : server_({.service = "dataset",
                 .schema = "dataset",
                 .migrations = {jobs::Migrations(), {"dataset", sql::kMigrations}}}) {
    CHECK(Install(server_.database().owner(), *BuiltinCatalogue(), *BuiltinCodes()).ok());
    pg::Database db = server_.database().db();
    service_ =
        std::make_unique<DatasetService>(server_.runtime(), resolver_, nullptr, *BuiltinCatalogue(),
                                         *ReadDefinitionTimes(db), PushOptions{});
    server_.Serve(*service_, v1::Datasets::service_full_name());
    stub_ = v1::Datasets::NewStub(server_.channel());
    CHECK(db.RunInTransaction([](pg::Transaction& tx) {
              PutOrganization(
                  tx,
                  {.id = "255901001", .kind = "SCHOOL", .parent = "255901", .display_name = "One"});
              return absl::OkStatus();
            }).ok());
  }
  ~DatasetServiceTest() override { server_.Stop(); }

  v1::PushRecordsRequest Header(
      v1::PushRecordsRequest::Mode mode = v1::PushRecordsRequest::MODE_UPSERT) const {
    v1::PushRecordsRequest message;
    auto* header = message.mutable_header();
    header->set_request_id(ids::IdSource::Real().NewId());
    header->set_batch_id(ids::IdSource::Real().NewId());
    header->set_dataset(kDataset);
    header->set_district(kDistrict);
    header->set_mode(mode);
    return message;
  }

  absl::StatusOr<v1::PushRecordsResponse> Push(const v1::PushRecordsRequest& header,
                                               const std::string& csv, std::size_t piece = 7,
                                               const std::string& user = "users/dan") {
    grpc::ClientContext context;
    server_.CallAs(context, user);
    v1::PushRecordsResponse response;
    const auto writer = stub_->PushRecords(&context, &response);
    bool open = writer->Write(header);
    for (std::size_t at = 0; open && at < csv.size(); at += piece) {
      v1::PushRecordsRequest message;
      message.set_csv(csv.substr(at, piece));
      open = writer->Write(message);
    }
    writer->WritesDone();
    RETURN_IF_ERROR(rpc::FromGrpc(writer->Finish()));
    return response;
  }

  static std::string Event(const std::string& student, const std::string& category = "TARDY",
                           const std::string& school = "255901001") {
    return fmt::format("{},{},2025-10-01,{},2026\n", student, school, category);
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Unary(grpc::Status (v1::Datasets::Stub::*method)(grpc::ClientContext*,
                                                                            const Request&,
                                                                            Response*),
                                 const Request& request, const std::string& user = "users/dan") {
    grpc::ClientContext context;
    server_.CallAs(context, user);
    Response response;
    RETURN_IF_ERROR(rpc::FromGrpc((stub_.get()->*method)(&context, request, &response)));
    return response;
  }

  absl::StatusOr<v1::ListRecordsResponse> List(type::Copy copy, int64_t version = -1,
                                               const std::string& user = "users/dan") {
    v1::ListRecordsRequest request;
    request.set_dataset(kDataset);
    request.set_district(kDistrict);
    request.set_copy(copy);
    if (version >= 0) request.set_version(version);
    return Unary(&v1::Datasets::Stub::ListRecords, request, user);
  }

  // Does what the workers would do, until nothing waits.
  void RunJobs() {
    SyncRunner runner(*BuiltinCatalogue(), ids::IdSource::Real());
    pg::Database db = server_.database().db();
    while (true) {
      const auto waiting = db.RunText(
          "UPDATE dataset.job SET state = 'RUNNING', attempt = attempt + 1,"
          " started_at = now(), lease_until = now() + interval '1 min' WHERE id = (SELECT id FROM "
          "dataset.job"
          " WHERE state = 'QUEUED' ORDER BY created_at LIMIT 1) RETURNING id");
      ASSERT_THAT(waiting, IsOk());
      if (waiting->empty()) return;
      const auto job = jobs::Find(db, (*waiting)[0].Text("id"));
      ASSERT_THAT(job, IsOk());
      InlineJob running(server_.database().pool(), **job);
      ASSERT_THAT(runner.Run(running), IsOk());
    }
  }

  FixedResolver resolver_;
  edcert::testing::TestServer server_;
  std::unique_ptr<DatasetService> service_;
  std::unique_ptr<v1::Datasets::Stub> stub_;
};

TEST_F(DatasetServiceTest, APushIsOneVersion) {
  const auto response =
      Push(Header(), kHeader + Event("1") + Event("2") + "3,255901001,2025-02-30,TARDY,2026\n");
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->version(), 1);
  EXPECT_EQ(response->received(), 3);
  EXPECT_EQ(response->inserted(), 2);
  EXPECT_EQ(response->rejected(), 1);
  ASSERT_EQ(response->issues_size(), 1);
  EXPECT_EQ(response->issues(0).line(), 4);
  EXPECT_EQ(response->issues(0).column(), "event_date");
  EXPECT_EQ(response->issues(0).reason(), "DATE_INVALID");
  const auto records = List(type::COPY_DISTRICT);
  ASSERT_THAT(records, IsOk());
  ASSERT_EQ(records->records_size(), 2);
  EXPECT_EQ(records->records(0).record_key(), "1|255901001|2025-10-01|TARDY");
  EXPECT_EQ(records->records(0).school(), kSchool);
  EXPECT_EQ(records->columns(0), "student_uid");
}

TEST_F(DatasetServiceTest, TheSameBatchGetsTheFirstAnswer) {
  const v1::PushRecordsRequest header = Header();
  const std::string csv = kHeader + Event("1");
  const auto first = Push(header, csv);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(Push(Header(v1::PushRecordsRequest::MODE_REPLACE_ALL), kHeader + Event("2")), IsOk());
  // However it is cut, by its request id or by its batch id.
  EXPECT_EQ(Push(header, csv, 1000)->SerializeAsString(), first->SerializeAsString());
  v1::PushRecordsRequest again = header;
  again.mutable_header()->set_request_id(ids::IdSource::Real().NewId());
  EXPECT_EQ(Push(again, csv)->SerializeAsString(), first->SerializeAsString());
  EXPECT_THAT(Push(header, kHeader + Event("9")), HasReason("REQUEST_ID_REUSED"));
  EXPECT_THAT(Push(again, kHeader + Event("9")), HasReason("REQUEST_ID_REUSED"));
  again.mutable_header()->set_request_id(ids::IdSource::Real().NewId());
  again.mutable_header()->set_mode(v1::PushRecordsRequest::MODE_DELETE);
  EXPECT_THAT(Push(again, csv), HasReason("REQUEST_ID_REUSED"));
  EXPECT_EQ(List(type::COPY_DISTRICT)->version(), 2);
  EXPECT_EQ(server_.CountRows("batch"), 2);
}

TEST_F(DatasetServiceTest, AllOrNothing) {
  v1::PushRecordsRequest header = Header();
  header.mutable_header()->set_all_or_nothing(true);
  const auto response = Push(header, kHeader + Event("1") + "2,255901001,never,TARDY,2026\n");
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->rejected(), 2);
  EXPECT_EQ(response->received(), 2);
  EXPECT_EQ(response->version(), 0);
  EXPECT_EQ(response->issues_size(), 1);
  EXPECT_EQ(List(type::COPY_DISTRICT)->records_size(), 0);
}

TEST_F(DatasetServiceTest, DeletesByKey) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1") + Event("2")), IsOk());
  const auto response =
      Push(Header(v1::PushRecordsRequest::MODE_DELETE), kHeader + Event("2") + Event("3"));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->deleted(), 1);
  EXPECT_EQ(response->unchanged(), 1);
  EXPECT_EQ(List(type::COPY_DISTRICT)->records_size(), 1);
  EXPECT_EQ(List(type::COPY_DISTRICT, 1)->records_size(), 2);
  EXPECT_THAT(List(type::COPY_DISTRICT, 3), HasReason("FIELD_INVALID"));
}

TEST_F(DatasetServiceTest, RowsInsteadOfCsv) {
  grpc::ClientContext context;
  server_.CallAsService(context);
  v1::PushRecordsResponse response;
  const auto writer = stub_->PushRecords(&context, &response);
  writer->Write(Header());
  v1::PushRecordsRequest message;
  for (const char* name : {"student_uid", "school_id", "event_date", "category", "school_year"}) {
    message.mutable_rows()->add_columns(name);
  }
  for (const char* student : {"1", "2"}) {
    auto* row = message.mutable_rows()->add_rows();
    for (const char* value : {student, "255901001", "2025-10-01", "TARDY", "2026"})
      row->add_values(value);
  }
  writer->Write(message);
  message.mutable_rows()->clear_columns();
  message.mutable_rows()->mutable_rows(0)->set_values(0, std::string("a\0", 2));
  writer->Write(message);
  writer->WritesDone();
  ASSERT_THAT(rpc::FromGrpc(writer->Finish()), IsOk());
  EXPECT_EQ(response.received(), 4);
  // The second row of both batches is the same record.
  EXPECT_EQ(response.inserted(), 1);
  EXPECT_EQ(response.rejected(), 3);
}

TEST_F(DatasetServiceTest, RefusesWhatIsNoBatch) {
  EXPECT_THAT(Push(Header(), ""), HasReason("FIELD_INVALID"));
  EXPECT_THAT(Push(Header(), "student_uid,colour\n"), HasReason("FIELD_INVALID"));
  EXPECT_THAT(Push(Header(), kHeader + std::string("\"1,2\n")), HasReason("FIELD_INVALID"));
  EXPECT_THAT(Push(Header(), kHeader + std::string("a\0b,1,2,3\n", 10)),
              HasReason("FIELD_INVALID"));
  v1::PushRecordsRequest header = Header();
  header.mutable_header()->set_dataset("datasets/nothing");
  EXPECT_THAT(Push(header, kHeader), HasReason("NOT_FOUND"));
  header = Header();
  header.mutable_header()->set_batch_id("7");
  EXPECT_THAT(Push(header, kHeader), HasReason("FIELD_INVALID"));
  header = Header(v1::PushRecordsRequest::MODE_UNSPECIFIED);
  EXPECT_THAT(Push(header, kHeader), HasReason("FIELD_INVALID"));
  v1::PushRecordsRequest csv;
  csv.set_csv(kHeader);
  EXPECT_THAT(Push(csv, ""), HasReason("FIELD_INVALID"));
  EXPECT_THAT(Push(Header(), kHeader + Event("1"), 7, "users/ron"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Push(Header(), kHeader + Event("1"), 7, "users/sue"), HasReason("NOT_FOUND"));
  header = Header();
  header.mutable_header()->set_district(kOther);
  EXPECT_THAT(Push(header, kHeader + Event("1")), HasReason("NOT_FOUND"));
  EXPECT_EQ(server_.CountRows("batch"), 0);
  EXPECT_EQ(server_.CountRows("idempotency"), 0);
}

// The first field that BadRequest names.
template <typename T>
std::string FieldOf(const absl::StatusOr<T>& answer) {
  const auto details = status::GetDetail<google::rpc::BadRequest>(answer.status());
  return details.has_value() && details->field_violations_size() > 0
             ? details->field_violations(0).field()
             : "";
}

TEST_F(DatasetServiceTest, NamesTheFieldsOfTheHeaderByTheirPath) {
  const auto field_of = [this](void (*spoil)(v1::PushRecordsRequest::Header&)) {
    v1::PushRecordsRequest header = Header();
    spoil(*header.mutable_header());
    return FieldOf(Push(header, kHeader + Event("1")));
  };
  EXPECT_EQ(field_of([](auto& header) { header.clear_request_id(); }), "header.request_id");
  EXPECT_EQ(field_of([](auto& header) { header.set_request_id("7"); }), "header.request_id");
  EXPECT_EQ(field_of([](auto& header) { header.set_batch_id("7"); }), "header.batch_id");
  EXPECT_EQ(field_of([](auto& header) { header.set_dataset("7"); }), "header.dataset");
  EXPECT_EQ(field_of([](auto& header) { header.set_district("7"); }), "header.district");
  EXPECT_EQ(field_of([](auto& header) { header.clear_mode(); }), "header.mode");
  EXPECT_EQ(field_of([](auto& header) { header.set_source_watermark(std::string(201, 'w')); }),
            "header.source_watermark");
}

TEST_F(DatasetServiceTest, AClientThatGoesLeavesNothing) {
  {
    grpc::ClientContext context;
    server_.CallAs(context, "users/dan");
    v1::PushRecordsResponse response;
    const auto writer = stub_->PushRecords(&context, &response);
    writer->Write(Header());
    v1::PushRecordsRequest message;
    message.set_csv(kHeader + Event("1"));
    writer->Write(message);
    context.TryCancel();
    EXPECT_FALSE(writer->Finish().ok());
  }
  // A later push gets through, so no lock stayed behind either.
  ASSERT_THAT(Push(Header(), kHeader + Event("2")), IsOk());
  EXPECT_EQ(List(type::COPY_DISTRICT)->records_size(), 1);
  EXPECT_EQ(server_.CountRows("batch"), 1);
  EXPECT_EQ(server_.CountRows("attendance_event"), 1);
}

TEST_F(DatasetServiceTest, PushesOfOneDistrictTakeTurns) {
  constexpr int kPushes = 3;
  std::vector<absl::StatusOr<v1::PushRecordsResponse>> responses(
      kPushes, absl::StatusOr<v1::PushRecordsResponse>(status::Cancelled()));
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kPushes; ++i) {
      threads.emplace_back([this, i, &responses] {
        std::string csv = kHeader;
        for (int row = 0; row < 500; ++row) csv += Event(fmt::format("{}-{}", i, row));
        csv += Event("shared", i % 2 == 0 ? "TARDY" : "PARTIAL");
        responses[static_cast<std::size_t>(i)] = Push(Header(), csv, 4096);
      });
    }
  }
  std::set<int64_t> versions;
  for (const auto& response : responses) {
    ASSERT_THAT(response, IsOk());
    versions.insert(response->version());
  }
  EXPECT_EQ(versions, (std::set<int64_t>{1, 2, 3}));
  EXPECT_EQ(server_.CountRows("attendance_event"), kPushes * 500 + 2);
}

TEST_F(DatasetServiceTest, APushReachesTheStateButForWhatItRefuses) {
  ASSERT_THAT(
      Push(Header(), kHeader + Event("1") + Event("2", "NAPPING") + Event("3", "TARDY", "999")),
      IsOk());
  ASSERT_THAT(Push(Header(), kHeader + Event("4")), IsOk());
  EXPECT_EQ(server_.CountRows("job"), 1);  // both pushes wait for one sync
  RunJobs();
  EXPECT_EQ(List(type::COPY_STATE)->records_size(), 2);
  v1::ListSyncIssuesRequest issues;
  issues.set_district(kDistrict);
  issues.set_copy(type::COPY_STATE);
  const auto found = Unary(&v1::Datasets::Stub::ListSyncIssues, issues);
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->issues_size(), 2);
  EXPECT_EQ(found->issues(0).reason(), "SCHOOL_UNKNOWN");
  EXPECT_EQ(found->issues(1).reason(), "CODE_UNKNOWN");
  EXPECT_EQ(found->issues(1).column(), "category");

  v1::CompareCopiesRequest compare;
  compare.set_district(kDistrict);
  compare.set_dataset(kDataset);
  compare.set_page_size(1);
  const auto compared = Unary(&v1::Datasets::Stub::CompareCopies, compare);
  ASSERT_THAT(compared, IsOk());
  EXPECT_EQ(compared->schools_size(), 2);
  ASSERT_EQ(compared->differences_size(), 1);
  EXPECT_EQ(compared->differences(0).kind(), v1::RecordDifference::KIND_ONLY_DISTRICT);
  compare.set_page_token(compared->next_page_token());
  EXPECT_EQ(Unary(&v1::Datasets::Stub::CompareCopies, compare)->differences_size(), 1);
}

TEST_F(DatasetServiceTest, AResyncIsAJobThatCanBeWatched) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1") + Event("2") + Event("3")), IsOk());
  v1::ResyncRequest request;
  request.set_request_id(ids::IdSource::Real().NewId());
  request.set_district(kDistrict);
  const auto resync = Unary(&v1::Datasets::Stub::Resync, request);
  ASSERT_THAT(resync, IsOk());
  EXPECT_EQ(resync->state(), v1::Resync::QUEUED);
  ASSERT_EQ(resync->datasets_size(), 1);
  pg::Database db = server_.database().db();
  EXPECT_EQ((*jobs::Find(db, resync->name().substr(sizeof("resyncs/") - 1)))->cost, 3);
  EXPECT_EQ(Unary(&v1::Datasets::Stub::Resync, request)->name(), resync->name());
  request.set_request_id(ids::IdSource::Real().NewId());
  EXPECT_EQ(Unary(&v1::Datasets::Stub::Resync, request)->name(), resync->name());

  grpc::ClientContext context;
  server_.CallAs(context, "users/ada");
  v1::WatchResyncRequest watch;
  watch.set_name(resync->name());
  const auto reader = stub_->WatchResync(&context, watch);
  v1::WatchResyncResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(seen.resync().state(), v1::Resync::QUEUED);
  RunJobs();
  while (reader->Read(&seen)) {
  }
  EXPECT_THAT(rpc::FromGrpc(reader->Finish()), IsOk());
  EXPECT_EQ(seen.resync().state(), v1::Resync::COMPLETED);
  ASSERT_EQ(seen.resync().counts_size(), 1);
  EXPECT_EQ(seen.resync().counts(0).read(), 3);
  EXPECT_EQ(seen.resync().counts(0).refused(), 0);

  v1::ListResyncsRequest list;
  list.add_states(v1::Resync::COMPLETED);
  EXPECT_EQ(Unary(&v1::Datasets::Stub::ListResyncs, list)->resyncs_size(), 1);
  v1::GetResyncRequest get;
  get.set_name(resync->name());
  EXPECT_THAT(Unary(&v1::Datasets::Stub::GetResync, get, "users/sue"), HasReason("NOT_FOUND"));
  get.set_name("resyncs/nothing");
  EXPECT_THAT(Unary(&v1::Datasets::Stub::GetResync, get), HasReason("NOT_FOUND"));
}

TEST_F(DatasetServiceTest, PeopleOfASchoolSeeItsRecords) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1") + Event("2", "TARDY", "255901002")), IsOk());
  EXPECT_EQ(List(type::COPY_DISTRICT, -1, "users/ada")->records_size(), 2);
  EXPECT_EQ(List(type::COPY_DISTRICT, -1, "users/sue")->records_size(), 1);
}

TEST_F(DatasetServiceTest, PeopleOfASchoolGetTheVersionsOfItsDistrict) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1") + Event("2", "TARDY", "255901002")), IsOk());
  v1::GetVersionsRequest request;
  request.set_district(kDistrict);
  request.set_copy(type::COPY_DISTRICT);
  request.set_school(kSchool);
  const auto versions = Unary(&v1::Datasets::Stub::GetVersions, request, "users/sid");
  ASSERT_THAT(versions, IsOk());
  ASSERT_EQ(versions->versions_size(), 10);
  EXPECT_EQ(versions->versions(0).version(), 1);
  EXPECT_EQ(versions->versions(0).row_count(), 0);  // not his to know
  EXPECT_FALSE(versions->versions(0).has_changed_at());
  request.set_district(kOther);  // of which it is no school
  EXPECT_THAT(Unary(&v1::Datasets::Stub::GetVersions, request, "users/sid"),
              HasReason("NOT_FOUND"));
  request.set_district(kDistrict);
  request.set_school(kOther);
  EXPECT_THAT(Unary(&v1::Datasets::Stub::GetVersions, request, "users/sid"),
              HasReason("NOT_FOUND"));
  request.clear_school();
  EXPECT_THAT(Unary(&v1::Datasets::Stub::GetVersions, request, "users/sid"),
              HasReason("NOT_FOUND"));
}

TEST_F(DatasetServiceTest, VersionsAndDefinitions) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1")), IsOk());
  v1::GetVersionsRequest request;
  request.set_district(kDistrict);
  request.set_copy(type::COPY_DISTRICT);
  const auto versions = Unary(&v1::Datasets::Stub::GetVersions, request);
  ASSERT_THAT(versions, IsOk());
  ASSERT_EQ(versions->versions_size(), 10);
  EXPECT_EQ(versions->versions(0).dataset(), kDataset);
  EXPECT_EQ(versions->versions(0).version(), 1);
  EXPECT_EQ(versions->versions(0).row_count(), 1);
  EXPECT_EQ(versions->versions(1).version(), 0);
  EXPECT_FALSE(versions->versions(1).has_changed_at());
  v1::ListDatasetsRequest list;
  list.set_page_size(2);
  const auto page = Unary(&v1::Datasets::Stub::ListDatasets, list);
  ASSERT_THAT(page, IsOk());
  list.set_page_token(page->next_page_token());
  list.set_page_size(50);
  EXPECT_EQ(Unary(&v1::Datasets::Stub::ListDatasets, list)->datasets_size(), 8);
  v1::GetDatasetRequest get;
  get.set_name(kDataset);
  const auto dataset = Unary(&v1::Datasets::Stub::GetDataset, get);
  ASSERT_THAT(dataset, IsOk());
  EXPECT_EQ(dataset->key_columns_size(), 4);
  EXPECT_EQ(dataset->school_column(), "school_id");
  EXPECT_FALSE(dataset->read_only());
  EXPECT_EQ(dataset->columns(3).name(), "category");
  EXPECT_EQ(dataset->columns(3).date_column(), "event_date");
  EXPECT_EQ(dataset->columns(5).date_column(), "");
}

TEST_F(DatasetServiceTest, WhatTheStateKeepsIsReadAndNotPushed) {
  const auto refused = [](const absl::Status& status, const std::string& field) {
    EXPECT_THAT(status, HasReason("FIELD_INVALID"));
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(field));
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("read-only"));
  };
  for (const char* dataset : {"datasets/organization", "datasets/code"}) {
    v1::PushRecordsRequest header = Header();
    header.mutable_header()->set_dataset(dataset);
    refused(Push(header, "").status(), "header.dataset");
    v1::ResyncRequest resync;
    resync.set_request_id(ids::IdSource::Real().NewId());
    resync.set_district(kDistrict);
    resync.add_datasets(dataset);
    refused(Unary(&v1::Datasets::Stub::Resync, resync).status(), "datasets");
    v1::GetDatasetRequest get;
    get.set_name(dataset);
    EXPECT_TRUE(Unary(&v1::Datasets::Stub::GetDataset, get)->read_only());
    v1::CompareCopiesRequest compare;
    compare.set_dataset(dataset);
    compare.set_district(kDistrict);
    const auto compared = Unary(&v1::Datasets::Stub::CompareCopies, compare);
    ASSERT_THAT(compared, IsOk());
    EXPECT_EQ(compared->differences_size(), 0);
    EXPECT_EQ(compared->district_version(), compared->state_version());
  }
  v1::ListRecordsRequest list;
  list.set_dataset("datasets/code");
  list.set_district(kDistrict);
  list.set_copy(type::COPY_DISTRICT);
  list.set_page_size(1);
  const auto codes = Unary(&v1::Datasets::Stub::ListRecords, list, "users/sue");
  ASSERT_THAT(codes, IsOk());
  EXPECT_EQ(codes->version(), 1);
  ASSERT_EQ(codes->records_size(), 1);
  EXPECT_EQ(codes->records(0).values(0), "accommodation");
  v1::GetVersionsRequest versions;
  versions.set_district(kDistrict);
  versions.add_datasets("datasets/code");
  versions.set_copy(type::COPY_STATE);
  EXPECT_EQ(Unary(&v1::Datasets::Stub::GetVersions, versions)->versions(0).version(), 1);
}

}  // namespace
}  // namespace edcert::dataset
