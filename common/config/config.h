// Loads a service's typed configuration.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/config/server.pb.h"
#include "google/protobuf/message.h"

namespace edcert::config {

// Reads a text-format message. An unknown field, a wrong type or a file that cannot be read is
// FIELD_INVALID with the place in the file.
absl::Status Load(const std::string& path, google::protobuf::Message& config);

// FIELD_INVALID, naming the field, unless `server` has what every server needs and an address of
// each of the services `peers`, and its files can be read.
absl::Status Check(const Server& server, std::span<const std::string> peers);

// The time zone of the state; FIELD_INVALID when this machine does not know it.
absl::StatusOr<absl::TimeZone> ZoneOf(const Server& server);

// The content of a file that holds a secret or key, without trailing newlines.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace edcert::config
