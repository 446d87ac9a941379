// Stand-ins of the services that workflow calls, on a real server of their own; for tests. They
// answer what the test has set, remember what they were asked, and fail when told to.
#pragma once

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/idempotency/idempotency.h"
#include "common/rpc/standard.h"
#include "common/rpc/status.h"
#include "common/status/errors.h"
#include "edcert/dataset/v1/dataset.grpc.pb.h"
#include "edcert/snapshot/v1/snapshot.grpc.pb.h"
#include "edcert/validation/v1/validation_report.grpc.pb.h"

namespace edcert::workflow {

// One event, one organisation, one dataset. Thread-safe.
class Peers {
 public:
  Peers() : datasets_(*this), snapshots_(*this), reports_(*this) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&datasets_);
    builder.RegisterService(&snapshots_);
    builder.RegisterService(&reports_);
    server_ = builder.BuildAndStart();
    address_ = fmt::format("127.0.0.1:{}", port);
  }
  ~Peers() { server_->Shutdown(); }

  std::map<std::string, std::string> Addresses() const {
    return {{"dataset", address_}, {"snapshot", address_}, {"validation_report", address_}};
  }

  // While it is set dataset cannot be reached.
  std::atomic<bool> datasets_are_down = false;
  // While it is set a report is made, and the answer that says so is lost.
  std::atomic<bool> report_answers_are_lost = false;
  // Called whenever dataset is asked; set before the server is used.
  std::function<void()> on_versions = [] {};

  void SetVersion(int64_t version) {
    const absl::MutexLock lock(&mutex_);
    version_ = version;
  }

  // The newest report is completed and viewed by everybody who asks, at an instant.
  void FinishReport(absl::Time viewed_at,
                    const std::vector<validation::v1::Report::SeverityCount>& counts) {
    const absl::MutexLock lock(&mutex_);
    validation::v1::Report& report = made_.front();
    report.set_state(validation::v1::Report::COMPLETED);
    *report.mutable_counts() = {counts.begin(), counts.end()};
    *report.mutable_viewed_by_caller_at() = rpc::ToProto(viewed_at);
  }
  // Changes a report; they are numbered from the newest one.
  void ChangeReport(std::size_t index, const std::function<void(validation::v1::Report&)>& change) {
    const absl::MutexLock lock(&mutex_);
    change(made_[index]);
  }

  // The rule has special warnings in every report, which were explained at an instant, or never.
  void Warn(const std::string& rule, std::optional<absl::Time> explained_at) {
    const absl::MutexLock lock(&mutex_);
    warnings_[rule] = explained_at;
  }

  // The state takes a snapshot, which is sealed at once. Returns its name.
  std::string TakeSnapshot() {
    const absl::MutexLock lock(&mutex_);
    return Freeze(snapshot::v1::Snapshot::SEALED).name();
  }
  // Changes the newest snapshot.
  void ChangeSnapshot(const std::function<void(snapshot::v1::Snapshot&)>& change) {
    const absl::MutexLock lock(&mutex_);
    change(frozen_.front());
  }

 private:
  class Datasets final : public dataset::v1::Datasets::Service {
   public:
    explicit Datasets(Peers& peers) : peers_(peers) {}
    grpc::Status GetVersions(grpc::ServerContext* /*context*/,
                             const dataset::v1::GetVersionsRequest* /*request*/,
                             dataset::v1::GetVersionsResponse* response) override {
      peers_.on_versions();
      if (peers_.datasets_are_down) return rpc::ToGrpc(status::Unavailable("dataset"));
      const absl::MutexLock lock(&peers_.mutex_);
      auto* version = response->add_versions();
      version->set_dataset(kDataset);
      version->set_version(peers_.version_);
      return grpc::Status::OK;
    }

   private:
    Peers& peers_;
  };

  class Snapshots final : public snapshot::v1::Snapshots::Service {
   public:
    explicit Snapshots(Peers& peers) : peers_(peers) {}
    grpc::Status GetSnapshot(grpc::ServerContext* /*context*/,
                             const snapshot::v1::GetSnapshotRequest* request,
                             snapshot::v1::Snapshot* response) override {
      const absl::MutexLock lock(&peers_.mutex_);
      for (const snapshot::v1::Snapshot& snapshot : peers_.frozen_) {
        if (snapshot.name() != request->name()) continue;
        *response = snapshot;
        return grpc::Status::OK;
      }
      return rpc::ToGrpc(status::NotFound(request->name()));
    }
    grpc::Status ListSnapshots(grpc::ServerContext* /*context*/,
                               const snapshot::v1::ListSnapshotsRequest* request,
                               snapshot::v1::ListSnapshotsResponse* response) override {
      const absl::MutexLock lock(&peers_.mutex_);
      for (const snapshot::v1::Snapshot& snapshot : peers_.frozen_) {
        if (request->state().empty() || request->state(0) == snapshot.state()) {
          *response->add_snapshots() = snapshot;
        }
      }
      return grpc::Status::OK;
    }
    grpc::Status CreateSnapshot(grpc::ServerContext* /*context*/,
                                const snapshot::v1::CreateSnapshotRequest* request,
                                snapshot::v1::Snapshot* response) override {
      const absl::MutexLock lock(&peers_.mutex_);
      return peers_.Once(*request, response,
                         [&] { return peers_.Freeze(snapshot::v1::Snapshot::SEALING); });
    }

   private:
    Peers& peers_;
  };

  class Reports final : public validation::v1::ValidationReports::Service {
   public:
    explicit Reports(Peers& peers) : peers_(peers) {}
    grpc::Status ListReports(grpc::ServerContext* /*context*/,
                             const validation::v1::ListReportsRequest* request,
                             validation::v1::ListReportsResponse* response) override {
      const absl::MutexLock lock(&peers_.mutex_);
      for (const validation::v1::Report& report : peers_.made_) {
        if (report.kind() == request->kind()) *response->add_reports() = report;
      }
      return grpc::Status::OK;
    }
    grpc::Status ListFindingGroups(grpc::ServerContext* /*context*/,
                                   const validation::v1::ListFindingGroupsRequest* request,
                                   validation::v1::ListFindingGroupsResponse* response) override {
      const absl::MutexLock lock(&peers_.mutex_);
      const bool by = request->has_explained_by_time();
      std::vector<std::string> groups;
      for (const auto& [rule, explained_at] : peers_.warnings_) {
        const bool explained =
            explained_at.has_value() &&
            (!by || *explained_at <= rpc::FromProto(request->explained_by_time()));
        if (!explained) groups.push_back(rule);
      }
      // A rule has two groups, and a page one of them: who asks must go on.
      const std::size_t place =
          request->page_token().empty() ? 0 : std::stoul(request->page_token());
      if (place >= 2 * groups.size()) return grpc::Status::OK;
      const std::string& rule = groups[place / 2];
      auto* group = response->add_groups();
      group->set_rule(rule);
      group->set_rule_code("CODE-" + rule.substr(rule.find('/') + 1));
      group->set_unexplained(static_cast<int64_t>(place % 2) + 1);
      if (place + 1 < 2 * groups.size()) {
        response->set_next_page_token(std::to_string(place + 1));
      }
      return grpc::Status::OK;
    }
    grpc::Status CreateReport(grpc::ServerContext* /*context*/,
                              const validation::v1::CreateReportRequest* request,
                              validation::v1::Report* response) override {
      const absl::MutexLock lock(&peers_.mutex_);
      const grpc::Status made =
          peers_.Once(*request, response, [&] { return peers_.Make(*request); });
      if (!peers_.report_answers_are_lost) return made;
      return rpc::ToGrpc(status::Unavailable("validation_report"));
    }

   private:
    Peers& peers_;
  };

  static constexpr char kDataset[] = "datasets/enrollment";

  // Runs a command once for its request id, as every service does.
  template <typename Request, typename Response, typename Body>
  grpc::Status Once(const Request& request, Response* response, const Body& body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::string hash = idempotency::HashOf(request);
    const auto [answer, is_new] = answers_.try_emplace(request.request_id());
    if (is_new) answer->second = {hash, body().SerializeAsString()};
    if (answer->second.first != hash) {
      return rpc::ToGrpc(status::RequestIdReused(request.request_id()));
    }
    response->ParseFromString(answer->second.second);
    return grpc::Status::OK;
  }

  snapshot::v1::Snapshot Freeze(snapshot::v1::Snapshot::State state)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    snapshot::v1::Snapshot snapshot;
    snapshot.set_name(fmt::format("snapshots/01890a5d-ac96-774b-bcce-{:012}", ++ids_));
    snapshot.set_generation(static_cast<int>(frozen_.size()) + 1);
    snapshot.set_state(state);
    snapshot.set_root("ab");
    auto* version = snapshot.add_data_versions();
    version->set_dataset(kDataset);
    version->set_version(version_);
    version->set_rows(10);
    frozen_.insert(frozen_.begin(), snapshot);
    return snapshot;
  }

  validation::v1::Report Make(const validation::v1::CreateReportRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    validation::v1::Report report;
    report.set_name(fmt::format("reports/01890a5d-ac96-774b-bcce-{:012}", ++ids_));
    report.set_kind(request.kind());
    report.set_snapshot(request.snapshot());
    report.set_previous_snapshot(request.previous_snapshot());
    report.set_state(validation::v1::Report::QUEUED);
    report.set_rule_group_version(1);
    *report.mutable_create_time() = rpc::ToProto(clock::Clock::Real().Now());
    auto* version = report.add_data_versions();
    version->set_dataset(kDataset);
    version->set_version(version_);
    made_.insert(made_.begin(), report);
    return report;
  }

  absl::Mutex mutex_;
  int ids_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t version_ ABSL_GUARDED_BY(mutex_) = 1;
  std::vector<snapshot::v1::Snapshot> frozen_ ABSL_GUARDED_BY(mutex_);  // newest first
  std::vector<validation::v1::Report> made_ ABSL_GUARDED_BY(mutex_);    // newest first
  std::map<std::string, std::optional<absl::Time>> warnings_ ABSL_GUARDED_BY(mutex_);
  // By request id: the hash of the request, and its answer.
  std::map<std::string, std::pair<std::string, std::string>> answers_ ABSL_GUARDED_BY(mutex_);

  Datasets datasets_;
  Snapshots snapshots_;
  Reports reports_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace edcert::workflow
