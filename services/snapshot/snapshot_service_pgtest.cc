// Every RPC through a real server: who may, who sees what, and pages that stay with their versions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <thread>

#include "common/paging/paging.h"
#include "common/rpc/status.h"
#include "common/testing/matchers.h"
#include "common/testing/test_server.h"
#include "services/snapshot/migrations/migrations.h"
#include "services/snapshot/sealer.h"
#include "services/snapshot/snapshot_service.h"

namespace edcert::snapshot {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::SizeIs;

// state: an approver. desk: of the state, without a role. ada: certifier of d. eve: of d, without a
// role. bob: of another district. As in event_registry, the event is seen by the state, and until
// it is closed by who has a role in its category.
class FakeAccess final : public access::Resolver {
 public:
  access::EventFacts event;

 protected:
  absl::StatusOr<access::Access> Ask(const rpc::Call& call, const access::Query& query) override {
    access::Access access = Known(query);
    access.user = call.principal().user;
    access.rights.assign(16 * 8, access.user == "users/state");
    access.state_user = access.user == "users/state" || access.user == "users/desk";
    const std::string home =
        access.user == "users/bob" ? "organizations/elsewhere" : "organizations/d";
    if (!access.state_user) access.scope_organizations = access.scope_districts = {home};
    access.in_scope = access.state_user || query.organization == home;
    if (access.user == "users/state") {
      access.roles = {{access::Role::kApprover, access::Rank::kNone, "organizations/sea"}};
    } else if (access.user == "users/ada") {
      access.roles = {{access::Role::kCertifier, access::Rank::kPrimary, home}};
    }
    const bool sees = access.state_user ||
                      (!access.roles.empty() && event.status != access::EventStatus::kClosed);
    if (!sees) access.event.reset();
    if (query.visible_events && sees && !access.state_user) access.visible_events = {event.name};
    return access;
  }
  absl::StatusOr<access::Access> AskForService(const rpc::Call& /*call*/,
                                               const access::Query& query) override {
    access::Access access = Known(query);
    access.state_user = true;
    access.in_scope = true;
    return access;
  }

 private:
  access::Access Known(const access::Query& query) const {
    access::Access access;
    access.organization_kind = access::OrganizationKind::kDistrict;
    access.participates = query.organization == "organizations/d";
    if (query.event == event.name) access.event = event;
    return access;
  }
};

// A job that the test runs by hand.
class HandRunning final : public jobs::Running {
 public:
  HandRunning(pg::Database db, std::string id) : db_(db) { job_.id = std::move(id); }
  const jobs::Job& job() const override { return job_; }
  absl::Status Progress(int64_t, int64_t, std::string_view) override { return absl::OkStatus(); }
  absl::Status Complete(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    return db_.RunInTransaction(body);
  }
  pg::Database db() override { return db_; }
  absl::Status Write(absl::FunctionRef<absl::Status(pg::Transaction&)> body) override {
    return db_.RunInTransaction(body);
  }

 private:
  pg::Database db_;
  jobs::Job job_;
};

class ServiceTest : public ::testing::Test {
 protected:
  using Stub = v1::Snapshots::Stub;

  void SetUp() override {
    std::ifstream file("services/snapshot/testdata/dataset_read.sql");
    Sql({std::istreambuf_iterator<char>(file), {}});
    access_.event.name = "events/fall";
    access_.event.category = "categories/c";
    access_.event.datasets = {"datasets/enrollment", "datasets/attendance"};
    access_.event.status = access::EventStatus::kPublished;
    access_.event.phase = access::Phase::kCertifying;
    access_.event.live_version = 1;
    access_.event.snapshots_from = absl::UnixEpoch();
    server_.Serve(service_, v1::Snapshots::service_full_name());
    stub_ = v1::Snapshots::NewStub(server_.channel());
  }

  void TearDown() override { server_.Stop(); }

  void Sql(const std::string& sql) {
    ASSERT_THAT(server_.database().owner().RunScript(sql), IsOk());
  }

  // One record of enrollment, one version; an empty grade removes it.
  void Put(const std::string& key, const std::string& grade) {
    Sql("SELECT fixture.apply('enrollment', 'd', '" + key + "', 's1', " +
        (grade.empty() ? "NULL" : "'" + grade + "'") + ")");
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request, std::string_view user = "users/state") {
    grpc::ClientContext context;
    if (user.empty()) {
      server_.CallAsService(context);
    } else {
      server_.CallAs(context, user);
    }
    Response response;
    const absl::Status status = rpc::FromGrpc((stub_.get()->*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  static v1::CreateSnapshotRequest CreateRequest() {
    v1::CreateSnapshotRequest request;
    request.set_request_id(ids::IdSource::Real().NewId());
    request.set_event("events/fall");
    request.set_organization("organizations/d");
    return request;
  }

  v1::Snapshot Create() {
    absl::StatusOr<v1::Snapshot> made = Call(&Stub::CreateSnapshot, CreateRequest());
    EXPECT_THAT(made, IsOk());
    return *std::move(made);
  }

  absl::StatusOr<v1::Snapshot> Get(const std::string& name, std::string_view user) {
    v1::GetSnapshotRequest request;
    request.set_name(name);
    return Call(&Stub::GetSnapshot, request, user);
  }

  void Seal(const std::string& name) {
    HandRunning running(server_.database().db(), name.substr(name.find('/') + 1));
    Sealer sealer;
    ASSERT_THAT(sealer.Run(running), IsOk());
    server_.runtime().Poke();
  }

  testing::TestServer server_{
      {.service = "snapshot",
       .schema = "snapshot",
       .migrations = {jobs::Migrations(), {.name = "snapshot", .migrations = sql::kMigrations}}}};
  FakeAccess access_;
  SnapshotStore store_;
  jobs::Dispatcher dispatcher_{server_.runtime().pool(), config::Redis(), "snapshot"};
  SnapshotService service_{server_.runtime(), access_, store_, dispatcher_, {.local_per_hour = 6}};
  std::unique_ptr<Stub> stub_;
};

TEST_F(ServiceTest, TheStateTakesASnapshotOnceForARequest) {
  Put("k1", "01");
  const v1::CreateSnapshotRequest request = CreateRequest();
  const auto first = Call(&Stub::CreateSnapshot, request);
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->origin(), v1::SNAPSHOT_ORIGIN_STATE_MANUAL);
  EXPECT_EQ(first->state(), v1::Snapshot::SEALING);
  EXPECT_EQ(first->taken_by(), "users/state");
  EXPECT_EQ(first->district(), "organizations/d");
  ASSERT_EQ(first->data_versions_size(), 2);
  EXPECT_EQ(first->data_versions(0).dataset(), "datasets/attendance");
  EXPECT_EQ(first->data_versions(1).version(), 1);
  const auto again = Call(&Stub::CreateSnapshot, request);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(server_.CountRows("snapshot"), 1);
  EXPECT_EQ(server_.CountRows("job"), 1);
  EXPECT_EQ(Call(&Stub::CreateSnapshot, CreateRequest(), "")->origin(),
            v1::SNAPSHOT_ORIGIN_STATE_SCHEDULED);
}

TEST_F(ServiceTest, AJobCostsWhatItReads) {
  for (const char* key : {"k1", "k2", "k3"}) Put(key, "01");
  Put("k4", "01");
  Put("k4", "");
  const std::string name = Create().name();
  pg::Database db = server_.database().db();
  const auto job = jobs::Find(db, name.substr(name.find('/') + 1));
  ASSERT_THAT(job, IsOk());
  EXPECT_EQ((*job)->cost, 3);
}

TEST_F(ServiceTest, RefusesWhoMayNotAndWhatIsNot) {
  EXPECT_THAT(Call(&Stub::CreateSnapshot, CreateRequest(), "users/ada"),
              HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Call(&Stub::CreateSnapshot, CreateRequest(), "users/desk"),
              HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Call(&Stub::CreateSnapshot, CreateRequest(), "users/bob"), HasReason("NOT_FOUND"));
  v1::CreateSnapshotRequest request = CreateRequest();
  request.set_organization("organizations/other");
  EXPECT_THAT(Call(&Stub::CreateSnapshot, request), HasReason("NOT_FOUND"));
  request = CreateRequest();
  request.set_event("nonsense");
  EXPECT_THAT(Call(&Stub::CreateSnapshot, request), HasReason("FIELD_INVALID"));
  request = CreateRequest();
  request.set_retake_of("snapshots/" + ids::IdSource::Real().NewId());
  EXPECT_THAT(Call(&Stub::CreateSnapshot, request), HasReason("SNAPSHOT_MISMATCH"));
  access_.event.phase = access::Phase::kEnded;
  EXPECT_THAT(Call(&Stub::CreateSnapshot, CreateRequest()), HasReason("WINDOW_CLOSED"));
  access_.event.snapshots_from = absl::InfiniteFuture();
  EXPECT_THAT(Call(&Stub::CreateSnapshot, CreateRequest()), HasReason("WINDOW_NOT_OPEN"));
  EXPECT_EQ(server_.CountRows("snapshot"), 0);
  EXPECT_EQ(server_.CountRows("job"), 0);
}

TEST_F(ServiceTest, AnOrganisationsSnapshotsAreSeenWithinItsScope) {
  const std::string name = Create().name();
  EXPECT_THAT(Get(name, "users/ada"), IsOk());
  EXPECT_THAT(Get(name, "users/desk"), IsOk());
  EXPECT_THAT(Get(name, ""), IsOk());
  EXPECT_THAT(Get(name, "users/bob"), HasReason("NOT_FOUND"));
  EXPECT_THAT(Get("snapshots/none", "users/state"), HasReason("NOT_FOUND"));
  const v1::ListSnapshotsRequest all;
  EXPECT_EQ(Call(&Stub::ListSnapshots, all, "users/ada")->snapshots_size(), 1);
  EXPECT_EQ(Call(&Stub::ListSnapshots, all, "users/bob")->snapshots_size(), 0);
  v1::ListSnapshotsRequest request;
  request.set_organization("organizations/d");
  EXPECT_EQ(Call(&Stub::ListSnapshots, request, "users/bob")->snapshots_size(), 0);
  EXPECT_EQ(Call(&Stub::ListSnapshots, request, "")->snapshots_size(), 1);
}

TEST_F(ServiceTest, WhoDoesNotSeeTheEventSeesNoneOfItsSnapshots) {
  const std::string name = Create().name();
  v1::ListSnapshotsRequest all;
  v1::ListSnapshotsRequest one;
  one.set_organization("organizations/d");
  one.set_event("events/fall");
  const auto seen_by = [&, this](std::string_view user) {
    const absl::StatusOr<v1::Snapshot> got = Get(name, user);
    const int listed = Call(&Stub::ListSnapshots, all, user)->snapshots_size();
    EXPECT_EQ(Call(&Stub::ListSnapshots, one, user)->snapshots_size(), listed) << user;
    grpc::ClientContext context;
    if (!user.empty()) server_.CallAs(context, user);
    if (user.empty()) server_.CallAsService(context);
    v1::WatchSnapshotRequest watch;
    watch.set_name(name);
    const auto reader = stub_->WatchSnapshot(&context, watch);
    v1::Snapshot snapshot;
    EXPECT_EQ(reader->Read(&snapshot), listed == 1) << user;
    if (listed == 1) context.TryCancel();  // it would wait for the seal
    const absl::Status ended = rpc::FromGrpc(reader->Finish());
    EXPECT_EQ(status::ReasonOf(got.status()), listed == 1 ? "" : "NOT_FOUND") << user;
    EXPECT_EQ(status::ReasonOf(ended), listed == 1 ? "CANCELLED" : "NOT_FOUND") << user;
    return listed == 1;
  };
  EXPECT_TRUE(seen_by("users/ada"));
  EXPECT_FALSE(seen_by("users/eve"));  // no member of the event's category
  EXPECT_FALSE(seen_by("users/bob"));
  // A closed event is shown to nobody outside the state.
  access_.event.status = access::EventStatus::kClosed;
  EXPECT_FALSE(seen_by("users/ada"));
  EXPECT_TRUE(seen_by("users/desk"));
  EXPECT_TRUE(seen_by("users/state"));
  EXPECT_TRUE(seen_by(""));
}

TEST_F(ServiceTest, ListsPageByPageNewestFirst) {
  std::vector<std::string> expected;
  for (int i = 0; i < 5; ++i) expected.insert(expected.begin(), Create().name());
  std::vector<std::string> seen;
  v1::ListSnapshotsRequest request;
  request.set_page_size(2);
  do {
    const auto page = Call(&Stub::ListSnapshots, request);
    ASSERT_THAT(page, IsOk());
    for (const v1::Snapshot& snapshot : page->snapshots()) seen.push_back(snapshot.name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(seen, expected);
}

TEST_F(ServiceTest, AWatchEndsWhenTheSnapshotIsSealed) {
  Put("k1", "01");
  const std::string name = Create().name();
  grpc::ClientContext context;
  server_.CallAs(context, "users/ada");
  context.set_deadline(absl::ToChronoTime(clock::Clock::Real().Now() + absl::Seconds(30)));
  v1::WatchSnapshotRequest request;
  request.set_name(name);
  const auto reader = stub_->WatchSnapshot(&context, request);
  v1::Snapshot snapshot;
  ASSERT_TRUE(reader->Read(&snapshot));
  EXPECT_EQ(snapshot.state(), v1::Snapshot::SEALING);
  Seal(name);
  ASSERT_TRUE(reader->Read(&snapshot));
  EXPECT_EQ(snapshot.state(), v1::Snapshot::SEALED);
  EXPECT_EQ(snapshot.root().size(), 64u);
  EXPECT_EQ(snapshot.data_versions(1).rows(), 1);
  EXPECT_FALSE(reader->Read(&snapshot));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ServiceTest, ADiffWithThePresentStaysWithTheVersionsOfItsFirstPage) {
  Put("a", "01");
  Put("b", "01");
  const std::string base = Create().name();
  Put("a", "02");
  Put("b", "");
  Put("c", "03");
  v1::DiffSnapshotsRequest request;
  request.set_base(base);
  request.set_page_size(2);
  const auto first = Call(&Stub::DiffSnapshots, request, "users/ada");
  ASSERT_THAT(first, IsOk());
  ASSERT_EQ(first->datasets_size(), 2);
  EXPECT_EQ(first->datasets(1).added(), 1);
  EXPECT_EQ(first->datasets(1).removed(), 1);
  EXPECT_EQ(first->datasets(1).changed(), 1);
  EXPECT_EQ(first->datasets(1).base_version(), 2);
  EXPECT_EQ(first->datasets(1).other_version(), 5);
  ASSERT_EQ(first->records_size(), 2);
  EXPECT_EQ(first->records(0).kind(), v1::RecordDiff::CHANGED);
  EXPECT_EQ(first->records(1).kind(), v1::RecordDiff::REMOVED);
  // Meanwhile more arrives, which the second page does not see.
  Put("c", "");
  Put("d", "04");
  request.set_page_token(first->next_page_token());
  const auto second = Call(&Stub::DiffSnapshots, request, "users/ada");
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->datasets_size(), 0);
  ASSERT_EQ(second->records_size(), 1);
  EXPECT_EQ(second->records(0).record_key(), "c");
  EXPECT_EQ(second->records(0).kind(), v1::RecordDiff::ADDED);
  EXPECT_EQ(second->next_page_token(), "");

  const std::string other = Create().name();
  request.clear_page_token();
  request.set_other(other);
  request.set_dataset("datasets/enrollment");
  const auto between = Call(&Stub::DiffSnapshots, request, "users/state");
  ASSERT_THAT(between, IsOk());
  ASSERT_EQ(between->datasets_size(), 1);
  EXPECT_EQ(between->datasets(0).added(), 1);  // d
  EXPECT_EQ(between->records_size(), 2);
}

TEST_F(ServiceTest, APageOfVersionsThatWerePurgedIsRefused) {
  Put("a", "01");
  Put("b", "01");
  v1::DiffSnapshotsRequest request;
  request.set_base(Create().name());
  request.set_page_size(1);
  Put("a", "02");
  Put("b", "02");
  const auto first = Call(&Stub::DiffSnapshots, request, "users/ada");
  ASSERT_THAT(first, IsOk());
  Put("c", "03");
  Sql("UPDATE fixture.horizon SET kept_from = 5");
  request.set_page_token(first->next_page_token());
  EXPECT_THAT(Call(&Stub::DiffSnapshots, request, "users/ada"), HasReason("VERSION_PURGED"));
}

// Also one who could sign page tokens of his own reads no dataset that the snapshot does not hold.
TEST_F(ServiceTest, AForgedPageTokenOpensNoOtherDataset) {
  access_.event.datasets = {"datasets/enrollment"};
  Put("a", "01");
  v1::DiffSnapshotsRequest request;
  request.set_base(Create().name());
  Sql("SELECT fixture.apply('attendance', 'd', 'secret', 's1', '07')");
  const auto forged = [&request, this](const std::string& versions) {
    const paging::CallerScope signed_as(server_.runtime().page_token_key(), "users/ada");
    request.clear_page_token();
    request.set_page_token(paging::NextToken(request, {versions, "", ""}));
    return Call(&Stub::DiffSnapshots, request, "users/ada");
  };
  for (const char* versions : {"attendance=1", "attendance=1,enrollment=1",
                               "enrollment=1,attendance=1", "", "enrollment=-1", "enrollment=x"}) {
    EXPECT_THAT(forged(versions), HasReason("PAGE_TOKEN_INVALID")) << versions;
  }
  EXPECT_THAT(forged("enrollment=1"), IsOk());  // as the server makes them
}

TEST_F(ServiceTest, ADiffShowsRecordsSoItNeedsARole) {
  v1::DiffSnapshotsRequest request;
  request.set_base(Create().name());
  EXPECT_THAT(Call(&Stub::DiffSnapshots, request, "users/ada"), IsOk());
  EXPECT_THAT(Call(&Stub::DiffSnapshots, request, ""), IsOk());
  EXPECT_THAT(Call(&Stub::DiffSnapshots, request, "users/desk"), HasReason("NOT_FOUND"));
  EXPECT_THAT(Call(&Stub::DiffSnapshots, request, "users/bob"), HasReason("NOT_FOUND"));
}

TEST_F(ServiceTest, TheFeedAndTheAuditTellWhatHappened) {
  const std::string name = Create().name();
  Seal(name);
  const auto changes = Call(&Stub::ListChanges, v1::ListChangesRequest(), "");
  ASSERT_THAT(changes, IsOk());
  ASSERT_EQ(changes->changes_size(), 2);
  EXPECT_EQ(changes->changes(0).type(), "snapshot_taken");
  EXPECT_EQ(changes->changes(1).type(), "snapshot_sealed");
  EXPECT_EQ(changes->changes(1).attributes().at("generation"), "1");
  EXPECT_THAT(Call(&Stub::ListChanges, v1::ListChangesRequest()), HasReason("NOT_PERMITTED"));
  const auto audit = Call(&Stub::ListAuditRecords, v1::ListAuditRecordsRequest());
  ASSERT_THAT(audit, IsOk());
  ASSERT_EQ(audit->audit_records_size(), 1);
  EXPECT_EQ(audit->audit_records(0).subject(), name);
  EXPECT_THAT(Call(&Stub::ListAuditRecords, v1::ListAuditRecordsRequest(), "users/ada"),
              HasReason("NOT_PERMITTED"));
}

}  // namespace
}  // namespace edcert::snapshot
