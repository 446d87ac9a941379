#include "common/rpc/status.h"

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "common/status/errors.h"
#include "google/rpc/status.pb.h"

namespace edcert::rpc {
namespace {

constexpr char kDetailPrefix[] = "type.googleapis.com/google.rpc.";

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status wire;
  wire.set_code(static_cast<int>(status.code()));
  wire.set_message(std::string(status.message()));
  status.ForEachPayload([&wire](absl::string_view url, const absl::Cord& payload) {
    if (!absl::StartsWith(url, kDetailPrefix)) return;
    auto* detail = wire.add_details();
    detail->set_type_url(std::string(url));
    detail->set_value(std::string(payload));
  });
  return {static_cast<grpc::StatusCode>(status.code()), wire.message(), wire.SerializeAsString()};
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status wire;
  if (status.error_details().empty() || !wire.ParseFromString(status.error_details())) {
    // From the library or the line, not from a handler of ours.
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      return status::DeadlineExceeded();
    }
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
      return status::Unavailable("another service");
    }
    if (status.error_code() == grpc::StatusCode::CANCELLED) return status::Cancelled();
    return status::Internal("answer of another service: " + status.error_message());
  }
  absl::Status out(static_cast<absl::StatusCode>(status.error_code()), wire.message());
  for (const auto& detail : wire.details()) {
    out.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return out;
}

}  // namespace edcert::rpc
