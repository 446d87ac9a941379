#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/rpc/download.h"
#include "common/rpc/handle.h"
#include "common/rpc/status.h"
#include "common/rpc/testdata/test.grpc.pb.h"
#include "common/rpc/upload.h"
#include "common/rpc/watch.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "common/testing/matchers.h"
#include "common/testing/test_server.h"

namespace edcert::rpc {
namespace {

using rpctest::Answer;
using ::testing::ElementsAre;
using testing::HasReason;
using testing::IsOk;

constexpr absl::Duration kLimit = absl::Seconds(30);

absl::Time Now() { return clock::Clock::Real().Now(); }

// Waits for a condition without sleeping.
bool Eventually(const std::function<bool()>& condition) {
  const absl::Time until = Now() + kLimit;
  while (Now() < until) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return false;
}

// Each handler runs what the test puts there.
class ShapesService final : public rpctest::Shapes::CallbackService {
 public:
  using Body = std::function<absl::Status(Call&, Answer*)>;
  Body body = [](Call&, Answer*) { return absl::OkStatus(); };
  std::function<absl::StatusOr<std::string>(pg::Transaction&, const std::string&, Answer*)>
      command = [](pg::Transaction&, const std::string& text, Answer* answer) {
        answer->set_text("done " + text);
        return std::string("events/x");
      };
  std::function<absl::Status(Call&, DownloadWriter<Answer>&)> download;
  std::function<absl::Status(Call&, UploadReader<rpctest::SendRequest>&, Answer*)> upload;
  std::function<absl::StatusOr<WatchStep<Answer>>(Call&, const std::string&)> look;

  explicit ShapesService(Runtime& runtime) : runtime_(runtime) {}

  grpc::ServerUnaryReactor* Read(grpc::CallbackServerContext* context,
                                 const rpctest::ReadRequest* request, Answer* answer) override {
    return HandleBody(context, request, answer);
  }
  grpc::ServerUnaryReactor* ReadAsService(grpc::CallbackServerContext* context,
                                          const rpctest::ReadAsServiceRequest* request,
                                          Answer* answer) override {
    return HandleBody(context, request, answer);
  }
  grpc::ServerUnaryReactor* ReadAsEither(grpc::CallbackServerContext* context,
                                         const rpctest::ReadAsEitherRequest* request,
                                         Answer* answer) override {
    return HandleBody(context, request, answer);
  }
  grpc::ServerUnaryReactor* WithoutPolicy(grpc::CallbackServerContext* context,
                                          const rpctest::WithoutPolicyRequest* request,
                                          Answer* answer) override {
    return HandleBody(context, request, answer);
  }
  grpc::ServerUnaryReactor* WithHalfAPolicy(grpc::CallbackServerContext* context,
                                            const rpctest::WithHalfAPolicyRequest* request,
                                            Answer* answer) override {
    return HandleBody(context, request, answer);
  }
  grpc::ServerUnaryReactor* Do(grpc::CallbackServerContext* context,
                               const rpctest::DoRequest* request, Answer* answer) override {
    return Handle(runtime_, context, request, answer, [=, this](Call& call) -> absl::Status {
      return Command(call, *request, answer,
                     [&](pg::Transaction& tx) { return command(tx, request->text(), answer); });
    });
  }
  grpc::ServerWriteReactor<Answer>* Fetch(grpc::CallbackServerContext* context,
                                          const rpctest::FetchRequest* request) override {
    return Download<rpctest::FetchRequest, Answer>(runtime_, context, request, download);
  }
  grpc::ServerReadReactor<rpctest::SendRequest>* Send(grpc::CallbackServerContext* context,
                                                      Answer* answer) override {
    return Upload<rpctest::SendRequest>(
        runtime_, context, [this, answer](Call& call, UploadReader<rpctest::SendRequest>& reader) {
          return upload(call, reader, answer);
        });
  }
  grpc::ServerWriteReactor<Answer>* Follow(grpc::CallbackServerContext* context,
                                           const rpctest::FollowRequest* request) override {
    const std::string name = request->name();
    return Watch<rpctest::FollowRequest, Answer>(
        runtime_, context, request, {.subject = name},
        [this, name](Call& call) { return look(call, name); });
  }

 private:
  template <typename Request>
  grpc::ServerUnaryReactor* HandleBody(grpc::CallbackServerContext* context, const Request* request,
                                       Answer* answer) {
    return Handle(runtime_, context, request, answer,
                  [this, answer](Call& call) { return body(call, answer); });
  }

  Runtime& runtime_;
};

class RpcTest : public ::testing::Test {
 protected:
  RpcTest()
      : server_({.service = "event_registry",
                 .schema = "registry",
                 .migrations = {},
                 .threads = 2,
                 .queue_length = 4,
                 .transfer_threads = 4}),
        service_(server_.runtime()) {
    server_.Serve(service_, rpctest::Shapes::service_full_name());
    stub_ = rpctest::Shapes::NewStub(server_.channel());
  }
  // A call that is still on its way must find the service, and what a derived test has.
  void TearDown() override { server_.Stop(); }

  using Headers = std::map<std::string, std::string>;
  Headers AsUser() const { return {{"authorization", server_.keys().UserToken("users/ann")}}; }
  Headers AsService() const { return {{"x-service-authorization", server_.keys().ServiceToken()}}; }
  static void Fill(grpc::ClientContext& context, const Headers& headers) {
    for (const auto& [name, value] : headers) context.AddMetadata(name, value);
  }

  template <typename Request>
  absl::Status Call(grpc::Status (rpctest::Shapes::Stub::*method)(grpc::ClientContext*,
                                                                  const Request&, Answer*),
                    const Headers& headers, const Request& request = {}, Answer* answer = nullptr) {
    grpc::ClientContext context;
    Fill(context, headers);
    Answer ignored;
    return FromGrpc((stub_.get()->*method)(&context, request, answer ? answer : &ignored));
  }
  absl::Status Read(const Headers& headers) { return Call(&rpctest::Shapes::Stub::Read, headers); }
  absl::Status Do(const std::string& request_id, const std::string& text, Answer* answer = nullptr,
                  Headers headers = {}) {
    rpctest::DoRequest request;
    request.set_request_id(request_id);
    request.set_text(text);
    return Call(&rpctest::Shapes::Stub::Do, headers.empty() ? AsUser() : headers, request, answer);
  }
  static std::string NewId() { return ids::IdSource::Real().NewId(); }

  testing::TestServer server_;
  ShapesService service_;
  std::unique_ptr<rpctest::Shapes::Stub> stub_;
};

// Admission.

TEST_F(RpcTest, RefusesAMethodWithoutPolicy) {
  bool ran = false;
  service_.body = [&ran](rpc::Call&, Answer*) {
    ran = true;
    return absl::OkStatus();
  };
  EXPECT_THAT(Call(&rpctest::Shapes::Stub::WithoutPolicy, AsUser()), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Call(&rpctest::Shapes::Stub::WithHalfAPolicy, AsUser()), HasReason("NOT_PERMITTED"));
  EXPECT_FALSE(ran);
}

TEST_F(RpcTest, RefusesACallWithoutToken) {
  EXPECT_THAT(Read({}), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(Do(NewId(), "a", nullptr, {{"x-other", "1"}}), HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(Read({{"authorization", server_.keys().ForgedToken("users/ann")}}),
              HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(Read({{"authorization", "Basic YTpi"}}), HasReason("UNAUTHENTICATED"));
}

TEST_F(RpcTest, TellsUsersFromServices) {
  using Stub = rpctest::Shapes::Stub;
  std::string seen;
  service_.body = [&seen](rpc::Call& call, Answer*) {
    seen = call.principal().user + "|" + call.principal().service + "|" + call.principal().name();
    return absl::OkStatus();
  };
  EXPECT_THAT(Call(&Stub::Read, AsService()), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Call(&Stub::ReadAsService, AsUser()), HasReason("NOT_PERMITTED"));
  EXPECT_EQ(seen, "");
  EXPECT_THAT(Call(&Stub::Read, AsUser()), IsOk());
  EXPECT_EQ(seen, "users/ann||users/ann");
  EXPECT_THAT(Call(&Stub::ReadAsService, AsService()), IsOk());
  EXPECT_EQ(seen, "|services/caller|services/caller");
  EXPECT_THAT(Call(&Stub::ReadAsEither, AsUser()), IsOk());
  EXPECT_THAT(Call(&Stub::ReadAsEither, AsService()), IsOk());
  Headers both = AsUser();
  both.merge(AsService());
  EXPECT_THAT(Call(&Stub::ReadAsEither, both), IsOk());
  EXPECT_EQ(seen, "users/ann|services/caller|users/ann");
  // A token in the other's header, and a bad one beside a good one.
  EXPECT_THAT(Call(&Stub::ReadAsEither, {{"x-service-authorization", AsUser()["authorization"]}}),
              HasReason("UNAUTHENTICATED"));
  EXPECT_THAT(
      Call(&Stub::ReadAsEither, {{"authorization", AsService()["x-service-authorization"]}}),
      HasReason("UNAUTHENTICATED"));
  Headers half = AsUser();
  half["x-service-authorization"] = "Bearer x.y.z";
  EXPECT_THAT(Call(&Stub::ReadAsEither, half), HasReason("UNAUTHENTICATED"));
}

TEST_F(RpcTest, BoundsTheDeadline) {
  absl::Time deadline;
  service_.body = [&deadline](rpc::Call& call, Answer*) {
    deadline = call.deadline();
    return absl::OkStatus();
  };
  ASSERT_THAT(Read(AsUser()), IsOk());  // the client set none
  EXPECT_LE(deadline, Now() + absl::Seconds(2));
  EXPECT_GT(deadline, Now() + absl::Seconds(1));
  grpc::ClientContext context;
  Fill(context, AsUser());
  context.set_deadline(absl::ToChronoTime(Now() + absl::Milliseconds(900)));
  Answer answer;
  ASSERT_TRUE(stub_->Read(&context, {}, &answer).ok());
  // Not the 2 s of the class. It travels as a duration and starts anew on the server's clock, so it
  // is not met to the millisecond.
  EXPECT_LE(deadline, Now() + absl::Seconds(1));
}

TEST_F(RpcTest, DeadlineReachesTheDatabase) {
  service_.body = [](rpc::Call& call, Answer*) {
    return call.db().RunText("SELECT pg_sleep(60)").status();
  };
  const absl::Time start = Now();
  EXPECT_THAT(Read(AsUser()), HasReason("DEADLINE_EXCEEDED"));
  EXPECT_LT(Now() - start, absl::Seconds(6));
}

TEST_F(RpcTest, NamesTheCall) {
  std::string seen;
  service_.body = [&seen](rpc::Call& call, Answer*) {
    seen = call.trace_id();
    return absl::OkStatus();
  };
  Headers headers = AsUser();
  headers["x-request-id"] = "from-the-caller";
  grpc::ClientContext context;
  Fill(context, headers);
  Answer answer;
  ASSERT_TRUE(stub_->Read(&context, {}, &answer).ok());
  EXPECT_EQ(seen, "from-the-caller");
  EXPECT_EQ(context.GetServerInitialMetadata().find("x-request-id")->second, "from-the-caller");
  headers["x-request-id"] = std::string(65, 'x');
  ASSERT_THAT(Read(headers), IsOk());
  EXPECT_TRUE(ids::IsUuid(seen));
}

TEST_F(RpcTest, StopsExceptions) {
  service_.body = [](rpc::Call&, Answer*) -> absl::Status { throw std::runtime_error("secret"); };
  const absl::Status failed = Read(AsUser());
  EXPECT_THAT(failed, HasReason("INTERNAL"));
  EXPECT_EQ(failed.ToString().find("secret"), std::string::npos);
  service_.body = [](rpc::Call&, Answer*) -> absl::Status { throw 42; };
  EXPECT_THAT(Read(AsUser()), HasReason("INTERNAL"));
  service_.command = [](pg::Transaction&, const std::string&,
                        Answer*) -> absl::StatusOr<std::string> { throw std::bad_alloc(); };
  for (int i = 0; i < 40; ++i) EXPECT_THAT(Do(NewId(), "a"), HasReason("INTERNAL"));
  EXPECT_EQ(server_.CountRows("idempotency"), 0);
  service_.body = [](rpc::Call&, Answer*) { return absl::OkStatus(); };
  EXPECT_THAT(Read(AsUser()), IsOk());
}

TEST_F(RpcTest, DetailsReachTheClient) {
  service_.body = [](rpc::Call&, Answer*) { return status::FieldInvalid("title", "too long"); };
  const absl::Status failed = Read(AsUser());
  EXPECT_EQ(failed.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status::MetadataOf(failed, "field"), "title");
  // The state of the database stays here.
  service_.body = [](rpc::Call& call, Answer*) {
    return call.db().RunText("SELECT nothing FROM nowhere").status();
  };
  EXPECT_EQ(Read(AsUser()).ToString().find("42P01"), std::string::npos);
}

TEST_F(RpcTest, ShedsWhatItCannotQueue) {
  absl::Notification release;
  std::atomic<int> running = 0;
  service_.body = [&](rpc::Call&, Answer*) {
    ++running;
    release.WaitForNotification();
    return absl::OkStatus();
  };
  constexpr int kCalls = 20;
  std::vector<absl::Status> results(kCalls);
  std::atomic<int> shed = 0;
  {
    std::vector<std::jthread> threads;
    for (absl::Status& result : results) {
      threads.emplace_back([&] {
        result = Read(AsUser());
        if (status::ReasonOf(result) == "OVERLOADED") ++shed;
      });
      // Both threads are busy before the queue fills.
      if (threads.size() == 2) {
        EXPECT_TRUE(Eventually([&] { return running == 2; }));
      }
    }
    // Two run, four wait, the others are refused at once.
    EXPECT_TRUE(Eventually([&] { return shed == kCalls - 6; }));
    EXPECT_EQ(running, 2);
    release.Notify();
  }
  int good = 0;
  for (const absl::Status& result : results) good += result.ok() ? 1 : 0;
  EXPECT_EQ(good, 6);
}

// Commands.

TEST_F(RpcTest, CommandNeedsARequestId) {
  EXPECT_THAT(Do("", "a"), HasReason("FIELD_INVALID"));
  EXPECT_THAT(Do("not-a-uuid", "a"), HasReason("FIELD_INVALID"));
  EXPECT_EQ(server_.CountRows("idempotency"), 0);
}

TEST_F(RpcTest, RepeatedCommandGetsItsFirstAnswer) {
  int runs = 0;
  service_.command = [&runs](pg::Transaction&, const std::string&, Answer* answer) {
    answer->set_text(fmt::format("run {}", ++runs));
    return std::string("events/x");
  };
  const std::string id = NewId();
  Answer first;
  Answer second;
  ASSERT_THAT(Do(id, "a", &first), IsOk());
  ASSERT_THAT(Do(id, "a", &second), IsOk());
  EXPECT_EQ(first.text(), "run 1");
  EXPECT_EQ(second.text(), "run 1");
  EXPECT_EQ(server_.CountRows("audit"), 1);
  EXPECT_THAT(Do(id, "b"), HasReason("REQUEST_ID_REUSED"));
  Answer other;
  ASSERT_THAT(Do(id, "a", &other, AsService()), IsOk());  // another principal's id
  EXPECT_EQ(other.text(), "run 2");
}

TEST_F(RpcTest, RefusedCommandLeavesNothing) {
  service_.command = [](pg::Transaction& tx, const std::string&,
                        Answer*) -> absl::StatusOr<std::string> {
    feed::Append(tx, NewId(), "users/ann", {.subject = "events/x", .type = "t"});
    return status::NotFound("events/x");
  };
  EXPECT_THAT(Do(NewId(), "a"), HasReason("NOT_FOUND"));
  for (const char* table : {"idempotency", "audit", "change"}) {
    EXPECT_EQ(server_.CountRows(table), 0) << table;
  }
}

// Downloads.

TEST_F(RpcTest, Downloads) {
  service_.download = [](rpc::Call&, DownloadWriter<Answer>& writer) -> absl::Status {
    Answer answer;
    for (int i = 0; i < 500; ++i) {
      answer.set_text(std::to_string(i));
      RETURN_IF_ERROR(writer.Write(answer));
    }
    return absl::OkStatus();
  };
  grpc::ClientContext context;
  Fill(context, AsUser());
  const auto reader = stub_->Fetch(&context, {});
  Answer answer;
  int count = 0;
  while (reader->Read(&answer)) EXPECT_EQ(answer.text(), std::to_string(count++));
  EXPECT_EQ(count, 500);
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(RpcTest, DownloadThatIsRefusedOrFails) {
  {
    grpc::ClientContext context;
    EXPECT_THAT(FromGrpc(stub_->Fetch(&context, {})->Finish()), HasReason("UNAUTHENTICATED"));
  }
  service_.download = [](rpc::Call&, DownloadWriter<Answer>& writer) -> absl::Status {
    RETURN_IF_ERROR(writer.Write(Answer()));
    return status::NotFound("reports/x");
  };
  grpc::ClientContext context;
  Fill(context, AsUser());
  const auto reader = stub_->Fetch(&context, {});
  Answer answer;
  EXPECT_TRUE(reader->Read(&answer));
  EXPECT_FALSE(reader->Read(&answer));
  EXPECT_THAT(FromGrpc(reader->Finish()), HasReason("NOT_FOUND"));
}

absl::Status WriteForEver(rpc::Call&, DownloadWriter<Answer>& writer) {
  Answer answer;
  answer.set_text(std::string(64 << 10, 'x'));
  while (true) RETURN_IF_ERROR(writer.Write(answer));
}

TEST_F(RpcTest, DownloadCancelledInTheMiddle) {
  std::atomic<int> ended = 0;
  service_.download = [&ended](rpc::Call& call, DownloadWriter<Answer>& writer) {
    const absl::Status status = WriteForEver(call, writer);
    EXPECT_THAT(status, HasReason("CANCELLED"));
    ++ended;
    return status;
  };
  for (int round = 1; round <= 20; ++round) {
    grpc::ClientContext context;
    Fill(context, AsUser());
    const auto reader = stub_->Fetch(&context, {});
    Answer answer;
    for (int i = 0; i < round; ++i) EXPECT_TRUE(reader->Read(&answer));
    context.TryCancel();
    reader->Finish();
    EXPECT_TRUE(Eventually([&] { return ended == round; })) << round;
  }
}

TEST_F(RpcTest, DownloadWhoseReaderStopsReading) {
  absl::Notification ended;
  service_.download = [&ended](rpc::Call& call, DownloadWriter<Answer>& writer) {
    const absl::Status status = WriteForEver(call, writer);
    EXPECT_THAT(status, HasReason("CANCELLED"));
    ended.Notify();
    return status;
  };
  grpc::ClientContext context;
  Fill(context, AsUser());
  const auto reader = stub_->Fetch(&context, {});
  EXPECT_TRUE(ended.WaitForNotificationWithTimeout(kLimit));
  Answer answer;
  while (reader->Read(&answer)) {
  }
  EXPECT_FALSE(reader->Finish().ok());
}

// Uploads.

TEST_F(RpcTest, Uploads) {
  service_.upload = [](rpc::Call&, UploadReader<rpctest::SendRequest>& reader,
                       Answer* answer) -> absl::Status {
    rpctest::SendRequest request;
    while (true) {
      ASSIGN_OR_RETURN(const bool more, reader.Next(&request));
      if (!more) return absl::OkStatus();
      answer->set_text(answer->text() + request.text());
    }
  };
  grpc::ClientContext context;
  Fill(context, AsUser());
  Answer answer;
  const auto writer = stub_->Send(&context, &answer);
  rpctest::SendRequest request;
  for (const char* text : {"a", "b", "c"}) {
    request.set_text(text);
    EXPECT_TRUE(writer->Write(request));
  }
  EXPECT_TRUE(writer->WritesDone());
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_EQ(answer.text(), "abc");
}

// A stream that is cut must never look complete.
TEST_F(RpcTest, UploadThatIsCutIsNeverComplete) {
  std::atomic<int> ended = 0;
  std::atomic<int> complete = 0;
  std::atomic<int> read = 0;
  service_.upload = [&](rpc::Call&, UploadReader<rpctest::SendRequest>& reader,
                        Answer*) -> absl::Status {
    rpctest::SendRequest request;
    while (true) {
      const absl::StatusOr<bool> more = reader.Next(&request);
      if (more.ok() && *more) {
        ++read;
        continue;
      }
      if (more.ok()) ++complete;
      ++ended;
      return more.status();
    }
  };
  for (int round = 1; round <= 300; ++round) {
    grpc::ClientContext context;
    Fill(context, AsUser());
    Answer answer;
    const auto writer = stub_->Send(&context, &answer);
    rpctest::SendRequest request;
    request.set_text("x");
    for (int i = 0; i <= round % 3; ++i) EXPECT_TRUE(writer->Write(request));
    const int wanted = 1 + round % 3;
    EXPECT_TRUE(Eventually([&] { return read == wanted; }));
    read = 0;
    context.TryCancel();
    writer->Finish();
    EXPECT_TRUE(Eventually([&] { return ended == round; }));
  }
  EXPECT_EQ(complete, 0);
}

// Reads to the end; a first message "hold" waits for `go_on` before.
// gRPC reports such bytes as it reports the end of a stream.
TEST_F(RpcTest, UploadWithBytesThatAreNoMessageIsNeverComplete) {
  absl::Status ended;
  service_.upload = [&](rpc::Call&, UploadReader<rpctest::SendRequest>& reader,
                        Answer*) -> absl::Status {
    rpctest::SendRequest request;
    while (true) {
      const absl::StatusOr<bool> more = reader.Next(&request);
      ended = more.status();
      if (!more.ok() || !*more) return ended;
    }
  };
  // Not the beginning of a field; text that is not UTF-8; a message, and a field that breaks off.
  for (const std::string bytes : {"\xFF", "\x0A\x01\xFF", "\x0A\x01x\x0A"}) {
    grpc::GenericStub stub(server_.channel());
    grpc::CompletionQueue queue;
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      CHECK(queue.Next(&tag, &ok));
      return ok;
    };
    grpc::ClientContext context;
    Fill(context, AsUser());
    const auto call = stub.PrepareCall(&context, "/edcert.rpctest.Shapes/Send", &queue);
    call->StartCall(nullptr);
    ASSERT_TRUE(wait());
    const grpc::Slice slice(bytes);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    ASSERT_TRUE(wait());
    call->WritesDone(nullptr);
    wait();
    grpc::Status status;
    call->Finish(&status, nullptr);
    ASSERT_TRUE(wait());
    EXPECT_THAT(ended, HasReason("FIELD_INVALID"));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
}

class UploadTest : public RpcTest {
 protected:
  UploadTest() {
    service_.upload = [this](rpc::Call&, UploadReader<rpctest::SendRequest>& reader,
                             Answer*) -> absl::Status {
      rpctest::SendRequest request;
      while (true) {
        ASSIGN_OR_RETURN(const bool more, reader.Next(&request));
        if (!more) return absl::OkStatus();
        if (request.text() == "hold") {
          ++holding_;
          go_on_.WaitForNotification();
        }
      }
    };
  }

  absl::Status Send(const std::string& user, const std::string& text) {
    grpc::ClientContext context;
    server_.CallAs(context, user);
    Answer answer;
    const auto writer = stub_->Send(&context, &answer);
    rpctest::SendRequest request;
    request.set_text(text);
    writer->Write(request);
    writer->WritesDone();
    return FromGrpc(writer->Finish());
  }

  std::atomic<int> holding_ = 0;
  absl::Notification go_on_;
};

TEST_F(UploadTest, WhoSaysNothingIsSentAwaySoon) {
  grpc::ClientContext context;
  server_.CallAs(context, "users/ann");
  Answer answer;
  const absl::Time began = Now();
  const auto writer = stub_->Send(&context, &answer);
  EXPECT_THAT(FromGrpc(writer->Finish()), HasReason("DEADLINE_EXCEEDED"));
  EXPECT_GE(Now() - began, absl::Seconds(1));
  EXPECT_LT(Now() - began, absl::Seconds(8));
}

// With four threads, two for one caller.
TEST_F(UploadTest, OneCallerHasAShareOfTheThreads) {
  std::vector<absl::Status> held(2);
  {
    std::vector<std::jthread> threads;
    for (absl::Status& status : held) {
      threads.emplace_back([&] { status = Send("users/ann", "hold"); });
    }
    EXPECT_TRUE(Eventually([this] { return holding_ == 2; }));
    EXPECT_THAT(Send("users/ann", "a"), HasReason("OVERLOADED"));
    EXPECT_THAT(Send("users/bob", "a"), IsOk());
    go_on_.Notify();
  }
  for (const absl::Status& status : held) EXPECT_THAT(status, IsOk());
  EXPECT_TRUE(Eventually([this] { return Send("users/ann", "a").ok(); }));
}

TEST(UploadDeadlineTest, EndsAStreamThatNeverEnds) {
  testing::FakeClock clock(Now());
  testing::TestServer server(
      {.service = "event_registry", .schema = "registry", .migrations = {}, .clock = clock});
  ShapesService service(server.runtime());
  std::atomic<int> read = 0;
  service.upload = [&](rpc::Call&, UploadReader<rpctest::SendRequest>& reader,
                       Answer*) -> absl::Status {
    rpctest::SendRequest request;
    while (true) {
      ASSIGN_OR_RETURN(const bool more, reader.Next(&request));
      if (!more) return absl::OkStatus();
      ++read;
    }
  };
  server.Serve(service, rpctest::Shapes::service_full_name());
  const auto stub = rpctest::Shapes::NewStub(server.channel());
  grpc::ClientContext context;
  context.AddMetadata("authorization", server.keys().UserToken("users/ann"));
  Answer answer;
  const auto writer = stub->Send(&context, &answer);
  rpctest::SendRequest request;
  EXPECT_TRUE(writer->Write(request));
  EXPECT_TRUE(Eventually([&read] { return read == 1; }));
  clock.Set(Now() + absl::Minutes(11));
  // Always something new, but no end.
  while (writer->Write(request)) {
  }
  EXPECT_THAT(FromGrpc(writer->Finish()), HasReason("DEADLINE_EXCEEDED"));
  server.Stop();
}

// Watches.

class Follower final : public grpc::ClientReadReactor<Answer> {
 public:
  Follower(rpctest::Shapes::Stub& stub, const std::string& name, const std::string& token) {
    request_.set_name(name);
    context_.AddMetadata("authorization", token);
    stub.async()->Follow(&context_, &request_, this);
    StartRead(&answer_);
    StartCall();
  }
  ~Follower() override {
    context_.TryCancel();
    done_.WaitForNotification();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      const absl::MutexLock lock(&mutex_);
      texts_.push_back(answer_.text());
    }
    StartRead(&answer_);
  }
  void OnDone(const grpc::Status& status) override {
    status_ = status;
    done_.Notify();
  }
  std::vector<std::string> texts() {
    const absl::MutexLock lock(&mutex_);
    return texts_;
  }
  void Cancel() { context_.TryCancel(); }
  absl::Status Wait() {
    done_.WaitForNotification();
    return FromGrpc(status_);
  }

 private:
  grpc::ClientContext context_;
  rpctest::FollowRequest request_;
  Answer answer_;
  absl::Mutex mutex_;
  std::vector<std::string> texts_ ABSL_GUARDED_BY(mutex_);
  grpc::Status status_;
  absl::Notification done_;
};

class WatchTest : public RpcTest {
 protected:
  WatchTest() {
    service_.look = [this](rpc::Call&, const std::string&) -> absl::StatusOr<WatchStep<Answer>> {
      ++looks_;
      WatchStep<Answer> step;
      step.messages.emplace_back().set_text(fmt::format("state {}", state_.load()));
      step.done = state_ == 9;
      return step;
    };
  }
  // A command that changes the subject.
  void Change(const std::string& subject, int state) {
    service_.command = [=, this](pg::Transaction& tx, const std::string&, Answer*) {
      feed::Append(tx, NewId(), "users/ann", {.subject = subject, .type = "t"});
      state_ = state;
      return subject;
    };
    ASSERT_THAT(Do(NewId(), "a"), IsOk());
  }
  std::unique_ptr<Follower> Follow(const std::string& name) {
    return std::make_unique<Follower>(*stub_, name, AsUser()["authorization"]);
  }

  std::atomic<int> state_ = 1;
  std::atomic<int> looks_ = 0;
};

TEST_F(WatchTest, SendsEachNewStateOnceAndEnds) {
  const auto follower = Follow("events/a");
  EXPECT_TRUE(Eventually([&] { return follower->texts().size() == 1; }));
  // A change of the subject that leaves the state as it is sends nothing.
  const int looks = looks_;
  Change("events/a", 1);
  EXPECT_TRUE(Eventually([&] { return looks_ > looks; }));
  Change("events/a", 2);
  EXPECT_TRUE(Eventually([&] { return follower->texts().size() == 2; }));
  Change("events/a", 9);
  EXPECT_THAT(follower->Wait(), IsOk());
  EXPECT_THAT(follower->texts(), ElementsAre("state 1", "state 2", "state 9"));
}

TEST_F(WatchTest, EndsWithTheErrorOfALook) {
  service_.look = [](rpc::Call&, const std::string&) -> absl::StatusOr<WatchStep<Answer>> {
    return status::NotFound("events/a");
  };
  EXPECT_THAT(Follow("events/a")->Wait(), HasReason("NOT_FOUND"));
  Follower stranger(*stub_, "events/a", server_.keys().ForgedToken("users/ann"));
  EXPECT_THAT(stranger.Wait(), HasReason("UNAUTHENTICATED"));
}

int CountThreads() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("Threads:")) return std::stoi(line.substr(8));
  }
  return -1;
}

TEST_F(WatchTest, ManyWatchersCostNoThreads) {
  constexpr int kWatchers = 300;
  const auto first = Follow("events/a");
  EXPECT_TRUE(Eventually([&] { return first->texts().size() == 1; }));
  const int before = CountThreads();
  std::vector<std::unique_ptr<Follower>> followers;
  for (int i = 0; i < kWatchers; ++i) followers.push_back(Follow("events/a"));
  const auto all_have = [&](std::size_t n) {
    return [&followers, n] {
      return std::all_of(followers.begin(), followers.end(),
                         [n](const auto& follower) { return follower->texts().size() == n; });
    };
  };
  EXPECT_TRUE(Eventually(all_have(1)));
  EXPECT_LT(CountThreads() - before, 60);  // gRPC's own pollers
  Change("events/a", 2);
  EXPECT_TRUE(Eventually(all_have(2)));
  for (const auto& follower : followers) {
    EXPECT_THAT(follower->texts(), ElementsAre("state 1", "state 2"));
  }
}

// The call's context is gone once the stream has ended; a look that still runs must not use it.
TEST_F(WatchTest, CancelledWhileALookRuns) {
  for (int round = 0; round < 20; ++round) {
    absl::Notification looking;
    absl::Notification go_on;
    std::atomic<bool> ended = false;
    service_.look = [&](rpc::Call& call, const std::string&) -> absl::StatusOr<WatchStep<Answer>> {
      if (looking.HasBeenNotified()) return WatchStep<Answer>();
      looking.Notify();
      go_on.WaitForNotification();
      // Reads the call's context.
      EXPECT_TRUE(Eventually([&call] { return call.IsCancelled(); }));
      ended = true;
      return WatchStep<Answer>();
    };
    const auto follower = Follow("events/a");
    looking.WaitForNotification();
    follower->Cancel();
    EXPECT_THAT(follower->Wait(), HasReason("CANCELLED"));
    go_on.Notify();
    EXPECT_TRUE(Eventually([&ended] { return ended.load(); }));
  }
}

TEST_F(WatchTest, WatchersThatComeAndGoDuringChanges) {
  std::jthread changer([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) server_.runtime().hub().NotifyAll();
  });
  for (int round = 0; round < 200; ++round) {
    const auto follower = Follow("events/a");
    EXPECT_TRUE(round % 3 != 0 || Eventually([&] { return !follower->texts().empty(); }));
    state_ = round % 8;
  }
}

}  // namespace
}  // namespace edcert::rpc
