// The service behind gRPC, with real PostgreSQL and a fixed answer to who may do what.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "common/access/access.h"
#include "common/clock/clock.h"
#include "common/ids/ids.h"
#include "common/jobs/jobs.h"
#include "common/jobs/lease.h"
#include "common/rpc/status.h"
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

inline constexpr char kDistrict[] = "organizations/255901";
inline constexpr char kOther[] = "organizations/101902";
inline constexpr char kSchool[] = "organizations/255901001";
inline constexpr char kDataset[] = "datasets/attendance_event";
inline constexpr char kHeader[] = "student_uid,school_id,event_date,category,school_year\n";

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
  absl::Status Progress(int64_t done, int64_t total, std::string_view phase) override {
    progress_ = {.done = done, .total = total, .phase = std::string(phase)};
    pg::Database now = db();
    return jobs::StoreProgress(now, job_.id, job_.attempt, progress_);
  }
  absl::Status Complete(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    return db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      RETURN_IF_ERROR(body(tx));
      return jobs::Finish(tx, job_.id, job_.attempt, progress_);
    });
  }
  pg::Database db() override { return {pool_, clock::Clock::Real().Now() + absl::Seconds(30)}; }
  absl::Status Write(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    return db().RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      RETURN_IF_ERROR(body(tx));
      return jobs::Heartbeat(tx, job_.id, job_.attempt);
    });
  }

 private:
  pg::Pool& pool_;
  const jobs::Job job_;
  jobs::Progress progress_;
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
        std::make_unique<DatasetService>(server_.runtime(), resolver_, nullptr, PushOptions{});
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

  // Asks for a resync of all that the district has; its name.
  std::string StartResync() {
    v1::ResyncRequest request;
    request.set_request_id(ids::IdSource::Real().NewId());
    request.set_district(kDistrict);
    const auto resync = Unary(&v1::Datasets::Stub::Resync, request);
    EXPECT_THAT(resync, edcert::testing::IsOk());
    return resync.ok() ? resync->name() : "";
  }
  v1::Resync GetResync(const std::string& name) {
    v1::GetResyncRequest request;
    request.set_name(name);
    const auto resync = Unary(&v1::Datasets::Stub::GetResync, request);
    EXPECT_THAT(resync, edcert::testing::IsOk());
    return resync.ok() ? *resync : v1::Resync();
  }

  // Takes the next job as a worker would; null when none waits.
  std::unique_ptr<InlineJob> Claim() {
    pg::Database db = server_.database().db();
    const auto claim = jobs::ClaimNext(db, {.owner = "test"});
    EXPECT_THAT(claim, edcert::testing::IsOk());
    if (!claim.ok() || !claim->has_value()) return nullptr;
    return std::make_unique<InlineJob>(server_.database().pool(), (*claim)->job);
  }

  // Does what the workers would do, until nothing waits.
  void RunJobs() {
    SyncRunner runner(ids::IdSource::Real());
    while (const std::unique_ptr<InlineJob> job = Claim()) {
      ASSERT_THAT(runner.Run(*job), edcert::testing::IsOk());
    }
  }

  FixedResolver resolver_;
  edcert::testing::TestServer server_;
  std::unique_ptr<DatasetService> service_;
  std::unique_ptr<v1::Datasets::Stub> stub_;
};

}  // namespace edcert::dataset
