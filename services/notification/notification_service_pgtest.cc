// Every RPC through a real server: own messages only, and a stream that misses none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <set>

#include "common/paging/paging.h"
#include "common/rpc/status.h"
#include "common/testing/matchers.h"
#include "common/testing/test_server.h"
#include "services/notification/fan_out.h"
#include "services/notification/migrations/migrations.h"
#include "services/notification/notification_service.h"

namespace edcert::notification {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;

class ServiceTest : public ::testing::Test {
 protected:
  using Stub = v1::Notifications::Stub;

  void SetUp() override {
    server_.Serve(service_, v1::Notifications::service_full_name());
    stub_ = v1::Notifications::NewStub(server_.channel());
  }
  void TearDown() override { server_.Stop(); }

  // Somebody's signature is voided: a message to him, as workflow's feed makes it.
  void Tell(const std::string& user, absl::Time at = absl::FromUnixSeconds(1'790'000'000)) {
    const Change change = {.id = ids::IdSource::Real().NewId(),
                           .subject = "certifications/c",
                           .type = "signatures_voided",
                           .actor = "users/x",
                           .occurred_at = at,
                           .attributes = {{"event", "events/e"},
                                          {"event_title", "Fall"},
                                          {"organization", "organizations/o"},
                                          {"signers", user}}};
    const Template* row = TemplatesOf(Feed::kWorkflow, change.type)[0];
    const Prepared prepared = {.messages = {{row, {{user, {"organizations/o"}}}}},
                               .fields = FieldsOf(change)};
    ASSERT_THAT(server_.database().db().RunInTransaction([&](pg::Transaction& tx) {
      return Apply(tx, store_, ids::IdSource::Real(), Feed::kWorkflow, change, &prepared);
    }),
                IsOk());
    server_.runtime().Poke();
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request, std::string_view user = "users/ann") {
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

  static v1::ListMessagesRequest ListRequest() {
    v1::ListMessagesRequest request;
    request.set_parent("users/ann");
    return request;
  }

  std::vector<v1::Message> List(const v1::ListMessagesRequest& request) {
    const auto answer = Call(&Stub::ListMessages, request);
    EXPECT_THAT(answer, IsOk());
    return {answer->messages().begin(), answer->messages().end()};
  }

  // A call that watches ann's messages, for at most half a minute.
  struct Watching {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchMessagesResponse>> reader;
  };
  std::unique_ptr<Watching> Watch(const std::string& after, std::string_view user = "users/ann") {
    auto watching = std::make_unique<Watching>();
    server_.CallAs(watching->context, user);
    watching->context.set_deadline(
        absl::ToChronoTime(clock::Clock::Real().Now() + absl::Seconds(30)));
    v1::WatchMessagesRequest request;
    request.set_parent("users/ann");
    request.set_after(after);
    watching->reader = stub_->WatchMessages(&watching->context, request);
    return watching;
  }

  testing::TestServer server_{
      {.service = "notification",
       .schema = "notification",
       .migrations = {{.name = "notification", .migrations = sql::kMigrations}}}};
  MessageStore store_{ids::IdSource::Real()};
  NotificationService service_{server_.runtime(), store_, absl::FixedTimeZone(-5 * 3600)};
  std::unique_ptr<Stub> stub_;
};

TEST_F(ServiceTest, APersonSeesHisOwnMessagesOnly) {
  Tell("users/ann");
  Tell("users/bob");
  const std::vector<v1::Message> messages = List(ListRequest());
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].cause(), v1::CAUSE_SIGNATURES_VOIDED);
  EXPECT_EQ(messages[0].organization(), "organizations/o");
  EXPECT_THAT(Call(&Stub::ListMessages, ListRequest(), "users/bob"), HasReason("NOT_FOUND"));
  EXPECT_THAT(Call(&Stub::ListMessages, ListRequest(), ""), HasReason("NOT_PERMITTED"));
  v1::GetMessageRequest get;
  get.set_name(messages[0].name());
  EXPECT_THAT(Call(&Stub::GetMessage, get), IsOk());
  EXPECT_THAT(Call(&Stub::GetMessage, get, "users/bob"), HasReason("NOT_FOUND"));
  // Not even under his own name.
  get.set_name("users/bob" + messages[0].name().substr(std::string("users/ann").size()));
  EXPECT_THAT(Call(&Stub::GetMessage, get, "users/bob"), HasReason("NOT_FOUND"));
  get.set_name("users/ann/messages/");
  EXPECT_THAT(Call(&Stub::GetMessage, get), HasReason("FIELD_INVALID"));
}

TEST_F(ServiceTest, ReadingAndDismissingAreRememberedOnce) {
  Tell("users/ann");
  const std::string name = List(ListRequest())[0].name();
  v1::MarkReadRequest read;
  read.set_request_id(ids::IdSource::Real().NewId());
  read.set_name(name);
  EXPECT_THAT(Call(&Stub::MarkRead, read, "users/bob"), HasReason("NOT_FOUND"));
  const auto first = Call(&Stub::MarkRead, read);
  ASSERT_THAT(first, IsOk());
  EXPECT_TRUE(first->has_read_at());
  EXPECT_FALSE(first->has_dismissed_at());
  v1::DismissRequest dismiss;
  dismiss.set_request_id(ids::IdSource::Real().NewId());
  dismiss.set_name(name);
  const auto second = Call(&Stub::Dismiss, dismiss);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->read_at().SerializeAsString(), first->read_at().SerializeAsString());
  EXPECT_TRUE(List(ListRequest()).empty());
  v1::ListMessagesRequest all = ListRequest();
  all.set_show_dismissed(true);
  EXPECT_EQ(List(all).size(), 1u);
}

TEST_F(ServiceTest, DaysAreThoseOfTheStatesZone) {
  // 2026-09-22 04:59 UTC is still the 21st, five hours west.
  Tell("users/ann", absl::FromCivil(absl::CivilMinute(2026, 9, 22, 4, 59), absl::UTCTimeZone()));
  v1::ListMessagesRequest request = ListRequest();
  type::Date day;
  day.set_year(2026);
  day.set_month(9);
  day.set_day(21);
  *request.mutable_from_date() = day;
  *request.mutable_to_date() = day;
  EXPECT_EQ(List(request).size(), 1u);
  day.set_day(22);
  *request.mutable_to_date() = day;
  *request.mutable_from_date() = day;
  EXPECT_TRUE(List(request).empty());
  day.set_day(20);
  *request.mutable_to_date() = day;
  EXPECT_THAT(Call(&Stub::ListMessages, request), HasReason("FIELD_INVALID"));
}

TEST_F(ServiceTest, PagesFollowEachOther) {
  std::set<std::string> known;
  std::vector<std::string> newest_first;
  for (int i = 0; i < 5; ++i) {
    Tell("users/ann");
    for (const v1::Message& message : List(ListRequest())) {
      if (known.insert(message.name()).second) {
        newest_first.insert(newest_first.begin(), message.name());
      }
    }
  }
  v1::ListMessagesRequest request = ListRequest();
  request.set_page_size(2);
  std::vector<std::string> names;
  do {
    const auto page = Call(&Stub::ListMessages, request);
    ASSERT_THAT(page, IsOk());
    for (const v1::Message& message : page->messages()) names.push_back(message.name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(names.size(), 5u);
  EXPECT_EQ(names, newest_first);
}

TEST_F(ServiceTest, APageTokenWithAKeyOfItsOwnIsRefused) {
  Tell("users/ann");
  // As the server makes them for this caller: only the place is not what it wrote.
  const paging::CallerScope scope(server_.runtime().page_token_key(), "users/ann");
  for (const char* key : {"", "x", "-1", "9223372036854775808", "1; SELECT"}) {
    v1::ListMessagesRequest request = ListRequest();
    request.set_page_token(paging::NextToken(request, {key}));
    EXPECT_THAT(Call(&Stub::ListMessages, request), HasReason("PAGE_TOKEN_INVALID")) << key;
  }
}

TEST_F(ServiceTest, AWatchGoesOnAfterTheLastMessageSeen) {
  Tell("users/ann");
  Tell("users/ann");
  Tell("users/ann");
  std::vector<v1::Message> known = List(ListRequest());
  const auto watching = Watch(known[2].name());  // the oldest
  v1::WatchMessagesResponse response;
  ASSERT_TRUE(watching->reader->Read(&response));
  EXPECT_EQ(response.message().name(), known[1].name());
  ASSERT_TRUE(watching->reader->Read(&response));
  EXPECT_EQ(response.message().name(), known[0].name());
  // Not those of others; new ones at once.
  Tell("users/bob");
  Tell("users/ann");
  ASSERT_TRUE(watching->reader->Read(&response));
  EXPECT_EQ(response.message().name(), List(ListRequest())[0].name());
  watching->context.TryCancel();
}

TEST_F(ServiceTest, AWatchOfOthersOrAfterNothingIsRefused) {
  v1::WatchMessagesResponse response;
  const auto of_other = Watch("", "users/bob");
  EXPECT_FALSE(of_other->reader->Read(&response));
  EXPECT_THAT(rpc::FromGrpc(of_other->reader->Finish()), HasReason("NOT_FOUND"));
  const auto after_nothing = Watch("users/ann/messages/" + ids::IdSource::Real().NewId());
  EXPECT_FALSE(after_nothing->reader->Read(&response));
  EXPECT_THAT(rpc::FromGrpc(after_nothing->reader->Finish()), HasReason("NOT_FOUND"));
}

}  // namespace
}  // namespace edcert::notification
