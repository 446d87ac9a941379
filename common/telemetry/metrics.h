// Metrics in Prometheus' text form, served with a liveness page by an HTTP port of their own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace edcert::telemetry {

using Labels = std::map<std::string, std::string>;

// Adds to a counter. The name is `edcert_<what>_total`; label values come from closed sets.
void Count(const std::string& name, const Labels& labels, double by = 1);
// Puts a duration into a histogram of seconds, `edcert_<what>_seconds`.
void Observe(const std::string& name, const Labels& labels, absl::Duration duration);
// Sets a gauge.
void Set(const std::string& name, const Labels& labels, double value);

// Serves GET /metrics while it lives.
class Exposer {
 public:
  // `address` is host:port. A port that is taken is an error.
  static absl::StatusOr<std::unique_ptr<Exposer>> Start(const std::string& address);
  virtual ~Exposer() = default;
};

}  // namespace edcert::telemetry
