// Asks event_registry: the one service that every other one calls, so its client stands here once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "common/access/access.h"
#include "common/feed/feed.h"
#include "edcert/registry/v1/event_registry.grpc.pb.h"

namespace edcert::access {

// Thread-safe.
class RegistryAccess final : public Resolver {
 public:
  explicit RegistryAccess(rpc::Runtime& runtime);

  // An event with its participants, for a service that acts by itself.
  absl::StatusOr<EventFacts> GetEvent(const std::string& name);

  // A member of a category. What is said of scopes is of today.
  struct Member {
    std::string user;
    std::string organization;
    Role role;
    Rank rank;
    std::string delegate;  // who may act in his place; empty when nobody may
    std::string title;     // office of the person
    absl::CivilDay valid_from = absl::CivilDay::min();
    absl::CivilDay valid_to = absl::CivilDay::max();
    bool user_active = true;
    bool in_scope = true;               // the role counts at the organisation
    bool all_schools = false;           // the role is held at every school of it too
    bool delegate_in_scope = false;     // the delegate can act at the organisation
    bool delegate_all_schools = false;  // and at every school of it
  };
  // The members of a category at an organisation; all when it is empty. Those who are active today
  // alone, or all: inactive people, and days that are past or to come. With `at` the members of
  // that instant, and its day is today. For a service that acts by itself.
  absl::StatusOr<std::vector<Member>> ListMembers(const std::string& category,
                                                  const std::string& organization,
                                                  bool active_only = true,
                                                  std::optional<absl::Time> at = std::nullopt);

  // The display name, kind and parent of an organisation, for a service that acts by itself.
  struct Organization {
    std::string name;
    std::string display_name;
    OrganizationKind kind;
    std::string parent;
  };
  absl::StatusOr<Organization> GetOrganization(const std::string& name);

  // The registry's feed, for a Consumer.
  absl::StatusOr<feed::Page> ListChanges(int64_t after, int limit);

 protected:
  absl::StatusOr<Access> Ask(const rpc::Call& call, const Query& query) override;
  absl::StatusOr<Access> AskForService(const rpc::Call& call, const Query& query) override;

 private:
  rpc::Runtime& runtime_;
  const std::unique_ptr<registry::v1::EventRegistry::Stub> stub_;
};

// The facts in a registry message.
EventFacts FactsOf(const registry::v1::Event& event);
// The access in a registry answer.
Access AccessOf(const registry::v1::ResolveAccessResponse& response);

}  // namespace edcert::access
