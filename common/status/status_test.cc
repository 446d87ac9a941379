#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

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
      "there, then run `tools/dev golden`.\n\n"
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

// The statements of the tree that make an error, by the reason's name in the enum.
std::multimap<std::string, std::string> MadeErrors() {
  std::multimap<std::string, std::string> made;
  for (const char* folder : {"common", "services"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      const std::string path = entry.path().string();
      if (!path.ends_with(".cc") || path.ends_with("test.cc") || path == "common/status/error.cc") {
        continue;
      }
      std::ifstream file(path);
      const std::string text((std::istreambuf_iterator<char>(file)),
                             std::istreambuf_iterator<char>());
      constexpr std::string_view kStart = "Reason::k";
      for (std::size_t at = text.find(kStart); at != std::string::npos;
           at = text.find(kStart, at + 1)) {
        const std::size_t begin = at + kStart.size() - 1;
        std::size_t end = begin;
        while (std::isalnum(static_cast<unsigned char>(text[end])) != 0) ++end;
        made.emplace(text.substr(begin, end - begin), text.substr(end, text.find(';', end) - end));
      }
    }
  }
  return made;
}

// WINDOW_CLOSED -> kWindowClosed
std::string EnumName(std::string_view reason) {
  std::string name = "k";
  bool upper = true;
  for (const char c : reason) {
    if (c != '_') name += upper ? c : static_cast<char>(std::tolower(c));
    upper = c == '_';
  }
  return name;
}

// The words in backticks.
std::vector<std::string> KeysIn(std::string_view advice) {
  std::vector<std::string> keys;
  for (std::size_t at = advice.find('`'); at != std::string_view::npos;) {
    const std::size_t end = advice.find('`', at + 1);
    keys.emplace_back(advice.substr(at + 1, end - at - 1));
    at = advice.find('`', end + 1);
  }
  return keys;
}

TEST(ReasonsTest, AreMadeWithTheMetadataThatTheAdviceNames) {
  const auto made = MadeErrors();
  for (const ReasonInfo& info : AllReasons()) {
    const auto [begin, end] = made.equal_range(EnumName(info.name));
    EXPECT_NE(begin, end) << info.name << " is made nowhere";
    for (auto it = begin; it != end; ++it) {
      for (const std::string& key : KeysIn(info.advice)) {
        EXPECT_NE(it->second.find(fmt::format("{{\"{}\",", key)), std::string::npos)
            << info.name << " without " << key << ":" << it->second;
      }
    }
  }
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

TEST(ErrorsTest, WindowsNameTheirResourceAndInstant) {
  const absl::Time time = absl::FromUnixSeconds(1'700'000'000);
  const absl::Status early = WindowNotOpen("events/x", time);
  EXPECT_EQ(ReasonOf(early), "WINDOW_NOT_OPEN");
  EXPECT_EQ(MetadataOf(early, "opens_at"), "2023-11-14T22:13:20+00:00");
  const absl::Status late = WindowClosed("certifications/x", time);
  EXPECT_EQ(ReasonOf(late), "WINDOW_CLOSED");
  EXPECT_EQ(MetadataOf(late, "closed_at"), "2023-11-14T22:13:20+00:00");
  EXPECT_EQ(MetadataOf(WindowClosed("events/x"), "closed_at"), "");
  for (const absl::Status& error : {early, late}) {
    const auto failure = GetDetail<google::rpc::PreconditionFailure>(error);
    ASSERT_TRUE(failure.has_value());
    EXPECT_EQ(failure->violations(0).subject(), MetadataOf(error, "resource"));
  }
}

}  // namespace
}  // namespace edcert::status
