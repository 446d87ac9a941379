// edcert-transitions: keeps a number of state transitions in flight over gRPC, and counts.
//
// Each of the certifications is asked for recertification and the request is withdrawn,
// alternately, with the etag of the answer before: every call changes state. Prints one JSON
// object.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/ids/ids.h"
#include "edcert/workflow/v1/workflow.grpc.pb.h"

namespace {

namespace v1 = edcert::workflow::v1;

struct Options {
  std::string address;
  std::string token;
  std::string certifications;  // file with one name a line
  int in_flight = 64;
  double seconds = 10;
};

// What all slots share.
struct Shared {
  Options options;
  std::unique_ptr<v1::Workflow::Stub> stub;
  absl::Time end;
  std::atomic<int64_t> done = 0;
  std::atomic<int64_t> failed = 0;
  absl::Mutex mutex;
  int running = 0;
  std::string first_error;
  std::vector<double> millis;
};

// One certification, one call in flight.
class Slot {
 public:
  Slot(Shared& shared, std::string certification)
      : shared_(shared), certification_(std::move(certification)) {}

  // Reads the certification's etag, before the clock starts.
  grpc::Status Load() {
    v1::GetCertificationRequest request;
    request.set_name(certification_);
    grpc::ClientContext context;
    Prepare(context);
    return shared_.stub->GetCertification(&context, request, &answer_);
  }

  // Starts the next call, until the time is over.
  void Next() {
    const absl::Time now = edcert::clock::Clock::Real().Now();
    if (now >= shared_.end) return Stop(grpc::Status::OK);
    started_ = now;
    context_ = std::make_unique<grpc::ClientContext>();
    Prepare(*context_);
    const auto done = [this](const grpc::Status& status) { Done(status); };
    if (answer_.status() == v1::Certification::RECERT_REQUESTED) {
      withdraw_.set_request_id(edcert::ids::IdSource::Real().NewId());
      withdraw_.set_certification(certification_);
      withdraw_.set_etag(answer_.etag());
      shared_.stub->async()->WithdrawRecertificationRequest(context_.get(), &withdraw_, &answer_,
                                                            done);
    } else {
      request_.set_request_id(edcert::ids::IdSource::Real().NewId());
      request_.set_certification(certification_);
      request_.set_etag(answer_.etag());
      request_.set_reason("benchmark");
      shared_.stub->async()->RequestRecertification(context_.get(), &request_, &answer_, done);
    }
  }

 private:
  void Prepare(grpc::ClientContext& context) {
    context.AddMetadata("authorization", "Bearer " + shared_.options.token);
    context.set_deadline(
        absl::ToChronoTime(edcert::clock::Clock::Real().Now() + absl::Seconds(10)));
  }

  void Done(const grpc::Status& status) {
    if (!status.ok()) {
      ++shared_.failed;
      return Stop(status);
    }
    ++shared_.done;
    {
      const absl::MutexLock lock(&shared_.mutex);
      shared_.millis.push_back(
          absl::ToDoubleMilliseconds(edcert::clock::Clock::Real().Now() - started_));
    }
    Next();
  }

  void Stop(const grpc::Status& status) {
    const absl::MutexLock lock(&shared_.mutex);
    if (!status.ok() && shared_.first_error.empty()) shared_.first_error = status.error_message();
    --shared_.running;
  }

  Shared& shared_;
  const std::string certification_;
  std::unique_ptr<grpc::ClientContext> context_;
  v1::RequestRecertificationRequest request_;
  v1::WithdrawRecertificationRequestRequest withdraw_;
  v1::Certification answer_;
  absl::Time started_;
};

double Percentile(std::vector<double>& sorted, double part) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
#ifdef NDEBUG
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as servers do
#endif
  Shared shared;
  CLI::App app("Keeps certifications' state transitions in flight and counts them.");
  app.add_option("--address", shared.options.address, "host:port of workflow")->required();
  app.add_option("--token", shared.options.token, "Token of a certifier")->required();
  app.add_option("--certifications", shared.options.certifications, "File, one name a line")
      ->required();
  app.add_option("--in-flight", shared.options.in_flight, "Calls at once");
  app.add_option("--seconds", shared.options.seconds, "How long");
  CLI11_PARSE(app, argc, argv);

  shared.stub = v1::Workflow::NewStub(
      grpc::CreateChannel(shared.options.address, grpc::InsecureChannelCredentials()));
  std::vector<std::unique_ptr<Slot>> slots;
  std::ifstream file(shared.options.certifications);
  for (std::string line; std::getline(file, line) &&
                         slots.size() < static_cast<std::size_t>(shared.options.in_flight);) {
    slots.push_back(std::make_unique<Slot>(shared, line));
    if (const grpc::Status status = slots.back()->Load(); !status.ok()) {
      std::fprintf(stderr, "edcert-transitions: %s: %s\n", line.c_str(),
                   status.error_message().c_str());
      return 1;
    }
  }
  const absl::Time begin = edcert::clock::Clock::Real().Now();
  shared.end = begin + absl::Seconds(shared.options.seconds);
  shared.running = static_cast<int>(slots.size());
  for (const auto& slot : slots) slot->Next();
  {
    const absl::MutexLock lock(&shared.mutex);
    const auto over = [&shared] { return shared.running == 0; };
    shared.mutex.Await(absl::Condition(&over));
  }
  const double took = absl::ToDoubleSeconds(edcert::clock::Clock::Real().Now() - begin);
  std::sort(shared.millis.begin(), shared.millis.end());
  nlohmann::ordered_json out;
  out["in_flight"] = slots.size();
  out["transitions"] = shared.done.load();
  out["failed"] = shared.failed.load();
  out["per_second"] = static_cast<double>(shared.done.load()) / took;
  out["p50_ms"] = Percentile(shared.millis, 0.5);
  out["p99_ms"] = Percentile(shared.millis, 0.99);
  out["error"] = shared.first_error;
  std::printf("%s\n", out.dump().c_str());
  return shared.failed.load() == 0 && !slots.empty() ? 0 : 1;
}
