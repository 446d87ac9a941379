// The directory as event_registry answers it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/access/registry_access.h"
#include "common/rpc/runtime.h"
#include "services/notification/fan_out.h"

namespace edcert::notification {

// Thread-safe.
class RegistryClient final : public Directory {
 public:
  RegistryClient(rpc::Runtime& runtime, access::RegistryAccess& registry);

  absl::StatusOr<Event> GetEvent(const std::string& event) override;
  absl::StatusOr<std::vector<OpenEvent>> ListOpenEvents(const std::string& rule_group,
                                                        const std::string& organization) override;
  absl::StatusOr<std::vector<Member>> ListMembers(const std::string& category,
                                                  const std::string& organization,
                                                  absl::Time at) override;
  absl::StatusOr<std::vector<Member>> ListStateMembers(const std::string& category,
                                                       absl::Time at) override;
  absl::StatusOr<std::string> GetDistrict(const std::string& organization) override;
  absl::StatusOr<Districts> ListSchools() override;

 private:
  // The state's own organisation: asked for once, there is one and it stays.
  absl::StatusOr<std::string> StateOrganization();

  rpc::Runtime& runtime_;
  access::RegistryAccess& registry_;
  const std::unique_ptr<registry::v1::EventRegistry::Stub> stub_;
  absl::Mutex mutex_;
  std::string state_organization_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace edcert::notification
