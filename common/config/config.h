// Loads a service's typed configuration.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace edcert::config {

// Reads a text-format message. An unknown field, a wrong type or a file that cannot be read is
// FIELD_INVALID with the place in the file.
absl::Status Load(const std::string& path, google::protobuf::Message& config);

// The content of a file that holds a secret or key, without trailing newlines.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace edcert::config
