// Waivers: two people of the state say that FATAL findings do not block, until a day. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace edcert::validation_report {

// The numbers are those of the wire.
enum class WaiverState { kAwaitingSecondPerson = 1, kInForce, kExpired, kRevoked };

// Organisations, events, categories and people are resource names; the others are ids.
struct Waiver {
  std::string id = {};
  std::string event = {};
  std::string category = {};
  std::string organization = {};
  std::string report = {};
  std::string rule = {};
  std::string rule_code = {};
  std::string target = {};  // hex: a group of findings of the report, or the fingerprint of one
  int64_t findings = 0;
  std::string reason = {};
  absl::CivilDay until = {};
  absl::Time ends_at = {};  // the last instant of that day
  std::string asked_by = {};
  absl::Time asked_at = {};
  std::string confirmed_by = {};
  std::optional<absl::Time> confirmed_at = {};
  std::string revoked_by = {};
  std::optional<absl::Time> revoked_at = {};
  std::string revoke_reason = {};

  std::string name() const { return "waivers/" + id; }
};

inline WaiverState StateOf(const Waiver& waiver, absl::Time now) {
  if (waiver.revoked_at.has_value()) return WaiverState::kRevoked;
  if (now > waiver.ends_at) return WaiverState::kExpired;
  return waiver.confirmed_at.has_value() ? WaiverState::kInForce
                                         : WaiverState::kAwaitingSecondPerson;
}

}  // namespace edcert::validation_report
