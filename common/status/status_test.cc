#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "common/status/details.h"
#include "common/status/error.h"
#include "common/status/errors.h"

namespace edcert::status {
namespace {

constexpr char kGolden[] = "docs/errors.md";

std::string_view CodeName(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kCancelled:
      return "CANCELLED";
    case absl::StatusCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case absl::StatusCode::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case absl::StatusCode::kNotFound:
      return "NOT_FOUND";
    case absl::StatusCode::kAlreadyExists:
      return "ALREADY_EXISTS";
    case absl::StatusCode::kPermissionDenied:
      return "PERMISSION_DENIED";
    case absl::StatusCode::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case absl::StatusCode::kFailedPrecondition:
      return "FAILED_PRECONDITION";
    case absl::StatusCode::kAborted:
      return "ABORTED";
    case absl::StatusCode::kInternal:
      return "INTERNAL";
    case absl::StatusCode::kUnavailable:
      return "UNAVAILABLE";
    case absl::StatusCode::kUnauthenticated:
      return "UNAUTHENTICATED";
    default:
      return "";  // no error of ours
  }
}

std::string Markdown() {
  std::string text =
      "# Errors\n\n"
      "Every error of edcert carries a `google.rpc.ErrorInfo` with domain `edcert` and one of "
      "these\n"
      "reasons. A client branches on the reason, never on the message; each reason comes with one\n"
      "gRPC code. This page is printed from the table in `common/status/error.cc`; after a change\n"
      "there, run the test `status_test` with `UPDATE_GOLDENS=1`.\n\n"
      "| Reason | gRPC code | What it means | What to do |\n"
      "| --- | --- | --- | --- |\n";
  for (const ReasonInfo& info : AllReasons()) {
    text += fmt::format("| `{}` | `{}` | {} | {} |\n", info.name, CodeName(info.code), info.meaning,
                        info.advice);
  }
  return text;
}

TEST(ReasonsTest, AreUniqueAndComplete) {
  std::set<std::string_view> names;
  for (const ReasonInfo& info : AllReasons()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_EQ(info.name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), std::string_view::npos)
        << info.name;
    EXPECT_NE(CodeName(info.code), "") << info.name;
    EXPECT_TRUE(info.meaning.ends_with('.')) << info.name;
    EXPECT_TRUE(info.advice.ends_with('.')) << info.name;
    EXPECT_EQ(&InfoOf(info.reason), &info);
  }
}

TEST(ReasonsTest, AreDocumented) {
  if (std::getenv("UPDATE_GOLDENS") != nullptr) std::ofstream(kGolden) << Markdown();
  std::ifstream file(kGolden);
  const std::string golden((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
  EXPECT_EQ(golden, Markdown()) << "refresh it with UPDATE_GOLDENS=1";
}

TEST(MakeErrorTest, CarriesReasonAndMetadata) {
  for (const ReasonInfo& info : AllReasons()) {
    const absl::Status error =
        MakeError(info.reason, "words", {{"resource", "events/x"}, {"empty", ""}});
    EXPECT_EQ(error.code(), info.code);
    EXPECT_EQ(error.message(), "words");
    EXPECT_EQ(ReasonOf(error), info.name);
    EXPECT_EQ(MetadataOf(error, "resource"), "events/x");
    EXPECT_EQ(MetadataOf(error, "absent"), "");
    const auto detail = GetDetail<google::rpc::ErrorInfo>(error);
    ASSERT_TRUE(detail.has_value());
    EXPECT_EQ(detail->domain(), "edcert");
    const auto failure = GetDetail<google::rpc::PreconditionFailure>(error);
    ASSERT_EQ(failure.has_value(), info.code == absl::StatusCode::kFailedPrecondition);
    if (failure.has_value()) {
      EXPECT_EQ(failure->violations(0).type(), info.name);
      EXPECT_EQ(failure->violations(0).subject(), "events/x");
    }
  }
}

TEST(ErrorsTest, OfOthersHaveNoReason) {
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
  EXPECT_EQ(ReasonOf(absl::InternalError("x")), "");
  EXPECT_EQ(MetadataOf(absl::InternalError("x"), "a"), "");
}

TEST(ErrorsTest, CarryTheDetailsThatFit) {
  const absl::Status fields = FieldsInvalid({{"title", "too long"}, {"level", "required"}});
  const auto bad = GetDetail<google::rpc::BadRequest>(fields);
  ASSERT_TRUE(bad.has_value());
  ASSERT_EQ(bad->field_violations_size(), 2);
  EXPECT_EQ(bad->field_violations(1).field(), "level");
  EXPECT_EQ(MetadataOf(fields, "field"), "title");

  const auto retry =
      GetDetail<google::rpc::RetryInfo>(QuotaExceeded("x", absl::Milliseconds(1500)));
  ASSERT_TRUE(retry.has_value());
  EXPECT_EQ(retry->retry_delay().seconds(), 1);
  EXPECT_EQ(retry->retry_delay().nanos(), 500'000'000);
  EXPECT_TRUE(GetDetail<google::rpc::RetryInfo>(Overloaded("x")).has_value());

  const auto resource = GetDetail<google::rpc::ResourceInfo>(NotFound("events/x"));
  ASSERT_TRUE(resource.has_value());
  EXPECT_EQ(resource->resource_type(), "events");
  EXPECT_EQ(resource->resource_name(), "events/x");

  EXPECT_TRUE(GetDetail<google::rpc::BadRequest>(ReasonRequired()).has_value());
  const absl::Status transition =
      TransitionNotAllowed("certifications/x", "DRAFT", "approve", "a,b");
  EXPECT_EQ(MetadataOf(transition, "from"), "DRAFT");
  EXPECT_EQ(MetadataOf(transition, "allowed"), "a,b");
}

}  // namespace
}  // namespace edcert::status
