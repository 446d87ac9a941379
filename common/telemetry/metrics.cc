#include "common/telemetry/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <exception>

#include "common/status/errors.h"

namespace edcert::telemetry {
namespace {

std::shared_ptr<prometheus::Registry> Registry() {
  static const auto registry = std::make_shared<prometheus::Registry>();
  return registry;
}

class PrometheusExposer final : public Exposer {
 public:
  explicit PrometheusExposer(const std::string& address) : exposer_(address, 1) {
    exposer_.RegisterCollectable(Registry());
  }

 private:
  prometheus::Exposer exposer_;
};

}  // namespace

void Count(const std::string& name, const Labels& labels, double by) {
  prometheus::BuildCounter().Name(name).Register(*Registry()).Add(labels).Increment(by);
}

void Observe(const std::string& name, const Labels& labels, absl::Duration duration) {
  static const prometheus::Histogram::BucketBoundaries kBuckets = {
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60};
  prometheus::BuildHistogram()
      .Name(name)
      .Register(*Registry())
      .Add(labels, kBuckets)
      .Observe(absl::ToDoubleSeconds(duration));
}

void Set(const std::string& name, const Labels& labels, double value) {
  prometheus::BuildGauge().Name(name).Register(*Registry()).Add(labels).Set(value);
}

absl::StatusOr<std::unique_ptr<Exposer>> Exposer::Start(const std::string& address) {
  try {
    return std::make_unique<PrometheusExposer>(address);
  } catch (const std::exception& error) {
    return status::Internal(std::string("metrics port ") + address + ": " + error.what());
  }
}

}  // namespace edcert::telemetry
