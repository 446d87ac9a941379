// Who may read the audit log.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "common/access/audit.h"
#include "common/rpc/handle.h"
#include "common/rpc/status.h"
#include "common/testing/matchers.h"
#include "common/testing/test_server.h"
#include "edcert/registry/v1/event_registry.grpc.pb.h"

namespace edcert::access {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;

// auditor and clerk have every right, clerk and desk sit at a district and at the state.
class FakeResolver final : public Resolver {
 protected:
  absl::StatusOr<Access> Ask(const rpc::Call& call, const Query& /*query*/) override {
    Access access;
    access.user = call.principal().user;
    access.state_user = access.user != "users/clerk";
    access.rights.assign(16 * 8, access.user != "users/desk");
    return access;
  }
  absl::StatusOr<Access> AskForService(const rpc::Call& call, const Query& query) override {
    return Ask(call, query);
  }
};

class AuditService final : public registry::v1::EventRegistry::CallbackService {
 public:
  explicit AuditService(rpc::Runtime& runtime) : runtime_(runtime) {}
  grpc::ServerUnaryReactor* ListAuditRecords(
      grpc::CallbackServerContext* context, const registry::v1::ListAuditRecordsRequest* request,
      registry::v1::ListAuditRecordsResponse* response) override {
    return rpc::Handle(runtime_, context, request, response, [=, this](rpc::Call& call) {
      return ServeAudit(resolver_, call, *request, response);
    });
  }

 private:
  rpc::Runtime& runtime_;
  FakeResolver resolver_;
};

class AuditTest : public ::testing::Test {
 protected:
  AuditTest()
      : server_({.service = "event_registry", .schema = "registry", .migrations = {}}),
        service_(server_.runtime()) {
    server_.Serve(service_, registry::v1::EventRegistry::service_full_name());
    stub_ = registry::v1::EventRegistry::NewStub(server_.channel());
  }
  ~AuditTest() override { server_.Stop(); }

  absl::StatusOr<registry::v1::ListAuditRecordsResponse> List(std::string_view user,
                                                              const std::string& page_token = "") {
    grpc::ClientContext context;
    server_.CallAs(context, user);
    registry::v1::ListAuditRecordsRequest request;
    request.set_page_size(1);
    request.set_page_token(page_token);
    registry::v1::ListAuditRecordsResponse response;
    const absl::Status status =
        rpc::FromGrpc(stub_->ListAuditRecords(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  // Leaves an audit record, as a command does.
  void Act(const std::string& subject) {
    const ids::IdSource& ids = server_.runtime().ids();
    const idempotency::Key key{.principal = "users/auditor",
                               .acting = "",
                               .method = "Test/Act",
                               .request_id = ids.NewId(),
                               .sha256 = std::string(32, 'x')};
    pg::Database db = server_.runtime().Db(absl::Seconds(10));
    ASSERT_THAT(db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
      RETURN_IF_ERROR(idempotency::Claim(tx, key).status());
      idempotency::Finish(tx, key, ids.NewId(), subject, "");
      return absl::OkStatus();
    }),
                IsOk());
  }

  testing::TestServer server_;
  AuditService service_;
  std::unique_ptr<registry::v1::EventRegistry::Stub> stub_;
};

TEST_F(AuditTest, IsForUsersOfTheStateWithTheRight) {
  EXPECT_THAT(List("users/auditor"), IsOk());
  EXPECT_THAT(List("users/clerk"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(List("users/desk"), HasReason("NOT_PERMITTED"));
}

TEST_F(AuditTest, PagesFromTheNewest) {
  Act("events/a");
  Act("events/b");
  auto page = List("users/auditor");
  ASSERT_THAT(page, IsOk());
  ASSERT_EQ(page->audit_records_size(), 1);
  EXPECT_EQ(page->audit_records(0).subject(), "events/b");
  page = List("users/auditor", page->next_page_token());
  ASSERT_THAT(page, IsOk());
  ASSERT_EQ(page->audit_records_size(), 1);
  EXPECT_EQ(page->audit_records(0).subject(), "events/a");
  EXPECT_EQ(page->next_page_token(), "");
}

}  // namespace
}  // namespace edcert::access
