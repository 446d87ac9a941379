// The service behind gRPC, with real PostgreSQL and a fixed answer to who may do what.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "common/status/details.h"
#include "common/status/errors.h"
#include "common/testing/matchers.h"
#include "services/dataset/service_fixture_test.h"

namespace edcert::dataset {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;

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

TEST_F(DatasetServiceTest, APurgedVersionIsSaidToBePurged) {
  for (const char* student : {"1", "2", "3", "4"}) {
    ASSERT_THAT(Push(Header(), kHeader + Event(student)), IsOk());
  }
  EXPECT_EQ(List(type::COPY_DISTRICT, 1)->records_size(), 1);
  EXPECT_EQ(List(type::COPY_DISTRICT, 2)->records_size(), 2);
  ASSERT_THAT(server_.database().owner().RunScript(
                  "INSERT INTO dataset.version_horizon (copy, dataset, district_id, kept_from)"
                  " VALUES ('DISTRICT', 'attendance_event', '255901', 3);"
                  "INSERT INTO dataset.version_pin (copy, dataset, district_id, version, holder,"
                  " holder_id) VALUES ('DISTRICT', 'attendance_event', '255901', 1, 'x', 'y')"),
              IsOk());
  EXPECT_EQ(List(type::COPY_DISTRICT, 0)->records_size(), 0);
  EXPECT_EQ(List(type::COPY_DISTRICT, 1)->records_size(), 1);
  EXPECT_THAT(List(type::COPY_DISTRICT, 2), HasReason("VERSION_PURGED"));
  EXPECT_EQ(List(type::COPY_DISTRICT, 3)->records_size(), 3);
  EXPECT_EQ(List(type::COPY_DISTRICT)->records_size(), 4);
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

TEST_F(DatasetServiceTest, AResyncTellsHowManyRecordsItHasDone) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1") + Event("2") + Event("3")), IsOk());
  v1::PushRecordsRequest header = Header();
  header.mutable_header()->set_dataset("datasets/attendance_summary");
  ASSERT_THAT(Push(header,
                   "student_uid,school_id,calendar_track,reporting_period,school_year\n"
                   "1,255901001,T1,1,2026\n2,255901001,T1,1,2026\n"),
              IsOk());
  RunJobs();
  const std::string name = StartResync();
  const std::unique_ptr<InlineJob> job = Claim();
  ASSERT_NE(job, nullptr);
  // After its first dataset, somebody looks.
  class Watching final : public jobs::Running {
   public:
    Watching(InlineJob& job, std::function<void()> look) : job_(job), look_(std::move(look)) {}
    const jobs::Job& job() const override { return job_.job(); }
    absl::Status Progress(int64_t done, int64_t total, std::string_view phase) override {
      RETURN_IF_ERROR(job_.Progress(done, total, phase));
      look_();
      return absl::OkStatus();
    }
    absl::Status Complete(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
      return job_.Complete(body);
    }
    pg::Database db() override { return job_.db(); }
    absl::Status Write(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
      return job_.Write(body);
    }

   private:
    InlineJob& job_;
    const std::function<void()> look_;
  };
  std::vector<std::string> seen;
  const auto look = [&] {
    const v1::Resync resync = GetResync(name);
    seen.push_back(fmt::format("{} {}/{}", v1::Resync::State_Name(resync.state()),
                               resync.progress().done(), resync.progress().total()));
  };
  look();
  Watching watching(*job, look);
  SyncRunner runner(ids::IdSource::Real());
  ASSERT_THAT(runner.Run(watching), IsOk());
  look();
  EXPECT_THAT(seen, ::testing::ElementsAre("RUNNING 0/0", "RUNNING 0/5", "RUNNING 3/5",
                                           "RUNNING 5/5", "COMPLETED 5/5"));
}

TEST_F(DatasetServiceTest, AResyncCanBeCancelledWhileItWaitsOrRuns) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1")), IsOk());
  RunJobs();
  v1::CancelResyncRequest request;
  for (const bool running : {false, true}) {
    ASSERT_THAT(Push(Header(), kHeader + Event(running ? "2" : "3")), IsOk());
    request.set_name(StartResync());
    std::unique_ptr<InlineJob> job;
    if (running) job = Claim();  // interactive, so before the sync of the push
    request.set_request_id(ids::IdSource::Real().NewId());
    for (const char* user : {"users/sue", "users/sid"}) {
      EXPECT_THAT(Unary(&v1::Datasets::Stub::CancelResync, request, user), HasReason("NOT_FOUND"));
    }
    EXPECT_THAT(Unary(&v1::Datasets::Stub::CancelResync, request, "users/ron"),
                HasReason("NOT_PERMITTED"));
    const auto cancelled = Unary(&v1::Datasets::Stub::CancelResync, request);
    ASSERT_THAT(cancelled, IsOk());
    EXPECT_EQ(cancelled->state(), v1::Resync::CANCELLED);
    EXPECT_TRUE(cancelled->has_end_time());
    EXPECT_EQ(Unary(&v1::Datasets::Stub::CancelResync, request)->SerializeAsString(),
              cancelled->SerializeAsString());
    request.set_request_id(ids::IdSource::Real().NewId());
    EXPECT_THAT(Unary(&v1::Datasets::Stub::CancelResync, request),
                HasReason("TRANSITION_NOT_ALLOWED"));
    if (running) {
      SyncRunner runner(ids::IdSource::Real());
      EXPECT_EQ(runner.Run(*job).code(), absl::StatusCode::kCancelled);
    }
    EXPECT_EQ(GetResync(request.name()).state(), v1::Resync::CANCELLED);
    EXPECT_EQ(List(type::COPY_STATE)->records_size(), running ? 2 : 1);
    RunJobs();  // of the push, which goes on
    EXPECT_EQ(List(type::COPY_STATE)->records_size(), running ? 3 : 2);
  }
  // The watch of what was cancelled is over.
  grpc::ClientContext context;
  server_.CallAs(context, "users/ada");
  v1::WatchResyncRequest watch;
  watch.set_name(request.name());
  const auto reader = stub_->WatchResync(&context, watch);
  v1::WatchResyncResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(seen.resync().state(), v1::Resync::CANCELLED);
  EXPECT_FALSE(reader->Read(&seen));
  EXPECT_THAT(rpc::FromGrpc(reader->Finish()), IsOk());
  // One that is complete stays so, and the sync of a push is nobody's to cancel.
  request.set_name(StartResync());
  RunJobs();
  request.set_request_id(ids::IdSource::Real().NewId());
  EXPECT_THAT(Unary(&v1::Datasets::Stub::CancelResync, request),
              HasReason("TRANSITION_NOT_ALLOWED"));
  pg::Database db = server_.database().db();
  const auto automatic = db.RunText("SELECT resync_id FROM dataset.resync WHERE automatic LIMIT 1");
  request.set_name("resyncs/" + (*automatic)[0].Text("resync_id"));
  EXPECT_THAT(Unary(&v1::Datasets::Stub::CancelResync, request), HasReason("NOT_FOUND"));
}

TEST_F(DatasetServiceTest, AComparisonGoesDownToTheValues) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1") + Event("2") + Event("3")), IsOk());
  RunJobs();
  ASSERT_THAT(Push(Header(),
                   "student_uid,school_id,event_date,category,school_year,session\n"
                   "1,255901001,2025-10-01,TARDY,2027,Math\n"
                   "4,255901001,2025-10-01,TARDY,2026,\n"),
              IsOk());
  v1::CompareCopiesRequest request;
  request.set_district(kDistrict);
  request.set_dataset(kDataset);
  const auto compared = Unary(&v1::Datasets::Stub::CompareCopies, request);
  ASSERT_THAT(compared, IsOk());
  ASSERT_EQ(compared->schools_size(), 1);
  EXPECT_EQ(compared->schools(0).only_district(), 1);
  EXPECT_EQ(compared->schools(0).different(), 1);
  ASSERT_EQ(compared->differences_size(), 2);
  const auto& different = compared->differences(0);
  EXPECT_EQ(different.kind(), v1::RecordDifference::KIND_DIFFERENT);
  EXPECT_THAT(different.columns(), ::testing::ElementsAre("session", "school_year"));
  ASSERT_EQ(different.column_differences_size(), 2);
  EXPECT_EQ(different.column_differences(0).column(), "session");
  EXPECT_EQ(different.column_differences(0).district_value(), "Math");
  EXPECT_TRUE(different.column_differences(0).has_state_value());
  EXPECT_EQ(different.column_differences(0).state_value(), "");
  EXPECT_EQ(different.column_differences(1).district_value(), "2027");
  EXPECT_EQ(different.column_differences(1).state_value(), "2026");
  EXPECT_EQ(compared->differences(1).kind(), v1::RecordDifference::KIND_ONLY_DISTRICT);
  EXPECT_EQ(compared->differences(1).column_differences_size(), 0);
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
