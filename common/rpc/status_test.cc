#include "common/rpc/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/status/details.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/testing/matchers.h"
#include "google/rpc/status.pb.h"

namespace edcert::rpc {
namespace {

using testing::HasReason;
using testing::IsOk;

TEST(StatusTest, EveryReasonSurvivesTheWire) {
  for (const status::ReasonInfo& info : status::AllReasons()) {
    const absl::Status sent = status::MakeError(info.reason, "words", {{"resource", "events/x"}});
    const grpc::Status wire = ToGrpc(sent);
    EXPECT_EQ(static_cast<int>(wire.error_code()), static_cast<int>(info.code));
    EXPECT_EQ(wire.error_message(), "words");
    EXPECT_EQ(FromGrpc(wire), sent) << info.name;
  }
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_THAT(FromGrpc(grpc::Status::OK), IsOk());
}

TEST(StatusTest, OnlyDetailsOfTheCatalogueLeave) {
  absl::Status sent = status::NotFound("events/x");
  sent.SetPayload("edcert.internal/sqlstate", absl::Cord("42P01"));
  google::rpc::Status wire;
  ASSERT_TRUE(wire.ParseFromString(ToGrpc(sent).error_details()));
  EXPECT_EQ(wire.details_size(), 2);
  EXPECT_EQ(wire.SerializeAsString().find("42P01"), std::string::npos);
}

TEST(StatusTest, ErrorsOfTheLibraryBecomeOurs) {
  const auto from = [](grpc::StatusCode code) { return FromGrpc({code, "words"}); };
  EXPECT_THAT(from(grpc::StatusCode::UNAVAILABLE), HasReason("UNAVAILABLE"));
  EXPECT_THAT(from(grpc::StatusCode::DEADLINE_EXCEEDED), HasReason("DEADLINE_EXCEEDED"));
  EXPECT_THAT(from(grpc::StatusCode::CANCELLED), HasReason("CANCELLED"));
  EXPECT_THAT(from(grpc::StatusCode::UNIMPLEMENTED), HasReason("INTERNAL"));
  EXPECT_THAT(FromGrpc({grpc::StatusCode::INTERNAL, "words", "no message"}), HasReason("INTERNAL"));
}

}  // namespace
}  // namespace edcert::rpc
